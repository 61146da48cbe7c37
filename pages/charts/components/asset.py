"""Declare a component from the HTML, CSS and JavaScript in its folder.

A component's JavaScript is an ES module that may import others, its own and those in `shared`. Streamlit hands a component to the browser as one
inline script, which cannot import files, so `bundle` joins them to one module, in which each has a scope of its own.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent
BASE_STYLE = FOLDER / "shared" / "base.css"
IMPORT = re.compile(r'^import \{ (.+) \} from "(.+)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)


def declare(name: str) -> Callable[..., Any]:
    """Return the component in folder `name`; calling it puts the component on the page."""
    folder = FOLDER / name
    html, css = (_read(folder / f"{name}.{kind}") for kind in ("html", "css"))
    js = bundle(folder / f"{name}.js")
    return st.components.v2.component(f"cnn_studio_{name}", html=html, css=_read(BASE_STYLE) + css, js=js, isolate_styles=False)


def bundle(module: Path) -> str:
    """Return the JavaScript module at `module` and all that it imports as one module with the exports of the first. Raises ImportError."""
    scopes: dict[Path, tuple[str, list[str]]] = {}  # of each imported module its code, and the names that it exports

    def resolve(path: Path) -> str:
        """Return the code at `path`, its imports replaced by constants; what it imports is in `scopes` then."""

        def replace(found: re.Match[str]) -> str:
            names, imported = found[1].split(", "), (path.parent / found[2]).resolve()
            if imported not in scopes:
                code = resolve(imported)
                scopes[imported] = (EXPORT.sub("", code), EXPORT.findall(code))
            place, exported = list(scopes).index(imported), scopes[imported][1]
            if missing := set(names) - set(exported):
                raise ImportError(f"{imported.name} does not export {', '.join(sorted(missing))}, which {path.name} imports.")
            return f"const {{ {found[1]} }} = module{place};"

        return IMPORT.sub(replace, _read(path))

    own = resolve(module.resolve())
    others = (
        f"const module{place} = (() => {{\n{code}\nreturn {{ {', '.join(names)} }};\n}})();"
        for place, (code, names) in enumerate(scopes.values())
    )
    return "\n".join([*others, own])


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
