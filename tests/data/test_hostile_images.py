"""Files that are no images, lie about themselves or are damaged: each set aside by name with a sentence, the rest imported."""

import io
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.decoder import EMPTY, MAX_BYTES, MAX_PIXELS, TOO_LARGE, TOO_MANY_PIXELS
from cnn_core.data.imported import ImportedSource
from cnn_core.errors import DataError
from cnn_core.home import Home
from tests.data.imports import encoded, good_files, measured_import, noise, run_import, skipped_files, write_folder, write_zip
from tests.helpers import is_a_sentence

pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning", "ignore:Corrupt EXIF data")
BOMB_LIMIT = 89_478_485  # pixels beyond which Pillow itself warns


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data) if crc is None else crc)


def png(width: int, height: int, *, crc: int | None = None) -> bytes:
    """A PNG whose header claims a size, with hardly any pixels in it."""
    header = struct.pack(">2L5B", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header, crc) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def true_png(width: int, height: int) -> bytes:
    """A PNG that really has that many black pixels."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    header = struct.pack(">2L5B", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gif(frames: int) -> bytes:
    """An animation that begins with red; its last frame is repeated byte by byte, as Pillow would need seconds to write it."""
    images = [Image.new("P", (16, 16), colour) for colour in (0, 1, 0, 1)]
    for image in images:
        image.putpalette([255, 0, 0, 0, 0, 255])
    three, four = (encoded(images[0], "GIF", save_all=True, append_images=images[1:count]) for count in (3, 4))
    assert four.startswith(three[:-1])
    return three[:-1] + four[len(three) - 1 : -1] * (frames - 3) + four[-1:]


def float_tiff() -> bytes:
    return encoded(Image.fromarray(np.full((20, 20), np.nan, np.float32)), "TIFF")


def photo() -> bytes:
    return encoded(noise(5, 64), "JPEG")


BAD = {
    "empty.jpg": lambda: b"",
    "text.jpg": lambda: b"this is no image\n" * 50,
    "page.jpg": lambda: b"<!DOCTYPE html><html><body><img src='http://example.org/x.png'></body></html>",
    "drawing.jpg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "script.jpg": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(%pipe%touch ran) (w) file\n",
    "pdf.png": lambda: b"%PDF-1.4\n" + bytes(200),
    "icon.png": lambda: encoded(noise(1), "ICO"),
    "floats.png": float_tiff,
    "cut.jpg": lambda: photo()[: len(photo()) // 2],
    "header.jpg": lambda: photo()[:20],
    "cut.png": lambda: encoded(noise(6, 64))[:400],
    "crc.png": lambda: png(16, 16, crc=1),
    "huge.png": lambda: png(65_535, 65_535),
    "claims.png": lambda: png(2**31 - 1, 2**31 - 1),
    "bomb.png": lambda: png(9460, 9460),
    "limit.png": lambda: true_png(7072, 7072),
    "none.png": lambda: png(0, 16),
    "flat.png": lambda: png(16, 0),
    "short.png": lambda: png(300, 300),
    "nothing.gif": lambda: b"GIF89a" + struct.pack("<2H3B", 0, 16, 0, 0, 0) + b"\x3b",
    "large.bmp": lambda: b"BM" + struct.pack("<LLL", 100, 0, 54) + struct.pack("<LllHHLLllLL", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "odd.webp": lambda: b"RIFF\xff\xff\xff\x7fWEBPVP8 " + bytes(40),
}  # fmt: skip


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> ImportedSource:
    """All bad files in one folder with good ones."""
    root = tmp_path_factory.mktemp("bad")
    folder = write_folder(root / "pictures", good_files() | {f"cat/{name}": make() for name, make in BAD.items()})
    return run_import(Home(root / "studio"), folder)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_skipped_and_named_with_a_message(name: str, imported: ImportedSource):
    sentence = skipped_files(imported)[f"cat/{name}"]
    assert is_a_sentence(sentence) and f"cat/{name}" in sentence


def test_beside_bad_files_the_good_ones_are_imported(imported: ImportedSource):
    assert len(skipped_files(imported)) == len(BAD)
    assert imported.info.train_count + imported.info.test_count == 6
    assert imported.index.summary()["used"] == 6


@pytest.mark.parametrize("name", ["huge.png", "bomb.png", "limit.png", "large.bmp"])
def test_a_file_that_is_too_large_says_so_and_is_not_decoded(name: str, home: Home, tmp_path: Path):
    assert BOMB_LIMIT < 9460**2 and MAX_PIXELS < 7072**2
    folder = write_folder(tmp_path / "pictures", good_files() | {f"cat/{name}": BAD[name]()})
    measured = measured_import(home, folder)
    assert measured.error == "" and measured.megabytes < 200
    (problem,) = ImportedSource(home.set_folder("measured")).index.skipped_files()
    assert TOO_MANY_PIXELS.format(millions=MAX_PIXELS // 10**6) in problem.reason


def test_an_image_just_below_the_limit_is_read_within_the_memory(home: Home, tmp_path: Path):
    folder = write_folder(tmp_path / "pictures", good_files() | {"cat/large.png": true_png(7071, 7071)})
    assert measured_import(home, folder).error == ""
    assert not skipped_files(ImportedSource(home.set_folder("measured")))


def test_a_file_larger_than_the_limit_is_not_read(home: Home, tmp_path: Path):
    folder = write_folder(tmp_path / "pictures", good_files())
    with (folder / "cat" / "big.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    measured_import(home, folder)
    (problem,) = ImportedSource(home.set_folder("measured")).index.skipped_files()
    assert TOO_LARGE in problem.reason


def test_of_ten_thousand_frames_the_first_is_taken(home: Home, tmp_path: Path):
    content = gif(10_000)
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.n_frames == 10_000
    folder = write_folder(tmp_path / "pictures", good_files() | {"cat/0000.gif": content})
    assert measured_import(home, folder).error == ""
    source = ImportedSource(home.set_folder("measured"))
    assert not skipped_files(source)
    (item,) = source.index.records("path like '%.gif'")
    assert (source.pool[item.row] == (255, 0, 0)).all()


def test_corrupt_exif_does_not_stop_an_image(home: Home, tmp_path: Path):
    broken = b"Exif\0\0II*\0" + b"\xff" * 60
    folder = write_folder(tmp_path / "pictures", good_files() | {"cat/odd.jpg": encoded(noise(9), "JPEG", exif=broken)})
    source = run_import(home, folder)
    assert not skipped_files(source) and source.info.train_count + source.info.test_count == 7


def test_one_pixel_becomes_a_plain_image(home: Home, tmp_path: Path):
    dot = encoded(Image.new("RGB", (1, 1), (10, 200, 30)))
    source = run_import(home, write_folder(tmp_path / "pictures", good_files() | {"cat/dot.png": dot}), image_size=16)
    (item,) = source.index.records("path = 'cat/dot.png'")
    assert (item.width, item.height) == (1, 1) and (source.pool[item.row] == (10, 200, 30)).all()


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1)])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_an_image_of_one_line_is_made_square(shape: tuple[int, int], fit: str, home: Home, tmp_path: Path):
    line = encoded(Image.new("RGB", shape, (250, 250, 250)))
    source = run_import(home, write_folder(tmp_path / "pictures", good_files() | {"cat/line.png": line}), fit=fit)
    assert not skipped_files(source)


def pixels_of(home: Home, tmp_path: Path, name: str, content: bytes, size: int = 16) -> np.ndarray:
    source = run_import(home, write_folder(tmp_path / "pictures", good_files() | {f"cat/{name}": content}), image_size=size)
    assert not skipped_files(source)
    (item,) = source.index.records("path = ?", values=(f"cat/{name}",))
    return source.pool[item.row]


def test_a_photograph_is_turned_upright(home: Home, tmp_path: Path):
    image = Image.new("RGB", (16, 16), "black")
    image.paste("white", (0, 0, 16, 8))  # the upper half, as stored
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter: the upper half is the right one then
    pixels = pixels_of(home, tmp_path, "turned.png", encoded(image, exif=exif))
    assert pixels[:, 9:].mean() > 250 > 5 > pixels[:, :7].mean()


def test_transparent_parts_are_put_on_white(home: Home, tmp_path: Path):
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (0, 0, 16, 8))
    pixels = pixels_of(home, tmp_path, "alpha.png", encoded(image))
    assert (pixels[9:] == 255).all() and (pixels[:8] == (200, 0, 0)).all()


def test_deep_grey_values_are_scaled_and_not_cut(home: Home, tmp_path: Path):
    deep = np.repeat(np.linspace(0, 65535, 16).astype(np.uint16)[None], 16, axis=0)
    pixels = pixels_of(home, tmp_path, "deep.png", encoded(Image.fromarray(deep)))
    assert pixels[0, :, 0].tolist() == [round(value / 257) for value in deep[0].tolist()]


def test_print_colours_become_screen_colours(home: Home, tmp_path: Path):
    pixels = pixels_of(home, tmp_path, "print.jpg", encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() < 30


def test_of_an_animation_the_first_frame_is_taken(home: Home, tmp_path: Path):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("blue", "lime", "red")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (pixels_of(home, tmp_path, "moving.gif", content) == (0, 0, 255)).all()


def test_bad_files_in_a_zip_are_skipped_files_too(home: Home, tmp_path: Path):
    files = good_files() | {f"cat/{name}": make() for name, make in BAD.items()}
    problems = skipped_files(run_import(home, write_zip(tmp_path / "set.zip", files)))
    assert problems.keys() == {f"cat/{name}" for name in BAD} and all(map(is_a_sentence, problems.values()))


def test_a_class_of_bad_files_only_is_refused_with_the_reason(home: Home, tmp_path: Path):
    folder = write_folder(tmp_path / "pictures", good_files() | {"fox/a.jpg": b"", "fox/b.jpg": b"text"})
    with pytest.raises(DataError, match=f"“fox”.*fox/a.jpg {re.escape(EMPTY)}") as refusal:
        run_import(home, folder)
    assert is_a_sentence(refusal.value) and not home.set_folder("mine").exists()


def test_images_are_read_by_what_they_are_and_not_by_their_suffix(home: Home, tmp_path: Path):
    files = good_files() | {"cat/a.jpg": encoded(noise(1), "WEBP"), "cat/b.PNG": encoded(noise(2), "BMP")}
    assert not skipped_files(run_import(home, write_folder(tmp_path / "pictures", files)))


def test_a_file_that_is_no_regular_file_is_not_opened(home: Home, tmp_path: Path):
    folder = write_folder(tmp_path / "pictures", good_files())
    os.mkfifo(folder / "cat" / "pipe.jpg")
    (folder / "cat" / "link.jpg").symlink_to(folder / "cat" / "pipe.jpg")
    source = run_import(home, folder)
    assert source.info.train_count + source.info.test_count == 6
