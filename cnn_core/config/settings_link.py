"""Settings as the query of a link: data set, model, and whatever is not as these bring it. A link is short, and can be read.

In: settings, or the parameters of a link, which anybody may have written. Out: parameters, or what they ask for with a sentence for each
that is refused. Importing this module does not import torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.config.setting import value_in_words
from cnn_core.data.names import canonical_name
from cnn_core.errors import SettingError
from cnn_core.home import SET_NAME

FIELDS = TrainConfig.model_fields
FIRST = ("data", "model", "optimizer")  # which bring defaults for the others, in this order
ORDER = (*FIRST, *(name for name in FIELDS if name not in FIRST))
LONGEST = 4096  # letters of a value; no setting takes more
MOST_SAID = 5  # refusals that are told one by one


@dataclass(frozen=True)
class LinkSettings:
    """What a link asks for: settings that are allowed one by one, and a sentence for every parameter that was refused."""

    settings: dict[str, Any]
    refused: tuple[str, ...] = ()


def settings_query(chosen: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a link to settings that were `chosen`, checked or not: data set, model, and what differs from their defaults."""
    usual = make_config(**{name: chosen[name] for name in FIRST if name in chosen})
    plain = make_config(data=chosen["data"], model=chosen["model"])
    told = {name: plain if name == "optimizer" else usual for name in chosen if name in FIELDS}
    differs = [name for name in ORDER if name in told and chosen[name] != getattr(told[name], name)]
    return {
        name: value_in_words(chosen[name])
        for name in ("data", "model", *(name for name in differs if name not in ("data", "model")))
    }


def read_link(parameters: Mapping[str, str]) -> LinkSettings:
    """What the `parameters` of a link ask for. Those that name no setting, or give it a value it cannot have, are refused by name."""
    settings: dict[str, Any] = {}
    refused = []
    for name in sorted(parameters, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)):
        try:
            settings[name] = _read(name, parameters[name], settings)
        except SettingError as error:
            refused.append(str(error))
    if len(refused) > MOST_SAID:
        more = len(refused) - MOST_SAID
        refused[MOST_SAID:] = [
            f"{more} more {'parameter' if more == 1 else 'parameters'} of the link {'was' if more == 1 else 'were'} refused."
        ]
    return LinkSettings(settings, tuple(refused))


def _read(name: str, text: str, before: Mapping[str, Any]) -> Any:
    """The value of one parameter beside what was read `before` it. Raises SettingError."""
    if name not in FIELDS:
        raise SettingError(
            f"There is no setting called “{_beginning(name)}”. Names are those of a settings file.", _beginning(name)
        )
    if len(text) > LONGEST:
        raise SettingError(f"{FIELDS[name].title} has {len(text):,} letters in the link. At most {LONGEST:,} are read.", name)
    if name == "data" and SET_NAME.fullmatch(text) and canonical_name(text) != text:  # which would be taken for a folder
        raise SettingError(f"There is no data set “{text}” here. Import it under that name on the Data page.", name)
    base = {other: before[other] for other in FIRST if other in before}
    return getattr(make_config(**{**base, name: text}), name)


def _beginning(text: str) -> str:
    return text[:40].encode("utf-8", "replace").decode()
