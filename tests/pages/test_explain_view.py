"""The Explain view: every image can be chosen, results equal those of cnn_core, and the saved model is not changed."""

import re

import numpy as np
import pytest
import torch

from cnn_core.config.defaults import make_config
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.execution.in_process import execute
from cnn_core.explain.ablation import measure_ablation
from cnn_core.explain.feature_maps import find_dead_channels
from cnn_core.home import WEIGHTS
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.metrics.mistakes import most_confidently_wrong
from cnn_core.metrics.sampling import spread_over_classes
from cnn_core.models.saving import load_model
from pages.charts.ablation import change_bars, order_by_change, prediction_bars
from pages.charts.heatmaps import PAGE, overlay_heatmap
from pages.shared.choice import number_message
from pages.shared.evaluation_subject import CORRECT, WRONG
from pages.shared.image_input import UPLOAD, input_key
from pages.shared.text import plain
from pages.views.evaluate.explain.ablation import CHOOSE_CHANNELS, WITHOUT_SAMPLE, name_channels
from pages.views.evaluate.explain.grad_cam import NO_SUPPORT, OVERLAY_ALT
from pages.views.evaluate.explain.image_choice import CLASS, MISTAKES, OWN, OWN_NAME
from pages.views.evaluate.explain.layers import FOUND_DEAD, advice_on_dead_channels
from pages.views.evaluate.explain.sample import choose_sample
from pages.views.evaluate.explain.view import DIVERGED, PREDICTION
from tests.helpers import tiny_config, write_images
from tests.pages.form import drawn_bar

RUN = "0001-digits"
FIND_DEAD = "-button"  # how the key of its button ends


def evaluation_of(store, run=RUN):
    return finish(evaluate_run(run, store.run(run).config, store.home))


def open_explain_view(open_page, run=RUN, **query):
    at = open_page("evaluate", split="test", run=run, view="Explain", **query)
    assert not at.exception and not at.error
    return at


def press(at, ending):
    """Press the button whose key ends so."""
    (button,) = (button for button in at.button if (button.key or "").endswith(ending))
    at = button.click().run()
    assert not at.exception and not at.error
    return at


def choose(at, key, value):
    """Choose in the box whose key contains this."""
    (box,) = (box for box in at.selectbox if key in (box.key or ""))
    at = box.select(value).run()
    assert not at.exception and not at.error
    return at


def take_from(at, way):
    (group,) = (group for group in at.button_group if (group.key or "").endswith("-way"))
    at = group.set_value(way).run()
    assert not at.exception and not at.error
    return at


def words(at) -> str:
    kinds = (at.caption, at.info, at.success, at.warning, at.markdown)
    return " ".join(element.value for kind in kinds for element in kind)


def names(text: str, *values: object) -> bool:
    """Whether `text` contains these values in this order, each as a whole word."""
    return re.search(r".*".join(rf"(?<!\w){re.escape(str(value))}(?!\w)" for value in values), text) is not None


def shown_image(at) -> str:
    """Return the caption of the chosen image, which is also the alternative text of the first image of the view."""
    return re.search(r'alt="([^"]*)"', html_texts(at))[1]


def html_texts(at) -> str:
    return " ".join(element.proto.body for element in at.main.get("html"))


def test_the_image_in_the_address_is_shown_with_its_prediction(trained, open_page):
    evaluation = evaluation_of(trained)
    index = int(np.flatnonzero(evaluation.is_correct)[5])
    at = open_explain_view(open_page, image=str(index))
    assert names(shown_image(at), index, evaluation.classes[evaluation.labels[index]])
    predicted_class = evaluation.classes[evaluation.predicted[index]]
    probability = evaluation.scores.confidence[index]
    assert PREDICTION.format(name=predicted_class, probability=probability, verdict=f": {CORRECT}") in words(at)
    assert OVERLAY_ALT.format(name=predicted_class) in html_texts(at)
    at.number_input[0].set_value(9).run()
    assert at.query_params["image"] == "9" and names(shown_image(at), 9)
    at.query_params["image"] = "11"  # a link from elsewhere
    assert names(shown_image(at.run()), 11)


@pytest.mark.parametrize("number", ["359", "-1", "nonsense", "²"])
def test_an_address_that_names_no_image_gives_a_message(trained, open_page, number):
    at = open_explain_view(open_page, image=number)
    assert names(at.warning[0].value, plain(number), 0, 358) and names(shown_image(at), 0)


def test_images_are_selected_by_class_and_as_mistakes(trained, open_page):
    evaluation = evaluation_of(trained)
    at = choose(take_from(open_explain_view(open_page), CLASS), "test-class", 8)
    at = at.number_input[0].set_value(3).run()
    assert names(shown_image(at), np.flatnonzero(evaluation.labels == 8)[2], 8)
    wrong = most_confidently_wrong(evaluation)
    at = take_from(at, MISTAKES).number_input[0].set_value(2).run()
    assert names(shown_image(at), wrong[1]) and WRONG in words(at)
    at = press(at, "-random")
    assert int(at.query_params["image"]) in wrong


def test_an_uploaded_image_is_explained(trained, open_page):
    at = take_from(open_explain_view(open_page), OWN)
    assert not re.search(r"\*\*\d\*\*, \d", words(at))
    at = at.button_group(key=input_key("explain")).set_value(UPLOAD).run()
    at = at.file_uploader[0].upload("one.png", drawn_bar(), "image/png").run()
    assert not at.exception and not at.error
    assert any(caption.value.endswith(OWN_NAME[1:]) for caption in at.caption)
    assert re.search(r"\*\*\d\*\*, \d+\.\d%", words(at))


def test_a_heatmap_can_be_computed_for_any_layer_and_any_class(trained, open_page):
    at = open_explain_view(open_page)
    (layers,) = (box for box in at.selectbox if box.key.startswith("grad-cam-layer-"))
    assert [option.partition(" ")[0] for option in layers.options] == ["features.0.0", "features.1.0", "features.2.0"]
    at = choose(choose(at, "grad-cam-layer", "features.0.0"), "grad-cam-class", 4)
    assert OVERLAY_ALT.format(name=4) in html_texts(at) or NO_SUPPORT.format(name=4) in words(at)


def test_opacity_0_shows_the_grey_image_and_opacity_1_the_heatmap_alone():
    image = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    heat = np.linspace(0, 1, 20).reshape(5, 4)
    grey = image.mean(2).round()
    np.testing.assert_array_equal(overlay_heatmap(image, heat, 0), np.repeat(grey[..., None], 3, 2))
    over = overlay_heatmap(image, heat, 1)
    assert (over[0, 0] == grey[0, 0]).all() and over[-1, -1].tolist() == [252, 255, 164]
    assert overlay_heatmap(image[..., :1], heat, 0.5).shape == (5, 4, 3)


def test_dead_channels_are_those_of_cnn_core(trained, open_page):
    at = open_explain_view(open_page)
    if any((button.key or "").startswith("dead-") for button in at.button):  # else another session of this process has found them
        at = press(at, FIND_DEAD)
    images = finish(open_source("digits", trained.home).load("test"))
    found = finish(find_dead_channels(*load_model(trained.home.run_folder(RUN), torch.device("cpu")), images))
    dead, channels = sum(len(row.dead) for row in found), sum(row.channels for row in found)
    assert FOUND_DEAD.format(dead=dead, channels=channels, count=len(images), split="test") in words(at)
    assert advice_on_dead_channels(make_config()) in words(at)
    assert at.dataframe[-1].value["Dead"].tolist() == [len(row.dead) for row in found]


def test_ablation_shows_which_classes_fell_and_leaves_the_network_as_it_is(own_trained, open_page):
    weights = own_trained.home.run_folder(RUN) / WEIGHTS
    saved, at = weights.read_bytes(), open_explain_view(open_page, image="7")
    assert CHOOSE_CHANNELS in words(at)
    off = tuple(range(24))
    at = press(at.multiselect[0].set_value(list(off)).run(), "-go")
    model, card = load_model(own_trained.home.run_folder(RUN), torch.device("cpu"))
    images = finish(open_source("digits", own_trained.home).load("test"))
    expected = finish(measure_ablation(model, card, images, "features.0.0", off))
    figures = {metric.label: metric.value for metric in at.metric}
    assert figures["Accuracy before"] == f"{evaluation_of(own_trained).accuracy:.2%}"
    assert figures["Accuracy after"] == f"{expected.accuracy_after:.2%}" and expected.accuracy_after < expected.accuracy_before
    assert figures["Changed predictions"] == str(len(expected.changed))
    table = next(frame.value for frame in at.dataframe if "Change (points)" in frame.value)
    order = order_by_change(expected.class_change)
    assert table["Class"].tolist() == [card.classes[label] for label in order]
    np.testing.assert_allclose(table["After"], expected.class_after[order])
    assert table["Change (points)"].is_monotonic_increasing
    switched_off = name_channels(("features.0.0", off))
    assert WITHOUT_SAMPLE.format(channels=switched_off, count=len(images), split="test") in words(at)
    assert names(switched_off, 24, "features.0.0")
    assert any(names(text.value, switched_off.strip("*"), 7) for text in at.markdown)
    at = press(at, "-reset")
    assert CHOOSE_CHANNELS in words(at) and at.multiselect[0].value == []
    assert weights.read_bytes() == saved
    (prediction,) = [text.value for text in at.markdown if text.value.endswith((CORRECT, WRONG))]
    assert f"**{card.classes[expected.predicted_before[7]]}**" in prediction


def test_charts_of_ablation_escape_names_and_put_the_largest_falls_first():
    changes, names = np.array([0.1, np.nan, -0.4, 0.0]), ["<b>a</b>", "b", "c", "d"]
    (bar,) = change_bars(changes, names).data
    assert list(bar.y) == ["c", "d", "&lt;b&gt;a&lt;/b&gt;"] and list(bar.x) == pytest.approx([-40, 0, 10])
    many = np.linspace(-1, 1, 60)
    assert len(change_bars(many, [str(number) for number in range(60)]).data[0].x) == 20
    before, now = prediction_bars(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.9, 0.0, 0.1, 0.0]), names).data
    assert list(before.y) == list(now.y) == ["&lt;b&gt;a&lt;/b&gt;", "d", "c", "b"] and list(now.x) == [0.9, 0.0, 0.1, 0.0]


def test_a_network_that_diverged_gives_a_message(own_trained, open_page):
    folder = own_trained.home.run_folder(RUN)
    state = torch.load(folder / WEIGHTS, weights_only=True)
    next(iter(state.values())).fill_(float("nan"))
    torch.save(state, folder / WEIGHTS)
    at = open_explain_view(open_page)
    assert at.warning[0].value == DIVERGED.format("weights")


def open_trained_on(data, empty, open_page, **chosen):
    run = empty.create(tiny_config(data, epochs=1, **chosen))
    assert execute(empty, run) == "finished", empty.run(run).error
    return open_explain_view(open_page, run=run)


def test_layers_of_512_channels_are_shown_in_pages(empty, open_page, tmp_path):
    folder = write_images(tmp_path / "small", ("blue", "red"), count=8)
    at = open_trained_on(folder, empty, open_page, model="resnet18")
    (box,) = (box for box in at.selectbox if box.key.startswith("maps-layer-"))
    wide = next(option for option in box.options if names(option, 512))
    at = choose(at, "maps-layer", wide.partition(" ·")[0])
    assert names(words(at), 0, PAGE - 1, 512)
    assert html_texts(at).count('alt="channel ') == PAGE


def test_colour_images_of_224_pixels_are_explained(empty, open_page, tmp_path):
    folder = write_images(tmp_path / "large", ("blue", "red"), count=8, size=(224, 224))
    finish(import_files("large", folder, ImportOptions(image_size=224), empty.home))
    at = open_trained_on("large", empty, open_page, width=0.25, depth=2)
    (layers,) = (box for box in at.selectbox if box.key.startswith("maps-layer-"))
    assert any(names(option, 8, "224×224") for option in layers.options)
    at = press(at, FIND_DEAD)
    at = press(at.multiselect[0].set_value([0, 1]).run(), "-go")
    first = next(option for option in layers.options).partition(" ·")[0]
    assert name_channels((first, (0, 1))) in words(at) and names(name_channels((first, (0, 1))), 0, 1)
    assert at.dataframe[-1].value["Dead"].tolist()


def test_an_image_selected_in_a_list_of_mistakes_opens_here(trained, open_page):
    at = open_page("evaluate", split="test", run=RUN, view="Mistakes")
    key = f"mistakes-{RUN}-None-test-Highest loss-None-picked"
    third = at.session_state[key]["shown"][2]
    at.session_state[key] = at.session_state[key] | {"picked": [third]}
    at = press(at.run(), "-why")
    assert at.query_params["view"] == "Explain" and names(shown_image(at), third)


class SizedSubject:
    """A subject with the one attribute that a sample depends on, the size of its images."""

    def __init__(self, side):
        self.source = type("Source", (), {"info": type("Info", (), {"image_size": side})})


@pytest.mark.parametrize(("side", "count"), [(32, 1000), (64, 1000), (96, 444), (224, 200)])
def test_fewer_images_are_tried_where_they_are_large(side, count):
    evaluation = type("Labelled", (), {"labels": np.arange(3000) % 7})
    chosen = choose_sample(SizedSubject(side), evaluation)
    np.testing.assert_array_equal(chosen, spread_over_classes(evaluation.labels, count))


def test_an_index_that_no_image_has_is_reported_and_the_nearest_is_shown(trained, open_page):
    at = open_explain_view(open_page)
    at.number_input[0].set_value(9999).run()
    assert any(number_message(9999, 0, 358) in caption.value for caption in at.caption)
    assert at.number_input[0].value == 358 and at.query_params["image"] in ("358", ["358"])
    at.number_input[0].set_value(7).run()
    assert not any(number_message(9999, 0, 358) in caption.value for caption in at.caption) and not at.exception
