"""The report: a run and the evaluation of its model as one HTML file without scripts or external resources.

In: facts of the run, an Evaluation and its images. Out: the file's text. Every value is escaped (see `rendering`). Probabilities are
uncalibrated unless they are called calibrated.
"""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from cnn_core.config.schema import TrainConfig, model_title
from cnn_core.data.source import DataInfo, ImageSet, Split
from cnn_core.events import Changed, Epoch, Progress
from cnn_core.inference.confidence import NO_CALIBRATION, Calibration
from cnn_core.metrics.classification import choose_k, top_k_accuracy
from cnn_core.metrics.evaluated_models import MANY
from cnn_core.metrics.evaluation import SPLIT_NAMES, Evaluation
from cnn_core.metrics.intervals import wilson_interval
from cnn_core.metrics.prediction_table import FileNames
from cnn_core.report.curve_svg import describe_curves
from cnn_core.report.rendering import render
from cnn_core.report.results import describe_calibration, describe_classes, describe_confusion, describe_mistakes
from cnn_core.report.settings import describe_reproduction, describe_settings
from cnn_core.text import counted, format_loss, format_percent

# the names of values; split: "Test", "Validation" or "Training"
ACCURACY, TOP_K, LOSS, IMAGES = "{split} accuracy", "Top-{k} accuracy", "{split} loss", "{split} images"
MODEL, ARCHITECTURE, DATA_VERSION, BRANCH_OF = "Model", "Architecture", "Data version", "Branch of"
EPOCH = "epoch {epoch}"
EPOCHS_CAPTION = "Loss in nats, accuracy as fraction of the images"
NO_EPOCHS = "No epochs of this run were recorded."
SPLIT_HINTS: dict[Split, str] = {
    "test": "Test images are not used for training or for choosing the best epoch.",
    "val": "Validation images are not used for training, but they choose the best epoch: accuracy on new images may be slightly lower.",
    "train": "The model was trained on these images: accuracy on new images is lower.",
}


@dataclass(frozen=True)
class RunFacts:
    """The run of a report. `created` and `reported`: Unix seconds. `summary`: see `history.summarise`. `trained_on`: the fingerprint of its
    training data. `versions`: of the programs that wrote the report, by name."""

    id: str
    name: str
    notes: str
    tags: tuple[str, ...]
    status: str
    created: float
    reported: float
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
    """The evaluation of a report: the best model (epoch None) or that of a saved `epoch`, on `images` of one split of the data set `info`.

    `names`: returns the files of images by their indices, "" for none. `models_evaluated`: on these test images, 0 for other splits.
    """

    evaluation: Evaluation
    images: ImageSet
    names: FileNames
    split: Split
    epoch: int | None
    info: DataInfo
    calibration: Calibration = NO_CALIBRATION
    models_evaluated: int = 0


def write_report(run: RunFacts, evaluated: EvaluationFacts) -> Generator[Progress, None, str]:
    """Return the report's text. Yields Progress."""
    evaluation, split = evaluated.evaluation, SPLIT_NAMES[evaluated.split]
    sections: dict[str, Callable[[], Any]] = {
        "header": lambda: _describe_header(run, evaluated),
        "metrics": lambda: _describe_metrics(run, evaluated),
        "run_facts": lambda: _describe_run(run, evaluated.info),
        "settings": lambda: describe_settings(run.config, run.changes),
        "training": lambda: _describe_training(run, evaluated),
        "classes": lambda: describe_classes(evaluation),
        "confusion": lambda: describe_confusion(evaluation),
        "mistakes": lambda: describe_mistakes(evaluation, evaluated.images, evaluated.names, split),
        "calibration": lambda: describe_calibration(evaluation, evaluated.calibration),
        "reproduction": lambda: describe_reproduction(run.config, run.changes, run.parent, run.parent_epoch),
    }
    values: dict[str, Any] = {
        "title": f"{run.name or run.id} · {split} images",
        "created": _date(run.reported),
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    for done, (name, describe) in enumerate(sections.items()):
        yield Progress("Writing the report", done, len(sections) + 1)
        values[name] = describe()
    yield Progress("Writing the report", len(sections), len(sections) + 1)
    return render("report.html", **values)


def _describe_header(run: RunFacts, evaluated: EvaluationFacts) -> dict[str, Any]:
    lead = f"Run {run.id} · data set {evaluated.info.name} · {_date(run.created)}"
    return {"title": run.name or run.id, "lead": lead, "tags": run.tags, "notes": run.notes}


def _describe_metrics(run: RunFacts, evaluated: EvaluationFacts) -> dict[str, Any]:
    """Return cards (name, value, note) and a hint on how to read them."""
    evaluation, split = evaluated.evaluation, SPLIT_NAMES[evaluated.split].capitalize()
    low, high = wilson_interval(int(evaluation.is_correct.sum()), len(evaluation))
    k, loss, epoch = choose_k(len(evaluation.classes)), evaluation.loss, _epoch(run, evaluated)
    cards = [
        (
            ACCURACY.format(split=split),
            format_percent(evaluation.accuracy, 2),
            f"95%: {format_percent(low)} to {format_percent(high)}",
        )
    ]
    if k:
        cards.append((TOP_K.format(k=k), format_percent(top_k_accuracy(evaluation.scores.rank, k), 2), ""))
    cards += [
        (LOSS.format(split=split), format_loss(loss) if loss == loss else "–", "mean cross-entropy, nats"),
        (IMAGES.format(split=split), f"{len(evaluation):,}", ""),
        (MODEL, EPOCH.format(epoch=epoch) if epoch else "best", _describe_choice(run, evaluated)),
    ]
    hint = f"{SPLIT_HINTS[evaluated.split]} The interval is Wilson's 95% confidence interval."
    if evaluated.models_evaluated >= MANY:
        hint += (
            f" These test images were used to evaluate {evaluated.models_evaluated:,} models: the accuracy of the best of them is "
            "overestimated."
        )
    return {"cards": cards, "hint": hint}


def _epoch(run: RunFacts, evaluated: EvaluationFacts) -> int | None:
    """Return the epoch of the evaluated model, if it is known."""
    return run.summary.get("best_epoch") if evaluated.epoch is None else evaluated.epoch


def _describe_choice(run: RunFacts, evaluated: EvaluationFacts) -> str:
    best = run.summary.get("best_val_accuracy")
    if evaluated.epoch is not None:
        return "a saved epoch"
    return f"best validation accuracy: {format_percent(best, 2)}" if best is not None else "best validation accuracy"


def _describe_run(run: RunFacts, info: DataInfo) -> list[tuple[str, str]]:
    summary = run.summary
    counts = f"{info.train_count:,} training and {counted(info.test_count, 'test image')}"
    colour = "grey" if info.channels == 1 else "colour"
    size = f"{info.image_size}×{info.image_size} pixels, {colour}"
    speed, parameters = summary.get("images_per_second"), summary.get("parameters")
    epochs, seconds = summary.get("epochs"), summary.get("train_seconds")
    is_changed = run.trained_on != info.fingerprint
    facts = [
        ("Data set", f"{info.name}: {counts} in {counted(len(info.classes), 'class', 'classes')}, {size}"),
        (DATA_VERSION, info.fingerprint + (f"; changed since training, which used {run.trained_on}" if is_changed else "")),
        (ARCHITECTURE, model_title(run.config) + (f", {parameters:,} parameters" if parameters else "")),
        ("Trained", ", ".join([_date(run.created), *([counted(epochs, "epoch")] if epochs is not None else []), run.status])),
        ("Hardware", summary.get("device") or "–"),
        ("Training time", (f"{seconds:,.1f} s" if seconds else "–") + (f", {speed:,.0f} images/s" if speed else "")),
    ]
    if run.parent:
        facts.append((BRANCH_OF, f"{run.parent} after epoch {run.parent_epoch}"))
    return facts


def _describe_training(run: RunFacts, evaluated: EvaluationFacts) -> dict[str, Any]:
    rows = [
        (
            e.epoch,
            format_loss(e.train_loss),
            format_loss(e.val_loss),
            format_percent(e.train_accuracy, 2),
            format_percent(e.val_accuracy, 2),
        )
        for e in run.epochs
    ]
    charts = describe_curves(run.epochs, _epoch(run, evaluated)) if run.epochs else []
    return {"charts": charts, "rows": rows, "empty_text": NO_EPOCHS, "caption": EPOCHS_CAPTION}


def _date(seconds: float) -> str:
    moment = time.localtime(seconds)
    return f"{moment.tm_mday} {time.strftime('%B %Y, %H:%M', moment)}"
