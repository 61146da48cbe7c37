"""Form fields for settings: label, help and range come from `cnn_core.config.schema`."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.defaults import BELONGS_TO_OPTIMIZER, make_config
from cnn_core.config.schema import GROUPS, TrainConfig, choices, facts, has_effect, label, range_in_words
from pages.charts.components.tooltips import reach_tooltips
from pages.shared.links import glossary_topic, page_file, term_link

FIELDS = TrainConfig.model_fields
COLUMNS = 3
STEPS = {"width": 0.25, "clip_norm": 0.5, "weight_decay": 0.0005, "ema": 0.01, "rotation": 1.0, "shear": 1.0}


@cache  # all of them together take 0.3 s, and every rerun asks
def explain(name: str) -> str:
    """Return the help of a field: what the setting does, its range, and a link into the glossary."""
    return " ".join(part for part in (FIELDS[name].description, _range_sentence(name), term_link(name)) if part)


def field_key(name: str, chosen: Mapping[str, Any]) -> str:
    """The widget's name. It belongs to the data set and the model, and where the optimizer brings its own default, to that too:
    what was changed for one is not carried to another."""
    optimizer = chosen.get("optimizer", "") if name in BELONGS_TO_OPTIMIZER and name != "optimizer" else ""
    return "-".join(part for part in (chosen["data"], chosen["model"], optimizer, name) if part)


def settings_tabs(data: str, model: str) -> tuple[dict[str, Any], dict[str, DeltaGenerator]]:
    """All settings beyond data and model, grouped into tabs, at first the defaults of data, model and optimizer.

    Gives what was chosen, not yet checked, and the tabs by group for what else belongs there. Settings without effect are not shown.
    """
    reach_tooltips()
    chosen: dict[str, Any] = {"data": data, "model": model}
    tabs = dict(zip(GROUPS, st.tabs(GROUPS), strict=True))
    for group, tab in tabs.items():
        with tab:
            _fill_tab([name for name in FIELDS if facts(name).group == group], chosen)
            # Also for keyboards, which open the question marks but do not reach the links in them.
            st.page_link(page_file("learn"), label="What these settings mean", icon=":material/menu_book:", query_params=glossary_topic(group))  # fmt: skip
    return chosen, tabs


def augmentation_inputs(data: str) -> dict[str, Any]:
    """The fields of the Augmentation tab that change single images; gives what was chosen, not yet checked."""
    chosen: dict[str, Any] = {"data": data, "model": TrainConfig.model_fields["model"].default}
    _fill_tab([name for name in FIELDS if facts(name).group == "Augmentation" and name not in ("mixup", "cutmix")], chosen)
    return chosen


def _fill_tab(names: list[str], chosen: dict[str, Any]) -> None:
    """Those of the fields that have an effect, side by side in rows, switches last; what they hold is put into `chosen`."""
    row: list[DeltaGenerator] = []
    for name in sorted(names, key=lambda name: FIELDS[name].annotation is bool):
        if has_effect(name, chosen):
            row = row or st.columns(COLUMNS, vertical_alignment="bottom")
            with row.pop(0):
                chosen[name] = setting_input(name, chosen)


def setting_input(name: str, chosen: Mapping[str, Any]) -> Any:
    """The widget for setting `name` beside what was `chosen` so far; gives its value, not yet checked.

    Number fields carry no limits of their own: a browser silently keeps the old number when a new one is out of range. The settings
    refuse it by name instead.
    """
    return _widget(name, default_of(name, chosen), field_key(name, chosen))


def changed_inputs(config: TrainConfig, names: Iterable[str], key: str) -> dict[str, Any]:
    """Fields for settings `names` that hold what they are in `config`; gives those that were given another value, not yet checked."""
    shown = [name for name in names if has_effect(name, config.model_dump())]
    columns = st.columns(2, vertical_alignment="bottom")
    chosen = {}
    for position, name in enumerate(shown):
        with columns[position % 2]:
            chosen[name] = _widget(name, getattr(config, name), f"{key}-{name}-{getattr(config, name)}")
    return {name: value for name, value in chosen.items() if value != getattr(config, name)}


def _widget(name: str, value: Any, key: str) -> Any:
    field = FIELDS[name]
    shared = {"help": explain(name), "key": key}
    if field.annotation is bool:
        return st.toggle(label(name), value=value, wrap=True, **shared)
    if options := choices(name):
        return st.selectbox(label(name), options, index=options.index(value), **shared)
    if field.annotation is str:
        return st.text_input(label(name), value=value, **shared)
    if field.annotation is int:
        return st.number_input(label(name), value=value, step=1, **shared)
    return st.number_input(label(name), value=value, step=_step(name, value), format="%g", **shared)


def default_of(name: str, chosen: Mapping[str, Any]) -> Any:
    """What setting `name` is where nobody chose it, with this data set, model and optimizer."""
    return getattr(make_config(**{key: chosen[key] for key in ("data", "model", "optimizer") if key in chosen}), name)


def _range_sentence(name: str) -> str:
    """Return the range of a number as a sentence; a box of choices shows its own."""
    allowed = "" if choices(name) else range_in_words(name)
    return f"Range: {allowed}." if allowed else ""


def _step(name: str, value: float) -> float:
    """What one press of + or − changes: 0.05 of a share, 0.0005 of a small value."""
    return STEPS.get(name, 0.0005 if 0 < value < 0.05 else 0.05)
