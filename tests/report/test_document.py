"""The report: its figures are the evaluation's, what comes from outside stays text, and the file asks for nothing."""

import base64
import dataclasses
import io
import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, precision_recall_fscore_support, top_k_accuracy_score

from cnn_core.__main__ import _parser
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo, ImageSet, finish
from cnn_core.events import Changed, Epoch
from cnn_core.inference.confidence import Calibration
from cnn_core.metrics.calibration import reliability_of
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.report.curve_svg import round_ticks
from cnn_core.report.document import EvaluationFacts, RunFacts, write_report
from cnn_core.report.settings import chosen_settings, command_line

HOSTILE = '<script>alert(1)</script><img src="https://192.0.2.1/x"> "\'&amp; $body'


class Read(HTMLParser):
    """A report as a browser takes it: elements, addresses, texts by heading, tables by caption."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.figures: dict[str, str] = {}
        self.pictures: list[tuple[str, str]] = []
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
            self.pictures.append((found["src"], found["alt"]))
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


def pictures_of(evaluation: Evaluation) -> ImageSet:
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
        "made": 1.8e9,
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


def looked_at(evaluation: Evaluation, images: ImageSet | None = None, **chosen) -> EvaluationFacts:
    info = DataInfo("digits", evaluation.classes, 8, 3, 1000, 200, "abc")
    usual = {"names": lambda indices: [f"cats/{index}.png" for index in indices], "split": "test", "epoch": None, "info": info}
    return EvaluationFacts(evaluation, images or pictures_of(evaluation), **(usual | chosen))


def report(evaluation: Evaluation | None = None, run: RunFacts | None = None, **chosen) -> tuple[str, Read]:
    evaluation = evaluation or evaluation_of()
    text = finish(write_report(run or facts_of(), looked_at(evaluation, **chosen)))
    return text, Read(text)


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def test_the_figures_are_the_evaluations_own():
    evaluation = evaluation_of()
    labels, said = evaluation.labels, evaluation.logits.argmax(1)
    odds = np.exp(evaluation.logits.astype(np.float64))
    shares = odds / odds.sum(1, keepdims=True)
    _, read = report(evaluation)
    assert read.figures["Test accuracy"].startswith(percent(accuracy_score(labels, said), 2))
    assert read.figures["Top-3 accuracy"] == percent(top_k_accuracy_score(labels, shares, k=3), 2)
    assert read.figures["Test loss"].startswith(f"{log_loss(labels, shares, labels=range(5)):.4f}")
    assert read.figures["Test images"] == "200"
    assert read.figures["Network"] == "epoch 3the best: validation accuracy 87.50 %"
    assert read.figures["Model"] == "SimpleCNN, 505,578 parameters"


def test_the_interval_is_wilsons():
    evaluation = evaluation_of()
    share, n, z = (evaluation.logits.argmax(1) == evaluation.labels).mean(), 200, 1.959964
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    _, read = report(evaluation)
    assert read.figures["Test accuracy"].endswith(f"95 %: {percent(centre - half)} to {percent(centre + half)}")


def test_every_class_and_every_cell_is_told():
    evaluation = evaluation_of()
    labels, said = evaluation.labels, evaluation.logits.argmax(1)
    _, read = report(evaluation)
    figures = zip(*precision_recall_fscore_support(labels, said), strict=True)
    expected = [[f"class{label}", *map(percent, shares), str(support)] for label, (*shares, support) in enumerate(figures)]
    macro = precision_recall_fscore_support(labels, said, average="macro")[:3]
    weighted = precision_recall_fscore_support(labels, said, average="weighted")[:3]
    *rows, of_classes, of_images = read.table("Precision")
    assert rows == expected
    assert of_classes[1:4] == list(map(percent, macro)) and of_images[1:4] == list(map(percent, weighted))
    matrix = read.table("Rows: true class")
    assert [row[0] for row in matrix] == list(evaluation.classes)
    assert np.array([row[1:] for row in matrix], int).tolist() == confusion_matrix(labels, said).tolist()
    wrong = confusion_matrix(labels, said) * (1 - np.eye(5, dtype=int))
    assert [int(row[2]) for row in read.table("Confused most often")] == sorted(wrong.ravel()[wrong.ravel() > 0])[::-1][:10]


def test_of_many_classes_the_most_confused_ones_are_shown_and_no_image_is_lost():
    evaluation = evaluation_of(classes=40, count=400)
    _, read = report(evaluation)
    matrix = read.table("Rows: true class")
    counts = np.array([row[1:] for row in matrix], int)
    assert counts.shape == (16, 16) and counts.sum() == 400 and matrix[-1][0] == "25 others"
    assert len(read.table("Precision")) == 40 + 2


def test_a_class_without_images_has_no_figures():
    labels, logits = np.array([0, 0, 1]), np.eye(3, dtype=np.float32)[[0, 1, 1]]
    _, read = report(Evaluation(("a", "b", "c"), logits, labels))
    assert read.table("Precision")[2] == ["c", "–", "–", "–", "0"]


def test_the_worst_mistakes_are_the_very_pictures_in_the_order_of_their_loss():
    evaluation = evaluation_of()
    images, said = pictures_of(evaluation), evaluation.logits.argmax(1)
    odds = np.exp(evaluation.logits.astype(np.float64))
    shares = odds / odds.sum(1, keepdims=True)
    wrong = np.flatnonzero(said != evaluation.labels)
    worst = wrong[np.argsort(shares[wrong, evaluation.labels[wrong]], kind="stable")][:24]
    _, read = report(evaluation, images=images)
    assert len(read.pictures) == len(worst) == 24
    for (address, alt), caption, index in zip(read.pictures, read.captions, worst, strict=True):
        with Image.open(io.BytesIO(base64.b64decode(address.removeprefix("data:image/png;base64,")))) as image:
            assert np.array_equal(np.asarray(image), images.images[index])
        true = evaluation.labels[index]
        assert alt == f"Test image {index}: predicted class{said[index]}, true class class{true}"
        assert caption.startswith(
            f"class{said[index]} {percent(shares[index].max())}is class{true} {percent(shares[index, true])}"
        )
        assert caption.endswith(f"Test image {index}: cats/{index}.png")


def test_without_a_mistake_it_says_so():
    evaluation = Evaluation(("a", "b"), np.eye(2, dtype=np.float32)[[0, 1]] * 9, np.array([0, 1]))
    _, read = report(evaluation)
    assert "All 2 test images are classified right." in read.text and not read.pictures


def test_whatever_comes_from_outside_stays_text():
    evaluation = evaluation_of(names=[f"{HOSTILE}{label}" for label in range(5)])
    run = facts_of(name=HOSTILE, notes=f"{HOSTILE}\nsecond line\x00", tags=(HOSTILE,), config=make_config(data=f"/x/{HOSTILE}"))
    text, read = report(evaluation, run, names=lambda indices: [f"{HOSTILE}\udcff.png"] * len(indices))
    _, harmless = report(evaluation_of(), facts_of(name="a", notes="b", tags=("c",), config=make_config(data="/x/y")))
    assert read.tags == harmless.tags and "script" not in read.tags
    assert read.text.count(HOSTILE) > 30 and "\x00" not in text
    assert not [value for name, value in read.attributes if name in ("src", "href") and not value.startswith("data:")]
    assert not [name for name, _ in read.attributes if name.startswith("on")]


def test_the_file_asks_for_nothing_and_forbids_it():
    text, read = report()
    (policy,) = (value for _, value in read.attributes if "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;") and "script-src" not in policy
    assert not re.search(r"https?:|url\(|@import|//", re.sub(r"base64,[^\"]*", "", text))
    assert not {"script", "iframe", "object", "embed", "form", "audio", "video"} & set(read.tags)


def test_it_stays_below_two_megabytes_with_a_thousand_classes_and_large_pictures():
    evaluation = evaluation_of(classes=1000, count=2000)
    pool = np.random.default_rng(1).integers(0, 256, (24, 224, 224, 3), dtype=np.uint8)
    images = ImageSet(pool, evaluation.labels, rows=np.arange(2000) % 24)
    text, read = report(evaluation, facts_of(epochs=1000), images=images)
    assert len(text.encode()) < 2_000_000
    assert len(read.pictures) == 24 and read.pictures[0][0].startswith("data:image/jpeg")
    address = read.pictures[0][0].partition("base64,")[2]
    with Image.open(io.BytesIO(base64.b64decode(address))) as image:
        assert image.size == (160, 160)


def test_the_curves_are_drawn_and_written_out():
    _, read = report(run=facts_of(epochs=4))
    assert read.tags.count("svg") == 2 and read.tags.count("title") == 3 and read.tags.count("desc") == 2
    assert read.table("Loss in nats") == [
        [str(e.epoch), f"{e.train_loss:.4f}", f"{e.val_loss:.4f}", percent(e.train_accuracy, 2), percent(e.val_accuracy, 2)]
        for e in epochs_of(4)
    ]
    lines = [value for name, value in read.attributes if name == "points"]
    heights = [float(place.split(",")[1]) for place in lines[0].split()]
    assert len(lines) == 4 and heights == sorted(heights), "a loss that falls is a line that falls"


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_run_of_one_epoch_or_of_none_on_record_can_be_reported(epochs: int):
    _, read = report(run=facts_of(epochs=epochs, summary={}))
    assert ("No epoch of this run is on record." in read.text) == (epochs == 0)


def test_a_network_that_diverged_is_reported_without_its_numbers():
    broken = dataclasses.replace(epochs_of(3)[1], train_loss=float("nan"), val_loss=float("inf"))
    evaluation = Evaluation(("a", "b"), np.full((4, 2), np.nan, np.float32), np.array([0, 1, 0, 1]))
    run = dataclasses.replace(facts_of(), epochs=[epochs_of(1)[0], broken, epochs_of(3)[2]])
    _, read = report(evaluation, run)
    assert read.figures["Test loss"].startswith("–")
    lines = [value for name, value in read.attributes if name == "points"]
    assert [len(line.split()) for line in lines] == [1, 1, 1, 1, 3, 3]


def test_another_part_and_epoch_are_named():
    _, read = report(split="train", epoch=2)
    assert read.figures["Network"].startswith("epoch 2") and "Training accuracy" in read.figures
    assert "learned from the training images" in read.text


@pytest.mark.parametrize(("looks", "is_told"), [(0, False), (4, False), (5, True)])
def test_test_images_that_were_looked_at_for_many_networks_are_said_to_be(looks: int, is_told: bool):
    _, read = report(looks=looks)
    assert (f"looked at for {looks} networks" in read.text) == is_told


def test_the_kept_temperature_is_told_with_what_it_mends():
    evaluation = evaluation_of()
    error = [reliability_of(evaluation.with_temperature(t)).expected_error for t in (1.0, 2.5)]
    _, read = report(evaluation, calibration=Calibration(temperature=2.5, images=321, threshold=0.4))
    assert read.figures["Calibration error"].startswith(percent(error[0]))
    assert read.figures["Calibration error, calibrated"] == percent(error[1]) and error[0] != error[1]
    assert read.figures["Temperature"] == "2.50, fitted on 321 validation images"
    assert "Temperature" not in report(evaluation)[1].figures


def test_data_that_was_corrected_since_training_is_named():
    assert "corrected since training, which used old" in report(run=facts_of(trained_on="old"))[1].figures["Version of the data"]
    assert report()[1].figures["Version of the data"] == "abc"


SETTINGS = [
    {},
    {"data": "cifar10"},
    {"data": "/a b/it's", "flip": "off", "batch_norm": True, "seed": 7},
    {"optimizer": "sgd", "nesterov": False, "learning_rate": 0.1},
    {"model": "resnet18", "schedule": "linear", "knots": "0:0, 0.3:1, 1:0"},
    {"model": "resnet18", "optimizer": "muon", "mirror": True},
]


@pytest.mark.parametrize("chosen", SETTINGS, ids=str)
def test_the_command_line_in_it_starts_a_run_with_the_same_settings(chosen):
    config = make_config(**chosen)
    _, read = report(run=facts_of(config))
    line = next(text for text in read.texts if text.startswith("python -m cnn_core train"))
    assert line == command_line(config)
    args = _parser().parse_args(shlex.split(line)[3:])
    given = {name: value for name in TrainConfig.model_fields if (value := getattr(args, name)) is not None}
    assert make_config(**given) == config


def test_only_what_was_chosen_is_said_to_differ_from_the_defaults():
    assert chosen_settings(make_config()) == {}
    assert chosen_settings(make_config(optimizer="sgd")) == {"optimizer": "sgd"}
    config = make_config(epochs=3, dropout=0.5)
    _, read = report(run=facts_of(config))
    rows = {row[0]: (row[1], row[3]) for row in read.table("Chosen for this run")}
    assert rows == {"Epochs": ("3", "25"), "Dropout": ("0.5", "0.25")}
    assert "All settings are as this data set" in report(run=facts_of(make_config()))[1].text


def test_where_it_began_and_what_was_changed_on_the_way_is_told():
    run = facts_of(parent="0003-digits", parent_epoch=4, changes=(Changed(120, {"learning_rate": 0.0005}),))
    _, read = report(run=run)
    assert read.figures["Began from"] == "0003-digits after epoch 4"
    assert "Changed after step 120: Learning rate 0.0005" in read.text


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.1, 2.37), (61.4, 99.2), (100, 100), (0, 0), (2.302, 2.304), (-3, 5e6)])
def test_axes_have_few_round_numbers_that_hold_all_values(low: float, high: float):
    ticks = round_ticks(low, high)
    assert 2 <= len(ticks) <= 7 and ticks[0] <= low + 1e-9 and ticks[-1] >= high - 1e-9
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[0]) and f"{steps[0]:e}"[0] in "125"
