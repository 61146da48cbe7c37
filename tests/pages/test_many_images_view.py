"""Many images in the Gallery: counts and a table as the classifier gives them, messages for refusals, no files left, names stay text."""

import csv
import gc
import html
import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from sklearn.datasets import load_digits

from cnn_core.data.source import finish
from cnn_core.errors import DataError
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import Calibration, save_calibration
from cnn_core.inference.many_images import classify_many
from pages.shared.progress import CANCELLED
from pages.shared.text import plain
from pages.views.gallery import many_images, many_results
from pages.views.gallery.many_images import RESULT
from tests.helpers import is_a_sentence

RUN = "0001-digits"
MARKUP = "!<img src=x onerror=alert(1)>.png"  # the first of them all


def files(count: int = 30) -> dict[str, bytes]:
    """Large handwritten digits in folders named after them, one that says nothing, one that is no image, one in no class's folder."""
    digits = load_digits()
    found = {
        f"{digits.target[n]}/{n:03}.png": encoded(Image.fromarray((digits.images[n] * 15).astype("uint8"))) for n in range(count)
    }
    blank = encoded(Image.new("L", (40, 40)))
    return found | {"blank.png": blank, "3/notes.png": b"no image", MARKUP: found["0/000.png"]}


def encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.resize((80, 80), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def upload(at, content: bytes, name: str = "digits.zip"):
    at.file_uploader[0].upload(name, content, "application/zip").run()
    return at.button(key="classify-all").click().run()


def view(open_page):
    return open_page("gallery", run=RUN, view=many_images.TITLE)


def metrics(at) -> dict[str, str]:
    return {metric.label: metric.value for metric in at.metric}


def left_behind(store) -> list[Path]:
    """Files in the uploads folder of the home."""
    gc.collect()
    return sorted(path for path in (store.home.data / "uploads").rglob("*") if path.is_file())


def test_at_first_the_view_says_what_to_do(trained, open_page):
    at = view(open_page)
    assert at.info[0].value == many_images.EMPTY_TEXT
    assert at.button(key="classify-all").disabled
    assert not at.exception


def test_a_zip_gets_the_predictions_of_its_single_images(own_trained, open_page):
    save_calibration(own_trained.home.run_folder(RUN), Calibration(threshold=0.9))
    at = upload(view(open_page), zipped(files()))
    assert not at.exception and not at.error
    (table,) = left_behind(own_trained)  # and not the upload
    rows = {row["file"]: row for row in csv.DictReader(table.open(encoding="utf-8-sig", newline=""))}
    assert rows.keys() == files().keys()
    classifier = Classifier(own_trained.home.run_folder(RUN))
    for name, row in rows.items():
        if row["predicted"]:
            ranked = classifier.classify(Image.open(io.BytesIO(files()[name])).convert("RGB")).ranked
            assert row["predicted"] == ranked[0][0] and float(row["probability"]) == pytest.approx(ranked[0][1], abs=1e-5)
    answered = {name: row for name, row in rows.items() if row["predicted"]}
    right = sum(name.split("/")[0] == row["predicted"] for name, row in answered.items())
    assert metrics(at) == {
        many_results.CLASSIFIED: "31",
        many_results.UNSURE_LABEL: str(sum(float(row["probability"]) < 0.9 for row in answered.values())),
        many_results.UNLIKE_LABEL: str([row["is_unlike_training"] for row in answered.values()].count("true")),
        many_results.FAILED: "2",
        "Accuracy (30 images)": f"{right / 30:.1%}",
    }
    assert len(at.get("plotly_chart")) == 1 and len(at.get("download_button")) == 1


def test_the_least_confident_images_come_first_and_names_are_escaped(own_trained, open_page):
    at = upload(view(open_page), zipped(files()))
    (table,) = left_behind(own_trained)
    rows = [row for row in csv.DictReader(table.open(encoding="utf-8-sig", newline="")) if row["predicted"]]
    shown = at.main.get("html")[0].value
    assert shown.count("<figure") == 24 and at.get("pagination")[0].num_pages == 2
    least = min(rows, key=lambda row: float(row["probability"]))["file"]
    assert shown.index(f"<small>{html.escape(least)}</small>") == shown.index("<small>")
    at.button_group(key="many-order").set_value(many_results.FIRST).run()
    first = at.main.get("html")[0].value
    assert f"<small>{html.escape(rows[0]['file'])}</small>" in first
    assert "<img src=x" not in shown + first and html.escape(MARKUP) in first
    assert set(at.dataframe[0].value["File"]) == {"blank.png", "3/notes.png"}
    assert all(map(is_a_sentence, at.dataframe[0].value["Reason"]))


def test_another_run_replaces_the_table_and_a_lost_session_leaves_none(own_trained, open_page):
    at = upload(view(open_page), zipped(files(5)))
    (before,) = left_behind(own_trained)
    upload(at, zipped(files(3)))
    assert metrics(at)[many_results.CLASSIFIED] == "4"
    (after,) = left_behind(own_trained)
    assert after != before and not before.parent.exists()
    del at.session_state[RESULT]
    assert left_behind(own_trained) == []


def refusal(path: Path, store) -> str:
    """What the page should show of the error that the engine raises for this path."""
    with pytest.raises(DataError) as refused:
        finish(classify_many(path, Classifier(store.home.run_folder(RUN)), path.parent / "predictions.csv"))
    return f"{many_images.REFUSED} {plain(refused.value)}"


@pytest.mark.parametrize(
    "content",
    [b"no archive", zipped({"a.txt": b"a"}), zipped({"a/../../a.png": b"a"})],
    ids=["no zip", "no images", "outside"],
)
def test_an_archive_that_cannot_be_used_is_refused_with_a_message_and_leaves_nothing(own_trained, open_page, tmp_path, content):
    (tmp_path / "digits.zip").write_bytes(content)
    at = upload(view(open_page), content, "digits.zip")
    assert at.error[0].value == refusal(tmp_path / "digits.zip", own_trained) and is_a_sentence(at.error[0].value)
    assert not at.metric and not at.exception and left_behind(own_trained) == []


def test_a_path_on_the_server_is_classified_and_left_as_it_was(own_trained, open_page, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(files(1)["0/000.png"])
    at = view(open_page)
    at.button_group(key="many-source").set_value(many_images.PATH).run()
    for path, error in (
        (tmp_path / "nowhere", refusal(tmp_path / "nowhere", own_trained)),
        ("~nobody-here/a", many_images.REFUSED),
    ):
        at.text_input(key="many-path").set_value(str(path)).run()
        at.button(key="classify-all").click().run()
        assert at.error[0].value.startswith(error) and not at.exception
    at.text_input(key="many-path").set_value(str(tmp_path / "in")).run()
    at.button(key="classify-all").click().run()
    assert metrics(at)[many_results.CLASSIFIED] == "1" and not at.error
    assert (tmp_path / "in" / "a.png").exists()


def test_a_cancelled_start_says_so_and_leaves_nothing(own_trained, open_page):
    at = view(open_page)
    at.file_uploader[0].upload("digits.zip", zipped(files()), "application/zip").run()
    at.session_state[CANCELLED] = f"many-{RUN}"  # what a press on Cancel leaves
    at.run()
    assert many_images.CANCELLED_TEXT in [info.value for info in at.info]
    at.button(key="classify-all").click().run()
    assert metrics(at)[many_results.CLASSIFIED] == "31" and many_images.CANCELLED_TEXT not in [info.value for info in at.info]


def test_interrupted_work_leaves_nothing(own_trained, tmp_path, monkeypatch):
    """Streamlit ends a page that is left or cancelled by an exception outside Exception, raised at the progress bar."""

    class Left(BaseException):
        pass

    def leave(steps, name):
        next(steps), next(steps)
        steps.close()
        raise Left

    monkeypatch.setenv("CNN_STUDIO_HOME", str(own_trained.home.root))
    monkeypatch.setattr(many_images, "run_with_progress", leave)
    (tmp_path / "in.zip").write_bytes(zipped(files()))
    with pytest.raises(Left):
        many_images.classify_path(own_trained.run(RUN), Classifier(own_trained.home.run_folder(RUN)), tmp_path / "in.zip")
    assert left_behind(own_trained) == []
