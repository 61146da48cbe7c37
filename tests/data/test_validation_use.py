"""Validation images without test images: an import asks what they are used for, and the answer is kept."""

import io
from pathlib import Path

import pytest

from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import ImportOptions, find_question
from cnn_core.data.jobs import Jobs
from cnn_core.data.library import check_quality
from cnn_core.data.listing import list_source
from cnn_core.data.path_source import PathSource
from cnn_core.data.source import finish
from cnn_core.data.split_changes import use_validation_images
from cnn_core.data.uploads import pack_folder
from cnn_core.data.validation_use import AS_TEST, AS_VALIDATION, NOT_A_CHOICE, NOT_TO_CHOOSE, SplitQuestion
from cnn_core.errors import DataError
from cnn_core.home import Home
from tests.data.imports import are_same, encoded, noise, run_import, write_folder, write_zip
from tests.helpers import is_a_sentence

FILES = {
    f"{split}/{name}/{number}.png": encoded(noise(start + number))
    for split, count, offset in (("train", 10, 0), ("val", 3, 500))
    for name, start in (("cat", offset), ("dog", offset + 100))
    for number in range(count)
}
QUESTION = SplitQuestion(train=20, val=6, drawn=4)
TEST_FILES = {f"test/{name}/1.png": encoded(noise(900 + number)) for number, name in enumerate(("cat", "dog"))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "pets", FILES)


def counts(source: ImportedSource | PathSource) -> tuple[int, int, int]:
    return source.info.train_count, source.info.val_count, source.info.test_count


@pytest.mark.parametrize("way", ["folder", "zip", "upload"])
def test_every_way_to_import_asks_and_goes_on_with_the_answer(way: str, folder: Path, home: Home):
    source = {
        "folder": lambda: folder,
        "zip": lambda: write_zip(folder.with_suffix(".zip"), FILES),
        "upload": lambda: pack_folder(((name, io.BytesIO(content)) for name, content in FILES.items()), home),
    }[way]()
    jobs = Jobs(home)
    jobs.add("pets", str(source), is_upload=way == "upload")
    jobs.run_next(lambda: False)
    (job,) = jobs.all()
    assert job.question == QUESTION and is_a_sentence(job.question.sentence) and not job.is_active and source.exists()
    jobs.answer(job.id, AS_TEST)
    jobs.run_next(lambda: False)
    assert jobs.all()[0].status == "finished" and counts(ImportedSource(home.set_folder("pets"))) == (20, 0, 6)
    assert source.exists() is (way != "upload")


def test_a_question_that_is_dismissed_or_asked_again_leaves_no_upload(home: Home):
    jobs = Jobs(home)
    for _ in range(2):  # the second import of the name replaces the first
        jobs.add("pets", str(pack_folder(((name, io.BytesIO(content)) for name, content in FILES.items()), home)), is_upload=True)
        jobs.run_next(lambda: False)
    (job,) = jobs.all()
    assert len(list((home.data / "uploads").iterdir())) == 1
    jobs.remove(job.id)
    assert jobs.all() == [] and list((home.data / "uploads").iterdir()) == []


@pytest.mark.parametrize("change", ["with test images", "without validation images"])
def test_nothing_is_asked_where_the_splits_are_complete_or_none(change: str, tmp_path: Path, home: Home):
    files = FILES | TEST_FILES if change == "with test images" else {name: FILES[name] for name in FILES if "val/" not in name}
    folder = write_folder(tmp_path / "pets", files)
    assert find_question(list_source(folder), ImportOptions()) is None
    source = run_import(home, folder, validation_as=AS_TEST)
    assert source.describe_validation() == "" and bool(source.info.val_count) is (change == "with test images")
    with pytest.raises(DataError) as refusal:
        use_validation_images(source, AS_TEST)
    assert str(refusal.value) == NOT_TO_CHOOSE.format(name="mine")


def test_without_a_choice_the_splits_are_those_of_earlier_versions_and_it_is_said(folder: Path, home: Home):
    source = run_import(home, folder)
    assert counts(source) == (16, 6, 4) and source.describe_validation() in check_quality(source).warnings
    assert source.describe_validation() in finish(source.load("train")).notes and is_a_sentence(source.describe_validation())
    chosen = run_import(home, folder, "chosen", validation_as=AS_VALIDATION)
    assert (
        chosen.info.fingerprint == source.info.fingerprint and chosen.describe_validation() not in check_quality(chosen).warnings
    )


def test_a_later_choice_gives_the_splits_of_the_same_choice_at_the_import(folder: Path, home: Home):
    later, at_once, kept = (
        run_import(home, folder),
        run_import(home, folder, "test", validation_as=AS_TEST),
        run_import(home, folder, "kept"),
    )
    use_validation_images(later, AS_TEST)
    assert are_same(ImportedSource(later.folder), at_once) and counts(at_once) == (20, 0, 6)
    use_validation_images(ImportedSource(later.folder), AS_VALIDATION)
    assert are_same(ImportedSource(later.folder), kept)
    with pytest.raises(DataError) as refusal:
        use_validation_images(later, "train")
    assert str(refusal.value) == NOT_A_CHOICE


def test_a_set_of_an_earlier_version_keeps_its_splits_and_can_be_changed(folder: Path, home: Home):
    source = run_import(home, folder)
    options = source.index.facts()["options"]
    del options["validation_as"]
    source.index.set_facts(options=options)
    assert counts(ImportedSource(source.folder)) == (16, 6, 4) and ImportedSource(source.folder).describe_validation()
    use_validation_images(ImportedSource(source.folder), AS_TEST)
    assert counts(ImportedSource(source.folder)) == (20, 0, 6)


def test_a_choice_for_a_path_is_kept_before_and_after_the_import_and_when_files_change(folder: Path, home: Home):
    assert PathSource(folder, home).question == QUESTION
    PathSource(folder, home).choose_validation(AS_TEST)
    assert PathSource(folder, home).question is None and counts(PathSource(folder, home)) == (20, 0, 6)
    finish(PathSource(folder, home).load("train"))
    assert counts(PathSource(folder, home)) == (20, 0, 6)
    (folder / "train/cat/new.png").write_bytes(encoded(noise(77)))
    assert counts(PathSource(folder, home)) == (21, 0, 6)
    finish(PathSource(folder, home).load("train"))
    assert counts(PathSource(folder, home)) == (21, 0, 6)
    PathSource(folder, home).choose_validation(AS_VALIDATION)
    assert PathSource(folder, home).info.val_count == 6


def test_a_path_imported_before_is_not_asked_about_and_keeps_its_splits(folder: Path, home: Home):
    finish(PathSource(folder, home).load("train"))
    assert PathSource(folder, home).question is None and counts(PathSource(folder, home)) == (16, 6, 4)
