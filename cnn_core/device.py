"""Which device trains: the choice by name, and its description in words."""

import torch

from cnn_core.errors import DeviceError


def choose_device(name: str) -> torch.device:
    """The device called `name` ("auto": a CUDA or Apple GPU where there is one, else the CPU). Raises DeviceError."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    if not available[name]:
        raise DeviceError(f"Device “{name}” is not available on this machine. Choose “auto” or “cpu”.")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """The device in words: "NVIDIA H200" or "CPU, 2 threads"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type.upper()}, {torch.get_num_threads()} threads" if device.type == "cpu" else "Apple GPU"
