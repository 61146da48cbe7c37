"""The cache: results that take long to compute are computed once, stored, and used again.

    compute_once, compute_or_offer --> kinds (what is stored, where, how many) --> this session, or all sessions of the server

An entry has a name (what it is) and a version (what it was computed from: weights, data, settings). A new version replaces the old one;
beyond `max_entries` of a kind the entry that was used least recently is removed. Functions without progress are cached by Streamlit's own
decorators, which take their limits from the second list of kinds.
"""

import threading
from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.events import Progress
from pages.shared.progress import CANCELLED, run_with_progress
from pages.shared.removed_set import show_data_error

Result = TypeVar("Result")
Entries = dict[Hashable, tuple[Hashable, Any]]  # name -> (version, value), least recently used first


@dataclass(frozen=True)
class Kind:
    """One kind of result. scope: "session" ends with the browser tab, "server" is shared by all sessions."""

    key: str
    max_entries: int
    scope: Literal["session", "server"] = "server"


# Results that are computed with progress.
# A run's predictions on a split; version: weights and data. 40 MB for 10,000 images of 1,000 classes.
EVALUATIONS = Kind("evaluations", 6)
EVALUATION_RESULTS = Kind("evaluation-results", 144)  # computed from an evaluation; up to 4 MB each with 1,000 classes
FEATURE_BANKS = Kind("feature-banks", 2)  # features of a run's training images; version: weights and data. Up to some 100 MB
DISTRIBUTIONS = Kind("training-distributions", 8)  # of a run's training images; version: weights. Up to 13 MB each
LEARNING_RATES = Kind("learning-rates", 1, "session")  # the learning-rate finder's curve; version: settings
FIRST_BATCHES = Kind("first-batches", 1, "session")  # the preview of the first batch; version: settings
EPOCH_TIMES = Kind("epoch-times", 1, "session")  # measured for every model; version: data and settings
EXERCISE_TIMES = Kind("exercise-times", 1, "session")  # measured for one exercise on one data set
MODEL_FILES = Kind("model-files", 7, "session")  # one a format; version: weights, calibration, the run's summary
EVALUATION_FILES = Kind("evaluation-files", 3, "session")  # report, table, image; version: the evaluation and its run
RUN_FILES = Kind("run-files", 1, "session")  # the zip of the ticked runs; version: format and runs
# Results of functions that Streamlit's decorators cache: their arguments are name and version.
MODELS = Kind("models", 4)  # up to some 100 MB each
MAP_LAYERS = Kind("map-layers", 16)  # of a network; some kB each
IMAGE_SETS = Kind("image-sets", 4)  # mapped from files where the set is large
PREDICTIONS = Kind("predictions", 64)  # on a person's own images; less than 1 MB each
THUMBNAILS = Kind("thumbnails", 500)  # of collected images; 28 kB each

_server_entries: dict[str, Entries] = {}
_lock = threading.Lock()  # several sessions share the server's entries


def is_stored(kind: Kind, name: Hashable, version: Hashable) -> bool:
    """Whether there is a result of that name and version."""
    return _find(kind, name, version) is not None


def load(kind: Kind, name: Hashable, version: Hashable) -> Any:
    """Return the stored result, or None where there is none of this version."""
    entry = _find(kind, name, version)
    return entry and entry[1]


def store(kind: Kind, name: Hashable, version: Hashable, value: Result) -> Result:
    """Store `value` in place of an older version, and return it."""
    with _lock:
        entries = _entries(kind)
        entries.pop(name, None)
        entries[name] = version, value
        for oldest in list(entries)[: -kind.max_entries]:
            del entries[oldest]
    return value


def remove(kind: Kind, name: Hashable) -> None:
    """Remove a result, whatever its version."""
    with _lock:
        _entries(kind).pop(name, None)


def compute_once(
    kind: Kind, name: Hashable, version: Hashable, begin: Callable[[], Generator[Progress, None, Result]], work: str = ""
) -> Result:
    """Return the stored result, or compute it under a progress bar and store it. `work`: a name makes it cancellable. Raises StudioError."""
    entry = _find(kind, name, version)
    return cast(Result, entry[1]) if entry else store(kind, name, version, run_with_progress(begin(), work))


def compute(kind: Kind, name: Hashable, version: Hashable, steps: Generator[Progress, None, Any], work: str = "") -> bool:
    """Compute and store a result at the press of a button; an error is shown. Return whether there is a result."""
    try:
        store(kind, name, version, run_with_progress(steps, work))
    except StudioError as error:
        show_data_error(error)
        return False
    return True


def compute_or_offer(
    kind: Kind,
    name: str,
    version: Hashable,
    button: Callable[..., bool],
    begin: Callable[[], Generator[Progress, None, Any]],
    offer: Callable[[Any], None],
) -> None:
    """Show the button that computes a result, or, once there is one of this version, `offer` it.

    button: `st.button` with its label, icon and key (functools.partial); another version is computed anew.
    """
    if entry := _find(kind, name, version):
        offer(entry[1])
        return
    remove(kind, name)  # an older version may be large
    if button(on_click=st.session_state.pop, args=(CANCELLED, None)) and compute(
        kind, name, version, begin(), f"{kind.key}-{name}"
    ):
        st.rerun()


def _find(kind: Kind, name: Hashable, version: Hashable) -> tuple[Hashable, Any] | None:
    """Return version and value, and mark the entry as used; None for another version."""
    with _lock:
        entries = _entries(kind)
        entry = entries.pop(name, None)
        if entry is None:
            return None
        entries[name] = entry  # now the last one that was used
        return entry if entry[0] == version else None


def _entries(kind: Kind) -> Entries:
    if kind.scope == "server":
        return _server_entries.setdefault(kind.key, {})
    return cast(Entries, st.session_state.setdefault(kind.key, {}))
