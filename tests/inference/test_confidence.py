"""A calibration in a run's folder: saved as a whole, used for its own model only, ignored when damaged; its use in a classifier."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.errors import NoModelError
from cnn_core.home import CALIBRATION, WEIGHTS
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import NO_CALIBRATION, Calibration, load_calibration, read_calibration, save_calibration
from cnn_core.models.saving import load_model, save_weights
from tests.conftest import Trained
from tests.helpers import COLOURS, is_a_sentence, noisy_image

CPU = torch.device("cpu")
FITTED = Calibration(temperature=1.5, threshold=0.8, images=144, error_before=0.06, error_after=0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what stands for a network's file."""
    (tmp_path / "0001-run").mkdir()
    (tmp_path / "0001-run" / WEIGHTS).write_bytes(b"weights")
    return tmp_path / "0001-run"


def test_what_was_saved_is_read_and_holds_for_that_model_in_any_folder(folder: Path, tmp_path: Path):
    save_calibration(folder, FITTED)
    calibration = load_calibration(folder)
    assert calibration == FITTED.model_copy(update={"network": calibration.network}) and calibration.belongs_to(folder)
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)  # with other times
    assert load_calibration(tmp_path / "copy") == calibration
    assert [path.name for path in sorted(folder.iterdir())] == [WEIGHTS, CALIBRATION]


def test_for_other_weights_it_is_reported_but_not_used(folder: Path):
    save_calibration(folder, FITTED)
    (folder / WEIGHTS).write_bytes(b"others!")  # of the same length
    calibration = read_calibration(folder)
    assert calibration and calibration.temperature == 1.5 and not calibration.belongs_to(folder)
    assert load_calibration(folder) == NO_CALIBRATION


def test_one_that_changes_nothing_leaves_no_file(folder: Path):
    save_calibration(folder, Calibration(threshold=0.5))
    assert (folder / CALIBRATION).exists() and load_calibration(folder).temperature == 1
    save_calibration(folder, NO_CALIBRATION)
    assert not (folder / CALIBRATION).exists() and load_calibration(folder) == NO_CALIBRATION


DAMAGED = {
    "empty": b"",
    "half": b'{"network": "abc", "temp',
    "text": b"no settings",
    "a list": b"[1, 2]",
    "not in its encoding": b"\xff\xfe",
    "no temperature at all": b'{"network": "abc", "temperature": 0}',
    "no number": b'{"network": "abc", "temperature": NaN}',
    "more than a share": b'{"network": "abc", "threshold": 7}',
    "something else": b'{"network": "abc", "colour": "red"}',
    "far too long": b'{"network": "' + b"a" * 100_000 + b'"}',
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_as_none(folder: Path, kind: str):
    (folder / CALIBRATION).write_bytes(DAMAGED[kind])
    assert read_calibration(folder) is None and load_calibration(folder) == NO_CALIBRATION


def test_without_a_model_nothing_is_saved(folder: Path):
    (folder / WEIGHTS).unlink()
    with pytest.raises(NoModelError, match=folder.name) as refusal:
        save_calibration(folder, FITTED)
    assert is_a_sentence(refusal.value) and not (folder / CALIBRATION).exists()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_classifiers_probabilities_are_those_of_the_divided_logits(digits_copy: Trained, temperature: float):
    save_calibration(digits_copy.folder, FITTED.model_copy(update={"temperature": temperature}))
    classifier = Classifier(digits_copy.folder, CPU)
    pixels = finish(open_source("digits", digits_copy.home).load("test")).images[:40]
    model, card = load_model(digits_copy.folder, CPU)
    with torch.no_grad():
        logits = model((torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - card.mean[0]) / card.std[0])
    np.testing.assert_allclose(classifier.probabilities(pixels), (logits / temperature).softmax(1).numpy(), atol=1e-5)


def test_a_classifier_is_sure_from_the_threshold_on(colours_copy: Trained):
    image = noisy_image(COLOURS["grey"], (20, 20), np.random.default_rng(0))
    plain = Classifier(colours_copy.folder, CPU).classify(image)
    probability = plain.ranked[0][1]
    assert plain.verdict.is_sure is None
    for threshold, is_sure in ((probability - 1e-4, True), (probability, True), (min(1, probability + 1e-4), False)):
        save_calibration(colours_copy.folder, Calibration(threshold=threshold))
        prediction = Classifier(colours_copy.folder, CPU).classify(image)
        assert prediction.verdict.is_sure is is_sure and prediction.ranked == plain.ranked


def test_a_classifier_of_other_weights_is_as_it_was_trained(colours_copy: Trained):
    plain = Classifier(colours_copy.folder, CPU)
    save_calibration(colours_copy.folder, FITTED)
    assert Classifier(colours_copy.folder, CPU).calibration.temperature == 1.5
    with torch.no_grad():
        next(plain.model.parameters()).mul_(1.01)
    save_weights(colours_copy.folder, plain.model)
    again = Classifier(colours_copy.folder, CPU)
    assert again.calibration == NO_CALIBRATION
    image = noisy_image(COLOURS["grey"], (20, 20), np.random.default_rng(0))
    assert dict(again.classify(image).ranked) == pytest.approx(dict(plain.classify(image).ranked), abs=1e-6)
