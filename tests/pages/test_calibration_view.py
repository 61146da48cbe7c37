"""The Trust view of the evaluate page, and what the gallery makes of a temperature and a threshold."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from cnn_core.data.decoder import read_image
from cnn_core.data.source import finish
from cnn_core.home import CALIBRATION, WEIGHTS
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import Calibration, load_calibration, read_calibration, save_calibration
from cnn_core.inference.verdict import UNSURE
from cnn_core.metrics.abstention import measure_abstention
from cnn_core.metrics.calibration import FEW_IMAGES, fit_temperature, reliability_of
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.text import counted
from pages.shared.image_input import UPLOAD, input_key
from pages.views.evaluate.calibration import (
    ABSTAINS_BELOW,
    COVERAGE,
    ERRORS,
    NOT_BETTER,
    NOTES,
    ONLY_BEST,
    OTHER_WEIGHTS,
    REMAINING,
    UNCERTAIN,
    WORSE,
)
from pages.views.gallery import browse
from pages.views.gallery.prediction import BELOW_THRESHOLD, CALIBRATED

RUN = "0001-digits"


def evaluation_of(store, split="test", epoch=None):
    return finish(evaluate_run(RUN, store.run(RUN).config, store.home, split=split, epoch=epoch))


def folder_of(store):
    return store.home.run_folder(RUN)


def open_trust(open_page):
    return open_page("evaluate", split="test", run=RUN, view="Calibration")


def make_overconfident(store):
    """Multiply the logits of the best model by 4: a temperature is then needed."""
    state = torch.load(folder_of(store) / WEIGHTS, weights_only=True)
    for name in list(state)[-2:]:
        state[name] = 4 * state[name]
    torch.save(state, folder_of(store) / WEIGHTS)


def press(at, key):
    return at.button(key=key).click().run()


def keys(at):
    return {button.key for button in at.button}


def metrics(at):
    return {metric.label: metric.value for metric in at.metric}


def charts(at):
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def test_without_a_calibration_the_network_is_shown_as_it_was_trained(trained, open_page):
    evaluation = evaluation_of(trained)
    at = open_trust(open_page)
    assert metrics(at) == {
        "Accuracy": f"{evaluation.accuracy:.1%}",
        "Mean confidence": f"{evaluation.scores.confidence.mean():.1%}",
        "ECE, uncalibrated": f"{reliability_of(evaluation).expected_error:.1%}",
        "ECE, calibrated": "–",
    }
    reliability, coverage = charts(at)
    assert [trace["name"] for trace in reliability["data"]] == ["perfectly calibrated", "uncalibrated", "uncalibrated"]
    assert keys(at) & {"fit-temperature", "remove-temperature"} == {"fit-temperature"}
    assert not at.exception


def test_a_temperature_is_fitted_on_the_validation_images_saved_shown_and_removed(own_trained, open_page):
    make_overconfident(own_trained)
    validation, test = evaluation_of(own_trained, "val"), evaluation_of(own_trained)
    at = press(open_trust(open_page), "fit-temperature")
    calibration = load_calibration(folder_of(own_trained))
    assert calibration.temperature == pytest.approx(fit_temperature(validation)) and calibration.images == len(validation) == 216
    assert calibration.error_before == pytest.approx(reliability_of(validation).expected_error)
    scaled = test.with_temperature(calibration.temperature)
    assert calibration.error_after == pytest.approx(
        reliability_of(validation.with_temperature(calibration.temperature)).expected_error
    )
    assert metrics(at)["ECE, calibrated"] == f"{reliability_of(scaled).expected_error:.1%}"
    assert metrics(at)["Mean confidence"] == f"{scaled.scores.confidence.mean():.1%}"
    assert f"**{scaled.scores.confidence.mean():.1%}**" in at.markdown[1].value  # the verdict speaks of the same probabilities
    found = reliability_of(scaled)
    errors = {"mean": 100 * found.expected_error, "largest": 100 * found.largest_error}
    images = counted(found.largest_error_count, "image")
    assert ERRORS.format(which="With the temperature", images=images, **errors) in [text.value for text in at.caption]
    assert len(charts(at)[0]["data"]) == 5
    assert any(f"**{calibration.temperature:.2f}**" in text.value for text in at.markdown)
    at = press(at, "remove-temperature")
    assert not (folder_of(own_trained) / CALIBRATION).exists()
    assert metrics(at)["ECE, calibrated"] == "–"
    assert not at.exception


def test_a_temperature_that_raises_the_error_is_not_saved(own_trained, open_page):
    validation = evaluation_of(own_trained, "val")
    temperature = fit_temperature(validation)
    before, after = (reliability_of(it).expected_error for it in (validation, validation.with_temperature(temperature)))
    assert after > before
    at = press(open_trust(open_page), "fit-temperature")
    facts = {"temperature": temperature, "images": "216 validation images", "before": before, "after": after}
    assert NOT_BETTER.format(**facts) in [text.value for text in at.warning]
    assert not (folder_of(own_trained) / CALIBRATION).exists() and metrics(at)["ECE, calibrated"] == "–"


def test_a_worse_temperature_that_an_earlier_version_saved_is_reported(own_trained, open_page):
    save_calibration(folder_of(own_trained), Calibration(temperature=1.2, images=144, error_before=0.15, error_after=0.23))
    assert WORSE in [text.value for text in open_trust(open_page).warning]


def test_a_threshold_shows_its_figures_and_is_saved_and_reset(own_trained, open_page):
    evaluation = evaluation_of(own_trained)
    at = open_trust(open_page)
    at.slider[0].set_value(95.0).run()
    expected = measure_abstention(evaluation.scores.confidence, evaluation.is_correct, np.array([0.95]))
    remaining = REMAINING.format(fraction=expected.correct_fraction[0])
    (summary,) = [text.value for text in at.markdown if remaining in text.value]
    low, high = expected.accuracy_interval()
    figures = {"predicted": expected.predicted[0], "count": 359, "accuracy": expected.accuracy[0], "low": low, "high": high}
    assert summary.startswith(COVERAGE.format(coverage=expected.coverage[0], split="test", **figures))
    assert charts(at)[1]["data"][1]["name"] == "threshold 95%"
    at = press(at, "save-threshold")
    assert load_calibration(folder_of(own_trained)).threshold == 0.95
    assert at.slider[0].value == 95.0 and ABSTAINS_BELOW.format(percent=95) in [text.value for text in at.caption]
    at = press(at, "remove-threshold")
    assert load_calibration(folder_of(own_trained)).threshold == 0 and at.slider[0].value == 0.0
    assert not at.exception


def test_a_temperature_and_a_threshold_do_not_displace_each_other(own_trained, open_page):
    make_overconfident(own_trained)
    save_calibration(folder_of(own_trained), Calibration(threshold=0.7))
    at = press(open_trust(open_page), "fit-temperature")
    calibration = load_calibration(folder_of(own_trained))
    assert calibration.threshold == 0.7 and calibration.is_fitted
    press(at, "remove-temperature")
    assert load_calibration(folder_of(own_trained)).threshold == 0.7


def test_a_calibration_of_other_weights_is_reported_and_not_used(own_trained, open_page):
    save_calibration(folder_of(own_trained), Calibration(temperature=3, images=144))
    make_overconfident(own_trained)
    at = open_trust(open_page)
    assert OTHER_WEIGHTS.format(temperature=3) in [text.value for text in at.warning]
    assert metrics(at)["ECE, calibrated"] == "–"
    press(at, "fit-temperature")
    assert load_calibration(folder_of(own_trained)).is_fitted


def test_few_validation_images_give_a_warning(own_trained, open_page):
    save_calibration(folder_of(own_trained), Calibration(temperature=1.2, images=14))
    warning = UNCERTAIN.format(images=counted(14, "validation image"), needed=FEW_IMAGES)
    assert warning in [text.value for text in open_trust(open_page).warning]


def test_another_epoch_and_another_split_are_explained(own_trained, open_page):
    save_calibration(folder_of(own_trained), Calibration(temperature=1.2, images=144, threshold=0.5))
    at = open_trust(open_page)
    at.selectbox[1].set_value(1).run()
    assert metrics(at)["Accuracy"] == f"{evaluation_of(own_trained, epoch=1).accuracy:.1%}"
    assert ONLY_BEST in [text.value for text in at.caption]
    assert not {"fit-temperature", "save-threshold"} & keys(at) and at.slider[0].value == 0
    at.button_group[0].set_value("train").run()
    assert NOTES["train"] in [text.value for text in at.info]
    assert not at.exception


def digit():
    """A large, handwritten 0 on black, as a PNG file."""
    out, ink = io.BytesIO(), (load_digits().images[0] * 15).astype(np.uint8)
    Image.fromarray(ink).resize((160, 160), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


def upload(open_page, content):
    at = open_page("gallery", run=RUN)
    at.button_group(key=input_key("gallery")).set_value(UPLOAD).run()
    at.file_uploader[0].upload("zero.png", content, "image/png").run()
    return at


def test_the_gallery_shows_calibrated_probabilities_and_says_so(own_trained, open_page):
    content = digit()
    before = Classifier(folder_of(own_trained)).classify(read_image(content, "it"))
    assert any(f"{before.ranked[0][1]:.1%}" in text.value for text in upload(open_page, content).caption)
    save_calibration(folder_of(own_trained), Calibration(temperature=4, images=144))
    after = Classifier(folder_of(own_trained)).classify(read_image(content, "it"))
    at = upload(open_page, content)
    (note,) = [text.value for text in at.caption if f"{after.ranked[0][1]:.1%}" in text.value]
    assert note.endswith(CALIBRATED.format(temperature=4)) and after.ranked[0][1] < before.ranked[0][1]
    assert [metric.value for metric in at.metric] == ["0"]


def test_below_the_threshold_the_gallery_shows_unknown_and_the_most_probable_class(own_trained, open_page):
    save_calibration(folder_of(own_trained), Calibration(temperature=50, images=144, threshold=0.6))
    at = upload(open_page, digit())
    assert [metric.value for metric in at.metric] == [UNSURE.capitalize()]
    name, probability = Classifier(folder_of(own_trained)).classify(read_image(digit(), "it").image).ranked[0]
    assert name == "0" and any(
        text.value.startswith(BELOW_THRESHOLD.format(name=name, probability=probability, threshold=60)) for text in at.caption
    )
    assert not at.exception


def test_test_images_in_the_gallery_get_the_probabilities_of_own_images(own_trained, open_page):
    evaluation = evaluation_of(own_trained)
    save_calibration(folder_of(own_trained), Calibration(temperature=6, images=144, threshold=0.5))
    scaled = evaluation.with_temperature(6)
    at = open_page("gallery", run=RUN)
    at.button_group(key="gallery-view").set_value(browse.TITLE).run()
    note = f"{browse.CALIBRATED.format(temperature=6)} {browse.UNSURE_BELOW.format(percent=50, unsure=UNSURE)}"
    assert note in [text.value for text in at.caption]
    (slider,) = at.slider
    slider.set_value((0, 50)).run()
    unsure = (scaled.scores.confidence <= 0.5).sum()
    assert 0 < unsure != (evaluation.scores.confidence <= 0.5).sum()
    assert browse.FOUND.format(found=unsure, total=359) in [text.value for text in at.caption]


def test_a_damaged_calibration_is_as_none_everywhere(own_trained, open_page):
    (folder_of(own_trained) / CALIBRATION).write_text('{"temperature": "hot"}')
    assert read_calibration(folder_of(own_trained)) is None
    assert metrics(open_trust(open_page))["ECE, calibrated"] == "–"
    assert [metric.value for metric in upload(open_page, digit()).metric] == ["0"]
