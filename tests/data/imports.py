"""What the tests of importing share: zips made by hand, imports that are watched from outside, and imports in a process that is measured."""

import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.errors import DataError
from cnn_core.home import Home
from tests.helpers import drain, is_a_sentence, start_process

CHUNK = 9  # images that are decoded at once under `small_chunks`
MEASURED = """
import json, sys, time
from pathlib import Path
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.errors import DataError
from cnn_core.home import Home
began, error = time.process_time(), ""
try:
    for _ in import_files("measured", Path(sys.argv[1]), ImportOptions(image_size=32), Home.from_environment()):
        pass
except DataError as refusal:
    error = str(refusal)
seconds = time.process_time() - began
status = Path("/proc/self/status").read_text()
print(json.dumps([error, seconds, int(status.split("VmHWM:")[1].split()[0]) / 1024]))
"""


@dataclass(frozen=True)
class Measured:
    """An import in a process of its own: the sentence that refused it, or "", its processor time (others may be at work on the machine),
    and its resident memory at the highest, MB."""

    error: str
    seconds: float
    megabytes: float


def noise(seed: int, side: int = 16, channels: int = 3) -> Image.Image:
    """An image like no other: blotches of colour."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 6, channels), dtype=np.uint8)
    return Image.fromarray(small.squeeze()).resize((side, side), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def good_files(count: int = 3) -> dict[str, bytes]:
    """Two classes of `count` readable images each, by path."""
    return {
        f"{name}/{number}.png": encoded(noise(number + start))
        for name, start in (("cat", 0), ("dog", 1000))
        for number in range(count)
    }


def write_zip(path: Path, files: dict[str, bytes], **more: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (files | more).items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def run_import(home: Home, source: Path, name: str = "mine", **options: Any) -> ImportedSource:
    """Import to the end; nothing may have changed outside the home's data folder."""
    before = _files_outside(home, source)
    try:
        drain(import_files(name, source, ImportOptions(**options), home))
    finally:
        assert _files_outside(home, source) == before
    return ImportedSource(home.set_folder(name))


def refused_import(home: Home, source: Path, **options: Any) -> str:
    """The sentence with which an import is refused."""
    try:
        run_import(home, source, **options)
    except DataError as error:
        assert is_a_sentence(error), error
        assert not home.set_folder("mine").exists()
        return str(error)
    raise AssertionError("was imported")


def skipped_files(source: ImportedSource) -> dict[str, str]:
    return {file.path: file.reason for file in source.index.skipped_files()}


def are_same(one: ImportedSource, other: ImportedSource) -> bool:
    """Whether two data sets are equal in all that a run uses, and in their decoding results."""
    whole = "row", "label", "part", "look", "width", "bytes"
    return (
        one.info.fingerprint == other.info.fingerprint
        and np.array_equal(one.pool, other.pool)
        and all(
            np.array_equal(*both)
            for both in zip(*(s.index.columns("problem is null", *whole) for s in (one, other)), strict=True)
        )
        and skipped_files(one) == skipped_files(other)
        and one.index.duplicates.pairs() == other.index.duplicates.pairs()
    )


def imported_names(home: Home) -> list[str]:
    return sorted(path.name for path in (home.data / "sets").iterdir()) if (home.data / "sets").is_dir() else []


def measured_import(home: Home, source: Path, seconds: float = 2) -> Measured:
    """Import in a process of its own, which must hold to `seconds` and 512 MB, and write into the home's data folder only."""
    before = _files_outside(home, source)
    process = start_process(home, "-c", MEASURED, str(source))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert _files_outside(home, source) == before
    measured = Measured(*json.loads(out.splitlines()[-1]))
    assert measured.seconds <= seconds and measured.megabytes <= 512, measured
    assert not measured.error or is_a_sentence(measured.error), measured
    return measured


def _files_outside(home: Home, source: Path) -> dict[str, int]:
    return {
        str(path): path.lstat().st_mtime_ns
        for root in (source.parent, home.root)
        for path in root.rglob("*")
        if not path.is_relative_to(home.data) and path != home.root
    }


@dataclass
class Entry:
    """A member of a zip made by hand; what its headers claim may differ from what its bytes are."""

    name: bytes
    content: bytes
    method: int = 8
    size: int | None = None
    packed: int | None = None
    crc: int | None = None
    flags: int = 0
    mode: int = 0o100644
    offset: int | None = None

    def raw(self) -> bytes:
        return zlib.compress(self.content, 9, -15) if self.method == 8 else self.content

    def facts(self) -> tuple[int, int, int]:
        crc = zlib.crc32(self.content) if self.crc is None else self.crc
        return crc, len(self.raw()) if self.packed is None else self.packed, len(self.content) if self.size is None else self.size


def local(entry: Entry) -> bytes:
    return (
        struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, entry.flags, entry.method, 0, 33, *entry.facts(), len(entry.name), 0)
        + entry.name
    )


def central(entry: Entry, offset: int) -> bytes:
    head = ("<4s6H3L5H2L", b"PK\x01\x02", 3 << 8 | 20, 20, entry.flags, entry.method, 0, 33)
    return struct.pack(*head, *entry.facts(), len(entry.name), 0, 0, 0, 0, entry.mode << 16, offset) + entry.name


def end(count: int, size: int, offset: int, comment: bytes = b"") -> bytes:
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, size, offset, len(comment)) + comment


def craft_zip(path: Path, entries: list[Entry]) -> Path:
    """A zip of these entries, written byte by byte."""
    body, directory, here = [], [], 0
    for entry in entries:
        directory.append(central(entry, here if entry.offset is None else entry.offset))
        if entry.offset is None:
            body.append(local(entry) + entry.raw())
            here += len(body[-1])
    path.write_bytes(b"".join((*body, *directory, end(len(entries), sum(map(len, directory)), here))))
    return path


def good_entries() -> list[Entry]:
    return [Entry(name.encode(), content) for name, content in good_files().items()]
