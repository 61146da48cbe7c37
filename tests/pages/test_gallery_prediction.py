"""The prediction for an image: alone, with test-time augmentation, with Grad-CAM, beside other runs, and with the nearest training images."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from cnn_core.config.defaults import make_config
from cnn_core.data.digits import read_digits
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.set_bin import remove_set
from cnn_core.data.source import finish
from cnn_core.execution.in_process import execute
from cnn_core.explain.nearest_images import PREFIX, compute_image_features, open_feature_bank
from cnn_core.home import CONFIG, EVALUATIONS, WEIGHTS
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import Calibration, save_calibration
from cnn_core.inference.preprocessing import preprocess
from cnn_core.inference.tta import classify_averaged
from cnn_core.inference.verdict import UNSURE
from cnn_core.metrics.distribution_fit import fit_distribution
from cnn_core.models.saving import load_model, save_weights
from cnn_core.runs.store import Store
from cnn_core.text import counted
from pages.charts.predictions import compared_probability_bars
from pages.shared.data_and_model import COLOUR, GREY
from pages.shared.progress import CANCELLED
from pages.views.gallery.classification import ALSO_FLIPPED, CORNERS, HEATMAP_NOTE, INK_DIRECTIONS, VIEWS
from pages.views.gallery.nearest_images import CANCELLED_TEXT, ERROR_TEXT, work_name
from pages.views.gallery.prediction import CALIBRATED, HEATMAP_ALT, MODEL_INPUT, NO_COMMON_CLASSES, UNLIKE_TEXT
from tests.helpers import tiny_config, write_images

RUN = "0001-digits"
Show = Callable[..., AppTest]


def script(run: str, path: str) -> None:
    """A page that shows only the prediction."""
    from pathlib import Path

    from cnn_core.data.decoder import read_image
    from pages.shared.server import get_store
    from pages.views.gallery.prediction import show_prediction

    show_prediction(get_store().run(run), read_image(Path(path), "The image"))


@pytest.fixture
def show(tmp_path: Path) -> Show:
    """show(image, run): the prediction for that image, as an AppTest."""

    def show_(image: Image.Image, run: str = RUN) -> AppTest:
        image.save(tmp_path / "given.png")
        return AppTest.from_function(script, default_timeout=120, args=(run, str(tmp_path / "given.png"))).run()

    return show_


def zero() -> Image.Image:
    """A handwritten 0 that no network has learned from, large."""
    images, labels = read_digits(Path())["test"]
    return Image.fromarray(images[labels == 0][0].squeeze()).resize((160, 160), Image.Resampling.BICUBIC).convert("RGB")


def second_digits(store: Store, *, weights: float = 1.0) -> str:
    """Another run on the digits: the first one's network with its weights multiplied."""
    run = store.create(make_config(data="digits"))
    folder = store.home.run_folder(run)
    shutil.copytree(store.home.run_folder(RUN), folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(CONFIG, EVALUATIONS))
    model, _ = load_model(folder, torch.device("cpu"))
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(weights)
    save_weights(folder, model)
    return run


def captions(at: AppTest) -> str:
    return "\n".join(caption.value for caption in at.caption)


def charts(at: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def views(count: int, shift: str, directions: str, flipped: str = "") -> str:
    return VIEWS.format(views=count, shift=shift, directions=directions, flipped=flipped)


def toggle(at: AppTest, name: str) -> AppTest:
    return at.toggle(key=f"answer-{name}").set_value(True).run()


def html_texts(at: AppTest) -> str:
    return "".join(element.value for element in at.main.get("html"))


def test_without_extras_only_the_prediction_is_computed_and_no_other_run_is_offered(own_trained: Store, show: Show):
    at = show(zero())
    folder = own_trained.home.run_folder(RUN)
    name, probability = Classifier(folder).classify(zero()).ranked[0]
    assert [metric.value for metric in at.metric] == [name] == ["0"]
    assert f"{probability:.1%}" in captions(at)
    assert [switch.value for switch in at.toggle] == [False] * 3 and not at.multiselect
    assert html_texts(at).count("<img") == 1 and not list((folder / EVALUATIONS).glob(f"{PREFIX}*"))
    assert not at.exception


def test_noise_is_said_to_be_unlike_the_training_images_and_a_digit_is_not(own_trained: Store, show: Show):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    finish(fit_distribution(RUN, own_trained.run(RUN).config, own_trained.home))
    Path(own_trained.home.run_folder(RUN) / WEIGHTS).touch()  # opens the model again
    assert len(badges(show(noise))) == 1 and not badges(show(zero()))


def badges(at: AppTest) -> list[str]:
    return [element.value for element in at.markdown if UNLIKE_TEXT in element.value]


def test_an_average_over_views_equals_that_of_cnn_core_and_names_its_number_of_views(trained: Store, show: Show):
    expected = classify_averaged(Classifier(trained.home.run_folder(RUN)), zero(), may_mirror=True)
    at = toggle(show(zero()), "average")
    assert f"{expected.prediction.ranked[0][1]:.1%}" in captions(at)
    assert views(5, counted(1, "pixel"), INK_DIRECTIONS) in captions(at)
    assert not at.exception


def test_the_heatmap_lies_over_the_model_input(trained: Store, show: Show):
    at = show(zero())
    before = html_texts(at)
    toggle(at, "heat")
    assert html_texts(at) != before and HEATMAP_ALT.format(name=0) in html_texts(at)
    notes = [HEATMAP_NOTE.format(name=0, height=side, width=side, coarse="") for side in range(3, 33)]
    assert len([caption for caption in at.caption if caption.value in notes]) == 1
    assert not at.exception


def test_the_nearest_training_images_are_shown_with_class_and_similarity_and_are_kept(own_trained: Store, show: Show):
    at = toggle(show(zero()), "nearest")
    folder = own_trained.home.run_folder(RUN)
    bank = finish(open_feature_bank(RUN, own_trained.run(RUN).config, own_trained.home))
    model, card = load_model(folder, torch.device("cpu"))
    rows, cosines = bank.nearest(compute_image_features(model, card, preprocess(zero(), card)), 6)
    shown = html_texts(at)
    assert shown.count("<figcaption") == 6
    for row, cosine in zip(rows, cosines, strict=True):
        assert f"<figcaption>{bank.images.labels[row]} · {cosine:.2f}</figcaption>" in shown
    assert re.search(rf"\b{len(bank.images):,}\b", captions(at))
    assert len(list((folder / EVALUATIONS).glob(f"{PREFIX}*"))) == 1
    assert not at.exception


def test_reading_the_training_images_can_be_cancelled_and_restarted_beside_the_prediction(own_trained: Store, show: Show):
    at = show(zero())
    at.session_state[CANCELLED] = work_name(RUN)
    toggle(at, "nearest")
    assert [metric.value for metric in at.metric] == ["0"] and at.info[0].value == CANCELLED_TEXT
    assert not list((own_trained.home.run_folder(RUN) / EVALUATIONS).glob(f"{PREFIX}*"))
    at.button(key=f"again-{work_name(RUN)}").click().run()
    assert html_texts(at).count("<figcaption") == 6 and not at.info
    assert not at.exception


def test_the_prediction_is_shown_although_training_images_are_missing(empty: Store, show: Show, tmp_path: Path):
    run = empty.create(tiny_config(write_images(tmp_path / "pictures")))
    assert execute(empty, run) == "finished"
    shutil.rmtree(tmp_path / "pictures")
    shutil.rmtree(empty.home.data)
    at = toggle(show(Image.new("RGB", (40, 40), "red"), run), "nearest")
    assert len(at.metric) == 1 and ERROR_TEXT in at.info[0].value
    assert not at.exception


def test_a_data_set_in_the_bin_is_restored_beside_the_prediction_and_its_nearest_images_are_shown(
    empty: Store, show: Show, tmp_path: Path
):
    finish(import_files("pets", write_images(tmp_path / "pictures"), ImportOptions(), empty.home))
    run = empty.create(tiny_config(tmp_path, data="pets"))
    assert execute(empty, run) == "finished"
    remove_set("pets", empty.home)
    at = toggle(show(Image.new("RGB", (40, 40), "red"), run), "nearest")
    assert len(at.metric) == 1 and ERROR_TEXT in at.info[0].value
    at.button(key="restore-set-pets").click().run()
    assert html_texts(at).count("<figcaption") == 6 and not at.info
    assert not at.exception


def test_predictions_of_runs_with_the_same_classes_are_in_one_chart_each_with_its_calibration(own_trained: Store, show: Show):
    other = second_digits(own_trained, weights=0.9)
    save_calibration(own_trained.home.run_folder(other), Calibration(temperature=3.0, images=9, threshold=1.0))
    at = show(zero())
    at.multiselect[0].set_value([other]).run()
    assert [metric.value for metric in at.metric] == ["0", UNSURE.capitalize()]
    assert CALIBRATED.format(temperature=3) in captions(at)
    (chart,) = charts(at)
    for bars, run in zip(chart["data"], (RUN, other), strict=True):
        ranked = dict(Classifier(own_trained.home.run_folder(run)).classify(zero()).ranked)
        assert bars["name"] == run and bars["y"][0] == "0"
        assert bars["text"] == [f"{ranked[name]:.1%}" for name in bars["y"]]
    assert not at.exception


def test_an_ink_and_a_colour_run_preprocess_the_same_image_each_in_its_own_way(own_trained: Store, show: Show, tmp_path: Path):
    colours = own_trained.create(tiny_config(write_images(tmp_path / "pictures"), epochs=1))
    assert execute(own_trained, colours) == "finished"
    at = show(zero())
    at.multiselect[0].set_value([colours]).run()
    assert len(at.metric) == 2 and len(charts(at)) == 2
    inputs = {MODEL_INPUT.format(side=32, colour=GREY), MODEL_INPUT.format(side=16, colour=COLOUR)}
    assert inputs <= {caption.value for caption in at.caption} and NO_COMMON_CLASSES in captions(at)
    at.toggle(key="answer-average").set_value(True).run()
    assert views(5, counted(1, "pixel"), INK_DIRECTIONS) in captions(at)
    assert views(10, counted(1, "pixel"), CORNERS, ALSO_FLIPPED) in captions(at)
    assert not at.exception


@pytest.mark.parametrize("fault", ["damaged", "diverged"])
def test_a_run_that_cannot_answer_gives_a_message_and_the_others_answer(own_trained: Store, show: Show, fault: str):
    other = second_digits(own_trained, weights=float("nan") if fault == "diverged" else 1.0)
    if fault == "damaged":
        (own_trained.home.run_folder(other) / WEIGHTS).write_bytes(b"no weights")
    at = show(zero())
    at.multiselect[0].set_value([other]).run()
    assert [metric.value for metric in at.metric] == ["0"]
    (alert,) = [*at.error, *at.warning]
    assert fault in alert.value
    assert not at.exception


def test_a_blank_image_gives_a_message_with_any_extra(trained: Store, show: Show):
    at = show(Image.new("RGB", (60, 60)))
    for name in ("average", "heat", "nearest"):
        toggle(at, name)
    assert len(at.warning) == 1 and not at.metric
    assert not at.exception


def test_names_of_classes_and_runs_are_letters_in_the_chart_of_several_runs():
    chart = compared_probability_bars(
        {"<b>mine</b>": {"<i>a</i>": 0.2, "b": 0.8}, "other": {"b": 0.1, "<i>a</i>": 0.9}}, ("<i>a</i>", "b")
    )
    assert [bar.name for bar in chart.data] == ["&lt;b&gt;mine&lt;/b&gt;", "other"]
    assert [tuple(bar.y) for bar in chart.data] == [("&lt;i&gt;a&lt;/i&gt;", "b")] * 2
    np.testing.assert_allclose([bar.x for bar in chart.data], [(0.2, 0.8), (0.9, 0.1)])
