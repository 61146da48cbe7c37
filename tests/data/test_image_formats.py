"""Files under other names: their first bytes decide whether they are images, wherever files are read."""

import struct
import zipfile
from pathlib import Path

import pytest

from cnn_core.data.collection import Collection
from cnn_core.data.decoder import UNREADABLE, read_image
from cnn_core.data.image_formats import (
    AVIF,
    HEIC,
    ICON,
    IN_A_MESSAGE,
    JPEG_2000,
    JPEG_XL,
    PDF,
    PSD,
    RAW,
    SAVE_AS,
    START_BYTES,
    SVG,
    TIFF,
    as_a_message,
    as_a_reason,
    is_image,
    other_format,
)
from cnn_core.data.listing import NO_IMAGE, list_source
from cnn_core.errors import ImageError
from cnn_core.home import Home
from tests.data.corrupted_files import valid_files
from tests.data.imports import good_files, run_import, skipped_files, write_folder, write_zip
from tests.data.photographs import JPEG, PHOTO, encode
from tests.helpers import is_a_sentence

NAMES = ("chrome.jfif", "old.jpe", "photo.pjpeg", "photo.jpg_large", "photo.jpeg~", "noext", "photo.jpg.bak", "a.b", "photo.txt")


def container(brand: bytes, *compatible: bytes) -> bytes:
    """The beginning of a file in the ISO base media format."""
    brands = brand + bytes(4) + b"".join(compatible)
    return struct.pack(">L", 8 + len(brands)) + b"ftyp" + brands + bytes(200)


OTHERS = {
    "phone.heic": (container(b"heic", b"mif1", b"heic"), HEIC),
    "phone.HEIF": (container(b"mif1", b"heic"), HEIC),
    "renamed.jpg": (container(b"heix"), HEIC),
    "web.avif": (container(b"avif", b"mif1"), AVIF),
    "web2.avif": (container(b"mif1", b"avif"), AVIF),
    "scan.tif": (encode(PHOTO, "TIFF"), TIFF),
    "scan": (b"MM\0*" + bytes(100), TIFF),
    "layers.psd": (b"8BPS\0\1" + bytes(100), PSD),
    "drawing.svg": (b'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', SVG),
    "drawing": (b'\xef\xbb\xbf<svg xmlns="http://www.w3.org/2000/svg"/>', SVG),
    "camera.NEF": (b"MM\0*" + bytes(100), RAW),
    "camera.cr3": (container(b"crx "), RAW),
    "camera.raf": (b"FUJIFILMCCD-RAW 0201" + bytes(100), RAW),
    "paper.pdf": (b"%PDF-1.7\n" + bytes(100), PDF),
    "scan.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100), JPEG_2000),
    "new.jxl": (b"\xff\x0a" + bytes(100), JPEG_XL),
    "icon.ico": (encode(PHOTO, "ICO"), ICON),
}


@pytest.mark.parametrize("content", valid_files().values(), ids=valid_files())
def test_the_first_bytes_of_every_supported_format_are_known(content: bytes):
    assert is_image(content[:START_BYTES]) and not other_format(content, ".jpg")


@pytest.mark.parametrize(
    "text", [b"", b"x", b"BMW, 3 series, 2011, blue, sold in autumn", b"GIF", b"RIFF....WAVEfmt ", b"PK\3\4"]
)
def test_other_files_are_no_images(text: bytes):
    assert not is_image(text) and not other_format(text, ".txt")


@pytest.mark.parametrize("kind", ["folder", "zip", "stored zip"])
def test_an_image_under_any_name_is_imported_and_files_that_are_none_are_skipped(kind: str, home: Home, tmp_path: Path):
    files = good_files() | {f"cat/{name}": encode(PHOTO.rotate(turn), "JPEG") for turn, name in enumerate(NAMES)}
    files |= {f"dog/{name}": content for name, (content, _) in OTHERS.items()} | {
        "dog/notes.md": b"BM, GIF and JPEG",
        "dog/none": b"",
    }
    if kind == "folder":
        source = write_folder(tmp_path / "pictures", files)
    elif kind == "zip":
        source = write_zip(tmp_path / "pictures.zip", files)
    else:
        source = tmp_path / "pictures.zip"
        with zipfile.ZipFile(source, "w", zipfile.ZIP_STORED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    skipped = skipped_files(imported := run_import(home, source))
    assert imported.info.train_count + imported.info.test_count == 6 + len(NAMES)
    assert skipped.keys() == {f"dog/{name}" for name in OTHERS} | {"dog/notes.md", "dog/none"}
    assert skipped["dog/notes.md"] == skipped["dog/none"] == NO_IMAGE
    for name, (_, other) in OTHERS.items():
        assert skipped[f"dog/{name}"] in (as_a_reason(other), f"dog/{name} {as_a_message(other)}")


@pytest.mark.parametrize("name", OTHERS)
def test_a_format_that_is_not_read_is_named_with_what_to_do(name: str):
    content, other = OTHERS[name]
    for quoted in (name, f"“{name}”"):
        with pytest.raises(ImageError) as refusal:
            read_image(content, quoted)
        assert str(refusal.value) == f"{quoted} {IN_A_MESSAGE.format(name=other, format=SAVE_AS[other])}"
        assert is_a_sentence(refusal.value)


def test_a_page_with_a_drawing_in_it_is_not_called_a_drawing():
    with pytest.raises(ImageError, match=UNREADABLE):
        read_image(b"<!DOCTYPE html><html><svg></svg></html>", "page.jpg")


def test_files_with_the_suffix_of_an_image_are_not_opened_when_they_are_listed(tmp_path: Path):
    folder = write_folder(tmp_path / "pictures", {"a/1.jfif": JPEG, "b/1.JPG": JPEG, "b/2": JPEG})
    for path in folder.rglob("*1.*"):
        path.chmod(0)
    assert [file.path for file in list_source(folder).files] == ["a/1.jfif", "b/1.JPG", "b/2"]


def test_images_under_any_name_join_a_collection_and_keep_no_name_from_outside(home: Home):
    collection = Collection(home)
    collection.add("cat", [*((name, JPEG) for name in NAMES), ("../../x.sh", JPEG), ("notes.md", b"text")])
    assert collection.counts() == {"cat": len(NAMES) + 1}
    assert all(path.parent == collection.source / "cat" and path.name[:5].isdigit() for path in collection.source.rglob("*.*"))
    contents = [path.read_bytes() for path in (collection.source / "cat").iterdir()]
    assert sorted(set(contents)) == sorted({JPEG, b"text"})  # the import says why the text is skipped
