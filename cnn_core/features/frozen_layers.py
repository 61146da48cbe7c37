"""The layers of a network that do not learn, and what they make of images: read where it is kept, computed where not.

In: a model, the name of the module that learns (its head), and images. Out: the inputs of this module. They are the same to the bit whether they are
read or computed, and whichever images they are computed together with: all batches have one size, because with another size, or another number of
threads, libraries may add in another order.
"""

import errno
import hashlib
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from cnn_core.data.batches import Batches
from cnn_core.data.source import ImageSet
from cnn_core.device import Arithmetic, describe_device
from cnn_core.events import Note, Progress
from cnn_core.features.store import FeatureStore
from cnn_core.locks import READ_ONLY
from cnn_core.models.partial_cost import FORWARD_IMAGES

STAGE, WAITING = "Computing features", "Another process computes the features of these images"  # the names of stages
NOT_KEPT = "The features of the images could not be kept ({reason}). Training continues. Free some disk space, so that the next one can use them again."
SAVE_SECONDS = 20.0  # at most this much of the computation is lost when its process is killed
WAIT_SECONDS = 3 * SAVE_SECONDS  # after which a process that adds no features, as a paused one, is not waited for
POLL_SECONDS = 0.25
VERSION = 1  # of the computation: a higher one where features would become others
Computing = Generator[Progress | Note, None, None]


@dataclass(frozen=True, eq=False)
class FrozenLayers:
    """The layers of `model` before its module `part`, by its dotted name, in evaluation mode.

    mean, std: per channel, of the images that the network expects (see `Normalise`). store: where features are kept, None for nowhere. The hooks of
    the whole model are not called, so that the features are those of the images without the mirrored ones.
    """

    model: nn.Module
    part: str
    arithmetic: Arithmetic
    mean: tuple[float, ...]
    std: tuple[float, ...]
    store: FeatureStore | None = None

    @cached_property
    def key(self) -> str:
        """Identifies these layers with their weights, and the arithmetic, machine and preparation of the images."""
        digest = hashlib.sha256(repr(self._facts()).encode())
        for name, value in self.model.state_dict().items():
            if not name.startswith(f"{self.part}."):
                digest.update(repr((name, value.dtype, tuple(value.shape))).encode())
                digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
        return digest.hexdigest()[:32]

    def _facts(self) -> tuple[object, ...]:
        """Return what decides the features beside weights and images."""
        modules = [(name, module) for name, module in self.model.named_modules() if not f"{name}.".startswith(f"{self.part}.")]
        packages = {type(module).__module__.partition(".")[0] for _, module in modules} - {"cnn_core"}
        return (
            VERSION,
            self.part,
            [(name, type(module).__qualname__, module.extra_repr()) for name, module in modules],
            [(package, getattr(sys.modules[package], "__version__", "")) for package in sorted(packages)],
            str(self.arithmetic),
            describe_device(self.arithmetic.device),
            torch.backends.cpu.get_cpu_capability(),
            self.arithmetic.device.type != "cpu" and torch.are_deterministic_algorithms_enabled(),
            (self.mean, self.std),
            self.store.preparation if self.store else "",
        )

    @property
    def are_kept(self) -> bool:
        """Whether features of these layers are kept, of any image."""
        return self.store is not None and self.store.has(self.key)

    def features(self, images: ImageSet) -> Generator[Progress | Note, None, torch.Tensor]:
        """Return the inputs (N, ...) float32 of the module `part` for `images`, in their order, on the device.

        Yields Progress while features are computed, and a Note where they cannot be kept. Closing the generator keeps what was computed.
        """
        found = _Found(len(images))
        if self.store is None or images.rows is None:
            yield from self._compute(images, found, None)
        else:
            found.put(*self.store.read(self.key, images.rows))
            if len(found.missing):
                yield from self._compute_alone(images, found, self.store, images.rows)
        return torch.from_numpy(found.features).to(self.arithmetic.device)

    def _compute_alone(self, images: ImageSet, found: "_Found", store: FeatureStore, rows: np.ndarray) -> Computing:
        """Compute what is missing while no other process computes such features; wait as long as another one adds some."""
        changed, until = store.changed_at(self.key), time.monotonic() + WAIT_SECONDS
        while True:
            with store.try_lock(self.key) as is_acquired:
                if store.changed_at(self.key) != changed:
                    found.put(*store.read(self.key, rows))
                    changed, until = store.changed_at(self.key), time.monotonic() + WAIT_SECONDS
                if not len(found.missing):
                    return
                if is_acquired or time.monotonic() > until:
                    yield from self._compute(images, found, store)
                    return
            yield Progress(WAITING, len(images) - len(found.missing), len(images))
            time.sleep(POLL_SECONDS)

    def _compute(self, images: ImageSet, found: "_Found", store: FeatureStore | None) -> Computing:
        """Compute what is missing, and keep it every SAVE_SECONDS and at the end, also where the generator is closed."""
        missing = found.missing
        padded = np.resize(missing, -(-len(missing) // FORWARD_IMAGES) * FORWARD_IMAGES)  # the first images again
        batches = Batches(
            images.take(padded), batch_size=FORWARD_IMAGES, device=self.arithmetic.device, mean=self.mean, std=self.std
        )
        keeper = _Keeper(self.key, store, images.rows) if store is not None and images.rows is not None else None
        begun = len(images) - len(missing)
        try:
            for number, (batch, _) in enumerate(batches):
                yield Progress(STAGE, begun + number * FORWARD_IMAGES, len(images))
                features = self._forward(batch).cpu().numpy()
                places = missing[number * FORWARD_IMAGES : (number + 1) * FORWARD_IMAGES]
                found.put(features[: len(places)], places)
                if keeper and (reason := keeper.keep(places, found.features)):
                    yield Note(NOT_KEPT.format(reason=reason))
        finally:
            reason = keeper.finish(found.features) if keeper else ""
        if reason:
            yield Note(NOT_KEPT.format(reason=reason))

    def _forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the features (B, ...) float32 of a batch of images (B, C, H, W)."""
        found: list[torch.Tensor] = []
        hook = self.model.get_submodule(self.part).register_forward_pre_hook(lambda _, inputs: found.append(inputs[0].float()))
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        try:
            with torch.no_grad(), self.arithmetic.autocast():
                self.model.forward(batch)  # without the hooks of the whole model, which average over mirrored images
        finally:
            hook.remove()
            for module, was_training in modes:
                module.training = was_training
        return found[0]


class _Found:
    """The features of `count` images, of which some are missing yet."""

    def __init__(self, count: int) -> None:
        self.features = np.empty((count, 0), np.float32)
        self._is_missing = np.ones(count, bool)

    @property
    def missing(self) -> np.ndarray:
        """The places (k,) int64 of the images whose features are missing."""
        return np.flatnonzero(self._is_missing)

    def put(self, features: np.ndarray, places: np.ndarray) -> None:
        """Fill in the features (k, ...) of the images at `places` (k,)."""
        if not len(places):
            return
        if self._is_missing.all():
            self.features = np.empty((len(self._is_missing), *features.shape[1:]), np.float32)
        self.features[places] = features
        self._is_missing[places] = False


class _Keeper:
    """Adds new features to a store from time to time, until it cannot be written."""

    def __init__(self, key: str, store: FeatureStore, rows: np.ndarray) -> None:
        self._key, self._store, self._rows = key, store, rows
        self._unsaved: list[np.ndarray] = []
        self._saved = time.monotonic()
        self._has_failed = False

    def keep(self, places: np.ndarray, features: np.ndarray) -> str:
        """Keep the features at `places` (k,) of all `features` now or later; return why that is impossible, "" where it is not."""
        self._unsaved.append(places)
        return self.finish(features) if time.monotonic() - self._saved > SAVE_SECONDS else ""

    def finish(self, features: np.ndarray) -> str:
        """Keep what is not kept yet; return why that is impossible, "" where it is not."""
        if self._has_failed or not self._unsaved:
            return ""
        places = np.concatenate(self._unsaved)
        try:
            self._store.add(self._key, self._rows[places], features[places])
        except OSError as error:
            self._has_failed = True
            is_expected = error.errno in (*READ_ONLY, errno.ENOENT)  # a home that can only be read; a data set that was removed
            return "" if is_expected else error.strerror or str(error)
        self._unsaved, self._saved = [], time.monotonic()
        return ""
