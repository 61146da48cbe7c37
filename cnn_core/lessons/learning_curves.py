"""The exercise “From scratch, frozen or fine-tuned?”: the accuracy of three ways to train against the number of images of each class.

Each way is trained on 5, 10, 20 and 50 images of each class, in several draws; the runs of a draw have the same images and the same seed. The
attempt is a row in the run store like those of the other exercises (see `attempts`); the origin "lesson/learning-curves/3/F1002" names the
frozen network, 10 images of each class and draw 2 of attempt 3. In: a run store. Out: attempts, and their learning curves. Importing this
module does not import torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Literal

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.open import open_source
from cnn_core.data.source import DataInfo
from cnn_core.data.splits import count_drawn
from cnn_core.errors import DataError, StudioError
from cnn_core.lessons.attempts import Attempt, AttemptRuns, add_attempt, latest_attempt, run_label, stop_attempt
from cnn_core.lessons.effect import UNKNOWN, Effect, make_effect
from cnn_core.lessons.final_metrics import ACCURACY
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

NAME = "learning-curves"
SIZES = (5, 10, 20, 50)  # images of each class
ASKED = 10  # the size of the question
DEFAULT_DRAWS, MAX_DRAWS = 3, 5
# Images of all epochs in which all layers learn, about two minutes at 224 pixels on two CPU cores: a run on more images of many classes has fewer epochs.
TUNED_IMAGES = 5000
VALIDATION_SHARES = (
    0.5,
    0.4,
    0.3,
    0.2,
)  # the largest that takes no image from any run; more validation images tell smaller differences apart
# Seconds on two CPU cores, beside the training: of a run, to start, validate and end; of one image, for its features at 224 pixels, and to train on once.
RUN_SECONDS, FEATURE_SECONDS, TUNED_SECONDS, SCRATCH_SECONDS = 5.0, 0.01, 0.03, 0.003
MOST_DRAWS = 100  # the number in a label is 100 times the size plus the draw
TOO_FEW = "Data set “{data}” has fewer than {fewest} training images in every class. Choose a larger data set or add images."
NO_WAY = "“{prediction}” is not a prediction. Choose one of: {ways}."
WRONG_DRAWS = "{draws} draws cannot be trained. Choose 1 to {most}."
RUN_NAME = "Learning curves: {way}, {size} images per class, draw {draw}"
Way = Literal["scratch", "frozen", "fine-tuned"]


@dataclass(frozen=True)
class Training:
    """One way to train: its letter in the labels of runs, its name, and its settings. Others have the defaults of the data set and the model."""

    letter: str
    title: str
    settings: Mapping[str, Any]

    def config(self, data: str, size: int, draw: int, info: DataInfo | None = None) -> TrainConfig:
        """Return the settings on `size` images of each class. Raises SettingError.

        info: the facts of the data set, which set the validation fraction, and the epochs in which all layers of a pretrained network learn.
        """
        config = make_config(**{"data": data, "images_per_class": size, "seed": draw, **self.settings})
        if info is None:
            return config
        fitting: dict[str, Any] = {"validation_share": choose_validation_share(info, config.validation_share)}
        if config.learning_blocks is None and config.starting_weights != "scratch":
            most = max(1, TUNED_IMAGES // (size * len(info.classes)))
            fitting["epochs"] = min(config.epochs, config.head_epochs + most)
        return config.model_copy(update=fitting)


PRETRAINED = {"model": "efficientnet-lite0", "weights": "pretrained", "flip": "random"}
WAYS: dict[Way, Training] = {
    "scratch": Training("S", "from scratch", {"model": "simple", "flip": "random"}),
    "frozen": Training("F", "frozen", {**PRETRAINED, "train": "head"}),
    "fine-tuned": Training("T", "fine-tuned", {**PRETRAINED, "train": "all", "epochs": 8}),
}
PREDICTIONS = (*WAYS, UNKNOWN)


@dataclass(frozen=True)
class Outcome:
    """What a question is judged by: the best way at `size` images of each class, the next best one, and their paired difference."""

    size: int
    best: Way
    second: Way
    effect: Effect

    @property
    def is_clear(self) -> bool:
        """Whether the best way is significantly better than the next best one."""
        return self.effect.direction == "higher"


def sizes_for(info: DataInfo, validation_share: float) -> tuple[int, ...]:
    """Return the numbers of images that at least one class of the data set has beside the validation images. Raises DataError for none."""
    counts = [count if info.val_count else count - count_drawn(count, validation_share) for count in info.class_counts]
    largest = max(counts, default=info.train_count // max(1, len(info.classes)))
    sizes = tuple(size for size in SIZES if size <= largest)
    if not sizes:
        raise DataError(TOO_FEW.format(data=info.name, fewest=SIZES[0]))
    return sizes


def choose_validation_share(info: DataInfo, default: float) -> float:
    """Return the fraction of the training images to validate on: a larger one than the default where each class still has enough for every size."""
    sizes = sizes_for(info, default)

    def left(share: float) -> list[int]:
        return [min(count - count_drawn(count, share), sizes[-1]) for count in info.class_counts]

    larger = (share for share in VALIDATION_SHARES if share > default and left(share) == left(default))
    return default if info.val_count or not info.class_counts else next(larger, default)


def expected_seconds(data: str, info: DataInfo, draws: int) -> float:
    """Return how long the exercise takes on two CPU cores where no features are kept, in seconds: a rough estimate. Raises DataError as `sizes_for`."""
    sizes = sizes_for(info, make_config(data=data).validation_share)
    seconds, validated = 0.0, 0
    for way in WAYS.values():
        for size in sizes:
            config = way.config(data, size, 0, info)
            images = min(size * len(info.classes), info.train_count)
            validated = info.val_count or round(config.validation_share * info.train_count)
            seconds += RUN_SECONDS
            if config.starting_weights == "scratch":
                seconds += config.epochs * images * SCRATCH_SECONDS
            elif not config.learns_on_features:
                tuned = config.epochs - config.head_epochs
                seconds += tuned * (images * TUNED_SECONDS + validated * FEATURE_SECONDS) + info.test_count * FEATURE_SECONDS
    seen = min(info.train_count, draws * sizes[-1] * len(info.classes) + validated) + info.val_count + info.test_count
    return draws * seconds + seen * FEATURE_SECONDS


def start_learning_curves(store: Store, data: str, prediction: str, owner: str = "", draws: int = DEFAULT_DRAWS) -> Attempt:
    """Add the runs to the queue, those on few images first, and return the attempt; the active one if this owner has one.

    Raises StudioError for a wrong prediction or number of draws, for data that cannot be used, and if the owner's quota is used up; no run is
    in the queue then.
    """
    if prediction not in PREDICTIONS:
        raise StudioError(NO_WAY.format(prediction=prediction[:40], ways=", ".join(PREDICTIONS)))
    if not 1 <= draws <= MAX_DRAWS:
        raise StudioError(WRONG_DRAWS.format(draws=draws, most=MAX_DRAWS))
    if (latest := latest_attempt(store, NAME, owner)) and latest.is_active:
        return latest.attempt
    from cnn_core.runs.submit import check_can_start, submit  # imports torch

    info = open_source(data, store.home).info
    sizes = sizes_for(info, make_config(data=data).validation_share)
    for way in WAYS.values():
        check_can_start(way.config(data, sizes[0], 0, info), store)
    store.quota.check_queue(owner, len(WAYS) * len(sizes) * draws)
    attempt = add_attempt(store, NAME, data, prediction, owner)
    try:
        for size in sizes:
            for draw in range(draws):
                for way in WAYS.values():
                    origin = f"{attempt.origin}/{way.letter}{MOST_DRAWS * size + draw}"
                    run = submit(way.config(data, size, draw, info), store, origin=origin, owner=owner)
                    RunOrganizer(store).describe(run, name=RUN_NAME.format(way=way.title, size=size, draw=draw + 1))
    except StudioError:  # the disk quota is used up, or another tab has filled the queue since the check
        stop_attempt(store, attempt)
        raise
    return attempt


def way_and_size(run: Run) -> tuple[Way, int]:
    """Return how a run of the exercise is trained, and on how many images of each class."""
    label = run_label(run)
    way = next(name for name, way in WAYS.items() if way.letter == label[0])
    return way, int(label[1:]) // MOST_DRAWS


def sizes_of(runs: Sequence[Run]) -> tuple[int, ...]:
    """Return the numbers of images of each class that these runs are trained on, ascending."""
    return tuple(sorted({way_and_size(run)[1] for run in runs}))


def asked_size(sizes: Sequence[int]) -> int:
    """Return the size that the question is about: ASKED, or the largest that there is."""
    return max((size for size in sizes if size <= ASKED), default=ASKED)


def measure_curves(runs: Sequence[Run]) -> dict[Way, dict[int, list[float]]]:
    """Return the best validation accuracies, fractions, of the finished runs: those of the draws of every way and size, in order."""
    curves: dict[Way, dict[int, list[float]]] = {way: {} for way in WAYS}
    for run in runs:
        accuracy = run.summary.get("best_val_accuracy")
        if run.status == "finished" and accuracy is not None:
            way, size = way_and_size(run)
            curves[way].setdefault(size, []).append(accuracy)
    return curves


def judge(attempt_runs: AttemptRuns, size: int = ASKED, validation_count: int = 0) -> Outcome | None:
    """Return the outcome at `size` over the draws for which all ways are finished; None where there is none."""
    draws: dict[int, dict[Way, float]] = {}
    for run in attempt_runs.runs:
        way, trained_on = way_and_size(run)
        accuracy = run.summary.get("best_val_accuracy")
        if trained_on == size and run.status == "finished" and accuracy is not None:
            draws.setdefault(int(run_label(run)[1:]) % MOST_DRAWS, {})[way] = accuracy
    complete = [accuracies for accuracies in draws.values() if len(accuracies) == len(WAYS)]
    if not complete:
        return None
    best, second, *_ = sorted(WAYS, key=lambda way: -mean(accuracies[way] for accuracies in complete))
    pairs = [(100 * accuracies[second], 100 * accuracies[best]) for accuracies in complete]
    return Outcome(size, best, second, make_effect(ACCURACY, pairs, validation_count))
