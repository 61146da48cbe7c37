"""Exported files: each is what the app uses, in float32, and one that answers otherwise is not given."""

import io
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_core.data.source import finish
from cnn_core.errors import RunError, StudioError
from cnn_core.execution.in_process import execute
from cnn_core.export import apart, forms
from cnn_core.export.card import make_card
from cnn_core.export.forms import export_model
from cnn_core.export.graph import build_answering
from cnn_core.export.verify import Asked, ask_app, compare
from cnn_core.export.weights import card_inside, read_safetensors, write_safetensors
from cnn_core.home import WEIGHTS, Home
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import Calibration, save_calibration
from cnn_core.runs.store import Store
from tests.conftest import Trained
from tests.helpers import drain, is_a_sentence, tiny_config, write_pictures


@pytest.fixture(scope="module")
def hard_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A finished run with all that an export could forget: trained in bfloat16, whitened, mirrored, calibrated."""
    root = tmp_path_factory.mktemp("hard")
    store = Store(Home(root))
    chosen = {"model": "speed", "width": 0.25, "precision": "bfloat16", "flip": "random", "mirror": True}
    run = store.create(tiny_config(write_pictures(root / "pictures", count=20), **chosen))
    assert execute(store, run) == "finished", store.run(run).error
    save_calibration(store.home.run_folder(run), Calibration(temperature=0.6, threshold=0.5, images=6))
    return Trained(store.home, run)


def test_the_run_is_as_hard_as_it_is_meant_to_be(hard_run: Trained):
    classifier = Classifier(hard_run.folder)
    assert classifier.card.mirror and classifier.card.model == "speed" and classifier.calibration.temperature == 0.6
    assert {value.dtype for value in classifier.model.state_dict().values()} == {torch.float32, torch.int64}


def test_safetensors_and_card_alone_answer_as_the_app_does(hard_run: Trained):
    exported = finish(export_model(hard_run.store, hard_run.run, "safetensors"))
    asked = finish(ask_app(hard_run.store, hard_run.run))
    state = read_safetensors(exported.content)
    network = build_answering(card_inside(exported.content), state)
    pixels = torch.from_numpy(asked.images.transpose(0, 3, 1, 2).astype(np.float32))
    with torch.inference_mode():
        np.testing.assert_allclose(network(pixels).numpy(), asked.expected, atol=1e-6)
    assert exported.checked.images == len(asked.images) == 12 and exported.checked.split == "test"
    assert all(value.dtype == torch.float32 for value in state.values() if value.is_floating_point())


def test_the_pth_file_is_the_run_s_own(hard_run: Trained):
    exported = finish(export_model(hard_run.store, hard_run.run, "pth"))
    assert exported.content == (hard_run.folder / WEIGHTS).read_bytes()
    assert (
        torch.load(io.BytesIO(exported.content), weights_only=True).keys()
        == Classifier(hard_run.folder).model.state_dict().keys()
    )


def test_a_graph_is_made_by_a_process_of_its_own_and_says_how_far_it_is(hard_run: Trained):
    stages, exported = drain(export_model(hard_run.store, hard_run.run, "torch-export"))
    assert exported.checked.images == 12 and exported.checked.largest < 1e-5
    names = [stage.stage for stage in stages]
    assert names.index("Tracing the network") < names.index("Writing the graph") < names.index("Loading the file back")
    assert names[-1] == "Asking the file about images" and stages[-1].total == 12
    network = torch.export.load(io.BytesIO(exported.content)).module()
    asked = finish(ask_app(hard_run.store, hard_run.run))
    answers = network(torch.from_numpy(asked.images.transpose(0, 3, 1, 2).astype(np.float32)))
    np.testing.assert_allclose(answers.detach().numpy(), asked.expected, atol=1e-5)


def test_ending_the_work_early_ends_its_process(hard_run: Trained, tmp_path: Path):
    card = make_card(hard_run.store, hard_run.run)
    (tmp_path / apart.WEIGHTS).write_bytes(write_safetensors(Classifier(hard_run.folder).model.state_dict(), card))
    np.save(tmp_path / apart.IMAGES, np.zeros((2, 16, 16, 3), np.uint8))
    steps = apart.make_apart("onnx", tmp_path)
    next(steps)
    child = steps.gi_frame.f_locals["child"]
    assert child.poll() is None
    steps.close()
    assert child.poll() == -signal.SIGKILL and child.stdout.closed


def test_a_network_that_cannot_be_made_into_a_graph_is_a_sentence(tmp_path: Path):
    (tmp_path / apart.WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(StudioError) as refused:
        finish(apart.make_apart("onnx", tmp_path))
    assert is_a_sentence(refused.value) and "Export its weights as safetensors" in str(refused.value)


def test_weights_that_changed_on_the_way_are_not_offered(hard_run: Trained, monkeypatch: pytest.MonkeyPatch):
    def damage(state, card):
        return write_safetensors({name: -value if name == "head.weight" else value for name, value in state.items()}, card)

    monkeypatch.setattr(forms, "write_safetensors", damage)
    with pytest.raises(StudioError, match="does not answer as the app does") as refused:
        finish(export_model(hard_run.store, hard_run.run, "safetensors"))
    assert is_a_sentence(refused.value)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"damaged")], ids=["missing", "damaged"])
def test_a_run_without_whole_weights_is_a_sentence(colours_copy: Trained, spoil):
    spoil(colours_copy.folder / WEIGHTS)
    with pytest.raises(RunError) as refused:
        finish(export_model(colours_copy.store, colours_copy.run, "safetensors"))
    assert is_a_sentence(refused.value)


def asked(expected: list[list[float]]) -> Asked:
    count = len(expected)
    return Asked("test", np.zeros((count, 2, 2, 1), np.uint8), np.zeros(count, np.int64), np.array(expected, np.float32))


def test_two_classes_that_are_equally_probable_to_rounding_may_change_places_and_are_counted():
    checked = compare(asked([[0.5, 0.5], [0.9, 0.1]]), np.array([[0.4999999, 0.5000001], [0.9, 0.1]], np.float32))
    assert (checked.images, checked.ties) == (2, 1) and "two classes tie in 1" in str(checked)


WRONG = {
    "another class by a little": [[0.499995, 0.500005], [0.9, 0.1]],
    "a probability too far away": [[0.5001, 0.4999], [0.8998, 0.1002]],
    "no number": [[float("nan"), 0.5], [0.9, 0.1]],
    "an answer too few": [[0.50001, 0.49999]],
}


@pytest.mark.parametrize("what", WRONG)
def test_answers_that_are_others_are_refused(what: str):
    with pytest.raises(StudioError, match="does not answer as the app does"):
        compare(asked([[0.50001, 0.49999], [0.9, 0.1]]), np.array(WRONG[what], np.float32))


def test_of_a_large_set_images_from_all_over_are_taken(hard_run: Trained):
    images = finish(ask_app(hard_run.store, hard_run.run, most=5)).images
    everything = finish(ask_app(hard_run.store, hard_run.run)).images
    assert len(images) == 5 and np.array_equal(images[[0, -1]], everything[[0, -1]])
