"""What a training asks of the machine while it runs: memory in use, and how busy the device is. In: a device. Out: two numbers a report."""

import os
import resource
import sys
import time
from pathlib import Path

import torch

STATM = Path("/proc/self/statm")


class ResourceMonitor:
    """Reads memory and load of `device`: of a GPU itself, on a CPU of this process."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cpu_seconds, self._at = time.process_time(), time.perf_counter()

    def read(self) -> tuple[int | None, float | None]:
        """Bytes in use now, and the share (0..1) of the GPU's time, or of all cores' time, since the last reading; None: not to be told."""
        if self._device.type == "cuda":
            return torch.cuda.memory_allocated(self._device), _gpu_load(self._device)
        if self._device.type == "mps":
            return torch.mps.current_allocated_memory(), None
        return _process_bytes(), self._cpu_load()

    def _cpu_load(self) -> float:
        spent, now = time.process_time(), time.perf_counter()
        share = (spent - self._cpu_seconds) / max(1e-9, now - self._at) / (os.cpu_count() or 1)
        self._cpu_seconds, self._at = spent, now
        return min(1.0, share)


def _process_bytes() -> int:
    """Memory that the process holds; where the system tells it only so, the most it ever held."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _gpu_load(device: torch.device) -> float | None:
    """As NVIDIA's driver tells it, through a library that not every machine has."""
    try:
        return torch.cuda.utilization(device) / 100
    except (ImportError, RuntimeError, AssertionError):
        return None
