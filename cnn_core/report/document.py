"""A run and what its network does, as one HTML file that needs nothing else: no internet, no script, light and dark, also on paper.

In: what is told of the run, an Evaluation and its images. Out: the file's text. Names, notes and settings come from outside: they are
text there, whatever they look like (see `markup`). All figures are of the network as it was trained, but for those called calibrated.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo, ImageSet, Part
from cnn_core.events import Changed, Epoch, Progress
from cnn_core.inference.confidence import NEUTRAL, Calibration
from cnn_core.metrics.classification import choose_k, top_k_accuracy
from cnn_core.metrics.evaluation import SPLIT_NAMES, Evaluation
from cnn_core.metrics.intervals import wilson_interval
from cnn_core.metrics.prediction_table import FileNames
from cnn_core.metrics.test_set_usage import MANY
from cnn_core.models.registry import find_family
from cnn_core.report.curve_svg import draw_curves
from cnn_core.report.markup import Html, facts, join, percent, section, table, tag
from cnn_core.report.results import show_calibration, show_classes, show_confusion, show_mistakes
from cnn_core.report.settings import show_reproduction, show_settings

TEMPLATE = Path(__file__).with_name("document.html")
NEWNESS: dict[Part, str] = {
    "test": "Test images were never used for training or for choosing the best epoch.",
    "val": "The network did not learn from the validation images, but they chose its best epoch: on new images it may do a little worse.",
    "train": "The network learned from the training images, so new images are harder.",
}


@dataclass(frozen=True)
class RunFacts:
    """What a report tells of a run. `created` and `made` (the report): Unix seconds. `summary`: its figures (see `history.summarise`).
    `trained_on`: the fingerprint of the data it was trained on. `versions`: of the programs that made the report, by name."""

    id: str
    name: str
    notes: str
    tags: tuple[str, ...]
    status: str
    created: float
    made: float
    parent: str
    parent_epoch: int | None
    config: TrainConfig
    changes: Sequence[Changed]
    epochs: Sequence[Epoch]
    summary: dict[str, Any]
    trained_on: str
    versions: dict[str, str]


@dataclass(frozen=True)
class EvaluationFacts:
    """What was looked at: the best network (epoch None) or that after a kept `epoch`, on `images` of one split of the set `info`, as the
    evaluation has them. `names`: the files of some images by their indices; "" where there is none. `looks`: networks that these test
    images were looked at for, 0 for other images."""

    evaluation: Evaluation
    images: ImageSet
    names: FileNames
    split: Part
    epoch: int | None
    info: DataInfo
    calibration: Calibration = NEUTRAL
    looks: int = 0


def write_report(run: RunFacts, looked: EvaluationFacts) -> Generator[Progress, None, str]:
    """The report's text."""
    parts = (
        lambda: _show_head(run, looked),
        lambda: _show_figures(run, looked),
        lambda: _show_about(run, looked),
        lambda: show_settings(run.config, run.changes),
        lambda: _show_training(run, looked),
        lambda: show_classes(looked.evaluation),
        lambda: show_confusion(looked.evaluation),
        lambda: show_mistakes(looked.evaluation, looked.images, looked.names, SPLIT_NAMES[looked.split]),
        lambda: show_calibration(looked.evaluation, looked.calibration),
        lambda: show_reproduction(run.config, run.changes, run.parent, run.parent_epoch),
        lambda: _show_foot(run),
    )
    written: list[Html] = []
    for done, split in enumerate(parts):
        yield Progress("Writing the report", done, len(parts))
        written.append(split())
    title = join([f"{run.name or run.id} · {SPLIT_NAMES[looked.split]} images"])
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(title=title, body=join(written))


def _show_head(run: RunFacts, looked: EvaluationFacts) -> Html:
    lead = f"Run {run.id} · data set {looked.info.name} · {_date(run.created)}"
    return tag(
        "header",
        tag("h1", run.name or run.id),
        tag("p", lead, class_="lead"),
        tag("ul", *(tag("li", label) for label in run.tags), class_="tags") if run.tags else "",
        tag("p", run.notes, class_="notes") if run.notes else "",
    )


def _show_figures(run: RunFacts, looked: EvaluationFacts) -> Html:
    evaluation, split = looked.evaluation, SPLIT_NAMES[looked.split]
    low, high = wilson_interval(int(evaluation.is_correct.sum()), len(evaluation))
    figures: list[tuple[str, object]] = [
        (
            f"{split.capitalize()} accuracy",
            join([percent(evaluation.accuracy, 2), tag("small", f"95 %: {percent(low)} to {percent(high)}")]),
        )
    ]
    if k := choose_k(len(evaluation.classes)):
        figures.append((f"Top-{k} accuracy", percent(top_k_accuracy(evaluation.scores.rank, k), 2)))
    loss = evaluation.loss
    figures += [
        (f"{split.capitalize()} loss", join([f"{loss:.4f}" if loss == loss else "–", tag("small", "mean cross-entropy, nats")])),
        (f"{split.capitalize()} images", f"{len(evaluation):,}"),
        ("Network", join([f"epoch {number}" if (number := _epoch(run, looked)) else "best", tag("small", _why(run, looked))])),
    ]
    about = (
        f"{NEWNESS[looked.split]} The interval is Wilson’s: how far chance in the choice of these images may move the accuracy."
    )
    if looked.looks >= MANY:
        about += (
            f" These images were looked at for {looked.looks:,} networks: of the best of so many, split of the accuracy is luck."
        )
    cards = tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in figures), class_="figures")
    return tag("section", cards, tag("p", about, class_="hint"))


def _epoch(run: RunFacts, looked: EvaluationFacts) -> int | None:
    """After which epoch the network was as it was looked at, as far as that is known."""
    return run.summary.get("best_epoch") if looked.epoch is None else looked.epoch


def _why(run: RunFacts, looked: EvaluationFacts) -> str:
    best = run.summary.get("best_val_accuracy")
    if looked.epoch is not None:
        return "one of those that were kept"
    return f"the best: validation accuracy {percent(best, 2)}" if best is not None else "by validation accuracy"


def _show_about(run: RunFacts, looked: EvaluationFacts) -> Html:
    info, summary = looked.info, run.summary
    counts = f"{info.train_count:,} training and {info.test_count:,} test images"
    colour = "grey" if info.channels == 1 else "colour"
    speed, parameters = summary.get("images_per_second"), summary.get("parameters")
    pairs = [
        (
            "Data set",
            f"{info.name}: {counts} in {len(info.classes):,} classes, {info.image_size}×{info.image_size} pixels, {colour}",
        ),
        ("Version of the data", info.fingerprint + _since(run, info)),
        ("Model", find_family(run.config.model).title + (f", {parameters:,} parameters" if parameters else "")),
        ("Trained", f"{_date(run.created)}, {summary.get('epochs', 0)} epochs, {run.status}"),
        ("Hardware", summary.get("device") or "–"),
        ("Time in training", f"{summary.get('train_seconds', 0):,.1f} s" + (f", {speed:,.0f} images/s" if speed else "")),
    ]
    if run.parent:
        pairs.append(("Began from", f"{run.parent} after epoch {run.parent_epoch}"))
    return section("Run", facts(pairs))


def _since(run: RunFacts, info: DataInfo) -> str:
    return "" if run.trained_on == info.fingerprint else f"; corrected since training, which used {run.trained_on}"


def _show_training(run: RunFacts, looked: EvaluationFacts) -> Html:
    if not run.epochs:
        return section("Training", tag("p", "No epoch of this run is on record."))
    head = ("Epoch", "Training loss", "Validation loss", "Training accuracy", "Validation accuracy")
    rows = (
        (e.epoch, f"{e.train_loss:.4f}", f"{e.val_loss:.4f}", percent(e.train_accuracy, 2), percent(e.val_accuracy, 2))
        for e in run.epochs
    )
    numbers = tag(
        "details", tag("summary", "All epochs as a table"), table("Loss in nats, accuracy as share of images", head, rows)
    )
    about = "Training figures are means over augmented batches while the network still learns; validation figures are taken at the end of each epoch."
    return section("Training", draw_curves(run.epochs, _epoch(run, looked)), tag("p", about, class_="hint"), numbers)


def _show_foot(run: RunFacts) -> Html:
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return tag(
        "footer",
        f"Made on {_date(run.made)} with {versions}. This file holds all that it shows and needs no internet.",
    )


def _date(seconds: float) -> str:
    moment = time.localtime(seconds)
    return f"{moment.tm_mday} {time.strftime('%B %Y, %H:%M', moment)}"
