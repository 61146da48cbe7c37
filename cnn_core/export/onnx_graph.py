"""The format ONNX: the traced graph as a file for ONNX Runtime and others, checked by ONNX's own checker.

In: a traced graph and its card. Out: the file's bytes, and a function that predicts with the file.
"""

import json
from pathlib import Path

import torch

from cnn_core.export.card import ExportCard
from cnn_core.export.graph import INPUT, OUTPUT, Predict, describe_graph

OPSET = 18


def write_onnx(program: torch.export.ExportedProgram, card: ExportCard) -> bytes:
    """Return the file, whose metadata contains the card, the classes, and a description of input and output."""
    import onnx

    exported = torch.onnx.export(
        program, dynamo=True, input_names=[INPUT], output_names=[OUTPUT], opset_version=OPSET, optimize=True, verbose=False
    )
    assert exported is not None
    model = exported.model_proto
    model.producer_name, model.doc_string = "CNN Studio", describe_graph(card)
    onnx.helper.set_model_props(model, {"card": card.to_json(), "classes": json.dumps(card.classes, ensure_ascii=False)})
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def load_onnx(path: Path) -> Predict:
    """Return a function from images (N, C, S, S) to probabilities (N, classes)."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: session.run([OUTPUT], {INPUT: images})[0]
