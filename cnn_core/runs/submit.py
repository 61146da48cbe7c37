"""Starting a run: settings are checked against the data and the device before the run enters the queue.

In: settings. Out: the id of a waiting run, whose settings are those that were given, with a default batch size that fits. Used by pages and
command line.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from cnn_core.config.fitting import check_validation_images, describe_lowered, fit_defaults
from cnn_core.config.images import open_images
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo
from cnn_core.device import choose_arithmetic, choose_device
from cnn_core.errors import SettingError
from cnn_core.events import Note
from cnn_core.models.cost import check_batch, model_cost
from cnn_core.models.registry import is_depthwise
from cnn_core.models.weights_check import check_weights
from cnn_core.models.weights_source import require_weights
from cnn_core.runs.memory import check_memory
from cnn_core.runs.store import Store

Prepare = Callable[[str, Path], object]
PASSES = 3  # forward, and backward to activations and to weights, take about the same
TOO_LARGE_BATCH = "Batch size is {batch_size:,}, more than the {count:,} images available for training. Choose a smaller one."


def check_can_start(config: TrainConfig, store: Store, given: Collection[str] = ()) -> DataInfo:
    """Return the facts of the data set. Raises SettingError, DataError or DeviceError where training with `config` cannot start.

    given: names of the settings that a person chose; other settings are lowered where their default does not fit (see `fit_defaults`).
    """
    return _check(config, store, given)[0]


def _check(config: TrainConfig, store: Store, given: Collection[str]) -> tuple[DataInfo, TrainConfig, list[str]]:
    """Return the facts of the data set, the settings with defaults that fit, and notes on both. Raises as `check_can_start`."""
    device = choose_device(config.device)
    depthwise = is_depthwise(config.model, config.timm_name)
    arithmetic = choose_arithmetic(config.precision, config.channels_last, device, depthwise=depthwise)
    info = open_images(config, store.home).info
    check_validation_images(config, info)
    notes = [*describe_lowered(config, info, given)]
    config = fit_defaults(config, info, given)
    check_batch(config.model, **info.shape, batch_size=min(config.batch_size, 2), **config.model_options)
    if config.starting_weights not in ("scratch", "pretrained"):
        notes.append(check_weights(config.model, info.shape, config.model_options))
    if config.fetched_weights:
        require_weights(config.fetched_weights, store.home)
    check_memory(config, info.shape, arithmetic)
    count = config.count_training_images(info)
    if config.batch_size > count:
        raise SettingError(TOO_LARGE_BATCH.format(batch_size=config.batch_size, count=count), "batch_size")
    return info, config, [note for note in notes if note]


def submit(
    config: TrainConfig, store: Store, given: Collection[str] = (), *, prepare: Prepare = lambda run, folder: None, **options: Any
) -> str:
    """Check `config`, add a waiting run to the store (`prepare` and `options`: see Store.create) and return its id.

    Arguments and errors as `check_can_start`. The run's log begins with a note for each default that was lowered,
    and on a last layer of the starting weights that is not used.
    """
    info, fitted, notes = _check(config, store, given)

    def add_notes(run: str, folder: Path) -> None:
        prepare(run, folder)
        store.log.append(run, [Note(text) for text in notes])

    return store.create(fitted, prepare=add_notes, work=training_work(fitted, info), **options)


def training_work(config: TrainConfig, info: DataInfo) -> float:
    """Return the multiply-adds of the whole training, without validation."""
    cost = model_cost(config.model, **info.shape, batch_size=2, **config.model_options)
    return float(PASSES) * cost.multiply_adds * config.count_training_images(info) * config.epochs
