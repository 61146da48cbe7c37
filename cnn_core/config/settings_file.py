"""Settings files: JSON or YAML, a mapping from setting to value. A run's `config.json` is one.

In: a path, or the bytes of an upload. Out: settings that are not yet checked (`make_config` does that), or a SettingError; and settings as YAML.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from cnn_core.errors import SettingError

MAX_BYTES = 100_000  # a settings file has about 2,000
UNREADABLE = "Settings file “{name}” cannot be read ({reason}). Check its path."
TOO_LARGE = f"Settings file “{{name}}” is larger than {MAX_BYTES:,} bytes. Choose another file."
UNKNOWN_FORMAT = "Settings file “{name}” is neither JSON nor YAML. Correct it, or choose another file."
NO_SETTINGS = "Settings file “{name}” does not hold settings. It should have lines like “epochs: 20”, or be a JSON object."


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings in the file at `path`. Raises SettingError when it cannot be read or holds something else."""
    try:
        with path.open("rb") as file:
            return parse_settings(file.read(MAX_BYTES + 1), str(path))
    except OSError as error:
        raise SettingError(UNREADABLE.format(name=path, reason=error.strerror), "config") from None


def parse_settings(content: bytes, name: str) -> dict[str, Any]:
    """Return the settings in `content`, the bytes of a JSON or YAML file called `name`. Raises SettingError."""
    if len(content) > MAX_BYTES:
        raise SettingError(TOO_LARGE.format(name=name), "config")
    try:
        chosen = yaml.load(content, Loader=_Loader)  # JSON is YAML too
    except Exception:  # a hostile file can raise more than YAMLError
        raise SettingError(UNKNOWN_FORMAT.format(name=name), "config") from None
    if not isinstance(chosen, dict) or not all(isinstance(key, str) for key in chosen):
        raise SettingError(NO_SETTINGS.format(name=name), "config")
    return chosen


def write_yaml(settings: Mapping[str, Any]) -> str:
    """Return the settings as YAML, one per line in their own order, as `parse_settings` reads them."""
    return cast(str, yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True))


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """Refuses references (YAML aliases): a few lines of them can expand beyond the memory, and settings need none."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("a reference")
        return super().compose_node(parent, index)
