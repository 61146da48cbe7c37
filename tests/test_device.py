"""Devices: the one asked for, or a sentence."""

import pytest
import torch

from cnn_core.device import choose_device, describe_device
from cnn_core.errors import DeviceError
from tests.helpers import is_a_sentence


def test_the_cpu_is_always_there_and_described_with_its_threads():
    assert choose_device("cpu") == torch.device("cpu")
    assert describe_device(choose_device("cpu")) == f"CPU, {torch.get_num_threads()} threads"


def test_auto_takes_a_device_that_computes():
    device = choose_device("auto")
    assert (torch.ones(3, device=device) * 2).cpu().tolist() == [2, 2, 2]
    assert (device.type == "cpu") == (not torch.cuda.is_available() and not torch.backends.mps.is_available())


def test_a_device_that_is_not_there_is_refused_in_words():
    absent = [
        name for name, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())) if not there
    ]
    assert absent  # no machine has both
    for name in absent:
        with pytest.raises(DeviceError, match=f"“{name}” is not available") as refusal:
            choose_device(name)
        assert is_a_sentence(refusal.value)
