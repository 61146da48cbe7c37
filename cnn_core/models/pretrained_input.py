"""What the pretrained weights of a network expect of images: they bring their own statistics and size, not those of the person's set.

In: a model's name and, for networks of timm, their name there. Out: a `NetworkInput`. For a network that is not in the table timm is imported.
"""

from statistics import mean

from cnn_core.models.pretrained_table import PRETRAINED, NetworkInput
from cnn_core.models.registry import find_family
from cnn_core.models.targets import import_target

Statistics = tuple[tuple[float, ...], tuple[float, ...]]  # mean and standard deviation per channel


def expected_input(timm_name: str) -> NetworkInput:
    """Return what the weights of the network that timm calls `timm_name` expect. Raises SettingError for a name that timm does not have."""
    if timm_name in PRETRAINED:
        return PRETRAINED[timm_name].expects
    config = import_target("cnn_core.models.timm_nets:find_config")(timm_name)
    return NetworkInput(
        config["input_size"][-1], tuple(config["mean"]), tuple(config["std"]), config["interpolation"], config["crop_pct"]
    )


def expected_side(model: str, timm_name: str, weights: str) -> int:
    """Return the side in pixels of the images that the starting `weights` of `model` were trained on; 0 where they are random."""
    if weights == "scratch":
        return 0
    family = find_family(model)
    return expected_input(timm_name).side if "timm_name" in family.options else family.side


def expected_statistics(model: str, timm_name: str, weights: str, channels: int) -> Statistics | None:
    """Return mean and standard deviation per channel that the starting `weights` of `model` expect; None where those of the images are used.

    Grey images have the means over the three channels.
    """
    family = find_family(model)
    if "timm_name" in family.options and weights != "scratch":
        expects = expected_input(timm_name)
        means, stds = expects.mean, expects.std
        return (means, stds) if channels == len(means) else ((mean(means),) * channels, (mean(stds),) * channels)
    if family.statistics and weights == "pretrained":
        return (family.statistics[0],) * channels, (family.statistics[1],) * channels
    return None
