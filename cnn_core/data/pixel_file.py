"""Files of pixels: one uint8 array (N, S, S, C) that is memory-mapped, with its disk space reserved before it is filled.

In: a path and a shape. Out: a file, or an OSError.
"""

import errno
import os
import shutil
from pathlib import Path

import numpy as np

SPARE_BYTES = 100 * 2**20  # that stay free, also for the index


def create_pixel_file(path: Path, shape: tuple[int, int, int, int]) -> np.ndarray:
    """Create the file at `path` and return its array, black. A full disk cannot be reported while writing through a memory map, so the space is
    reserved first. Raises OSError where it is not there, or would leave less than SPARE_BYTES free."""
    need = int(np.prod(shape, dtype=np.int64))
    if shutil.disk_usage(path.parent).free < need + SPARE_BYTES:
        raise OSError(errno.ENOSPC, f"{need / 1e9:.1f} GB are needed for {shape[0]:,} images")
    pixels: np.ndarray = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return pixels
