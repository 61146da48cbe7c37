"""A collection: images added class by class stay until they are imported; names of classes are checked and compared."""

from pathlib import Path

import pytest

from cnn_core.data.collection import NOT_A_CLASS, Collection, find_same_class, find_similar_class
from cnn_core.data.imported import ImportedSource
from cnn_core.data.jobs import Jobs
from cnn_core.errors import DataError
from cnn_core.home import Home
from tests.data.imports import encoded, noise


def filled(home: Home, names: tuple[str, ...] = ("cat", "dog"), count: int = 4) -> Collection:
    collection = Collection(home)
    for number, name in enumerate(names):
        collection.add(name, [(f"{image}.png", encoded(noise(100 * number + image))) for image in range(count)])
    return collection


def import_it(home: Home, name: str = "pets") -> str:
    jobs = Jobs(home)
    jobs.add(name, str(Collection(home).source))
    assert jobs.run_next(lambda: False)
    return jobs.all()[0].status


def test_what_is_collected_stays_for_a_new_session_and_belongs_to_one_person(home: Home):
    filled(home)
    assert Collection(home).counts() == {"cat": 4, "dog": 4} and Collection(home, "ann@school.example").counts() == {}


def test_a_failed_import_leaves_the_collection_and_a_successful_one_empties_it(home: Home):
    collection = filled(home, ("cat",))
    assert import_it(home) == "failed" and collection.counts() == {"cat": 4}
    filled(home, ("dog",))
    assert import_it(home) == "finished" and collection.counts() == {} and not collection.folder.exists()
    assert ImportedSource(home.set_folder("pets")).info.classes == ("cat", "dog")


def test_an_import_of_the_folder_of_another_person_leaves_their_collection(home: Home):
    collection = filled(home)
    jobs = Jobs(home)
    jobs.add("pets", str(collection.source), owner="ann@school.example")
    jobs.run_next(lambda: False)
    assert jobs.all()[0].status == "finished" and collection.counts() == {"cat": 4, "dog": 4}


@pytest.mark.parametrize(
    "names",
    [
        ("train", "test"),
        ("bus", "train", "val"),
        ("cat", "\N{DOG FACE}"),
        ("\u4e09\u6bdb", "\u0939\u093f\u0928\u094d\u0926\u0940"),
        ("Old Train", "seg_test"),
    ],
)
def test_a_class_may_have_any_name_that_a_folder_may_have(home: Home, names: tuple[str, ...]):
    filled(home, names)
    assert import_it(home) == "finished"
    assert ImportedSource(home.set_folder("pets")).info.classes == tuple(sorted(names))


@pytest.mark.parametrize(
    "name",
    ["", "../up", "a/b", "a\\b", "c:d", ".hidden", "..", "ends.", "ends ", "x" * 61, "a\0b", "CON", "thumbs.db", "\u202egnp"],
)
def test_what_cannot_be_a_class_is_refused_and_nothing_is_written(name: str, home: Home):
    collection = filled(home)
    for change in (
        lambda: collection.add(name, [("a.png", b"x")]),
        lambda: collection.rename("cat", name),
        lambda: collection.remove_class(name),
    ):
        with pytest.raises(DataError) as refusal:
            change()
        assert str(refusal.value).startswith(NOT_A_CLASS.partition("{name}")[0])
    assert collection.counts() == {"cat": 4, "dog": 4}


def test_both_unicode_forms_of_a_name_are_one_class(home: Home):
    collection = filled(home, ("caf\u00e9", "cafe\u0301"))
    assert collection.counts() == {"caf\u00e9": 8}


def test_images_added_after_a_removal_replace_none(home: Home):
    collection = filled(home, ("cat",))
    first, *rest = collection.files("cat")
    assert collection.remove("cat", [first, "../../jobs.db", "missing.png"]) == 1
    collection.add("cat", [("new.png", b"x")])
    assert collection.files("cat")[:3] == rest and len(collection.files("cat")) == 4
    collection.remove("cat", collection.files("cat"))
    assert collection.counts() == {}


def test_a_renamed_class_keeps_its_images_and_joins_a_class_of_that_name(home: Home):
    collection = filled(home, ("cat", "Kat", "dog"))
    collection.rename("Kat", "cat")
    collection.rename("dog", "Dog")
    assert collection.counts() == {"Dog": 4, "cat": 8}
    contents = {collection.path("cat", file).read_bytes() for file in collection.files("cat")}
    assert contents == {encoded(noise(start + image)) for start in (0, 100) for image in range(4)}


def test_a_full_disk_is_reported_and_leaves_no_incomplete_file(home: Home, monkeypatch: pytest.MonkeyPatch):
    collection = filled(home, ("cat",))
    collection.source.parent.chmod(0o755)
    (collection.source / "dog").write_bytes(b"a file where the folder of the class should be")
    with pytest.raises(DataError):
        collection.add("dog", [("a.png", b"x")])
    assert collection.counts() == {"cat": 4}


@pytest.mark.parametrize(
    ("name", "other"), [("Cat", "cat"), ("polar  bear", "Polar Bear"), ("icebear", "ice bear"), ("\u00c4PFEL", "\u00e4pfel")]
)
def test_a_name_that_differs_in_capitals_or_spaces_is_the_same_class(name: str, other: str):
    assert find_same_class(name, ["zebra", other]) == other and find_same_class(other, [other]) is None


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("tulpi", "tulip"),
        ("tulips", "tulip"),
        ("tuli", "tulip"),
        ("tulop", "tulip"),
        ("cafe", "caf\u00e9"),
        ("polar-bear", "polar_bear"),
        ("rose", "Rosa"),
    ],
)
def test_a_name_that_differs_in_one_letter_is_similar(name: str, other: str):
    assert find_similar_class(name, ["zebra", other]) == other and find_similar_class(other, ["zebra", name]) == name


@pytest.mark.parametrize(
    ("name", "other"), [("cat", "dog"), ("3", "8"), ("A", "B"), ("room 1", "room 2"), ("tulip", "tulip"), ("tulip", "lilac")]
)
def test_other_names_are_not_similar(name: str, other: str):
    assert find_similar_class(name, [other]) is None and find_same_class(name, [other]) is None


def test_a_collected_file_outside_the_class_has_no_path(home: Home):
    with pytest.raises(DataError):
        filled(home).path("cat", "../dog/00000 0.png")
    assert Path(Collection(home).path("cat", "00000 0.png")).is_file()
