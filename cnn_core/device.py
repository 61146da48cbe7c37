"""Device and arithmetic (number format, memory layout) of a training.

In: the values of settings. Out: a device and an Arithmetic, also for the value "auto" on this machine.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from cnn_core.errors import DeviceError

BFLOAT16_UNITS = ("avx512_bf16", "amx_bf16")  # of processors with bfloat16 instructions; others emulate them slowly
LONG_RUN = 5_000  # optimizer steps; for fewer, compiling on a GPU, which takes half a minute, saves no time
NEEDS_GPU = "Precision float16 needs a GPU. Choose float32 or bfloat16."
UNAVAILABLE = "Device “{device}” is not available on this machine. Choose “auto” or “cpu”."


def choose_device(name: str) -> torch.device:
    """Return the device called `name` ("auto": a CUDA or Apple GPU if there is one, else the CPU). Raises DeviceError."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    if not available.get(name):
        raise DeviceError(UNAVAILABLE.format(device=name))
    return torch.device(name)


def device_id(device: torch.device) -> str:
    """Return a name for one device of this machine: "cpu", "mps", "cuda-0", "cuda-1". Without a number it is CUDA's current device."""
    if device.type != "cuda":
        return device.type
    return f"cuda-{torch.cuda.current_device() if device.index is None else device.index}"


def describe_device(device: torch.device) -> str:
    """Return the device's name for a page: "NVIDIA H200" or "CPU, 2 threads"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type.upper()}, {torch.get_num_threads()} threads" if device.type == "cpu" else "Apple GPU"


@dataclass(frozen=True)
class Arithmetic:
    """How models compute on `device`: number format `dtype` of forward passes (weights stay float32) and memory layout."""

    device: torch.device
    dtype: torch.dtype = torch.float32
    layout: torch.memory_format = torch.channels_last

    def autocast(self) -> torch.autocast:
        """Return a context in which convolutions and matrix products are computed in `dtype` (Micikevicius et al., 2018)."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)

    def scaler(self) -> torch.amp.GradScaler:
        """Return a scaler of the loss that keeps small float16 gradients from becoming zero; it does nothing in other formats."""
        return torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)

    def place(self, model: nn.Module) -> nn.Module:
        """Move the model to the device in the memory layout, and return it."""
        return cast(nn.Module, model.to(self.device, memory_format=self.layout))  # type: ignore[call-overload]  # torch documents this call, its types lack it

    def __str__(self) -> str:
        return str(self.dtype).removeprefix("torch.")


def choose_arithmetic(precision: str, channels_last: str, device: torch.device, *, depthwise: bool = False) -> Arithmetic:
    """Return the Arithmetic for `precision` and `channels_last` on `device`. Raises DeviceError for float16 on a CPU.

    depthwise: for a model of mostly depthwise convolutions, which take a CPU twice as long in bfloat16.
    """
    if precision == "float16" and device.type == "cpu":
        raise DeviceError(NEEDS_GPU)
    if precision == "auto":
        is_faster = multiplies_bfloat16(device) and not (depthwise and device.type == "cpu")
        precision = "bfloat16" if is_faster else "float32"
    is_last = channels_last == "on" or (channels_last == "auto" and device.type in ("cpu", "cuda"))
    return Arithmetic(device, getattr(torch, precision), torch.channels_last if is_last else torch.contiguous_format)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether `device` has bfloat16 instructions, with which matrix products take at most half the time of float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and any(torch.cpu.get_capabilities().get(unit) for unit in BFLOAT16_UNITS)


def should_compile(choice: str, device: torch.device, steps: int) -> bool:
    """Whether to use torch.compile: by choice, or automatically on a GPU for at least LONG_RUN steps."""
    return choice == "on" or (choice == "auto" and device.type == "cuda" and steps >= LONG_RUN)


@contextlib.contextmanager
def determinism(wanted: bool) -> Iterator[None]:
    """Use deterministic algorithms during the block, if `wanted`. torch's switch applies to the whole process."""
    before = torch.get_deterministic_debug_mode(), torch.backends.cudnn.benchmark
    if wanted:
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        if wanted:
            torch.set_deterministic_debug_mode(before[0])
            torch.backends.cudnn.benchmark = before[1]
