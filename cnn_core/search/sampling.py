"""Sampling the settings of the next trial, and the pruner that stops poor trials. In: a plan and the trials so far. Out: one of Optuna's trials.

Samples are seeded by the plan's seed and the trial's number, so an interrupted search samples what it would have sampled. The caller holds the
search's sampling lock: no other process samples for it at the same time.
"""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cnn_core.search.plan import MAX_GRID_SIZE, SearchPlan
from cnn_core.search.space import Choices, Dimension, combinations, effective_dimensions, is_integer
from cnn_core.search.storage import load_optuna, reopen_trial
from cnn_core.search.trials import REPEATS, is_repeat

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

# A trial is pruned when it is worse than this percentage of the others. Replayed on real trials of the digits (3 x 20 of 8 epochs, each in 20
# orders), 70% saved 41% of the time; in 8 of 100 searches the best trial was pruned, which cost 0.2 points on average. Time saved and best
# trials pruned with other pruners: 60%: 48% and 23 of 100; median pruning: 50% and 33; successive halving (by 2): 57% and 28;
# Hyperband (by 3): 51% and 23; 75%: 35% and 5.
PRUNING_PERCENTILE = 70.0
STARTUP_TRIALS = 4  # trials that are completed before any can be pruned

Key = tuple[tuple[str, Any], ...]


def sample_trial(study: "Study", plan: SearchPlan) -> "Trial | None":
    """Return a new trial with settings that no other has; None where no combination is left."""
    while True:
        trials = study.get_trials(deepcopy=False)
        untried = _untried(plan, trials)
        if untried is not None and not untried:
            return None
        has_repeated = bool(trials) and is_repeat(trials[-1])
        if untried and (plan.sampler == "grid" or has_repeated) and not any(trial.state.name == "WAITING" for trial in trials):
            study.enqueue_trial(random.Random(f"{plan.seed}-{len(trials)}").choice(untried))
        study.sampler = _sampler("random" if has_repeated else plan.sampler, plan.seed, len(trials))
        trial = study.ask()
        if fill_settings(study, plan, trial):
            return trial


def restart_trial(study: "Study", plan: SearchPlan, frozen: "FrozenTrial") -> "Trial":
    """Return a trial that was started, to resume it."""
    study.sampler = _sampler(plan.sampler, plan.seed, frozen.number)
    return reopen_trial(study, frozen)


def fill_settings(study: "Study", plan: SearchPlan, trial: "Trial") -> bool:
    """Sample the missing settings of the trial. Return False for a trial that repeats another, which is discarded."""
    chosen: dict[str, Any] = {}
    for dimension in effective_dimensions(plan.base, plan.space, chosen):
        chosen[dimension.name] = _suggest(trial, dimension)
    key, trials = _key(plan.trial_settings(chosen)), study.get_trials(deepcopy=False)
    earlier = next((other.number for other in trials if other.number != trial.number and key == _tried(plan, other)), None)
    if earlier is None:
        return True
    trial.set_user_attr(REPEATS, earlier)
    study.tell(trial, state=load_optuna().trial.TrialState.FAIL)
    return False


def make_pruner(plan: SearchPlan) -> "BasePruner":
    """Return the pruner, which stops a trial that is among the worst 30% of those that reached the same epoch."""
    pruners = load_optuna().pruners
    pruner: BasePruner = (
        pruners.PercentilePruner(PRUNING_PERCENTILE, n_startup_trials=STARTUP_TRIALS) if plan.prune else pruners.NopPruner()
    )
    return pruner


def _sampler(name: str, seed: int, number: int) -> "BaseSampler":
    samplers, trial_seed = load_optuna().samplers, int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    sampler: BaseSampler = samplers.TPESampler(seed=trial_seed) if name == "tpe" else samplers.RandomSampler(seed=trial_seed)
    return sampler


def _suggest(trial: "Trial", dimension: Dimension) -> Any:
    """Return the trial's value for one dimension: sampled now, or before."""
    if isinstance(dimension, Choices):
        return trial.suggest_categorical(dimension.name, dimension.values)
    if is_integer(dimension.name):
        return trial.suggest_int(dimension.name, int(dimension.low), int(dimension.high), log=dimension.log)
    return trial.suggest_float(dimension.name, dimension.low, dimension.high, log=dimension.log)


def _untried(plan: SearchPlan, trials: "Sequence[FrozenTrial]") -> list[dict[str, Any]] | None:
    """Return the combinations that no trial has; None where there are too many to list."""
    if plan.size is None or plan.size > MAX_GRID_SIZE:
        return None
    tried = {_tried(plan, trial) for trial in trials}
    return [settings for settings in combinations(plan.base, plan.space) if _key(settings) not in tried]


def _tried(plan: SearchPlan, trial: "FrozenTrial") -> Key | None:
    """Return the key of the trial's settings; None for a trial that has not started or was discarded."""
    return None if is_repeat(trial) or trial.state.name == "WAITING" else _key(plan.trial_settings(trial.params))


def _key(settings: dict[str, Any]) -> Key:
    return tuple(sorted(settings.items()))
