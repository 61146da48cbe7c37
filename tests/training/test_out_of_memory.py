"""Running out of memory for real, in a process with little of it."""

import json

import pytest
import torch

from cnn_core.config.suggestions import memory_remedy
from cnn_core.home import Home
from cnn_core.training.out_of_memory import TOO_LARGE_STEP, is_out_of_memory
from tests.helpers import is_a_sentence, start_process

SCRIPT = """
import json, re, resource, sys
from pathlib import Path
from cnn_core.config.defaults import make_config
from cnn_core.errors import InsufficientMemoryError
from cnn_core.events import Steps
from cnn_core.home import Home
from cnn_core.training.recipe import train_run

home = Home(Path(sys.argv[1]))
WIDE = {"data": "digits", "device": "cpu", "epochs": 1, "width": 2, "optimizer": "sgd", "validation_share": 0.02, "precision": "float32"}

def train(number, **chosen):
    folder = home.root / str(number)
    folder.mkdir(parents=True)
    events = train_run(make_config(**{**WIDE, **chosen}), folder, home)
    try:
        return next(event.loss[-1] for event in events if isinstance(event, Steps))
    finally:
        events.close()

train(0, width=0.25, batch_size=256)  # loads what is loaded once
used = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + 250_000_000, used + 250_000_000))
try:
    train(1, batch_size=1400)
    sentence = ""
except InsufficientMemoryError as error:
    sentence = str(error)
fits = int(re.search("([0-9]+)[.]$", sentence)[1])
print(json.dumps({"sentence": sentence, "fits": fits, "after": train(2, batch_size=fits), "other": train(3, batch_size=32, width=0.25)}))
"""


def test_a_batch_that_does_not_fit_is_refused_with_one_that_does_and_the_next_run_works(home: Home):
    process = start_process(home, "-c", SCRIPT, str(home.root))
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    result = json.loads(out.splitlines()[-1])
    assert result["sentence"] == TOO_LARGE_STEP.format(count=1400, device="CPU", remedy=memory_remedy(result["fits"]))
    assert is_a_sentence(result["sentence"])
    assert result["fits"] in (700, 350, 175, 87) and 0 < result["after"] < 4 and 0 < result["other"] < 4


def test_a_real_failed_allocation_is_known_for_what_it_is():
    with pytest.raises(RuntimeError) as problem:
        torch.empty(2**50)
    assert is_out_of_memory(problem.value)
    with pytest.raises(MemoryError) as shortage:
        bytearray(2**60)
    assert is_out_of_memory(shortage.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))


def test_other_errors_are_not_errorn_for_it():
    with pytest.raises(RuntimeError) as problem:
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert not is_out_of_memory(problem.value)
    for error in (RuntimeError("a mistake"), ValueError("can't allocate memory"), KeyError("memory")):
        assert not is_out_of_memory(error)
