"""Learning-rate schedules: small values that are called with a step (from 0) and give the learning rate of that step."""

import math
from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Constant:
    """One learning rate for all steps."""

    peak: float

    def __call__(self, step: int) -> float:
        return self.peak


@dataclass(frozen=True)
class Cosine:
    """A linear warm-up over `warmup` steps to `peak`, then half a cosine down to zero at `steps` (Loshchilov and Hutter, 2017)."""

    peak: float
    steps: int
    warmup: int

    def __call__(self, step: int) -> float:
        rising = min(1.0, (step + 1) / (self.warmup + 1))
        return self.peak * rising * (1 + math.cos(math.pi * step / self.steps)) / 2


def make_schedule(name: str, *, peak: float, steps: int) -> Schedule:
    """The schedule called `name` over `steps` optimizer steps; warm-up takes a fiftieth of them, at most 200."""
    return Cosine(peak, steps, min(steps // 50, 200)) if name == "cosine" else Constant(peak)
