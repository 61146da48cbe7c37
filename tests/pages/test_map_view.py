"""The view of the map of images: where points lie, what they are coloured by, thumbnails, what is pinned and chosen, and t-SNE when asked."""

import asyncio
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA
from starlette.requests import Request

from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, finish
from cnn_core.execution.in_process import execute
from cnn_core.explain.embedding import compute_features
from cnn_core.home import WEIGHTS
from cnn_core.metrics.evaluation import evaluate_run, load_split
from cnn_core.models.saving import load_model
from cnn_core.text import counted
from pages.charts.image_sheets import GONE, MAX_SHEETS, Sheet, make_sheet, offer, send_sheet
from pages.shared.evaluation_subject import CORRECT, WRONG
from pages.views.evaluate.embedding.colours import CORRECTNESS, PREDICTED, TRUTH, colour_points
from pages.views.evaluate.embedding.details import NEAREST_IMAGES, PINNED, PRESS_A_POINT, SELECTION
from pages.views.evaluate.embedding.view import (
    ABOUT_TSNE,
    DIVERGED,
    ONE_PERPLEXITY,
    PERPLEXITIES,
    TOO_FEW,
    TSNE,
    describe_perplexity,
    perplexities,
)
from tests.helpers import drain

RUN = "0001-digits"
STRANGE = ("<img src=x>", "[a](b)")


def evaluation_of(store):
    return finish(evaluate_run(RUN, store.run(RUN).config, store.home))


def components(at):
    return [json.loads(part.proto.json) for part in at.get("bidi_component")]


def chart(at):
    return next((data for data in components(at) if "sheet" in data), None)


def state_of(at):
    return at.session_state[f"map-{RUN}-None-test"]


def open_map(open_page):
    return open_page("evaluate", split="test", run=RUN, view="Embedding")


def page_text(at):
    return " ".join(caption.value for caption in at.caption)


def test_points_are_at_the_pca_of_their_features_and_show_their_prediction(trained, open_page):
    evaluation = evaluation_of(trained)
    at = open_map(open_page)
    data = chart(at)
    classes = np.array(data["classes"])
    assert data["number"] == list(range(359)) and classes[data["labels"]].tolist() == [str(label) for label in evaluation.labels]
    assert classes[data["predicted"]].tolist() == [str(label) for label in evaluation.predicted]
    np.testing.assert_allclose(data["probability"], evaluation.scores.confidence, atol=1e-4)

    model, card = load_model(trained.home.run_folder(RUN), torch.device("cpu"))
    images = digits_of(trained)
    reference = PCA(2, svd_solver="full").fit(features := finish(compute_features(model, card, images)).astype(np.float64))
    theirs, ours = reference.transform(features), np.stack((data["x"], data["y"]), 1)
    theirs /= np.abs(theirs).max()
    np.testing.assert_allclose(ours, theirs * np.sign((ours * theirs).sum(0)), atol=2e-4)
    for share in reference.explained_variance_ratio_:
        assert f"{share:.0%}" in page_text(at)
    assert not at.exception


def digits_of(store):
    config = store.run(RUN).config
    return finish(load_split(open_source(config.data, store.home), config, "test"))


def test_a_pinned_image_is_shown_with_its_nearest_ones_and_can_be_explained(trained, open_page):
    evaluation = evaluation_of(trained)
    at = open_map(open_page)
    assert at.info[0].value == PRESS_A_POINT
    state_of(at)["pinned"] = 7
    at.run()
    assert chart(at)["pinned"] == 7
    pinned = PINNED.format(
        split="Test",
        index=7,
        truth=evaluation.labels[7],
        predicted=evaluation.predicted[7],
        probability=evaluation.scores.confidence[7],
        verdict=CORRECT if evaluation.is_correct[7] else WRONG,
    )
    assert {pinned, NEAREST_IMAGES} <= {text.value for text in at.markdown}
    at.button(key="map-explain").click().run()
    assert at.query_params["view"] == "Explain" and at.query_params["image"] == "7"
    assert at.number_input[0].value == 7
    assert not at.exception


def test_chosen_images_are_shown_mistakes_first_with_a_way_back(trained, open_page):
    evaluation = evaluation_of(trained)
    wrong = np.flatnonzero(~evaluation.is_correct)[:1].tolist()
    right = np.flatnonzero(evaluation.is_correct)[:4].tolist()
    at = open_map(open_page)
    state_of(at).update(chosen=right + wrong, turn=1)
    at.run()
    assert chart(at)["chosen"] == right + wrong and chart(at)["container"] == "map-chosen-1"
    shown = [image["id"] for data in components(at) if "images" in data for image in data["images"]]
    assert shown == wrong + right
    assert SELECTION.format(images=counted(len(shown), "image")) in [heading.value for heading in at.subheader]
    assert counted(len(wrong), "mistake") in page_text(at)
    at.button(key="map-back").click().run()
    assert chart(at)["chosen"] == [] and chart(at)["container"] == "" and chart(at)["turn"] == 2
    assert not [data for data in components(at) if "images" in data]
    assert not at.exception


def test_a_row_of_the_table_is_pinned(trained, open_page):
    evaluation = evaluation_of(trained)
    at = open_map(open_page)
    assert not at.dataframe
    at.toggle(key="map-table").set_value(True).run()
    table = at.dataframe[0]
    assert table.value["Predicted"].tolist() == [str(label) for label in evaluation.predicted]
    at.session_state[table.key] = {"selection": {"rows": [12], "columns": [], "cells": []}}
    at.run()
    assert chart(at)["pinned"] == 12
    assert not at.exception


def test_tsne_runs_on_request_and_computes_a_new_layout(trained, open_page):
    at = open_map(open_page)
    before = chart(at)
    at.button_group(key="map-method").set_value(TSNE).run()
    assert chart(at) is None and ABOUT_TSNE in page_text(at)
    at.button(key="map-tsne").click().run()
    data = chart(at)
    assert data["number"] == before["number"] and data["id"] != before["id"] and data["isEqual"]
    assert np.abs(np.array(data["x"]) - before["x"]).max() > 0.1
    at.button_group(key="map-perplexity").set_value(5).run()
    assert chart(at) is None and "359" in at.button(key="map-tsne").label
    at.button_group(key="map-perplexity").set_value(30).run()
    assert chart(at)["x"] == data["x"]
    assert not at.exception


@pytest.mark.parametrize(("count", "offered"), [(3, 0), (14, 0), (16, 1), (46, 2), (91, 3), (150, 3), (151, 4)])
def test_only_perplexities_that_the_images_allow_are_offered(count: int, offered: int):
    assert perplexities(count) == list(PERPLEXITIES[:offered])
    text = describe_perplexity(count)
    assert text == (
        TOO_FEW.format(least=4) if count < 4 else ONE_PERPLEXITY.format(count=f"{count} images", perplexity=(count - 1) / 3)
    )


def test_colours_follow_the_chosen_option(trained, open_page):
    evaluation = evaluation_of(trained)
    at = open_map(open_page)
    assert [name for name, _ in chart(at)["groups"]] == [str(digit) for digit in range(10)]
    assert chart(at)["group"] == evaluation.labels.tolist()
    at.button_group(key=f"map-colours-{RUN}").set_value(CORRECTNESS).run()
    assert chart(at)["groups"] == [["correct", 0], ["wrong", 1]]
    assert chart(at)["group"] == (~evaluation.is_correct).astype(int).tolist()
    assert not at.exception


def test_a_network_that_diverged_gives_a_message(own_trained, open_page):
    path = own_trained.home.run_folder(RUN) / WEIGHTS
    saved = torch.load(path, weights_only=True)
    weights = saved.get("model", saved)
    for value in weights.values():
        if value.is_floating_point():
            value.fill_(torch.nan)
    torch.save(saved, path)
    at = open_map(open_page)
    assert at.warning[0].value == DIVERGED and chart(at) is None
    assert not at.exception


def test_a_handful_of_images_with_strange_class_names_has_a_map_too(empty, tmp_path, open_page):
    rng = np.random.default_rng(0)
    for name in STRANGE:
        (tmp_path / "few" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "few" / name / f"{number}.png")
    run = empty.create(make_config(data=str(tmp_path / "few"), epochs=1, batch_size=8, device="cpu"))
    assert execute(empty, run) == "finished"
    at = open_page("evaluate", split="test", run=run, view="Embedding")
    count = len(chart(at)["x"])
    assert 2 <= count <= 6 and {name for name, _ in chart(at)["groups"]} == set(STRANGE)
    at.session_state[f"map-{run}-None-test"]["pinned"] = chart(at)["number"][0]
    at.run()
    assert any("\\<img src=x>" in text.value or "\\[a\\]" in text.value for text in at.markdown)
    assert not any("<img src=x" in part.proto.body for part in at.main.get("html"))
    at.button_group(key="map-method").set_value(TSNE).run()
    at.button(key="map-tsne").click().run()
    assert len(chart(at)["x"]) == count
    assert describe_perplexity(count) in page_text(at)
    assert "map-perplexity" not in [group.key for group in at.button_group]
    assert not at.exception


def test_of_many_classes_those_with_the_most_mistakes_have_colours():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 50, 3000)
    predicted = np.where((truth < 20) & (rng.random(3000) < 0.5), 49, truth)
    names = [f"class {label}" for label in range(1000)]
    found = colour_points(TRUTH, truth, predicted, names)
    assert found.groups == [*((f"class {label}", label) for label in range(20)), ("30 other classes", -1)]
    assert found.group.tolist() == np.minimum(truth, 20).tolist()
    by_predicted = colour_points(PREDICTED, truth, predicted, names)
    shares = np.bincount(by_predicted.group)
    assert ("class 49", 19) in by_predicted.groups and shares.sum() == 3000 and shares[19] == (predicted == 49).sum()


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (32, 3), (100, 3)], ids=["small and grey", "as it is", "large"])
def test_every_thumbnail_is_at_its_position_on_the_sheet(side, channels):
    rng = np.random.default_rng(0)
    tones = rng.integers(0, 256, (7, channels), np.uint8)
    pool = np.ascontiguousarray(np.broadcast_to(tones[:, None, None], (7, side, side, channels)))
    seen, sheet = drain(make_sheet(ImageSet(pool, np.zeros(7, np.int64))))
    shown = np.asarray(Image.open(io.BytesIO(sheet.data)).convert("RGB")).astype(int)
    assert sheet.side == min(side, 32) and sheet.columns == 3 and shown.shape == (3 * sheet.side, 3 * sheet.side, 3)
    assert [(stage.done, stage.total) for stage in seen] == [(0, 7)]
    for row, tone in enumerate(tones):
        top, left = (at * sheet.side + sheet.side // 2 for at in divmod(row, 3))
        assert np.abs(shown[top, left] - tone).max() <= (0 if side < 16 else 12)


def test_a_sheet_keeps_within_a_few_hundred_bytes_an_image():
    rng = np.random.default_rng(0)
    smooth = np.repeat(np.repeat(rng.integers(60, 200, (400, 8, 8, 3), np.uint8), 4, 1), 4, 2)
    assert len(finish(make_sheet(ImageSet(smooth, np.zeros(400, np.int64)))).data) < 400 * 1000


def test_a_sheet_is_served_as_long_as_it_is_offered():
    def send(name):
        return asyncio.run(send_sheet(Request({"type": "http", "path_params": {"name": name}})))

    for number in range(MAX_SHEETS + 1):
        address = offer(Sheet(f"sheet {number}".encode(), 32, 1, f"test-{number}"))
    assert address == f"api/sheets/test-{MAX_SHEETS}.webp"
    last = send(f"test-{MAX_SHEETS}")
    assert (
        last.body == f"sheet {MAX_SHEETS}".encode()
        and last.media_type == "image/webp"
        and "immutable" in last.headers["cache-control"]
    )
    gone = send("test-0")
    assert gone.status_code == 404 and json.loads(gone.body) == {"error": GONE}
