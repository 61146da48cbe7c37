"""The model that is recommended for a data set: a pretrained network for photographs and for few images in colour, else the default model.

In: the facts of a data set. Out: a model and the sentence that says why. Importing this module does not import torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_core.config.defaults import BELONGS_TO_OPTIMIZER, make_config
from cnn_core.config.schema import FIELDS, MODEL_OPTIONS, TrainConfig
from cnn_core.data.catalog import CATALOG, defaults_for
from cnn_core.data.imported import ImportedSource
from cnn_core.data.names import canonical_name, is_imported
from cnn_core.data.open import open_source
from cnn_core.data.path_source import set_name
from cnn_core.data.source import DataInfo
from cnn_core.errors import DataError
from cnn_core.home import Home
from cnn_core.models.embedded import missing_weights
from cnn_core.models.registry import FAMILIES

PRETRAINED = "efficientnet-lite0"
# Validation accuracy with 20 training images a class, head only against SimpleCNN from scratch (2 draws each). CIFAR-10: 31 and 27% at 32 pixels, 47 and
# 28% at 48, 50 and 28% at 64; ants and bees: 61 and 55%, 76 and 55%, 76 and 56%. With 120 images a class at 32 pixels both reach 43%.
# Grey images are often drawings or handwriting: on the digits the pretrained network reached 73% and SimpleCNN 91%.
PHOTOGRAPH_SIDE = 48  # pixels; from this side on the pretrained network is far better
FEW_SIDE, FEW_IMAGES = 32, 50  # pixels, training images a class: for few images it is better from this side on
RECOMMENDED = (
    f"{FAMILIES[PRETRAINED].title} is recommended for this data set: only its head is trained, which takes seconds, and on 245 photographs of ants and bees it "
    "reached 95%, where training from scratch reached 56%."
)
COST_OF_SCRATCH = (
    "Training from scratch needs thousands of images in each class: on 245 photographs of ants and bees it reached 56%, where guessing gives 54%, and "
    f"{FAMILIES[PRETRAINED].title} with pretrained weights 95%."
)
NOT_POSSIBLE = "A pretrained network would be more accurate on this data set than one trained from scratch. {missing}"


@dataclass(frozen=True)
class Recommendation:
    """The model that is used by default for a data set, and the sentence that says why; "" where there is nothing to say."""

    model: str
    reason: str = ""

    @property
    def is_pretrained(self) -> bool:
        """Whether this is a pretrained network."""
        return self.model == PRETRAINED


def recommend_model(info: DataInfo) -> Recommendation:
    """Return the model recommended for a data set: the pretrained network where it is better than training from scratch and its weights are there."""
    model = str(defaults_for(info.name).get("model", FIELDS["model"].default))
    if not suits_pretrained(info):
        return Recommendation(model)
    missing = missing_weights()
    return Recommendation(model, NOT_POSSIBLE.format(missing=missing)) if missing else Recommendation(PRETRAINED, RECOMMENDED)


def suits_pretrained(info: DataInfo) -> bool:
    """Whether the pretrained network is more accurate on such images than one trained from scratch."""
    has_few = info.train_count < FEW_IMAGES * len(info.classes)
    side = max(info.image_size, info.kept_side)
    return info.channels == 3 and side >= (FEW_SIDE if has_few else PHOTOGRAPH_SIDE)


def is_from_scratch(config: TrainConfig) -> bool:
    """Whether a training with `config` starts from random weights."""
    return config.starting_weights == "scratch"


def with_recommended_model(chosen: Mapping[str, Any], home: Home) -> tuple[dict[str, Any], str]:
    """Return the `chosen` settings with the model recommended for their data set, and why ("" where there is nothing to say).

    They stay as they are where they name a model, or contain a setting that the recommended one does not take.
    """
    recommended = recommend_for(str(chosen["data"]), home) if "data" in chosen and "model" not in chosen else None
    refused = MODEL_OPTIONS - set(FAMILIES[PRETRAINED].options)
    if recommended is None or refused & chosen.keys() or chosen.get("weights") == "scratch":
        return dict(chosen), ""
    return ({**chosen, "model": recommended.model} if recommended.is_pretrained else dict(chosen)), recommended.reason


def recommend_for(data: str, home: Home) -> Recommendation | None:
    """Return the model recommended for the data set that is called `data` or lies at this path; None where it cannot be opened."""
    try:
        return recommend_model(open_source(canonical_name(data), home).info)
    except DataError:
        return None


def recommend_for_imported(data: str, home: Home) -> Recommendation | None:
    """Return the model recommended for a data set whose images a run has trained on, without listing the files of its folder; None where they
    are no longer there."""
    try:
        if data in CATALOG:
            return recommend_model(CATALOG[data].info)
        return recommend_model(ImportedSource(home.set_folder(data if is_imported(data, home) else set_name(Path(data)))).info)
    except DataError:
        return None


def pretrained_settings(config: TrainConfig) -> dict[str, Any]:
    """Return the settings, by name, with which the pretrained network trains on the data set of `config`: its defaults."""
    recipe = make_config(data=config.data, model=PRETRAINED)
    names = ("model", *FAMILIES[PRETRAINED].defaults, *BELONGS_TO_OPTIMIZER, "epochs", "size")
    return {name: getattr(recipe, name) for name in dict.fromkeys(names)}
