"""Many images at once: the same predictions as one by one, hostile files refused by name, a table for spreadsheets, little memory."""

import csv
import json
import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnn_core.data import archive
from cnn_core.data.archive import NOT_AN_ARCHIVE
from cnn_core.data.decoder import MAX_BYTES, MAX_PIXELS, TOO_MANY_PIXELS, read_image
from cnn_core.data.listing import NOT_A_SOURCE
from cnn_core.errors import DataError, RunError
from cnn_core.home import WEIGHTS
from cnn_core.inference import many_images
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import Calibration, save_calibration
from cnn_core.inference.many_images import classify_many
from cnn_core.inference.predictions import (
    SHOWN,
    TOP,
    ImagePrediction,
    PredictionSummary,
    UnreadFile,
    column_names,
    to_row,
)
from cnn_core.inference.preprocessing import BLANK
from cnn_core.inference.verdict import SURE, UNSURE, Verdict
from cnn_core.models.saving import save_state
from tests.conftest import Trained
from tests.data.imports import Entry, craft_zip, encoded, noise, write_folder, write_zip
from tests.helpers import COLOURS, drain, is_a_sentence, noisy_image, start_process

MEASURED = """
import json, sys
from pathlib import Path
from cnn_core.inference.many_images import classify_many
from cnn_core.inference.classifier import Classifier
def resident():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
classifier = Classifier(Path(sys.argv[1]))
classifier.probabilities(__import__("numpy").zeros((256, 16, 16, 3), "uint8"))
before, steps = resident(), classify_many(Path(sys.argv[2]), classifier, Path(sys.argv[3]))
try:
    while True:
        next(steps)
except StopIteration as end:
    print(json.dumps([end.value.answered, end.value.unread, resident() - before]))
"""


def colours(count: int = 4) -> dict[str, bytes]:
    """Images of many sizes and kinds, some in folders named like classes."""
    rng = np.random.default_rng(7)
    sizes = [(16, 16), (40, 30), (9, 50), (200, 120)]
    return {
        f"{folder}{name}{number}.{kind.lower()}": encoded(noisy_image(colour, sizes[number % 4], rng), kind)
        for folder in ("red/", "green/deep/", "")
        for name, colour in COLOURS.items()
        for number, kind in zip(range(count), ("PNG", "JPEG", "WEBP", "BMP"), strict=False)
    }


def answer(source: Path, trained: Trained, tmp_path: Path) -> tuple[PredictionSummary, list[dict[str, str]]]:
    """The tally, and the rows of the table, which is all that is left on the disk."""
    table = tmp_path / "out" / "answers.csv"
    table.parent.mkdir(exist_ok=True)
    _, tally = drain(classify_many(source, Classifier(trained.folder), table))
    assert list(table.parent.iterdir()) == [table]
    return tally, list(csv.DictReader(table.open(encoding="utf-8-sig", newline="")))


def refusal(source: Path, trained: Trained, tmp_path: Path) -> str:
    with pytest.raises(DataError) as caught:
        answer(source, trained, tmp_path)
    assert is_a_sentence(caught.value) and not list((tmp_path / "out").iterdir())
    return str(caught.value)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_the_predictions_are_those_of_one_image_at_a_time(kind: str, colours_run: Trained, tmp_path: Path):
    files, classifier = colours(), Classifier(colours_run.folder)
    source = write_folder(tmp_path / "in", files) if kind == "folder" else write_zip(tmp_path / "in.zip", files)
    tally, rows = answer(source, colours_run, tmp_path)
    assert [row["file"] for row in rows] == sorted(files)
    for row in rows:
        ranked = classifier.classify(read_image(files[row["file"]], "it")).ranked
        assert row["predicted"] == ranked[0][0] and row["verdict"] == row["problem"] == "", "no threshold was set"
        assert float(row["probability"]) == pytest.approx(ranked[0][1], abs=1e-5)
        reported = {name: float(row[f"probability of {name}"]) for name, _ in ranked}
        assert reported == pytest.approx(dict(ranked), abs=1e-5)
    assert tally.answered == len(files) and not tally.unread
    assert tally.predicted.tolist() == [sum(row["predicted"] == name for row in rows) for name in tally.classes]


def test_digits_are_preprocessed_as_a_single_drawing_is(digits_run: Trained, tmp_path: Path):
    page = Image.new("RGB", (120, 90), "white")
    page.paste("black", (40, 20, 60, 70))
    files = {"one.png": encoded(page), "blank.png": encoded(Image.new("RGB", (50, 50), "white"))}
    tally, rows = answer(write_zip(tmp_path / "in.zip", files), digits_run, tmp_path)
    blank, one = rows
    assert one["predicted"] == Classifier(digits_run.folder).classify(page).ranked[0][0]
    assert BLANK in blank["problem"] and not blank["predicted"]
    assert (tally.answered, tally.unread) == (1, 1)


def test_predictions_below_the_threshold_are_not_sure(colours_copy: Trained, tmp_path: Path):
    source = write_folder(tmp_path / "in", colours())
    _, rows = answer(source, colours_copy, tmp_path)
    threshold = float(np.median([float(row["probability"]) for row in rows]))
    save_calibration(colours_copy.folder, Calibration(threshold=threshold))
    tally, after = answer(source, colours_copy, tmp_path)
    reported = [row["verdict"] for row in after]
    assert reported == [SURE if float(row["probability"]) >= threshold else UNSURE for row in rows]
    assert tally.unsure == reported.count(UNSURE) > 0


def test_accuracy_is_of_the_images_in_folders_named_like_a_class(colours_run: Trained, tmp_path: Path):
    tally, rows = answer(write_folder(tmp_path / "in", colours()), colours_run, tmp_path)
    expected = {row["file"]: row["file"].split("/")[0] if "/" in row["file"] else "" for row in rows}
    assert {row["file"]: row["folder_class"] for row in rows} == expected
    inside = [row for row in rows if row["folder_class"]]
    assert tally.in_folders == len(inside) == 32
    assert tally.accuracy == np.mean([row["folder_class"] == row["predicted"] for row in inside])
    nearest = {f"green/{name}": content for name, content in colours(1).items() if name.startswith("red/")}
    again, _ = answer(write_folder(tmp_path / "nested", nearest), colours_run, tmp_path)
    assert again.right == sum(
        row["predicted"] == "red" for row in inside if row["file"] in nearest or f"green/{row['file']}" in nearest
    )


def test_without_such_folders_there_is_no_accuracy(colours_run: Trained, tmp_path: Path):
    tally, _ = answer(write_folder(tmp_path / "in", {"a.png": encoded(noise(1))}), colours_run, tmp_path)
    assert tally.accuracy is None and tally.in_folders == 0


def test_links_are_followed_and_names_are_read_as_in_an_import(colours_run: Trained, tmp_path: Path):
    files = {name: content for name, content in colours().items() if name.startswith("red/")}
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "red").symlink_to(write_folder(tmp_path / "in", files) / "red", target_is_directory=True)
    (linked / "broken").symlink_to(tmp_path / "nowhere")
    tally, rows = answer(linked, colours_run, tmp_path)
    assert tally.in_folders == len(files) and {row["file"] for row in rows if row["problem"]} == {"broken"}
    windows = [Entry(name.replace("/", "\\").encode(), content) for name, content in files.items()]
    assert answer(craft_zip(tmp_path / "windows.zip", windows), colours_run, tmp_path)[0].in_folders == len(files)


HOSTILE = {
    "../out.png": (archive.OUTSIDE, {}),
    "/tmp/out.png": (archive.ABSOLUTE, {}),
    "a\\out.png": (archive.BACKSLASHES, {}),
    "link.png": (archive.LINK_MEMBER, {"mode": 0o120777}),
    "secret.png": (archive.ENCRYPTED_MEMBER, {"flags": 1}),
    "odd.png": (archive.UNSUPPORTED, {"method": 12}),
    "short.png": (archive.WRONG_SIZE, {"size": 10}),
    "crc.png": (archive.WRONG_SIZE, {"crc": 1}),
    "large.png": ("larger than 64 MB", {"size": MAX_BYTES + 1}),
    "again.png": (archive.OVERLAPS, {"offset": 0}),
}


def test_hostile_members_are_refused_by_name_and_the_rest_classified(colours_run: Trained, tmp_path: Path):
    good = [Entry(name.encode(), content) for name, content in colours(2).items()]
    bad = [Entry(name.encode(), encoded(noise(3)), **how) for name, (_, how) in HOSTILE.items()]
    text = [Entry(b"fake.png", b"these are no pixels"), Entry(b"cut.png", encoded(noise(2))[:90]), Entry(b"notes.txt", b"hello")]
    before = set(tmp_path.parent.iterdir())
    tally, rows = answer(
        craft_zip(tmp_path / "in.zip", [Entry(b"first.png", encoded(noise(3))), *good, *bad, *text]), colours_run, tmp_path
    )
    problems = {row["file"]: row["problem"] for row in rows if row["problem"]}
    others = {"fake.png", "cut.png", "notes.txt", "first.png"}  # "again" says that it is where "first" is
    assert problems.keys() == {*HOSTILE, *others}
    assert all(text in problems[name] for name, (text, _) in HOSTILE.items())
    assert all(is_a_sentence(problem) for problem in problems.values())
    assert tally.answered == len(good) and tally.unread == len(problems)
    assert {one.file: one.problem for one in tally.problems} == problems
    assert set(tmp_path.parent.iterdir()) == before and not Path("/tmp/out.png").exists()


def test_bombs_are_refused_with_a_message(colours_run: Trained, tmp_path: Path):
    wide = encoded(Image.new("1", (9000, 9000)))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = b"".join(packer.compress(bytes(2**20)) for _ in range(100)) + packer.flush()

    class Bomb(Entry):
        def raw(self) -> bytes:
            return raw

    entries = [Bomb(b"bomb.png", b"", size=1000), Entry(b"wide.png", wide), Entry(b"good.png", encoded(noise(1)))]
    tally, rows = answer(craft_zip(tmp_path / "in.zip", entries), colours_run, tmp_path)
    assert tally.answered == 1 and [bool(row["problem"]) for row in rows] == [True, False, True]
    assert TOO_MANY_PIXELS.format(millions=MAX_PIXELS // 10**6) in rows[2]["problem"]


def test_no_name_of_a_file_or_class_becomes_a_formula_or_leaves_its_cell(colours_run: Trained, tmp_path: Path):
    names = ('=HYPERLINK("http:x").png', "+1.png", "-1.png", "@sum.png", 'a,"b".png', "line\nbreak.png")
    source = write_folder(tmp_path / "in", {name: encoded(noise(number)) for number, name in enumerate(names)})
    _, rows = answer(source, colours_run, tmp_path)
    assert len(rows) == len(names)
    assert not [row["file"] for row in rows if row["file"].startswith(("=", "+", "-", "@"))]
    assert {'a,"b".png', "line?break.png", "'+1.png"} <= {row["file"] for row in rows}


def test_a_source_without_images_is_refused_with_an_example(colours_run: Trained, tmp_path: Path):
    source = write_folder(tmp_path / "in", {"notes.txt": b"hello"})
    assert "notes.txt" in refusal(source, colours_run, tmp_path)
    assert NOT_AN_ARCHIVE in refusal(source / "notes.txt", colours_run, tmp_path)
    assert NOT_A_SOURCE in refusal(tmp_path / "nowhere", colours_run, tmp_path)


def test_more_files_than_are_taken_are_refused(colours_run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(many_images, "MAX_FILES", 5)
    assert many_images.TOO_MANY_FILES.format(limit=5) in refusal(write_folder(tmp_path / "in", colours()), colours_run, tmp_path)


def test_a_table_that_cannot_be_written_is_refused(colours_run: Trained, tmp_path: Path):
    source = write_folder(tmp_path / "in", colours(1))
    with pytest.raises(DataError, match=str(tmp_path / "no" / "answers.csv")) as caught:
        drain(classify_many(source, Classifier(colours_run.folder), tmp_path / "no" / "answers.csv"))
    assert is_a_sentence(caught.value)


def test_a_model_that_diverged_has_no_predictions(colours_copy: Trained, tmp_path: Path):
    state = torch.load(colours_copy.folder / WEIGHTS, weights_only=True)
    save_state(colours_copy.folder, {name: torch.full_like(value, torch.nan) for name, value in state.items()})
    with pytest.raises(RunError, match=many_images.DIVERGED) as caught:
        answer(write_folder(tmp_path / "in", colours(1)), colours_copy, tmp_path)
    assert is_a_sentence(caught.value) and not list((tmp_path / "out").iterdir())


def test_progress_counts_every_file_and_work_that_is_ended_leaves_nothing(
    colours_run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(many_images, "LARGEST_BATCH", 5)
    source, table = write_folder(tmp_path / "in", colours()), tmp_path / "answers.csv"
    seen, _ = drain(classify_many(source, Classifier(colours_run.folder), table))
    done = [step.done for step in seen if step.stage == many_images.CLASSIFYING]
    assert done == sorted(done) and set(done) - {0} == {*range(5, 48, 5), 48} and seen[-1].total == 48
    table.unlink()
    steps, threads = classify_many(source, Classifier(colours_run.folder), table), threading.active_count()
    while next(steps).done < 10:
        pass
    steps.close()
    assert threading.active_count() == threads and list(tmp_path.iterdir()) == [source]


def test_of_many_classes_the_most_probable_are_listed():
    classes = tuple(f"class {number}" for number in range(30))
    shares = np.random.default_rng(0).dirichlet(np.ones(30)).astype(np.float32)
    one = ImagePrediction("a.png", np.zeros((2, 2, 3), np.uint8), shares, Verdict(float(shares.max())), None)
    row = dict(zip(column_names(classes), to_row(one, classes), strict=True))
    best = sorted(range(30), key=lambda label: -shares[label])[:TOP]
    assert [row[f"class_{place}"] for place in (1, 2, 3)] == [classes[label] for label in best]
    assert [row[f"probability_{place}"] for place in (1, 2, 3)] == pytest.approx(shares[best].tolist(), rel=1e-5)
    assert len(to_row(UnreadFile("b.png", "No."), classes)) == len(column_names(classes))


def test_the_first_and_the_least_sure_images_are_remembered_and_no_others():
    rng, tally = np.random.default_rng(1), PredictionSummary(("a", "b"))
    shares = rng.uniform(0.5, 1, 500).round(2).astype(np.float32)  # rounded: many are equally probable
    for number, share in enumerate(shares):
        batch = np.full((9, 2, 2, 1), number % 256, np.uint8)
        tally.add(ImagePrediction(f"{number}", batch[0], np.array([share, 1 - share]), Verdict(share), None))
    assert [one.file for one in tally.first] == [str(number) for number in range(SHOWN)]
    assert [int(one.file) for one in tally.least_sure] == np.argsort(shares, kind="stable")[:SHOWN].tolist()
    assert all(one.pixels.base is None for one in (*tally.first, *tally.least_sure)), "no batch is kept for one of its images"


def test_the_memory_does_not_grow_with_the_images(colours_run: Trained, tmp_path: Path):
    content = encoded(Image.new("RGB", (900, 900), "red"), "JPEG")  # 2.4 MB decoded, 200 of them half a GB
    with zipfile.ZipFile(tmp_path / "big.zip", "w") as archive:
        for number in range(200):
            archive.writestr(f"red/{number:04}.jpg", content)
        for number in range(1000):
            archive.writestr(f"small/{number:04}.png", encoded(Image.new("RGB", (16, 16), (number % 256, 0, 0))))
    process = start_process(
        colours_run.home, "-c", MEASURED, str(colours_run.folder), str(tmp_path / "big.zip"), str(tmp_path / "big.csv")
    )
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    answered, unread, grown = json.loads(out)
    assert (answered, unread) == (1200, 0) and grown < 100, f"{grown:.0f} MB"
    assert sum(1 for _ in (tmp_path / "big.csv").open()) == 1201
