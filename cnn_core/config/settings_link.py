"""Settings as the query of a link: data set, model, and the settings that differ from their defaults. A link is short and readable.

In: settings, or the parameters of a link, which are untrusted. Out: parameters, or settings with a message for each parameter
that was refused. Importing this module does not import torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.config.setting import format_setting
from cnn_core.data.names import canonical_name
from cnn_core.data.set_bin import IN_BIN, is_in_bin
from cnn_core.errors import SettingError
from cnn_core.home import SET_NAME, Home
from cnn_core.text import counted

FIELDS = TrainConfig.model_fields
FIRST = ("data", "model", "optimizer")  # the defaults of the others depend on these, in this order
ORDER = (*FIRST, *(name for name in FIELDS if name not in FIRST))
MAX_LENGTH = 4096  # characters of a value; no setting takes more
MAX_MESSAGES = 5  # refusals that have a message each
OTHERS = "The link has {parameters} that cannot be used."
NO_SETTING = "There is no setting called “{name}”. Use the names of a settings file."
NO_SET = "There is no data set “{name}” in this studio. Import it under that name on the Data page."
TOO_LONG = f"{{setting}} has {{length:,}} characters in the link. At most {MAX_LENGTH:,} are allowed."


@dataclass(frozen=True)
class LinkSettings:
    """Settings of a link, each of them allowed by itself, and a message for every parameter that was refused."""

    settings: dict[str, Any]
    refused: tuple[str, ...] = ()


def settings_query(chosen: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a link to the `chosen` settings, checked or not: data set, model, and what differs from the defaults."""
    return {name: format_setting(value) for name, value in settings_without_defaults(chosen).items()}


def settings_without_defaults(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return data set and model, and those of the `chosen` settings, checked or not, that differ from their defaults."""
    defaults = make_config(**{name: chosen[name] for name in FIRST if name in chosen})
    defaults_without_optimizer = make_config(data=chosen["data"], model=chosen["model"])
    base = {name: defaults_without_optimizer if name == "optimizer" else defaults for name in chosen if name in FIELDS}
    differs = [name for name in ORDER if name in base and chosen[name] != getattr(base[name], name)]
    return {name: chosen[name] for name in ("data", "model", *(name for name in differs if name not in ("data", "model")))}


def read_link(parameters: Mapping[str, str]) -> LinkSettings:
    """Return the settings in the `parameters` of a link. Unknown names and values that are not allowed are refused with a message."""
    settings: dict[str, Any] = {}
    refused = []
    for name in sorted(parameters, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)):
        try:
            settings[name] = _read(name, parameters[name], settings)
        except SettingError as error:
            refused.append(str(error))
    if len(refused) > MAX_MESSAGES:
        more = counted(len(refused) - MAX_MESSAGES, "more parameter")
        refused[MAX_MESSAGES:] = [OTHERS.format(parameters=more)]
    return LinkSettings(settings, tuple(refused))


def _read(name: str, text: str, before: Mapping[str, Any]) -> Any:
    """Return the value of one parameter. before: the settings that were read before it. Raises SettingError."""
    if name not in FIELDS:
        raise SettingError(NO_SETTING.format(name=_beginning(name)), _beginning(name))
    if len(text) > MAX_LENGTH:
        raise SettingError(TOO_LONG.format(setting=FIELDS[name].title, length=len(text)), name)
    if name == "data" and SET_NAME.fullmatch(text):
        if is_in_bin(text, Home.from_environment()):
            raise SettingError(IN_BIN.format(data=text, name=text), name)
        if canonical_name(text) != text:  # it would be taken for a folder
            raise SettingError(NO_SET.format(name=text), name)
    base = {other: before[other] for other in FIRST if other in before}
    return getattr(make_config(**{**base, name: text}), name)


def _beginning(text: str) -> str:
    return text[:40].encode("utf-8", "replace").decode()
