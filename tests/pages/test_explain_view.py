"""The Explain view: every image can be chosen, what is shown is the engine's, and nothing that is tried there stays."""

import numpy as np
import pytest
import torch

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
from pages.views.evaluate.explain.ablation import CHOOSE_CHANNELS
from pages.views.evaluate.explain.sample import choose_sample
from pages.views.evaluate.explain.view import DIVERGED
from tests.helpers import tiny_config, write_pictures
from tests.pages.form import drawn_bar

RUN = "0001-digits"


def evaluation_of(store, run=RUN):
    return finish(evaluate_run(run, store.run(run).config, store.home))


def open_explain_view(open_page, run=RUN, **query):
    at = open_page("evaluate", run=run, view="Explain", **query)
    assert not at.exception and not at.error
    return at


def press(at, label):
    (button,) = (button for button in at.button if button.label == label)
    at = button.click().run()
    assert not at.exception and not at.error
    return at


def choose(at, label, value):
    (box,) = (box for box in at.selectbox if box.label == label)
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


def pictures_in(at) -> str:
    return " ".join(element.proto.body for element in at.main.get("html"))


def test_the_image_in_the_address_is_shown_with_what_the_network_says(trained, open_page):
    evaluation = evaluation_of(trained)
    index = int(np.flatnonzero(evaluation.is_correct)[5])
    at = open_explain_view(open_page, image=str(index))
    assert f"Test image {index}, true class {evaluation.classes[evaluation.labels[index]]}" in words(at)
    said = evaluation.classes[evaluation.predicted[index]]
    assert f"Prediction: **{said}**, {evaluation.scores.confidence[index]:.1%}" in words(at)
    assert f"for class {said}" in pictures_in(at)
    at.number_input[0].set_value(9).run()
    assert at.query_params["image"] == "9" and "Test image 9," in words(at)
    at.query_params["image"] = "11"  # a link from elsewhere
    assert "Test image 11," in words(at.run())


@pytest.mark.parametrize("asked", ["359", "-1", "nonsense", "²"])
def test_an_address_that_names_no_image_is_a_sentence(trained, open_page, asked):
    at = open_explain_view(open_page, image=asked)
    assert "There is no image" in at.warning[0].value and "Test image 0," in words(at)


def test_images_are_found_by_class_and_as_mistakes(trained, open_page):
    evaluation = evaluation_of(trained)
    at = choose(take_from(open_explain_view(open_page), "Of a class"), "True class", 8)
    at = at.number_input[0].set_value(3).run()
    assert f"Test image {np.flatnonzero(evaluation.labels == 8)[2]}, true class 8" in words(at)
    wrong = most_confidently_wrong(evaluation)
    at = take_from(at, "Mistakes").number_input[0].set_value(2).run()
    assert f"Test image {wrong[1]}," in words(at) and "✗ wrong" in words(at)
    at = press(at, "Random")
    assert int(at.query_params["image"]) in wrong


def test_a_picture_of_ones_own_is_looked_into(trained, open_page):
    at = take_from(open_explain_view(open_page), "Your own")
    assert "Prediction: **" not in words(at)
    (how,) = (group for group in at.button_group if group.key == "explain-how")
    at = how.set_value("Upload").run()
    at = at.file_uploader[0].upload("one.png", drawn_bar(), "image/png").run()
    assert not at.exception and not at.error
    assert "Your image, as the model receives it" in words(at) and "Prediction: **" in words(at)
    assert "true class" not in words(at)


def test_the_heat_can_be_asked_of_any_layer_about_any_class(trained, open_page):
    at = open_explain_view(open_page)
    (layers,) = (box for box in at.selectbox if box.label == "Convolution")
    assert [option.partition(" ")[0] for option in layers.options] == ["features.0.0", "features.1.0", "features.2.0"]
    at = choose(choose(at, "Convolution", "features.0.0"), "Class to explain", 4)
    assert "for class 4" in pictures_in(at) or "supports 4" in words(at)


def test_no_heat_leaves_the_image_grey_and_full_opacity_covers_it():
    image = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    heat = np.linspace(0, 1, 20).reshape(5, 4)
    grey = image.mean(2).round()
    np.testing.assert_array_equal(overlay_heatmap(image, heat, 0), np.repeat(grey[..., None], 3, 2))
    over = overlay_heatmap(image, heat, 1)
    assert (over[0, 0] == grey[0, 0]).all() and over[-1, -1].tolist() == [252, 255, 164]
    assert overlay_heatmap(image[..., :1], heat, 0.5).shape == (5, 4, 3)


def test_dead_channels_are_the_engines(trained, open_page):
    at = open_explain_view(open_page)
    if "are never positive" not in words(at):  # another session of this process may have found them already
        at = press(at, "Find dead channels")
    images = finish(open_source("digits", trained.home).load("test"))
    found = finish(find_dead_channels(*load_model(trained.home.run_folder(RUN), torch.device("cpu")), images))
    dead, channels = sum(len(row.dead) for row in found), sum(row.channels for row in found)
    assert f"**{dead:,} of {channels:,}** channels" in words(at)
    assert at.dataframe[-1].value["Dead"].tolist() == [len(row.dead) for row in found]


def test_ablation_shows_which_classes_fell_and_leaves_the_network_as_it_is(own_trained, open_page):
    weights = own_trained.home.run_folder(RUN) / WEIGHTS
    saved, at = weights.read_bytes(), open_explain_view(open_page, image="7")
    assert CHOOSE_CHANNELS in words(at)
    off = tuple(range(24))
    at = press(at.multiselect[0].set_value(list(off)).run(), "Switch off")
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
    assert "Without **24 channels** of **features.0.0**, test image 7: prediction" in words(at)
    at = press(at, "Restore all")
    assert CHOOSE_CHANNELS in words(at) and at.multiselect[0].value == []
    assert weights.read_bytes() == saved
    assert f"Prediction: **{card.classes[expected.predicted_before[7]]}**" in words(at)


def test_charts_of_ablation_escape_names_and_put_the_largest_falls_first():
    changes, names = np.array([0.1, np.nan, -0.4, 0.0]), ["<b>a</b>", "b", "c", "d"]
    (bar,) = change_bars(changes, names).data
    assert list(bar.y) == ["c", "d", "&lt;b&gt;a&lt;/b&gt;"] and list(bar.x) == pytest.approx([-40, 0, 10])
    many = np.linspace(-1, 1, 60)
    assert len(change_bars(many, [str(number) for number in range(60)]).data[0].x) == 20
    before, now = prediction_bars(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.9, 0.0, 0.1, 0.0]), names).data
    assert list(before.y) == list(now.y) == ["&lt;b&gt;a&lt;/b&gt;", "d", "c", "b"] and list(now.x) == [0.9, 0.0, 0.1, 0.0]


def test_a_network_that_diverged_is_a_sentence(own_trained, open_page):
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
    folder = write_pictures(tmp_path / "small", ("blue", "red"), count=8)
    at = open_trained_on(folder, empty, open_page, model="resnet18")
    (box,) = (box for box in at.selectbox if box.label == "Layer")
    wide = next(option for option in box.options if "· 512 maps" in option)
    at = choose(at, "Layer", wide.partition(" ·")[0])
    assert f"Channels 0 to {PAGE - 1} of 512" in words(at)
    assert pictures_in(at).count('alt="channel ') == PAGE


def test_colour_images_of_224_pixels_are_looked_into(empty, open_page, tmp_path):
    folder = write_pictures(tmp_path / "large", ("blue", "red"), count=8, size=(224, 224))
    finish(import_files("large", folder, ImportOptions(image_size=224), empty.home))
    at = open_trained_on("large", empty, open_page, width=0.25, depth=2)
    assert "8 maps of 224×224" in " ".join(option for box in at.selectbox for option in box.options)
    at = press(at, "Find dead channels")
    at = press(at.multiselect[0].set_value([0, 1]).run(), "Switch off")
    assert "Without **channels 0, 1**" in words(at) and "are never positive" in words(at)


def test_an_image_that_is_ticked_in_a_list_of_mistakes_opens_here(trained, open_page):
    at = open_page("evaluate", run=RUN, view="Mistakes")
    key = f"mistakes-{RUN}-None-test-Highest loss-None-picked"
    third = at.session_state[key]["shown"][2]
    at.session_state[key] = at.session_state[key] | {"picked": [third]}
    at = press(at.run(), f"Grad-CAM of image {third}")
    assert at.query_params["view"] == "Explain" and f"Test image {third}," in words(at)


class Described:
    """What a sample asks of a subject: how large its images are."""

    def __init__(self, side):
        self.source = type("Source", (), {"info": type("Info", (), {"image_size": side})})


@pytest.mark.parametrize(("side", "count"), [(32, 1000), (64, 1000), (96, 444), (224, 200)])
def test_fewer_images_are_tried_where_they_are_large(side, count):
    evaluation = type("Labelled", (), {"labels": np.arange(3000) % 7})
    chosen = choose_sample(Described(side), evaluation)
    np.testing.assert_array_equal(chosen, spread_over_classes(evaluation.labels, count))


def test_an_index_that_no_image_has_is_told_in_a_sentence_and_the_nearest_is_shown(trained, open_page):
    at = open_explain_view(open_page)
    at.number_input[0].set_value(9999).run()
    assert any(number_message(9999, 0, 358) in caption.value for caption in at.caption)
    assert at.number_input[0].value == 358 and at.query_params["image"] in ("358", ["358"])
    at.number_input[0].set_value(7).run()
    assert not any(number_message(9999, 0, 358) in caption.value for caption in at.caption) and not at.exception
