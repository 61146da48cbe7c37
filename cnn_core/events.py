"""What happens in a run, as small frozen values: made by loading and training, kept by the run store, drawn by the pages.

Units: seconds are wall seconds since training started; losses are mean cross-entropy per image (nats); accuracies are shares
in 0..1; `step` counts optimizer steps from 1 over the whole run, `epoch` from 1.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """A stage outside the training steps has come this far ("Reading images", 500 of 60,000)."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Note:
    """A sentence for the person: something was left out, converted, or is worth knowing."""

    text: str


@dataclass(frozen=True)
class Started:
    """Training is about to take its first step. `class_counts`: training images of each of `classes`."""

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


@dataclass(frozen=True)
class Resumed:
    """Training goes on from its state after step `step` of epoch `epoch`; what was reported beyond that is taken back."""

    step: int
    epoch: int


@dataclass(frozen=True)
class Steps:
    """The steps since the last report: `loss` and `accuracy` hold one number per step, the last of them is step `step`.

    `images` counts images trained on so far, `train_seconds` the seconds in training alone; `images_per_second` is of this report;
    `at` is the Unix time of the last step. `gradient_norm`: Euclidean length of the last step's gradient, before clipping. `memory`: bytes in
    use, on a GPU there, else by the process. `load`: how busy the GPU, or all cores with this process, were since the last report, 0..1.
    None where it cannot be told.
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
    """An epoch has ended: training figures are means over its (augmented) batches, validation figures over the kept-apart images.

    `waited` counts the epochs since the best one. `class_accuracy`: validation accuracy of each class, None for one without images.
    `dead`: share of the channels behind activations that were zero for every validation image; None where there is no such channel.
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


@dataclass(frozen=True)
class TrackedPredictions:
    """What the network that was validated after `epoch` says of the run's probes: for each of `names` (see `training.probes`) the
    probability of every class, to five decimals."""

    epoch: int
    step: int
    names: tuple[str, ...]
    probabilities: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Changed:
    """After step `step`, these settings were given new values while the run was training."""

    step: int
    settings: dict[str, Any]


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written after step `step` because somebody asked for one."""

    step: int


@dataclass(frozen=True)
class Paused:
    """Training waits after step `step` until somebody asks it to go on."""

    step: int


@dataclass(frozen=True)
class Continued:
    """A pause after step `step` is over."""

    step: int


@dataclass(frozen=True)
class Finished:
    """All epochs are done and the best model has been evaluated once on the test images."""

    test_accuracy: float
    test_loss: float


Event = Progress | Note | Started | Resumed | Steps | Epoch | TrackedPredictions | Changed | Saved | Paused | Continued | Finished
