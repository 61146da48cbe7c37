"""The serve command: what it refuses before it listens."""

import socket

import pytest

from cnn_core.__main__ import main
from cnn_core.runs.run import NO_RUN
from tests.conftest import Trained
from tests.helpers import is_a_sentence


def refused(capsys, *arguments: str) -> str:
    """The sentence that a call ends with."""
    assert main(["serve", *arguments]) == 2
    sentence = capsys.readouterr().err.removeprefix("Error: ").strip()
    assert is_a_sentence(sentence)
    return sentence


@pytest.fixture
def run(colours_run: Trained, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CNN_STUDIO_HOME", str(colours_run.home.root))
    return colours_run.id


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_address_that_others_can_reach_has_to_be_meant(run, capsys, host):
    assert "--public" in refused(capsys, run, "--host", host)


def test_an_address_that_is_not_this_machines_gives_a_message(run, capsys):
    assert "192.0.2.1:8000" in refused(capsys, run, "--host", "192.0.2.1", "--public")


def test_a_port_that_is_taken_gives_a_message(run, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "--port" in refused(capsys, run, "--port", str(taken.getsockname()[1]))


@pytest.mark.parametrize(
    "option", [("--port", "70000"), ("--max-mb", "65"), ("--max-mb", "nan"), ("--in-flight", "0"), ("--seconds", "-1")]
)
def test_limits_that_make_no_sense_are_refused(run, capsys, option):
    assert option[0] in refused(capsys, run, *option)


def test_an_unknown_run_is_refused(run, colours_run: Trained, capsys):
    assert refused(capsys, "0099-nothing") == NO_RUN.format(run="0099-nothing", home=colours_run.home.root)
