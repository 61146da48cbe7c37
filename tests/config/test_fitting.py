"""Defaults that do not fit are lowered and named; values that a person chose are not changed."""

import numpy as np
import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.fitting import CUT_HEAD, LOWERED_BATCH, LOWERED_HEAD, LOWERED_PATIENCE, describe_lowered, fit_defaults
from cnn_core.data.source import DataInfo
from cnn_core.data.splits import stratified_split
from cnn_core.errors import SettingError
from cnn_core.training.stages import plan_stages
from tests.helpers import is_a_sentence


def info_of(*class_counts: int, val_count: int = 0) -> DataInfo:
    names = tuple(f"c{number}" for number in range(len(class_counts)))
    return DataInfo("x", names, 32, 3, sum(class_counts), 10, "", val_count=val_count, class_counts=class_counts)


@pytest.mark.parametrize("counts", [(24, 24), (8, 8, 8), (5,) * 10, (1, 30, 2), (0, 12, 7), (100, 3)])
@pytest.mark.parametrize("fraction", [0.1, 0.15, 0.33, 0.5])
def test_the_number_of_training_images_is_that_of_the_split(counts: tuple[int, ...], fraction: float):
    labels = np.repeat(np.arange(len(counts)), counts)
    config = make_config(validation_share=fraction)
    assert config.count_training_images(info_of(*counts)) == len(stratified_split(labels, fraction, 0)[0])


@pytest.mark.parametrize(
    ("counts", "model", "batch_size"),
    [
        ((24, 24), "simple", 32),
        ((8, 8, 8), "simple", 16),
        ((500, 500), "simple", 64),
        ((24, 24), "speed", 32),
        ((80, 80), "speed", 128),
    ],
)
def test_a_default_batch_size_that_does_not_fit_is_lowered_and_named(counts: tuple[int, ...], model: str, batch_size: int):
    given, info = make_config(model=model, epochs=3), info_of(*counts)
    config, count = fit_defaults(given, info), given.count_training_images(info)
    assert config.batch_size == batch_size <= count and config == given.model_copy(update={"batch_size": batch_size})
    notes = describe_lowered(given, info)
    if batch_size == given.batch_size:
        assert notes == ()
    else:
        assert notes == (LOWERED_BATCH.format(batch_size=batch_size, default=given.batch_size, count=count),)
        assert is_a_sentence(notes[0])


@pytest.mark.parametrize("chosen", [{"batch_size": 64}, {"batch_size": 45}, {"batch_size": 4}])
def test_a_batch_size_that_was_chosen_stays(chosen: dict[str, int]):
    config = make_config(**chosen)
    assert fit_defaults(config, info_of(24, 24), chosen) == config and describe_lowered(config, info_of(24, 24), chosen) == ()


def test_all_training_images_count_where_the_set_has_validation_images():
    assert fit_defaults(make_config(), info_of(32, 32, val_count=8)).batch_size == 64


def test_a_default_plateau_patience_gives_way_to_early_stopping_and_is_named():
    config = make_config(schedule="plateau", patience=3)
    assert config.plateau_patience == 2
    assert describe_lowered(config, info_of(500, 500)) == (LOWERED_PATIENCE.format(value=2, default=3),)
    assert make_config(schedule="plateau", patience=4).plateau_patience == make_config(patience=2).plateau_patience == 3
    chosen = {"schedule": "plateau", "patience": 3, "plateau_patience": 2}
    assert describe_lowered(make_config(**chosen), info_of(500, 500), chosen) == ()
    with pytest.raises(SettingError):
        make_config(schedule="plateau", patience=3, plateau_patience=3)
    with pytest.raises(SettingError):
        make_config(schedule="plateau", patience=1)


def test_default_head_epochs_leave_half_of_all_epochs_to_the_other_layers_and_that_is_said():
    few = make_config(model="efficientnet-lite0", train="all", epochs=5)
    default = make_config(model="efficientnet-lite0", train="all").head_epochs
    assert few.head_epochs == 2 < default
    said = (LOWERED_HEAD.format(value="2 epochs", default=default),)
    assert describe_lowered(few, info_of(500, 500)) == said
    assert describe_lowered(few, info_of(500, 500), given=("head_epochs",)) == ()
    assert describe_lowered(make_config(model="efficientnet-lite0", train="head", epochs=5), info_of(500, 500)) == (), (
        "no other layer learns"
    )
    assert make_config(model="efficientnet-lite0", train="all", epochs=5, head_epochs=4).head_epochs == 4, "typed, so not lowered"


def test_typed_head_epochs_that_leave_no_other_epoch_are_cut_and_that_is_said():
    typed = make_config(model="efficientnet-lite0", train="all", epochs=4, head_epochs=4)
    (said,) = describe_lowered(typed, info_of(500, 500), given=("head_epochs",))
    assert said == CUT_HEAD.format(value="3 epochs", chosen=4) and plan_stages(typed)[0].epochs == 3
    fewer = make_config(model="efficientnet-lite0", train="all", epochs=4, head_epochs=3)
    assert describe_lowered(fewer, info_of(500, 500), given=("head_epochs",)) == ()
