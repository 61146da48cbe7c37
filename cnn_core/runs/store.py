"""The run store: the only place where training and watching meet. One SQLite file, four tables.

    runs      one row per run: settings, status, summary
    events    what happened, in order (run, seq): appended by the one who trains, tailed by anyone with `since`
    requests  what people ask of a run (stop, pause, continue, save, change): appended by anyone, taken by the one who trains
    digests   a run's history up to some event (see `digest`): whoever opens a long run begins from there

Every method opens its own connection, so a Store may be shared between threads; any number of processes may use one file. It is
kept with a rollback journal rather than a WAL: SQLite before 3.51.3 can corrupt a WAL that several connections write and reset.
Importing this module does not import torch.
"""

import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from cnn_core.config.schema import TrainConfig
from cnn_core.errors import RunError, StudioError
from cnn_core.events import Event
from cnn_core.files import transaction, write_atomically
from cnn_core.home import CARD, CONFIG, WEIGHTS, Home
from cnn_core.runs.limits import UNLIMITED, Limits
from cnn_core.runs.lock import is_held
from cnn_core.runs.quota import check_disk, check_queue
from cnn_core.runs.schema import bring_up_to_date

RARE = "events indexed by rare where kind != 'Steps'"  # which would not be used unasked; a long run is nearly all reports
END_OF_EPOCH = f"(select max(seq) from {RARE} and run = ? and kind = 'Epoch' and json_extract(body, '$.epoch') = ?)"
COLUMNS = "id, created, status, config, summary, error, name, notes, tags, parent, parent_epoch, removed, owner, origin"
GRACE_SECONDS = 2
REMEDY = "Check free space and permissions, or set CNN_STUDIO_HOME to another folder."
TRAINING = ("running", "paused")
ACTIVE = ("queued", *TRAINING)
RESUMABLE = ("stopped", "interrupted", "failed")
WAITING = "status = 'queued' and id is not null"
ORDER = "coalesce(place, number), number"
# Fair shares: everybody's first waiting run comes before anybody's second. Of those, whoever was served longest ago comes first.
WAITING_IN_TURN = (
    f"select id from (select id, owner, place, number, row_number() over (partition by owner order by {ORDER}) as turn from runs where {WAITING})"
    " left join (select owner, max(started) as served from runs group by owner) using (owner)"
    f" order by turn, coalesce(served, 0), {ORDER}"
)
RequestKind = Literal["pause", "continue", "save", "change"]
EVENT_TYPES = {kind.__name__: kind for kind in get_args(Event)}


@dataclass(frozen=True)
class Run:
    """A row of the store. status: queued, running, paused, finished, stopped, failed, or interrupted (its process died).

    `summary` holds what is known so far (see `history.summarise`); `error` the sentence of a failed run; `created` and `removed` (None:
    not in the bin) Unix seconds. `name`, `notes` and `tags` are a person's own. `parent`: the run whose state after epoch `parent_epoch`
    this one began with, "" for none. `owner`: who started it, "" where nobody signs in. `origin`: what made it, if not a person: "lesson/dropout/3/B0"
    or "search/widths/7" (see `lessons`, `search`).
    """

    id: str
    created: float
    status: str
    config: TrainConfig
    summary: dict[str, Any]
    error: str
    name: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    parent: str = ""
    parent_epoch: int | None = None
    removed: float | None = None
    owner: str = ""
    origin: str = ""

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def can_go_on(self) -> bool:
        """Whether it ended before it was done."""
        return self.status in RESUMABLE


@dataclass(frozen=True)
class Request:
    """Something a person asks of a run that trains. `body`: for a change the settings by name."""

    kind: RequestKind
    body: dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """An event with its place in its run's order; the first has seq 1."""

    seq: int
    event: Event


class Store:
    """The store of one studio home; creates the file when it is missing. Raises StudioError when the file cannot be used.

    `limits`: what one person may take; whoever has them exceeded is refused a new run.
    """

    def __init__(self, home: Home, limits: Limits = UNLIMITED) -> None:
        self.home, self.limits = home, limits
        try:
            home.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudioError(f"The studio home {home.root} cannot be made ({error.strerror}). {REMEDY}") from None
        with self.connect() as db:
            bring_up_to_date(db)

    def create(
        self,
        config: TrainConfig,
        status: str = "queued",
        *,
        press: str | None = None,
        parent: str = "",
        parent_epoch: int | None = None,
        owner: str = "",
        origin: str = "",
        prepare: Callable[[str, Path], object] = lambda run, folder: None,
    ) -> str:
        """Add a run and its folder with `config.json`; gives its id, like 0007-digits.

        `press` names the press of a button: however often it is sent, it gives the same one run. `prepare` is called with id and folder
        before anybody else can see the run. Raises StudioError where `owner` has as much as one person may.
        """
        if press and self._is_pressed(press):
            return self._pressed(press)
        self._check_limits(owner, does_wait=status == "queued")
        values = (time.time(), status, config.model_dump_json(), press, parent, parent_epoch, owner, origin)
        with self.connect() as db:
            made = db.execute(
                "insert into runs (created, status, config, press, parent, parent_epoch, owner, origin)"
                " values (?, ?, ?, ?, ?, ?, ?, ?)"
                " on conflict (press) do nothing returning number",
                values,
            ).fetchall()
        if not made:
            return self._pressed(press)
        ((number,),) = made
        run = f"{number:04d}-{_slug(config.data)}"
        folder = self.home.run_folder(run)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / CONFIG, lambda file: file.write(config.model_dump_json(indent=2).encode()))
        except OSError as error:
            raise StudioError(f"The run's folder {folder} cannot be made ({error.strerror}). {REMEDY}") from None
        prepare(run, folder)
        # Only a run with an id is seen by anybody, so whoever sees one finds its folder too.
        with self.connect() as db:
            db.execute("update runs set id = ? where number = ?", (run, number))
        return run

    def _check_limits(self, owner: str, *, does_wait: bool) -> None:
        if does_wait:
            check_queue(self, owner)
        check_disk(self, owner)

    def _is_pressed(self, press: str) -> bool:
        with self.connect() as db:
            return db.execute("select 1 from runs where press = ?", (press,)).fetchone() is not None

    def _pressed(self, press: str) -> str:
        """The run that a press of a button has made; its id may still be on its way."""
        for _ in range(100):
            with self.connect() as db:
                (run,) = db.execute("select id from runs where press = ?", (press,)).fetchone()
            if run:
                return run
            time.sleep(0.02)
        raise StudioError(f"The run could not be made. {REMEDY}")

    def run(self, run: str) -> Run:
        """The run called `run`. Raises RunError when there is none."""
        self.home.run_folder(run)  # refuses what cannot be a run's name
        found = self.select("where id = ?", (run,))
        if not found:
            raise RunError(f"There is no run “{run}” in {self.home.root}. `python -m cnn_core runs` lists them.")
        return found[0]

    def runs(self) -> list[Run]:
        """All runs but those in the bin, newest first."""
        return self.select("where id is not null and removed is null order by number desc", ())

    def made_by(self, origin: str) -> list[Run]:
        """The runs that `origin` ("search/widths") made, oldest first; those in the bin are among them."""
        return self.select("where id is not null and origin >= ? and origin < ? order by number", (f"{origin}/", f"{origin}0"))

    def has_model(self, run: str) -> bool:
        """Whether the run has a saved model."""
        return (self.home.run_folder(run) / WEIGHTS).is_file()

    def data_version(self, run: str) -> str:
        """The fingerprint of the data that the run was given; "" until it has begun."""
        try:
            return json.loads((self.home.run_folder(run) / CARD).read_bytes())["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def waiting(self) -> list[str]:
        """The queued runs, in the order in which they will be trained: people take turns."""
        with self.connect() as db:
            return [row[0] for row in db.execute(WAITING_IN_TURN)]

    def start(self, run: str) -> bool:
        """Turn a queued run into a running one; False when it no longer waits. The caller holds the run's lock."""
        with self.connect() as db:
            query = "update runs set status = 'running', started = ? where id = ? and status = 'queued'"
            return db.execute(query, (time.time(), run)).rowcount == 1

    def resume(self, run: str, prepare: Callable[[], object] = lambda: None) -> None:
        """Let a run that ended before it was done wait again, to go on. Raises RunError for one that trains, waits, or is finished.

        `prepare` is called before anybody else can take the run.
        """
        row = self.run(run)
        if row.status not in RESUMABLE:
            raise RunError(f"Run {run} is {row.status}. Only a run that was stopped or interrupted or has failed can go on.")
        self._check_limits(row.owner, does_wait=True)
        prepare()
        with self.connect() as db:
            db.execute("delete from requests where run = ?", (run,))
            db.execute("update runs set status = 'queued', error = '' where id = ?", (run,))

    def set_status(self, run: str, status: str, *, summary: dict[str, Any] | None = None, error: str = "") -> None:
        with self.connect() as db:
            db.execute("update runs set status = ?, error = ? where id = ?", (status, error, run))
            if summary is not None:
                db.execute("update runs set summary = ? where id = ?", (json.dumps(summary), run))

    def append(self, run: str, events: Iterable[Event]) -> None:
        """Add events after the run's last one, all or none. To be called by the one who trains the run only."""
        with self.connect() as db:
            last = db.execute("select coalesce(max(seq), 0) from events where run = ?", (run,)).fetchone()[0]
            rows = [
                (run, seq, type(event).__name__, json.dumps(asdict(event))) for seq, event in enumerate(events, start=last + 1)
            ]
            db.executemany("insert into events values (?, ?, ?, ?)", rows)

    def events(self, run: str, since: int = 0, kinds: Iterable[type] = (), limit: int = -1) -> list[Stored]:
        """The run's events after `since`, in order: all, or those of some `kinds` (event classes); `limit` of them at most, -1 for all."""
        names = [kind.__name__ for kind in kinds]
        some = f"and kind in ({', '.join('?' * len(names))})" if names else ""
        source = f"{RARE} and" if names and "Steps" not in names else "events where"
        with self.connect() as db:
            rows = db.execute(
                f"select seq, kind, body from {source} run = ? and seq > ? {some} order by seq limit ?",
                (run, since, *names, limit),
            ).fetchall()
        return [Stored(seq, to_event(kind, json.loads(body))) for seq, kind, body in rows]

    def copy_events(self, source: str, run: str, epoch: int) -> None:
        """Let `run` begin with the events of run `source` up to the end of `epoch`."""
        with self.connect() as db:
            db.execute(
                f"insert into events select ?, seq, kind, body from events where run = ? and seq <= {END_OF_EPOCH}",
                (run, source, source, epoch),
            )

    def children(self, run: str) -> list[Run]:
        """The runs that branched from this one, oldest first; those in the bin are left out."""
        return self.select("where parent = ? and id is not null and removed is null order by number", (run,))

    def config_in_force(self, run: str, epoch: int | None = None) -> TrainConfig:
        """The run's settings with what was changed while it trained, until now or until the end of `epoch`."""
        where, values = ("", ()) if epoch is None else (f"and seq <= {END_OF_EPOCH}", (run, epoch))
        with self.connect() as db:
            changes = db.execute(
                f"select body from {RARE} and run = ? and kind = 'Changed' {where} order by seq", (run, *values)
            ).fetchall()
        config = self.run(run).config
        for (body,) in changes:
            config = config.model_copy(update=json.loads(body)["settings"])
        return config

    def request_stop(self, run: str) -> None:
        """Ask for an end: a waiting run is taken out of the queue, a running one is stopped by the one who trains it."""
        with self.connect() as db:
            waiting = db.execute("update runs set status = 'stopped' where id = ? and status = 'queued'", (run,)).rowcount
            if not waiting:
                db.execute("insert into requests (run, kind, created) values (?, 'stop', ?)", (run, time.time()))

    def should_stop(self, run: str) -> bool:
        """Whether somebody asked for the run's end."""
        with self.connect() as db:
            return db.execute("select 1 from requests where run = ? and kind = 'stop'", (run,)).fetchone() is not None

    def request(self, run: str, kind: RequestKind, **body: Any) -> None:
        """Ask something of a run that trains; done at its next report."""
        with self.connect() as db:
            db.execute(
                "insert into requests (run, kind, created, body) values (?, ?, ?, ?)", (run, kind, time.time(), json.dumps(body))
            )

    def take_requests(self, run: str) -> list[Request]:
        """What was asked of the run, in order, but for its end; taken once. To be called by the one who trains it."""
        with self.connect() as db:
            found = db.execute(
                "delete from requests where run = ? and kind != 'stop' returning id, kind, body", (run,)
            ).fetchall()
        return [Request(kind, json.loads(body)) for _, kind, body in sorted(found)]

    def select(self, where: str, values: tuple[Any, ...]) -> list[Run]:
        """The runs that an SQL condition names."""
        with self.connect() as db:
            rows = db.execute(f"select {COLUMNS} from runs {where}", values).fetchall()
        return [self._run(*row) for row in rows]

    def _run(
        self,
        run: str,
        created: float,
        status: str,
        config: str,
        summary: str,
        error: str,
        name: str,
        notes: str,
        tags: str,
        *rest: Any,
    ) -> Run:
        """A row of COLUMNS; `rest` is as it is in a Run."""
        # A run that is called running while nobody holds its lock lost its process; a new one may be about to take it.
        if status in TRAINING and time.time() - created > GRACE_SECONDS and not is_held(self.home.run_folder(run)):
            status = "interrupted"
        settings, figures = TrainConfig.model_validate_json(config), json.loads(summary)
        return Run(run, created, status, settings, figures, error, name, notes, tuple(json.loads(tags)), *rest)

    def connect(self) -> AbstractContextManager[sqlite3.Connection]:
        """One transaction (see `transaction`). Raises StudioError."""
        database = self.home.database
        return transaction(database, lambda error: StudioError(f"The run store {database} cannot be used ({error}). {REMEDY}"))


def to_event(kind: str, body: dict[str, Any]) -> Event:
    """The event of class `kind` with the fields in `body`, as JSON gives them."""
    return EVENT_TYPES[kind](**{name: _frozen(value) for name, value in body.items()})


def _frozen(value: Any) -> Any:
    """Lists within lists as tuples within tuples, as events hold them."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _slug(data: str) -> str:
    """The data set's name as part of a run's id: its last path component in a-z, 0-9 and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", data.rstrip("/").rpartition("/")[2].lower()).strip("-")[:40] or "images"
