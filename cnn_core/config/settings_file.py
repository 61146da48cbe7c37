"""Settings as a file: JSON or YAML, a mapping from setting to value. A run's own `config.json` is such a file.

In: a path, or the bytes of an upload. Out: what was chosen, not yet checked (make_config does that), or a SettingError. And the way back.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cnn_core.errors import SettingError

LARGEST = 100_000  # bytes; a file of settings has about two thousand


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in the file at `path`. Raises SettingError when it cannot be read or holds something else."""
    try:
        with path.open("rb") as file:
            return parse_settings(file.read(LARGEST + 1), str(path))
    except OSError as error:
        raise SettingError(f"Settings file “{path}” cannot be read ({error.strerror}). Check its path.", "config") from None


def parse_settings(content: bytes, name: str) -> dict[str, Any]:
    """The settings in `content`, the bytes of a JSON or YAML file called `name`. Raises SettingError."""
    if len(content) > LARGEST:
        raise SettingError(f"Settings file “{name}” is larger than {LARGEST:,} bytes. Choose a file of settings.", "config")
    try:
        chosen = yaml.load(content, Loader=_Plain)  # JSON is YAML too
    except Exception:  # beside YAMLError, what constructing a hostile value raises is anybody's guess
        raise SettingError(
            f"Settings file “{name}” is neither JSON nor YAML. Correct it, or choose another file.", "config"
        ) from None
    if not isinstance(chosen, dict) or not all(isinstance(key, str) for key in chosen):
        raise SettingError(
            f"Settings file “{name}” does not hold settings. It should have lines like “epochs: 20”, or be a JSON object.",
            "config",
        )
    return chosen


def write_yaml(settings: Mapping[str, Any]) -> str:
    """The settings as YAML, one a line in their own order, as `parse_settings` reads them."""
    return yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)


class _Plain(yaml.SafeLoader):
    """Without references: a few lines of them can stand for more than any memory holds, and settings need none."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("a reference")
        return super().compose_node(parent, index)
