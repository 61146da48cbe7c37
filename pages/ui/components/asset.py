"""Declaring an inline component from the files beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent


def declare(name: str) -> Callable[..., Any]:
    """The component whose files are `name`.html, `name`.css and `name`.js in this folder."""
    html, css, js = ((FOLDER / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    return st.components.v2.component(f"cnn_studio_{name}", html=html, css=css, js=js, isolate_styles=False)
