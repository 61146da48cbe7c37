"""Images and their augmentation written out for torchvision: a part of the training script.

In: settings and a card. Out: Python code with a function `open_data`, the transforms `plain` and `augmented`, and the class `Shown`. Names and
paths, which come from outside, go in as Python literals only.
"""

from dataclasses import dataclass
from pathlib import PurePath

from cnn_core.config.schema import TrainConfig
from cnn_core.data.catalog import CATALOG
from cnn_core.export.written import write_out
from cnn_core.models.saving import ModelCard


@dataclass(frozen=True)
class Opening:
    """How torchvision opens a set of the catalogue, and what it calls the labels."""

    name: str
    labels: str = "targets"
    by_split: bool = False

    def opened(self, part: str) -> str:
        chosen = f'split="{part}"' if self.by_split else f"train={part == 'train'}"
        return f"datasets.{self.name}(DATA, {chosen}, download=True)"


OPENINGS = {
    "cifar10": Opening("CIFAR10"),
    "cifar100": Opening("CIFAR100"),
    "mnist": Opening("MNIST"),
    "fashion-mnist": Opening("FashionMNIST"),
    "svhn": Opening("SVHN", "labels", by_split=True),
    "stl10": Opening("STL10", "labels", by_split=True),
}
FITS = {
    "crop": "ImageOps.fit(image, (SIZE, SIZE), method=Image.Resampling.BICUBIC)  # its middle square",
    "pad": "ImageOps.pad(image, (SIZE, SIZE), method=Image.Resampling.BICUBIC)  # the whole of it, with black bars",
    "stretch": "image.resize((SIZE, SIZE), Image.Resampling.BICUBIC)  # the whole of it, with its shape changed",
}


def write_data(config: TrainConfig, card: ModelCard) -> str:
    """The cells that open the images."""
    split = write_out("split", {}, ()).rstrip()
    if config.data in OPENINGS:
        opening = OPENINGS[config.data]
        values = {"open_train": opening.opened("train"), "open_test": opening.opened("test"), "labels": opening.labels}
        return write_out("data_torchvision", {"split": split, **values}, ())
    if config.data in CATALOG:
        return write_out("data_digits", {"split": split}, ())
    mode = "L" if card.channels == 1 else "RGB"
    return write_out("data_folder", {"split": split, "fit": FITS[card.fit], "mode": mode}, ())


def place_of_data(config: TrainConfig) -> tuple[str, str]:
    """Where the script looks for the images, as a Python literal, and what stands beside it."""
    if config.data in OPENINGS:
        return repr("data"), "where torchvision keeps what it downloads"
    path = PurePath(config.data)
    if path.is_absolute():
        is_zip = path.suffix.lower() == ".zip"
        return repr(str(path.with_suffix("") if is_zip else path)), "the unpacked archive" if is_zip else "the folder of images"
    return repr(config.data), "the folder that the set was imported from"


def write_augmentation(config: TrainConfig, card: ModelCard) -> str:
    """The cells of what is done to training images."""
    holds = {name for name in ("brightness", "contrast", "cutout") if getattr(config, name)}
    holds |= {"mix"} if config.mixup or config.cutmix else set()
    holds |= {"alternating"} if config.flip == "alternating" else set()
    values = {
        "before": _before(config, card),
        "on_values": _on_values(config),
        "after": _after(config, card),
        "mix": _mix(config),
    }
    return write_out("augment", values, holds)


def _listed(steps: list[str]) -> str:
    return "\n".join(f"        {step}," for step in steps)


def _before(config: TrainConfig, card: ModelCard) -> str:
    """What moves pixels, done to the picture itself."""
    steps, padding = [], round(config.crop * card.image_size)
    if config.rotation or config.scale or config.shear:
        scale = f"scale=({1 - config.scale:g}, {1 + config.scale:g}), " if config.scale else ""
        shear = f"shear={config.shear:g}, " if config.shear else ""
        bilinear = "interpolation=v2.InterpolationMode.BILINEAR"
        steps.append(f"v2.RandomAffine(degrees={config.rotation:g}, {scale}{shear}{bilinear})")
    if padding:
        mode = ', padding_mode="reflect"' if config.crop_fill == "reflect" else ""
        steps.append(f"v2.RandomCrop(SIZE, padding={padding}{mode})")
    if config.flip == "random":
        steps.append("v2.RandomHorizontalFlip()")
    return _listed(steps)


def _on_values(config: TrainConfig) -> str:
    return _listed(
        [f"{name.capitalize()}({getattr(config, name):g})" for name in ("brightness", "contrast") if getattr(config, name)]
    )


def _after(config: TrainConfig, card: ModelCard) -> str:
    return _listed([f"Cutout({round(config.cutout * card.image_size)})"] if config.cutout else [])


def _mix(config: TrainConfig) -> str:
    """ "v2.MixUp(alpha=0.2, num_classes=len(CLASSES))", of two one at random."""
    chosen = [
        f"v2.{name}(alpha={alpha:g}, num_classes=len(CLASSES))"
        for name, alpha in (("MixUp", config.mixup), ("CutMix", config.cutmix))
        if alpha
    ]
    return chosen[0] if len(chosen) == 1 else f"v2.RandomChoice([{', '.join(chosen)}])"
