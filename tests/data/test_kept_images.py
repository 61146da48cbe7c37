"""Photographs are kept with up to 512 pixels on the long side, and a run receives them at the size and fit of its settings."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.decoder import Fit, Interpolation, read_image, to_pixels
from cnn_core.data.image_shape import MAX_SIDE, ImageShape
from cnn_core.data.imported import EARLIER_SQUARES, ImportedSource
from cnn_core.data.kept_form import JPEG_START, QUALITY
from cnn_core.data.kept_images import KEPT_SIDE
from cnn_core.data.library import check_quality
from cnn_core.data.open import open_source
from cnn_core.data.own_copy import copy_set
from cnn_core.data.path_source import PathSource, set_name
from cnn_core.data.pixel_pool import pools_of
from cnn_core.data.source import finish
from cnn_core.errors import DataError, SettingError
from cnn_core.home import KEPT, Home
from tests.data.imports import encoded, good_files, noise, run_import, write_folder, write_zip
from tests.helpers import is_a_sentence


def photographs(*sizes: tuple[int, int], kind: str = "JPEG") -> dict[str, bytes]:
    """Two classes with an image of every size, and one of 100×80 pixels."""
    return {
        f"{name}/{number}.{kind.lower()}": encoded(noise(number + start, 60).resize(size), kind)
        for name, start in (("cat", 0), ("dog", 1000))
        for number, size in enumerate([(100, 80), *sizes])
    }


def kept(home: Home, tmp_path: Path, files: dict[str, bytes], **options: Any) -> ImportedSource:
    return run_import(home, write_folder(tmp_path / "pictures", files), **options)


def image_of(source: ImportedSource, path: str) -> Image.Image:
    (item,) = source.index.records("path = ?", values=(path,))
    image = source.image(item.row)
    assert isinstance(image, Image.Image)
    return image


def loaded(source: ImportedSource, path: str, shape: ImageShape) -> np.ndarray:
    (item,) = source.index.records("path = ?", values=(path,))
    pool: np.ndarray = finish(ImportedSource(source.folder, shape).open_pool())
    return pool[item.row]


def test_photographs_keep_their_proportions_and_at_most_512_pixels(home: Home, tmp_path: Path):
    files = photographs((1600, 900), (300, 512), (1, 1), (1, 4000), (4000, 1))
    source = kept(home, tmp_path, files)
    assert source.info.kept_side == KEPT_SIDE
    sizes = [image_of(source, f"cat/{number}.jpeg").size for number in range(6)]
    assert sizes == [(100, 80), (512, 288), (300, 512), (1, 1), (1, 512), (512, 1)]
    shapes = [loaded(source, f"cat/{number}.jpeg", ImageShape(size)).shape for number in range(6) for size in (16, 70)]
    assert shapes == [(16, 16, 3), (70, 70, 3)] * 6


def test_a_photograph_of_12_000_pixels_is_kept_reduced(home: Home, tmp_path: Path):
    huge = encoded(Image.new("RGB", (12_000, 9000), "red"), "JPEG")
    source = kept(home, tmp_path, photographs() | {"cat/huge.jpeg": huge})
    assert image_of(source, "cat/huge.jpeg").size == (512, 384)


def test_a_jpeg_that_is_small_enough_is_kept_to_the_byte_and_a_png_without_loss(home: Home, tmp_path: Path):
    files = photographs((200, 300)) | {"cat/sharp.png": encoded(noise(7, 90)), "cat/grey.png": encoded(noise(8, 90, 1))}
    source = kept(home, tmp_path, files)
    assert files["cat/1.jpeg"] in (source.folder / KEPT).read_bytes()
    for name in ("sharp", "grey"):
        with Image.open(tmp_path / "pictures" / "cat" / f"{name}.png") as image:
            assert np.array_equal(image_of(source, f"cat/{name}.png"), image.convert("RGB"))


def test_a_rotated_photograph_is_kept_upright(home: Home, tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated by 90 degrees
    source = kept(home, tmp_path, photographs() | {"cat/side.jpeg": encoded(noise(1, 90).resize((90, 70)), "JPEG", exif=exif)})
    assert image_of(source, "cat/side.jpeg").size == (70, 90)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [16, 50, MAX_SIDE])
def test_a_run_receives_what_the_file_shows_at_its_size_and_fit(fit: Fit, size: int, home: Home, tmp_path: Path):
    files = photographs((300, 200))
    source = kept(home, tmp_path, files)
    expected = to_pixels(read_image(files["dog/1.jpeg"], "it", draft=2 * size).image, size, 3, fit)
    assert np.array_equal(loaded(source, "dog/1.jpeg", ImageShape(size, fit)), expected)
    info = ImportedSource(source.folder, ImageShape(size, fit)).info
    assert (info.image_size, info.fit, info.fingerprint) == (size, fit, source.info.fingerprint)


# Squares of 64 pixels are stored too, of the whole square.
@pytest.mark.parametrize(("size", "share"), [(56, 0.875), (64, 0.8), (64, 0.25), (64, 1.0)])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_a_run_receives_the_centre_of_a_photograph_as_its_network_expects_it(
    interpolation: Interpolation, share: float, size: int, home: Home, tmp_path: Path
):
    """timm resizes the whole image, then takes the centre."""
    source = kept(home, tmp_path, photographs((500, 400), kind="PNG"))
    image, side = image_of(source, "dog/1.png"), round(size / share)
    resized = image.resize((side * 5 // 4, side), Image.Resampling[interpolation.upper()])
    left, top = (resized.width - size) // 2, (resized.height - size) // 2
    expected = np.asarray(resized.crop((left, top, left + size, top + size))).astype(int)
    shape = ImageShape(size, interpolation=interpolation, crop_share=share)
    assert abs(loaded(source, "dog/1.png", shape) - expected).max() <= 1
    is_usual = (interpolation, share) == ("bicubic", 1)
    assert is_usual or not np.array_equal(loaded(source, "dog/1.png", ImageShape(size)), loaded(source, "dog/1.png", shape))


def test_another_size_needs_no_second_import(home: Home, tmp_path: Path):
    folder = write_folder(tmp_path / "pictures", photographs((300, 200)))
    for size in (32, 48):
        images = finish(PathSource(folder, home, ImageShape(size)).load("train"))
        assert images[:].shape[1:] == (size, size, 3)
        assert [path.name for path in pools_of(PathSource(folder, home).folder)][-1] == f"{size}-crop.npy"
    assert PathSource(folder, home).info.kept_side == KEPT_SIDE


def test_the_facts_of_a_path_are_the_same_before_and_after_its_import(home: Home, tmp_path: Path):
    source = PathSource(write_zip(tmp_path / "pictures.zip", photographs((300, 200))), home, ImageShape(usual=96))
    before = source.info
    finish(source.load("train"))
    after = PathSource(source.path, home, ImageShape(usual=96)).info
    assert (before.image_size, before.kept_side, before.channels) == (after.image_size, after.kept_side, after.channels)
    assert after.image_size == 96


@pytest.mark.parametrize("options", [{"image_size": 48}, {"fit": "pad"}, {"fit": "stretch"}], ids=str)
def test_squares_are_stored_where_they_were_chosen_at_the_import(options: dict[str, Any], home: Home, tmp_path: Path):
    source = kept(home, tmp_path, photographs((300, 200)), **options)
    side = options.get("image_size", 64)
    info = ImportedSource(source.folder, ImageShape(fit="crop")).info
    assert (info.image_size, info.kept_side, info.fit) == (side, 0, options.get("fit", "crop"))
    assert not (source.folder / KEPT).exists() and finish(source.open_pool()).shape[1] == side


@pytest.mark.parametrize("side", [16, 64])
def test_small_images_are_stored_as_squares_and_used_to_the_bit(side: int, home: Home, tmp_path: Path):
    files = {path: encoded(noise(number, side)) for number, path in enumerate(good_files())}
    source = kept(home, tmp_path, files)
    shaped = ImportedSource(source.folder, ImageShape())
    assert shaped.info == source.info and source.info.kept_side == 0
    assert np.array_equal(finish(shaped.load("train"))[:], finish(source.load("train"))[:])
    assert not pools_of(source.folder)


def test_small_images_are_enlarged_where_a_run_asks_for_it(home: Home, tmp_path: Path):
    files = good_files()
    source = kept(home, tmp_path, files)
    expected = to_pixels(read_image(files["cat/0.png"], "it").image, 40, 3)
    assert np.array_equal(loaded(source, "cat/0.png", ImageShape(40)), expected)


def test_drawn_digits_keep_their_size(home: Home):
    with pytest.raises(SettingError) as refusal:
        _ = open_source("digits", home, ImageShape(64)).info
    assert refusal.value.field == "size" and is_a_sentence(refusal.value)
    assert open_source("digits", home, ImageShape(32)).info.image_size == 32


def test_the_version_tells_kept_photographs_from_squares_of_them(home: Home, tmp_path: Path):
    folder = write_folder(tmp_path / "pictures", photographs((300, 200)))
    versions = {run_import(home, folder, name, **options).version for name, options in (("a", {}), ("b", {"image_size": 64}))}
    assert len(versions) == 2


def test_a_damaged_file_of_photographs_is_said(home: Home, tmp_path: Path):
    source = kept(home, tmp_path, photographs((300, 200)))
    (source.folder / KEPT).write_bytes(b"not images")
    with pytest.raises(DataError) as refusal:
        finish(ImportedSource(source.folder, ImageShape(32)).load("train"))
    assert is_a_sentence(refusal.value) and not pools_of(source.folder)


def test_a_copy_for_another_person_has_the_photographs(home: Home, tmp_path: Path):
    source = kept(home, tmp_path, photographs((300, 200)))
    finish(ImportedSource(source.folder, ImageShape(32)).load("train"))
    copy = ImportedSource(home.set_folder(copy_set("mine", home, "anna", "Anna")), ImageShape(24))
    assert finish(copy.load("train"))[:].shape[1:] == (24, 24, 3)
    assert [path.name for path in pools_of(copy.folder)] == ["24-crop.npy"]


def test_a_reduced_photograph_differs_little_from_the_file(home: Home, tmp_path: Path):
    picture = noise(3, 900).resize((1500, 1000))
    source = kept(home, tmp_path, photographs() | {"cat/large.png": encoded(picture)})
    (item,) = source.index.records("path = 'cat/large.png'")
    start, length = source.index.kept_places()[item.row]
    assert (source.folder / KEPT).read_bytes()[start : start + length][:2] == JPEG_START and QUALITY >= 90
    difference = loaded(source, "cat/large.png", ImageShape(128)).astype(int) - to_pixels(picture, 128, 3).astype(int)
    assert abs(difference).mean() < 2


def without_kept_side(source: ImportedSource) -> ImportedSource:
    """The data set as a version before photographs were kept stored it."""
    with closing(sqlite3.connect(source.index.path)) as db, db:
        assert db.execute("delete from facts where name = 'kept_side'").rowcount == 1
    return ImportedSource(source.folder)


@pytest.mark.parametrize(("side", "stored", "is_said"), [(300, 64, True), (300, 128, False), (60, 64, False), (48, 32, False)])
def test_photographs_that_an_earlier_version_stored_as_small_squares_are_said(
    side: int, stored: int, is_said: bool, home: Home, tmp_path: Path
):
    files = {path: encoded(noise(number, side)) for number, path in enumerate(good_files())}
    now = kept(home, tmp_path, files, image_size=stored)
    earlier = without_kept_side(now)
    text = EARLIER_SQUARES.format(stored=stored)
    assert (text in finish(earlier.load("train")).notes, text in check_quality(earlier).warnings) == (is_said, is_said)
    assert earlier.info == now.info and np.array_equal(finish(earlier.load("train"))[:], finish(now.load("train"))[:])
    assert is_a_sentence(text)


def test_a_folder_that_an_earlier_version_imported_says_how_to_keep_its_photographs(home: Home, tmp_path: Path):
    folder = write_folder(tmp_path / "pictures", photographs((300, 200)))
    name = set_name(folder)
    without_kept_side(run_import(home, folder, name, image_size=64))
    squares = finish(PathSource(folder, home, ImageShape()).load("train"))
    assert EARLIER_SQUARES.format(stored=64) in squares.notes and squares[:].shape[1] == 64
    assert run_import(home, folder, "again").info.kept_side == KEPT_SIDE
