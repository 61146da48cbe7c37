"""Out-of-fold predictions of a head: of heads that are trained as it is, each without one fold of the images, which it then classifies.

In: a Trainer whose head alone learns, before it trains; afterwards its features. Out: the logits of all training images by these heads. On few
images their accuracy is a better estimate than that on still fewer validation images (R. Kohavi, A study of cross-validation, 1995), and they show
which labels may be wrong. The trained model is not changed.
"""

import copy
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cnn_core.config.schema import TrainConfig
from cnn_core.data.epoch_order import EpochOrder
from cnn_core.data.source import DataInfo, finish
from cnn_core.data.splits import draw_folds
from cnn_core.device import Arithmetic
from cnn_core.events import Note, Progress, Steps
from cnn_core.features.batches import FeatureBatches, TensorBatches
from cnn_core.inference.logits import compute_logits
from cnn_core.training.loop import Trainer
from cnn_core.training.optimizer import make_optimizer
from cnn_core.training.out_of_fold import OutOfFoldPredictions, recipe_key, save_out_of_fold
from cnn_core.training.stages import HEAD, StagePlan, stage_schedule

FOLDS = 5
MOST_IMAGES = 500  # with more, the validation images are enough
LEAST_IMAGES = 2 * FOLDS
MOST_STEPS = 10_000  # of all folds together, about 5 seconds on one core; a longer training gets fewer epochs here
BATCH = 500
STAGE = "Cross-validating the head"


@dataclass(frozen=True, eq=False)
class HeadPredictions:
    """`logits` (N, classes) float32 of images with `labels` (N,) int64, each by a head that was trained without it.

    `rows`: of the images in their data set, (N,) int64; None where it has none.
    """

    logits: torch.Tensor
    labels: torch.Tensor
    rows: np.ndarray | None

    @property
    def accuracy(self) -> float:
        """The out-of-fold accuracy (0..1)."""
        return (self.logits.argmax(1) == self.labels).float().mean().item()

    def save(self, folder: Path, info: DataInfo, config: TrainConfig) -> None:
        """Save the predictions for images of an imported data set in the folder of their run, for label errors. Raises OSError."""
        if self.rows is None:
            return
        order, logits = np.argsort(self.rows), self.logits.cpu().numpy()
        key = recipe_key(info, config, FOLDS)
        save_out_of_fold(folder, OutOfFoldPredictions(info.classes, logits[order], self.rows[order], FOLDS, key))


class HeadCrossValidation:
    """The cross-validation of `trainer`'s head; make it before the training, which changes the head.

    has_drawn_validation: whether the validation images were drawn from the training images, and thus belong to them. They do not where a number of
    training images was chosen: the heads would be trained on more.
    """

    def __init__(self, trainer: Trainer, config: TrainConfig, *, has_drawn_validation: bool) -> None:
        self._trainer, self._has_drawn = trainer, has_drawn_validation
        stage = trainer.stages[0]
        count = len(stage.batches.labels) + (len(stage.validation.labels) if has_drawn_validation else 0)
        is_head_alone = [each.plan.trained for each in trainer.stages] == [HEAD]
        # With a model that averages over mirrored images, the validation images have no features.
        self.is_possible = is_head_alone and not config.averages_mirrored and LEAST_IMAGES <= count <= MOST_IMAGES
        self._head = copy.deepcopy(trainer.model.get_submodule(stage.part)) if self.is_possible else nn.Identity()

    def run(self, config: TrainConfig) -> Generator[Progress | Note, None, HeadPredictions | None]:
        """Return the predictions for all training images, after the training with `config`; None where they are not possible.

        Yields Progress, and Notes of features that cannot be kept. Features are computed again where the training was resumed after its last epoch.
        """
        if not self.is_possible:
            return None
        stage = self._trainer.stages[0]
        yield from stage.prepare()
        sources = (stage.batches, stage.validation) if self._has_drawn else (stage.batches,)
        features, labels = (torch.cat(parts) for parts in zip(*map(in_order, sources), strict=True))
        fold_of = draw_folds(labels.cpu().numpy(), FOLDS, config.seed)
        logits = yield from cross_validate_head(self._head, features, labels, fold_of, config, self._trainer.arithmetic)
        return HeadPredictions(logits, labels, rows_in_order(sources))


def rows_in_order(sources: Sequence[EpochOrder]) -> np.ndarray | None:
    """Return the rows (N,) int64 of the images of all `sources` in their data set; None where it has none."""
    rows = [source.rows for source in sources if isinstance(source, FeatureBatches) and source.rows is not None]
    return np.concatenate(rows) if len(rows) == len(sources) else None


def in_order(batches: EpochOrder) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the inputs (N, ...) and labels (N,) of all batches in the order of the images."""
    inputs, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    place = batches.order.argsort().to(labels.device)
    return inputs[place], labels[place]


def cross_validate_head(
    head: nn.Module,
    features: torch.Tensor,
    labels: torch.Tensor,
    fold_of: np.ndarray,
    config: TrainConfig,
    arithmetic: Arithmetic,
) -> Generator[Progress, None, torch.Tensor]:
    """Return the logits (N, classes) float32 of each image by a copy of `head` that was trained without its fold.

    features: (N, ...) float32. labels: (N,) int64. fold_of: (N,) int64, the fold of each image. Each copy is trained for all epochs of `config`, or for
    as many as MOST_STEPS allows, and its last weights count: held-out images choose nothing. Yields Progress.
    """
    folds, predicted = np.unique(fold_of), list[torch.Tensor]()
    for done, fold in enumerate(folds):
        progress = Progress(STAGE, done, len(folds))
        yield progress
        held_out = torch.from_numpy(fold_of == fold).to(labels.device)
        model = yield from _train(copy.deepcopy(head), features[~held_out], labels[~held_out], config, arithmetic, progress)
        checked = TensorBatches(features[held_out], labels[held_out], batch_size=BATCH, shuffle=False, seed=0)
        predicted.append(finish(compute_logits(model, checked, STAGE, arithmetic)))  # of one batch
    place = torch.from_numpy(np.argsort(fold_of, kind="stable").argsort()).to(labels.device)
    return torch.cat(predicted)[place]


def _train(
    head: nn.Module, features: torch.Tensor, labels: torch.Tensor, config: TrainConfig, arithmetic: Arithmetic, progress: Progress
) -> Generator[Progress, None, nn.Module]:
    """Return `head`, trained on these features as a run with `config` trains it. Yields `progress`, whose total is the number of folds."""
    size = min(config.batch_size, len(labels))
    batches = TensorBatches(features, labels, batch_size=size, shuffle=True, seed=config.seed)
    epochs = max(1, min(config.epochs, MOST_STEPS // (progress.total * len(batches))))
    trainer = Trainer(
        model=head.requires_grad_(True),
        batches=batches,
        validation=TensorBatches(features, labels, batch_size=BATCH, shuffle=False, seed=0),
        optimizer=make_optimizer(config, head),
        schedule=stage_schedule(config, StagePlan(HEAD, 0, epochs), len(batches)),
        arithmetic=arithmetic,
        epochs=epochs,
        label_smoothing=config.label_smoothing,
        clip_norm=config.clip_norm,
        ema=config.ema,
        seed=config.seed,
        starts_untrained=False,
    )
    for event in trainer:
        if isinstance(event, Steps):
            yield progress
    return trainer.validated_model
