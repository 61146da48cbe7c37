"""The formats in which a run can be exported. The Gallery page, the command line and the bundle read this table.

To add a format, write its module and add an entry. The signatures of `write` and `load`, both "module:function", depend on `kind`:

    weights    write(SavedWeights) -> bytes                        load(bytes, ExportCard) -> weights by name
    graph      write(ExportedProgram, ExportCard) -> bytes         load(Path) -> a function from images (N, C, S, S) float32, 0..255, to
                                                                   probabilities (N, classes); check.py contains its code
    training   write(config, ModelCard, run, notes) -> str         (code that trains as the run did)
    bundle     a zip of some of the model files, with a script that checks them

Importing this module does not import torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal


@dataclass(frozen=True)
class ExportFormat:
    """One format. `name`: on the command line. `suffix`: of the file name, after the run's name. `about`: what the file is for. `needs`: what is
    needed to use it. `usage`: its line in the README of a bundle. `package`: what `load` of a graph needs. `is_importable`: whether CNN Studio
    can import it, with its card."""

    name: str
    title: str
    kind: Literal["bundle", "graph", "weights", "training"]
    suffix: str
    mime: str
    icon: str
    about: str
    needs: str
    write: str = ""
    load: str = ""
    usage: str = ""
    package: str = ""
    is_importable: bool = False


FORMATS = {
    entry.name: entry
    for entry in (
        ExportFormat(
            name="bundle",
            title="Bundle",
            kind="bundle",
            suffix="-bundle.zip",
            mime="application/zip",
            icon="folder_zip",
            about="A zip with model files, their card, ten images with the probabilities that CNN Studio predicts for them, and a script that checks "
            "whether the model files predict the same.",
            needs="Needs Python with numpy and pillow, and onnxruntime or torch.",
        ),
        ExportFormat(
            name="onnx",
            title="ONNX",
            kind="graph",
            suffix=".onnx",
            mime="application/octet-stream",
            icon="hub",
            about="A graph of operations for programs in any language, for phones and for browsers. Its inputs are pixel values from 0 to 255, its "
            "outputs probabilities: normalisation and calibration are included.",
            needs="Needs ONNX Runtime, or another program that reads ONNX.",
            write="cnn_core.export.onnx_graph:write_onnx",
            load="cnn_core.export.onnx_graph:load_onnx",
            usage="a graph for ONNX Runtime:  pip install onnxruntime",
            package="onnxruntime",
        ),
        ExportFormat(
            name="torch-export",
            title="torch.export",
            kind="graph",
            suffix=".pt2",
            mime="application/zip",
            icon="account_tree",
            about="The same graph for PyTorch, which loads it without the network’s source code.",
            needs="Needs torch: torch.export.load(file).module().",
            write="cnn_core.export.torch_graph:write_torch_export",
            load="cnn_core.export.torch_graph:load_torch_export",
            usage='a graph for PyTorch:       torch.export.load("model.pt2").module()',
            package="torch",
        ),
        ExportFormat(
            name="safetensors",
            title="Safetensors",
            kind="weights",
            suffix=".safetensors",
            mime="application/octet-stream",
            icon="shield",
            about="Only the weights, in a file that is safe to share, with a model card that describes the model. CNN Studio can import both.",
            needs="Needs safetensors, and CNN Studio or your own code of the same network.",
            write="cnn_core.export.weights:write_safetensors",
            load="cnn_core.export.weights:load_safetensors",
            usage="weights, with card.json in its header: CNN Studio can import both",
            is_importable=True,
        ),
        ExportFormat(
            name="pth",
            title="State dict",
            kind="weights",
            suffix=".pth",
            mime="application/octet-stream",
            icon="data_object",
            about="The file best_model.pth from the run’s folder: PyTorch’s own format, for your own programs.",
            needs="Needs torch: torch.load(file, weights_only=True).",
            write="cnn_core.export.weights:write_state_dict",
            load="cnn_core.export.weights:load_state_dict",
            usage='the state dict:            torch.load("model.pth", weights_only=True)',
        ),
        ExportFormat(
            name="script",
            title="Training script",
            kind="training",
            suffix="-train.py",
            mime="text/x-python",
            icon="code",
            about="The training as one Python file to read and change: images, network, optimizer and training loop with this run’s settings, in plain "
            "PyTorch. Its results differ from the run as much as between two seeds. CNN Studio’s network can load the weights that it saves.",
            needs="Needs torch, torchvision and the packages that its first lines name: python file.py FOLDER.",
            write="cnn_core.export.script:training_script",
        ),
        ExportFormat(
            name="notebook",
            title="Notebook",
            kind="training",
            suffix="-train.ipynb",
            mime="application/x-ipynb+json",
            icon="menu_book",
            about="The same code in cells, each with a short explanation, for lessons and experiments.",
            needs="Needs Jupyter or another program that opens notebooks, torch, torchvision and the packages that its first lines name.",
            write="cnn_core.export.notebook:training_notebook",
        ),
    )
}
MODEL_FORMATS = {name: entry for name, entry in FORMATS.items() if entry.kind in ("graph", "weights")}
GRAPH_FORMATS = {name: entry for name, entry in FORMATS.items() if entry.kind == "graph"}


def find_function(target: str) -> Callable[..., Any]:
    """Import and return the function named "module:function"."""
    module, _, name = target.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function
