"""Robustness of a run's network: counted as a loop would, on images of all classes, kept beside the evaluation."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, finish
from cnn_core.home import EVALUATIONS
from cnn_core.metrics import robustness
from cnn_core.metrics.corruptions import CORRUPTIONS, STRENGTHS
from cnn_core.metrics.evaluation import evaluate_run, load_split
from cnn_core.metrics.intervals import wilson_interval
from cnn_core.metrics.robustness import (
    PASSES,
    Robustness,
    corrupt,
    corrupt_at_all_strengths,
    draw_indices,
    evaluate_robustness,
    measure_robustness,
    read_robustness,
    save_robustness,
)
from cnn_core.models.saving import load_model
from tests.conftest import Trained
from tests.helpers import drain

CPU = torch.device("cpu")
KEY = "best-test-0123456789abcdef"


def made_up(plain: int = 90, count: int = 100) -> Robustness:
    right = tuple(tuple(range(80 - kind, 80 - kind - STRENGTHS, -1)) for kind in range(len(CORRUPTIONS)))
    return Robustness(count=count, uncorrupted=plain, corrupted=right)


def test_images(trained: Trained, split: str = "test") -> ImageSet:
    return finish(load_split(open_source(trained.run.config.data, trained.home), trained.run.config, split))


test_images.__test__ = False


def test_a_sample_is_the_same_every_time_and_drawn_from_all_over_the_set():
    chosen = draw_indices(10_000, 400)
    assert len(set(chosen)) == 400 and (np.diff(chosen) > 0).all() and np.array_equal(chosen, draw_indices(10_000, 400))
    assert np.histogram(chosen, bins=4, range=(0, 10_000))[0].min() > 60
    assert draw_indices(30, 30).tolist() == draw_indices(30, 500).tolist() == list(range(30))


def test_counts_are_those_of_a_loop_over_kinds_and_strengths(digits_run: Trained):
    model, card = load_model(digits_run.folder, CPU)
    images = test_images(digits_run)
    seen, found = drain(measure_robustness(model, card, images, CPU, 60))
    chosen = draw_indices(len(images), 60)
    batch, labels = torch.from_numpy(images[chosen]).permute(0, 3, 1, 2), images.labels[chosen]

    def count_right(some: torch.Tensor) -> int:
        with torch.no_grad():
            return int((model((some.float() / 255 - card.mean[0]) / card.std[0]).argmax(1).numpy() == labels).sum())

    evaluation = finish(evaluate_run(digits_run.id, digits_run.run.config, digits_run.home))
    assert found.count == 60 and found.uncorrupted == count_right(batch) == evaluation.is_correct[chosen].sum()
    for kind, corruption in enumerate(CORRUPTIONS):
        for level, strength in enumerate(corruption.strengths):
            assert found.corrupted[kind][level] == pytest.approx(count_right(corrupt(batch, corruption, strength)), abs=1)
    assert [step.done for step in seen] == list(range(PASSES - 1)) and {step.total for step in seen} == {PASSES}
    assert CORRUPTIONS[0].describe(CORRUPTIONS[0].strengths[0]) in seen[0].stage


def test_coloured_images_are_measured_in_several_blocks_too(colours_run: Trained, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(robustness, "BLOCK_IMAGES", 5)
    model, card = load_model(colours_run.folder, CPU)
    images = test_images(colours_run)
    seen, found = drain(measure_robustness(model, card, images, CPU, 500))
    assert found.count == len(images) == 12 and len(seen) == 3 * (PASSES - 1)
    with torch.no_grad():
        batch = robustness.Normalise(card.mean, card.std, CPU)(torch.from_numpy(images.images).permute(0, 3, 1, 2))
        assert found.uncorrupted == int((model(batch).argmax(1).numpy() == images.labels).sum())


def test_accuracies_begin_with_the_plain_one_and_the_worst_kind_is_the_lowest_on_average():
    found = made_up()
    assert found.accuracy.shape == (len(CORRUPTIONS), 1 + STRENGTHS)
    assert (found.accuracy[:, 0] == 0.9).all() and found.accuracy[2, 1:].tolist() == [0.78, 0.77, 0.76, 0.75, 0.74]
    assert found.worst == len(CORRUPTIONS) - 1
    assert found.interval(0.74) == wilson_interval(74, 100)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_image_is_shown_as_it_is_and_then_as_in_a_batch_of_its_own(channels: int):
    image = np.random.default_rng(0).integers(0, 256, (16, 12, channels), np.uint8)
    for corruption in CORRUPTIONS:
        shown = corrupt_at_all_strengths(image, corruption)
        assert shown.shape == (1 + STRENGTHS, 16, 12, channels) and np.array_equal(shown[0], image)
        single = corrupt(torch.from_numpy(image).permute(2, 0, 1)[None], corruption, corruption.strengths[3])
        assert np.array_equal(shown[4], single[0].permute(1, 2, 0))


def test_a_run_is_measured_once_for_a_network_on_a_sample(digits_copy: Trained):
    key = finish(evaluate_run(digits_copy.id, digits_copy.run.config, digits_copy.home)).key
    images = test_images(digits_copy)
    seen, first = drain(evaluate_robustness(digits_copy.folder, None, key, images, 20))
    again, second = drain(evaluate_robustness(digits_copy.folder, None, key, images, 20))
    assert seen and not again and first == second == read_robustness(digits_copy.folder, key, 20)
    more, other = drain(evaluate_robustness(digits_copy.folder, None, key, images, 40))
    assert more and other.count == 40 and read_robustness(digits_copy.folder, key, 20) == first
    assert finish(evaluate_run(digits_copy.id, digits_copy.run.config, digits_copy.home)).key == key


def test_a_measurement_is_saved_beside_other_samples_and_replaces_older_ones_of_the_model_and_split(tmp_path: Path):
    for key, count in (("best-test-00", 100), ("best-val-00", 100), ("0003-test-00", 100), (KEY, 100), (KEY, 200)):
        save_robustness(tmp_path, key, made_up(count=count))
    names = sorted(path.name for path in (tmp_path / EVALUATIONS).iterdir())
    keys = ("best-val-00.100", "0003-test-00.100", f"{KEY}.100", f"{KEY}.200")
    assert names == sorted(f"{key}.robustness.json" for key in keys)
    assert read_robustness(tmp_path, KEY, 100) == made_up() and read_robustness(tmp_path, KEY, 200) == made_up(count=200)
    assert read_robustness(tmp_path, "best-test-00", 100) is None and read_robustness(tmp_path, KEY, 300) is None


@pytest.mark.parametrize("change", [
    lambda text: text[: len(text) // 2],
    lambda text: "",
    lambda text: "[]",
    lambda text: text.replace('"plain":90', '"plain":900'),
    lambda text: text.replace("[80,", "["),
    lambda text: text.replace("[80,", "[-1,"),
    lambda text: text.replace(robustness.CORRUPTIONS_VERSION, "of last year"),
    lambda text: text.replace('"count":100', '"count":0'),
    lambda text: text.replace('"count":100', '"count":200'),
])  # fmt: skip
def test_what_is_damaged_or_was_measured_with_other_corruptions_is_as_none(tmp_path: Path, change):
    save_robustness(tmp_path, KEY, made_up())
    path = tmp_path / EVALUATIONS / f"{KEY}.100.robustness.json"
    changed = change(path.read_text())
    assert changed != path.read_text()
    path.write_text(changed)
    assert read_robustness(tmp_path, KEY, 100) is None


def test_measuring_can_be_left_and_keeps_nothing(digits_copy: Trained):
    steps = evaluate_robustness(digits_copy.folder, None, KEY, test_images(digits_copy), 20)
    next(steps)
    steps.close()
    assert read_robustness(digits_copy.folder, KEY, 20) is None
