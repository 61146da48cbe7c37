"""The account of skipped files is the same for a folder, a zip, an uploaded folder and images that are added class by class."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from cnn_core.data.archive import OUTSIDE
from cnn_core.data.collection import Collection
from cnn_core.data.imported import SKIPPED, ImportedSource
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.listing import NO_IMAGE
from cnn_core.data.skipped import (
    IMPORTED_IMAGES,
    MAX_NAMED,
    NONE_RESIZED,
    SEE_VIEW,
    SKIPPED_FILES,
    describe_imported,
    describe_skipped,
    skipped_facts,
)
from cnn_core.data.source import finish
from cnn_core.data.uploads import pack_folder
from cnn_core.home import Home
from cnn_core.text import counted
from tests.data.imports import good_files, write_folder, write_zip
from tests.helpers import is_a_sentence

BAD = {"cat/bad.jpg": b"<html>403</html>", "cat/notes.txt": b"x", "dog/film.mp4": b"x"}
LEFT_BY_SYSTEMS = {"cat/.DS_Store": b"x", "dog/Thumbs.db": b"x"}
FILES = good_files(6) | BAD | LEFT_BY_SYSTEMS
Bring = Callable[[Home, Path], Path]


def upload(home: Home, files: dict[str, bytes]) -> Path:
    return pack_folder(((name, io.BytesIO(content)) for name, content in files.items()), home)


def add_class_by_class(home: Home) -> Collection:
    collection = Collection(home)
    for label in ("cat", "dog"):
        files = [(name.partition("/")[2], content) for name, content in FILES.items() if name.startswith(label)]
        collection.add(label, files)
    return collection


WAYS: dict[str, Bring] = {
    "folder": lambda home, tmp_path: write_folder(tmp_path / "pets", FILES),
    "zip": lambda home, tmp_path: write_zip(tmp_path / "pets.zip", FILES),
    "uploaded folder": lambda home, tmp_path: upload(home, FILES),
}


def imported(home: Home, source: Path) -> ImportedSource:
    finish(import_files("pets", source, ImportOptions(), home))
    return ImportedSource(home.set_folder("pets"))


@pytest.mark.parametrize("bring", WAYS.values(), ids=WAYS.keys())
def test_every_way_to_import_skips_and_names_the_same_files(home: Home, tmp_path: Path, bring: Bring):
    index = imported(home, bring(home, tmp_path)).index
    facts = skipped_facts(index)
    assert facts["skipped"] == 3 and {file["path"] for file in facts["skipped_files"]} == BAD.keys()
    sentence = describe_skipped(index, SEE_VIEW)
    assert is_a_sentence(sentence) and sentence.startswith("3 ") and f"cat/notes.txt ({NO_IMAGE})" in sentence
    assert not any(name in sentence for name in LEFT_BY_SYSTEMS)
    assert all(sentence.count(name) == 1 for name in BAD)
    assert all(f"{name} (it " in sentence for name in BAD)  # every reason is worded alike
    explained = {file.path: file.explanation for file in index.skipped_files()}
    assert all(text.startswith("it ") and text.endswith(".") and text.count(name) == 0 for name, text in explained.items())
    notes = finish(ImportedSource(home.set_folder("pets")).load("train")).notes
    assert all(f"{SKIPPED} {name}: {text}" in notes for name, text in explained.items())
    account = IMPORTED_IMAGES.format(
        images=counted(12, "image was", "images were"), classes="2 classes", sizes="16×16", resized=NONE_RESIZED
    )
    assert describe_imported(ImportedSource(home.set_folder("pets"))) == account and is_a_sentence(account)


def test_files_that_are_added_class_by_class_are_skipped_and_named_by_the_import(home: Home):
    collection = add_class_by_class(home)
    assert collection.counts() == {"cat": 7, "dog": 6}
    source = imported(home, collection.source)
    assert source.info.train_count + source.info.test_count == 12
    named = [file["path"] for file in skipped_facts(source.index)["skipped_files"]]
    for name in BAD:
        label, _, file = name.partition("/")
        assert sum(path.startswith(f"{label}/") and path.endswith(file) for path in named) == 1


def test_many_skipped_files_are_counted_and_only_the_first_are_named(home: Home, tmp_path: Path):
    source = write_folder(tmp_path / "pets", good_files(6) | {f"cat/{number:03}.txt": b"x" for number in range(40)})
    index = imported(home, source).index
    facts, sentence = skipped_facts(index), describe_skipped(index, SEE_VIEW)
    assert facts["skipped"] == 40 and len(facts["skipped_files"]) == MAX_NAMED
    assert sentence.count(NO_IMAGE) == MAX_NAMED and f"{40 - MAX_NAMED} more" in sentence and is_a_sentence(sentence)


def test_nothing_is_said_where_nothing_was_skipped(home: Home, tmp_path: Path):
    index = imported(home, write_folder(tmp_path / "pets", good_files(6) | LEFT_BY_SYSTEMS)).index
    assert describe_skipped(index, SEE_VIEW) == "" and skipped_facts(index) == {"skipped": 0, "skipped_files": []}
    assert SKIPPED_FILES.endswith("{where}")


def test_a_path_that_leads_out_of_an_uploaded_folder_is_refused_by_the_import_and_written_nowhere(home: Home, tmp_path: Path):
    before = set(tmp_path.rglob("*"))
    source = imported(home, upload(home, good_files(6) | {"cat/../../../../escaped.jpg": b"x"}))
    (file,) = skipped_facts(source.index)["skipped_files"]
    assert file["reason"] == OUTSIDE and not [path for path in set(tmp_path.rglob("*")) - before if "escaped" in path.name]


@pytest.mark.parametrize(
    "name", ["../up.jpg", "/etc/x.jpg", "a\0b.jpg", "x" * 400 + ".jpg", "con:1.jpg", "..", "\u202egnp.jpg", "IMG_1.JPG"]
)
def test_no_name_of_an_added_file_leads_out_of_its_class(home: Home, name: str):
    collection = Collection(home)
    collection.add("cat", [(name, b"x"), (name, b"y")])
    assert len(list((collection.source / "cat").iterdir())) == 2
    assert [path for path in collection.source.rglob("*") if path.is_file()] == list((collection.source / "cat").iterdir())
