"""Every family as a graph: the file, loaded back, predicts what the program's classifier predicts, for one image and for several."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from cnn_core.export.card import ExportCard, NetworkOptions
from cnn_core.export.formats import GRAPH_FORMATS, find_function
from cnn_core.export.graph import build_exportable, describe_graph, predictor, to_input, trace
from cnn_core.export.onnx_graph import write_onnx
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import Calibration, model_key, save_calibration
from cnn_core.models.registry import FAMILIES
from cnn_core.models.saving import ModelCard, save_card, save_weights
from tests.helpers import tells

# The other families are made of the same parts, or take long to trace: benchmarks/exports.py makes both files of every one.
TRACED = ("simple", "speed", "resnet9", "resnet20", "mobilenet", "convnext")
WRITTEN = ("simple", "speed", "timm")
TRANSFORMER = "test_vit"  # with fused attention
GREY = ("simple", "mobilenet")


def make(folder: Path, family: str) -> tuple[Classifier, ExportCard]:
    """A classifier with drawn weights that mirrors its images and is calibrated, and the card to export it with."""
    torch.manual_seed(1)
    channels, side = (1 if family in GREY else 3), 32 if family == "timm" else max(16, FAMILIES[family].smallest)
    options = {"width": 0.25, "timm_name": TRANSFORMER}
    card = ModelCard(
        model=family,
        options={name: value for name, value in options.items() if name in FAMILIES[family].options},
        classes=("cat", "dog", "<b>owl</b>"),
        channels=channels,
        image_size=side,
        mean=(0.4, 0.5, 0.6)[:channels],
        std=(0.2, 0.25, 0.3)[:channels],
        mirror=True,
        fingerprint="x",
    )
    model = card.build()
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    model.train()(torch.randn(32, channels, side, side))  # batch norms then know what they get, as after a training
    save_card(folder, card)
    save_weights(folder, model)
    temperature = spread_of(model, channels, side)
    save_calibration(folder, Calibration(temperature=temperature, images=3))
    facts = {name: value for name, value in card if name != "options"}
    return Classifier(folder), ExportCard(
        run="0001-x", network=model_key(folder), options=NetworkOptions(**card.options), temperature=temperature, **facts
    )


@torch.inference_mode()
def spread_of(model: torch.nn.Module, channels: int, side: int) -> float:
    """By how much logits differ: divided by it, they make probabilities that are neither all alike nor all 0 or 1."""
    return model.eval()(torch.randn(8, channels, side, side)).std().item()


def draw_images(card: ExportCard) -> np.ndarray:
    shape = (5, card.image_size, card.image_size, card.channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("family", TRACED)
def test_the_graph_of_a_family_predicts_what_the_program_predicts(tmp_path: Path, family: str):
    classifier, card = make(tmp_path, family)
    images, program = draw_images(card), trace(card, build_exportable(card, classifier.model.state_dict()))
    expected = classifier.probabilities(images)
    assert np.ptp(expected, axis=0).max() > 2e-4, "images with the same probabilities would prove nothing"
    for some in (slice(0, 5), slice(0, 1), slice(2, 4)):
        np.testing.assert_allclose(predictor(program.module())(to_input(images[some])), expected[some], atol=1e-5)


@pytest.mark.parametrize("family", WRITTEN)
def test_its_files_loaded_back_predict_what_the_program_predicts(tmp_path: Path, family: str):
    classifier, card = make(tmp_path, family)
    images, program = draw_images(card), trace(card, build_exportable(card, classifier.model.state_dict()))
    expected = classifier.probabilities(images)
    for graph in GRAPH_FORMATS.values():
        path = tmp_path / f"model{graph.suffix}"
        path.write_bytes(find_function(graph.write)(program, card))
        predict = find_function(graph.load)(path)
        for some in (slice(0, 5), slice(0, 1), slice(2, 4)):
            np.testing.assert_allclose(predict(to_input(images[some])), expected[some], atol=1e-5)


def test_a_network_in_float32_with_all_its_preparation_inside_is_what_a_graph_holds(tmp_path: Path):
    classifier, card = make(tmp_path, "simple")
    program = trace(card, build_exportable(card, classifier.model.state_dict()))
    model = onnx.load_model_from_string(write_onnx(program, card))
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata["card"]) == json.loads(card.to_json()) and json.loads(metadata["classes"]) == list(card.classes)
    assert model.doc_string == describe_graph(card) and tells(model.doc_string, "0", "255")
    (taken,), (given,) = model.graph.input, model.graph.output
    assert (taken.name, given.name) == ("images", "probabilities")
    sizes = [size.dim_param or size.dim_value for size in taken.type.tensor_type.shape.dim]
    assert isinstance(sizes[0], str) and sizes[1:] == [1, 16, 16]
    kinds = {value.data_type for value in model.graph.initializer if len(value.dims) > 1}
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.FLOAT and kinds == {onnx.TensorProto.FLOAT}
