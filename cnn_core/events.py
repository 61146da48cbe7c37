"""Events of a run, as small frozen values: yielded by loading and training, stored in the event log, drawn by the pages.

Units: seconds are wall seconds since training started; losses are mean cross-entropy per image (nats); accuracies are 0..1; `step`
counts optimizer steps from 1 over the whole run, `epoch` from 1. The field names are stored: `runs.event_log` reads them again.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """The progress of a stage other than training steps ("Reading images", 500 of 60,000)."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Note:
    """A message to the user: something was skipped or converted, or other information."""

    text: str


@dataclass(frozen=True)
class Started:
    """Training is about to take its first step. `class_counts` and `val_class_counts`: training and validation images of each of `classes`;
    runs of earlier versions lack the latter."""

    parameters: int
    device: str
    train_count: int
    val_count: int
    test_count: int
    steps_per_epoch: int
    epochs: int
    patience: int = 0
    classes: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    val_class_counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class StageStarted:
    """In a training from pretrained weights, stage `number` of `count` begins: the layers called `trained` ("head", "all") learn, `learning` of the
    model's `parameters`. Reported again by a resumed run; runs of earlier versions lack it."""

    trained: str
    number: int
    count: int
    learning: int
    parameters: int


@dataclass(frozen=True)
class Resumed:
    """Training continues from its state after step `step` and epoch `epoch`; earlier events of later steps are no longer valid."""

    step: int
    epoch: int


@dataclass(frozen=True)
class Steps:
    """The steps since the last report: `loss` and `accuracy` hold one number per step, the last of them is step `step`.

    `images` counts images trained on so far, `train_seconds` the seconds in training alone; `images_per_second` is of this report;
    `at` is the Unix time of the last step. `gradient_norm`: Euclidean norm of the last step's gradient, before clipping. `memory`: bytes
    in use, on the GPU or by the process. `load`: utilisation of the GPU, or of all cores by this process, since the last report, 0..1.
    None where the system does not report it.
    """

    epoch: int
    step: int
    images: int
    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    learning_rate: float
    images_per_second: float
    train_seconds: float
    seconds: float
    at: float
    gradient_norm: float | None = None
    memory: int | None = None
    load: float | None = None


@dataclass(frozen=True)
class Epoch:
    """An epoch has ended. Training metrics are means over its (augmented) batches, validation metrics over the validation images.

    `waited`: epochs since the best one. `class_accuracy`: validation accuracy of each class, None for one without images. `dead`:
    fraction of the ReLU channels that were zero for all validation images, None without ReLU layers. `predicted`: number of validation
    images predicted as each class. `is_settled`: whether batch norms were validated with their own running statistics, not with an estimate
    (see `training.batch_norm`). Runs of earlier versions lack the last two.
    """

    epoch: int
    step: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    is_best: bool
    train_seconds: float
    seconds: float
    waited: int = 0
    class_accuracy: tuple[float | None, ...] = ()
    dead: float | None = None
    predicted: tuple[int, ...] = ()
    is_settled: bool = True


@dataclass(frozen=True)
class TrackedPredictions:
    """Predictions of the model validated after `epoch` for the run's tracked images: for each of `names` (see `TrackedImage.name`) the
    probability of every class, to five decimals.
    """

    epoch: int
    step: int
    names: tuple[str, ...]
    probabilities: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Changed:
    """These settings were changed after step `step`, while the run was training."""

    step: int
    settings: dict[str, Any]


@dataclass(frozen=True)
class Saved:
    """A requested checkpoint was written after step `step`."""

    step: int


@dataclass(frozen=True)
class Paused:
    """Training is paused after step `step`."""

    step: int


@dataclass(frozen=True)
class Continued:
    """Training continues after a pause after step `step`."""

    step: int


@dataclass(frozen=True)
class Finished:
    """Training is over, and the best model was evaluated once on the test images.

    `out_of_fold_accuracy`: where only a head was trained on few images, the accuracy of 5-fold cross-validation on its `out_of_fold_images` training
    images (see `training.head_cross_validation`); None in other runs and in those of earlier versions.
    """

    test_accuracy: float
    test_loss: float
    out_of_fold_accuracy: float | None = None
    out_of_fold_images: int = 0


Event = (
    Progress
    | Note
    | Started
    | StageStarted
    | Resumed
    | Steps
    | Epoch
    | TrackedPredictions
    | Changed
    | Saved
    | Paused
    | Continued
    | Finished
)
