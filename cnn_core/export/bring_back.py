"""A model brought back: weights as safetensors and a card become a finished run. Neither file is trusted, and nothing in them is run.

    a card and a file -> the network that the card describes, as shapes -> the same names, shapes and types, or none -> numbers that can
    be computed with -> an answer -> a run
Pickles (.pth, .pt, .bin, .pkl) are never opened: reading one can run code of whoever wrote it.
"""

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import torch

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import MODEL_OPTIONS, TrainConfig
from cnn_core.data.batches import Normalise
from cnn_core.data.catalog import CATALOG
from cnn_core.data.open import open_source
from cnn_core.errors import DataError, RunError, StudioError
from cnn_core.events import Progress
from cnn_core.export.card import ExportCard, read_export_card
from cnn_core.export.weights import card_inside, read_safetensors
from cnn_core.home import SET_NAME
from cnn_core.inference.confidence import save_calibration
from cnn_core.models.saving import build_saved, save_card, save_state
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.store import Store

MOST_BYTES = 200 * 2**20  # of a file of weights
MOST_HEADER = 8 * 2**20  # bytes of a safetensors header: names and shapes, and a card
NOT_HERE_YET = ""  # the fingerprint of a catalogue set before it was obtained: as it is published
MOST_EPOCHS = 1000  # that a run's settings can say
TAG, NOWHERE = "brought back", "brought back"  # the run's tag, and what stands for data that is not on this machine
DTYPES = {torch.float32: "F32", torch.int64: "I64", torch.float16: "F16", torch.bfloat16: "BF16", torch.bool: "BOOL"}
PICKLES = (".pth", ".pt", ".bin", ".pkl", ".pickle", ".ckpt")
NO_PICKLES = (
    "“{name}” is a pickle, and reading a pickle can run code of whoever wrote it, so none is ever opened here. "
    "Export the model as safetensors and bring that back."
)

ARCHIVE = (
    "“{name}” holds several files. Unpack a bundle and choose its weights (.safetensors) and its card (.json); "
    "of other forms, export the model as safetensors."
)


def refuse_pickle(name: str, content: bytes = b"") -> None:
    """Raise RunError for a file that is called, or begins as, what Python's pickle or torch.save writes."""
    if name.lower().endswith((".zip", ".pt2")):
        raise RunError(ARCHIVE.format(name=name[:100]))
    begins = content.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")) and content[8:9] != b"{"
    if name.lower().endswith(PICKLES) or begins:
        raise RunError(NO_PICKLES.format(name=name[:100]))


def bring_back(
    store: Store, weights: bytes, card: bytes | None, name: str = "The file", *, owner: str = ""
) -> Generator[Progress, None, str]:
    """Make a run, `owner`'s, of `weights` (a safetensors file called `name`) and `card` (JSON; None: the one in the file's header); gives its id.

    Raises StudioError, and then nothing was made.
    """
    yield Progress("Checking the card", 0, 1)
    refuse_pickle(name, weights)
    if len(weights) > MOST_BYTES:
        raise RunError(f"“{name[:100]}” is larger than {MOST_BYTES // 2**20} MB. Such a network cannot be brought back here.")
    header = _read_header(weights)
    found = read_export_card(card) if card is not None else _inside(weights)
    config = _settings(found, store)
    _check_tensors(_expected(found), header)
    state = read_safetensors(weights)
    yield from _check_numbers(state)
    yield Progress("Keeping the network", 0, 1)
    _try_out(found, state)
    run = store.create(config, "finished", owner=owner, prepare=lambda run, folder: _keep(folder, found, state))
    _describe(store, run, found)
    return run


def _read_header(content: bytes) -> dict[str, Any]:
    """Names, types and shapes of the tensors in a safetensors file, before any of them is read. Raises RunError."""
    size = int.from_bytes(content[:8], "little")
    try:
        if len(content) < 10 or not 2 <= size <= min(MOST_HEADER, len(content) - 8):
            raise ValueError
        header = json.loads(content[8 : 8 + size])
        header.pop("__metadata__", None)
        json.dumps(header, ensure_ascii=False).encode()  # names that are no Unicode cannot be told of either
        return {str(name): (str(tensor["dtype"]), tuple(tensor["shape"])) for name, tensor in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RunError("The file is not a whole safetensors file. Choose the one that was exported.") from None


def _inside(content: bytes) -> ExportCard:
    found = card_inside(content)
    if found is None:
        raise RunError("The file has no card in it, so nobody knows what its numbers are. Bring its card (JSON) too.")
    return found


def _settings(card: ExportCard, store: Store) -> TrainConfig:
    """What the run is said to have been trained with, as far as the card tells. Raises StudioError for what cannot have been."""
    options = {name: value for name, value in card.model_card().options.items() if name in MODEL_OPTIONS}
    config = make_config(model=card.model, epochs=min(max(card.epochs, 1), MOST_EPOCHS), mirror=card.mirror, **options)
    data = _find_data(card, store)
    split = {} if None in (card.validation_share, card.seed) else {"validation_share": card.validation_share, "seed": card.seed}
    return config.model_copy(update={"data": data, **split})


def _find_data(card: ExportCard, store: Store) -> str:
    """The data set of this studio that the card names, if it is the very one, and it is known which images of it the network learned from.
    A card never names a folder of this machine."""
    if card.data not in CATALOG and not (SET_NAME.fullmatch(card.data) and store.home.set_folder(card.data).is_dir()):
        return NOWHERE
    try:
        info = open_source(card.data, store.home).info
    except DataError:
        return NOWHERE
    is_same = info.classes == card.classes and (info.image_size, info.channels) == (card.image_size, card.channels)
    is_split_known = info.val_count or None not in (card.validation_share, card.seed)
    return card.data if is_same and info.fingerprint in (card.fingerprint, NOT_HERE_YET) and is_split_known else NOWHERE


def _expected(card: ExportCard) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of every tensor of the card's network by name; nothing is allocated. Raises StudioError where it cannot be built."""
    try:
        with torch.device("meta"):
            state = card.model_card().build().state_dict()
    except StudioError:
        raise
    except Exception:  # what a builder makes of settings that nobody would choose is anybody's guess
        raise RunError("The card describes a network that cannot be built. Choose the card that was exported.") from None
    return {name: (DTYPES.get(value.dtype, str(value.dtype)), tuple(value.shape)) for name, value in state.items()}


def _check_tensors(expected: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse weights that are not exactly those of the network. Raises RunError."""
    does_not_fit = "The weights do not fit the card: {}. Bring the two files that were exported together."
    if missing := [name for name in expected if name not in given]:
        raise RunError(does_not_fit.format(f"{len(missing):,} of {len(expected):,} tensors are missing, such as {missing[0]}"))
    if extra := [name for name in given if name not in expected]:
        raise RunError(
            does_not_fit.format(f"there are {len(extra):,} tensors that the network does not have, such as “{extra[0][:80]}”")
        )
    for name, wanted in expected.items():
        if given[name] != wanted:
            raise RunError(does_not_fit.format(f"{name} is {_in_words(given[name])} and should be {_in_words(wanted)}"))


def _in_words(tensor: tuple[str, tuple[Any, ...]]) -> str:
    return f"{tensor[0][:20]} {'×'.join(str(side)[:12] for side in tensor[1][:6]) or 'alone'}"


def _check_numbers(state: Mapping[str, torch.Tensor]) -> Generator[Progress, None, None]:
    """Refuse weights that are not numbers. Raises RunError."""
    for done, (name, value) in enumerate(state.items()):
        yield Progress("Checking the weights", done, len(state))
        if value.is_floating_point() and not value.isfinite().all():
            raise RunError(f"The weights are damaged: {name} holds numbers that are not finite. Export the model again.")


def _keep(folder: Path, card: ExportCard, state: Mapping[str, torch.Tensor]) -> None:
    save_card(folder, card.model_card())
    save_state(folder, state)
    save_calibration(folder, card.calibration())


def _try_out(card: ExportCard, state: Mapping[str, torch.Tensor]) -> None:
    """Ask the network about a black image. Raises RunError where it has no answer."""
    saved, cpu = card.model_card(), torch.device("cpu")
    model = build_saved(Path(card.run or "brought back"), saved, state, cpu)
    black = torch.zeros(1, saved.channels, saved.image_size, saved.image_size, dtype=torch.uint8)
    try:
        with torch.inference_mode():
            can_answer = bool(model(Normalise(saved.mean, saved.std, cpu)(black)).isfinite().all())
    except (RuntimeError, ValueError):
        can_answer = False
    if not can_answer:
        raise RunError("The network gives no answer that is a number, so it was not kept. Export the model again.")


def _describe(store: Store, run: str, card: ExportCard) -> None:
    """Tell whence it came, and what its card says of it."""
    metrics = card.metrics.model_dump()
    told = {"epochs": card.epochs, "train_seconds": 0.0, "images_per_second": None, "device": None}
    store.set_status(run, "finished", summary={**told, **metrics})
    trained_on = f" It says that it was trained on {card.data}." if card.data else ""
    notes = f"Brought back from weights and a card, which calls it {card.run or 'nothing'}.{trained_on} Accuracies are what the card says."
    RunOrganizer(store).describe(run, notes=notes, tags=[TAG])


def choose_files(files: Mapping[str, bytes]) -> tuple[bytes, bytes | None, str]:
    """Weights, card and the weights' name among `files` (content by name), as `bring_back` takes them. Raises RunError."""
    for name, content in files.items():
        refuse_pickle(name, content)
    weights = [name for name in files if name.lower().endswith(".safetensors")]
    cards = [name for name in files if name.lower().endswith(".json")]
    if others := [name for name in files if name not in (*weights, *cards)]:
        raise RunError(
            f"“{others[0][:100]}” is neither weights nor a card. Choose the weights (safetensors) and their card (JSON)."
        )
    if len(weights) != 1 or len(cards) > 1:
        raise RunError(
            f"These are {len(weights)} files of weights and {len(cards)} cards. Choose one file of weights (safetensors) and its card (JSON)."
        )
    return files[weights[0]], files[cards[0]] if cards else None, weights[0]
