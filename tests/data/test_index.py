"""The index of a set: correcting, undoing, what changes the version, and what is asked of it."""

import threading
from pathlib import Path

import numpy as np
import pytest

from cnn_core.data.archive import SkippedFile
from cnn_core.data.imported import ImportedSource
from cnn_core.data.index.fingerprint import current_fingerprint, import_fingerprint
from cnn_core.data.index.index import Index
from cnn_core.data.index.schema import DecodingResult
from cnn_core.data.source import finish
from cnn_core.errors import DataError
from cnn_core.home import INDEX, Home
from tests.data.imports import encoded, good_files, noise, run_import, write_folder
from tests.helpers import is_a_sentence


@pytest.fixture
def source(home: Home, tmp_path: Path) -> ImportedSource:
    return run_import(home, write_folder(tmp_path / "pictures", good_files(10) | {"cat/bad.png": b"", "dog/notes.txt": b"x"}))


def mark(source: ImportedSource) -> str:
    """The fingerprint as a page or a run sees it now."""
    return ImportedSource(source.folder).info.fingerprint


def test_an_excluded_image_is_used_no_more_until_that_is_undone(source: ImportedSource):
    rows, labels = source.index.used_rows("train")
    assert source.index.corrections.apply([int(rows[3])], "is_excluded", 1) == 1
    left = finish(ImportedSource(source.folder).load("train"))
    assert len(left) == len(rows) - 1 and np.array_equal(left.labels, np.delete(labels, 3))
    assert np.array_equal(left[:], source.pool[np.delete(rows, 3)])
    assert [(edit.row, edit.field, edit.old, edit.new) for edit in source.index.corrections.undo()] == [
        (rows[3], "is_excluded", 0, 1)
    ]
    assert np.array_equal(source.index.used_rows("train")[0], rows)


def test_a_changed_label_is_used_for_training_and_the_original_is_stored(source: ImportedSource):
    (item,) = source.index.records("path = 'cat/3.png'")
    source.index.corrections.apply([item.row], "label", 1)
    (now,) = source.index.records("path = 'cat/3.png'")
    assert (now.label, now.imported_label) == (1, 0) and source.index.summary()["relabelled"] == 1
    table = source.index.counts_by_split()
    assert sum(table[split].get(1, 0) for split in table) == 11


def test_every_correction_is_another_version_and_undoing_brings_the_first_one_back(source: ImportedSource):
    marks = [mark(source)]
    for rows, field, new in (([0], "is_excluded", 1), ([1, 2], "label", 1), ([0], "is_excluded", 0), ([15], "label", 0)):
        source.index.corrections.apply(rows, field, new)
        marks.append(mark(source))
    assert len(set(marks)) == 5
    for before in reversed(marks[:-1]):
        assert source.index.corrections.undo() and mark(source) == before
    assert source.index.corrections.undo() == [] and source.index.corrections.latest() == []


def test_the_same_corrections_in_another_order_are_the_same_version(source: ImportedSource):
    source.index.corrections.apply([0], "is_excluded", 1)
    source.index.corrections.apply([1], "label", 1)
    first = mark(source)
    source.index.corrections.undo()
    source.index.corrections.undo()
    source.index.corrections.apply([1], "label", 1)
    source.index.corrections.apply([0], "is_excluded", 1)
    assert mark(source) == first


def test_taking_a_correction_back_by_hand_is_the_first_version_too(source: ImportedSource):
    first = mark(source)
    for field, there, back in (("is_excluded", 1, 0), ("label", 1, 0)):
        source.index.corrections.apply([0], field, there)
        source.index.corrections.apply([0], field, back)
    assert mark(source) == first and len(source.index.corrections.latest()) == 4


def test_images_that_are_corrected_together_are_undone_together(source: ImportedSource):
    assert (
        source.index.corrections.apply([0, 1, 2], "is_excluded", 1) == 3
        and source.index.corrections.apply([2, 3], "is_excluded", 1) == 1
    )
    assert [edit.row for edit in source.index.corrections.latest()] == [3, 2, 1, 0]
    assert len(source.index.corrections.undo()) == 1 and len(source.index.corrections.undo()) == 3


def test_images_that_are_given_labels_of_their_own_are_one_correction(source: ImportedSource):
    rows, labels = source.index.used_rows("train")
    others = [1 - int(label) for label in labels[:4]]
    assert source.index.corrections.apply(rows[:4].tolist(), "label", others) == 4
    assert source.index.used_rows("train")[1][:4].tolist() == others
    assert len(source.index.corrections.undo()) == 4 and np.array_equal(source.index.used_rows("train")[1], labels)
    assert source.index.summary()["excluded"] == 0


def test_what_is_so_already_is_no_correction(source: ImportedSource):
    assert source.index.corrections.apply([0, 1], "label", 0) == 0 and source.index.corrections.undo() == []


@pytest.mark.parametrize("row", [999, -1])
def test_an_image_that_is_not_there_cannot_be_corrected_and_nothing_else_is(row: int, source: ImportedSource):
    with pytest.raises(DataError, match="999|-1") as refusal:
        source.index.corrections.apply([0, row], "is_excluded", 1)
    assert is_a_sentence(refusal.value) and source.index.summary()["excluded"] == 0 and source.index.corrections.latest() == []


def test_an_unreadable_image_cannot_be_corrected(source: ImportedSource):
    (bad,) = source.index.records("problem is not null")
    with pytest.raises(DataError):
        source.index.corrections.apply([bad.row], "label", 1)


def test_the_same_files_have_the_same_fingerprint_under_another_name_and_place(
    source: ImportedSource, home: Home, tmp_path: Path
):
    again = run_import(home, write_folder(tmp_path / "elsewhere" / "copy", good_files(10)), "other")
    assert again.info.fingerprint == source.info.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"cat/3.png": encoded(noise(999))},
        {"cat/new.png": encoded(noise(999))},
        {"fox/1.png": encoded(noise(999)), "fox/2.png": encoded(noise(998))},
    ],
    ids=["another image", "one more image", "one more class"],
)
def test_other_files_have_another_fingerprint(change: dict[str, bytes], source: ImportedSource, home: Home, tmp_path: Path):
    other = run_import(home, write_folder(tmp_path / "elsewhere", good_files(10) | change), "other")
    assert other.info.fingerprint != source.info.fingerprint


@pytest.mark.parametrize(
    "options", [{"image_size": 20}, {"fit": "pad"}, {"colour": "grey"}, {"seed": 1}, {"test_share": 0.4}], ids=str
)
def test_other_options_have_another_fingerprint(options: dict[str, object], source: ImportedSource, home: Home, tmp_path: Path):
    other = run_import(home, tmp_path / "pictures", "other", **options)
    assert other.info.fingerprint != source.info.fingerprint


def test_the_stored_fingerprint_equals_the_computed_one(source: ImportedSource):
    assert (
        source.facts["fingerprint"]
        == import_fingerprint(source.index)
        == current_fingerprint(source.index, import_fingerprint(source.index))
    )


def test_problems_are_counted_and_limited(source: ImportedSource):
    assert source.index.count_skipped_files() == 2 and len(source.index.skipped_files(1)) == 1
    assert {one.path for one in source.index.skipped_files()} == {"cat/bad.png", "dog/notes.txt"}


def test_items_are_given_page_by_page(source: ImportedSource):
    pages = [source.index.records("problem is null and label = ?", values=(1,), limit=4, offset=offset) for offset in (0, 4, 8)]
    assert [len(page) for page in pages] == [4, 4, 2]
    assert [item.path for page in pages for item in page] == [f"dog/{number}.png" for number in range(10)]


def test_unread_items_come_in_order_and_once(tmp_path: Path):
    index = Index.create(tmp_path / "index.db")
    index.imports.add_files(((f"{number}.png", 0, None, 5, None) for number in range(10)), [SkippedFile("x", "odd")])
    index.imports.save_results([DecodingResult(number, None) for number in (0, 4, 5)])
    assert [[row for row, *_ in rows] for rows in index.imports.pending_files(3)] == [[1, 2, 3], [6, 7, 8], [9]]


def test_duplicates_are_stored_once_after_repeated_searches(source: ImportedSource):
    same, near = np.array([[0, 1]]), np.array([[2, 3], [4, 5]])
    for _ in range(2):
        source.index.duplicates.save(same, near)
    assert source.index.duplicates.counts()["same"] == 1 and source.index.duplicates.counts()["near"] == 2


def test_threads_can_correct_at_once(source: ImportedSource):
    threads = [threading.Thread(target=source.index.corrections.apply, args=([row], "is_excluded", 1)) for row in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.index.summary()["excluded"] == 10 and len(source.index.corrections.latest()) == 10


def test_an_index_that_is_no_index_is_refused_with_a_message(tmp_path: Path):
    (tmp_path / "index.db").write_bytes(b"no database " * 100)
    with pytest.raises(DataError, match=INDEX) as refusal:
        Index(tmp_path / "index.db").facts()
    assert is_a_sentence(refusal.value)
