"""The model card of an export (card.json): all that is needed to use exported weights, and their origin, as JSON.

In: a run with a model. Out: an ExportCard, and its JSON. It contains the ModelCard in the run's folder (model.json), and calibration, metrics
and origin. An imported card is not trusted: all its values are checked against bounds before anything is built from it, and none of them can
name a file of this machine.
"""

import math
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import cnn_core
from cnn_core.data.archive import is_printable
from cnn_core.data.decoder import Fit, Interpolation
from cnn_core.data.source import Ink
from cnn_core.errors import RunError
from cnn_core.inference.confidence import Calibration, load_calibration, model_key
from cnn_core.models.limits import DEPTHS, WIDTHS
from cnn_core.models.pretrained_table import NAME
from cnn_core.models.saving import ModelCard, read_card
from cnn_core.runs.history_cache import read_history
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.runs.summary import summarise_history

MAX_CARD_BYTES = 2**22
MAX_CLASSES, MAX_NAME_LENGTH, MAX_SIDE = 10_000, 1000, 1024
PACKAGES = ("torch", "torchvision", "numpy")
STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
INK_SIDES = {"uci": 32, "mnist": 28}  # pixels: the size of digits of each kind
CHOOSE_EXPORTED = "Choose the model card (card.json) that was exported with the weights."
CARD_TOO_LARGE = "The file is larger than {limit} MB, so it is not a model card. " + CHOOSE_EXPORTED
NOT_A_CARD = "The file is not a model card: it cannot be read as JSON. " + CHOOSE_EXPORTED
UNUSABLE = "This model card cannot be used ({reason}). " + CHOOSE_EXPORTED
SAME_NAME, OTHER_SIZE = "two classes have the same name", "digits of this kind have another size"  # reasons
NOT_PRINTABLE = "a name contains characters that cannot be printed"
UNWRITABLE = "The model card of run {run} cannot be written ({reason}). Correct the data set and train again."

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=10**12)]


class NetworkOptions(BaseModel):
    """The settings of a network; None for those that its family does not have or whose default was used."""

    model_config = STRICT

    timm_name: Annotated[str, Field(pattern=rf"^{NAME.pattern}$")] | None = None
    width: Annotated[float, Field(ge=WIDTHS[0], le=WIDTHS[1])] | None = None
    depth: Annotated[int, Field(ge=DEPTHS[0], le=DEPTHS[1])] | None = None
    activation: Annotated[str, Field(pattern=r"^[a-z_]{1,20}$")] | None = None
    batch_norm: bool | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None


class Metrics(BaseModel):
    """The model's metrics where it was trained; None if not measured. Accuracies are fractions, `test_loss` is in nats."""

    model_config = STRICT

    best_epoch: Count | None = None
    best_val_accuracy: Fraction | None = None
    test_accuracy: Fraction | None = None
    test_loss: Annotated[float, Field(ge=0)] | None = None
    parameters: Count | None = None


class ExportCard(BaseModel):
    """All that is needed to use exported weights, with calibration, metrics and origin.

    `network`: a digest that is the same for the same best network. `model`, `options`: the network's family and settings. `classes` to
    `weights_sha256`: as in ModelCard; mean and std are in units of full brightness. `temperature`: divides the logits before softmax; below a
    probability of `threshold` the prediction is “not sure”. `calibration_images`: how many were used to fit the temperature, with the
    expected calibration error before and after it. `data`, `fingerprint`: the data set and its version; `validation_share`, `seed`,
    `images_per_class`: how its training and validation images were drawn. `versions`: of the programs that wrote the card, by name.
    """

    model_config = STRICT

    format: Literal["cnn-studio-model"] = "cnn-studio-model"
    version: Literal[1] = 1
    run: Annotated[str, Field(max_length=100)]
    network: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    model: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,60}$")]
    options: NetworkOptions = NetworkOptions()
    classes: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_CLASSES)]
    channels: Literal[1, 3]
    image_size: Annotated[int, Field(ge=1, le=MAX_SIDE)]
    mean: Annotated[tuple[Annotated[float, Field(ge=-100, le=100)], ...], Field(min_length=1, max_length=3)]
    std: Annotated[tuple[Annotated[float, Field(ge=1e-4, le=100)], ...], Field(min_length=1, max_length=3)]
    fit: Fit = "crop"
    interpolation: Interpolation = "bicubic"
    crop_share: Annotated[float, Field(ge=0.01, le=1)] = 1.0
    ink: Ink = ""
    mirror: bool = False
    kept_side: Annotated[int, Field(ge=0, le=MAX_SIDE)] = 0
    stored_side: Annotated[int, Field(ge=0, le=MAX_SIDE)] = 0
    weights_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    temperature: Annotated[float, Field(ge=1e-3, le=1e6)] = 1.0
    threshold: Fraction = 0.0
    calibration_images: Count = 0
    error_before: Fraction = 0.0
    error_after: Fraction = 0.0
    metrics: Metrics = Metrics()
    data: Annotated[str, Field(max_length=255)] = ""
    fingerprint: Annotated[str, Field(max_length=200)] = ""
    validation_share: Annotated[float, Field(ge=0.02, le=0.5)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    images_per_class: Count = 0
    epochs: Count = 0
    versions: Annotated[
        dict[Annotated[str, Field(max_length=60)], Annotated[str, Field(max_length=100)]], Field(max_length=20)
    ] = {}

    @model_validator(mode="after")
    def _fits_together(self) -> "ExportCard":
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(SAME_NAME)
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ValueError("mean and std need one number for each channel")
        if self.ink and (self.channels, self.image_size) != (1, INK_SIDES[self.ink]):
            raise ValueError(OTHER_SIZE)
        if not all(map(is_printable, (*self.classes, self.run, self.data))):
            raise ValueError(NOT_PRINTABLE)
        return self

    def model_card(self) -> ModelCard:
        """Return the card that is saved in the folder of a run with this model."""
        names = (
            "model",
            "classes",
            "channels",
            "image_size",
            "mean",
            "std",
            "ink",
            "fit",
            "interpolation",
            "crop_share",
            "mirror",
            "kept_side",
            "stored_side",
            "fingerprint",
            "weights_sha256",
        )
        return ModelCard(options=self.options.model_dump(exclude_none=True), **{name: getattr(self, name) for name in names})

    def calibration(self) -> Calibration:
        """Return temperature and threshold, as saved in the folder of a run (`save_calibration` adds the network)."""
        return Calibration(
            temperature=self.temperature,
            threshold=self.threshold,
            images=self.calibration_images,
            error_before=self.error_before,
            error_after=self.error_after,
        )

    def to_json(self) -> str:
        """Return the card as indented JSON."""
        return self.model_dump_json(indent=2)


def make_card(store: Store, run: Run) -> ExportCard:
    """Return the card of the run's best model as it is now. Raises RunError if there is none."""
    folder = store.home.run_folder(run.id)
    saved, calibration = read_card(folder), load_calibration(folder)
    summary = run.summary or summarise_history(read_history(store, run.id))
    try:
        return _fill(run, saved, calibration, model_key(folder), summary)
    except ValidationError as error:
        raise RunError(UNWRITABLE.format(run=run.id, reason=_describe(error))) from None


def _fill(run: Run, saved: ModelCard, calibration: Calibration, network: str, summary: Mapping[str, Any]) -> ExportCard:
    return ExportCard(
        run=run.id,
        network=network,
        options=NetworkOptions(**saved.options),
        temperature=calibration.temperature,
        threshold=calibration.threshold,
        calibration_images=calibration.images,
        error_before=calibration.error_before,
        error_after=calibration.error_after,
        metrics=Metrics(**{name: _finite(summary.get(name)) for name in Metrics.model_fields}),
        data=PurePath(run.config.data).name[:255],  # only the name of a folder: its path is private
        validation_share=run.config.validation_share,
        seed=run.config.seed,
        images_per_class=run.config.images_per_class,
        epochs=summary.get("epochs", 0),
        versions={"cnn_studio": cnn_core.__version__, "python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        **{name: value for name, value in saved if name != "options"},
    )


def read_export_card(content: bytes) -> ExportCard:
    """Return the card in a file that is not trusted. Raises RunError with the reason."""
    if len(content) > MAX_CARD_BYTES:
        raise RunError(CARD_TOO_LARGE.format(limit=MAX_CARD_BYTES // 2**20))
    try:
        return ExportCard.model_validate_json(content)
    except ValidationError as error:
        raise RunError(UNUSABLE.format(reason=_describe(error))) from None
    except (ValueError, RecursionError):
        raise RunError(NOT_A_CARD) from None


def _describe(error: ValidationError) -> str:
    """Return a short description of the first problem, without the value."""
    problem: Mapping[str, Any] = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])[:80]
    message = str(problem["msg"])[:160].rstrip(".")
    return f"{place}: {message}" if place else message


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
