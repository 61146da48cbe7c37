"""The glossary: a short explanation of every setting, every choice, every network architecture and the terms of the pages.

In: the files in `terms/`. Out: frozen `Term`s by name. The term of a setting has the setting's name, the term of a choice is named
"optimizer-adam", that of an architecture "model-simple"; their titles and topics come from the settings. Importing this module does not
import torch.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cnn_core.config.schema import GROUPS, TrainConfig, choices, metadata
from cnn_core.models.registry import FAMILIES

FOLDER = Path(__file__).parent / "terms"
SHARED_CHOICES = ("auto", "on", "off")  # choices that mean the same for every setting
DATA_AND_MODEL, ARCHITECTURES = "Data and model", "Architectures"
FORM_TOPICS = (DATA_AND_MODEL, *GROUPS)  # the groups of the form
CONCEPT_TOPICS = {
    "basics": "Basics",
    "layers": "Layers",
    "metrics": "Metrics and statistics",
    "calibration": "Calibration and robustness",
    "explanation": "Explanation",
    "files": "Files",
}  # by the name of their file
TOPICS = (*FORM_TOPICS, ARCHITECTURES, *CONCEPT_TOPICS.values())


@dataclass(frozen=True)
class Term:
    """One entry of the glossary.

    text: a few sentences of Markdown, with formulas between $ signs. source: paper and year, "" if there is none. see_also: names of
    related terms. topic: one of TOPICS. setting: the setting that the term explains, or to which the choice belongs; "" for a concept.
    """

    name: str
    title: str
    text: str
    source: str
    see_also: tuple[str, ...]
    topic: str
    setting: str = ""


@cache
def read_glossary() -> dict[str, Term]:
    """Return all terms by name: settings in the order of the form, choices, architectures, concepts.

    What has no entry in `terms/` yet is explained by its own help: a setting, an architecture, or a choice by the help of its setting.
    """
    entries = _help_entries() | {
        name: entry for file in ("settings", "choices", "networks") for name, entry in _read(file).items()
    }
    form_terms = [_form_term(name, entry) for name, entry in entries.items()]
    concepts = [_term(name, entry, topic) for file, topic in CONCEPT_TOPICS.items() for name, entry in _read(file).items()]
    return {term.name: term for term in [*form_terms, *concepts]}


def _help_entries() -> dict[str, dict[str, Any]]:
    """Return an entry made from the help of every setting, choice and architecture."""
    fields = TrainConfig.model_fields
    settings = {
        name: {"text": field.description, "see": [next(iter(metadata(name).only), "model")]} for name, field in fields.items()
    }
    options = {
        term_name(name, choice): {"title": choice, "text": field.description, "see": [name]}
        for name, field in fields.items()
        for choice in choices(name)
    }
    architectures = {term_name("model", name): {"text": family.help, "see": ["model"]} for name, family in FAMILIES.items()}
    return settings | options | architectures


def term_name(setting: str, choice: str = "") -> str:
    """Return the name of the term of a setting, or of one of its choices."""
    if not choice:
        return setting
    return choice if choice in SHARED_CHOICES else f"{setting}-{choice}"


def find_terms(query: str) -> list[Term]:
    """Return the terms that contain all words of `query`: first those with a match in the title, then those with one in the text."""
    words = query.casefold().split()

    def matches(text: str) -> bool:
        return all(word in text.casefold() for word in words)

    terms = read_glossary().values()
    in_title = [term for term in terms if matches(f"{term.title} {term.name}")]
    in_text = [term for term in terms if term not in in_title and matches(f"{term.title} {term.text}")]
    return in_title + in_text


def _read(file: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{file}.toml").read_text(encoding="utf-8"))


def _form_term(name: str, entry: dict[str, Any]) -> Term:
    """Return the term of a setting, a choice or an architecture."""
    setting, _, choice = name.partition("-")
    if name in SHARED_CHOICES:
        return _term(name, entry, GROUPS[-1])
    if setting == "model" and choice:
        return _term(name, {"title": FAMILIES[choice].title, **entry}, ARCHITECTURES, setting)
    title = TrainConfig.model_fields[setting].title
    return _term(name, {"title": title, **entry}, metadata(setting).group or DATA_AND_MODEL, setting)


def _term(name: str, entry: dict[str, Any], topic: str, setting: str = "") -> Term:
    return Term(name, entry["title"], entry["text"], entry.get("source", ""), tuple(entry["see"]), topic, setting)
