"""The verdict on a prediction, and that terminal, JSON, table and HTTP report the same one for one image."""

import asyncio
import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from cnn_core.__main__ import main
from cnn_core.cli.predict import describe_verdict
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import Calibration, save_calibration
from cnn_core.inference.predictions import JUDGED
from cnn_core.inference.verdict import SURE, UNLIKE, UNSURE, judge
from cnn_core.serving.endpoint import Endpoint, RequestLimits
from tests.conftest import Trained


@pytest.mark.parametrize(
    ("probability", "threshold", "distance", "word", "is_sure", "is_unlike"),
    [
        (0.9, 0, None, "", None, None),
        (0.9, 0.9, None, SURE, True, None),
        (0.9, 0.91, None, UNSURE, False, None),
        (0.9, 0, 1.0, "", None, False),
        (0.9, 0.5, 1.01, UNLIKE, True, True),
        (0.9, 0.95, 1.01, UNLIKE, False, True),
    ],
)
def test_a_verdict_follows_from_probability_threshold_and_distance(
    probability: float, threshold: float, distance: float | None, word: str, is_sure: bool | None, is_unlike: bool | None
):
    verdict = judge(probability, threshold, distance)
    assert (verdict.word, verdict.is_sure, verdict.is_unlike) == (word, is_sure, is_unlike)
    assert verdict.fields() == {
        "probability": probability,
        "threshold": threshold or None,
        "is_sure": is_sure,
        "distance": distance,
        "is_unlike_training": is_unlike,
        "verdict": word or None,
    }


def served(folder: Path, content: bytes) -> dict[str, Any]:
    """The response of the endpoint to an image."""

    async def ask() -> bytes:
        endpoint, sent = Endpoint(Classifier(folder), folder.name, RequestLimits()), []
        headers = [(b"host", b"localhost"), (b"content-type", b"image/png"), (b"content-length", str(len(content)).encode())]
        scope = {"type": "http", "path": "/predict", "method": "POST", "headers": headers, "query_string": b"top=10"}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await endpoint(scope, receive, send)
        endpoint.close()
        return b"".join(message.get("body", b"") for message in sent)

    return json.loads(asyncio.run(ask()))


@pytest.mark.parametrize(("threshold", "drawing"), [(0.0, "one"), (1.0, "one"), (0.1, "one"), (0.1, "face")])
def test_terminal_json_table_and_http_report_the_same_verdict(
    digits_copy: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str], threshold: float, drawing: str
):
    save_calibration(digits_copy.folder, Calibration(threshold=threshold))
    page = Image.new("RGB", (200, 200), "white")
    pen = ImageDraw.Draw(page)
    if drawing == "one":
        pen.line([(70, 60), (100, 30), (100, 170)], fill="black", width=20)
    else:
        pen.ellipse((30, 30, 170, 170), outline="black", width=10)
        pen.ellipse((70, 70, 80, 80), outline="black", width=10)
        pen.ellipse((120, 70, 130, 80), outline="black", width=10)
        pen.arc((60, 60, 140, 140), 20, 160, fill="black", width=10)
    page.save(tmp_path / "in.png")
    given = ["predict", digits_copy.id, str(tmp_path / "in.png")]
    assert main([*given, "--json"]) == 0
    (as_json,) = json.loads(capsys.readouterr().out)
    assert main(given) == 0
    line = capsys.readouterr().out
    (tmp_path / "images").mkdir()
    (tmp_path / "in.png").rename(tmp_path / "images" / "in.png")
    assert main([*given[:2], str(tmp_path / "images"), "--csv", str(tmp_path / "out.csv")]) == 0
    (row,) = csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8-sig", newline=""))
    response = served(digits_copy.folder, (tmp_path / "images" / "in.png").read_bytes())
    verdict = Classifier(digits_copy.folder).classify(page).verdict

    assert verdict.word == {"face": UNLIKE, "one": {0.0: "", 1.0: UNSURE, 0.1: SURE}[threshold]}[drawing]
    assert json.dumps(response) == json.dumps({key: value for key, value in as_json.items() if key != "image"})
    assert {name: as_json[name] for name in verdict.fields()} == pytest.approx(verdict.fields())
    assert describe_verdict(verdict) in line and (verdict.word in line)
    assert (row["verdict"] or None, row["predicted"]) == (as_json["verdict"], as_json["class"])
    for name in JUDGED:
        value = json.loads(row[name]) if row[name] else None
        assert value == pytest.approx(as_json[name], rel=1e-5) if isinstance(value, float) else value is as_json[name]
