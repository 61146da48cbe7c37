"""What the tests of several commands share: running a command in this process and reading its answer or its refusal."""

import json
from typing import Any

import pytest

from cnn_core.__main__ import main
from tests.helpers import is_a_sentence

KEYS = [
    "run",
    "status",
    "epochs",
    "best_epoch",
    "best_val_accuracy",
    "test_accuracy",
    "test_loss",
    "train_seconds",
    "images_per_second",
    "device",
    "parameters",
    "seconds",
]


Capture = pytest.CaptureFixture[str]


def answer(capsys: Capture, *arguments: object) -> Any:
    """What a command that must succeed answers with `--json`: its last line on standard output."""
    capsys.readouterr()
    assert main([str(argument) for argument in (*arguments, "--json")]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def refusal(capsys: Capture, *arguments: object, status: int = 2) -> str:
    """The sentence on standard error with which a command is refused."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == status
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err + captured.out
    sentence = captured.err.splitlines()[-1]
    assert sentence.startswith("Error: ") and is_a_sentence(sentence)
    return sentence
