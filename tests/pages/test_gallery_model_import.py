"""Importing a model on the Gallery page: also into an empty studio, with messages for refused files; other pages show the imported run."""

import io

import pytest
import torch

from cnn_core.export.card import make_card
from cnn_core.export.model_import import PICKLE, TAG
from cnn_core.export.weights import NOT_SAFETENSORS, read_saved_weights, write_safetensors
from cnn_core.home import Home
from cnn_core.runs.store import Store
from pages.shared.text import INTERNAL_ERROR
from pages.views.gallery.model_import import REFUSED
from tests.pages.studio_harness import trained_home

RUN, FIRST_UPLOADER = "0001-digits", "model-import-0"


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """The exported files of the trained run; the name of a class is markup."""
    store = Store(Home(trained_home()))
    card = make_card(store, store.run(RUN))
    card = card.model_copy(update={"classes": ("<b>zero</b>", *card.classes[1:])})
    saved = read_saved_weights(store.home.run_folder(RUN), card)
    return {"m.safetensors": write_safetensors(saved), "m.json": card.to_json().encode()}


def import_files(open_page, files):
    at = open_page("gallery")
    at.file_uploader(key=FIRST_UPLOADER).set_value([(name, content, "") for name, content in files.items()]).run()
    at.button(key="import-model").click().run()
    return at


def test_an_empty_studio_imports_a_model_and_every_page_shows_it(empty, open_page, files):
    at = import_files(open_page, files)
    assert not at.exception and not at.error
    (run,) = empty.runs()
    assert run.status == "finished" and run.tags == (TAG,)
    for page in ("gallery", "runs", "train", "evaluate", "configure"):
        shown = open_page(page, run=run.id)
        assert not shown.exception, page
        assert INTERNAL_ERROR not in [error.value for error in shown.error], page


def test_a_pickle_is_refused_with_the_reason(empty, open_page):
    out = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, out)
    for name in ("best_model.pth", "renamed.safetensors"):
        at = import_files(open_page, {name: out.getvalue()})
        (message,) = [error.value for error in at.error]
        assert PICKLE.format(name=name) in message and not at.exception
    assert empty.runs() == []


def test_a_damaged_file_is_refused_with_a_message_beside_existing_runs(trained, open_page, files):
    at = import_files(open_page, {"m.safetensors": files["m.safetensors"][:5000], "m.json": files["m.json"]})
    (message,) = [error.value for error in at.error]
    assert message.startswith(REFUSED) and NOT_SAFETENSORS in message
    assert not at.exception and len(trained.runs()) == 1
