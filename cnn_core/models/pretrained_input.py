"""What the pretrained weights of a network expect of images: their own statistics, size, interpolation and crop, not those of the person's set.

In: a model's name and, for networks of timm, their name there. Out: a `NetworkInput`. For a network that is not in the table timm is imported.
"""

from statistics import mean

from cnn_core.data.decoder import Interpolation
from cnn_core.models.pretrained_table import PRETRAINED, NetworkInput
from cnn_core.models.registry import find_family
from cnn_core.models.targets import import_target
from cnn_core.models.weights_source import is_kept

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
    expects = None if weights == "scratch" else _input_of(model, timm_name)
    return expects.side if expects else 0


def expected_resizing(model: str, timm_name: str, weights: str) -> tuple[Interpolation, float]:
    """Return the interpolation and the crop share (see `to_pixels`) of the images that the starting `weights` of `model` were trained on; bicubic
    and 1, the whole square, where they are random or those of a file whose images are not known."""
    expects = _known_input(model, timm_name, weights)
    return ("bilinear" if expects.interpolation == "bilinear" else "bicubic", expects.crop_share) if expects else ("bicubic", 1.0)


def expected_statistics(model: str, timm_name: str, weights: str, channels: int) -> Statistics | None:
    """Return mean and standard deviation per channel that the starting `weights` of `model` expect; None where those of the images are used.

    Grey images have the means over the three channels.
    """
    expects = _known_input(model, timm_name, weights)
    if expects is None:
        return None
    means, stds = expects.mean, expects.std
    return (means, stds) if channels == len(means) else ((mean(means),) * channels, (mean(stds),) * channels)


def _known_input(model: str, timm_name: str, weights: str) -> NetworkInput | None:
    """Return what the starting `weights` expect; None for random ones, and for those of a file, unless it is a network of timm's or one that was kept."""
    if weights == "scratch":
        return None
    is_known = weights == "pretrained" or "timm_name" in find_family(model).options or is_kept(weights)
    return _input_of(model, timm_name) if is_known else None


def _input_of(model: str, timm_name: str) -> NetworkInput | None:
    """Return what the published weights of `model` expect; None where there are none."""
    if "timm_name" in find_family(model).options:
        return expected_input(timm_name)
    return next((network.expects for network in PRETRAINED.values() if network.family == model), None)
