"""The report on settings: all values, the difference from the defaults, and how to reproduce the run."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from cnn_core.config.defaults import defaults
from cnn_core.config.schema import TrainConfig, has_effect, metadata
from cnn_core.config.setting import format_setting
from cnn_core.events import Changed

CHOSEN_FIRST = ("model", "optimizer")  # the defaults of the others depend on them
DIFFERENT = "Settings that differ from the defaults"
CHANGED = "Changed after step {step:,}: {values}"


def default_settings(config: TrainConfig) -> dict[str, Any]:
    """Return the default of each setting for this data set, model and optimizer."""
    fields = {name: field.default for name, field in TrainConfig.model_fields.items()}
    model = {**fields, **defaults(config.data, {})}["model"]
    optimizer = {**fields, **defaults(config.data, {"model": config.model})}["optimizer"]
    rest = {**fields, **defaults(config.data, {name: getattr(config, name) for name in CHOSEN_FIRST})}
    return {**rest, "model": model, "optimizer": optimizer, "data": config.data}


def chosen_settings(config: TrainConfig) -> dict[str, Any]:
    """Return the settings that differ from their defaults, by name."""
    usual = default_settings(config)
    return {name: value for name, value in config.model_dump().items() if value != usual[name]}


def command_line(config: TrainConfig) -> str:
    """Return the command that starts the same run: the data and the settings that differ from their defaults."""
    options = [_option(name, value) for name, value in chosen_settings(config).items()]
    return " ".join(["python -m cnn_core train", _option("data", config.data), *options])


def _option(name: str, value: Any) -> str:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return flag if value else flag.replace("--", "--no-", 1)
    return f"{flag}={shlex.quote(str(value))}"


def describe_settings(config: TrainConfig, changes: Sequence[Changed]) -> dict[str, Any]:
    """Return the values of the section on settings."""
    usual, chosen = default_settings(config), config.model_dump()
    shown = [name for name in chosen if has_effect(name, chosen)]
    different = [name for name in shown if chosen[name] != usual[name]]
    return {
        "lead": f"{DIFFERENT} of this data set, model and optimizer: {len(different)} of {len(shown)}.",
        "changed_caption": DIFFERENT,
        "changed_rows": [(*_row(name, chosen[name]), format_setting(usual[name])) for name in different],
        "changes_in_training": [_describe_change(change) for change in changes],
        "all_rows": [_row(name, chosen[name]) for name in shown],
    }


def _describe_change(change: Changed) -> str:
    values = ", ".join(f"{_title(name)} {format_setting(value)}" for name, value in change.settings.items())
    return CHANGED.format(step=change.step, values=values)


def _row(name: str, value: Any) -> tuple[str, str, str]:
    """Return title, value and unit of a setting."""
    return _title(name), format_setting(value), metadata(name).unit


def describe_reproduction(
    config: TrainConfig, changes: Sequence[Changed], parent: str, parent_epoch: int | None
) -> dict[str, Any]:
    """Return the values of the section on how to reproduce the run."""
    notes = []
    if parent:
        notes.append(f"This run is a branch of run {parent} after epoch {parent_epoch}. Train that run first.")
    if changes:
        notes.append("These are the settings at the start; the changes during training are listed above.")
    return {
        "command": command_line(config),
        "notes": notes,
        "settings_file": json.dumps(config.model_dump(), indent=2, ensure_ascii=False),
    }


def _title(name: str) -> str:
    return TrainConfig.model_fields[name].title or name
