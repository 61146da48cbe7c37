"""An exercise's settings and terms in words."""

from cnn_core.config.schema import TrainConfig, facts, has_effect
from cnn_core.config.setting import value_in_words
from cnn_core.lessons.cards import DIGITS, Lesson, Side
from cnn_core.lessons.glossary import glossary
from pages.shared.links import term_link


def differing(lesson: Lesson, side: Side, data: str = DIGITS) -> str:
    """The settings of run A or B in which the two differ, with their units: "batch norm on", "rotation 10 (± degrees)"."""
    mine, other = (lesson.settings(which, data) for which in (side, "B" if side == "A" else "A"))
    named = lesson.without.keys() | lesson.with_.keys() | lesson.photographs.keys()
    differ = [name for name in TrainConfig.model_fields if name in named and getattr(mine, name) != getattr(other, name)]
    shown = [name for name in differ if has_effect(name, mine.model_dump())]
    return ", ".join(f"{TrainConfig.model_fields[name].title.lower()} {_value(name, getattr(mine, name))}" for name in shown)


def _value(name: str, value: object) -> str:
    if isinstance(value, (bool, str)):
        return value_in_words(value)
    unit = facts(name).unit
    return f"{value:g} ({unit})" if unit else f"{value:g}"


def glossary_links(lesson: Lesson) -> str:
    """Markdown links to the lesson's terms in the glossary."""
    return ", ".join(term_link(term, glossary()[term].title.lower()) for term in lesson.terms)
