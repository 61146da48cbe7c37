"""What models are and cost before they are trained: figures and picture of the chosen model, and a table of all models.

Times are measured at the press of a button, by real training steps on this machine.
"""

import sys
import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.defaults import make_config
from cnn_core.config.images import images_info
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.models.registry import FAMILIES, is_depthwise
from pages.charts.network_diagram import network_html, no_network_html
from pages.shared import cache
from pages.shared.forms import default_value

if TYPE_CHECKING:
    from cnn_core.models.cost import Cost
    from cnn_core.models.partial_cost import PartialCost

FIGURES = {
    "Parameters": "Number of values that the model learns. Where only the last layers are trained, the others keep their pretrained values.",
    "Multiply-adds": "For the forward pass of one image. A training step of all layers takes about three times as many for each image.",
    "Memory": "Estimate for training: weights, gradients, optimizer state, and activations of a batch. Where only the last layers are trained, the "
    "others have no gradients, and their activations are not kept.",
}
Figure = tuple[str, str | None]  # a value, and a note below it
PENDING, UNKNOWN = (("…", None),) * len(FIGURES), (("–", None),) * len(FIGURES)
LEARNING = "{count:,} trained"
PREVIOUS, PREVIOUS_PICTURE = "previous-cost", "previous-picture"
PAINT_SECONDS = 0.15  # loading torch holds the interpreter for seconds: in this time the form is sent to the browser first
MEASURED_SECONDS = 0.5  # for each model; a slow model takes two steps, however long
MEASURE = "Measure epoch time"
PENDING_PICTURE = "…"
NO_PICTURE = "The picture of the network is shown as soon as all settings are valid."
PICTURE_NOTE = (
    "The layers from the image to the classes, with the shape of their output (channels × height×width) and their parameters."
)
SIDE = "Image size (px)"
TOO_SMALL = "images too small for this model"


class ModelPlaces(NamedTuple):
    """The places of the figures and of the picture of the chosen model."""

    figures: list[DeltaGenerator]
    picture: DeltaGenerator


def reserve_model() -> ModelPlaces:
    """Draw figures and picture of the last rerun, or "…", and return their places for `show_model`."""
    grid = st.grid(len(FIGURES), min_column_width=150)
    figures = [grid.empty() for _ in FIGURES]
    with st.container(border=True, key="network"):
        places = ModelPlaces(figures, st.empty())
        st.caption(PICTURE_NOTE)
    picture = st.session_state.get(PREVIOUS_PICTURE, no_network_html(PENDING_PICTURE))
    _draw(places, st.session_state.get(PREVIOUS, PENDING), picture)
    return places


def show_no_model(places: ModelPlaces) -> None:
    """Draw that there is no model, because settings were refused; figures and picture of valid settings before stay."""
    if PREVIOUS not in st.session_state:
        _draw(places, UNKNOWN, no_network_html(NO_PICTURE))


def show_model(places: ModelPlaces, config: TrainConfig, info: DataInfo) -> None:
    """Draw the cost and the picture of the chosen model. Raises SettingError when it cannot be built for these images."""
    figures: Sequence[Figure] = UNKNOWN
    picture = no_network_html(NO_PICTURE)
    if "torch" not in sys.modules:
        time.sleep(PAINT_SECONDS)
    try:
        figures = _figures(config, info)
        picture = _picture(config, info)
    finally:
        st.session_state[PREVIOUS], st.session_state[PREVIOUS_PICTURE] = figures, picture
        _draw(places, figures, picture)


def _figures(config: TrainConfig, info: DataInfo) -> Sequence[Figure]:
    cost, part = _cost(config.model, info, config.batch_size, config.model_options), _cost_of_part(config, info)
    memory = (part or cost).memory_bytes
    trained = LEARNING.format(count=part.parameters) if part else None
    return (f"{cost.parameters:,}", trained), (_short(cost.multiply_adds), None), (f"{memory / 1e6:,.0f} MB", None)


def _cost_of_part(config: TrainConfig, info: DataInfo) -> "PartialCost | None":
    """Return the cost of training the head, alone or with the last blocks; None where all layers are trained."""
    from cnn_core.models.partial_cost import partial_cost

    if config.learning_blocks is None:
        return None
    shape = {**info.shape, "batch_size": config.batch_size, "blocks": config.learning_blocks}
    return partial_cost(config.model, **shape, **config.model_options)


def _picture(config: TrainConfig, info: DataInfo) -> str:
    from cnn_core.models.blocks import describe_blocks

    blocks = describe_blocks(config.model, **info.shape, **config.model_options)
    return network_html((info.channels, info.image_size, info.image_size), blocks, FAMILIES[config.model].title)


def compare_models(config: TrainConfig, info: DataInfo) -> None:
    """Show a table of every model for this data and batch size; times are measured at the press of a button."""
    table = st.expander("Compare the models", icon=":material/table_chart:", key="compare", on_change="rerun")
    if not table.open:
        return
    with table:
        version = _version(config, info)
        if st.button(
            MEASURE,
            icon=":material/timer:",
            help="Measures a few training steps of all layers of each model on this machine. A run that trains at the same time makes the result too high.",
        ):
            cache.compute(cache.EPOCH_TIMES, "seconds", version, _measure(config, info))
        seconds = cache.load(cache.EPOCH_TIMES, "seconds", version) or {}
        rows = [_row(name, config, info, seconds.get(name)) for name in FAMILIES]
        st.dataframe(
            rows,
            hide_index=True,
            height="content",
            column_config={name: st.column_config.NumberColumn(format="localized") for name in ("Parameters", "Memory (MB)")},
            placeholder="–",
            alt="Parameters, computation, memory and time of every model",
        )


def measured_epoch(config: TrainConfig, info: DataInfo) -> float | None:
    """Return the seconds that an epoch took when the models were measured with these settings; None if they were not."""
    seconds: dict[str, float] = cache.load(cache.EPOCH_TIMES, "seconds", _version(config, info)) or {}
    return seconds.get(config.model)


def _version(config: TrainConfig, info: DataInfo) -> tuple[object, ...]:
    options = tuple(config.model_options.values())
    return (info, config.count_training_images(info), config.batch_size, config.device, config.model, options)


def _draw(places: ModelPlaces, figures: Sequence[Figure], picture: str) -> None:
    for place, (title, about), (value, note) in zip(places.figures, FIGURES.items(), figures, strict=True):
        place.metric(title, value, note, border=True, help=about, delta_color="off", delta_arrow="off")
    places.picture.html(picture)


def _row(name: str, config: TrainConfig, info: DataInfo, seconds: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {"Model": FAMILIES[name].title, SIDE: None}
    try:
        own = _info(name, config, info)
        row[SIDE] = own.image_size
        cost = _cost(name, own, config.batch_size, _options(name, config))
        part = _cost_of_part(config if name == config.model else make_config(data=config.data, model=name), own)
    except StudioError:
        return row | {"Parameters": None, "Multiply-adds": TOO_SMALL, "Memory (MB)": None, "Time per epoch (s)": None}
    return row | {
        "Parameters": cost.parameters,
        "Multiply-adds": _short(cost.multiply_adds),
        "Memory (MB)": round((part or cost).memory_bytes / 1e6),
        "Time per epoch (s)": None if seconds is None else round(seconds, 1),
    }


def _options(name: str, config: TrainConfig) -> dict[str, Any]:
    """Return the chosen model's options from the form, and the defaults of any other model."""
    if name == config.model:
        return config.model_options
    return {option: default_value(option, {"data": config.data, "model": name}) for option in FAMILIES[name].options}


def _info(name: str, config: TrainConfig, info: DataInfo) -> DataInfo:
    """Return the facts of the images that another model would receive with its defaults and the chosen size."""
    return images_info(config.model_copy(update={"model": name, **_options(name, config)}), info)


def _measure(config: TrainConfig, info: DataInfo) -> Generator[Progress, None, dict[str, float]]:
    """Return the seconds per epoch of every model that fits these images."""
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
                **_info(name, config, info).shape,
                batch_size=config.batch_size,
                arithmetic=choose_arithmetic(
                    config.precision, config.channels_last, device, depthwise=is_depthwise(name, config.timm_name)
                ),
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
    """Return a large number in millions or billions: "123.4 M", "1.23 G"."""
    return f"{number / 1e9:.2f} G" if number >= 1e9 else f"{number / 1e6:.1f} M"
