"""The list of imports: asked for by pages, worked off by one thread, cancelled, taken up again after a crash."""

import shutil
import threading
from pathlib import Path

import pytest

from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import READING
from cnn_core.data.index.index import Index
from cnn_core.data.jobs import Job, Jobs
from cnn_core.errors import BusyError, DataError
from cnn_core.home import INDEX, Home
from tests.data.imports import good_files, write_folder, write_zip
from tests.helpers import is_a_sentence


@pytest.fixture
def jobs(home: Home) -> Jobs:
    return Jobs(home)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "pictures", good_files(20))


@pytest.fixture
def upload(home: Home) -> Path:
    place = home.data / "uploads" / "random"
    place.mkdir(parents=True)
    return write_zip(place / "cats.zip", good_files(20))


def go_on() -> bool:
    return False


def only(jobs: Jobs) -> Job:
    (job,) = jobs.all()
    return job


def test_a_job_is_done_and_says_so(jobs: Jobs, folder: Path, home: Home):
    jobs.add("mine", str(folder), {"image_size": 24})
    assert only(jobs).status == "queued" and only(jobs).is_active and only(jobs).options == {"image_size": 24}
    assert jobs.run_next(go_on) and not jobs.run_next(go_on)
    assert (only(jobs).status, only(jobs).error, only(jobs).is_active) == ("finished", "", False)
    assert ImportedSource(home.set_folder("mine")).info.image_size == 24


def test_without_jobs_nothing_is_done_and_nothing_written(jobs: Jobs, home: Home):
    jobs.requeue_interrupted()
    assert not jobs.run_next(go_on) and not home.root.exists()


def test_jobs_are_done_in_the_order_in_which_they_were_asked_for(jobs: Jobs, folder: Path):
    for name in ("one", "two", "three"):
        jobs.add(name, str(folder))
    assert [job.name for job in jobs.all()] == ["three", "two", "one"]
    jobs.run_next(go_on)
    assert {job.name: job.status for job in jobs.all()} == {"one": "finished", "two": "queued", "three": "queued"}


def test_a_job_that_cannot_be_done_keeps_the_sentence(jobs: Jobs, tmp_path: Path):
    for name, source, options in (("one", tmp_path / "nowhere", {}), ("two", tmp_path, {"image_size": 3})):
        jobs.add(name, str(source), options, owner=name)
        assert jobs.run_next(go_on)
    assert [job.status for job in jobs.all()] == ["failed", "failed"] and all(is_a_sentence(job.error) for job in jobs.all())


def test_a_name_that_is_taken_or_asked_for_already_is_refused(jobs: Jobs, folder: Path):
    jobs.add("mine", str(folder))
    sentences = []
    for _ in ("is being imported", "is imported"):
        with pytest.raises(DataError, match="“mine”") as refusal:
            jobs.add("mine", str(folder))
        sentences.append(str(refusal.value))
        jobs.run_next(go_on)
    assert all(map(is_a_sentence, sentences)) and sentences[0] != sentences[1]
    with pytest.raises(DataError, match="“../mine”"):
        jobs.add("../mine", str(folder))


def test_of_many_who_ask_for_one_name_at_once_one_is_answered(jobs: Jobs, folder: Path):
    answers: list[str] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        try:
            jobs.add("mine", str(folder))
        except DataError as refusal:
            answers.append(str(refusal))
        else:
            answers.append("")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count("") == 1 and len(jobs.all()) == 1
    assert set(answers) == {"", str(BusyError("mine"))}


def test_a_job_that_failed_can_be_asked_for_again(jobs: Jobs, folder: Path, tmp_path: Path):
    jobs.add("mine", str(tmp_path / "nowhere"))
    jobs.run_next(go_on)
    jobs.add("mine", str(folder))
    assert only(jobs).status == "queued" and only(jobs).error == ""
    jobs.run_next(go_on)
    assert only(jobs).status == "finished"


def test_an_upload_is_removed_when_it_is_imported(jobs: Jobs, upload: Path, home: Home):
    jobs.add("mine", str(upload), is_upload=True)
    jobs.run_next(go_on)
    assert only(jobs).status == "finished" and not upload.parent.exists() and upload.parent.parent.exists()
    assert ImportedSource(home.set_folder("mine")).info.train_count == 32


def test_an_upload_that_cannot_be_imported_is_removed_too(jobs: Jobs, upload: Path):
    upload.write_bytes(b"no zip")
    jobs.add("mine", str(upload), is_upload=True)
    jobs.run_next(go_on)
    assert only(jobs).status == "failed" and not upload.parent.exists()


def test_what_was_not_uploaded_stays(jobs: Jobs, folder: Path):
    jobs.add("mine", str(folder))
    jobs.run_next(go_on)
    assert len(list(folder.rglob("*.png"))) == 40


def test_a_waiting_job_that_is_cancelled_is_never_begun_and_its_upload_removed(jobs: Jobs, upload: Path, home: Home):
    jobs.add("mine", str(upload), is_upload=True)
    jobs.cancel(only(jobs).id)
    assert only(jobs).status == "cancelled" and not jobs.run_next(go_on)
    assert not upload.parent.exists() and not home.set_folder("mine").exists()


def test_a_running_job_that_is_cancelled_ends_soon_and_leaves_no_set(
    jobs: Jobs, upload: Path, home: Home, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("cnn_core.data.importer.MAX_ROWS", 5)
    monkeypatch.setattr("cnn_core.data.jobs.WRITE_SECONDS", 0)
    jobs.add("mine", str(upload), is_upload=True)
    polls = 0

    def cancel_later() -> bool:
        nonlocal polls
        polls += 1
        if polls == 4:
            jobs.cancel(only(jobs).id)
        return False

    assert jobs.run_next(cancel_later) and polls == 4
    assert only(jobs).status == "cancelled" and not upload.parent.exists() and not home.set_folder("mine").exists()


def test_a_job_whose_server_ends_is_gone_on_with_by_the_next(
    jobs: Jobs, upload: Path, home: Home, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("cnn_core.data.importer.MAX_ROWS", 5)
    jobs.add("mine", str(upload), is_upload=True)
    steps = iter([False] * 4 + [True])
    assert jobs.run_next(lambda: next(steps))
    assert only(jobs).status == "queued" and upload.exists()
    assert Index(home.staging_folder("mine") / INDEX).count("is_read") >= 10
    Jobs(home).run_next(go_on)
    assert only(jobs).status == "finished" and not upload.parent.exists()


def test_a_job_whose_server_was_killed_is_queued_again(jobs: Jobs, folder: Path):
    jobs.add("mine", str(folder))
    jobs._update(only(jobs), status="running")
    assert not jobs.run_next(go_on)
    jobs.requeue_interrupted()
    assert jobs.run_next(go_on) and only(jobs).status == "finished"


def test_progress_can_be_read_meanwhile(jobs: Jobs, folder: Path, home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cnn_core.data.importer.MAX_ROWS", 5)
    monkeypatch.setattr("cnn_core.data.jobs.WRITE_SECONDS", 0)
    jobs.add("mine", str(folder))
    seen: list[tuple[str, str, int, int]] = []

    def note_state() -> bool:
        job = only(Jobs(home))
        seen.append((job.status, job.stage, job.done, job.total))
        return False

    jobs.run_next(note_state)
    assert ("running", READING, 20, 40) in seen


def test_only_ended_jobs_can_be_forgotten(jobs: Jobs, folder: Path):
    jobs.add("mine", str(folder))
    jobs.remove(only(jobs).id)
    assert len(jobs.all()) == 1
    jobs.run_next(go_on)
    jobs.remove(only(jobs).id)
    assert jobs.all() == []


def test_a_job_replaces_the_ended_ones_of_its_owner_that_ask_nothing(jobs: Jobs, folder: Path, tmp_path: Path):
    asks = write_folder(tmp_path / "asks", {f"{split}/{name}/1.png": b"x" for split in ("train", "val") for name in ("a", "b")})
    for name, source, owner in (("failed", tmp_path / "no", "a"), ("asking", asks, "a"), ("other", folder, "b")):
        jobs.add(name, str(source), owner=owner)
    while jobs.run_next(go_on):
        pass
    assert {job.name: job.status for job in jobs.all()} == {"failed": "failed", "asking": "asking", "other": "finished"}
    jobs.add("waiting", str(folder), owner="a")
    jobs.add("next", str(folder), owner="a")
    assert {job.name for job in jobs.all()} == {"asking", "other", "waiting", "next"}


def test_a_list_that_cannot_be_used_is_refused_with_a_message(jobs: Jobs, folder: Path, home: Home):
    jobs.add("mine", str(folder))
    shutil.rmtree(home.data)
    home.data.write_text("no folder")
    with pytest.raises(DataError, match="jobs.db") as refusal:
        jobs.all()
    assert is_a_sentence(refusal.value)
