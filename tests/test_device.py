"""Devices: the one asked for, or a sentence."""

import pytest
import torch

from cnn_core.device import (
    LONG_RUN,
    NEEDS_GPU,
    UNAVAILABLE,
    choose_arithmetic,
    choose_device,
    describe_device,
    determinism,
    should_compile,
)
from cnn_core.errors import DeviceError
from tests.helpers import is_a_sentence


def test_the_cpu_is_always_there_and_described_with_its_threads():
    assert choose_device("cpu") == torch.device("cpu")
    assert describe_device(choose_device("cpu")) == f"CPU, {torch.get_num_threads()} threads"


def test_auto_takes_a_device_that_computes():
    device = choose_device("auto")
    assert (torch.ones(3, device=device) * 2).cpu().tolist() == [2, 2, 2]
    assert (device.type == "cpu") == (not torch.cuda.is_available() and not torch.backends.mps.is_available())


def test_a_device_that_is_not_there_is_refused_with_a_message():
    absent = [
        name for name, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())) if not there
    ]
    assert absent  # no machine has both
    for name in absent:
        with pytest.raises(DeviceError, match=UNAVAILABLE.format(device=name)) as refusal:
            choose_device(name)
        assert is_a_sentence(refusal.value)


CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_auto_is_channels_last_on_the_cpu():
    assert choose_arithmetic("auto", "auto", CPU).layout == torch.channels_last
    assert choose_arithmetic("auto", "off", CPU).layout == torch.contiguous_format
    assert choose_arithmetic("auto", "on", torch.device("mps")).layout == torch.channels_last
    assert choose_arithmetic("auto", "auto", torch.device("mps")).layout == torch.contiguous_format


@pytest.mark.parametrize(
    ("unit", "dtype"),
    [("avx512_bf16", torch.bfloat16), ("amx_bf16", torch.bfloat16), ("avx512_f", torch.float32), ("", torch.float32)],
)
def test_auto_is_bfloat16_on_processors_that_multiply_it_themselves(unit: str, dtype: torch.dtype, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, unit: True})
    assert choose_arithmetic("auto", "auto", CPU).dtype == dtype
    assert choose_arithmetic("auto", "auto", CPU, depthwise=True).dtype == torch.float32
    assert choose_arithmetic("bfloat16", "auto", CPU, depthwise=True).dtype == torch.bfloat16


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_products_are_computed_in_the_precision_requested(precision: str, dtype: torch.dtype):
    arithmetic = choose_arithmetic(precision, "auto", CPU)
    with arithmetic.autocast():
        assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype
    assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.float32 and not arithmetic.scaler().is_enabled()


def test_float16_is_refused_on_the_cpu_with_a_message():
    with pytest.raises(DeviceError, match=NEEDS_GPU) as refusal:
        choose_arithmetic("float16", "auto", CPU)
    assert is_a_sentence(refusal.value)


def test_compiling_is_done_when_requested_and_by_itself_for_long_runs_on_a_gpu():
    assert should_compile("on", CPU, 1) and not should_compile("off", GPU, 10**6)
    assert [should_compile("auto", GPU, steps) for steps in (LONG_RUN - 1, LONG_RUN)] == [False, True]
    assert not should_compile("auto", CPU, 10**6)


def test_determinism_lasts_as_long_as_its_block_even_when_that_ends_in_an_error():
    for wanted in (True, False):
        with pytest.raises(ZeroDivisionError), determinism(wanted):
            assert torch.are_deterministic_algorithms_enabled() == wanted
            1 / 0  # noqa: B018
        assert not torch.are_deterministic_algorithms_enabled()
