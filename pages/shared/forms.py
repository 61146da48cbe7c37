"""Form fields for settings: label, help and range come from `cnn_core.config.schema`."""

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.defaults import BELONGS_TO_OPTIMIZER, make_config
from cnn_core.config.schema import GROUPS, TrainConfig, choices, format_range, has_effect, label, metadata
from cnn_core.config.settings_link import settings_without_defaults
from cnn_core.models.pretrained_table import NETWORKS
from pages.charts.components.tooltips import reach_tooltips
from pages.shared.links import glossary_topic, page_file, term_link

FIELDS = TrainConfig.model_fields
COLUMNS = 3
STEPS = {
    "size": 32.0,
    "crop_share": 0.125,
    "width": 0.25,
    "clip_norm": 0.5,
    "weight_decay": 0.0005,
    "ema": 0.01,
    "rotation": 1.0,
    "shear": 1.0,
}


@cache  # all fields together take 0.3 s, and every rerun draws them
def help_text(name: str) -> str:
    """Return the help of a field: what the setting does, its range, and a link into the glossary."""
    return " ".join(sentence for sentence in (FIELDS[name].description, _range_sentence(name), term_link(name)) if sentence)


def field_key(name: str, chosen: Mapping[str, Any]) -> str:
    """Return the key of a setting's widget. It contains data set and model, and the optimizer where the optimizer sets the default, so that
    each combination has its own defaults. `settings_tabs` carries over what a person has typed."""
    optimizer = chosen.get("optimizer", "") if name in BELONGS_TO_OPTIMIZER and name != "optimizer" else ""
    return "-".join(key for key in (chosen["data"], chosen["model"], optimizer, name) if key)


TYPED = "form-typed"  # session key: values by setting that differ from the defaults, as a person typed them
TYPED_FOR = "form-typed-for"  # session key: the data set and the model for which the form was drawn last


class SettingsForm(NamedTuple):
    """The values of a form, not yet checked; its tabs by group, to which a page can add; and the place below each field, for a message."""

    chosen: dict[str, Any]
    tabs: Mapping[str, DeltaGenerator]
    places: dict[str, DeltaGenerator]


def settings_tabs(data: str, model: str) -> SettingsForm:
    """Draw all settings except data and model in tabs by group, with the defaults of data, model and optimizer.

    Settings without effect are not shown. What was typed stays when another data set or model is chosen.
    """
    reach_tooltips()
    chosen: dict[str, Any] = {"data": data, "model": model}
    is_changed = st.session_state.get(TYPED_FOR, (data, model)) != (data, model)
    typed: dict[str, Any] = st.session_state.setdefault(TYPED, {})
    places: dict[str, DeltaGenerator] = {}
    tabs = dict(zip(GROUPS, st.tabs(GROUPS), strict=True))
    for group, tab in tabs.items():
        with tab:
            names = [name for name in FIELDS if metadata(name).group == group]
            places |= _fill_tab(names, chosen, typed if is_changed else {})
            # Also for keyboards, which open the tooltips but cannot reach the links in them.
            st.page_link(page_file("learn"), label="What these settings mean", icon=":material/menu_book:", query_params=glossary_topic(group))  # fmt: skip
    _remember_typed(typed, chosen)
    return SettingsForm(chosen, tabs, places)


def forget_typed() -> None:
    """Forget what was typed; call it where the whole form is filled from elsewhere."""
    st.session_state.pop(TYPED, None)
    st.session_state.pop(TYPED_FOR, None)


def _remember_typed(typed: dict[str, Any], chosen: Mapping[str, Any]) -> None:
    """Put into `typed` the chosen values that are not the defaults, and remove those that were set to the default again."""
    changed = settings_without_defaults(chosen)
    for name in chosen.keys() - {"data", "model"}:
        if name in changed:
            typed[name] = chosen[name]
        elif typed.get(name) != chosen[name]:
            typed.pop(name, None)
    st.session_state[TYPED_FOR] = (chosen["data"], chosen["model"])


def augmentation_inputs(data: str, model: str) -> dict[str, Any]:
    """Draw the fields of the Augmentation tab that change single images, and return their values, not yet checked."""
    chosen: dict[str, Any] = {"data": data, "model": model}
    _fill_tab([name for name in FIELDS if metadata(name).group == "Augmentation" and name not in ("mixup", "cutmix")], chosen)
    return chosen


def _fill_tab(
    names: list[str], chosen: dict[str, Any], typed: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, DeltaGenerator]:
    """Draw the fields that have an effect side by side, switches in rows of their own, put their values into `chosen`, and return their places.

    typed: values that new fields begin with instead of their defaults.
    """
    places: dict[str, DeltaGenerator] = {}
    row, is_row_of_switches = list[DeltaGenerator](), False
    for name in sorted(names, key=_is_switch):
        if has_effect(name, chosen):
            if not row or is_row_of_switches != _is_switch(name):
                row, is_row_of_switches = list(st.columns(COLUMNS)), _is_switch(name)
            places[name] = row.pop(0)
            if name in typed:
                st.session_state.setdefault(field_key(name, chosen), typed[name])
            with places[name]:
                chosen[name] = setting_input(name, chosen)
    return places


def _is_switch(name: str) -> bool:
    return FIELDS[name].annotation is bool


def setting_input(name: str, chosen: Mapping[str, Any]) -> Any:
    """Draw the widget for setting `name` beside the values `chosen` so far, and return its value, not yet checked.

    Number fields have no limits of their own: a browser silently keeps the old number when a new one is out of range. `make_config`
    refuses it with a message instead.
    """
    return _widget(name, default_value(name, chosen), field_key(name, chosen))


def changed_inputs(config: TrainConfig, names: Iterable[str], key: str) -> dict[str, Any]:
    """Draw fields for settings `names` with the values of `config`, and return the values that were changed, not yet checked."""
    shown = [name for name in names if has_effect(name, config.model_dump())]
    columns = st.columns(2, vertical_alignment="bottom")
    chosen = {}
    for position, name in enumerate(shown):
        with columns[position % 2]:
            chosen[name] = _widget(name, getattr(config, name), f"{key}-{name}-{getattr(config, name)}")
    return {name: value for name, value in chosen.items() if value != getattr(config, name)}


def _widget(name: str, value: Any, key: str) -> Any:
    kind, title, about = FIELDS[name].annotation, label(name), help_text(name)
    if kind is bool:
        return st.toggle(title, value=value, wrap=True, help=about, key=key)
    if options := choices(name):
        return st.selectbox(title, options, index=options.index(value), help=about, key=key)
    if name == "timm_name":  # any name can be typed
        names = list(dict.fromkeys([*NETWORKS, value, st.session_state.get(key, value)]))
        return st.selectbox(
            title, names, names.index(value), format_func=_network_title, accept_new_options=True, help=about, key=key
        )
    if kind is str:
        return st.text_input(title, value=value, help=about, key=key)
    if kind is int:  # a field for whole numbers alone would cut the decimals off, silently
        number = st.number_input(title, value=float(value), step=STEPS.get(name, 1.0), format="%g", help=about, key=key)
        return int(number) if float(number).is_integer() else number
    return st.number_input(title, value=float(value), step=_step(name, value), format="%g", help=about, key=key)


def _network_title(name: str) -> str:
    return f"{NETWORKS[name].title} ({name})" if name in NETWORKS else name


def default_value(name: str, chosen: Mapping[str, Any]) -> Any:
    """Return the default of setting `name` for the chosen data set, model and optimizer."""
    return getattr(make_config(**{key: chosen[key] for key in ("data", "model", "optimizer") if key in chosen}), name)


def _range_sentence(name: str) -> str:
    """Return the range of a number as a sentence; "" for a select box, which shows its options."""
    allowed = "" if choices(name) else format_range(name)
    return f"Range: {allowed}." if allowed else ""


def _step(name: str, value: float) -> float:
    """Return what one press of + or − changes: 0.0005 for a small value, else 0.05, unless STEPS names another step."""
    return STEPS.get(name, 0.0005 if 0 < value < 0.05 else 0.05)
