"""Form fields made from the settings' own descriptions: label, unit, range and sentence of help come from `cnn_core.config`."""

from typing import Any, get_args

import streamlit as st

from cnn_core.config import TrainConfig, range_in_words


def label(name: str) -> str:
    """A setting's label with its unit and range. Plain text: screen readers are given it letter by letter, Markdown included."""
    field = TrainConfig.model_fields[name]
    facts = ", ".join(part for part in (field.json_schema_extra["unit"], _short_range(name)) if part)
    return f"{field.title} ({facts})"


def setting_input(name: str, value: Any, form: str) -> Any:
    """The widget for setting `name` of TrainConfig in the form called `form`, at first `value`; gives what was chosen, not yet checked.

    Number fields carry no limits of their own: a browser silently keeps the old number when a new one is out of range. The settings
    refuse it by name instead.
    """
    field = TrainConfig.model_fields[name]
    shared = {"help": field.description, "key": f"{form}-{name}"}
    if field.annotation is bool:
        return st.toggle(label(name), value=value, **shared)
    if choices := get_args(field.annotation):
        return st.selectbox(label(name), choices, index=choices.index(value), **shared)
    if field.annotation is int:
        return st.number_input(label(name), value=value, step=1, **shared)
    return st.number_input(label(name), value=value, step=_step(value), format="%g", **shared)


def _short_range(name: str) -> str:
    """The range, for numbers; a box of choices shows its own."""
    return "" if get_args(TrainConfig.model_fields[name].annotation) else range_in_words(name)


def _step(value: float) -> float:
    """What one press of + or − changes: a tenth of a small value, 0.05 of a share."""
    return 0.05 if value >= 0.05 else 0.0005
