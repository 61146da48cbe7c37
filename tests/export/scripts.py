"""What the tests of exported scripts share: a network's card, and what a script defines."""

import sys
from collections.abc import Sequence
from typing import Any

from cnn_core.config.schema import TrainConfig
from cnn_core.export.script import training_script
from cnn_core.models.saving import ModelCard

COLOURS = ("blue", "green", "red")


def card_of(
    config: TrainConfig, *, channels: int = 3, image_size: int = 32, classes: Sequence[str] = COLOURS, fit: str = "crop"
) -> ModelCard:
    options = {name: value for name, value in config.model_options.items() if name != "weights"}
    return ModelCard(
        model=config.model,
        options=options,
        classes=tuple(classes),
        channels=channels,
        image_size=image_size,
        mean=(0.4,) * channels,
        std=(0.2,) * channels,
        fit=fit,
        mirror=config.mirror,
        fingerprint="",
    )


def executed(config: TrainConfig, card: ModelCard) -> dict[str, Any]:
    """What the script defines, without its training."""
    names, given = {"__name__": "script"}, sys.argv
    sys.argv = ["script.py"]
    try:
        exec(compile(training_script(config, card, "0001-x"), "script.py", "exec"), names)
    finally:
        sys.argv = given
    return names
