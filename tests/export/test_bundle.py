"""A bundle: unpacked anywhere, its script confirms that the model predicts what the program predicts, or finds that it does not."""

import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from cnn_core.data.source import finish
from cnn_core.errors import StudioError
from cnn_core.export.bundle import check_script, choose_images, export_bundle
from cnn_core.export.card import make_card, read_export_card
from cnn_core.export.formats import GRAPH_FORMATS
from cnn_core.export.verification import VERIFIED, ReferencePredictions
from cnn_core.inference.classifier import Classifier
from cnn_core.models.registry import network_title
from cnn_core.text import counted
from tests.conftest import Trained
from tests.helpers import is_a_sentence


@pytest.fixture(scope="module")
def unpacked(colours_run: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle's folder, far from this program. Not to be changed: see `copy`."""
    exported = finish(export_bundle(colours_run.store, colours_run.run, ("onnx", "safetensors")))
    folder = tmp_path_factory.mktemp("elsewhere") / "bundle"
    with zipfile.ZipFile(io.BytesIO(exported.content)) as bundle:
        assert bundle.testzip() is None
        bundle.extractall(folder)
    return folder


@pytest.fixture
def copy(unpacked: Path, tmp_path: Path) -> Path:
    return shutil.copytree(unpacked, tmp_path / "bundle")


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run check.py in its folder, where this program cannot be imported."""
    command = [sys.executable, "-I", "check.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_the_script_confirms_an_untouched_bundle(unpacked: Path):
    done = check(unpacked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "model.onnx: OK, same class in 10 of 10 images" in done.stdout and "model.safetensors: OK" in done.stdout
    assert len(done.stdout.splitlines()) == 3 and "WRONG" not in done.stdout


def test_the_images_were_not_trained_on_and_have_the_probabilities_that_the_program_predicts(
    unpacked: Path, colours_run: Trained
):
    expected = json.loads((unpacked / "expected.json").read_text())["images"]
    pixels = np.stack([np.asarray(Image.open(unpacked / image["file"])) for image in expected])
    predicted = Classifier(colours_run.folder).probabilities(pixels)
    np.testing.assert_allclose(predicted, [image["probabilities"] for image in expected], atol=1e-6)
    assert {image["label"] for image in expected} == {"blue", "green", "red"} and len(expected) == 10
    assert read_export_card((unpacked / "card.json").read_bytes()) == make_card(colours_run.store, colours_run.run)


def test_the_readme_lists_the_files_and_says_that_they_were_verified(unpacked: Path):
    text = (unpacked / "README.txt").read_text(encoding="utf-8")
    assert VERIFIED.format(images=counted(12, "test image")) in text and "{" not in text and "\n\n\n" not in text
    assert network_title(read_export_card((unpacked / "card.json").read_bytes()).model) in text
    assert all(path.name in text for path in unpacked.iterdir() if path.name != "README.txt")


def test_the_script_finds_a_model_that_predicts_something_else(copy: Path):
    model = onnx.load(copy / "model.onnx")
    kernels = [w for w in model.graph.initializer if len(w.dims) > 1 and w.data_type == onnx.TensorProto.FLOAT]
    for kernel in kernels:
        kernel.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(kernel), kernel.name))
    onnx.save(model, copy / "model.onnx")
    done = check(copy)
    assert done.returncode == 1 and "model.onnx: WRONG, same class in" in done.stdout and not done.stderr


def test_the_script_finds_weights_that_were_changed_and_a_model_that_is_missing(copy: Path):
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    (copy / "model.onnx").unlink()
    done = check(copy)
    assert (
        done.returncode == 1
        and "model.safetensors: WRONG" in done.stdout
        and "model.onnx: WRONG, the file is missing" in done.stdout
    )


def test_a_truncated_model_is_a_line_and_no_traceback(copy: Path):
    (copy / "model.onnx").write_bytes((copy / "model.onnx").read_bytes()[:1000])
    done = check(copy)
    assert (
        done.returncode == 1 and "model.onnx: WRONG, the file cannot be loaded" in done.stdout and "Traceback" not in done.stderr
    )


def test_a_bundle_of_weights_alone_is_refused_with_a_message(colours_run: Trained):
    with pytest.raises(StudioError) as refused:
        finish(export_bundle(colours_run.store, colours_run.run, ("safetensors", "pth")))
    assert is_a_sentence(refused.value) and all(graph.title in str(refused.value) for graph in GRAPH_FORMATS.values())


def test_images_are_chosen_from_each_class_in_turn():
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    reference = ReferencePredictions("test", np.zeros((7, 2, 2, 1), np.uint8), labels, np.zeros((7, 3), np.float32))
    assert labels[choose_images(reference, 5)].tolist() == [0, 1, 2, 0, 1]


def test_the_script_needs_no_library_before_it_loads_a_file():
    imported = {line.split()[1].partition(".")[0] for line in check_script().splitlines() if line.startswith(("import", "from"))}
    assert imported - sys.stdlib_module_names == {"numpy", "PIL"}
