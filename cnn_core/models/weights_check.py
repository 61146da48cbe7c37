"""The check of a person's file of starting weights before its run starts, so that a wrong file is refused at once.

In: a model, its settings, and the path of the file. Out: a sentence on what of the file is not used, or a SettingError. The file is read; no network
is allocated.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnn_core.errors import SettingError
from cnn_core.models.registry import build_on_meta, find_family, find_weights
from cnn_core.models.starting_weights import NONE_FIT, StateDict, find_fitting, read_weights
from cnn_core.models.targets import import_target
from cnn_core.models.weights_source import OTHER_CLASSES

PUBLISHED_CLASSES = 1000  # of ImageNet: that the last layer of such weights is replaced needs no word


def check_weights(model: str, shape: Mapping[str, int], options: Mapping[str, Any]) -> str:
    """Return the sentence on the last layer of the file of weights, which has other classes than ImageNet; "" where there is nothing to say.

    shape: channels, image_size and classes. options: the settings that the model takes, with the path as `weights`. Raises SettingError where
    there is no such file, where it cannot be read, and where it belongs to another network.
    """
    family, weights = find_family(model), options["weights"]
    file = Path(weights).expanduser()
    find_weights(file)
    state = read_weights(file)
    if "timm_name" in family.options:
        fit_names = import_target("cnn_core.models.timm_nets:fit_names")
        return _describe(fit_names(state, options["timm_name"], weights).other_classes)
    if family.loader.startswith("cnn_core.models.torchvision_nets:"):
        state = import_target("cnn_core.models.torchvision_nets:with_own_names")(state, family.published)
    network = build_on_meta(model, **shape, **options)
    fitting = find_fitting(network, state)
    if not any(value.ndim >= 2 for value in fitting.values()):
        raise SettingError(NONE_FIT.format(weights=weights), "weights")
    return _describe(_count_classes(state, fitting))


def _describe(classes: int) -> str:
    """Return the sentence on a last layer for `classes` classes, which is not used; "" for 0 and for the number of published weights."""
    return OTHER_CLASSES.format(count=classes) if classes not in (0, PUBLISHED_CLASSES) else ""


def _count_classes(state: StateDict, fitting: StateDict) -> int:
    """Return the rows of the last matrix of `state`, where it is not among the `fitting` tensors; else 0."""
    last = next((name for name in reversed(state) if state[name].ndim == 2), "")
    return len(state[last]) if last and last not in fitting else 0
