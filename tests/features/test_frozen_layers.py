"""Features are computed once for each image and network; what is damaged, outdated or missing is computed again, and nothing else."""

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_core.data.imported import ImportedSource
from cnn_core.data.set_bin import empty_bin, remove_set
from cnn_core.data.source import ImageSet, finish
from cnn_core.data.split_changes import resplit
from cnn_core.device import Arithmetic
from cnn_core.events import Note, Progress
from cnn_core.features import frozen_layers
from cnn_core.features.frozen_layers import NOT_KEPT, STAGE, WAITING, FrozenLayers
from cnn_core.features.store import MOST_FILES, FeatureStore, open_feature_store
from cnn_core.home import FEATURES_FOLDER, Home
from cnn_core.models.partial_cost import FORWARD_IMAGES
from tests.data.imports import encoded, good_files, noise, run_import, write_folder
from tests.features.networks import COUNT, Body, frozen, import_images, reference, training_images
from tests.helpers import drain, is_a_sentence


@pytest.fixture
def source(tmp_path: Path, home: Home) -> ImportedSource:
    return import_images(tmp_path, home)


def opened(source: ImportedSource) -> FeatureStore:
    store = open_feature_store(ImportedSource(source.folder))
    assert store
    return store


def features_of(store: FeatureStore | None, images: ImageSet, model: Body | None = None) -> tuple[torch.Tensor, int]:
    """Return the features of `images`, and of how many images they were computed."""
    model = model or Body()
    before = model.images
    features = finish(frozen(store, model).features(images))
    return features, model.images - before


def test_features_are_computed_once_and_are_the_same_to_the_bit_when_they_are_read(source: ImportedSource):
    images = training_images(source)
    without, computed = features_of(None, images)
    first, again = (features_of(opened(source), images) for _ in range(2))
    assert computed == first[1] == FORWARD_IMAGES * 2 and len(images) == 64 and again[1] == 0
    assert torch.equal(without, first[0]) and torch.equal(without, again[0])
    np.testing.assert_allclose(without.numpy(), reference(images), rtol=1e-4, atol=1e-6)


def test_features_do_not_depend_on_the_images_that_they_are_computed_together_with(source: ImportedSource):
    images = training_images(source)
    whole, _ = features_of(None, images)
    for chosen in ([5], [60, 3, 17], list(range(20, 64))):
        alone, _ = features_of(None, images.take(np.array(chosen)))
        assert torch.equal(alone, whole[chosen])


def test_a_corrected_or_newly_split_set_uses_them_again(source: ImportedSource):
    features_of(opened(source), training_images(source))
    source.index.corrections.apply([0, 1], "is_excluded", 1)
    source.index.corrections.apply([2], "label", 1)
    images = training_images(source)
    features, computed = features_of(opened(source), images)
    assert len(images) in (62, 63) and computed == 0
    np.testing.assert_allclose(features.numpy(), reference(images), rtol=1e-4, atol=1e-6)
    resplit(source.index, 0.3, seed=5)
    images = training_images(source)
    before = {digest for row in training_images(source).rows.tolist() if (digest := source.index.digests()[row])}
    features, computed = features_of(opened(source), images)
    assert 0 < computed <= FORWARD_IMAGES < len(images) and before
    np.testing.assert_allclose(features.numpy(), reference(images), rtol=1e-4, atol=1e-6)


def test_a_computation_that_is_cancelled_keeps_what_it_has_and_leaves_no_half_file(source: ImportedSource):
    images, store = training_images(source), opened(source)
    model = Body()
    computing = frozen(store, model).features(images)
    assert [next(computing) for _ in range(2)] == [Progress(STAGE, 0, 64), Progress(STAGE, FORWARD_IMAGES, 64)]
    computing.close()
    (file, lock) = sorted((source.folder / FEATURES_FOLDER).iterdir())
    assert {file.suffix, lock.suffix} == {".npy", ".lock"} and model.images == FORWARD_IMAGES
    steps, features = drain(frozen(store, model).features(images))
    assert steps == [Progress(STAGE, FORWARD_IMAGES, 64)] and model.images == 2 * FORWARD_IMAGES
    np.testing.assert_allclose(features.numpy(), reference(images), rtol=1e-4, atol=1e-6)


def test_a_long_computation_is_kept_from_time_to_time(source: ImportedSource, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(frozen_layers, "SAVE_SECONDS", -1.0)
    images, store = training_images(source), opened(source)
    layers = frozen(store)
    computing = layers.features(images)
    kept = [len(opened(source).read(layers.key, images.rows)[1]) for _ in computing]
    assert kept == [0, FORWARD_IMAGES] and len(store.read(layers.key, images.rows)[1]) == 64


def test_a_full_disk_is_reported_and_the_features_are_used_all_the_same(source: ImportedSource):
    images, store = training_images(source), opened(source)
    path = store.path(frozen(store).key)
    path.parent.mkdir()
    path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}").symlink_to("/dev/full")
    steps, features = drain(frozen(store).features(images))
    (note,) = [step for step in steps if isinstance(step, Note)]
    assert note.text == NOT_KEPT.format(reason=os.strerror(errno.ENOSPC)) and is_a_sentence(note.text)
    np.testing.assert_allclose(features.numpy(), reference(images), rtol=1e-4, atol=1e-6)
    assert not list(path.parent.glob("*.npy*"))


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: content[:-40] + bytes(40)])
def test_a_damaged_file_is_computed_again(source: ImportedSource, damage):
    images, store = training_images(source), opened(source)
    expected, _ = features_of(store, images)
    path = store.path(frozen(store).key)
    path.write_bytes(damage(path.read_bytes()))
    for computed in (64, 0):
        features, number = features_of(store, images)
        assert torch.equal(features, expected) and number == computed


def test_other_weights_arithmetic_or_statistics_have_features_of_their_own(source: ImportedSource):
    store = opened(source)
    trained_head, other_body = Body(), Body()
    with torch.no_grad():
        trained_head.classifier.weight.add_(1)
        other_body.convolution.bias[0] += 1e-6
    assert frozen(store, trained_head).key == frozen(store).key
    others = [
        frozen(store, other_body),
        frozen(store, mean=(0.4, 0.5, 0.5)),
        frozen(store, arithmetic=Arithmetic(torch.device("cpu"), torch.bfloat16)),
        frozen(FeatureStore(store.folder, store.digests, "another side")),
        FrozenLayers(Body(), "convolution", Arithmetic(torch.device("cpu")), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), store),
    ]
    assert len({layers.key for layers in (frozen(store), *others)}) == 6
    images = training_images(source)
    features_of(store, images)
    features, computed = features_of(store, images, other_body)
    assert computed == 64 and not torch.equal(features, features_of(store, images)[0])


def test_a_second_process_waits_for_the_first_and_reads_what_it_computed(source: ImportedSource):
    images, store = training_images(source), opened(source)
    first, second = frozen(store), frozen(store, waiting := Body())
    computing, others = first.features(images), second.features(images)
    next(computing)
    assert [next(others).stage, next(others).stage] == [WAITING] * 2
    _, expected = drain(computing)
    _, features = drain(others)
    assert torch.equal(features, expected) and waiting.images == 0


def test_a_process_that_holds_the_lock_and_adds_nothing_is_not_waited_for(
    source: ImportedSource, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(frozen_layers, "WAIT_SECONDS", 0.0)
    images, store = training_images(source), opened(source)
    paused = frozen(store).features(images)
    next(paused)
    _, features = drain(frozen(store).features(images))
    np.testing.assert_allclose(features.numpy(), reference(images), rtol=1e-4, atol=1e-6)


def test_features_of_images_that_were_replaced_under_the_same_name_are_never_used(tmp_path: Path, home: Home):
    source = import_images(tmp_path, home)
    assert source.info.train_count == 64  # from here on it has the facts of these images
    store, old = opened(source), training_images(source)
    old_features, _ = features_of(store, old)
    remove_set("mine", home)
    files = good_files(COUNT) | {"cat/0.png": encoded(noise(77)), "dog/1.png": encoded(noise(78))}
    new = run_import(home, write_folder(tmp_path / "other", files), image_size=16)
    assert open_feature_store(source) is None, "its facts are those of the removed images"
    features_of(store, old)  # a training on the old images, which are still open, ends after that
    images = training_images(new)
    features, computed = features_of(opened(new), images)
    np.testing.assert_allclose(features.numpy(), reference(images), rtol=1e-4, atol=1e-6)
    assert computed <= FORWARD_IMAGES and not torch.equal(features, old_features)


def test_features_go_to_the_bin_with_their_set_and_are_deleted_with_it(source: ImportedSource, home: Home):
    images, store = training_images(source), opened(source)
    features_of(store, images)
    remove_set("mine", home)
    assert len(list(home.data.rglob("*.npy"))) == 2, "the images and the features"
    _, features = drain(frozen(store).features(images))  # by a training that began before
    assert not source.folder.exists(), "a removed set does not come back as a folder of features"
    empty_bin(home)
    assert not list(home.data.rglob("*.npy")) and len(features) == 64


def test_only_the_features_of_the_newest_networks_are_kept(source: ImportedSource):
    images, store = training_images(source).take(np.arange(3)), opened(source)
    paths = []
    for number in range(MOST_FILES + 2):
        features_of(store, images, Body(seed=number))
        paths.append(store.path(frozen(store, Body(seed=number)).key))
        os.utime(paths[-1], (number, number))
    features_of(store, images, Body(seed=99))
    assert sum(path.exists() for path in paths) == MOST_FILES - 1 and not any(path.exists() for path in paths[:3])
