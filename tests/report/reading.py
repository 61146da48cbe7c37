"""What tests of the report share: evaluations and facts to report on, and a reader of the HTML."""

from html.parser import HTMLParser

import numpy as np

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo, ImageSet, finish
from cnn_core.events import Epoch
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.report.document import EvaluationFacts, RunFacts, write_report


class ReportReader(HTMLParser):
    """A report as a browser reads it: elements, attributes, facts by name, tables by caption."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.figures: dict[str, str] = {}
        self.images: list[tuple[str, str]] = []
        self.captions: list[str] = []
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self._piece = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attributes]
        found = dict(attributes)
        if tag == "img":
            self.images.append((found["src"], found["alt"]))
        if tag == "table":
            self._rows = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("caption", "th", "td", "dt", "dd", "figcaption"):
            self._piece = ""

    def handle_data(self, data):
        self.texts.append(data)
        self._piece += data

    def handle_endtag(self, tag):
        piece = self._piece.replace("\u00a0", " ").strip()
        if tag == "caption":
            self.tables[piece] = self._rows
        elif tag in ("th", "td"):
            self._rows[-1].append(piece)
        elif tag == "dt":
            self._name = piece
        elif tag == "dd":
            self.figures[self._name] = piece
        elif tag == "figcaption":
            self.captions.append(piece)

    @property
    def text(self) -> str:
        return "".join(self.texts).replace("\u00a0", " ")

    def table(self, beginning: str) -> list[list[str]]:
        """The rows, without the head, of the table whose caption begins so."""
        (rows,) = (rows for caption, rows in self.tables.items() if caption.startswith(beginning))
        return rows[1:]


def evaluation_of(classes=5, count=200, seed=0, names=None, sharpness=2.0) -> Evaluation:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    logits = rng.standard_normal((count, classes)).astype(np.float32)
    logits[np.arange(count), labels] += 1.0
    return Evaluation(tuple(names or (f"class{label}" for label in range(classes))), sharpness * logits, labels, key="k")


def images_of(evaluation: Evaluation) -> ImageSet:
    rng = np.random.default_rng(1)
    return ImageSet(rng.integers(0, 256, (len(evaluation), 8, 8, 3), dtype=np.uint8), evaluation.labels)


def epochs_of(count: int) -> list[Epoch]:
    return [
        Epoch(n, 10 * n, 1.5 / n, 1 - 0.5 / n, 1.25 / n, 1 - 0.4 / n, is_best=True, train_seconds=n, seconds=n)
        for n in range(1, count + 1)
    ]


def facts_of(config: TrainConfig | None = None, epochs: int = 3, **chosen) -> RunFacts:
    usual = {
        "id": "0007-digits",
        "name": "",
        "notes": "",
        "tags": (),
        "status": "finished",
        "created": 1.7e9,
        "reported": 1.8e9,
        "parent": "",
        "parent_epoch": None,
        "config": config or make_config(),
        "changes": (),
        "epochs": epochs_of(epochs),
        "summary": {
            "best_epoch": epochs,
            "best_val_accuracy": 0.875,
            "parameters": 505_578,
            "device": "CPU, 2 threads",
            "epochs": 3,
        },
        "trained_on": "abc",
        "versions": {"torch": "9.9.9"},
    }
    return RunFacts(**(usual | chosen))


def evaluated_of(evaluation: Evaluation, images: ImageSet | None = None, **chosen) -> EvaluationFacts:
    info = DataInfo("digits", evaluation.classes, 8, 3, 1000, 200, "abc")
    usual = {"names": lambda indices: [f"cats/{index}.png" for index in indices], "split": "test", "epoch": None, "info": info}
    return EvaluationFacts(evaluation, images or images_of(evaluation), **(usual | chosen))


def report(evaluation: Evaluation | None = None, run: RunFacts | None = None, **chosen) -> tuple[str, ReportReader]:
    evaluation = evaluation or evaluation_of()
    text = finish(write_report(run or facts_of(), evaluated_of(evaluation, **chosen)))
    return text, ReportReader(text)


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}%"
