"""A run's training state on disk: the checkpoint to resume from, the one before, and the state after every epoch to branch from.

In: a trainer's state. Out: the same, read again. A file is a SHA-256 followed by the content that torch saved; where the hash does not
fit the content, the file is damaged and not used. Files are replaced atomically and only read with `weights_only=True`.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from cnn_core.errors import RunError
from cnn_core.files import write_atomically
from cnn_core.home import CHECKPOINT, EPOCHS, OLD_CHECKPOINT, epoch_file, saved_epochs

DIGEST = hashlib.sha256().digest_size
MAX_EPOCH_BYTES = 2**30  # for the states after all epochs of a run
DAMAGED = "The checkpoint {name} is damaged, so training continues from an earlier step."


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` as the run's checkpoint; the checkpoint before it stays as a backup."""
    payload = _pack(state)
    if (folder / CHECKPOINT).is_file():
        (folder / CHECKPOINT).replace(folder / OLD_CHECKPOINT)
    write_atomically(folder / CHECKPOINT, lambda file: file.write(payload))


def save_epoch(folder: Path, epoch: int, state: dict[str, Any], max_bytes: int = MAX_EPOCH_BYTES) -> None:
    """Save `state` as the run's state after `epoch`. When all of them exceed `max_bytes`, every second older one is deleted."""
    payload = _pack(state)
    (folder / EPOCHS).mkdir(exist_ok=True)
    write_atomically(epoch_file(folder, epoch), lambda file: file.write(payload))
    while len(saved := saved_epochs(folder)) > 3 and len(saved) * len(payload) > max_bytes:
        for number in saved[1:-2:2]:
            epoch_file(folder, number).unlink(missing_ok=True)


def load_epoch(folder: Path, epoch: int) -> dict[str, Any]:
    """Return the run's state after `epoch`, on the CPU. Raises RunError when it was not saved or is damaged."""
    state = _read(epoch_file(folder, epoch), torch.device("cpu"))
    if state is None:
        raise RunError(f"The state of run {folder.name} after epoch {epoch} was not saved or is damaged. Choose another epoch.")
    return state


def load_checkpoint(folder: Path, device: torch.device) -> tuple[dict[str, Any] | None, str]:
    """Return the newest undamaged checkpoint (None without one) and a sentence about a damaged one ("" without one)."""
    note = ""
    for name in (CHECKPOINT, OLD_CHECKPOINT):
        if not (folder / name).is_file():
            continue
        state = _read(folder / name, device)
        if state is not None:
            return state, note
        note = DAMAGED.format(name=name)
    return None, note


def validated_weights(trainer: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights of the validated model from a trainer's state: the averaged ones if weights are averaged."""
    if not trainer["average"]:
        weights: dict[str, torch.Tensor] = trainer["model"]
        return weights
    return {name.removeprefix("module."): value for name, value in trainer["average"].items() if name != "n_averaged"}


def drop_checkpoints(folder: Path) -> None:
    """Delete the checkpoints of a finished run, and incomplete files of processes that were killed."""
    for path in (folder / CHECKPOINT, folder / OLD_CHECKPOINT, *folder.glob(f".{CHECKPOINT}.*")):
        path.unlink(missing_ok=True)


def has_checkpoint(folder: Path) -> bool:
    """Whether there is a checkpoint file, perhaps a damaged one."""
    return any((folder / name).is_file() for name in (CHECKPOINT, OLD_CHECKPOINT))


def _pack(state: dict[str, Any]) -> memoryview:
    """Return the content of a file: the SHA-256 of what torch saves for `state`, followed by that."""
    content = io.BytesIO(bytes(DIGEST))
    content.seek(DIGEST)
    torch.save(state, content)
    view = content.getbuffer()
    view[:DIGEST] = hashlib.sha256(view[DIGEST:]).digest()
    return view


def _read(path: Path, device: torch.device) -> dict[str, Any] | None:
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
            return None
        location = "cpu" if device.type == "cpu" else device
        state: dict[str, Any] = torch.load(io.BytesIO(content[DIGEST:]), map_location=location, weights_only=True)
        return state
    except Exception:  # reading a damaged file may raise anything
        return None
