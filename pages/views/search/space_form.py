"""The rows of the form for a search: for each setting that is to be searched its range, or the values that are tried.

In: the settings that all trials share. Out: a space, not yet checked against them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from cnn_core.config.schema import TrainConfig, choices, facts, has_effect, label
from cnn_core.config.setting import value_in_words
from cnn_core.models.registry import FAMILIES
from cnn_core.search.space import SEARCHABLE, TEXTS_WITH_COMMAS, Choices, Range, Space, is_whole, parse_space, takes_range
from pages.shared.forms import FIELDS
from pages.views.search.suggestions import suggest_range, suggest_values

RANGE, LIST = "range", "list"
BOX = "search-settings"


def choose_settings(base: TrainConfig) -> list[str]:
    """The settings that are to be searched, from those that have an effect, or have one beside others that are searched."""
    chosen = st.session_state.get(BOX, ["learning_rate"])
    return st.multiselect(
        "Settings to search",
        [name for name in SEARCHABLE if _can_matter(name, base.model_dump(), chosen)],
        default=["learning_rate"],
        key=BOX,
        format_func=lambda name: FIELDS[name].title,
        placeholder="Choose at least one",
        help="Every trial gets its own value of each of these. Two to four settings are a good start: every further one wants more trials.",
    )


def space_rows(names: Sequence[str], base: TrainConfig, *, is_grid: bool) -> Space:
    """A row of fields for every setting. Raises SettingError for a value that cannot be read."""
    return tuple(_row(name, base.model_dump(), is_grid) for name in names)


def _can_matter(name: str, base: Mapping[str, Any], chosen: Sequence[str]) -> bool:
    deciding = {"model", *facts(name).only}
    return name in chosen or has_effect(name, base) or bool(deciding & set(chosen))


def _row(name: str, base: Mapping[str, Any], is_grid: bool) -> Range | Choices:
    key = f"search-{base['data']}-{base['model']}-{name}"
    with st.container(border=True, gap="small"):
        if not takes_range(name):
            return _pick(name, base, key) if _options(name) else _list(name, base, key)
        needs_list = is_grid and not is_whole(name)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{label(name)}**", help=FIELDS[name].description, width="content")
            ways = [LIST] if needs_list else [RANGE, LIST]
            way = st.segmented_control(
                f"How {FIELDS[name].title} is searched",
                ways,
                default=ways[0],
                required=True,
                key=f"{key}-way-{len(ways)}",
                label_visibility="collapsed",
            )
        return _range(name, base, key) if way == RANGE else _list(name, base, key, is_titled=True)


def _range(name: str, base: Mapping[str, Any], key: str) -> Range:
    usual, title = suggest_range(name, base), FIELDS[name].title
    kind = int if is_whole(name) else float
    how = {"step": 1} if kind is int else {"format": "%g", "step": _step(usual)}
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    low = left.number_input(f"{title} from", value=kind(usual.low), key=f"{key}-low", help="The lowest value tried.", **how)
    high = middle.number_input(f"{title} to", value=kind(usual.high), key=f"{key}-high", help="The highest value tried.", **how)
    log = right.toggle(
        "Logarithmic",
        value=usual.log,
        key=f"{key}-log",
        help="Each decade (0.001 to 0.01, 0.01 to 0.1) gets as many trials as the next. Right where values differ by their zeros.",
    )
    return Range(name, low, high, log)


def _list(name: str, base: Mapping[str, Any], key: str, *, is_titled: bool = False) -> Range | Choices:
    mark = ";" if name in TEXTS_WITH_COMMAS else ","
    usual = f"{mark} ".join(f"{value:g}" if takes_range(name) else str(value) for value in suggest_values(name, base))
    text = st.text_input(
        f"{FIELDS[name].title}: values to try (with {'semicolons' if mark == ';' else 'commas'} between them)"
        if is_titled
        else label(name),
        value=usual,
        key=f"{key}-values",
        help=f"{FIELDS[name].description} Values to try, with “{mark}” between them.",
    )
    (part,) = parse_space([f"{name}={text}"])
    return part


def _pick(name: str, base: Mapping[str, Any], key: str) -> Choices:
    values = st.pills(
        label(name),
        _options(name),
        default=suggest_values(name, base),
        selection_mode="multi",
        key=f"{key}-picked",
        format_func=lambda value: _title(name, value),
        help=f"{FIELDS[name].description} Choose the values to try.",
    )
    return Choices(name, tuple(values))


def _options(name: str) -> list[Any]:
    """The values of a setting that is a choice or a switch; none for a text."""
    if name == "model":
        return list(FAMILIES)
    return [False, True] if FIELDS[name].annotation is bool else list(choices(name))


def _title(name: str, value: Any) -> str:
    return FAMILIES[value].title if name == "model" else value_in_words(value)


def _step(part: Range) -> float:
    return part.low if part.log else (part.high - part.low) / 10
