"""The file of tracked images: written as a whole, refused when damaged or hostile, changed by one process at a time."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.decoder import read_image
from cnn_core.data.open import open_source
from cnn_core.errors import ImageError, RunError
from cnn_core.home import TRACKED_IMAGES, Home
from cnn_core.inference.preprocessing import preprocess
from cnn_core.locks import try_lock
from cnn_core.training.tracked_images import (
    ALREADY_TRACKED,
    BUSY,
    DAMAGED,
    LOCK,
    MAX_IMAGES,
    OTHER_SIZE,
    TOO_MANY,
    TrackedImage,
    add_tracked_images,
    read_tracked_images,
    remove_tracked_image,
    remove_tracked_images,
)
from tests.helpers import is_a_sentence
from tests.training.tracked_runs import noise_images

pytestmark = pytest.mark.usefixtures("every_step")


def test_tracked_images_are_saved_as_they_were_added(tmp_path: Path):
    tracked = [*noise_images(3), TrackedImage(np.zeros((16, 16, 3), np.uint8), " <b>\0 \n" + "ü" * 200, -1, "drawing")]
    add_tracked_images(tmp_path, tracked[:2])
    add_tracked_images(tmp_path, tracked[2:])
    stored = read_tracked_images(tmp_path)
    assert [image.name for image in stored] == [image.name for image in tracked] and len({image.name for image in stored}) == 4
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(stored, tracked, strict=True))
    assert [(image.truth, image.origin) for image in stored] == [(0, "set"), (1, "set"), (2, "set"), (-1, "drawing")]
    assert stored[0].label == "image 0" and stored[3].label.startswith("<b>") and len(stored[3].label) <= 80
    remove_tracked_image(tmp_path, tracked[1].name)
    remove_tracked_image(tmp_path, "nobody")
    assert [image.name for image in read_tracked_images(tmp_path)] == [tracked[0].name, tracked[2].name, tracked[3].name]
    remove_tracked_images(tmp_path)
    assert read_tracked_images(tmp_path) == [] and not (tmp_path / TRACKED_IMAGES).exists()


def test_no_more_than_sixteen_none_twice_and_none_of_another_size_are_added(tmp_path: Path):
    tracked = noise_images(MAX_IMAGES + 1)
    add_tracked_images(tmp_path, tracked[: MAX_IMAGES - 1])
    before = (tmp_path / TRACKED_IMAGES).read_bytes()
    for new, message in (
        (tracked[MAX_IMAGES - 1 :], TOO_MANY),
        (tracked[:1], ALREADY_TRACKED),
        ([tracked[MAX_IMAGES], tracked[MAX_IMAGES]], f"{TOO_MANY}|{ALREADY_TRACKED}"),
        (noise_images(1, side=32), OTHER_SIZE),
    ):
        with pytest.raises(RunError, match=message) as refusal:
            add_tracked_images(tmp_path, new)
        assert is_a_sentence(refusal.value) and (tmp_path / TRACKED_IMAGES).read_bytes() == before
    add_tracked_images(tmp_path, tracked[MAX_IMAGES - 1 : MAX_IMAGES])
    assert len(read_tracked_images(tmp_path)) == MAX_IMAGES


def written(**changes: np.ndarray) -> bytes:
    """A file of one image in which some columns are other ones."""
    columns = {
        "images": np.zeros((1, 8, 8, 3), np.uint8),
        "labels": np.array(["one"]),
        "truths": np.array([0]),
        "origins": np.array(["set"]),
    }
    out = io.BytesIO()
    np.savez_compressed(out, **columns | changes)
    return out.getvalue()


HOSTILE = {
    "empty": b"",
    "no zip": b"hello",
    "a zip cut short": b"PK\x03\x04 nonsense",
    "a zip of something else": None,
    "too many": written(
        images=np.zeros((17, 8, 8, 3), np.uint8),
        labels=np.array(["x"] * 17),
        truths=np.zeros(17, np.int64),
        origins=np.array(["set"] * 17),
    ),
    "not square": written(images=np.zeros((1, 8, 9, 3), np.uint8)),
    "four channels": written(images=np.zeros((1, 8, 8, 4), np.uint8)),
    "floats": written(images=np.zeros((1, 8, 8, 3))),
    "huge when unpacked": written(images=np.zeros((1, 6000, 6000, 3), np.uint8)),
    "one label too many": written(labels=np.array(["one", "two"])),
    "a pickle": written(labels=np.array([print], dtype=object)),
    "an unknown origin": written(origins=np.array(["moon"])),
    "truths that are no numbers": written(truths=np.array(["a"])),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_is_not_what_was_written_is_refused_with_a_message_and_can_be_removed(tmp_path: Path, kind: str):
    if HOSTILE[kind] is None:
        with zipfile.ZipFile(tmp_path / TRACKED_IMAGES, "w") as archive:
            archive.writestr("../../escape.txt", "hello")
    else:
        (tmp_path / TRACKED_IMAGES).write_bytes(HOSTILE[kind])
    for act in (
        lambda: read_tracked_images(tmp_path),
        lambda: add_tracked_images(tmp_path, noise_images(1)),
        lambda: remove_tracked_image(tmp_path, "nobody"),
    ):
        with pytest.raises(RunError, match=DAMAGED.format(run=tmp_path.name)) as refusal:
            act()
        assert is_a_sentence(refusal.value)
    remove_tracked_images(tmp_path)
    add_tracked_images(tmp_path, noise_images(1))
    assert len(read_tracked_images(tmp_path)) == 1


def test_the_unspoiled_file_of_these_tests_is_read(tmp_path: Path):
    (tmp_path / TRACKED_IMAGES).write_bytes(written())
    assert read_tracked_images(tmp_path)[0].label == "one"


def test_who_adds_images_while_another_one_does_is_reported_to_try_again(tmp_path: Path):
    with try_lock(tmp_path / LOCK), pytest.raises(RunError, match=BUSY.format(run=tmp_path.name)):
        add_tracked_images(tmp_path, noise_images(1))
    add_tracked_images(tmp_path, noise_images(1))


def test_an_upload_becomes_what_the_model_receives_or_is_refused(home: Home, image_folder: Path):
    info = open_source(str(image_folder), home).info
    out = io.BytesIO()
    Image.new("CMYK", (300, 200), (0, 90, 90, 0)).save(out, "JPEG")
    pixels = preprocess(read_image(out.getvalue(), "print.jpg").image, info)
    assert pixels.shape == (16, 16, 3) and pixels.dtype == np.uint8 and pixels[8, 8, 0] > pixels[8, 8, 1]
    for content in (b"", b"GIF89a", b"<svg onload=alert(1)>", out.getvalue()[:200]):
        with pytest.raises(ImageError) as refusal:
            read_image(content, "it")
        assert is_a_sentence(refusal.value)
