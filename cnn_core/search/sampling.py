"""What is tried next, and which trial is not worth going on with. In: a plan and what was tried. Out: one of Optuna's trials, filled.

Draws are seeded by the plan's seed and the trial's number, so a search that was interrupted draws what it would have drawn. The caller
holds the search's drawing lock: nobody else draws for it meanwhile.
"""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cnn_core.search.plan import LARGEST_GRID, Plan
from cnn_core.search.space import Choices, Range, combinations, effective, is_whole
from cnn_core.search.storage import load_optuna
from cnn_core.search.trials import REPEATS, is_repeat

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

# Replayed on real trials of the digits (3 x 20 of 8 epochs, each in 20 orders) this saved 41 % of the time, and in 8 of 100 searches the best
# trial was ended early, which cost 0.2 points on average. 60 % kept saved 48 % and lost 23 in 100, the median 50 % and 33, successive halving
# (by 2) 57 % and 28, Hyperband (by 3) 51 % and 23, 75 % kept 35 % and 5.
KEPT = 70.0  # percent
WHOLE_TRIALS = 4  # that are trained to their end before any is judged

Key = tuple[tuple[str, Any], ...]


def sample_trial(study: "Study", plan: Plan) -> "Trial | None":
    """A new trial with settings that no other one has; None when there is nothing left to try."""
    while True:
        known = study.get_trials(deepcopy=False)
        left = _untried(plan, known)
        if left is not None and not left:
            return None
        has_repeated = bool(known) and is_repeat(known[-1])
        if left and (plan.sampler == "grid" or has_repeated) and not any(trial.state.name == "WAITING" for trial in known):
            study.enqueue_trial(random.Random(f"{plan.seed}-{len(known)}").choice(left))
        study.sampler = _sampler("random" if has_repeated else plan.sampler, plan.seed, len(known))
        trial = study.ask()
        if is_filled(study, plan, trial):
            return trial


def restart_trial(study: "Study", plan: Plan, frozen: "FrozenTrial") -> "Trial":
    """A trial that was begun, to go on with."""
    study.sampler = _sampler(plan.sampler, plan.seed, frozen.number)
    return load_optuna().Trial(study, frozen._trial_id)


def is_filled(study: "Study", plan: Plan, trial: "Trial") -> bool:
    """Draw what is missing of the trial's settings. False for one that repeats another, which is given up and does not count."""
    chosen: dict[str, Any] = {}
    for part in effective(plan.base, plan.space, chosen):
        chosen[part.name] = _suggest(trial, part)
    key, known = _key(plan.settings(chosen)), study.get_trials(deepcopy=False)
    earlier = next((other.number for other in known if other.number != trial.number and key == _tried(plan, other)), None)
    if earlier is None:
        return True
    trial.set_user_attr(REPEATS, earlier)
    study.tell(trial, state=load_optuna().trial.TrialState.FAIL)
    return False


def make_pruner(plan: Plan) -> "BasePruner":
    """What decides that a trial is not worth going on with: one that is among the worst 30 % of those that came as far."""
    pruners = load_optuna().pruners
    return pruners.PercentilePruner(KEPT, n_startup_trials=WHOLE_TRIALS) if plan.prune else pruners.NopPruner()


def _sampler(name: str, seed: int, number: int) -> "BaseSampler":
    samplers, own = load_optuna().samplers, int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    return samplers.TPESampler(seed=own) if name == "tpe" else samplers.RandomSampler(seed=own)


def _suggest(trial: "Trial", part: Range | Choices) -> Any:
    """The trial's value for one part of the space: drawn, or what was drawn for it before."""
    if isinstance(part, Choices):
        return trial.suggest_categorical(part.name, part.values)
    if is_whole(part.name):
        return trial.suggest_int(part.name, int(part.low), int(part.high), log=part.log)
    return trial.suggest_float(part.name, part.low, part.high, log=part.log)


def _untried(plan: Plan, known: "Sequence[FrozenTrial]") -> list[dict[str, Any]] | None:
    """The combinations that no trial has; None where there are too many to list."""
    if plan.size is None or plan.size > LARGEST_GRID:
        return None
    tried = {_tried(plan, trial) for trial in known}
    return [settings for settings in combinations(plan.base, plan.space) if _key(settings) not in tried]


def _tried(plan: Plan, trial: "FrozenTrial") -> Key | None:
    """What the trial tries; None for one that is not begun, or was given up."""
    return None if is_repeat(trial) or trial.state.name == "WAITING" else _key(plan.settings(trial.params))


def _key(settings: dict[str, Any]) -> Key:
    return tuple(sorted(settings.items()))
