"""Small networks of every family for the tests of what goes on inside, with numbers drawn from a generator of their own."""

import copy

import torch
from torch import nn

from cnn_core.models.registry import FAMILIES, build_model

SIDE, CLASSES = 32, 4


def network(family: str, *, channels: int = 3, seed: int = 0, **options: object) -> nn.Module:
    """A freshly initialised network in evaluation mode, narrow where its family allows that, whose answer every layer has a part in."""
    narrow = {"width": 0.25} if "width" in FAMILIES[family].options else {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_model(family, channels=channels, image_size=SIDE, classes=CLASSES, **{**narrow, **options})
        _wake(model, random_images(16, channels=channels, seed=2))
    return model.eval()


@torch.no_grad()
def _wake(model: nn.Module, images: torch.Tensor) -> None:
    """Norms take their statistics from the images; ConvNeXt's blocks, which start as next to nothing, count from now on."""
    for name, value in model.named_parameters():
        if name.endswith("layer_scale"):
            value.fill_(0.5)
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    model.train()(images)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


def random_images(count: int, *, channels: int = 3, seed: int = 1) -> torch.Tensor:
    """Normalised images (count, channels, SIDE, SIDE) float32."""
    return torch.randn(count, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


class Unchanged:
    """Asserts at the end of the block that a model has its weights, gradients, modes and hooks, and torch its random numbers and mode."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __enter__(self) -> None:
        self.before = self._look()
        self.weights = copy.deepcopy(self.model.state_dict())

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            assert self._look() == self.before
            for name, value in self.model.state_dict().items():
                assert torch.equal(value, self.weights[name]), name

    def _look(self) -> object:
        return (
            [(name, value.requires_grad, value.grad) for name, value in self.model.named_parameters()],
            [(layer.training, list(layer._forward_hooks), list(layer._forward_pre_hooks)) for layer in self.model.modules()],
            torch.get_rng_state().tolist(),
            torch.is_grad_enabled(),
        )
