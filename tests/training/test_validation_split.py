"""The validation images: a stratified sample of the training images, or those of the set's own validation split."""

import re
from pathlib import Path

import numpy as np
import pytest

from cnn_core.config.fitting import TOO_FEW_IMAGES
from cnn_core.data.batches import Batches
from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, finish
from cnn_core.data.statistics import channel_statistics
from cnn_core.errors import DataError, SettingError
from cnn_core.events import Epoch, Started
from cnn_core.home import Home
from cnn_core.inference.logits import compute_logits, loss_and_accuracy
from cnn_core.metrics.evaluation import load_split
from cnn_core.models.saving import load_model
from cnn_core.training.recipe import TOO_LARGE_BATCH, split_validation, train_run
from tests.helpers import is_a_sentence, tiny_config, write_images
from tests.training.trained_folders import CPU, are_equal, train_all_epochs, weights


def test_too_few_images_to_keep_any_for_validation_are_refused_with_a_message(home: Home, tmp_path: Path):
    write_images(tmp_path / "train", count=1)
    write_images(tmp_path / "test", count=1)
    with pytest.raises(DataError, match=re.escape(TOO_FEW_IMAGES.format(data=tmp_path))) as refusal:
        list(train_run(tiny_config(tmp_path, batch_size=1), tmp_path, home))
    assert is_a_sentence(refusal.value)


def test_a_batch_larger_than_the_training_images_is_refused_with_a_message(image_folder: Path, home: Home):
    images = finish(open_source(str(image_folder), home).load("train"))
    config = tiny_config(image_folder, batch_size=22, validation_share=0.1)  # 24 images, of which 3 are kept apart
    with pytest.raises(SettingError, match=TOO_LARGE_BATCH.format(batch_size=22, count=21)) as refusal:
        split_validation(images, config)
    assert is_a_sentence(refusal.value) and refusal.value.field == "batch_size"


def test_validation_images_are_a_seeded_fraction_of_every_class_and_not_trained_on(image_folder: Path):
    images = ImageSet(np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1), np.arange(100) % 4)
    config = tiny_config(image_folder, validation_share=0.2)
    training, held_out = split_validation(images, config)
    assert sorted([*training.images.ravel(), *held_out.images.ravel()]) == list(range(100))
    assert np.bincount(held_out.labels).tolist() == [5] * 4 and len(training) == 80
    for part in (training, held_out):
        assert np.array_equal(part.images.ravel() % 4, part.labels)
    _, other = split_validation(images, tiny_config(image_folder, validation_share=0.2, seed=1))
    assert not np.array_equal(other.images, held_out.images)


def test_a_number_of_images_per_class_leaves_the_validation_images_and_those_of_a_larger_number_include_them(image_folder: Path):
    images = ImageSet(np.arange(90, dtype=np.uint8).reshape(90, 1, 1, 1), np.array([0] * 60 + [1] * 27 + [2] * 3))
    (every, held_out), (few, same), (more, _) = (
        split_validation(images, tiny_config(image_folder, validation_share=0.2, images_per_class=count)) for count in (0, 4, 10)
    )
    assert np.array_equal(held_out.images, same.images) and np.bincount(every.labels).tolist() == [48, 22, 2]
    assert np.bincount(few.labels).tolist() == [4, 4, 2] and np.bincount(more.labels).tolist() == [10, 10, 2]
    assert set(few.images.ravel()) < set(more.images.ravel()) < set(every.images.ravel())
    own = images.take(np.arange(5))
    few, validation = split_validation(images, tiny_config(image_folder, images_per_class=4), own)
    assert validation is own and np.bincount(few.labels).tolist() == [4, 4, 3]
    other, _ = split_validation(images, tiny_config(image_folder, images_per_class=4, seed=1), own)
    assert not np.array_equal(few.images, other.images)


@pytest.fixture
def three_parts(tmp_path: Path) -> Path:
    """A folder with train, val and test in it: 15, 9 and 6 images, no two alike."""
    for seed, (part, count) in enumerate((("train", 5), ("val", 3), ("test", 2))):
        write_images(tmp_path / "parts" / part, count=count, seed=seed)
    return tmp_path / "parts"


def test_a_set_with_validation_images_of_its_own_is_validated_on_these_and_trained_on_all_others(
    home: Home, three_parts: Path, tmp_path: Path
):
    config = tiny_config(three_parts, validation_share=0.5, batch_size=4)
    (tmp_path / "run").mkdir()
    events = list(train_run(config, tmp_path / "run", home))
    started = next(event for event in events if isinstance(event, Started))
    assert (started.train_count, started.val_count, started.test_count, started.steps_per_epoch) == (15, 9, 6, 4)
    source = open_source(config.data, home)
    assert config.count_training_images(source.info) == 15 and config.steps_per_epoch(source.info) == 4
    model, card = load_model(tmp_path / "run", CPU)
    assert (card.mean, card.std) == channel_statistics(finish(source.load("train")))
    val = finish(source.load("val"))
    batches = Batches(val, batch_size=64, device=CPU, mean=card.mean, std=card.std)
    loss, accuracy = loss_and_accuracy(finish(compute_logits(model, batches, "")), batches.labels)
    best = [event for event in events if isinstance(event, Epoch) and event.is_best][-1]
    assert (best.val_loss, best.val_accuracy) == (pytest.approx(loss, rel=1e-4), pytest.approx(accuracy, abs=1e-6))


def test_the_validation_fraction_has_no_effect_where_the_set_has_validation_images(home: Home, three_parts: Path, tmp_path: Path):
    shares = (0.1, 0.4)
    epochs = [train_all_epochs(tiny_config(three_parts, validation_share=share), tmp_path / str(share), home) for share in shares]
    assert [(e.train_loss, e.val_loss) for e in epochs[0]] == [(e.train_loss, e.val_loss) for e in epochs[1]]
    assert are_equal(*(weights(tmp_path / str(share)) for share in shares))


def test_a_validation_fraction_equals_a_validation_folder_with_the_same_images(home: Home, image_folder: Path):
    images = finish(open_source(str(image_folder), home).load("train"))
    config = tiny_config(image_folder)
    training, held_out = split_validation(images, config)
    again, given = split_validation(training, config, held_out)
    assert given is held_out and np.array_equal(again.images, training.images) and np.array_equal(again.labels, training.labels)


def test_a_run_on_few_images_of_each_class_counts_them_and_its_training_images_can_be_evaluated(
    home: Home, three_parts: Path, tmp_path: Path
):
    config = tiny_config(three_parts, batch_size=3, images_per_class=2)
    (tmp_path / "run").mkdir()
    started = next(event for event in train_run(config, tmp_path / "run", home) if isinstance(event, Started))
    source = open_source(config.data, home)
    assert started.train_count == config.count_training_images(source.info) == 6 and started.class_counts == (2, 2, 2)
    assert (started.val_count, started.steps_per_epoch) == (9, 2)
    trained, _ = split_validation(finish(source.load("train")), config, finish(source.load("val")))
    shown = finish(load_split(source, config, "train"))
    assert np.array_equal(trained.images, shown.images) and np.array_equal(trained.labels, shown.labels)
