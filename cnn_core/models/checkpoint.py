"""A run's training state on disk: the checkpoint to resume from, the one before, and the states after some epochs to branch from.

In: a trainer's state. Out: the same, read again. A file is a SHA-256 followed by the content that torch saved; where the hash does not
fit the content, the file is damaged and not used. Files are replaced atomically and only read with `weights_only=True`.
"""

import hashlib
import io
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from cnn_core.errors import RunError
from cnn_core.files import write_atomically
from cnn_core.home import CHECKPOINT, EPOCHS, OLD_CHECKPOINT, epoch_file, saved_epochs

DIGEST = hashlib.sha256().digest_size
BEST_MODEL = "best_model"  # in the state of an epoch: the weights of the best model, where another epoch was better
MAX_EPOCH_BYTES = 2**30  # for the states after all epochs of a run
DAMAGED = "The checkpoint {name} is damaged, so training continues from an earlier step."


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` as the run's checkpoint; the checkpoint before it stays as a backup."""
    payload = _pack(state)
    if (folder / CHECKPOINT).is_file():
        (folder / CHECKPOINT).replace(folder / OLD_CHECKPOINT)
    write_atomically(folder / CHECKPOINT, lambda file: file.write(payload))


def save_epoch(
    folder: Path, epoch: int, state: dict[str, Any], *, best: int, most: int, max_bytes: int = MAX_EPOCH_BYTES
) -> None:
    """Save `state` as the run's state after `epoch`, and delete those of other epochs until at most `most` are left (see `choose_surplus`).

    best: the best epoch so far, which is kept. max_bytes: of all these states; more are deleted when they exceed it, down to three.
    """
    payload = _pack(state)
    (folder / EPOCHS).mkdir(exist_ok=True)
    write_atomically(epoch_file(folder, epoch), lambda file: file.write(payload))
    saved = saved_epochs(folder)
    while len(saved) > most or (len(saved) > 3 and len(saved) * len(payload) > max_bytes):
        surplus = choose_surplus(saved, {best, epoch})
        if surplus is None:
            return
        epoch_file(folder, surplus).unlink(missing_ok=True)
        saved.remove(surplus)


def choose_surplus(saved: Sequence[int], needed: Collection[int]) -> int | None:
    """Return which of the `saved` epochs (in order) to delete, so that those left lie at even distances; None where all are `needed`.

    It is the epoch whose neighbours lie closest together. The first and the last one are deleted only when no other is left.
    """
    places = [place for place, epoch in enumerate(saved) if epoch not in needed]
    surplus = min(places, key=lambda place: _gap(saved, place), default=None)
    return None if surplus is None else saved[surplus]


def _gap(saved: Sequence[int], place: int) -> float:
    """Return the distance of the two neighbours in epochs; infinity at both ends."""
    return saved[place + 1] - saved[place - 1] if 0 < place < len(saved) - 1 else math.inf


def load_epoch(folder: Path, epoch: int) -> dict[str, Any]:
    """Return the run's state after `epoch`, on the CPU. Raises RunError when it was not saved or is damaged."""
    state = _read(epoch_file(folder, epoch), torch.device("cpu"))
    if state is None:
        raise RunError(f"The state of run {folder.name} after epoch {epoch} is not saved or is damaged. Choose another epoch.")
    return state


def best_weights(folder: Path, state: dict[str, Any]) -> dict[str, torch.Tensor] | None:
    """Return the weights of the best model until the `state` of an epoch; None where they are not saved.

    A state contains them unless its own epoch was the best one. For states of earlier versions, those of the best epoch are read.
    """
    if weights := state.get(BEST_MODEL):
        return cast(dict[str, torch.Tensor], weights)
    best = max((epoch["epoch"] for epoch in state["epochs"] if epoch["is_best"]), default=0)
    if best == state["epochs"][-1]["epoch"]:
        return validated_weights(state["trainer"])
    try:
        return validated_weights(load_epoch(folder, best)["trainer"])
    except RunError:
        return None


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
    """Return the weights of the validated model from a trainer's state: the averaged ones if weights are averaged, with the estimated
    batch-norm statistics if it was validated with such."""
    weights: dict[str, torch.Tensor] = trainer["model"]
    if trainer["average"]:
        weights = {name.removeprefix("module."): value for name, value in trainer["average"].items() if name != "n_averaged"}
    return weights | (trainer.get("statistics") or {})  # states of earlier versions have none


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
