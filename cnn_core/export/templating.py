"""Jinja2 templates of exported files: the training script, and the check script and README of a bundle.

In: the name of a template and its values. Out: text. In a template of code every value must be Code: a Python literal (filter `pyrepr`), one line
of a comment (filter `comment`), or code of this program. Any other value raises TypeError, so no name or path can become code.
"""

import ast
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


class Code(str):
    """Text that is inserted into a Python file unchanged."""


def render_code(template: str, **values: Any) -> Code:
    """Return the Python code of `template` with `values`."""
    return Code(_environment(is_code=True).get_template(template).render(values))


def render_text(template: str, **values: Any) -> str:
    """Return the text of `template` with `values`."""
    return _environment(is_code=False).get_template(template).render(values)


@cache
def _environment(is_code: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_require_code if is_code else None,
        autoescape=False,  # no HTML is written here
    )
    environment.filters |= {"pyrepr": pyrepr, "comment": comment}
    return environment


def _require_code(value: Any) -> Code:
    if not isinstance(value, Code):
        raise TypeError(f"{value!r} is not Code. Use a filter in the template.")
    return value


def pyrepr(value: Any) -> Code:
    """Return `value` as a Python literal: text, a number, True, False, None, or tuples, lists and dicts of these. Raises TypeError for others."""
    literal = repr(value)
    try:
        is_literal = ast.literal_eval(literal) == value
    except (ValueError, SyntaxError):
        is_literal = False
    if not is_literal:
        raise TypeError(f"{literal} is not a literal.")
    return Code(literal)


def comment(text: str) -> Code:
    """Return `text` on one line, for use after a comment sign."""
    return Code(" ".join("".join(c if c.isprintable() else " " for c in text).split()))


def constructor(value: Any, **known: str) -> Code:
    """Return the code that creates `value`, a dataclass: "Cosine(peak=LEARNING_RATE, steps=steps)".

    `known`: code for fields by name; the other fields are literals. Fields with their default value are left out.
    """
    assert is_dataclass(value) and not isinstance(value, type)
    arguments = []
    for field in fields(value):
        argument = getattr(value, field.name)
        if field.name in known:
            arguments.append(f"{field.name}={known[field.name]}")
        elif field.default is MISSING or argument != field.default:
            arguments.append(f"{field.name}={pyrepr(argument)}")
    return Code(f"{type(value).__name__}({', '.join(arguments)})")
