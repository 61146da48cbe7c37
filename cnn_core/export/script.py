"""A run as a training script that needs torch and torchvision only: the classic tutorial's, with the run's settings written out.

In: a run's settings and the card of its network. Out: Python code in cells (`# %%`), which editors know and notebooks are made of. A state
dict that it saves fits this program's own network of the same settings, and the other way round.
"""

from collections.abc import Sequence

from cnn_core.config.schema import TrainConfig, has_effect
from cnn_core.data.catalog import CATALOG
from cnn_core.export.written import write_out
from cnn_core.export.written_data import OPENINGS, place_of_data, write_augmentation, write_data
from cnn_core.export.written_network import write_network
from cnn_core.export.written_training import start_side, starting_weights, training_facts, write_optimizer, write_training
from cnn_core.models.registry import find_family
from cnn_core.models.saving import ModelCard

FROM_OUTSIDE = ("data", "weights")  # settings that are told as Python literals only
NUMBERS = (
    "validation_share", "seed", "epochs", "batch_size", "learning_rate", "momentum", "weight_decay", "adam_rate", "warmup",
    "label_smoothing", "clip_norm", "ema", "patience",
)  # fmt: skip


def training_script(
    config: TrainConfig, card: ModelCard, run: str = "", notes: Sequence[str] = (), *, is_notebook: bool = False
) -> str:
    """The script. `run`: the name of the run that it comes from, `notes`: sentences on what differs from it beside what settings tell.

    A notebook has no arguments and starts no processes.
    """
    card = card.model_copy(update={"options": {**config.model_options, **card.options}})
    parts = (
        _write_settings(config, card, run, notes, is_notebook),
        write_data(config, card),
        write_augmentation(config, card),
        write_network(card, starting_weights(config)),
        write_optimizer(config, card),
        write_training(config, card),
    )
    return "\n\n".join(parts)


def _write_settings(config: TrainConfig, card: ModelCard, run: str, notes: Sequence[str], is_notebook: bool) -> str:
    """The head: where it comes from, what differs, imports and constants."""
    data, data_help = place_of_data(config)
    values = {name: getattr(config, name) for name in NUMBERS}
    values |= {
        "title": f"Training {find_family(config.model).title} on {_data_title(config)}",
        "origin": f"Generated from run {run} of CNN Studio." if run else "Generated from settings of CNN Studio.",
        "also": ", and scikit-learn for its digits (`pip install scikit-learn`)" if config.data == "digits" else "",
        "settings": "\n".join(f"# - {line}" for line in _settings_in_words(config)),
        "differences": "\n".join(f"# - {line}" for line in (*_differences(config, card), *notes)),
        "data": data,
        "data_help": data_help,
        "classes": repr(list(card.classes)),
        "size": card.image_size,
        "mean": repr(card.mean),
        "std": repr(card.std),
        "workers": 0 if is_notebook else 2,
        "start_side": start_side(config, card),
        "weights": repr(starting_weights(config)),
    }
    return write_out("settings", values, _head_facts(config, card, is_notebook))


def _head_facts(config: TrainConfig, card: ModelCard, is_notebook: bool) -> set[str]:
    facts = training_facts(config, card)
    facts |= {"borrowed"} if "weights" in find_family(config.model).options else set()
    if config.data == "digits":
        return facts | {"digits"}
    facts |= {"datasets", "data", "data_cell" if is_notebook else "argument"}
    return facts if config.data in OPENINGS else facts | {"pictures"}


def _data_title(config: TrainConfig) -> str:
    return CATALOG[config.data].title if config.data in CATALOG else "a folder of images"


def _settings_in_words(config: TrainConfig) -> list[str]:
    """ "Learning rate: 0.001", for every setting that has an effect and is not off."""
    chosen = config.model_dump()
    return [
        f"{field.title}: {chosen[name]}"
        for name, field in TrainConfig.model_fields.items()
        if name not in FROM_OUTSIDE and has_effect(name, chosen) and (name == "seed" or chosen[name] not in (0, "off"))
    ]


def _differences(config: TrainConfig, card: ModelCard) -> list[str]:
    """What plain torch does otherwise, in sentences."""
    told = [
        "The order of the images, the first weights and what augmentation draws are others, so accuracies differ as between two seeds. Every image is "
        "decoded and changed on its own by torchvision, which is slower than whole batches on the device.",
    ]
    if config.data in OPENINGS or config.data == "digits":
        told.append("Images that were excluded or relabelled in the studio are not known here.")
    else:
        told.append(
            "Images that the studio set aside, excluded or relabelled, and other shares for testing than a fifth, are not known here. "
            "A file that cannot be read ends the script."
        )
    conditional = {
        "Mixup and CutMix draw one share for a batch, not one for every image.": bool(config.mixup or config.cutmix),
        "Which half of the images is mirrored first is another draw.": config.flip == "alternating",
        "Precision auto means bfloat16 on a CUDA GPU and float32 elsewhere; the studio takes bfloat16 on some processors too.": config.precision
        == "auto",
        "Nothing is compiled; the studio does so on GPUs for long runs.": config.compile == "auto",
        "Muon turns its steps in float32, where the studio may take bfloat16.": config.optimizer == "muon",
        "The whitening of the first layer is computed from 1,000 training images, in the studio from 5,000.": config.model
        == "speed",
    }
    return told + [text for text, holds in conditional.items() if holds]
