"""The schema: every setting of a run with its name, range and help, and what can be asked of a setting.

The form, the command line, settings files, links and `config.json` are made from these fields. In: values that a person chose. Out: a frozen
`TrainConfig`; pydantic's ValidationError where a value is refused (`defaults.make_config` turns it into a sentence). Importing
this module does not import torch.
"""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, field_validator

from cnn_core.config import setting as settings
from cnn_core.config.groups import augmentation, hardware, network, regularisation, schedule, training
from cnn_core.config.setting import SettingFacts, facts_of, label_of, parse_knots, parse_milestones, setting
from cnn_core.data.source import DataInfo
from cnn_core.models.registry import FAMILIES

GROUPS = (training.GROUP, network.GROUP, schedule.GROUP, augmentation.GROUP, regularisation.GROUP, hardware.GROUP)


class DataAndModelSettings(BaseModel):
    """The two choices that bring defaults for all others."""

    data: str = setting(
        "digits",
        title="Data set",
        group="",
        help="The name of a data set, or the path of a folder or zip archive with one sub-folder of images per class.",
        min_length=1,
        max_length=4096,
    )
    model: str = setting("simple", title="Model", group="", help="The network architecture to train.")


class TrainConfig(  # pydantic orders fields from the last base class to the first
    hardware.HardwareSettings,
    regularisation.RegularisationSettings,
    augmentation.AugmentationSettings,
    schedule.ScheduleSettings,
    network.NetworkSettings,
    training.TrainingSettings,
    DataAndModelSettings,
):
    """Everything that decides a training run. Two runs with equal settings on one machine see the same batches."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("model")
    @classmethod
    def is_known_model(cls, name: str) -> str:
        if name not in FAMILIES:
            raise ValueError(f"must be one of: {', '.join(FAMILIES)}")
        return name

    @field_validator("knots", "drop_at")
    @classmethod
    def can_be_parsed(cls, text: str, info: Any) -> str:
        (parse_knots if info.field_name == "knots" else parse_milestones)(text)
        return text

    @field_validator("*", mode="before")
    @classmethod
    def is_no_yes_for_a_number(cls, value: Any, info: Any) -> Any:
        """Python counts true as 1, a person does not."""
        if isinstance(value, bool) and info.field_name != "crop" and cls.model_fields[info.field_name].annotation in (int, float):
            raise ValueError("must be a number")
        return value

    @field_validator("crop", "flip", mode="before")
    @classmethod
    def was_once_a_switch(cls, value: Any, info: Any) -> Any:
        """Runs of the first version recorded crop and flip as true or false."""
        if not isinstance(value, bool):
            return value
        return (0.125 if value else 0.0) if info.field_name == "crop" else ("random" if value else "off")

    @field_validator("drop_at", mode="before")
    @classmethod
    def may_be_one_number(cls, value: Any) -> Any:
        """A YAML file's `drop_at: 0.5` is a number."""
        return str(value) if isinstance(value, float) else value

    @field_validator("channels_last", "compile", mode="before")
    @classmethod
    def is_a_yes_or_no_in_yaml(cls, value: Any) -> Any:
        """A YAML file's bare on and off are true and false."""
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value

    @property
    def model_options(self) -> dict[str, Any]:
        """The settings that the model's family takes, by name."""
        return {name: getattr(self, name) for name in FAMILIES[self.model].options}

    def images_left(self, info: DataInfo) -> int:
        """About how many of the training images are trained on; unless the set has validation images of its own, a share is kept for that."""
        return info.train_count if info.val_count else round(info.train_count * (1 - self.validation_share))

    def steps_per_epoch(self, info: DataInfo) -> int:
        """About how many optimizer steps one pass over what is trained on takes, before the images are split."""
        return -(-self.images_left(info) // self.batch_size)


FIELDS = TrainConfig.model_fields
MODEL_OPTIONS = frozenset(option for family in FAMILIES.values() for option in family.options)


def facts(name: str) -> SettingFacts:
    """Return unit, group and conditions of setting `name`."""
    return facts_of(FIELDS[name])


def label(name: str) -> str:
    """Return the label of setting `name`, with its unit where it has one."""
    return label_of(FIELDS[name])


def has_effect(name: str, chosen: Mapping[str, Any]) -> bool:
    """Whether setting `name` changes anything beside the settings `chosen`, which name at least the model."""
    if name in MODEL_OPTIONS and name not in FAMILIES[chosen["model"]].options:
        return False
    return all(chosen.get(other, FIELDS[other].default) in values for other, values in facts(name).only.items())


def choices(name: str) -> tuple[str, ...]:
    """Return the values of a setting that is a choice; empty for others."""
    return get_args(FIELDS[name].annotation)


def range_in_words(name: str) -> str:
    """Return the allowed values of setting `name`: "1 to 1,000", "adam, adamw or sgd", "" where anything goes."""
    return settings.range_in_words(TrainConfig, name)
