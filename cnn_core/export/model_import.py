"""Import of a model: weights as safetensors and their model card become a finished run. Neither file is trusted, and no code in them is run.

The checks in order: the card is valid; the tensors have the names, shapes and types of the network that it describes; all weights are finite; the
network predicts finite numbers. Pickles (.pth, .pt, .bin, .pkl) are never opened: reading a pickle can run harmful code.
"""

import json
from collections.abc import Generator, Mapping
from pathlib import Path

import torch

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import MODEL_OPTIONS, TrainConfig
from cnn_core.data.batches import Normalise
from cnn_core.data.catalog import CATALOG
from cnn_core.data.image_shape import MAX_SIDE, MIN_SIDE
from cnn_core.data.open import open_source
from cnn_core.errors import DataError, RunError, StudioError
from cnn_core.events import Progress
from cnn_core.export.card import ExportCard, read_export_card
from cnn_core.export.weights import NOT_SAFETENSORS, card_inside, read_safetensors
from cnn_core.home import SET_NAME
from cnn_core.inference.confidence import save_calibration
from cnn_core.models.saving import build_from_state, save_card, save_state
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.store import Store
from cnn_core.text import counted

MAX_WEIGHTS_BYTES = 200 * 2**20
MAX_HEADER_BYTES = 8 * 2**20  # of a safetensors file: names and shapes, and a card
NOT_DOWNLOADED = ""  # the fingerprint of a catalogue set before it is downloaded: as it was published
MAX_EPOCHS = 1000  # in a run's settings
TAG = "imported"  # of the run
UNKNOWN_DATA = "unknown data"  # of a run whose data set is not on this machine; no set can have this name
DTYPES = {torch.float32: "F32", torch.int64: "I64", torch.float16: "F16", torch.bfloat16: "BF16", torch.bool: "BOOL"}
PICKLES = (".pth", ".pt", ".bin", ".pkl", ".pickle", ".ckpt")
TensorShape = tuple[str, tuple[int, ...]]  # type and shape

PICKLE = (
    "“{name}” is a pickle. Pickles are never opened here, because reading a pickle can run harmful code. Export the model as safetensors and "
    "import that file."
)
ARCHIVE = (
    "“{name}” contains several files. If it is a bundle, unpack it and choose its weights (.safetensors) and its model card (.json). Otherwise "
    "export the model as safetensors."
)
WEIGHTS_TOO_LARGE = "“{name}” is larger than {limit} MB. Models of this size cannot be imported."
NO_CARD = "The weights file contains no model card, so the network is unknown. Choose the model card (.json) too."
NOT_A_NETWORK = "The model card describes a network that cannot be built. Choose the card that was exported with the weights."
MISFIT = "The weights do not fit the model card: {reason}. Choose two files that were exported together."
MISSING = "{count:,} of {total:,} tensors missing, the first is {name}"
EXTRA = "{tensors}, the first is “{name}”"
OTHER_TENSOR = "{name} is {actual}, expected {expected}"
NOT_FINITE = "The weights are damaged: {name} contains numbers that are not finite. Export the model again."
NO_PREDICTION = "The model does not predict finite numbers, so it was not imported. Export the model again."
UNKNOWN_FILE = "“{name}” is neither weights nor a model card. Choose the weights (.safetensors) and their model card (.json)."
NOT_ONE_EACH = "Weights files chosen: {weights}, model cards chosen: {cards}. Choose one weights file (.safetensors) and its model card (.json)."


def refuse_pickle(name: str, content: bytes = b"") -> None:
    """Raise RunError for a file whose name or first bytes are those of a pickle, a file of torch.save, or an archive."""
    if name.lower().endswith((".zip", ".pt2")):
        raise RunError(ARCHIVE.format(name=name[:100]))
    begins = content.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")) and content[8:9] != b"{"
    if name.lower().endswith(PICKLES) or begins:
        raise RunError(PICKLE.format(name=name[:100]))


def import_model(
    store: Store, weights: bytes, card: bytes | None, name: str = "The file", *, owner: str = ""
) -> Generator[Progress, None, str]:
    """Create a run of `owner` from `weights` (a safetensors file called `name`) and `card` (JSON; None: the card in the file's header).

    Yields Progress and returns the id of the run. Raises StudioError; then no run was created.
    """
    yield Progress("Checking the card", 0, 1)
    refuse_pickle(name, weights)
    if len(weights) > MAX_WEIGHTS_BYTES:
        raise RunError(WEIGHTS_TOO_LARGE.format(name=name[:100], limit=MAX_WEIGHTS_BYTES // 2**20))
    header = _read_header(weights)
    export_card = read_export_card(card) if card is not None else _read_inside(weights)
    config = _settings(export_card, store)
    _check_tensors(_expected(export_card), header)
    state = read_safetensors(weights)
    yield from _check_numbers(state)
    yield Progress("Saving the model", 0, 1)
    _check_prediction(export_card, state)
    run = store.create(config, "finished", owner=owner, prepare=lambda run, folder: _save(folder, export_card, state))
    _describe(store, run, export_card)
    return run


def _read_header(content: bytes) -> dict[str, TensorShape]:
    """Return types and shapes of the tensors in a safetensors file by name, without reading the tensors. Raises RunError."""
    size = int.from_bytes(content[:8], "little")
    try:
        if len(content) < 10 or not 2 <= size <= min(MAX_HEADER_BYTES, len(content) - 8):
            raise ValueError
        header = json.loads(content[8 : 8 + size])
        header.pop("__metadata__", None)
        json.dumps(header, ensure_ascii=False).encode()  # names that are not Unicode cannot be shown
        return {str(name): (str(tensor["dtype"]), tuple(tensor["shape"])) for name, tensor in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RunError(NOT_SAFETENSORS) from None


def _read_inside(content: bytes) -> ExportCard:
    card = card_inside(content)
    if card is None:
        raise RunError(NO_CARD)
    return card


def _settings(card: ExportCard, store: Store) -> TrainConfig:
    """Return the settings of the training as far as the card has them. Raises StudioError if they are invalid."""
    options = {name: value for name, value in card.model_card().options.items() if name in MODEL_OPTIONS}
    config = make_config(model=card.model, epochs=min(max(card.epochs, 1), MAX_EPOCHS), mirror=card.mirror, **options)
    data = _find_data(card, store)
    is_split_known = None not in (card.validation_share, card.seed)
    split = {name: getattr(card, name) for name in ("validation_share", "seed", "images_per_class")} if is_split_known else {}
    kept = data != UNKNOWN_DATA and open_source(data, store.home).info.kept_side
    resizing = {name: getattr(card, name) for name in ("fit", "interpolation", "crop_share")}
    shape = {"size": card.image_size, **resizing} if kept else {}
    return config.model_copy(update={"data": data, **split, **shape})


def _find_data(card: ExportCard, store: Store) -> str:
    """Return the data set of the card if it is here in the same version and its split is known, else UNKNOWN_DATA.

    A card can never name a folder of this machine.
    """
    if card.data not in CATALOG and not (SET_NAME.fullmatch(card.data) and store.home.set_folder(card.data).is_dir()):
        return UNKNOWN_DATA
    try:
        info = open_source(card.data, store.home).info
    except DataError:
        return UNKNOWN_DATA
    has_size = MIN_SIDE <= card.image_size <= MAX_SIDE if info.kept_side else info.image_size == card.image_size
    is_same = info.classes == card.classes and info.channels == card.channels and has_size
    is_split_known = info.val_count or None not in (card.validation_share, card.seed)
    return card.data if is_same and info.fingerprint in (card.fingerprint, NOT_DOWNLOADED) and is_split_known else UNKNOWN_DATA


def _expected(card: ExportCard) -> dict[str, TensorShape]:
    """Return types and shapes of the tensors of the card's network by name, without allocating them. Raises StudioError if it cannot be built."""
    try:
        with torch.device("meta"):
            state = card.model_card().build().state_dict()
    except StudioError:
        raise
    except Exception:  # with extreme settings a builder may raise anything
        raise RunError(NOT_A_NETWORK) from None
    return {name: (DTYPES.get(value.dtype, str(value.dtype)), tuple(value.shape)) for name, value in state.items()}


def _check_tensors(expected: Mapping[str, TensorShape], actual: Mapping[str, TensorShape]) -> None:
    """Raise RunError if the tensors are not exactly those of the network."""
    missing, extra = [name for name in expected if name not in actual], [name for name in actual if name not in expected]
    if missing:
        reason = MISSING.format(count=len(missing), total=len(expected), name=missing[0])
    elif extra:
        reason = EXTRA.format(tensors=counted(len(extra), "unexpected tensor"), name=extra[0][:80])
    elif others := [name for name, tensor in expected.items() if actual[name] != tensor]:
        name = others[0]
        reason = OTHER_TENSOR.format(name=name, actual=_describe_tensor(actual[name]), expected=_describe_tensor(expected[name]))
    else:
        return
    raise RunError(MISFIT.format(reason=reason))


def _describe_tensor(tensor: TensorShape) -> str:
    """Return "F32 64×3×3×3" or "F32 scalar"."""
    return f"{tensor[0][:20]} {'×'.join(str(side)[:12] for side in tensor[1][:6]) or 'scalar'}"


def _check_numbers(state: Mapping[str, torch.Tensor]) -> Generator[Progress, None, None]:
    """Raise RunError if a weight is not finite. Yields Progress."""
    for done, (name, value) in enumerate(state.items()):
        yield Progress("Checking the weights", done, len(state))
        if value.is_floating_point() and not value.isfinite().all():
            raise RunError(NOT_FINITE.format(name=name))


def _save(folder: Path, card: ExportCard, state: Mapping[str, torch.Tensor]) -> None:
    save_card(folder, card.model_card())
    save_state(folder, state)
    save_calibration(folder, card.calibration())


def _check_prediction(card: ExportCard, state: Mapping[str, torch.Tensor]) -> None:
    """Classify a black image. Raises RunError if the prediction fails or is not finite."""
    saved, cpu = card.model_card(), torch.device("cpu")
    model = build_from_state(Path(card.run or "imported"), saved, state, cpu)
    black = torch.zeros(1, saved.channels, saved.image_size, saved.image_size, dtype=torch.uint8)
    try:
        with torch.inference_mode():
            can_predict = bool(model(Normalise(saved.mean, saved.std, cpu)(black)).isfinite().all())
    except (RuntimeError, ValueError):
        can_predict = False
    if not can_predict:
        raise RunError(NO_PREDICTION)


def _describe(store: Store, run: str, card: ExportCard) -> None:
    """Save the origin of the model and the metrics of its card with the run."""
    unknown = {"train_seconds": None, "images_per_second": None, "device": None}
    store.set_status(run, "finished", summary={"epochs": card.epochs, **unknown, **card.metrics.model_dump()})
    origin = f" of run {card.run}" if card.run else ""
    data = f" According to the card it was trained on {card.data}." if card.data else ""
    RunOrganizer(store).describe(run, notes=f"Imported model{origin}.{data} The metrics are those of the card.", tags=[TAG])


def choose_files(files: Mapping[str, bytes]) -> tuple[bytes, bytes | None, str]:
    """Return weights, card and name of the weights among `files` (content by name), for `import_model`. Raises RunError."""
    for name, content in files.items():
        refuse_pickle(name, content)
    weights = [name for name in files if name.lower().endswith(".safetensors")]
    cards = [name for name in files if name.lower().endswith(".json")]
    if others := [name for name in files if name not in (*weights, *cards)]:
        raise RunError(UNKNOWN_FILE.format(name=others[0][:100]))
    if len(weights) != 1 or len(cards) > 1:
        raise RunError(NOT_ONE_EACH.format(weights=len(weights), cards=len(cards)))
    return files[weights[0]], files[cards[0]] if cards else None, weights[0]
