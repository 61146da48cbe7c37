"""Declaring an inline component from the files beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent


def declare(name: str, *shared: str) -> Callable[..., Any]:
    """The component whose files are `name`.html, `name`.css and `name`.js in this folder; its code begins with that of `shared`."""
    html, css = (_read(f"{name}.{kind}") for kind in ("html", "css"))
    js = "\n".join(_read(f"{part}.js") for part in (*shared, name))
    return st.components.v2.component(f"cnn_studio_{name}", html=html, css=css, js=js, isolate_styles=False)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
