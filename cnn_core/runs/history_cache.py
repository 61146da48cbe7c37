"""A cache of histories in the database (table `digests`), so that a long run is opened without reading all its events. In: a store. Out: histories.

An entry is the SHA-256 of its content, a line of JSON, and the curves' numbers as bytes in memory order. It names the last event that it
includes; later events are added as usual. An entry that is damaged or of another version is ignored: the events hold everything.
Importing this module does not import torch.
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
from cnn_core.runs.event_log import EVENT_TYPES, event_kind, to_event
from cnn_core.runs.history import History
from cnn_core.runs.store import Store

VERSION = 1  # increase it when the same events result in other numbers
CHECKSUM_BYTES = hashlib.sha256().digest_size
CHUNK_EVENTS = 10_000  # events read at a time
SAVE_EVERY = 1000  # new events after which a history is saved: some minutes of training, read in a moment


def read_history(store: Store, run: str) -> History:
    """Return the history of all events of `run`; save it where many events were read. Raises StudioError."""
    history = _load(store, run) or History()
    saved = history.seq
    while chunk := store.log.read(run, history.seq, limit=CHUNK_EVENTS):
        history.add(chunk)
    if should_save(history, saved):
        save_history(store, run, history)
    return history


def should_save(history: History, saved: int) -> bool:
    """Whether enough events were added since event `saved` to save the history again."""
    return history.seq - saved >= SAVE_EVERY


def save_history(store: Store, run: str, history: History) -> None:
    """Save `history`. A store that cannot be written is ignored, since the events are there."""
    with contextlib.suppress(StudioError), store.database.connect() as db:
        db.execute("insert or replace into digests values (?, ?)", (run, to_bytes(history)))


def to_bytes(history: History) -> bytes:
    """Return the history as bytes."""
    numbers: list[bytes] = []
    values = {field.name: _to_plain(getattr(history, field.name), numbers) for field in fields(history)}
    content = b"".join((json.dumps([_layout(), values]).encode(), b"\n", *numbers))
    return hashlib.sha256(content).digest() + content


def from_bytes(content: bytes) -> History | None:
    """Return the history in `content`; None where it is damaged or of another version."""
    view = memoryview(content)
    if len(view) <= CHECKSUM_BYTES or hashlib.sha256(view[CHECKSUM_BYTES:]).digest() != view[:CHECKSUM_BYTES]:
        return None
    end = content.index(b"\n", CHECKSUM_BYTES)
    layout, values = json.loads(content[CHECKSUM_BYTES:end])
    if layout != _layout():
        return None
    numbers = view[end + 1 :]
    return History(**{name: _from_plain(value, numbers) for name, value in values.items()})


def _load(store: Store, run: str) -> History | None:
    with store.database.connect() as db:
        row = db.execute("select body from digests where run = ?", (run,)).fetchone()
    return from_bytes(row[0]) if row else None


def _layout() -> str:
    """Return a hash of the fields of a history in this version, and of the byte order."""
    classes = [History, Curve, *EVENT_TYPES.values()]
    names = [[cls.__name__, *(field.name for field in fields(cls))] for cls in classes]
    return hashlib.sha256(json.dumps([VERSION, sys.byteorder, names]).encode()).hexdigest()


def _to_plain(value: Any, numbers: list[bytes]) -> Any:
    """Return `value` for JSON; the bytes of arrays are appended to `numbers`."""
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
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {"event": event_kind(type(value)), "body": asdict(value)}
    assert value is None or isinstance(value, (str, int, float)), value
    return value


def _from_plain(plain: Any, numbers: memoryview) -> Any:
    """Return the value that `_to_plain` wrote."""
    match plain:
        case {"array": typecode, "at": at, "bytes": size}:
            return array(typecode, numbers[at : at + size].tobytes())
        case {"curve": columns}:
            return Curve(**{name: _from_plain(column, numbers) for name, column in columns.items()})
        case {"dict": items}:
            return {name: _from_plain(item, numbers) for name, item in items.items()}
        case {"deque": items, "maxlen": maxlen}:
            return deque((_from_plain(item, numbers) for item in items), maxlen)
        case {"event": kind, "body": body}:
            return to_event(kind, body)
        case list():
            return [_from_plain(item, numbers) for item in plain]
    return plain
