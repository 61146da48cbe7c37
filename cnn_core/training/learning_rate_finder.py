"""The learning-rate finder: the loss while the learning rate rises from far too low to far too high.

In: settings and a home. Out: a generator of Progress whose value is a LearningRateCurve. The model it trains is thrown away.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass

from cnn_core.config.images import open_images
from cnn_core.config.schema import TrainConfig
from cnn_core.device import choose_device
from cnn_core.errors import SettingError
from cnn_core.events import Progress
from cnn_core.features.store import open_feature_store
from cnn_core.home import Home
from cnn_core.training.pretrained import with_weights_file
from cnn_core.training.recipe import load_training_images, make_trainer

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 120
SMOOTHING = 0.9  # coefficient of the running mean of the loss
DIVERGED = 4.0  # times the lowest loss: training stops there
CLEAR_FALL = 0.1  # fraction of the first loss; a smaller fall may be the noise of the batches
STAGE = "Trying learning rates"
NEVER_FELL = "The loss did not fall at any learning rate. Choose a larger batch size or another optimizer."


@dataclass(frozen=True)
class LearningRateCurve:
    """`losses` (nats, smoothed) at `learning_rates`, in the order of the steps. `proposal`: a peak learning rate that should train well."""

    learning_rates: tuple[float, ...]
    losses: tuple[float, ...]
    proposal: float

    @property
    def fall(self) -> float:
        """By which fraction of the first loss the loss fell, 0..1."""
        return 1 - min(self.losses) / self.losses[0]

    @property
    def is_uncertain(self) -> bool:
        """Whether the loss fell so little that its lowest place, and so the proposal, may be chance."""
        return self.fall < CLEAR_FALL


def find_learning_rate(config: TrainConfig, home: Home) -> Generator[Progress, None, LearningRateCurve]:
    """Train for at most STEPS steps with an exponentially rising learning rate (Smith, 2017, section 3.3).

    Proposes a tenth of the one with the lowest smoothed loss (Howard and Gugger, 2020). Raises SettingError when the loss never fell.
    """
    source = open_images(config, home)
    images, validation = yield from load_training_images(source)
    device, store = choose_device(config.device), open_feature_store(source)
    trainer, _ = make_trainer(with_weights_file(config, home), source.info, images, device, validation, store)
    yield from (event for event in trainer.enter_stage() if isinstance(event, Progress))
    learning_rates: list[float] = []
    losses: list[float] = []
    running_mean = 0.0
    while len(learning_rates) < STEPS:
        trainer.model.train()
        for batch, targets in trainer.batches:
            learning_rate = LOWEST * (HIGHEST / LOWEST) ** (len(learning_rates) / (STEPS - 1))
            trainer.optimizer.set_learning_rate(learning_rate)
            running_mean = SMOOTHING * running_mean + (1 - SMOOTHING) * trainer.take_step(batch, targets).item()
            smoothed = running_mean / (1 - SMOOTHING ** (len(learning_rates) + 1))
            if not math.isfinite(smoothed) or (losses and smoothed > DIVERGED * min(losses)):
                return _propose(learning_rates, losses)
            learning_rates.append(learning_rate)
            losses.append(smoothed)
            yield Progress(STAGE, len(learning_rates), STEPS)
            if len(learning_rates) == STEPS:
                break
    return _propose(learning_rates, losses)


def _propose(learning_rates: list[float], losses: list[float]) -> LearningRateCurve:
    lowest = min(range(len(losses)), key=losses.__getitem__) if losses else 0
    if len(losses) < 10 or losses[lowest] > 0.98 * losses[0]:
        raise SettingError(NEVER_FELL, "learning_rate")
    return LearningRateCurve(tuple(learning_rates), tuple(losses), float(f"{learning_rates[lowest] / 10:.1g}"))
