"""The database of a studio home's runs, `studio.db`: tables, migrations from earlier versions, transactions.

Every transaction opens its own connection, so a RunDatabase may be shared between threads, and any number of processes may use one file.
It is kept with a rollback journal instead of a WAL: SQLite before 3.51.3 can corrupt a WAL that several connections write and reset.
"""

import sqlite3
from contextlib import AbstractContextManager

from cnn_core.errors import StudioError
from cnn_core.files import transaction
from cnn_core.home import Home

REMEDY = "Check free space and permissions, or set CNN_STUDIO_HOME to another folder."
SCHEMA = """
create table if not exists runs (
    number integer primary key autoincrement, id text unique, created real not null, status text not null,
    config text not null, summary text not null default '{}', error text not null default ''
);
create table if not exists events (
    run text not null, seq integer not null, kind text not null, body text not null, primary key (run, seq)
) without rowid;
create table if not exists requests (
    id integer primary key, run text not null, kind text not null, created real not null
);
"""
# One entry for each later version; `user_version` of the database is the number of migrations that were applied.
MIGRATIONS = (
    (
        "alter table runs add column name text not null default ''",
        "alter table runs add column notes text not null default ''",
        "alter table runs add column tags text not null default '[]'",
        "alter table runs add column parent text not null default ''",
        "alter table runs add column parent_epoch integer",
        "alter table runs add column place real",
        "alter table runs add column removed real",
        "alter table runs add column press text",
        "create unique index presses on runs (press)",
        "alter table requests add column body text not null default '{}'",
    ),
    (
        "create table digests (run text primary key, body blob not null)",
        "create index rare on events (run, seq) where kind != 'Steps'",
    ),
    (
        "alter table runs add column owner text not null default ''",
        "alter table runs add column origin text not null default ''",
        "create index origins on runs (origin)",
        "create table attempts (number integer primary key autoincrement, lesson text not null, data text not null,"
        " owner text not null, prediction text not null, created real not null)",
    ),
    (
        "alter table runs add column started real",
        "create index owners on runs (owner, started)",
    ),
    (
        "create table shared_runs (attempt integer not null, run text not null, primary key (attempt, run)) without rowid",
        "create index shared on shared_runs (run)",
        "alter table runs add column work real",
        "alter table runs add column waiting_since real",
    ),
)


def migrate(db: sqlite3.Connection) -> None:
    """Create the tables or apply the missing migrations. Several processes may do so at the same time.

    Nothing is written where none is missing, so that a home that can only be read can be opened.
    """
    if db.execute("pragma user_version").fetchone()[0] >= len(MIGRATIONS):
        return
    db.executescript(SCHEMA)
    db.execute("begin immediate")  # another process may be about to do the same
    version = db.execute("pragma user_version").fetchone()[0]
    for statement in (statement for added in MIGRATIONS[version:] for statement in added):
        db.execute(statement)
    db.execute(f"pragma user_version = {max(version, len(MIGRATIONS))}")


class RunDatabase:
    """The database of one studio home; creates the file when it is missing. Raises StudioError when the file cannot be used.

    A home that can only be read is opened too; methods that write then raise StudioError.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        try:
            home.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudioError(f"The studio home {home.root} cannot be created ({error.strerror}). {REMEDY}") from None
        with self.connect() as db:
            migrate(db)

    def connect(self) -> AbstractContextManager[sqlite3.Connection]:
        """Return one transaction (see `transaction`). Raises StudioError."""
        path = self.home.database
        return transaction(path, lambda error: StudioError(f"The run store {path} cannot be used ({error}). {REMEDY}"))
