"""A search as it was requested: which settings are varied, how many trials, and which sampler. In: choices of a person. Out: a checked value,
also as JSON. Importing this module imports neither torch nor Optuna.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from pydantic import ValidationError

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig, title
from cnn_core.config.setting import to_setting_error
from cnn_core.errors import SettingError
from cnn_core.search.space import Choices, Range, Space, check_space, effective_dimensions, is_integer, space_size, values_of

Sampler = Literal["tpe", "random", "grid"]
SAMPLERS: dict[str, str] = {
    "tpe": "Uses the results so far: samples more values near the best trials.",
    "random": "Samples every trial independently. A baseline for comparison.",
    "grid": "Tries every combination of values in random order. For few values.",
}
NAME = re.compile(r"\w[\w .,+-]{0,59}")
DEFAULT_TRIALS, MAX_TRIALS = 20, 1000
MAX_GRID_SIZE = 10_000  # combinations; ten times the largest number of trials
OTHER_VERSION = (
    "This search has a plan that this version of CNN Studio does not know: another version made it. Update CNN Studio."
)
DIGITS = 4  # significant digits of a sampled number


@dataclass(frozen=True)
class SearchPlan:
    """A search called `name` of `trials` trials, each with the settings `base` and values sampled from `space`. Raises SettingError.

    sampler: one of SAMPLERS. prune: stop poor trials early. seed: of the sampler. owner: who created it, "" without sign-in.
    """

    name: str
    base: TrainConfig
    space: Space
    trials: int = DEFAULT_TRIALS
    sampler: Sampler = "tpe"
    prune: bool = True
    seed: int = 0
    owner: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or self.name != self.name.strip():
            raise SettingError(
                f"“{self.name[:80]}” cannot be the name of a search. Use up to 60 letters, digits, spaces, dots, commas, plus, minus and underscore, starting with a letter or digit.",
                "name",
            )
        if not 1 <= self.trials <= MAX_TRIALS:
            raise SettingError(f"Trials is {self.trials:,}. Choose 1 to {MAX_TRIALS:,}.", "trials")
        if self.sampler not in get_args(Sampler):
            raise SettingError(f"Unknown sampler “{self.sampler}”. Choose {', '.join(SAMPLERS)}.", "sampler")
        if not 0 <= self.seed < 2**31:
            raise SettingError(f"Seed is {self.seed}. Choose 0 to {2**31 - 1:,}.", "seed")
        check_space(self.base, self.space)
        if self.sampler == "grid":
            self._check_grid()

    def _check_grid(self) -> None:
        for dimension in self.space:
            if values_of(dimension) is None:
                raise SettingError(
                    f"{title(dimension.name)} is a range, and a grid needs a list of values. Enter values, or choose the sampler tpe.",
                    dimension.name,
                )
        if self.size is not None and self.size > MAX_GRID_SIZE:
            raise SettingError(
                f"The grid has {self.size:,} combinations, more than {MAX_GRID_SIZE:,}. Enter fewer values, or choose the sampler tpe.",
                "sampler",
            )

    @property
    def varied(self) -> frozenset[str]:
        """The names of the settings that are varied."""
        return frozenset(dimension.name for dimension in self.space)

    @property
    def size(self) -> int | None:
        """The number of different trials; None for infinitely many."""
        return space_size(self.base, self.space)

    @property
    def total_trials(self) -> int:
        """The number of trials after which the search is done: `trials`, or `size` where that is less."""
        return self.trials if self.size is None else min(self.trials, self.size)

    def trial_settings(self, sampled: Mapping[str, Any]) -> dict[str, Any]:
        """Return the varied settings of a trial from the values `sampled`: those with an effect, real numbers to four digits."""
        settings: dict[str, Any] = {}
        for dimension in effective_dimensions(self.base, self.space, settings):
            if dimension.name in sampled:
                settings[dimension.name] = _round(dimension, sampled[dimension.name])
        return settings

    def trial_config(self, settings: Mapping[str, Any]) -> TrainConfig:
        """Return all settings of a trial. Raises SettingError for a combination that is refused."""
        return make_config(**self.base.model_dump() | dict(settings))

    def configs_to_check(self) -> list[TrainConfig]:
        """Return the shared settings with each of the searched starting weights, which may be files, and the smallest batch size."""
        searched = {
            dimension.name: values_of(dimension) or () for dimension in self.space if dimension.name in ("weights", "batch_size")
        }
        batch_size = min(searched.get("batch_size", (self.base.batch_size,)))
        weights = searched.get("weights", (self.base.weights,))
        return [self.trial_config({"weights": name, "batch_size": batch_size}) for name in weights]

    def to_json(self) -> str:
        """Return the plan as JSON."""
        fields = {field: getattr(self, field) for field in ("name", "trials", "sampler", "prune", "seed", "owner")}
        return json.dumps(fields | {"base": self.base.model_dump(), "space": [asdict(dimension) for dimension in self.space]})

    @classmethod
    def from_json(cls, text: str) -> "SearchPlan":
        """Return the plan that `to_json` wrote. Raises SettingError for a plan that this version refuses."""
        try:
            plan = json.loads(text)
            base = TrainConfig.model_validate(plan.pop("base"))
            return cls(base=base, space=tuple(map(_to_dimension, plan.pop("space"))), **plan)
        except ValidationError as error:
            raise to_setting_error(TrainConfig, error) from None
        except (KeyError, TypeError, ValueError):
            raise SettingError(OTHER_VERSION, "name") from None


def _round(dimension: Range | Choices, value: Any) -> Any:
    if isinstance(dimension, Choices) or is_integer(dimension.name):
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), dimension.low), dimension.high)


def _to_dimension(values: dict[str, Any]) -> Range | Choices:
    return Choices(values["name"], tuple(values["values"])) if "values" in values else Range(**values)
