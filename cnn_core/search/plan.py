"""A search as it was asked for: which settings are varied, how often it tries, and how it chooses. In: a person's wishes. Out: a value
that has checked itself, to and from JSON. Importing this module imports neither torch nor Optuna.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from pydantic import ValidationError

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.config.setting import refusal
from cnn_core.errors import SettingError
from cnn_core.search.space import Choices, Range, Space, check_space, effective, is_whole, space_size, values_of

Sampler = Literal["tpe", "random", "grid"]
SAMPLERS: dict[str, str] = {
    "tpe": "Learns from the trials so far: tries more where they went well.",
    "random": "Draws every trial anew, whatever the others gave. A fair reference.",
    "grid": "Tries every combination of the values, in random order. For few values.",
}
NAME = re.compile(r"\w[\w .,+-]{0,59}")
USUAL_TRIALS, MOST_TRIALS = 20, 1000
LARGEST_GRID = 10_000  # combinations; more than ten searches of the largest kind
DIGITS = 4  # of a number that is drawn: what more of them say is noise


@dataclass(frozen=True)
class Plan:
    """A search called `name`: so many `trials`, each with the settings `base` but for those that `space` draws. Raises SettingError.

    `sampler`: one of SAMPLERS. `prune`: end trials early that are clearly behind the others. `seed` starts the sampler's draws. `owner`:
    who asked for it, "" where nobody signs in.
    """

    name: str
    base: TrainConfig
    space: Space
    trials: int = USUAL_TRIALS
    sampler: Sampler = "tpe"
    prune: bool = True
    seed: int = 0
    owner: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or self.name != self.name.strip():
            raise SettingError(
                f"“{self.name[:80]}” cannot be the name of a search. Use up to 60 letters, digits, spaces, dots, commas, plus, minus and underscore, beginning with a letter or digit.",
                "name",
            )
        if not 1 <= self.trials <= MOST_TRIALS:
            raise SettingError(f"Trials is {self.trials:,}. Choose 1 to {MOST_TRIALS:,}.", "trials")
        if self.sampler not in get_args(Sampler):
            raise SettingError(f"There is no sampler “{self.sampler}”. Choose {', '.join(SAMPLERS)}.", "sampler")
        if not 0 <= self.seed < 2**31:
            raise SettingError(f"Seed is {self.seed}. Choose 0 to {2**31 - 1:,}.", "seed")
        check_space(self.base, self.space)
        if self.sampler == "grid":
            self._check_grid()

    def _check_grid(self) -> None:
        for part in self.space:
            if values_of(part) is None:
                raise SettingError(
                    f"A grid needs values, and {TrainConfig.model_fields[part.name].title} is a range. Give a list of values, or choose the sampler tpe.",
                    part.name,
                )
        if self.size > LARGEST_GRID:
            raise SettingError(
                f"The grid has {self.size:,} combinations, more than {LARGEST_GRID:,}. Name fewer values, or choose the sampler tpe.",
                "sampler",
            )

    @property
    def size(self) -> int | None:
        """The number of different trials that there are; None where there is no end of them."""
        return space_size(self.base, self.space)

    @property
    def goal(self) -> int:
        """The number of trials after which the search is done."""
        return self.trials if self.size is None else min(self.trials, self.size)

    def settings(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """What a trial varies, from the values that were `drawn` for it: those that have an effect, real numbers to four digits."""
        settings: dict[str, Any] = {}
        for part in effective(self.base, self.space, settings):
            if part.name in drawn:
                settings[part.name] = _tidy(part, drawn[part.name])
        return settings

    def config(self, settings: Mapping[str, Any]) -> TrainConfig:
        """All settings of a trial. Raises SettingError for what is impossible together."""
        return make_config(**self.base.model_dump() | dict(settings))

    def starts(self) -> list[TrainConfig]:
        """What all trials share, with each of the starting weights that are searched, for they may be files, and the smallest batch."""
        searched = {part.name: values_of(part) for part in self.space if part.name in ("weights", "batch_size")}
        batch_size = min(searched.get("batch_size", [self.base.batch_size]))
        weights = searched.get("weights", [self.base.weights])
        return [self.config({"weights": name, "batch_size": batch_size}) for name in weights]

    def to_json(self) -> str:
        fields = {field: getattr(self, field) for field in ("name", "trials", "sampler", "prune", "seed", "owner")}
        return json.dumps(fields | {"base": self.base.model_dump(), "space": [asdict(part) for part in self.space]})

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """The plan that `to_json` wrote. Raises SettingError for one that this version refuses."""
        plan = json.loads(text)
        try:
            base = TrainConfig.model_validate(plan.pop("base"))
        except ValidationError as error:
            raise refusal(TrainConfig, error) from None
        return cls(base=base, space=tuple(map(_to_part, plan.pop("space"))), **plan)


def _tidy(part: Range | Choices, value: Any) -> Any:
    if isinstance(part, Choices) or is_whole(part.name):
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), part.low), part.high)


def _to_part(fields: dict[str, Any]) -> Range | Choices:
    return Choices(fields["name"], tuple(fields["values"])) if "values" in fields else Range(**fields)
