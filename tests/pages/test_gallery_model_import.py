"""Bringing a model back on the Gallery page: in an empty studio too, with sentences for what is refused, and other pages get along with it."""

import io

import pytest
import torch

from cnn_core.export.card import make_card
from cnn_core.export.model_import import PICKLE, TAG
from cnn_core.export.weights import NOT_SAFETENSORS, read_saved_weights, write_safetensors
from cnn_core.home import Home
from cnn_core.runs.store import Store
from tests.pages.studio_harness import trained_home

RUN = "0001-digits"


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """What “Take it along” gives for the trained run; its classes' names would be markup."""
    store = Store(Home(trained_home()))
    card = make_card(store, store.run(RUN))
    card = card.model_copy(update={"classes": ("<b>zero</b>", *card.classes[1:])})
    saved = read_saved_weights(store.home.run_folder(RUN), card)
    return {"m.safetensors": write_safetensors(saved), "m.json": card.to_json().encode()}


def bring(open_page, files):
    at = open_page("gallery")
    at.file_uploader(key="bring-back-0").set_value([(name, content, "") for name, content in files.items()]).run()
    next(button for button in at.button if button.label == "Bring it back").click().run()
    return at


def test_an_empty_studio_takes_a_model_back_and_every_page_gets_along_with_it(empty, open_page, files):
    at = bring(open_page, files)
    assert not at.exception and not at.error
    (run,) = empty.runs()
    assert run.status == "finished" and run.tags == (TAG,)
    for page in ("gallery", "runs", "train", "evaluate", "configure"):
        shown = open_page(page, run=run.id)
        assert not shown.exception, page
        assert all("itself went wrong" not in error.value for error in shown.error), page


def test_a_pickle_is_refused_with_the_reason(empty, open_page):
    out = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, out)
    for name in ("best_model.pth", "renamed.safetensors"):
        at = bring(open_page, {name: out.getvalue()})
        (said,) = [error.value for error in at.error]
        assert PICKLE.format(name=name) in said and not at.exception
    assert empty.runs() == []


def test_what_is_refused_is_a_sentence_beside_the_runs_that_are_there(trained, open_page, files):
    at = bring(open_page, {"m.safetensors": files["m.safetensors"][:5000], "m.json": files["m.json"]})
    (said,) = [error.value for error in at.error]
    assert NOT_SAFETENSORS in said
    assert not at.exception and len(trained.runs()) == 1
