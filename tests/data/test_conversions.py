"""How images were converted is counted by kind, alike for a folder, a zip, an uploaded folder, class by class and the terminal."""

import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from cnn_core.__main__ import main
from cnn_core.data import decoder, image_conversion
from cnn_core.data.collection import Collection
from cnn_core.data.conversions import KINDS, conversion_facts, describe_conversions, kinds_of
from cnn_core.data.uploads import pack_folder
from cnn_core.home import INDEX, Home
from tests.data.imports import good_files, run_import, write_folder, write_zip
from tests.data.odd_images import odd_images
from tests.helpers import is_a_sentence

BY_KIND = {
    "srgb": ["p3.png", "p3.jpg", "gamma.png", "adobe-clear.png"],
    "cmyk": ["print.jpg"],
    "16_bit": ["deep.png", "deep-rotated.png"],
    "rotated": ["rotated.jpg", "rotated.webp", "deep-rotated.png"],
    "first_frame": ["moving.gif", "moving.png"],
    "on_white": ["clear.png", "clear-grey.png", "adobe-clear.png", "indexed.png", "indexed.gif"],
    "on_black": ["light.png", "light.webp"],
}
COUNTS = {kind: len(names) for kind, names in BY_KIND.items()}
CONVERTED = len({name for names in BY_KIND.values() for name in names})
FILES = good_files(6) | {f"cat/{name}": content for name, content in odd_images().items()}


def collect(home: Home, _: Path) -> Path:
    collection = Collection(home)
    for label in ("cat", "dog"):
        collection.add(label, [(name.partition("/")[2], data) for name, data in FILES.items() if name.startswith(label)])
    return collection.source


WAYS: dict[str, Callable[[Home, Path], Path]] = {
    "folder": lambda home, tmp_path: write_folder(tmp_path / "pets", FILES),
    "zip": lambda home, tmp_path: write_zip(tmp_path / "pets.zip", FILES),
    "uploaded folder": lambda home, tmp_path: pack_folder(((name, io.BytesIO(data)) for name, data in FILES.items()), home),
    "class by class": collect,
}


@pytest.mark.parametrize("bring", WAYS.values(), ids=WAYS.keys())
def test_every_way_to_import_counts_the_same_conversions_of_each_kind(home: Home, tmp_path: Path, bring):
    index = run_import(home, bring(home, tmp_path)).index
    assert conversion_facts(index) == {"converted": CONVERTED, "conversions": COUNTS}
    sentence = describe_conversions(index)
    assert is_a_sentence(sentence) and sentence.startswith(f"{CONVERTED} ")
    assert all(KINDS[kind][1].format(count=count) in sentence for kind, count in COUNTS.items())


def test_the_terminal_tells_them_too_and_again_when_the_set_is_checked(home: Home, tmp_path: Path, capsys):
    folder = write_folder(tmp_path / "pets", FILES)
    assert main(["data", "import", str(folder), "--name", "pets"]) == 0
    assert main(["data", "check", "pets"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{CONVERTED} ")]
    assert len(told) == 2 and len(set(told)) == 1
    assert main(["data", "check", "pets", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (facts["converted"], facts["conversions"]) == (CONVERTED, COUNTS)


def test_every_note_of_the_decoder_has_a_kind_of_its_own():
    texts = [getattr(module, name) for module in (decoder, image_conversion) for name in vars(module) if name.isupper()]
    notes = {text for text in texts if isinstance(text, str) and text.startswith(("It ", "Its "))}
    assert notes == {note for note, _ in KINDS.values()}
    written = [note.format(was="12,000 × 9,000", now="6,000 × 4,500") for note, _ in KINDS.values()]
    assert kinds_of(written) == tuple(KINDS)


def test_nothing_is_said_of_images_that_needed_no_conversion_or_were_imported_by_an_earlier_version(home: Home, tmp_path: Path):
    source = run_import(home, write_folder(tmp_path / "pets", good_files(6)))
    assert describe_conversions(source.index) == "" and conversion_facts(source.index) == {"converted": 0, "conversions": {}}
    with sqlite3.connect(source.folder / INDEX) as db:
        db.execute("drop table conversions")
    assert describe_conversions(source.index) == "" and conversion_facts(source.index) == {"converted": 0, "conversions": {}}
