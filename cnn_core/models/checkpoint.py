"""A run's training state on disk: the resumable checkpoint, the one before, and the state after every epoch to branch from.

A file is the SHA-256 of what follows, and then what torch saved; a file that does not keep its promise is not used. Files are
replaced whole or not at all, and are only ever read with `weights_only=True`.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from cnn_core.errors import RunError
from cnn_core.files import write_atomically
from cnn_core.home import CHECKPOINT, EPOCHS, OLD_CHECKPOINT, epoch_file, kept_epochs

DIGEST = hashlib.sha256().digest_size
EPOCHS_ROOM = 2**30  # bytes for the states after a run's epochs


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` as the run's checkpoint; the last one is kept beside it."""
    payload = _packed(state)
    if (folder / CHECKPOINT).is_file():
        (folder / CHECKPOINT).replace(folder / OLD_CHECKPOINT)
    write_atomically(folder / CHECKPOINT, lambda file: file.write(payload))


def save_epoch(folder: Path, epoch: int, state: dict[str, Any], room: int = EPOCHS_ROOM) -> None:
    """Keep `state` as the run's state after `epoch`. Where all of them need more than `room` bytes, every second older one goes."""
    payload = _packed(state)
    (folder / EPOCHS).mkdir(exist_ok=True)
    write_atomically(epoch_file(folder, epoch), lambda file: file.write(payload))
    while len(kept := kept_epochs(folder)) > 3 and len(kept) * len(payload) > room:
        for number in kept[1:-2:2]:
            epoch_file(folder, number).unlink(missing_ok=True)


def load_epoch(folder: Path, epoch: int) -> dict[str, Any]:
    """The run's state after `epoch`, on the CPU. Raises RunError when it was not kept or is damaged."""
    state = _read(epoch_file(folder, epoch), torch.device("cpu"))
    if state is None:
        raise RunError(f"The state of run {folder.name} after epoch {epoch} was not kept or is damaged. Choose another epoch.")
    return state


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


def validated_weights(trainer: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The weights of the network that was validated, as they are saved, from a trainer's state: the averaged ones where there are such."""
    if not trainer["average"]:
        return trainer["model"]
    return {name.removeprefix("module."): value for name, value in trainer["average"].items() if name != "n_averaged"}


def drop_checkpoints(folder: Path) -> None:
    """Remove both, and what killed processes had begun to write: a run that is done needs them no more."""
    for path in (folder / CHECKPOINT, folder / OLD_CHECKPOINT, *folder.glob(f".{CHECKPOINT}.*")):
        path.unlink(missing_ok=True)


def has_checkpoint(folder: Path) -> bool:
    """Whether there is a file to resume from; whether it is whole is found out when it is read."""
    return any((folder / name).is_file() for name in (CHECKPOINT, OLD_CHECKPOINT))


def _packed(state: dict[str, Any]) -> memoryview:
    """`state` as a file's content: the digest of what follows, and what torch makes of it."""
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
        return torch.load(io.BytesIO(content[DIGEST:]), map_location="cpu" if device.type == "cpu" else device, weights_only=True)
    except Exception:  # what reading a damaged file raises is anybody's guess
        return None
