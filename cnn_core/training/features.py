"""Features: what a network's frozen layers make of each image, computed once and iterated in batches instead of the images.

In: a model, the name of the module that learns (its head), and the images. Out: the inputs of this module, (N, ...) float32, in the order of the
images. Training a head on them is the same as training it in the whole network, and thousands of times faster.
"""

from collections.abc import Generator, Iterator

import torch
from torch import nn

from cnn_core.data.batches import Batches
from cnn_core.data.epoch_order import EpochOrder
from cnn_core.device import Arithmetic
from cnn_core.events import Progress

STAGE = "Computing features"


class FeatureBatches(EpochOrder):
    """The features of a set of images and their labels, iterated in batches, after `prepare` has computed them.

    images: not augmented, in their order. part: the dotted name of the module whose inputs are the features.
    """

    def __init__(
        self, images: Batches, model: nn.Module, part: str, arithmetic: Arithmetic, *, batch_size: int, shuffle: bool, seed: int
    ) -> None:
        super().__init__(images.labels, batch_size=batch_size, shuffle=shuffle, seed=seed)
        self._images, self._model, self._part, self._arithmetic = images, model, part, arithmetic
        self._features: torch.Tensor | None = None

    def prepare(self) -> Generator[Progress, None, None]:
        """Compute the features, unless they are. Yields Progress."""
        if self._features is None:
            self._features = yield from compute_features(self._model, self._part, self._images, self._arithmetic)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        assert self._features is not None, "`prepare` comes first"
        self._start_or_resume_epoch()
        for chosen in self._rest(self._order.to(self._device)):
            self._position += 1
            yield self._features[chosen], self.labels[chosen]


def compute_features(
    model: nn.Module, part: str, images: Batches, arithmetic: Arithmetic
) -> Generator[Progress, None, torch.Tensor]:
    """Return the inputs (N, ...) float32 of the module `part` of `model` in evaluation mode, for all images in their order. Yields Progress."""
    found: list[torch.Tensor] = []
    hook = model.get_submodule(part).register_forward_pre_hook(lambda _, inputs: found.append(inputs[0].float()))
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        for done, (batch, _) in enumerate(images):
            yield Progress(STAGE, min(done * images.batch_size, len(images.labels)), len(images.labels))
            with torch.no_grad(), arithmetic.autocast():
                model.forward(batch)  # without the hooks of the whole model, which average over mirrored images
    finally:
        hook.remove()
        for module, was_training in modes:
            module.training = was_training
    return torch.cat(found)
