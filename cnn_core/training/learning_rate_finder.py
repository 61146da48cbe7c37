"""The learning-rate finder: how the loss moves while the rate rises from far too low to far too high.

In: settings and a home. Out: a generator of Progress whose value is a RateCurve with a proposal. The network it trains is thrown away.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass

from cnn_core.config.schema import TrainConfig
from cnn_core.data.open import open_source
from cnn_core.device import choose_device
from cnn_core.errors import SettingError
from cnn_core.events import Progress
from cnn_core.home import Home
from cnn_core.training.recipe import load_training, prepare

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 120
SMOOTHING = 0.9  # share of the running mean that is kept at every step
BLOWN_UP = 4.0  # times the lowest loss: what follows is only worse


@dataclass(frozen=True)
class RateCurve:
    """`losses` (nats, smoothed) at `rates`, both rising with the steps; `proposal` is a peak learning rate that should train well."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    proposal: float


def find_rate(config: TrainConfig, home: Home) -> Generator[Progress, None, RateCurve]:
    """Train for at most STEPS steps with an exponentially rising rate (Smith, 2017, section 3.3) and propose a tenth of the rate at which
    the smoothed loss was lowest (Howard and Gugger, 2020). Raises SettingError when the loss never fell."""
    source = open_source(config.data, home)
    images, validation = yield from load_training(source)
    trainer, _ = prepare(config, source.info, images, choose_device(config.device), validation)
    rates: list[float] = []
    losses: list[float] = []
    running = 0.0
    while len(rates) < STEPS:
        trainer.model.train()
        for batch, targets in trainer.batches:
            rate = LOWEST * (HIGHEST / LOWEST) ** (len(rates) / (STEPS - 1))
            trainer.optimizer.set_rate(rate)
            running = SMOOTHING * running + (1 - SMOOTHING) * trainer.take_step(batch, targets).item()
            smoothed = running / (1 - SMOOTHING ** (len(rates) + 1))
            if not math.isfinite(smoothed) or (losses and smoothed > BLOWN_UP * min(losses)):
                return _propose(rates, losses)
            rates.append(rate)
            losses.append(smoothed)
            yield Progress("Trying learning rates", len(rates), STEPS)
            if len(rates) == STEPS:
                break
    return _propose(rates, losses)


def _propose(rates: list[float], losses: list[float]) -> RateCurve:
    lowest = min(range(len(losses)), key=losses.__getitem__) if losses else 0
    if len(losses) < 10 or losses[lowest] > 0.98 * losses[0]:
        raise SettingError(
            "No learning rate made the loss fall within a hundred steps. Choose a larger batch size or another optimizer.",
            "learning_rate",
        )
    return RateCurve(tuple(rates), tuple(losses), float(f"{rates[lowest] / 10:.1g}"))
