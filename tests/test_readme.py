"""The files, commands and benchmarks that README.md and docs/ name exist, and docs/command-line.md shows every command."""

import re
from pathlib import Path

import pytest

from cnn_core.__main__ import make_parser
from cnn_core.cli.predict import describe_verdict
from cnn_core.inference.verdict import judge
from tests.helpers import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def shown_commands(document: Path) -> set[str]:
    """Return the commands of the command line that a document shows."""
    return set(re.findall(r"^ +\.venv/bin/python -m cnn_core ([a-z-]+)", text_of(document), re.MULTILINE))


def is_command(name: str) -> bool:
    """Whether the command line has a command of this name: its --help ends with status 0."""
    with pytest.raises(SystemExit) as end:
        make_parser().parse_args([name, "--help"])
    return end.value.code == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_links_of_a_document_lead_to_files(document: Path):
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", text_of(document))
    assert not [link for link in links if not (document.parent / link).exists()]


def test_the_named_benchmarks_exist():
    names = {name for document in DOCUMENTS for name in re.findall(r"python -m (benchmarks\.\w+)", text_of(document))}
    assert len(names) > 20 and not [name for name in names if not (ROOT / f"{name.replace('.', '/')}.py").is_file()]


def test_the_shown_commands_exist():
    assert all(is_command(name) for document in DOCUMENTS for name in shown_commands(document))


def test_the_command_line_page_shows_every_command():
    usage = make_parser().format_help()
    commands = set(re.findall(r"^ {4}([a-z-]+)(?: |$)", usage, re.MULTILINE))
    assert commands and commands == shown_commands(ROOT / "docs" / "command-line.md")


def test_the_command_line_page_shows_every_verdict_as_it_is_printed_and_its_fields():
    document = text_of(ROOT / "docs" / "command-line.md")
    verdicts = judge(0.9, 0.8), judge(0.5, 0.8), judge(0.9, 0.8, distance=1.42)
    assert len({verdict.word for verdict in verdicts}) == 3
    assert not [verdict for verdict in verdicts if f"[{describe_verdict(verdict)}]" not in document]
    assert not [name for name in verdicts[0].fields() if f"`{name}`" not in document]
