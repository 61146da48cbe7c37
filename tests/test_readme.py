"""README.md is true: the files and pictures that it names are there, its commands exist, and the changes that it shows are tried."""

import re

import pytest

from cnn_core.__main__ import make_parser
from tests.helpers import ROOT
from tests.test_contributing import TEXT as CONTRIBUTING

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
LINKED = re.findall(r"\]\((?!https?://)([^)#]+)\)", TEXT)
COMMANDS = re.findall(r"^ +\.venv/bin/python -m cnn_core ([a-z-]+)", TEXT, re.MULTILINE)
BENCHMARKS = sorted(set(re.findall(r"python -m (benchmarks\.\w+)", TEXT)))
CHANGES = re.findall(r"```diff\n(?:.*\n)*?```", TEXT)


@pytest.mark.parametrize("path", sorted(set(LINKED)))
def test_what_the_readme_links_to_is_there(path: str):
    assert (ROOT / path).exists()


def test_every_command_of_the_command_line_is_shown_and_no_other():
    actions = next(action for action in make_parser()._actions if action.choices)
    assert set(COMMANDS) == set(actions.choices)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_command_that_takes_a_figure_is_there(name: str):
    assert (ROOT / f"{name.replace('.', '/')}.py").is_file()


def test_the_changes_that_the_readme_shows_are_those_that_are_tried_in_a_copy():
    assert len(CHANGES) == 3 and all(change in CONTRIBUTING for change in CHANGES)
