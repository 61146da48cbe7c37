"""Whose a set is: whoever asked for its import, on a server that many share; nobody in particular's anywhere else."""

import sqlite3
from pathlib import Path

from cnn_core.data.collection import Collection
from cnn_core.data.jobs import Jobs
from cnn_core.data.owners import folders_of, owner_of, write_owner
from cnn_core.data.uploads import create_upload_folder
from cnn_core.home import Home
from tests.data.imports import good_files, write_folder

ANN = "ann@school.example"


def imported(home: Home, folder: Path, name: str, owner: str = "") -> Path:
    jobs = Jobs(home)
    jobs.add(name, str(folder), owner=owner)
    assert jobs.all()[0].owner == owner
    assert jobs.run_next(lambda: False) and jobs.all()[0].status == "finished", jobs.all()[0].error
    return home.set_folder(name)


def test_a_set_is_its_importers_and_stays_so(home: Home, tmp_path: Path):
    folder = write_folder(tmp_path / "pictures", good_files(8))
    assert owner_of(imported(home, folder, "flowers", ANN)) == ANN
    assert owner_of(imported(home, folder, "trees")) == ""
    assert folders_of(home, ANN) == [home.set_folder("flowers")]


def test_an_upload_is_its_senders_before_it_is_imported(home: Home):
    folder, collection = create_upload_folder(home, ANN), Collection(home, ANN)
    collection.add("cat", [("a.png", b"x")])
    assert set(folders_of(home, ANN)) == {folder, collection.folder} and create_upload_folder(home) not in folders_of(home, ANN)


def test_what_cannot_be_read_is_nobodys(tmp_path: Path):
    (tmp_path / "owner.txt").write_bytes(b"\xff\xfe\xfa")
    assert owner_of(tmp_path) == "" == owner_of(tmp_path / "missing")
    write_owner(tmp_path / "missing", "")


def test_a_list_of_imports_of_an_earlier_version_is_read_on(home: Home):
    home.data.mkdir(parents=True)
    with sqlite3.connect(home.data / "jobs.db") as db:
        db.executescript(
            "create table jobs (id integer primary key, name text not null, source text not null, options text not null,"
            " is_upload integer not null, status text not null, stage text not null default '', done integer not null default 0,"
            " total integer not null default 1, error text not null default '', changed real not null);"
            "insert into jobs (name, source, options, is_upload, status, changed) values ('old', '/x', '{}', 0, 'failed', 1);"
        )
    jobs = Jobs(home)
    jobs.add("new", owner=ANN)
    assert [(job.name, job.owner) for job in jobs.all()] == [("new", ANN), ("old", "")]
