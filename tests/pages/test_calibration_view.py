"""The Trust view of the evaluate page, and what the gallery makes of a temperature and a threshold."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from cnn_core.data.decoder import read_image
from cnn_core.data.source import finish
from cnn_core.home import CALIBRATION, WEIGHTS
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import Calibration, calibration_of, read_calibration, save_calibration
from cnn_core.metrics.abstention import abstain
from cnn_core.metrics.calibration import fit_temperature, reliability_of
from cnn_core.metrics.evaluation import evaluate_run

RUN = "0001-digits"


def evaluation_of(store, part="test", epoch=None):
    return finish(evaluate_run(RUN, store.run(RUN).config, store.home, part=part, epoch=epoch))


def folder_of(store):
    return store.home.run_folder(RUN)


def open_trust(open_page):
    return open_page("evaluate", run=RUN, view="Trust")


def press(at, label):
    (button,) = [button for button in at.button if button.label == label]
    return button.click().run()


def labels(at):
    return [button.label for button in at.button]


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
        "Calibration error, as trained": f"{reliability_of(evaluation).expected_error:.1%}",
        "Calibration error, calibrated": "–",
    }
    reliability, coverage = charts(at)
    assert [trace["name"] for trace in reliability["data"]] == ["as sure as right", "as trained", "as trained"]
    assert "Fit on the validation images" in labels(at) and "Remove the temperature" not in labels(at)
    assert not at.exception


def test_fitting_keeps_the_temperature_of_the_validation_images_and_shows_both_and_it_can_be_removed(own_trained, open_page):
    validation, test = evaluation_of(own_trained, "val"), evaluation_of(own_trained)
    at = press(open_trust(open_page), "Fit on the validation images")
    kept = calibration_of(folder_of(own_trained))
    assert kept.temperature == pytest.approx(fit_temperature(validation)) and kept.images == len(validation) == 216
    assert kept.error_before == pytest.approx(reliability_of(validation).expected_error)
    cooled = test.with_temperature(kept.temperature)
    assert kept.error_after == pytest.approx(reliability_of(validation.with_temperature(kept.temperature)).expected_error)
    assert metrics(at)["Calibration error, calibrated"] == f"{reliability_of(cooled).expected_error:.1%}"
    assert len(charts(at)[0]["data"]) == 5
    assert any(f"**{kept.temperature:.2f}**" in text.value for text in at.markdown)
    at = press(at, "Remove the temperature")
    assert not (folder_of(own_trained) / CALIBRATION).exists()
    assert metrics(at)["Calibration error, calibrated"] == "–"
    assert not at.exception


def test_a_threshold_is_told_in_figures_kept_and_reset(own_trained, open_page):
    evaluation = evaluation_of(own_trained)
    at = open_trust(open_page)
    at.slider[0].set_value(95.0).run()
    expected = abstain(evaluation.scores.confidence, evaluation.is_right, np.array([0.95]))
    (said,) = [text.value for text in at.markdown if text.value.startswith("It answers")]
    assert f"**{expected.coverage[0]:.1%}** of the test images ({expected.answered[0]} of 359)" in said
    assert f"**{expected.accuracy[0]:.1%}**" in said and f"keeps {expected.kept[0]:.1%}" in said
    assert charts(at)[1]["data"][1]["name"] == "threshold 95%"
    at = press(at, "Use this threshold in the Gallery")
    assert calibration_of(folder_of(own_trained)).threshold == 0.95
    assert at.slider[0].value == 95.0 and "The Gallery says “I don’t know” below 95%." in [text.value for text in at.caption]
    at = press(at, "Answer always")
    assert calibration_of(folder_of(own_trained)).threshold == 0 and at.slider[0].value == 0.0
    assert not at.exception


def test_a_temperature_and_a_threshold_do_not_displace_each_other(own_trained, open_page):
    save_calibration(folder_of(own_trained), Calibration(threshold=0.7))
    at = press(open_trust(open_page), "Fit on the validation images")
    kept = calibration_of(folder_of(own_trained))
    assert kept.threshold == 0.7 and kept.is_fitted
    press(at, "Remove the temperature")
    assert calibration_of(folder_of(own_trained)).threshold == 0.7


def test_a_calibration_of_other_weights_is_told_and_not_used(own_trained, open_page):
    save_calibration(folder_of(own_trained), Calibration(temperature=3, images=144))
    weights = folder_of(own_trained) / WEIGHTS
    weights.write_bytes(weights.read_bytes() + b"\0")
    at = open_trust(open_page)
    assert any("temperature 3.00" in text.value and "made for other weights" in text.value for text in at.warning)
    assert metrics(at)["Calibration error, calibrated"] == "–"
    press(at, "Fit on the validation images")
    assert calibration_of(folder_of(own_trained)).is_fitted


def test_few_validation_images_are_warned_of(own_trained, open_page):
    save_calibration(folder_of(own_trained), Calibration(temperature=1.2, images=14))
    assert any(text.value.startswith("14 validation images are few") for text in open_trust(open_page).warning)


def test_another_epoch_and_other_images_say_what_that_means(own_trained, open_page):
    save_calibration(folder_of(own_trained), Calibration(temperature=1.2, images=144, threshold=0.5))
    at = open_trust(open_page)
    at.selectbox[1].set_value(1).run()
    assert metrics(at)["Accuracy"] == f"{evaluation_of(own_trained, epoch=1).accuracy:.1%}"
    assert any("uses the best network only" in text.value for text in at.caption)
    assert not {"Fit again", "Use this threshold in the Gallery"} & set(labels(at)) and at.slider[0].value == 0
    at.button_group[0].set_value("train").run()
    assert any("learned from these images" in text.value for text in at.info)
    assert not at.exception


def digit():
    """A large, handwritten 0 on black, as a PNG file."""
    out, ink = io.BytesIO(), (load_digits().images[0] * 15).astype(np.uint8)
    Image.fromarray(ink).resize((160, 160), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


def upload(open_page, content):
    at = open_page("gallery", run=RUN)
    at.button_group[1].set_value("Upload").run()
    at.file_uploader[0].upload("zero.png", content, "image/png").run()
    return at


def test_the_gallery_shows_calibrated_probabilities_and_says_so(own_trained, open_page):
    content = digit()
    before = Classifier(folder_of(own_trained)).classify(read_image(content, "it").image)
    assert any(f"{before.ranked[0][1]:.1%}" in text.value for text in upload(open_page, content).caption)
    save_calibration(folder_of(own_trained), Calibration(temperature=4, images=144))
    after = Classifier(folder_of(own_trained)).classify(read_image(content, "it").image)
    at = upload(open_page, content)
    (note,) = [text.value for text in at.caption if f"{after.ranked[0][1]:.1%}" in text.value]
    assert "4.00" in note and after.ranked[0][1] < before.ranked[0][1]
    assert [metric.value for metric in at.metric] == ["0"]


def test_below_the_threshold_the_gallery_does_not_know_and_names_the_most_probable(own_trained, open_page):
    save_calibration(folder_of(own_trained), Calibration(temperature=50, images=144, threshold=0.6))
    at = upload(open_page, digit())
    assert [metric.value for metric in at.metric] == ["I don’t know"]
    (note,) = [text.value for text in at.caption if "60%" in text.value]
    assert ": 0 with" in note
    assert not at.exception


def test_test_images_in_the_gallery_get_the_probabilities_of_own_pictures(own_trained, open_page):
    evaluation = evaluation_of(own_trained)
    save_calibration(folder_of(own_trained), Calibration(temperature=6, images=144, threshold=0.5))
    cooled = evaluation.with_temperature(6)
    at = open_page("gallery", run=RUN)
    at.button_group[0].set_value("Test images").run()
    assert any("temperature 6.00" in text.value and "Below 50%" in text.value for text in at.caption)
    (slider,) = at.slider
    slider.set_value((0, 50)).run()
    unsure = (cooled.scores.confidence <= 0.5).sum()
    assert 0 < unsure != (evaluation.scores.confidence <= 0.5).sum()
    assert f"{unsure:,} of 359 test images" in [text.value for text in at.caption]


def test_a_damaged_calibration_is_as_none_everywhere(own_trained, open_page):
    (folder_of(own_trained) / CALIBRATION).write_text('{"temperature": "hot"}')
    assert read_calibration(folder_of(own_trained)) is None
    assert metrics(open_trust(open_page))["Calibration error, calibrated"] == "–"
    assert [metric.value for metric in upload(open_page, digit()).metric] == ["0"]
