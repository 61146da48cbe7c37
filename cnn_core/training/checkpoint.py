"""The resumable checkpoint of a run: its training state on disk, this one and the one before.

A file is the SHA-256 of what follows, and then what torch saved; a file that does not keep its promise is not used. Both files are
replaced whole or not at all, and are only ever read with `weights_only=True`.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from cnn_core.files import write_atomically
from cnn_core.home import CHECKPOINT, OLD_CHECKPOINT

DIGEST = hashlib.sha256().digest_size


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` as the run's checkpoint; the last one is kept beside it."""
    content = io.BytesIO()
    torch.save(state, content)
    payload = content.getbuffer()
    if (folder / CHECKPOINT).is_file():
        (folder / CHECKPOINT).replace(folder / OLD_CHECKPOINT)

    def write(file: Any) -> None:
        file.write(hashlib.sha256(payload).digest())
        file.write(payload)

    write_atomically(folder / CHECKPOINT, write)


def load_checkpoint(folder: Path, device: torch.device) -> tuple[dict[str, Any] | None, str]:
    """The newest checkpoint that is whole (None when there is none), and a sentence about one that was not ("" when all is well)."""
    note = ""
    for name in (CHECKPOINT, OLD_CHECKPOINT):
        if not (folder / name).is_file():
            continue
        state = _read(folder / name, device)
        if state is not None:
            return state, note
        note = f"The checkpoint {name} is damaged, so training goes on from an earlier place."
    return None, note


def drop_checkpoints(folder: Path) -> None:
    """Remove both: a run that is done needs them no more."""
    for name in (CHECKPOINT, OLD_CHECKPOINT):
        (folder / name).unlink(missing_ok=True)


def has_checkpoint(folder: Path) -> bool:
    """Whether there is a file to resume from; whether it is whole is found out when it is read."""
    return any((folder / name).is_file() for name in (CHECKPOINT, OLD_CHECKPOINT))


def _read(path: Path, device: torch.device) -> dict[str, Any] | None:
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
            return None
        return torch.load(io.BytesIO(content[DIGEST:]), map_location="cpu" if device.type == "cpu" else device, weights_only=True)
    except Exception:  # what reading a damaged file raises is anybody's guess
        return None
