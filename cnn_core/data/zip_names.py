"""Names of the members of a zip as their writer saw them. A zip states the encoding of a name only if it is UTF-8, and often not even then.

In: the entries of a zip as Python's zipfile reads them. Out: one path with slashes for each, in Unicode's composed form (NFC).

A name that is not marked as UTF-8 is, in this order:
1. the name in the entry's Info-ZIP Unicode path field (0x7075), if the field's checksum fits the name;
2. UTF-8, if all such names of the archive are (macOS writes it without the mark);
3. in the one of ENCODINGS that gives the fewest oddities over all such names of the archive: Windows writes names in the encoding of its
   language. Umlauts read as Japanese, or Japanese read as umlauts, have signs between letters, or letters of two scripts in one word.
"""

import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache

UTF8_FLAG = 0x800
UNICODE_PATH = 0x7075  # id of the extra field
FAT_SYSTEMS = (0, 10, 14)  # FAT, NTFS, VFAT: there a backslash separates folders and cannot be in a name
ENCODINGS = ("cp437", "cp850", "cp932", "gb2312", "cp866", "cp1252")  # of two that fit equally well the first is taken
SAMPLE_SIZE, MAX_LETTERS = 1000, 100  # parts of paths that are looked at, and letters of each
JAPANESE_SIGNS = frozenset(
    map(chr, (*range(0x3000, 0x3040), 0x30FB, *range(0xFF01, 0xFF61)))
)  # brackets, full stops and the like
HALF_WIDTH = frozenset(map(chr, range(0xFF61, 0xFFA0)))  # which letters of other encodings become in cp932
EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC")


def decode_names(infos: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Return the path of every entry. A path that ends in a slash is a folder."""
    names: list[str | None] = [_stated_name(info) for info in infos]
    raw = {number: _raw_name(infos[number]) for number, name in enumerate(names) if name is None}
    encoding = _choose_encoding(list(raw.values()))
    decoded = [raw[number].decode(encoding) if name is None else name for number, name in enumerate(names)]
    has_slashes = any("/" in name for name in decoded)
    return [
        unicodedata.normalize("NFC", name.replace("\\", "/") if not has_slashes or info.create_system in FAT_SYSTEMS else name)
        for info, name in zip(infos, decoded, strict=True)
    ]


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    """Return the bytes of a name without the UTF-8 mark: zipfile decodes them as cp437, in which every byte is a character."""
    return info.orig_filename.encode("cp437")


def _stated_name(info: zipfile.ZipInfo) -> str | None:
    """Return a name whose encoding the archive states, or that is the same in all of them; None for another."""
    if info.flag_bits & UTF8_FLAG or info.orig_filename.isascii():
        return info.orig_filename
    for field, data in _extra_fields(info.extra):
        if field == UNICODE_PATH and data[:5] == struct.pack("<BI", 1, zlib.crc32(_raw_name(info))):
            with suppress(UnicodeDecodeError):
                return data[5:].decode()
    return None


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(extra):
        field, size = struct.unpack_from("<HH", extra, at)
        yield field, extra[at + 4 : at + 4 + size]
        at += 4 + size


def _choose_encoding(names: Sequence[bytes]) -> str:
    """Return the encoding of all `names`: UTF-8 if it fits, else the one of ENCODINGS with the fewest oddities in a sample of their parts."""
    parts = sorted({part for name in names for part in name.split(b"/") if not part.isascii()})
    sample = parts[:: max(1, len(parts) // SAMPLE_SIZE)]
    scores: dict[str, int] = {}
    for encoding in ("utf-8", *ENCODINGS):
        try:
            for part in parts:
                part.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8":
            return encoding
        scores[encoding] = sum(_count_oddities(part.decode(encoding)[:MAX_LETTERS]) for part in sample)
    return min(scores, key=scores.__getitem__)


def _count_oddities(name: str) -> int:
    """Count what names rarely have in their own encoding: signs (twice), two scripts or a capital within a word, two accented letters in a row."""
    odd, before = 0, " "
    for letter in name:
        if letter.isascii() and before.isascii():
            odd += letter in "[]^`{|}~\\"  # second bytes of Japanese letters
        elif not letter.isascii() and unicodedata.category(letter)[0] not in "LMN" and letter not in JAPANESE_SIGNS:
            odd += 2
        elif letter.isalpha() and before.isalpha():
            scripts = _script(before), _script(letter)
            is_accented_pair = scripts == ("LATIN", "LATIN") and not (letter.isascii() or before.isascii())
            odd += scripts[0] != scripts[1] or is_accented_pair or (before.islower() and letter.isupper())
        odd += letter in HALF_WIDTH
        before = letter
    return odd


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """Return the script of a letter by its Unicode name; that of Chinese and Japanese letters is the same."""
    first = unicodedata.name(letter, "?").split()[0]
    return "CJK" if first in EAST_ASIAN else first
