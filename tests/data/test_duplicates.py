"""Duplicates: the same file, the same image slightly changed, and images that only look alike."""

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from sklearn.datasets import load_digits

from cnn_core.data.duplicates import BITS, MAX_IN_BAND, are_near_duplicates, candidate_pairs
from cnn_core.data.imported import ImportedSource
from cnn_core.data.parallel_decoding import difference_hash
from cnn_core.home import Home
from tests.data.imports import encoded, run_import, write_folder
from tests.helpers import ROOT


def photo(seed: int, side: int = 48) -> Image.Image:
    """An image with large and small features, as a photograph has them."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (grain, grain, 3), dtype=np.uint8)).resize(
                (side, side), Image.Resampling.BICUBIC
            )
        )
        for grain in (3, 7, 16)
    ]
    return Image.fromarray(np.average(layers, axis=0, weights=(5, 3, 1)).astype(np.uint8))


def found(source: ImportedSource) -> set[tuple[str, str, bool]]:
    return {(*sorted((one.path, other.path)), is_same) for one, other, is_same in source.index.duplicates.pairs(limit=1000)}


def others(count: int = 40) -> dict[str, bytes]:
    return {
        f"{name}/other{number}.png": encoded(photo(number + 1000 * start))
        for start, name in enumerate("ab", 1)
        for number in range(count)
    }


def brute_force(rows: np.ndarray, hashes: np.ndarray) -> set[tuple[int, int]]:
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    one, other = np.nonzero(apart <= BITS)
    return {tuple(sorted((int(rows[i]), int(rows[j])))) for i, j in zip(one, other, strict=True) if i < j}


CHANGES = {
    "saved as JPEG": lambda image: encoded(image, "JPEG", quality=85),
    "saved as a smaller JPEG": lambda image: encoded(image, "JPEG", quality=70),
    "saved as WebP": lambda image: encoded(image, "WEBP", quality=85),
    "a little brighter": lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.08)),
    "a little darker": lambda image: encoded(ImageEnhance.Brightness(image).enhance(0.9)),
    "less contrast": lambda image: encoded(ImageEnhance.Contrast(image).enhance(0.9)),
    "enlarged": lambda image: encoded(image.resize((96, 96), Image.Resampling.BICUBIC)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_image_that_was_slightly_changed_is_found_and_others_are_not(change: str, home: Home, tmp_path: Path):
    files = others() | {"a/first.png": encoded(photo(1)), "b/second.png": CHANGES[change](photo(1))}
    source = run_import(home, write_folder(tmp_path / "pictures", files), image_size=48)
    assert found(source) == {("a/first.png", "b/second.png", False)}


def test_the_same_file_is_found_once_for_each_copy(home: Home, tmp_path: Path):
    copies = dict.fromkeys(("a/x.png", "a/y.png", "b/z.png"), encoded(photo(1)))
    source = run_import(home, write_folder(tmp_path / "pictures", others(5) | copies))
    assert found(source) == {("a/x.png", "a/y.png", True), ("a/x.png", "b/z.png", True)}
    assert source.index.duplicates.counts() == {
        "same": 2,
        "near": 0,
        "across": source.index.duplicates.counts()["across"],
        "labels": 1,
    }


def test_the_same_image_in_another_file_is_near_and_not_the_same(home: Home, tmp_path: Path):
    files = {"a/x.png": encoded(photo(1)), "b/y.bmp": encoded(photo(1), "BMP")}
    assert found(run_import(home, write_folder(tmp_path / "pictures", others(5) | files))) == {("a/x.png", "b/y.bmp", False)}


def test_pairs_across_parts_and_with_two_classes_are_counted_and_shown_first(home: Home, tmp_path: Path):
    one, two, three = (encoded(photo(number)) for number in (1, 2, 3))
    files = {f"train/{name}": content for name, content in others(3).items()}
    files |= {f"test/{name}/t{number}.png": encoded(photo(number + 10 * ord(name))) for name in "ab" for number in range(2)}
    files |= {
        "train/a/1.png": one,
        "train/a/1again.png": one,
        "train/a/2.png": two,
        "test/b/2.png": two,
        "train/a/3.png": three,
        "train/b/3.png": three,
    }
    source = run_import(home, write_folder(tmp_path / "pictures", files))
    assert source.index.duplicates.counts() == {"same": 3, "near": 0, "across": 1, "labels": 2}
    first = source.index.duplicates.pairs(limit=1)[0]
    assert {item.path for item in first[:2]} == {"train/a/2.png", "test/b/2.png"}


def test_a_pair_is_settled_when_one_of_it_is_excluded(home: Home, tmp_path: Path):
    files = others(5) | dict.fromkeys(("a/x.png", "b/x.png"), encoded(photo(1)))
    index = run_import(home, write_folder(tmp_path / "pictures", files)).index
    (item,) = index.records("path = 'b/x.png'")
    index.corrections.apply([item.row], "is_excluded", 1)
    assert not index.duplicates.pairs() and not any(index.duplicates.counts().values())
    index.corrections.undo()
    assert len(index.duplicates.pairs()) == 1


def test_unreadable_files_are_no_duplicates(home: Home, tmp_path: Path):
    files = others(5) | dict.fromkeys(("a/x.png", "b/x.png"), b"no image")
    assert not run_import(home, write_folder(tmp_path / "pictures", files)).index.duplicates.pairs()


def test_plain_images_are_near_when_their_colours_are(home: Home, tmp_path: Path):
    plain = {f"a/{level}.png": encoded(Image.new("RGB", (16, 16), (level, level, level))) for level in (10, 11, 100, 200)}
    assert found(run_import(home, write_folder(tmp_path / "pictures", others(5) | plain), image_size=16)) == {
        ("a/10.png", "a/11.png", False)
    }


def test_of_the_handwritten_digits_no_two_are_called_near():
    images = (load_digits().images / 16 * 255).round().astype(np.uint8)[..., None]
    pairs = candidate_pairs(np.arange(len(images)), difference_hash(images).view(np.uint64))
    assert len(pairs) > 500 and not are_near_duplicates(images, pairs).any()
    whole = np.stack(np.triu_indices(600, 1), 1)
    assert not np.concatenate([are_near_duplicates(images, some) for some in np.array_split(whole, 20)]).any()


def test_no_near_pair_is_made_of_two_photographs_of_their_own():
    images = np.stack([np.asarray(photo(number, 32)) for number in range(300)])
    pairs = np.stack(np.triu_indices(len(images), 1), 1)
    assert not np.concatenate([are_near_duplicates(images, some) for some in np.array_split(pairs, 20)]).any()


@pytest.mark.parametrize("seed", range(4))
def test_candidates_are_the_pairs_that_comparing_all_with_all_finds(seed: int):
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, 300, dtype=np.uint64)
    flips = np.uint64(1) << rng.integers(0, 64, (300, 5), dtype=np.uint64)
    near = [hashes[number] ^ np.bitwise_xor.reduce(flips[number, : number % 6]) for number in range(300)]
    hashes = rng.permutation(np.concatenate((hashes, np.array(near, np.uint64), hashes[:20])))
    rows = np.sort(rng.choice(5000, len(hashes), replace=False))
    pairs = candidate_pairs(rows, hashes)
    assert len(pairs) > 200 and {(int(one), int(other)) for one, other in pairs} == brute_force(rows, hashes)
    assert (pairs[:, 0] < pairs[:, 1]).all()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_hashes_have_few_pairs(count: int):
    pairs = candidate_pairs(np.arange(count), np.zeros(count, np.uint64))
    assert pairs.shape == (max(0, count - 1), 2)


def test_of_many_plain_images_only_neighbours_are_compared():
    pairs = candidate_pairs(np.arange(3000), np.zeros(3000, np.uint64))
    assert len(pairs) <= 3000 * MAX_IN_BAND and (np.diff(pairs, axis=1) < MAX_IN_BAND).all()


def test_a_million_hashes_take_seconds_and_little_memory():
    script = """
import time, numpy as np
from cnn_core.data.duplicates import candidate_pairs
rng, rows = np.random.default_rng(0), np.arange(1_000_000)
looks = rng.integers(0, 2**64, len(rows), dtype=np.uint64)
looks[500_000:600_000] = 0
looks[700_000:] = looks[:300_000] ^ np.uint64(2**40 + 1)
began = time.process_time()
pairs = candidate_pairs(rows, looks)
assert len(pairs) > 300_000
print(time.process_time() - began, open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    seconds, kilobytes = map(float, done.stdout.split())
    assert seconds < 15 and kilobytes < 1_000_000


def test_large_images_are_compared_in_little_memory():
    images = np.random.default_rng(0).integers(0, 256, (40, 224, 224, 3), dtype=np.uint8)
    pairs = np.stack(np.triu_indices(40, 1), 1)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    assert not are_near_duplicates(images, pairs).any() and are_near_duplicates(images, np.array([[3, 3]])).all()
    assert time.process_time() - began < 5 and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
