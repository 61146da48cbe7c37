"""What networks cost before they are trained: the chosen one's figures, and all of them beside each other.

Times are measured at the press of a button: real training steps on this machine.
"""

import sys
import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.models.registry import FAMILIES
from pages.shared.forms import default_of
from pages.shared.tryouts import keep, kept

if TYPE_CHECKING:
    from cnn_core.models.cost import Cost

FIGURES = {
    "Parameters": "Trainable numbers of the network.",
    "Multiply-adds": "Of one image's way through the network; training takes three times that.",
    "Memory": "Of training at this batch size, about: weights, their steps, and what the way back needs.",
}
NOT_YET, NONE = ("…",) * len(FIGURES), ("–",) * len(FIGURES)
LAST = "last-cost"
PAINT_SECONDS = 0.15  # loading torch holds the interpreter for seconds: in this time the form is sent to the browser first
MEASURED_SECONDS = 0.5  # for each network; a slow one takes two steps, however long


def reserve_cost() -> list[DeltaGenerator]:
    """The place of the chosen network's figures: "…", or those of the last rerun, until `show_cost` knows better."""
    grid = st.grid(len(FIGURES), min_column_width=150)
    places = [grid.empty() for _ in FIGURES]
    _draw(places, st.session_state.get(LAST, NOT_YET))
    return places


def show_cost(places: list[DeltaGenerator], config: TrainConfig, info: DataInfo) -> None:
    """What the chosen network asks for. Raises SettingError when it cannot be built for these images."""
    figures = NONE
    if "torch" not in sys.modules:
        time.sleep(PAINT_SECONDS)
    try:
        cost = _cost(config.model, info, config.batch_size, config.model_options)
        figures = (f"{cost.parameters:,}", _short(cost.multiply_adds), f"{cost.memory_bytes / 1e6:,.0f} MB")
    finally:
        st.session_state[LAST] = figures
        _draw(places, figures)


def model_table(config: TrainConfig, info: DataInfo) -> None:
    """Every family beside the others, at this data's shape and this batch size; the times are measured on request."""
    table = st.expander("Compare the models", icon=":material/table_chart:", key="compare", on_change="rerun")
    if not table.open:
        return
    with table:
        options = tuple(config.model_options.values())
        key = ("times", info, config.validation_share, config.batch_size, config.device, config.model, options)
        if st.button(
            "Measure the time of an epoch",
            icon=":material/timer:",
            help="Takes a few real training steps with each network on this machine. A training that runs meanwhile slows both.",
        ):
            keep(key, _measure(config, info))
        times = kept(key) or {}
        rows = [_row(name, config, info, times.get(name)) for name in FAMILIES]
        st.dataframe(
            rows,
            hide_index=True,
            height="content",
            column_config={"Parameters": st.column_config.NumberColumn(format="localized")},
            placeholder="–",
            alt="What every model costs",
        )


def _draw(places: list[DeltaGenerator], values: Sequence[str]) -> None:
    for place, (title, about), value in zip(places, FIGURES.items(), values, strict=True):
        place.metric(title, value, border=True, help=about)


def _row(name: str, config: TrainConfig, info: DataInfo, seconds: float | None) -> dict[str, Any]:
    row = {"Model": FAMILIES[name].title}
    try:
        cost = _cost(name, info, config.batch_size, _options(name, config))
    except StudioError:
        return row | {"Parameters": None, "Multiply-adds": "images too small", "Memory, MB": None, "Time per epoch, s": None}
    return row | {
        "Parameters": cost.parameters,
        "Multiply-adds": _short(cost.multiply_adds),
        "Memory, MB": round(cost.memory_bytes / 1e6),
        "Time per epoch, s": None if seconds is None else round(seconds, 1),
    }


def _options(name: str, config: TrainConfig) -> dict[str, Any]:
    """The chosen network's options as set in the form; those of the others at their defaults."""
    if name == config.model:
        return config.model_options
    return {option: default_of(option, {"data": config.data, "model": name}) for option in FAMILIES[name].options}


def _measure(config: TrainConfig, info: DataInfo) -> Generator[Progress, None, dict[str, float]]:
    """Seconds per epoch of every family."""
    from cnn_core.device import choose_arithmetic, choose_device
    from cnn_core.models.cost import measure_step_seconds

    steps = config.steps_per_epoch(info)
    times = {}
    device = choose_device(config.device)
    for done, (name, family) in enumerate(FAMILIES.items()):
        yield Progress(f"Measuring {family.title}", done, len(FAMILIES))
        options = _options(name, config) | {"weights": "scratch"}
        try:
            seconds = measure_step_seconds(
                name,
                **info.shape,
                batch_size=config.batch_size,
                arithmetic=choose_arithmetic(config.precision, config.channels_last, device, depthwise=family.depthwise),
                budget_seconds=MEASURED_SECONDS,
                **options,
            )
        except StudioError:
            continue
        times[name] = steps * seconds
    return times


def _cost(name: str, info: DataInfo, batch_size: int, options: dict[str, Any]) -> "Cost":
    from cnn_core.models.cost import model_cost

    return model_cost(name, **info.shape, batch_size=batch_size, **(options | {"weights": "scratch"}))


def _short(number: int) -> str:
    """123,400,000 as "123 M"."""
    return f"{number / 1e9:.2f} G" if number >= 1e9 else f"{number / 1e6:.1f} M"
