"""A run as a training script that needs only torch, torchvision and the packages of its network, with the run's settings written out.

In: a run's settings and the card of its model. Out: Python code in cells (`# %%`), which editors support and notebooks are made from. Network,
optimizer, schedule, augmentation and split are this program's own code (see `training_code`); the rest is in the templates. A state dict that
the script saves fits this program's network with the same settings, and vice versa.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from cnn_core.config.schema import TrainConfig, label, model_title, settings_in_effect
from cnn_core.config.setting import format_setting
from cnn_core.data.catalog import CATALOG
from cnn_core.export.source_code import merge_imports
from cnn_core.export.templating import Code, pyrepr, render_code
from cnn_core.export.training_code import training_code
from cnn_core.models.registry import find_family
from cnn_core.models.saving import ModelCard

UNLISTED = ("data", "weights")  # settings that are not listed in the comment at the beginning
ORIGIN = "Generated from run {run} of CNN Studio."


@dataclass(frozen=True)
class TorchvisionSet:
    """How torchvision opens a set of the catalogue: its class, the attribute with the labels, and whether it takes `split` or `train`."""

    name: str
    labels: str = "targets"
    has_split: bool = False

    def open(self, split: str, *, is_resized: bool) -> Code:
        chosen = f"split={pyrepr(split)}" if self.has_split else f"train={split == 'train'}"
        return Code(f"datasets.{self.name}(DATA, {chosen}, download=True{', transform=resize' if is_resized else ''})")


TORCHVISION_SETS = {
    "cifar10": TorchvisionSet("CIFAR10"),
    "cifar100": TorchvisionSet("CIFAR100"),
    "mnist": TorchvisionSet("MNIST"),
    "fashion-mnist": TorchvisionSet("FashionMNIST"),
    "svhn": TorchvisionSet("SVHN", "labels", has_split=True),
    "stl10": TorchvisionSet("STL10", "labels", has_split=True),
}


def training_script(
    config: TrainConfig, card: ModelCard, run: str = "", notes: Sequence[str] = (), *, is_notebook: bool = False
) -> str:
    """Return the script. `run`: the run's id. `notes`: sentences on further differences from the run.

    `is_notebook`: without command-line arguments and worker processes.
    """
    family, opened = find_family(config.model), TORCHVISION_SETS.get(config.data)
    path, path_help = _place_of_data(config)
    is_resized = opened is not None and card.image_size != CATALOG[config.data].info.image_size
    script = render_code(
        "script.py.jinja",
        config=config,
        card=card,
        family=family,
        classes=list(card.classes),
        is_notebook=is_notebook,
        title=f"Training {model_title(config)} on {_data_title(config)}",
        origin=ORIGIN.format(run=run) if run else "Generated from settings of CNN Studio.",
        settings=_list_settings(config),
        differences=[*_differences(config), *notes],
        data_template="data_digits" if config.data == "digits" else "data_torchvision" if opened else "data_folder",
        data_path=path,
        data_help=path_help,
        open_train=opened and opened.open("train", is_resized=is_resized),
        open_test=opened and opened.open("test", is_resized=is_resized),
        is_resized=is_resized,
        labels=opened and Code(opened.labels),
        **training_code(config, card),
    )
    return merge_imports(script)


def _data_title(config: TrainConfig) -> str:
    return CATALOG[config.data].title if config.data in CATALOG else "a folder of images"


def _place_of_data(config: TrainConfig) -> tuple[str, str]:
    """Return the path at which the script reads the images, and a description of it."""
    if config.data in TORCHVISION_SETS:
        return "data", "the folder for torchvision's downloads"
    path = PurePath(config.data)
    if not path.is_absolute():
        return config.data, "the folder that the set was imported from"
    is_archive = path.suffix.lower() == ".zip"
    return str(path.with_suffix("") if is_archive else path), "the unpacked archive" if is_archive else "the folder of images"


def _list_settings(config: TrainConfig) -> list[str]:
    """Return "Learning rate: 0.001" for every setting that has an effect and is not off."""
    return [
        f"{label(name)}: {format_setting(value)}"
        for name, value in settings_in_effect(config).items()
        if name not in UNLISTED and (name == "seed" or value not in (0, "off"))
    ]


def _differences(config: TrainConfig) -> list[str]:
    """Return sentences on the differences between the script and CNN Studio."""
    differences = [
        "The order of the images, augmentation and dropout use other random numbers, so results differ as much as between two seeds."
    ]
    if config.data in TORCHVISION_SETS or config.data == "digits":
        differences.append("Images that were excluded or relabelled in CNN Studio are used here as they were published.")
    else:
        differences.append(
            "Images that were skipped, excluded or relabelled in CNN Studio are used here as they are in the folder. Without a test folder, the test "
            "set is a fifth of the images. A damaged image stops the script."
        )
    conditional = {
        "Mixup and CutMix draw one coefficient for a batch, not one for each image.": bool(config.mixup or config.cutmix)
        and not config.learns_on_features,
        "Colour jitter changes brightness, contrast, saturation and hue in random order, not in this one.": bool(
            config.colour_jitter
        )
        and not config.learns_on_features,
        "Precision “auto” is bfloat16 on a CUDA GPU and float32 elsewhere; CNN Studio uses bfloat16 on some CPUs too.": config.precision
        == "auto",
        "The network is not compiled; CNN Studio compiles it for long runs on a GPU.": config.compile == "auto",
    }
    return differences + [text for text, holds in conditional.items() if holds]
