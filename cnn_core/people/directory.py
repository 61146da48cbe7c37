"""The people of a studio home, in `people.db`: their names, the browsers of a class, and the page that each person opened last.

    people   one row a person of a class: id, nickname, SHA-256 of the token that the person's browser keeps, proof of the code (see `classroom`)
    return_codes   one row a person who has a return code: its hash (see `return_code`)
    visits   one row a person who has opened a page: the page and the time

Neither a token nor a return code is stored, so whoever reads the file cannot act as another person. May be shared between threads and processes.
"""

import time
import unicodedata
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnn_core.errors import StudioError
from cnn_core.files import transaction
from cnn_core.home import Home

if TYPE_CHECKING:
    import sqlite3

SCHEMA = """
create table if not exists people (
    id text primary key, name text not null, name_key text not null unique, token text not null unique, proof text not null,
    created real not null
);
create table if not exists return_codes (id text primary key, hash text not null);
create table if not exists visits (id text primary key, name text not null, page text not null, seen real not null);
"""
MAX_NAME_LENGTH = 30
NAME_TAKEN = "The nickname “{name}” is taken. Choose another one; if it is yours, type your return code too."
BAD_NAME = f"Type a nickname with 1 to {MAX_NAME_LENGTH} letters, digits or signs."
UNUSABLE = "The list of people in {file} cannot be used ({reason}). Check free space and permissions."
VISIT_SECONDS = 10  # a person who stays on a page is written down at most this often


@dataclass(frozen=True)
class Entry:
    """A person of a class as stored: id, nickname, and the proof of the code with which the person entered."""

    id: str
    name: str
    proof: str


@dataclass(frozen=True)
class Visit:
    """The page that a person opened last. seen: Unix seconds."""

    id: str
    name: str
    page: str
    seen: float


class Directory:
    """The people of one studio home; creates the file when it is missing. Methods raise StudioError when the file cannot be used."""

    def __init__(self, home: Home) -> None:
        self._file = home.root / "people.db"
        self._last: dict[str, tuple[str, float]] = {}  # id -> page and time that were written last
        self._names: dict[str, str] = {}  # by id, as they were read last
        try:
            home.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudioError(UNUSABLE.format(file=self._file, reason=error.strerror)) from None
        with self._connect() as db:
            db.executescript(SCHEMA)

    def add(self, id: str, name: str, token_hash: str, proof: str) -> None:
        """Add a person. Raises StudioError for a nickname that is taken, also in other capitals or another width of letters."""
        shown = clean_name(name)
        with self._connect() as db:
            values = (id, shown, _name_key(shown), token_hash, proof, time.time())
            query = "insert into people values (?, ?, ?, ?, ?, ?) on conflict (name_key) do nothing"
            is_added = db.execute(query, values).rowcount
        self._names.pop(id, None)
        if not is_added:
            raise StudioError(NAME_TAKEN.format(name=shown))

    def find(self, token_hash: str) -> Entry | None:
        """Return the person whose browser keeps the token with this hash, None where there is none."""
        with self._connect() as db:
            row = db.execute("select id, name, proof from people where token = ?", (token_hash,)).fetchone()
        return Entry(*row) if row else None

    def set_proof(self, id: str, proof: str) -> None:
        """Store the proof of the code with which a known person has entered again."""
        with self._connect() as db:
            db.execute("update people set proof = ? where id = ?", (proof, id))

    def set_token(self, id: str, token_hash: str, proof: str) -> None:
        """Store the token of the browser in which a known person comes back; that of the earlier browser is no longer known."""
        with self._connect() as db:
            db.execute("update people set token = ?, proof = ? where id = ?", (token_hash, proof, id))

    def set_return_code(self, id: str, code_hash: str) -> None:
        """Store the hash of a person's return code in place of an earlier one."""
        with self._connect() as db:
            db.execute("insert or replace into return_codes values (?, ?)", (id, code_hash))

    def return_code_of(self, name: str) -> tuple[str, str] | None:
        """Return the id of the person with this nickname and the hash of their return code; None where there is none."""
        query = "select id, hash from return_codes join people using (id) where name_key = ?"
        with self._connect() as db:
            row = db.execute(query, (_name_key(" ".join(name.split())),)).fetchone()
        return (str(row[0]), str(row[1])) if row else None

    def names(self) -> dict[str, str]:
        """Return the nicknames of all people of a class, by id."""
        with self._connect() as db:
            return dict(db.execute("select id, name from people"))

    def name_of(self, id: str) -> str:
        """Return the name of the person with this id, the id itself for an unknown one. A name never changes."""
        if id not in self._names:
            self._names = self.names()
        return self._names.setdefault(id, id)

    def note_visit(self, id: str, name: str, page: str) -> None:
        """Store that the person has opened `page` now."""
        now = time.time()
        before, seen = self._last.get(id, ("", 0.0))
        if before == page and now - seen < VISIT_SECONDS:
            return
        self._last[id] = page, now
        with self._connect() as db:
            db.execute("insert or replace into visits values (?, ?, ?, ?)", (id, name, page, now))

    def visits(self) -> list[Visit]:
        """Return the last visit of every person, newest first."""
        with self._connect() as db:
            return [Visit(*row) for row in db.execute("select id, name, page, seen from visits order by seen desc")]

    def _connect(self) -> "AbstractContextManager[sqlite3.Connection]":
        return transaction(self._file, lambda error: StudioError(UNUSABLE.format(file=self._file, reason=error)))


def clean_name(typed: str) -> str:
    """Return a nickname without spaces around it and with single ones within. Raises StudioError for one that is empty, too long or not visible."""
    name = " ".join(unicodedata.normalize("NFC", typed).split())
    has_invisible = any(unicodedata.category(letter).startswith("C") for letter in name)
    if not 1 <= len(name) <= MAX_NAME_LENGTH or has_invisible:
        raise StudioError(BAD_NAME)
    return name


def _name_key(name: str) -> str:
    """Return what two nicknames have in common that look alike: without capitals and variants of letters."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
