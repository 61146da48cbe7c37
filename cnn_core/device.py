"""Which device trains, and in which arithmetic: the choices by name, and what "auto" makes of them on this machine."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from cnn_core.errors import DeviceError

BFLOAT16_UNITS = ("avx512_bf16", "amx_bf16")  # of processors that multiply bfloat16 themselves; the others imitate it, slowly
LONG_RUN = 5_000  # optimizer steps after which compiling on a GPU has earned its half minute


def choose_device(name: str) -> torch.device:
    """The device called `name` ("auto": a CUDA or Apple GPU where there is one, else the CPU). Raises DeviceError."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    if not available.get(name):
        raise DeviceError(f"Device “{name}” is not available on this machine. Choose “auto” or “cpu”.")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """The device in words: "NVIDIA H200" or "CPU, 2 threads"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type.upper()}, {torch.get_num_threads()} threads" if device.type == "cpu" else "Apple GPU"


@dataclass(frozen=True)
class Arithmetic:
    """How numbers are computed on `device`: forward passes in `dtype` (weights stay float32), and in which memory layout."""

    device: torch.device
    dtype: torch.dtype = torch.float32
    layout: torch.memory_format = torch.channels_last

    def autocast(self) -> torch.autocast:
        """A context in which convolutions and products are computed in `dtype` (Micikevicius et al., 2018)."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)

    def scaler(self) -> torch.amp.GradScaler:
        """Scales the loss so that float16's small slopes do not vanish; does nothing in the other types."""
        return torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)

    def __str__(self) -> str:
        return str(self.dtype).removeprefix("torch.")


def choose_arithmetic(precision: str, channels_last: str, device: torch.device, *, depthwise: bool = False) -> Arithmetic:
    """What `precision` and `channels_last` mean on `device`. Raises DeviceError for float16 on a CPU.

    depthwise: of a network whose work is mostly convolutions of single channels, which take a CPU twice as long in bfloat16.
    """
    if precision == "float16" and device.type == "cpu":
        raise DeviceError("Precision float16 needs a GPU. Choose float32 or bfloat16.")
    if precision == "auto":
        is_faster = multiplies_bfloat16(device) and not (depthwise and device.type == "cpu")
        precision = "bfloat16" if is_faster else "float32"
    is_last = channels_last == "on" or (channels_last == "auto" and device.type in ("cpu", "cuda"))
    return Arithmetic(device, getattr(torch, precision), torch.channels_last if is_last else torch.contiguous_format)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether `device` itself computes products of bfloat16 numbers, at least twice as fast as float32's."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and any(torch.cpu.get_capabilities().get(unit) for unit in BFLOAT16_UNITS)


def should_compile(choice: str, device: torch.device, steps: int) -> bool:
    """Whether torch.compile is worth its start: asked for, or automatically on a GPU for at least LONG_RUN steps."""
    return choice == "on" or (choice == "auto" and device.type == "cuda" and steps >= LONG_RUN)


@contextlib.contextmanager
def determinism(wanted: bool) -> Iterator[None]:
    """In the block, operations that could give other bits the next time are replaced or refused. The switch is torch's, and global."""
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
