"""Code that is written out for a person to read: text files beside this module, with places for values and lines that are left out.

In: a file's name, values for its {{places}}, and the names that hold. `#if name` (or `#if not name`) at the end of a line keeps that line
only where the name holds; alone on a line it begins a block, which may hold others and ends with `#end`.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
CONDITION = re.compile(r"(?:^|  )#if (not )?(\w+)$")
PLACE = re.compile(r"\{\{(\w+)\}\}")


def write_out(name: str, values: Mapping[str, object], holds: Collection[str]) -> str:
    """The text of file `name`, filled in. A line that is left with nothing but an empty value goes."""
    text = (TEMPLATES / f"{name}.txt").read_text(encoding="utf-8")
    return "".join(f"{line}\n" for line in _fill(_choose(text.splitlines(), holds), values))


def _choose(lines: list[str], holds: Collection[str]) -> list[str]:
    """The lines whose conditions hold."""
    kept: list[str] = []
    blocks: list[bool] = []
    for line in lines:
        condition = CONDITION.search(line)
        is_true = not condition or (condition[2] in holds) != bool(condition[1])
        if line == "#end":
            blocks.pop()
        elif condition and condition.start() == 0:
            blocks.append(is_true)
        elif is_true and all(blocks):
            kept.append(line[: condition.start()] if condition else line)
    assert not blocks, "every #if block has its #end"
    return kept


def _fill(lines: list[str], values: Mapping[str, object]) -> list[str]:
    """Values go in as they are: what comes from outside has been made a Python literal before. In one pass, so that a value is no template."""
    filled = []
    for line in lines:
        text = PLACE.sub(lambda place: str(values[place[1]]), line)
        if text or not PLACE.fullmatch(line):
            filled.append(text)
    return filled
