"""A trained model on disk: `best_model.pth` (a plain state dict) and `model.json` (the card: how to build and use it).

In: a model and its card. Out: the same, loaded. Files are replaced atomically; weights are only read with
`weights_only=True`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, field_validator
from torch import nn

from cnn_core.data.decoder import Fit, Interpolation
from cnn_core.data.source import Ink
from cnn_core.device import Arithmetic
from cnn_core.errors import NoModelError, RunError
from cnn_core.files import write_atomically
from cnn_core.home import CARD, WEIGHTS
from cnn_core.models.empty import build_for_state
from cnn_core.models.registry import build_model
from cnn_core.models.targets import NO_TIMM

DAMAGED_MODEL = "The saved model of run {run} is damaged or does not match its card. Train the run again."


class ModelCard(BaseModel):
    """All that is needed beside the weights to classify images: architecture, classes, preprocessing.

    options: the model's own settings, by name. mean, std: per channel, 1 for full brightness. ink: the digits whose centring and scaling
    drawings follow (see `DataInfo`). fit, interpolation, crop_share: how images are resized (see `to_pixels`). mirror: whether logits are the mean
    of those of the image and the mirrored image. kept_side, stored_side: how the data set stores its images (see `DataInfo`). fingerprint: of the training
    data. weights_sha256: of the file of pretrained weights, "" without one that is recorded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    options: dict[str, Any] = {}
    classes: tuple[str, ...]
    channels: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    ink: Ink = ""
    fit: Fit = "crop"
    interpolation: Interpolation = "bicubic"
    crop_share: float = 1.0
    mirror: bool = False
    kept_side: int = 0
    stored_side: int = 0
    fingerprint: str
    weights_sha256: str = ""

    @field_validator("ink", mode="before")
    @classmethod
    def read_first_version(cls, value: Any) -> Any:
        """Convert true and false, which cards of the first version contain."""
        return {True: "uci", False: ""}.get(value, value) if isinstance(value, bool) else value

    def build(self, weights: str = "scratch") -> nn.Module:
        """Build the model with new weights, or from starting `weights` (see `build_model`)."""
        shape = {"channels": self.channels, "image_size": self.image_size, "classes": len(self.classes)}
        model = build_model(self.model, **shape, **self.options, weights=weights)
        if self.mirror:
            model.register_forward_hook(average_with_flipped)
        return model


def average_with_flipped(model: nn.Module, inputs: tuple[torch.Tensor], logits: torch.Tensor) -> torch.Tensor:
    """Return, in evaluation mode, the mean of the logits and those of the images (N, C, H, W) mirrored left to right."""
    return logits if model.training else (logits + model.forward(inputs[0].flip(3))) / 2


def save_card(folder: Path, card: ModelCard) -> None:
    """Write `card` as `model.json`."""
    write_atomically(folder / CARD, lambda file: file.write(card.model_dump_json(indent=2).encode()))


def save_weights(folder: Path, model: nn.Module) -> None:
    """Write the model's state dict as `best_model.pth`."""
    save_state(folder, model.state_dict())


def save_state(folder: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write a model's `state`, on the CPU and in the default memory layout, as `best_model.pth`."""
    state = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write_atomically(folder / WEIGHTS, lambda file: torch.save(state, file))


def load_model(folder: Path, device: torch.device) -> tuple[nn.Module, ModelCard]:
    """Return the saved model in evaluation mode and its card. Raises RunError when there is none or it is damaged."""
    card = read_card(folder)
    return build_from_state(folder, card, read_weights(folder), device), card


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the state dict in `best_model.pth`, on the CPU. Raises RunError when there is none or it is damaged."""
    try:
        state: dict[str, torch.Tensor] = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise NoModelError(folder.name) from None
    except Exception:  # reading a damaged file may raise anything
        raise _damaged(folder) from None
    return state


def read_card(folder: Path) -> ModelCard:
    """Return the card of the model in `folder`. Raises RunError when there is none or it is damaged."""
    try:
        return ModelCard.model_validate_json((folder / CARD).read_bytes())
    except FileNotFoundError:
        raise NoModelError(folder.name) from None
    except (OSError, ValueError):
        raise _damaged(folder) from None


def build_from_state(folder: Path, card: ModelCard, state: Mapping[str, torch.Tensor], device: torch.device) -> nn.Module:
    """Build the card's model with the weights of `state`, in evaluation mode. Raises RunError when they do not fit, and
    SettingError where the package of the network is not installed."""
    try:
        model = build_for_state(card.build)  # drawing weights would change the random numbers of a training in this process
        model.load_state_dict(state, assign=True)
    except Exception as error:  # a damaged file may hold anything
        if str(error) == NO_TIMM:
            raise
        raise _damaged(folder) from None
    return Arithmetic(device).place(model).eval()


def _damaged(folder: Path) -> RunError:
    return RunError(DAMAGED_MODEL.format(run=folder.name))
