"""The Export view of the Gallery: files are made on request, checked before they are offered, and not offered once they are outdated."""

import pytest
import torch

from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.errors import DataError
from cnn_core.export.formats import FORMATS
from cnn_core.export.training_file import training_file
from cnn_core.export.weights import card_inside, read_safetensors
from cnn_core.home import WEIGHTS
from cnn_core.inference.confidence import Calibration, save_calibration
from cnn_core.text import format_bytes
from pages.shared.cache import MODEL_FILES
from pages.shared.text import plain
from pages.views.gallery.export import BUNDLE_FILES, GRAPH_MISSING, MODEL_CARD, TITLE

RUN = "0001-digits"


def open_view(open_page):
    return open_page("gallery", run=RUN, view=TITLE)


def press(at, name):
    at = at.button(key=key_of(name)).click().run()
    assert not at.exception
    return at


def key_of(name):
    return f"make-{name}-{RUN}"


def offered(at):
    """The names of the formats of which a file can be created."""
    return [name for name in FORMATS if key_of(name) in {button.key for button in at.button}]


def test_every_format_shows_its_use_and_needs_and_nothing_is_created_unasked(trained, open_page):
    at = open_view(open_page)
    assert offered(at) == list(FORMATS) and not at.success
    captions = [caption.value for caption in at.caption]
    assert all(entry.needs in captions for entry in FORMATS.values()) and not at.exception


@pytest.mark.parametrize("name", ["safetensors", "pth"])
def test_a_file_is_checked_on_the_test_images_and_then_offered_with_its_card(trained, open_page, name):
    at = press(open_view(open_page), name)
    (verified,) = at.success
    assert "359" in verified.value
    content = at.session_state[MODEL_FILES.key][name][1].content
    labels = [button.proto.label for button in at.get("download_button")]
    assert labels[1] == MODEL_CARD and format_bytes(len(content)) in labels[0] and name not in offered(at)
    if name == "pth":
        assert content == (trained.home.run_folder(RUN) / WEIGHTS).read_bytes()
    else:
        state = torch.load(trained.home.run_folder(RUN) / WEIGHTS, weights_only=True)
        assert all(torch.equal(value, state[key]) for key, value in read_safetensors(content).items())
        assert card_inside(content).run == RUN


def test_a_file_is_no_longer_offered_after_a_new_calibration(own_trained, open_page):
    at = press(open_view(open_page), "safetensors")
    assert at.run().success, "it is kept"
    save_calibration(own_trained.home.run_folder(RUN), Calibration(temperature=1.5, images=100))
    at.run()
    assert not at.success and "safetensors" in offered(at)
    at = press(at, "safetensors")
    assert card_inside(at.session_state[MODEL_FILES.key]["safetensors"][1].content).temperature == 1.5


def test_images_that_cannot_be_read_give_a_message_and_no_file(own_trained, open_page):
    at = open_view(open_page)
    (own_trained.home.set_folder("digits") / "images.npy").write_bytes(b"damaged")
    at = press(at, "safetensors")
    with pytest.raises(DataError) as refused:
        finish(open_source("digits", own_trained.home).load("test"))
    assert [error.value for error in at.error] == [plain(refused.value)] and not at.success


def test_a_bundle_without_a_graph_cannot_be_made_and_says_why(trained, open_page):
    at = open_view(open_page)
    (files,) = [control for control in at.get("button_group") if control.label == BUNDLE_FILES]
    at = files.set_value(["safetensors"]).run()
    assert at.button(key=key_of("bundle")).disabled and GRAPH_MISSING in [caption.value for caption in at.caption]


@pytest.mark.parametrize("name", [entry.name for entry in FORMATS.values() if entry.kind == "training"])
def test_the_training_is_offered_as_the_code_that_the_engine_writes(trained, open_page, name):
    at = press(open_view(open_page), name)
    content = at.session_state[MODEL_FILES.key][name][1].content
    assert content == training_file(trained, trained.run(RUN), name)
    (download,) = at.get("download_button")
    assert format_bytes(len(content)) in download.proto.label and not at.success and not at.error


def test_two_formats_that_have_a_card_are_offered_side_by_side(trained, open_page):
    at = press(press(open_view(open_page), "safetensors"), "pth")
    labels = [button.proto.label for button in at.get("download_button")]
    assert labels.count(MODEL_CARD) == 2 and not at.exception
