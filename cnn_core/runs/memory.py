"""Whether a training fits into the memory of its device, before it starts; only what cannot fit at all is refused.

In: a TrainConfig, an image's shape, the arithmetic. Out: a SettingError that says what would fit. The estimate leaves out workspace and the images.
"""

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import torch

from cnn_core.config.schema import TrainConfig
from cnn_core.device import Arithmetic
from cnn_core.errors import SettingError
from cnn_core.models.cost import model_cost
from cnn_core.models.pretrained_table import NETWORKS
from cnn_core.models.registry import FAMILIES
from cnn_core.text import format_bytes

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container on Linux
LOADING_COPIES = 3  # of the weights while pretrained ones are read: the file's tensors, timm's network, the network
SMALLEST_BATCH = 2  # images, for batch norms
TOO_LARGE = "Training needs about {needed} of memory, and this machine has {available}. {remedy}"
SMALLER_BATCH = "Choose a batch size of at most {size:,}."
ONLY_HEAD = "Choose “head” for “Trained layers”, which needs about {needed}."
SMALLER_NETWORK = "Choose a smaller network, like {names}."
SMALLER_MODEL = "Choose a smaller model, like {names}."
NONE_FITS = "Choose smaller images, or train on a machine with more memory."


def check_memory(config: TrainConfig, shape: Mapping[str, int], arithmetic: Arithmetic) -> None:
    """Raise SettingError where the training needs more memory than the device has. shape: channels, image_size and classes."""
    available = device_memory(arithmetic.device)
    needed = memory_needed(config, shape, arithmetic)
    if available is None or needed <= available:
        return
    field, remedy = _find_remedy(config, shape, arithmetic, available)
    raise SettingError(TOO_LARGE.format(needed=format_bytes(needed), available=format_bytes(available), remedy=remedy), field)


def memory_needed(config: TrainConfig, shape: Mapping[str, int], arithmetic: Arithmetic) -> int:
    """Return the bytes that training takes: weights, gradients, optimizer state and activations, or for a head alone the weights while they are read."""
    cost = model_cost(config.model, **shape, batch_size=config.batch_size, **config.model_options)
    if config.starting_weights != "scratch" and config.train == "head":
        return LOADING_COPIES * cost.weight_bytes
    activations = cost.activation_bytes if arithmetic.dtype == torch.float32 else cost.activation_bytes // 2
    return cost.memory_bytes - cost.activation_bytes + activations


def _find_remedy(config: TrainConfig, shape: Mapping[str, int], arithmetic: Arithmetic, available: int) -> tuple[str, str]:
    """Return the setting to change, and the sentence that says how."""

    def needs(**changes: object) -> int:
        return memory_needed(config.model_copy(update=changes), shape, arithmetic)

    def fits(**changes: object) -> bool:
        try:
            return needs(**changes) <= available
        except SettingError:  # a model that does not take images of this size
            return False

    size = config.batch_size
    while size > SMALLEST_BATCH and needs(batch_size=size) > available:
        size //= 2
    if needs(batch_size=size) <= available:
        return "batch_size", SMALLER_BATCH.format(size=size)
    if config.starting_weights != "scratch" and needs(train="head") <= available:
        return "train", ONLY_HEAD.format(needed=format_bytes(needs(train="head")))
    if "timm_name" in config.model_options:
        fitting = [name for name in NETWORKS if needs(timm_name=name) <= available]
        if fitting:
            return "timm_name", SMALLER_NETWORK.format(names=" or ".join(fitting[:2]))
    models = [family for family in FAMILIES.values() if config.starting_weights == "scratch" or family.published]
    titles = [family.title for family in islice((one for one in models if fits(model=one.name)), 2)]
    return ("model", SMALLER_MODEL.format(names=" or ".join(titles))) if titles else ("size", NONE_FITS)


def device_memory(device: torch.device) -> int | None:
    """Return the bytes of memory of a GPU, or of this machine or container; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not on Windows
        return None
    try:
        limit = CGROUP_LIMIT.read_text().strip()
    except OSError:
        limit = ""
    return min(machine, int(limit)) if limit.isdigit() else machine
