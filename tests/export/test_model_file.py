"""Model files: each predicts what the program predicts, in float32, and one that does not is not given."""

import io
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_core.data.source import finish
from cnn_core.errors import RunError, StudioError
from cnn_core.execution.in_process import execute
from cnn_core.export import subprocess_export, verification, weights
from cnn_core.export.card import make_card
from cnn_core.export.formats import MODEL_FORMATS
from cnn_core.export.graph import build_exportable, predictor, to_input
from cnn_core.export.model_file import export_model
from cnn_core.export.verification import ReferencePredictions, compare, predict_reference
from cnn_core.export.weights import SavedWeights, card_inside, read_safetensors, read_saved_weights, write_safetensors
from cnn_core.home import WEIGHTS, Home
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import Calibration, save_calibration
from cnn_core.runs.store import Store
from tests.conftest import Trained
from tests.helpers import drain, is_a_sentence, tiny_config, write_images


@pytest.fixture(scope="module")
def hard_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A finished run with all that an export could forget: trained in bfloat16, whitened, mirrored, calibrated."""
    root = tmp_path_factory.mktemp("hard")
    store = Store(Home(root))
    chosen = {"model": "speed", "width": 0.25, "precision": "bfloat16", "flip": "random", "mirror": True}
    run = store.create(tiny_config(write_images(root / "pictures", count=20), **chosen))
    assert execute(store, run) == "finished", store.run(run).error
    save_calibration(store.home.run_folder(run), Calibration(temperature=0.6, threshold=0.5, images=6))
    return Trained(store.home, run)


def test_the_run_is_as_hard_as_it_is_meant_to_be(hard_run: Trained):
    classifier = Classifier(hard_run.folder)
    assert classifier.card.mirror and classifier.card.model == "speed" and classifier.calibration.temperature == 0.6
    assert {value.dtype for value in classifier.model.state_dict().values()} == {torch.float32, torch.int64}


def test_safetensors_and_card_alone_predict_what_the_program_predicts(hard_run: Trained):
    exported = finish(export_model(hard_run.store, hard_run.run, "safetensors"))
    reference = finish(predict_reference(hard_run.store, hard_run.run))
    state = read_safetensors(exported.content)
    predict = predictor(build_exportable(card_inside(exported.content), state))
    np.testing.assert_allclose(predict(to_input(reference.images)), reference.probabilities, atol=1e-6)
    assert exported.verification.images == len(reference.images) == 12 and exported.verification.split == "test"
    assert all(value.dtype == torch.float32 for value in state.values() if value.is_floating_point())


@pytest.mark.parametrize("name", [name for name, entry in MODEL_FORMATS.items() if entry.kind == "weights"])
def test_weights_in_any_format_predict_what_the_program_predicts(hard_run: Trained, name: str):
    exported = finish(export_model(hard_run.store, hard_run.run, name))
    assert (exported.name, exported.card) == (name, make_card(hard_run.store, hard_run.run))
    assert exported.verification.images == 12 and exported.verification.largest_difference < 1e-5


def test_the_pth_file_is_the_run_s_own(hard_run: Trained):
    exported = finish(export_model(hard_run.store, hard_run.run, "pth"))
    assert exported.content == (hard_run.folder / WEIGHTS).read_bytes()
    assert (
        torch.load(io.BytesIO(exported.content), weights_only=True).keys()
        == Classifier(hard_run.folder).model.state_dict().keys()
    )


def test_a_graph_is_exported_in_a_process_of_its_own_which_reports_its_stages(hard_run: Trained):
    stages, exported = drain(export_model(hard_run.store, hard_run.run, "torch-export"))
    assert exported.verification.images == 12 and exported.verification.largest_difference < 1e-5
    names = [stage.stage for stage in stages]
    expected = [subprocess_export.TRACING, subprocess_export.WRITING, subprocess_export.LOADING, subprocess_export.PREDICTING]
    assert [name for name in dict.fromkeys(names) if name in expected] == expected
    assert names[-1] == subprocess_export.PREDICTING and stages[-1].total == 12
    network = torch.export.load(io.BytesIO(exported.content)).module()
    reference = finish(predict_reference(hard_run.store, hard_run.run))
    answers = network(torch.from_numpy(reference.images.transpose(0, 3, 1, 2).astype(np.float32)))
    np.testing.assert_allclose(answers.detach().numpy(), reference.probabilities, atol=1e-5)


def test_closing_the_generator_ends_its_process(hard_run: Trained, tmp_path: Path):
    card = make_card(hard_run.store, hard_run.run)
    (tmp_path / subprocess_export.WEIGHTS_FILE).write_bytes(write_safetensors(read_saved_weights(hard_run.folder, card)))
    np.save(tmp_path / subprocess_export.IMAGES_FILE, np.zeros((2, 16, 16, 3), np.uint8))
    steps = subprocess_export.export_in_subprocess("onnx", tmp_path)
    next(steps)
    child = steps.gi_frame.f_locals["child"]
    assert child.poll() is None
    steps.close()
    assert child.poll() == -signal.SIGKILL and child.stdout.closed


def test_a_network_that_cannot_be_exported_is_refused_with_a_message(tmp_path: Path):
    (tmp_path / subprocess_export.WEIGHTS_FILE).write_bytes(b"damaged")
    with pytest.raises(StudioError) as refused:
        finish(subprocess_export.export_in_subprocess("onnx", tmp_path))
    text = str(refused.value)
    assert is_a_sentence(text) and text.startswith(subprocess_export.FAILED.format(format="ONNX", reason="{").partition("{")[0])


def test_weights_that_changed_while_they_were_written_are_not_offered(hard_run: Trained, monkeypatch: pytest.MonkeyPatch):
    def damage(saved):
        state = {name: -value if name == "head.weight" else value for name, value in saved.state.items()}
        return write_safetensors(SavedWeights(saved.content, state, saved.card))

    monkeypatch.setattr(weights, "write_safetensors", damage)
    with pytest.raises(StudioError) as refused:
        finish(export_model(hard_run.store, hard_run.run, "safetensors"))
    assert is_a_sentence(refused.value) and str(refused.value).startswith(verification.DIFFERENT.partition("{")[0])


@pytest.mark.parametrize("corrupt", [Path.unlink, lambda path: path.write_bytes(b"damaged")], ids=["missing", "damaged"])
def test_a_run_with_missing_or_damaged_weights_is_refused_with_a_message(colours_copy: Trained, corrupt):
    corrupt(colours_copy.folder / WEIGHTS)
    with pytest.raises(RunError) as refused:
        finish(export_model(colours_copy.store, colours_copy.run, "safetensors"))
    assert is_a_sentence(refused.value)


def reference_of(probabilities: list[list[float]]) -> ReferencePredictions:
    count = len(probabilities)
    images, labels = np.zeros((count, 2, 2, 1), np.uint8), np.zeros(count, np.int64)
    return ReferencePredictions("test", images, labels, np.array(probabilities, np.float32))


def test_two_classes_that_are_tied_to_rounding_may_change_places_and_are_counted():
    checked = compare(reference_of([[0.5, 0.5], [0.9, 0.1]]), np.array([[0.4999999, 0.5000001], [0.9, 0.1]], np.float32))
    assert (checked.images, checked.ties) == (2, 1) and "1 tie" in str(checked)


WRONG = {
    "another class by a little": [[0.499995, 0.500005], [0.9, 0.1]],
    "a probability too far away": [[0.5001, 0.4999], [0.8998, 0.1002]],
    "no number": [[float("nan"), 0.5], [0.9, 0.1]],
    "an answer too few": [[0.50001, 0.49999]],
}


@pytest.mark.parametrize("what", WRONG)
def test_other_predictions_are_refused(what: str):
    with pytest.raises(StudioError) as refused:
        compare(reference_of([[0.50001, 0.49999], [0.9, 0.1]]), np.array(WRONG[what], np.float32))
    starts = tuple(message.partition("{")[0] for message in (verification.DIFFERENT, verification.NO_PROBABILITIES))
    assert str(refused.value).startswith(starts) and is_a_sentence(refused.value)


def test_a_large_set_is_sampled_from_its_beginning_to_its_end(hard_run: Trained):
    images = finish(predict_reference(hard_run.store, hard_run.run, most=5)).images
    everything = finish(predict_reference(hard_run.store, hard_run.run)).images
    assert len(images) == 5 and np.array_equal(images[[0, -1]], everything[[0, -1]])
