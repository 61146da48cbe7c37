"""The settings of a run: every one with its name, range, unit and sentence of help in this one place.

The form, the command line and `config.json` are all made from these fields. In: anything a person typed. Out: a frozen
`TrainConfig`, or a SettingError that names the field in words. Importing this module does not import torch.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cnn_core.data.catalog import canonical_name, defaults_for
from cnn_core.errors import SettingError
from cnn_core.models.registry import FAMILIES


def setting(default: Any, *, title: str, unit: str, help: str, **limits: float) -> Any:
    """A field of TrainConfig: `title` and `unit` are its label, `help` its sentence, `limits` pydantic's ge, gt, le, lt."""
    return Field(default, title=title, description=help, json_schema_extra={"unit": unit}, **limits)


class TrainConfig(BaseModel):
    """Everything that decides a training run. Two runs with equal settings on one machine see the same batches."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: str = setting(
        "digits",
        title="Data set",
        unit="name or folder",
        help="A name from the catalogue, or a folder with one sub-folder of images per class.",
        min_length=1,
        max_length=4096,
    )
    model: str = setting("simple", title="Model", unit="kind of network", help="The kind of network to train.")
    epochs: int = setting(
        20,
        title="Epochs",
        unit="passes",
        help="How often the network sees every training image. More takes longer and, at some point, only memorises.",
        ge=1,
        le=1000,
    )
    batch_size: int = setting(
        64,
        title="Batch size",
        unit="images per step",
        help="Images that one step learns from. Smaller is noisier but often generalises better; larger uses the machine better.",
        ge=1,
        le=4096,
    )
    learning_rate: float = setting(
        0.001,
        title="Learning rate",
        unit="per step",
        help="How far one step moves the weights, at its highest point. Too high diverges, too low crawls.",
        gt=0,
        le=10,
    )
    schedule: Literal["cosine", "constant"] = setting(
        "cosine",
        title="Schedule",
        unit="learning rate over time",
        help="Cosine warms up briefly and then falls smoothly to zero, so the last epochs polish; constant keeps one rate.",
    )
    optimizer: Literal["adam", "adamw", "sgd"] = setting(
        "adam",
        title="Optimizer",
        unit="how weights move",
        help="Adam adapts the step of every weight; AdamW also decays weights; SGD uses momentum 0.9 and wants a rate about ten times higher.",
    )
    dropout: float = setting(
        0.25,
        title="Dropout",
        unit="share of units",
        help="Share of units switched off at random in each training step of the fully connected layers, against memorising.",
        ge=0,
        le=0.9,
    )
    crop: bool = setting(
        True,
        title="Random crop",
        unit="augmentation",
        help="Shift every training image by up to an eighth of its side, so that position does not matter.",
    )
    flip: bool = setting(
        True,
        title="Random flip",
        unit="augmentation",
        help="Mirror half of the training images. Right for photographs, wrong for digits and letters.",
    )
    validation_share: float = setting(
        0.1,
        title="Validation share",
        unit="of training images",
        help="Part of the training images kept apart to choose the best epoch. Test images choose nothing.",
        ge=0.02,
        le=0.5,
    )
    seed: int = setting(
        0,
        title="Seed",
        unit="whole number",
        help="Starts every random draw: the split, the first weights, the order, the augmentation.",
        ge=0,
        le=2**31 - 1,
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "auto", title="Device", unit="where to compute", help="Auto takes a GPU where there is one and the CPU otherwise."
    )

    @field_validator("model")
    @classmethod
    def is_known_model(cls, name: str) -> str:
        if name not in FAMILIES:
            raise ValueError(f"must be one of: {', '.join(FAMILIES)}")
        return name


def make_config(**chosen: Any) -> TrainConfig:
    """A TrainConfig from what was chosen, the data set's own defaults, and the general defaults, in that order of weight.

    Values may be text (as from a command line). Raises SettingError naming the first field that is refused.
    """
    data = canonical_name(str(chosen.get("data", TrainConfig.model_fields["data"].default)))
    try:
        return TrainConfig.model_validate({**defaults_for(data), **chosen, "data": data})
    except ValidationError as error:
        raise _in_words(error) from None


def range_in_words(field: str) -> str:
    """The allowed values of a field: "1 to 1,000", "above 0, at most 10", or "adam, adamw or sgd"; "" where anything goes."""
    schema = TrainConfig.model_json_schema()["properties"][field]
    low, high = schema.get("minimum"), schema.get("maximum")
    if "enum" in schema:
        return f"{', '.join(schema['enum'][:-1])} or {schema['enum'][-1]}"
    if "exclusiveMinimum" in schema:
        return f"above {schema['exclusiveMinimum']:,g}, at most {high:,g}"
    return f"{low:,} to {high:,}" if low is not None else ""


def _in_words(error: ValidationError) -> SettingError:
    """The first refusal of a pydantic error as one sentence with the field's title, its range and what was given."""
    first = error.errors()[0]
    field, given = str(first["loc"][0]), str(first["input"])[:80].encode("utf-8", "replace").decode()
    if first["type"] == "extra_forbidden":
        return SettingError(f"There is no setting called “{field}”. Settings are: {', '.join(TrainConfig.model_fields)}.", field)
    wanted = first["ctx"]["error"] if first["type"] == "value_error" else f"must be {_wanted(field)}"
    return SettingError(f"{TrainConfig.model_fields[field].title} {wanted}. “{given}” was given.", field)


def _wanted(field: str) -> str:
    """What a field takes: "a whole number, 1 to 1,000", "adam, adamw or sgd", "on or off"."""
    kind = TrainConfig.model_fields[field].annotation
    words = {int: "a whole number, ", float: "a number, ", bool: "on or off", str: "a name of 1 to 4,096 letters"}
    return words.get(kind, "") + range_in_words(field)
