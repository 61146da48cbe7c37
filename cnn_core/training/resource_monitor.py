"""Memory use and device utilisation while a run trains. In: a device. Out: two numbers for each report."""

import os
import sys
import time
from pathlib import Path

import torch

if sys.platform != "win32":
    import resource

STATM = Path("/proc/self/statm")  # Linux: sizes of this process in pages


class ResourceMonitor:
    """Reads memory and utilisation of `device`: of the GPU itself, on a CPU of this process."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cpu_seconds, self._read_at = time.process_time(), time.perf_counter()

    def read(self) -> tuple[int | None, float | None]:
        """Return the bytes in use now and the utilisation (0..1) of the GPU, or of all cores by this process, since the last call.

        None where the system does not report it.
        """
        if self._device.type == "cuda":
            return torch.cuda.memory_allocated(self._device), _gpu_utilisation(self._device)
        if self._device.type == "mps":
            return torch.mps.current_allocated_memory(), None
        return _process_bytes(), self._cpu_utilisation()

    def _cpu_utilisation(self) -> float:
        cpu_seconds, now = time.process_time(), time.perf_counter()
        cores = os.cpu_count() or 1
        utilisation = (cpu_seconds - self._cpu_seconds) / max(1e-9, now - self._read_at) / cores
        self._cpu_seconds, self._read_at = cpu_seconds, now
        return min(1.0, utilisation)


def _process_bytes() -> int | None:
    """Return the memory of this process: now on Linux, its largest so far on macOS, None on Windows."""
    if sys.platform == "win32":
        return None
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _gpu_utilisation(device: torch.device) -> float | None:
    """Return what NVIDIA's driver reports, through a library (nvidia-ml-py) that not every machine has."""
    try:
        return torch.cuda.utilization(device) / 100
    except (ImportError, RuntimeError, AssertionError):
        return None
