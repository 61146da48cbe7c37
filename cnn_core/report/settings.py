"""The part of a report on settings: what was chosen, what differs from the defaults, and how to have the same run again."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from cnn_core.config.defaults import defaults
from cnn_core.config.schema import TrainConfig, facts, has_effect
from cnn_core.config.setting import value_in_words
from cnn_core.events import Changed
from cnn_core.report.markup import Html, section, table, tag

CHOSEN_FIRST = ("model", "optimizer")  # on which the defaults of the others depend


def usual_settings(config: TrainConfig) -> dict[str, Any]:
    """What every setting but the data would be had nobody chosen it: for this data set, and, but for themselves, this model and optimizer."""
    fields = {name: field.default for name, field in TrainConfig.model_fields.items()}
    model = {**fields, **defaults(config.data, {})}["model"]
    optimizer = {**fields, **defaults(config.data, {"model": config.model})}["optimizer"]
    rest = {**fields, **defaults(config.data, {name: getattr(config, name) for name in CHOSEN_FIRST})}
    return {**rest, "model": model, "optimizer": optimizer, "data": config.data}


def chosen_settings(config: TrainConfig) -> dict[str, Any]:
    """The settings that are not as usual, by name."""
    usual = usual_settings(config)
    return {name: value for name, value in config.model_dump().items() if value != usual[name]}


def command_line(config: TrainConfig) -> str:
    """What starts the same run in a terminal: the data and what is not as usual."""
    options = [_option(name, value) for name, value in chosen_settings(config).items()]
    return " ".join(["python -m cnn_core train", _option("data", config.data), *options])


def _option(name: str, value: Any) -> str:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return flag if value else flag.replace("--", "--no-", 1)
    return f"{flag}={shlex.quote(str(value))}"


def show_settings(config: TrainConfig, changes: Sequence[Changed]) -> Html:
    usual, given = usual_settings(config), config.model_dump()
    shown = [name for name in given if has_effect(name, given)]
    other = [name for name in shown if given[name] != usual[name]]
    lead = (
        f"{len(other)} of {len(shown)} settings differ from what this data set, model and optimizer have by default."
        if other
        else "All settings are as this data set, model and optimizer have them by default."
    )
    changed = [
        tag(
            "p",
            f"Changed after step {one.step:,}: " + ", ".join(f"{_title(n)} {value_in_words(v)}" for n, v in one.settings.items()),
        )
        for one in changes
    ]
    own = [(*_row(name, given[name]), value_in_words(usual[name])) for name in other]
    every = table("With these the run began", ("Setting", "Value", "Unit"), [_row(name, given[name]) for name in shown], words=3)
    return section(
        "Settings",
        tag("p", lead, class_="hint"),
        table("Chosen for this run", ("Setting", "Value", "Unit", "Default"), own, words=4) if own else "",
        *changed,
        tag("details", tag("summary", f"All {len(shown)} settings that have an effect"), every),
    )


def _row(name: str, value: Any) -> tuple[str, str, str]:
    """Title, value and unit of a setting."""
    return _title(name), value_in_words(value), facts(name).unit


def show_reproduction(config: TrainConfig, changes: Sequence[Changed], parent: str, parent_epoch: int | None) -> Html:
    told = [tag("p", "In a terminal, with the same data set:"), tag("pre", tag("code", command_line(config)))]
    if parent:
        told.append(
            tag(
                "p", f"This run did not begin afresh: it went on from run {parent} after epoch {parent_epoch}, which comes first."
            )
        )
    if changes:
        told.append(tag("p", "These are the settings that it began with; what was changed while it trained is listed above."))
    told.append(
        tag(
            "p",
            "The same seed gives the same random draws. On another machine or with another version of PyTorch the figures may differ a little.",
            class_="hint",
        )
    )
    file = json.dumps(config.model_dump(), indent=2, ensure_ascii=False)
    about = "All settings as a file: keep it as settings.json, for --config or for the form"
    return section("How to reproduce it", *told, tag("details", tag("summary", about), tag("pre", tag("code", file))))


def _title(name: str) -> str:
    return TrainConfig.model_fields[name].title
