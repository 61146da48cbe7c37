"""The glossary: every setting, every value of a choice, every family of networks and every word of the charts, in plain words.

In: the files in `terms/` (TOML, so that texts are texts). Out: frozen Terms by name. A setting's term has the setting's name, a choice's
is called "optimizer-adam", a family's "model-simple"; titles and places in the form come from the settings themselves.
Importing this module does not import torch.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cnn_core.config.schema import GROUPS, TrainConfig, facts
from cnn_core.models.registry import FAMILIES

FILES = Path(__file__).parent / "terms"
FIELDS = TrainConfig.model_fields
EVERYWHERE = ("auto", "on", "off")  # values that mean the same for every setting that has them
FIRST, NETWORKS = "Data and model", "Networks"
TOPICS = (FIRST, *GROUPS, NETWORKS, "Learning", "Layers", "Measures", "Trust", "Looking inside", "Files")


@dataclass(frozen=True)
class Term:
    """One entry. `text`: a few sentences, Markdown with formulas between $ signs. `source`: paper and year, "" where there is none to name.
    `see_also`: names of related terms. `topic`: one of TOPICS. `setting`: the setting that it is, or is a value of; "" for a word."""

    name: str
    title: str
    text: str
    source: str
    see_also: tuple[str, ...]
    topic: str
    setting: str = ""


@cache
def glossary() -> dict[str, Term]:
    """All terms by name, those of the form in its order."""
    written = {name: about for file in ("settings", "choices", "networks", "words") for name, about in _read(file).items()}
    return {name: _term(name, about) for name, about in written.items()}


def term_name(setting: str, value: str = "") -> str:
    """What the term of a setting is called, or that of one of its values."""
    if not value:
        return setting
    return value if value in EVERYWHERE else f"{setting}-{value}"


def find_terms(words: str) -> list[Term]:
    """The terms that hold all of the `words`: those with a match in their title first, then those with one in their text."""
    wanted = words.casefold().split()

    def holds(text: str) -> bool:
        return all(word in text.casefold() for word in wanted)

    in_title = [term for term in glossary().values() if holds(f"{term.title} {term.name}")]
    in_text = [term for term in glossary().values() if term not in in_title and holds(f"{term.title} {term.text}")]
    return in_title + in_text


def _read(file: str) -> dict[str, dict[str, str | list[str]]]:
    return tomllib.loads((FILES / f"{file}.toml").read_text(encoding="utf-8"))


def _term(name: str, about: dict[str, str | list[str]]) -> Term:
    setting, _, value = name.partition("-")
    is_of_form = setting in FIELDS
    title = about.get("title") or (FAMILIES[value].title if value else FIELDS[name].title)
    topic = about.get("group") or (NETWORKS if setting == "model" and value else _topic(setting) if is_of_form else GROUPS[-1])
    see_also = tuple(about.get("see", ()))
    return Term(name, title, about["text"], about.get("source", ""), see_also, topic, setting if is_of_form else "")


def _topic(setting: str) -> str:
    """The group of the form in which a setting stands."""
    return facts(setting).group or FIRST
