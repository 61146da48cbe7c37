"""The recommended model: pretrained for photographs and for few images in colour, from scratch for other images or without the installed weights."""

from pathlib import Path

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.recommendation import (
    PRETRAINED,
    RECOMMENDED,
    pretrained_settings,
    recommend_for_imported,
    recommend_model,
    with_recommended_model,
)
from cnn_core.config.suggestions import with_changes
from cnn_core.data.catalog import CATALOG
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.source import DataInfo, finish
from cnn_core.home import Home
from cnn_core.models import embedded
from cnn_core.models.embedded import CHANGED, FILE, NOT_INSTALLED
from tests.helpers import is_a_sentence, write_images


def facts(side: int, channels: int = 3, count: int = 5000, kept: int = 0) -> DataInfo:
    return DataInfo("own", ("a", "b"), side, channels, train_count=count, test_count=10, fingerprint="", kept_side=kept)


@pytest.mark.parametrize(
    "info", [facts(64), facts(224), facts(32, kept=512), facts(64, count=20), facts(32, count=40), CATALOG["stl10"].info]
)
def test_a_pretrained_network_is_recommended_for_photographs_and_for_few_images_in_colour(info: DataInfo):
    recommended = recommend_model(info)
    assert (recommended.model, recommended.reason) == (PRETRAINED, RECOMMENDED) and is_a_sentence(recommended.reason)
    config = make_config(model=recommended.model)
    assert (config.weights, config.train) == ("pretrained", "head")


@pytest.mark.parametrize(
    "info",
    [
        facts(32),
        facts(128, channels=1),
        facts(32, channels=1, count=20),
        facts(16, count=20),
        *(CATALOG[name].info for name in ("digits", "cifar10", "mnist")),
    ],
)
def test_small_images_and_grey_ones_are_trained_on_from_scratch(info: DataInfo):
    recommended = recommend_model(info)
    assert not recommended.is_pretrained and not recommended.reason
    assert make_config(model=recommended.model).starting_weights == "scratch"


def test_without_the_installed_weights_training_from_scratch_is_the_default_and_the_reason_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(embedded, "PACKAGE", "no_such_package")
    assert not recommend_model(facts(224)).is_pretrained
    assert NOT_INSTALLED in recommend_model(facts(224)).reason and is_a_sentence(recommend_model(facts(224)).reason)
    assert not recommend_model(facts(32)).reason
    changed = tmp_path / "other_weights" / FILE
    changed.parent.mkdir(parents=True)
    changed.write_bytes(b"another file")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(embedded, "PACKAGE", "other_weights")
    assert not recommend_model(facts(224)).is_pretrained and CHANGED in recommend_model(facts(224)).reason


def test_a_model_that_was_named_or_that_another_setting_implies_stays(home: Home, tmp_path: Path):
    data = {"data": str(write_images(tmp_path / "photographs", count=4, size=(64, 64)))}
    assert with_recommended_model(data, home) == ({**data, "model": PRETRAINED}, RECOMMENDED)
    assert with_recommended_model(data | {"epochs": "3"}, home)[0] == {**data, "epochs": "3", "model": PRETRAINED}
    for chosen in (
        data | {"model": "simple"},
        data | {"depth": "2"},
        data | {"weights": "scratch"},
        {"data": "digits"},
        {"data": "nowhere"},
        {},
    ):
        assert with_recommended_model(chosen, home) == (chosen, "")


def test_the_set_of_a_run_is_known_by_name_and_by_path_also_once_its_folder_is_gone(home: Home, tmp_path: Path):
    from cnn_core.data.path_source import PathSource

    folder = write_images(tmp_path / "photographs", count=4, size=(64, 64))
    finish(import_files("own", folder, ImportOptions(), home))
    finish(PathSource(folder, home).ensure_imported())
    folder.rename(tmp_path / "elsewhere")
    for data in ("own", str(folder)):
        recommended = recommend_for_imported(data, home)
        assert recommended and recommended.is_pretrained
    assert recommend_for_imported("nowhere", home) is None


def test_the_pretrained_settings_turn_any_run_into_one_with_the_defaults_of_the_pretrained_network():
    ran = make_config(model="speed", optimizer="adamw", learning_rate=0.3, epochs=100, batch_size=512, dropout=0.7, seed=4)
    changed, default = with_changes(ran, pretrained_settings(ran)), make_config(model=PRETRAINED)
    assert changed.seed == 4
    for name in (
        "model",
        "weights",
        "train",
        "optimizer",
        "learning_rate",
        "epochs",
        "batch_size",
        "dropout",
        "schedule",
        "momentum",
    ):
        assert getattr(changed, name) == getattr(default, name), name
