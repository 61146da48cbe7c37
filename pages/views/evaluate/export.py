"""What can be taken along of a subject: a report in one file, a table of its predictions, and a picture of them. Made when asked for.

In: a subject. Out: downloads. What was made is kept for this session until another subject, or other facts of its run, take its place.
"""

import io
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data.imported import image_names
from cnn_core.events import Progress
from cnn_core.inference.confidence import read_calibration
from pages.shared import cache
from pages.shared.evaluation_subject import PARTS, EvaluationSubject
from pages.shared.server import get_store
from pages.shared.text import format_size

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

Making = Generator[Progress, None, bytes]


@dataclass(frozen=True)
class EvaluationDownload:
    """One thing to take along: `about` is its sentence, `make` gives the file's bytes."""

    title: str
    about: str
    file: str
    mime: str
    icon: str
    make: Callable[[EvaluationSubject, "Evaluation"], Making]


def show_export(subject: EvaluationSubject) -> None:
    """The view."""
    evaluation = subject.evaluation()
    network = "the best network" if subject.epoch is None else f"the network after epoch {subject.epoch}"
    st.caption(
        f"Of {network} on the {len(evaluation):,} {PARTS[subject.part]} images, as chosen above. The files need neither this program nor the internet."
    )
    places = st.grid(len(CARDS), min_column_width=280)
    for card in CARDS:
        with places.container(border=True, height="stretch"):
            st.subheader(card.title)
            st.write(card.about)
            _show_file(subject, evaluation, card)


def _show_file(subject: EvaluationSubject, evaluation: "Evaluation", card: EvaluationDownload) -> None:
    """The button that makes the file, or, where it is made, the one that gives it."""
    asked = f"{subject.name} {evaluation.key} {subject.run} {read_calibration(subject.folder)}"
    button = partial(st.button, f"Make the {card.title.lower()}", icon=card.icon, key=f"make-{card.file}-{subject.name}")
    cache.compute_or_offer(
        cache.EVALUATION_FILES,
        card.title,
        asked,
        button,
        lambda: card.make(subject, evaluation),
        lambda content: _offer(subject, card, content),
    )


def _offer(subject: EvaluationSubject, card: EvaluationDownload, content: bytes) -> None:
    st.download_button(
        f"Download ({format_size(len(content))})",
        content,
        file_name=_file_name(subject, card),
        mime=card.mime,
        icon=":material/download:",
        type="primary",
        on_click="ignore",
        key=f"take-{card.file}",
    )


def _file_name(subject: EvaluationSubject, card: EvaluationDownload) -> str:
    network = "" if subject.epoch is None else f"-epoch{subject.epoch}"
    return f"{subject.run.id}{network}-{PARTS[subject.part]}-{card.file}"


def _make_report(subject: EvaluationSubject, evaluation: "Evaluation") -> Making:
    from cnn_core.report.run_report import report_run

    run = get_store().run(subject.run.id)
    text = yield from report_run(get_store(), run, evaluation, subject.images(), part=subject.part, epoch=subject.epoch)
    return text.encode()


def _make_table(subject: EvaluationSubject, evaluation: "Evaluation") -> Making:
    from cnn_core.metrics.prediction_table import write_predictions

    file = io.BytesIO()
    yield from write_predictions(evaluation, image_names(subject.source, subject.images()), file)
    return file.getvalue()


def _make_picture(subject: EvaluationSubject, evaluation: "Evaluation") -> Making:
    yield Progress("Drawing the predictions", 0, 1)
    from cnn_core.training.figures import paint_predictions

    file = io.BytesIO()
    paint_predictions(subject.images(), evaluation, file, f"{PARTS[subject.part].capitalize()} accuracy")
    return file.getvalue()


CARDS = (
    EvaluationDownload(
        "Report",
        "One page for others: figures with their interval, settings, curves, confusion matrix, the worst mistakes, and how to reproduce "
        "the run. An HTML file that any browser opens offline and prints.",
        "report.html",
        "text/html",
        ":material/article:",
        _make_report,
    ),
    EvaluationDownload(
        "Table",
        "A row for every image: its file, true and predicted class, loss and probabilities. A CSV file for a spreadsheet or a program of yours.",
        "predictions.csv",
        "text/csv",
        ":material/table:",
        _make_table,
    ),
    EvaluationDownload(
        "Picture",
        "A grid of images from all over the set, each with what the network says of it, mistakes in colour. A PNG file for a slide.",
        "predictions.png",
        "image/png",
        ":material/image:",
        _make_picture,
    ),
)
