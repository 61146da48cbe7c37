"""Render the report's templates with Jinja2. In: the name of a template and its values. Out: HTML in which every value is escaped."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cnn_core.text import format_percent

CONTROLS = dict.fromkeys([*(number for number in range(32) if chr(number) not in "\t\n"), 127], " ")


def render(template: str, **values: Any) -> str:
    """Return the rendered template. A value that the template names but that is missing raises jinja2.UndefinedError."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_to_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = format_percent
    return environment


def _to_printable(value: object) -> object:
    """Return text without undecodable bytes of file names and without control characters, which HTML forbids."""
    if isinstance(value, Markup):
        return value
    return str(value).encode("utf-8", "replace").decode().translate(CONTROLS)
