"""The schema: every setting of a run with its name, range and help, and functions that return these.

The form, the command line, settings files, links and `config.json` are derived from these fields. In: chosen values. Out: a frozen
`TrainConfig`, or pydantic's ValidationError, which `defaults.make_config` converts to a SettingError. Importing this module does not
import torch.
"""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, field_validator

from cnn_core.config import setting as settings
from cnn_core.config.groups import augmentation, hardware, network, regularisation, schedule, training
from cnn_core.config.setting import (
    Conditions,
    Not,
    SettingMetadata,
    format_setting,
    label_of,
    metadata_of,
    parse_knots,
    parse_milestones,
    setting,
)
from cnn_core.data.source import DataInfo
from cnn_core.data.splits import count_drawn
from cnn_core.models.pretrained_table import NAME, NAME_EXAMPLE, TORCHVISION_NETWORKS
from cnn_core.models.registry import FAMILIES, network_title

# Conditions of all settings of a group. A head alone is trained on features of the unchanged images.
GROUP_CONDITIONS: dict[str, Conditions] = {augmentation.GROUP: {"train": Not("head")}}
GROUPS = (training.GROUP, network.GROUP, schedule.GROUP, augmentation.GROUP, regularisation.GROUP, hardware.GROUP)


AUTOMATIC = "automatic"  # the text of the value 0 of these settings
AUTOMATIC_AT_0 = ("size", "crop_share")


class DataAndModelSettings(BaseModel):
    """The two settings on which the defaults of the others depend."""

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
    """All settings of a run. On one machine, two runs with equal settings are trained on the same batches."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("model")
    @classmethod
    def check_model(cls, name: str) -> str:
        """Refuse an unknown model."""
        if name not in FAMILIES:
            raise ValueError(f"must be one of: {', '.join(FAMILIES)}")
        return name

    @field_validator("timm_name")
    @classmethod
    def check_timm_name(cls, name: str) -> str:
        """Refuse what cannot be a name in timm; whether timm has it is found out where the network is built."""
        if not NAME.fullmatch(name):
            raise ValueError(f"must be a name in timm, like {NAME_EXAMPLE}")
        return name

    @field_validator("knots", "drop_at")
    @classmethod
    def check_text(cls, text: str, info: Any) -> str:
        """Refuse knots or milestones that cannot be read."""
        (parse_knots if info.field_name == "knots" else parse_milestones)(text)
        return text

    @field_validator("*", mode="before")
    @classmethod
    def refuse_switch_for_number(cls, value: Any, info: Any) -> Any:
        """Refuse true and false for a number; pydantic would read them as 1 and 0."""
        if isinstance(value, bool) and info.field_name != "crop" and cls.model_fields[info.field_name].annotation in (int, float):
            raise ValueError("must be a number")
        return value

    @field_validator("crop", "flip", mode="before")
    @classmethod
    def read_first_version(cls, value: Any, info: Any) -> Any:
        """Read crop and flip as true or false, as runs of the first version recorded them."""
        if not isinstance(value, bool):
            return value
        return (0.125 if value else 0.0) if info.field_name == "crop" else ("random" if value else "off")

    @field_validator("drop_at", mode="before")
    @classmethod
    def read_single_milestone(cls, value: Any) -> Any:
        """Read a single number, as in the line `drop_at: 0.5` of a YAML file."""
        return str(value) if isinstance(value, float) else value

    @field_validator("channels_last", "compile", mode="before")
    @classmethod
    def read_yaml_switch(cls, value: Any) -> Any:
        """Read true and false: YAML reads on and off without quotes as these."""
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value

    @property
    def model_options(self) -> dict[str, Any]:
        """The settings that the model takes, by name."""
        return {name: getattr(self, name) for name in FAMILIES[self.model].options}

    @property
    def learns_on_features(self) -> bool:
        """Whether only the head of a pretrained network learns: on features of the unchanged images, which are computed once."""
        return self.learning_blocks == 0

    @property
    def learning_blocks(self) -> int | None:
        """The number of blocks of a pretrained network that learn with its head; None where all layers learn."""
        return None if self.starting_weights == "scratch" else {"head": 0, "blocks": self.trained_blocks}.get(self.train)

    @property
    def averages_mirrored(self) -> bool:
        """Whether a prediction is the mean of those for the image and its mirror image: not where training flips no image."""
        return self.mirror and self.flip != "off"

    @property
    def starting_weights(self) -> str:
        """The starting weights in force: "scratch" for a model that takes no others."""
        return self.weights if "weights" in FAMILIES[self.model].options else "scratch"

    @property
    def fetched_weights(self) -> str:
        """The name of the pretrained weights that the run starts from, if they lie in the home once they were fetched (see `weights_source`); else ""."""
        if self.starting_weights != "pretrained":
            return ""
        return self.timm_name if "timm_name" in self.model_options else self.model if self.model in TORCHVISION_NETWORKS else ""

    @property
    def has_statistics_of_weights(self) -> bool:
        """Whether images are normalised as pretrained weights expect it: in runs of earlier versions, not for networks of torchvision."""
        return self.interpolation == "automatic" or self.model not in TORCHVISION_NETWORKS

    @property
    def drawn_by(self) -> tuple[float, int] | tuple[float, int, int]:
        """The settings that draw the training and the validation images from those of the data set; a key of what is computed from them."""
        drawn = (self.validation_share, self.seed)
        return (*drawn, self.images_per_class) if self.images_per_class else drawn

    def count_training_images(self, info: DataInfo) -> int:
        """Return the number of training images: without a validation split in the data set, a fraction of them is used for validation.

        An estimate where the counts of the classes are not known yet.
        """
        most = self.images_per_class or info.train_count
        share = 0.0 if info.val_count else self.validation_share
        if info.class_counts:
            return sum(min(most, count - (count_drawn(count, share) if share else 0)) for count in info.class_counts)
        return min(most * len(info.classes), round(info.train_count * (1 - share)))

    def steps_per_epoch(self, info: DataInfo) -> int:
        """Return the number of optimizer steps of an epoch, as exact as `count_training_images`."""
        return -(-self.count_training_images(info) // self.batch_size)


FIELDS = TrainConfig.model_fields
MODEL_OPTIONS = frozenset(option for family in FAMILIES.values() for option in family.options)


def metadata(name: str) -> SettingMetadata:
    """Return unit, group and conditions of setting `name`."""
    return metadata_of(FIELDS[name])


def title(name: str) -> str:
    """Return the title of setting `name`: its label without the unit."""
    return FIELDS[name].title or name


def label(name: str) -> str:
    """Return the label of setting `name`, with its unit where it has one."""
    return label_of(FIELDS[name])


def value_text(name: str, value: Any) -> str:
    """Return a value of setting `name` as tables and charts show it: the title of a model, on or off, at most six digits, "–" for None."""
    if value is None:
        return "–"
    if name == "model":
        return FAMILIES[value].title
    if name in AUTOMATIC_AT_0 and not value:
        return AUTOMATIC
    return f"{value:.6g}" if isinstance(value, float) else format_setting(value)


def model_title(config: TrainConfig) -> str:
    """Return the title of the model; of a network of timm its own title, or its name there."""
    return network_title(config.model, config.timm_name)


def has_effect(name: str, chosen: Mapping[str, Any]) -> bool:
    """Whether setting `name` has an effect together with the settings `chosen`, which contain at least the model."""
    if name in MODEL_OPTIONS and name not in FAMILIES[chosen["model"]].options:
        return False
    return all(_in_force(other, chosen) in values for other, values in conditions(name).items())


def _in_force(name: str, chosen: Mapping[str, Any]) -> Any:
    """Return the value of setting `name`, or its default where it has no effect."""
    default = FIELDS[name].default
    return chosen.get(name, default) if has_effect(name, chosen) else default


def conditions(name: str) -> Conditions:
    """Return the values of other settings with which setting `name` has an effect; those without an effect have their defaults."""
    about = metadata(name)
    return {**GROUP_CONDITIONS.get(about.group, {}), **about.only}


def settings_deciding_on(name: str) -> tuple[str, ...]:
    """Return the settings that decide whether setting `name` has an effect, and those that decide on these."""
    direct = tuple(conditions(name))
    return tuple(dict.fromkeys([*(one for other in direct for one in settings_deciding_on(other)), *direct]))


def settings_in_effect(config: TrainConfig) -> dict[str, Any]:
    """Return the settings of `config` that have an effect, by name: without the depth of a model of fixed depth, the momentum of Adam, or
    the padding of a crop that is off."""
    chosen = config.model_dump()
    return {name: value for name, value in chosen.items() if has_effect(name, chosen)}


def choices(name: str) -> tuple[str, ...]:
    """Return the values of a setting that is a choice from a list; empty for others."""
    return get_args(FIELDS[name].annotation)


def format_range(name: str) -> str:
    """Return the allowed values of setting `name`: "1 to 1,000", "adam, adamw or sgd", "" where all values are allowed."""
    return settings.format_range(TrainConfig, name)
