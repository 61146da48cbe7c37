"""The report on settings: all values, the difference from the defaults, and how to reproduce the run."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from cnn_core.config.chosen import chosen_settings, default_settings
from cnn_core.config.schema import TrainConfig, metadata, settings_in_effect
from cnn_core.config.setting import format_setting
from cnn_core.events import Changed

DIFFERENT = "Settings that differ from the defaults"
CHANGED = "Changed after step {step:,}: {values}"


def command_line(config: TrainConfig) -> str:
    """Return the command that starts a run with the same settings: the data and all settings that differ from their defaults."""
    usual = default_settings(config)
    options = [_option(name, value) for name, value in config.model_dump().items() if value != usual[name]]
    return " ".join(["python -m cnn_core train", _option("data", config.data), *options])


def _option(name: str, value: Any) -> str:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return flag if value else flag.replace("--", "--no-", 1)
    return f"{flag}={shlex.quote(str(value))}"


def describe_settings(config: TrainConfig, changes: Sequence[Changed]) -> dict[str, Any]:
    """Return the values of the section on settings."""
    usual, shown, different = default_settings(config), settings_in_effect(config), chosen_settings(config)
    return {
        "lead": f"{DIFFERENT} of this data set, model and optimizer: {len(different)} of {len(shown)}.",
        "changed_caption": DIFFERENT,
        "changed_rows": [(*_row(name, value), format_setting(usual[name])) for name, value in different.items()],
        "changes_in_training": [_describe_change(change) for change in changes],
        "all_rows": [_row(name, value) for name, value in shown.items()],
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
