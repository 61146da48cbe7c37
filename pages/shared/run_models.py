"""A run's trained model, its images and its evaluation: loaded or computed once, and shared by all sessions."""

from collections.abc import Generator
from typing import TYPE_CHECKING, TypeVar, cast

import streamlit as st

from cnn_core.config.images import open_images
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import ImageSet, Split, finish
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.home import WEIGHTS
from cnn_core.inference.confidence import Calibration, model_key, read_calibration
from cnn_core.metrics.sampling import spread_over_classes
from cnn_core.runs.run import Run
from pages.shared import cache
from pages.shared.progress import run_with_progress
from pages.shared.server import get_store

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier
    from cnn_core.metrics.evaluation import Evaluation

Result = TypeVar("Result")
PAPER_IMAGES = 200  # of the training images, which show whether drawings should be light on dark
FITTING = "fitting-distribution"  # session key: the computation that a rerun has interrupted


def evaluate_with_progress(run: Run, split: Split = "test", epoch: int | None = None) -> "Evaluation":
    """Return the run's evaluation on a split, computed with a progress bar that can be cancelled. Raises StudioError."""
    with st.spinner("Opening the model…"):
        from cnn_core.metrics.evaluated_models import record_usage
        from cnn_core.metrics.evaluation import evaluate_run
    home, name = get_store().home, f"{run.id}-{split}-{epoch}"
    evaluation = run_with_progress(evaluate_run(run.id, run.config, home, split=split, epoch=epoch), f"evaluation-{name}")
    if split == "test":
        record_usage(home, run.config.data, run.id, epoch)
    return _share(run, evaluation)


def with_temperature(run: Run, evaluation: "Evaluation", temperature: float) -> "Evaluation":
    """Return the run's evaluation with another temperature."""
    return evaluation if temperature == evaluation.temperature else _share(run, evaluation.with_temperature(temperature))


def _share(run: Run, evaluation: "Evaluation") -> "Evaluation":
    """Return the first equal evaluation of all sessions, so that they share what is computed from it."""
    version = (get_store().home.run_folder(run.id), evaluation.key, evaluation.temperature)
    stored: Evaluation | None = cache.load(cache.EVALUATIONS, version, version)
    return stored or cache.store(cache.EVALUATIONS, version, version, evaluation)


def get_classifier(run: Run) -> "Classifier":
    """Return the run's best model, ready to classify; loaded again when its weights or its calibration change. Raises RunError."""
    folder = get_store().home.run_folder(run.id)
    return _load_classifier(run.id, (folder / WEIGHTS).stat().st_mtime_ns, read_calibration(folder))


@st.cache_resource(max_entries=cache.MODELS.max_entries, show_spinner="Opening the model…", hash_funcs={Calibration: repr})
def _load_classifier(run: str, version: int, calibration: Calibration | None) -> "Classifier":
    from cnn_core.inference.classifier import Classifier

    return Classifier(get_store().home.run_folder(run))


def compare_with_training(run: Run) -> bool:
    """Give the run's classifier the distribution of its training images, computed with a progress bar the first time. Return whether that
    has changed its verdicts. Where a rerun interrupts the computation, the next one continues it."""
    classifier, folder = get_classifier(run), get_store().home.run_folder(run.id)
    if classifier.distribution is not None:
        return False
    version = (folder, model_key(folder))
    if not cache.is_stored(cache.DISTRIBUTIONS, run.id, version):
        work = st.session_state.get(FITTING)
        if work is None or work[0] != version:
            from cnn_core.metrics.distribution_fit import fit_distribution

            work = st.session_state[FITTING] = version, fit_distribution(run.id, run.config, get_store().home)
        cache.compute_once(cache.DISTRIBUTIONS, run.id, version, lambda: _continue(work[1]))
        st.session_state.pop(FITTING, None)
    classifier.distribution = cache.load(cache.DISTRIBUTIONS, run.id, version)
    return classifier.distribution is not None


def _continue(steps: Generator[Progress, None, Result]) -> Generator[Progress, None, Result]:
    """Yield what `steps` yields and return its value; closing this generator leaves `steps` open."""
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            return cast(Result, end.value)
        yield progress


def draws_light_on_dark(run: Run) -> bool:
    """Whether the run's training images are light strokes on dark paper; False where they cannot be read."""
    return _draws_light_on_dark(run.id, model_key(get_store().home.run_folder(run.id)), run)


@st.cache_data(max_entries=cache.PREDICTIONS.max_entries, show_spinner=False)
def _draws_light_on_dark(run: str, version: str, _run: Run) -> bool:
    from cnn_core.inference.paper import is_light_on_dark

    try:
        images = images_of(_run, "train")
    except StudioError:
        return False
    return is_light_on_dark(images[spread_over_classes(images.labels, PAPER_IMAGES)])


def images_of(run: Run, split: Split = "test") -> ImageSet:
    """Return the run's images of a split, in the order of its evaluation. Raises DataError."""
    config = run.config
    info = open_images(config, get_store().home).info
    draw = config.drawn_by if split != "test" else ()
    return _load_images(
        config.data, (info.fingerprint, info.image_size, info.fit, info.interpolation, info.crop_share), split, draw, config
    )


@st.cache_resource(max_entries=cache.IMAGE_SETS.max_entries, show_spinner="Reading the images…")
def _load_images(data: str, version: tuple[object, ...], split: Split, draw: tuple[float, ...], _config: TrainConfig) -> ImageSet:
    from cnn_core.metrics.evaluation import load_split

    return finish(load_split(open_images(_config, get_store().home), _config, split))
