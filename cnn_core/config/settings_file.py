"""Settings files: JSON or YAML, a mapping from setting to value. A run's `config.json` is one.

In: a path, or the bytes of an upload. Out: settings that are not yet checked (`make_config` does that), or a SettingError; and settings as YAML.
Numbers are read as people write them: 010 is 10 and not an octal number, 1:30 is text, and a data set called 2024-01-01 keeps its name.
"""

import codecs
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from cnn_core.config.schema import FIELDS
from cnn_core.errors import SettingError

MAX_BYTES = 100_000  # a settings file has about 2,000
UNREADABLE = "Settings file “{name}” cannot be read ({reason}). Check its path."
TOO_LARGE = f"Settings file “{{name}}” is larger than {MAX_BYTES:,} bytes. Choose another file."
UNKNOWN_FORMAT = "Settings file “{name}” is neither JSON nor YAML. Correct it, or choose another file."
SYNTAX = "Settings file “{name}” has an error in line {line}, column {column}: {problem}. Correct it there."
TAB = "a tab cannot be used here, use spaces"
DUPLICATE = (
    "Settings file “{name}” gives “{setting}” twice: in line {first}, and in line {line}, column {column}. Delete one of the two."
)
NO_SETTINGS = "Settings file “{name}” does not hold settings. It should have lines like “epochs: 20”, or be a JSON object."

TAG = "tag:yaml.org,2002:"
RESOLVED = (  # the kinds of values that are not text: how they are written, and their first characters
    ("bool", "yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("int", "[-+]?(?:0|[1-9][0-9]{0,18})", "-+0123456789"),
    ("float", r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)", "-+.0123456789"),
    ("null", "~|null|Null|NULL|", ("~", "n", "N", "")),
)


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
    text = ""
    try:
        text = content.decode("utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
        chosen = _parse(text, name)
    except SettingError:
        raise
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, name) from None
    except Exception:  # a hostile file can raise more than YAMLError
        raise SettingError(UNKNOWN_FORMAT.format(name=name), "config") from None
    if not isinstance(chosen, dict) or not all(isinstance(key, str) for key in chosen):
        raise SettingError(NO_SETTINGS.format(name=name), "config")
    return chosen


def _parse(text: str, name: str) -> Any:
    """Return the content of a file. Raises SettingError for a setting that is given twice, and other errors for what cannot be read."""
    is_json = text.lstrip().startswith("{")
    loader = _Loader(text.replace("\t", " ") if is_json else text)  # JSON is YAML too, except for its tabs
    root = loader.get_single_node()
    if not isinstance(root, yaml.MappingNode):
        return None
    _refuse_duplicates(root, name)
    if is_json:
        try:
            return json.loads(text)
        except ValueError:  # YAML in braces
            pass
    chosen = loader.construct_document(root)
    return chosen | {key.value: _text_of(value) for key, value in root.value if _is_text(key, value)}


def _refuse_duplicates(root: Any, name: str) -> None:
    """Raise SettingError for a setting that a mapping gives twice."""
    lines: dict[str, int] = {}
    for key, _ in root.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line, column = key.start_mark.line + 1, key.start_mark.column + 1
        if key.value in lines:
            place = {"setting": key.value[:80], "first": lines[key.value], "line": line, "column": column}
            raise SettingError(DUPLICATE.format(name=name, **place), "config")
        lines[key.value] = line


def _is_text(key: Any, value: Any) -> bool:
    """Whether the value is that of a setting which is a text: what YAML would read as a number, a date or a switch is its text."""
    return isinstance(value, yaml.ScalarNode) and key.value in FIELDS and FIELDS[key.value].annotation is str


def _text_of(value: Any) -> str:
    return "" if value.tag == f"{TAG}null" else str(value.value)


def _syntax_error(error: Any, text: str, name: str) -> SettingError:
    """Return a YAML error with the place in `text` where the mistake is."""
    is_noticed_later = error.context in ("while scanning a simple key", "while scanning a quoted scalar")
    mark, problem = (error.context_mark if is_noticed_later else error.problem_mark), str(error.problem)[:200]
    if mark is None:
        return SettingError(UNKNOWN_FORMAT.format(name=name), "config")
    if text[mark.index : mark.index + 1] == "\t":
        problem = TAB
    return SettingError(SYNTAX.format(name=name, line=mark.line + 1, column=mark.column + 1, problem=problem), "config")


def write_yaml(settings: Mapping[str, Any]) -> str:
    """Return the settings as YAML, one per line in their own order, as `parse_settings` reads them."""
    return cast(str, yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True))


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """Reads switches and decimal numbers; all else is text, which is checked as on a command line.

    YAML 1.1 would read 010 as 8, 1:30 as 90 and 2024-01-01 as a date. References (YAML aliases) are refused: a few lines of them can expand
    beyond the memory, and settings need none.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("a reference")
        return super().compose_node(parent, index)


for kind, pattern, beginnings in RESOLVED:
    _Loader.add_implicit_resolver(f"{TAG}{kind}", re.compile(f"(?:{pattern})$"), list(beginnings))
_Loader.add_constructor(f"{TAG}int", lambda loader, node: int(node.value))  # yaml's own reads octal numbers
