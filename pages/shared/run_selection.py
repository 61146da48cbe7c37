"""Choosing a run, and starting one: what several pages do in the same way."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, Part, finish
from cnn_core.errors import RunError, StudioError
from cnn_core.home import WEIGHTS
from cnn_core.inference.confidence import Calibration, read_calibration
from cnn_core.runs.run import Run
from pages.shared.address import follow_address, tell_address
from pages.shared.links import page_file
from pages.shared.people import check_paths, person
from pages.shared.progress import watch
from pages.shared.run_origin import listed, made_in_words, offer_all
from pages.shared.server import get_store
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier
    from cnn_core.metrics.evaluation import Evaluation

PRESS = "start-press"
STATUS = {
    "queued": (":material/hourglass_empty:", "gray", "waiting"),
    "running": (":material/play_circle:", "blue", "training"),
    "paused": (":material/pause_circle:", "violet", "paused"),
    "finished": (":material/check_circle:", "green", "finished"),
    "stopped": (":material/stop_circle:", "orange", "stopped"),
    "failed": (":material/error:", "red", "failed"),
    "interrupted": (":material/power_off:", "orange", "interrupted"),
}


def choose_run(runs: list[Run], label: str = "Run") -> Run:
    """The run that the address names (`?run=`), else the first of `runs`; a box to choose another. `runs` is not empty."""
    by_id = {run.id: run for run in runs}
    asked = st.query_params.get("run")
    if asked and asked not in by_id:
        try:
            found = get_store().run(asked)
            st.warning(f"Run {found.id} has no saved model, so another one is shown. Let it train for at least one epoch.")
        except RunError:
            st.warning(f"There is no run “{plain(asked[:80])}”, so another one is shown. Choose from the list.")
    key = f"run-{label}"
    shown = listed(runs, (asked, st.session_state.get(key)))
    names = [run.id for run in shown]
    follow_address("run", key, names)
    chosen = st.selectbox(label, names, key=key, format_func=lambda run: _describe(by_id[run]))
    tell_address("run", key, chosen)
    offer_all(runs, shown)
    return by_id[chosen]


def choose_trained_run(what: str) -> Run | None:
    """One of the runs whose best model can be used; without any, the empty state that says how to get one `what` ("to evaluate")."""
    store = get_store()
    runs = [run for run in store.runs() if store.has_model(run.id)]
    if not runs:
        no_runs_yet(what)
        return None
    return choose_run(sorted(runs, key=lambda run: bool(run.origin)))  # a person's own first


def evaluate_with_progress(run: Run, part: Part = "test", epoch: int | None = None) -> "Evaluation":
    """The run's evaluation on one part of its images, with progress and a way out while it has to be computed. Raises StudioError."""
    with st.spinner("Opening the model…"):
        from cnn_core.metrics.evaluation import evaluate_run
        from cnn_core.metrics.test_set_usage import record_usage
    home = get_store().home
    evaluation = watch(evaluate_run(run.id, run.config, home, split=part, epoch=epoch), f"evaluation-{run.id}-{part}-{epoch}")
    if part == "test":
        record_usage(home, run.config.data, run.id, epoch)
    return _shared(home.run_folder(run.id), evaluation.key, evaluation)


@st.cache_resource(max_entries=6, show_spinner=False)
def _shared(folder: Path, key: str, _evaluation: "Evaluation") -> "Evaluation":
    """The first evaluation of that key in that folder, with all that was computed from it since: one for all sessions."""
    return _evaluation


def with_temperature(run: Run, evaluation: "Evaluation", temperature: float) -> "Evaluation":
    """The run's evaluation with that temperature; all that is computed from it is computed once for all sessions."""
    if temperature == evaluation.temperature:
        return evaluation
    return _shared(
        get_store().home.run_folder(run.id), f"{evaluation.key} {temperature!r}", evaluation.with_temperature(temperature)
    )


def get_classifier(run: Run) -> "Classifier":
    """The run's best model, ready to classify; loaded once for all sessions, and again when its weights or its calibration change."""
    folder = get_store().home.run_folder(run.id)
    return _classifier(run.id, (folder / WEIGHTS).stat().st_mtime_ns, read_calibration(folder))


@st.cache_resource(max_entries=4, show_spinner="Opening the model…", hash_funcs={Calibration: repr})
def _classifier(run: str, version: int, calibration: Calibration | None) -> "Classifier":
    from cnn_core.inference.classifier import Classifier

    return Classifier(get_store().home.run_folder(run))


def images_of(run: Run, part: Part = "test") -> ImageSet:
    """The run's images of one part, in the order of its evaluation; read once for all sessions. Raises DataError."""
    config = run.config
    fingerprint = open_source(config.data, get_store().home).info.fingerprint
    split = (config.validation_share, config.seed) if part != "test" else ()
    return _images_of(config.data, fingerprint, part, split, config)


@st.cache_resource(max_entries=4, show_spinner="Reading the images…")
def _images_of(data: str, fingerprint: str, part: Part, split: tuple[float, ...], _config: TrainConfig) -> ImageSet:
    from cnn_core.metrics.evaluation import load_split

    return finish(load_split(open_source(data, get_store().home), _config, part))


def status_badge(run: Run) -> None:
    """The run's status as a coloured badge."""
    icon, colour, word = STATUS[run.status]
    st.badge(word, icon=icon, color=colour)


def start_run(config: TrainConfig) -> None:
    """Put a run into the queue and show it; a refusal becomes a sentence, and nothing starts."""
    with st.spinner("Checking the settings…"):
        try:
            from cnn_core.runs.submit import submit

            check_paths(config)
            run = submit(config, get_store(), press=press(), owner=person())
        except StudioError as error:
            st.error(f"Nothing was started. {plain(error)}", icon=":material/error:")
            return
    st.switch_page(page_file("train"), query_params={"run": run})


def press() -> str:
    """A name for the press of a start button: the same for a second click that comes before the run is shown."""
    return st.session_state.setdefault(PRESS, secrets.token_hex(16))


def forget_press() -> None:
    """The run that was started is shown: the next press starts another one."""
    st.session_state.pop(PRESS, None)


def no_runs_yet(what: str) -> None:
    """The empty state of a page that needs a trained run: what to do first."""
    st.info(
        f"There is no trained run yet {what}. One click trains one on handwritten digits; it takes about half a minute.",
        icon=":material/info:",
    )
    if st.button("Train on digits", type="primary", icon=":material/play_arrow:"):
        start_run(make_config())
    st.page_link(page_file("configure"), label="Or choose the settings yourself", icon=":material/tune:")


def _describe(run: Run) -> str:
    accuracy = run.summary.get("test_accuracy")
    made = f" · {made_in_words(run)}" if run.origin else ""
    return f"{run.id}{made} · {STATUS[run.status][2]}" + (f" · {accuracy:.1%} test accuracy" if accuracy is not None else "")
