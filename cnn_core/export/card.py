"""The card that goes with weights: JSON that says all that is needed to use them, and where they come from.

In: a run with a model. Out: an ExportCard, and its JSON. A card may come back from a stranger: what it says is checked against bounds
before anything is built from it, and nothing in it names a file of this machine.
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
from cnn_core.data.decoder import Fit
from cnn_core.data.source import Ink
from cnn_core.errors import RunError
from cnn_core.inference.confidence import Calibration, calibration_of, network_key
from cnn_core.models.registry import DEPTHS, WIDTHS
from cnn_core.models.saving import ModelCard, read_card
from cnn_core.runs.digest import read_history
from cnn_core.runs.history import summarise
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

FORMAT, VERSION = "cnn-studio-model", 1
MOST_BYTES = 2**22  # of a file that may be a card
MOST_CLASSES, LONGEST_NAME, LARGEST_SIDE = 10_000, 1000, 1024
PACKAGES = ("torch", "torchvision", "numpy")
STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

INK_SIDES = {"uci": 32, "mnist": 28}
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=10**12)]


class Options(BaseModel):
    """A network's own settings, as its family takes them; None for those that the family chooses itself, or has not."""

    model_config = STRICT

    width: Annotated[float, Field(ge=WIDTHS[0], le=WIDTHS[1])] | None = None
    depth: Annotated[int, Field(ge=DEPTHS[0], le=DEPTHS[1])] | None = None
    activation: Annotated[str, Field(pattern=r"^[a-z_]{1,20}$")] | None = None
    batch_norm: bool | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None


class Metrics(BaseModel):
    """How good the network was where it was trained; None for what was not measured. Accuracies are shares, `test_loss` is in nats."""

    model_config = STRICT

    best_epoch: Count | None = None
    best_val_accuracy: Share | None = None
    test_accuracy: Share | None = None
    test_loss: Annotated[float, Field(ge=0)] | None = None
    parameters: Count | None = None


class ExportCard(BaseModel):
    """What turns weights into the classifier that they were.

    `network`: of the weights, the same for the same best network. `model`, `options`: the family and its settings. `classes` to `mirror`: see
    ModelCard; mean and std are in units of full brightness. `temperature`: logits are divided by it before they become probabilities, and
    below a probability of `threshold` the answer is "I don't know"; `calibration_images`: how many it was fitted on, with the expected
    calibration error without and with it. `data`, `fingerprint`: the set it was trained on, and its version; `validation_share`, `seed`: which
    of its images were kept apart. `versions`: of the programs that
    wrote this, by name.
    """

    model_config = STRICT

    format: Literal["cnn-studio-model"] = FORMAT
    version: Literal[1] = VERSION
    run: Annotated[str, Field(max_length=100)]
    network: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    model: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,60}$")]
    options: Options = Options()
    classes: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MOST_CLASSES)]
    channels: Literal[1, 3]
    image_size: Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
    mean: Annotated[tuple[Annotated[float, Field(ge=-100, le=100)], ...], Field(min_length=1, max_length=3)]
    std: Annotated[tuple[Annotated[float, Field(ge=1e-4, le=100)], ...], Field(min_length=1, max_length=3)]
    fit: Fit = "crop"
    ink: Ink = ""
    mirror: bool = False
    temperature: Annotated[float, Field(ge=1e-3, le=1e6)] = 1.0
    threshold: Share = 0.0
    calibration_images: Count = 0
    error_before: Share = 0.0
    error_after: Share = 0.0
    metrics: Metrics = Metrics()
    data: Annotated[str, Field(max_length=255)] = ""
    fingerprint: Annotated[str, Field(max_length=200)] = ""
    validation_share: Annotated[float, Field(ge=0.02, le=0.5)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    epochs: Count = 0
    versions: Annotated[
        dict[Annotated[str, Field(max_length=60)], Annotated[str, Field(max_length=100)]], Field(max_length=20)
    ] = {}

    @model_validator(mode="after")
    def _fits_together(self) -> "ExportCard":
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("two classes have the same name")
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ValueError("mean and std need one number for each channel")
        if self.ink and (self.channels, self.image_size) != (1, INK_SIDES[self.ink]):
            raise ValueError("digits of that kind have another size")
        if not all(map(is_printable, (*self.classes, self.run, self.data))):
            raise ValueError("a name holds characters that cannot be written")
        return self

    def model_card(self) -> ModelCard:
        """The card that a run's folder keeps of such a network."""
        names = ("model", "classes", "channels", "image_size", "mean", "std", "ink", "fit", "mirror", "fingerprint")
        return ModelCard(options=self.options.model_dump(exclude_none=True), **{name: getattr(self, name) for name in names})

    def calibration(self) -> Calibration:
        """How sure its answers are and have to be, as a run's folder keeps it (`save_calibration` names the network)."""
        return Calibration(
            temperature=self.temperature,
            threshold=self.threshold,
            images=self.calibration_images,
            error_before=self.error_before,
            error_after=self.error_after,
        )

    def to_json(self) -> str:
        """As it is written to a file, for people to read too."""
        return self.model_dump_json(indent=2)


def make_card(store: Store, run: Run) -> ExportCard:
    """The card of the run's best network as it lies there now. Raises RunError where there is none."""
    folder = store.home.run_folder(run.id)
    saved, calibration = read_card(folder), calibration_of(folder)
    summary = run.summary or summarise(read_history(store, run.id))
    try:
        return _fill(run, saved, calibration, network_key(folder), summary)
    except ValidationError as error:
        raise RunError(
            f"The card of run {run.id} cannot be written ({_first(error)}). Correct the data set, and train again."
        ) from None


def _fill(run: Run, saved: ModelCard, calibration: Calibration, network: str, summary: Mapping[str, Any]) -> ExportCard:
    return ExportCard(
        run=run.id,
        network=network,
        options=Options(**saved.options),
        temperature=calibration.temperature,
        threshold=calibration.threshold,
        calibration_images=calibration.images,
        error_before=calibration.error_before,
        error_after=calibration.error_after,
        metrics=Metrics(**{name: _finite(summary.get(name)) for name in Metrics.model_fields}),
        data=PurePath(run.config.data).name[:255],  # of a folder its name alone: where it lies is nobody else's business
        validation_share=run.config.validation_share,
        seed=run.config.seed,
        epochs=summary.get("epochs", 0),
        versions={"cnn_studio": cnn_core.__version__, "python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        **{name: value for name, value in saved if name != "options"},
    )


def read_export_card(content: bytes) -> ExportCard:
    """The card in a file of anybody's. Raises RunError, which says what is wrong with it."""
    if len(content) > MOST_BYTES:
        raise RunError(
            f"The card is larger than {MOST_BYTES // 2**20} MB, so it is none. Choose the card.json that was exported."
        )
    try:
        return ExportCard.model_validate_json(content)
    except ValidationError as error:
        raise RunError(
            f"This is not a card that can be used ({_first(error)}). Choose the card.json that was exported."
        ) from None
    except (ValueError, RecursionError):
        raise RunError("This is not a card: it cannot be read as JSON. Choose the card.json that was exported.") from None


def _first(error: ValidationError) -> str:
    """What is wrong, in a few words; the offending value is not repeated."""
    found: Mapping[str, Any] = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in found["loc"])[:80]
    message = str(found["msg"])[:160].rstrip(".")
    return f"{place}: {message}" if place else message


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
