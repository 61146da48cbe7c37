"""A run's history kept beside its events, so that whoever opens a long run need not fold all of them again. In: a store. Out: histories.

A digest is the SHA-256 of what follows, a line of JSON, and the curves' numbers as they lie in memory. It says which event it ends with;
the events after it are folded as ever. One that is damaged, or was made when a history kept other things, is not used, and then the
events alone say everything: a digest can be lost without a loss. Importing this module does not import torch.
"""

import contextlib
import hashlib
import json
import sys
from array import array
from collections import deque
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from cnn_core.errors import StudioError
from cnn_core.runs.curve import Curve
from cnn_core.runs.event_log import EVENT_TYPES, to_event
from cnn_core.runs.history import History
from cnn_core.runs.store import Store

VERSION = 1  # to be counted up whenever the same events give other numbers
DIGEST = hashlib.sha256().digest_size
PIECE = 10_000  # events read at a time
EVERY = 1000  # events after which a digest is kept: some minutes of a training, and a moment's work to fold


def read_history(store: Store, run: str) -> History:
    """The history of all events of `run`; leaves a digest behind where many had to be folded. Raises StudioError."""
    history = _kept(store, run) or History()
    known = history.seq
    while piece := store.log.read(run, history.seq, limit=PIECE):
        history.add(piece)
    if is_due(history, known):
        keep_history(store, run, history)
    return history


def is_due(history: History, known: int) -> bool:
    """Whether so much was added since event `known` that a digest should be kept."""
    return history.seq - known >= EVERY


def keep_history(store: Store, run: str, history: History) -> None:
    """Keep `history` as the run's digest. A store that cannot be written now is no reason to stop: the events are there."""
    with contextlib.suppress(StudioError), store.database.connect() as db:
        db.execute("insert or replace into digests values (?, ?)", (run, to_bytes(history)))


def to_bytes(history: History) -> bytes:
    """The history as a digest."""
    numbers: list[bytes] = []
    facts = {field.name: _to_plain(getattr(history, field.name), numbers) for field in fields(history)}
    content = b"".join((json.dumps([_shape(), facts]).encode(), b"\n", *numbers))
    return hashlib.sha256(content).digest() + content


def from_bytes(content: bytes) -> History | None:
    """The history that a digest holds; None for what is damaged, or was made by another version."""
    view = memoryview(content)
    if len(view) <= DIGEST or hashlib.sha256(view[DIGEST:]).digest() != view[:DIGEST]:
        return None
    end = content.index(b"\n", DIGEST)
    shape, facts = json.loads(content[DIGEST:end])
    if shape != _shape():
        return None
    numbers = view[end + 1 :]
    return History(**{name: _from_plain(value, numbers) for name, value in facts.items()})


def _kept(store: Store, run: str) -> History | None:
    with store.database.connect() as db:
        found = db.execute("select body from digests where run = ?", (run,)).fetchone()
    return from_bytes(found[0]) if found else None


def _shape() -> str:
    """What a history consists of in this version, on this kind of machine."""
    parts = [History, Curve, *EVENT_TYPES.values()]
    names = [[part.__name__, *(field.name for field in fields(part))] for part in parts]
    return hashlib.sha256(json.dumps([VERSION, sys.byteorder, names]).encode()).hexdigest()


def _to_plain(value: Any, numbers: list[bytes]) -> Any:
    """`value` for JSON; what is an array is added to `numbers`."""
    match value:
        case array():
            numbers.append(value.tobytes())
            return {"array": value.typecode, "at": sum(map(len, numbers[:-1])), "bytes": len(numbers[-1])}
        case Curve():
            return {"curve": {field.name: _to_plain(getattr(value, field.name), numbers) for field in fields(value)}}
        case dict():
            return {"dict": {name: _to_plain(item, numbers) for name, item in value.items()}}
        case deque():
            return {"deque": [_to_plain(item, numbers) for item in value], "maxlen": value.maxlen}
        case list():
            return [_to_plain(item, numbers) for item in value]
        case _ if is_dataclass(value):
            return {"event": type(value).__name__, "body": asdict(value)}
    assert value is None or isinstance(value, (str, int, float)), value
    return value


def _from_plain(plain: Any, numbers: memoryview) -> Any:
    match plain:
        case {"array": typecode, "at": at, "bytes": size}:
            return array(typecode, numbers[at : at + size].tobytes())
        case {"curve": parts}:
            return Curve(**{name: _from_plain(part, numbers) for name, part in parts.items()})
        case {"dict": items}:
            return {name: _from_plain(item, numbers) for name, item in items.items()}
        case {"deque": items, "maxlen": maxlen}:
            return deque((_from_plain(item, numbers) for item in items), maxlen)
        case {"event": kind, "body": body}:
            return to_event(kind, body)
        case list():
            return [_from_plain(item, numbers) for item in plain]
    return plain
