"""The rows of the search form: for each varied setting its range or its values.

In: the shared settings. Out: a search space, not yet checked against them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from cnn_core.config.schema import TrainConfig, choices, has_effect, label, settings_deciding_on, title, value_text
from cnn_core.models.registry import FAMILIES
from cnn_core.search.space import (
    SEARCHABLE,
    TEXTS_WITH_COMMAS,
    Choices,
    Dimension,
    Range,
    Space,
    is_integer,
    parse_space,
    takes_range,
)
from pages.shared.forms import FIELDS
from pages.views.search.suggestions import suggest_range, suggest_values

RANGE, LIST = "range", "list"
BOX = "search-settings"


def choose_settings(base: TrainConfig) -> list[str]:
    """Show the choice of the settings to vary, among those that can have an effect."""
    chosen = st.session_state.get(BOX, ["learning_rate"])
    return st.multiselect(
        "Settings to vary",
        [name for name in SEARCHABLE if _can_matter(name, base.model_dump(), chosen)],
        default=["learning_rate"],
        key=BOX,
        format_func=title,
        placeholder="Choose at least one",
        help="Each trial uses other values of these settings. Start with two to four settings; more settings need more trials.",
    )


def space_rows(names: Sequence[str], base: TrainConfig, *, is_grid: bool) -> Space:
    """Show a row for every setting and return the space. Raises SettingError for a value that cannot be read."""
    return tuple(_row(name, base.model_dump(), is_grid) for name in names)


def _can_matter(name: str, base: Mapping[str, Any], chosen: Sequence[str]) -> bool:
    deciding = {"model", *settings_deciding_on(name)}
    return name in chosen or has_effect(name, base) or bool(deciding & set(chosen))


def _row(name: str, base: Mapping[str, Any], is_grid: bool) -> Dimension:
    key = f"search-{base['data']}-{base['model']}-{name}"
    with st.container(border=True, gap="small"):
        if not takes_range(name):
            return _pick(name, base, key) if _options(name) else _list(name, base, key)
        needs_list = is_grid and not is_integer(name)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{label(name)}**", help=FIELDS[name].description, width="content")
            kinds = [LIST] if needs_list else [RANGE, LIST]
            kind = st.segmented_control(
                f"Range or list for {title(name)}",
                kinds,
                default=kinds[0],
                required=True,
                key=f"{key}-kind-{len(kinds)}",
                label_visibility="collapsed",
            )
        return _range(name, base, key) if kind == RANGE else _list(name, base, key, is_titled=True)


def _range(name: str, base: Mapping[str, Any], key: str) -> Range:
    suggested, label_text = suggest_range(name, base), title(name)
    number = int if is_integer(name) else float
    options: dict[str, Any] = {"step": 1} if number is int else {"format": "%g", "step": _step(suggested)}
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    low = left.number_input(
        f"{label_text} from", value=number(suggested.low), key=f"{key}-low", help="The lowest value.", **options
    )
    high = middle.number_input(
        f"{label_text} to", value=number(suggested.high), key=f"{key}-high", help="The highest value.", **options
    )
    log = right.toggle(
        "Logarithmic",
        value=suggested.log,
        key=f"{key}-log",
        help="Chooses values from each decade (0.001 to 0.01, 0.01 to 0.1) equally often. Use it for values that span several decades, such as learning rates.",
    )
    return Range(name, low, high, log)


def _list(name: str, base: Mapping[str, Any], key: str, *, is_titled: bool = False) -> Dimension:
    separator = ";" if name in TEXTS_WITH_COMMAS else ","
    default = f"{separator} ".join(f"{value:g}" if takes_range(name) else str(value) for value in suggest_values(name, base))
    text = st.text_input(
        f"{title(name)}: values" if is_titled else label(name),
        value=default,
        key=f"{key}-values",
        help=f"{FIELDS[name].description} Separate values with “{separator}”.",
    )
    (dimension,) = parse_space([f"{name}={text}"])
    return dimension


def _pick(name: str, base: Mapping[str, Any], key: str) -> Choices:
    values = st.pills(
        label(name),
        _options(name),
        default=suggest_values(name, base),
        selection_mode="multi",
        key=f"{key}-picked",
        format_func=lambda value: value_text(name, value),
        help=f"{FIELDS[name].description} Choose the values to vary.",
    )
    return Choices(name, tuple(values))


def _options(name: str) -> list[Any]:
    """Return the values of a setting that is a choice or a switch; empty for a text."""
    if name == "model":
        return list(FAMILIES)
    return [False, True] if FIELDS[name].annotation is bool else list(choices(name))


def _step(suggested: Range) -> float:
    return suggested.low if suggested.log else (suggested.high - suggested.low) / 10
