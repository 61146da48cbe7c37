"""The embedded digits: their facts, their fixed test part, and what a network sees of them."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cnn_core.config.defaults import make_config
from cnn_core.data.catalog import CATALOG
from cnn_core.data.digits import enlarge
from cnn_core.data.open import open_source
from cnn_core.data.source import DataSource, finish
from cnn_core.home import Home


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return open_source("digits", Home(tmp_path_factory.mktemp("digits")))


def test_the_facts_agree_with_what_is_loaded(source: DataSource):
    info = CATALOG["digits"].info
    for split, count in (("train", info.train_count), ("test", info.test_count)):
        images = finish(source.load(split))
        assert images.images.shape == (count, info.image_size, info.image_size, info.channels) == (count, 32, 32, 1)
        assert images.images.dtype == np.uint8 and images.labels.dtype == np.int64 and images.notes == ()
        assert set(images.labels) == set(range(len(info.classes)))
    assert info.train_count + info.test_count == 1797
    assert info.classes == tuple("0123456789") and info.ink == "uci"
    assert source.info == replace(info, fingerprint=source.info.fingerprint) and source.info.fingerprint


def test_every_digit_is_in_exactly_one_part_with_its_own_label(source: DataSource):
    digits = load_digits()
    everything = sorted((enlarge(ink).tobytes(), int(label)) for ink, label in zip(digits.images, digits.target, strict=True))
    parts = [finish(source.load(split)) for split in ("train", "test")]
    loaded = sorted(
        (image.tobytes(), int(label)) for split in parts for image, label in zip(split.images, split.labels, strict=True)
    )
    assert loaded == everything


def test_the_test_part_is_a_fifth_of_every_class_and_always_the_same(source: DataSource, home: Home):
    train, test = (finish(source.load(split)) for split in ("train", "test"))
    tested, all_of_it = np.bincount(test.labels), np.bincount(np.concatenate((train.labels, test.labels)))
    assert np.abs(tested - 0.2 * all_of_it).max() <= 0.5
    other = open_source("digits", home)
    again = finish(other.load("test"))
    assert other.info.fingerprint == source.info.fingerprint
    assert np.array_equal(again.images, test.images) and np.array_equal(again.labels, test.labels)


def test_an_enlarged_digit_is_bright_strokes_on_black_where_the_ink_was():
    ink = np.zeros((8, 8))
    ink[2:6, 3] = 16
    enlarged = enlarge(ink)
    assert enlarged.shape == (32, 32) and enlarged.dtype == np.uint8
    assert (enlarged[10:22, 13:15] > 200).all() and (enlarged[:, 20:] == 0).all() and (enlarged[:4] == 0).all()
    assert (enlarge(np.full((8, 8), 16)) == 255).all()


def test_a_mirrored_digit_is_never_shown_by_default():
    assert make_config(data="digits").flip == "off"
    assert make_config(data="digits", flip="random").flip == "random"
    assert make_config(data="cifar10").flip == "random"
