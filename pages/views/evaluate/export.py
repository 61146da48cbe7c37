"""The Export view: a report, a table of the predictions, and a grid of images with their predictions.

Each file is created on request and cached for the session until the evaluation or the run changes.
"""

import io
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data.imported import ImportedSource, OnDemandSource, image_names
from cnn_core.events import Progress
from cnn_core.inference.confidence import read_calibration
from cnn_core.text import format_bytes
from pages.shared import cache
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.server import get_store
from pages.views.evaluate.summary import EXPORT

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

BEST_MODEL = "the best model"
FileGenerator = Generator[Progress, None, bytes]


@dataclass(frozen=True)
class EvaluationDownload:
    """A file to export. `about` describes it; `make` yields Progress and returns its bytes."""

    title: str
    about: str
    file: str
    mime: str
    icon: str
    make: Callable[[EvaluationSubject, "Evaluation"], FileGenerator]


def show_export(subject: EvaluationSubject) -> None:
    """Show the view."""
    evaluation = subject.evaluation()
    model = BEST_MODEL if subject.epoch is None else f"the model after epoch {subject.epoch}"
    st.markdown(EXPORT.format(model=model, count=len(evaluation), split=SPLITS[subject.split]))
    places = st.grid(len(CARDS), min_column_width=280)
    for card in CARDS:
        with places.container(border=True, height="stretch"):
            st.header(card.title)
            st.write(card.about)
            _show_file(subject, evaluation, card)


def _show_file(subject: EvaluationSubject, evaluation: "Evaluation", card: EvaluationDownload) -> None:
    """Show the button that creates the file or, if it exists, the download button."""
    version = f"{subject.name} {evaluation.key} {subject.run} {read_calibration(subject.folder)}"
    button = partial(
        st.button,
        f"Create {card.title.lower()}",
        icon=card.icon,
        key=f"make-{card.file}-{subject.name}",
        type="primary" if card is CARDS[0] else "secondary",
    )
    cache.compute_or_offer(
        cache.EVALUATION_FILES,
        card.title,
        version,
        button,
        lambda: card.make(subject, evaluation),
        lambda content: _offer(subject, card, content),
    )


def _offer(subject: EvaluationSubject, card: EvaluationDownload, content: bytes) -> None:
    st.download_button(
        f"Download ({format_bytes(len(content))})",
        content,
        file_name=_file_name(subject, card),
        mime=card.mime,
        icon=":material/download:",
        type="primary" if card is CARDS[0] else "secondary",
        on_click="ignore",
        key=f"download-{card.file}",
    )


def _file_name(subject: EvaluationSubject, card: EvaluationDownload) -> str:
    epoch = "" if subject.epoch is None else f"-epoch{subject.epoch}"
    return f"{subject.run.id}{epoch}-{SPLITS[subject.split]}-{card.file}"


def _make_report(subject: EvaluationSubject, evaluation: "Evaluation") -> FileGenerator:
    from cnn_core.report.run_report import report_run

    run = get_store().run(subject.run.id)
    text = yield from report_run(get_store(), run, evaluation, subject.images(), split=subject.split, epoch=subject.epoch)
    return text.encode()


def _make_table(subject: EvaluationSubject, evaluation: "Evaluation") -> FileGenerator:
    from cnn_core.metrics.prediction_table import write_predictions

    file, source = io.BytesIO(), subject.source
    assert isinstance(source, ImportedSource | OnDemandSource)  # all sources are
    yield from write_predictions(evaluation, image_names(source, subject.images()), file)
    return file.getvalue()


def _make_image(subject: EvaluationSubject, evaluation: "Evaluation") -> FileGenerator:
    yield Progress("Drawing the predictions", 0, 1)
    from cnn_core.training.figures import write_predictions_png

    file = io.BytesIO()
    write_predictions_png(subject.images(), evaluation, file, f"{SPLITS[subject.split].capitalize()} accuracy")
    return file.getvalue()


CARDS = (
    EvaluationDownload(
        "Report",
        "Metrics with confidence intervals, settings, curves, confusion matrix, worst mistakes, and how to reproduce the run. An HTML file that any "
        "browser can open offline and print.",
        "report.html",
        "text/html",
        ":material/article:",
        _make_report,
    ),
    EvaluationDownload(
        "Table",
        "A row for each image: file, true class, predicted class, loss and probabilities. A CSV file for spreadsheets and programs.",
        "predictions.csv",
        "text/csv",
        ":material/table:",
        _make_table,
    ),
    EvaluationDownload(
        "Image",
        "A grid of images with their predictions; mistakes are coloured. A PNG file for slides.",
        "predictions.png",
        "image/png",
        ":material/image:",
        _make_image,
    ),
)
