"""The Export view of the Gallery: files are made on request, checked before they are offered, and not offered once they are outdated."""

import pytest
import torch

from cnn_core.export.formats import FORMATS
from cnn_core.export.training_file import training_file
from cnn_core.export.weights import card_inside, read_safetensors
from cnn_core.home import WEIGHTS
from cnn_core.inference.confidence import Calibration, save_calibration
from pages.shared.cache import MODEL_FILES
from pages.views.gallery.export import BUNDLE_FILES, GRAPH_MISSING, MODEL_CARD, TITLE, button_of

RUN = "0001-digits"
NAMES = {entry.title: entry.name for entry in FORMATS.values()}


def open_view(open_page):
    return open_page("gallery", run=RUN, view=TITLE)


def press(at, label):
    (button,) = [button for button in at.button if button.label == label]
    at = button.click().run()
    assert not at.exception
    return at


def offered(at):
    return [button.label for button in at.button if button.label.startswith("Create ")]


def test_every_format_shows_its_use_and_needs_and_nothing_is_created_unasked(trained, open_page):
    at = open_view(open_page)
    assert offered(at)[: len(FORMATS)] == list(map(button_of, FORMATS.values())) and not at.success
    captions = [caption.value for caption in at.caption]
    assert all(entry.needs in captions for entry in FORMATS.values()) and not at.exception


@pytest.mark.parametrize("title", ["Safetensors", "State dict"])
def test_a_file_is_checked_on_the_test_images_and_then_offered_with_its_card(trained, open_page, title):
    at = press(open_view(open_page), f"Create {title.lower()}")
    (verified,) = at.success
    assert "359" in verified.value
    labels = [button.proto.label for button in at.get("download_button")]
    assert labels[1] == MODEL_CARD and labels[0].startswith("Download (") and f"Create {title.lower()}" not in offered(at)
    content = at.session_state[MODEL_FILES.key][NAMES[title]][1].content
    if title == "State dict":
        assert content == (trained.home.run_folder(RUN) / WEIGHTS).read_bytes()
    else:
        state = torch.load(trained.home.run_folder(RUN) / WEIGHTS, weights_only=True)
        assert all(torch.equal(value, state[name]) for name, value in read_safetensors(content).items())
        assert card_inside(content).run == RUN


def test_a_file_is_no_longer_offered_after_a_new_calibration(own_trained, open_page):
    at = press(open_view(open_page), "Create safetensors")
    assert at.run().success, "it is kept"
    save_calibration(own_trained.home.run_folder(RUN), Calibration(temperature=1.5, images=100))
    at.run()
    assert not at.success and "Create safetensors" in offered(at)
    at = press(at, "Create safetensors")
    assert card_inside(at.session_state[MODEL_FILES.key]["safetensors"][1].content).temperature == 1.5


def test_images_that_cannot_be_read_give_a_message_and_no_file(own_trained, open_page):
    at = open_view(open_page)
    (own_trained.home.set_folder("digits") / "images.npy").write_bytes(b"damaged")
    at = press(at, "Create safetensors")
    assert at.error and "damaged" in at.error[0].value and not at.success


def test_a_bundle_without_a_graph_cannot_be_made_and_says_why(trained, open_page):
    at = open_view(open_page)
    (files,) = [control for control in at.get("button_group") if control.label == BUNDLE_FILES]
    at = files.set_value(["safetensors"]).run()
    (button,) = [button for button in at.button if button.label == "Create bundle"]
    assert button.disabled and GRAPH_MISSING in [caption.value for caption in at.caption]


@pytest.mark.parametrize("title", ["Training script", "Notebook"])
def test_the_training_is_offered_as_the_code_that_the_engine_writes(trained, open_page, title):
    at = press(open_view(open_page), f"Create {title.lower()}")
    content = at.session_state[MODEL_FILES.key][NAMES[title]][1].content
    assert content == training_file(trained, trained.run(RUN), NAMES[title])
    (label,) = [button.proto.label for button in at.get("download_button") if button.proto.label.startswith("Download")]
    assert label.startswith("Download (") and not at.success and not at.error


def test_two_formats_that_have_a_card_are_offered_side_by_side(trained, open_page):
    at = press(press(open_view(open_page), "Create safetensors"), "Create state dict")
    labels = [button.proto.label for button in at.get("download_button")]
    assert labels.count(MODEL_CARD) == 2 and not at.exception
