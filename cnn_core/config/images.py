"""The images of a run: its data set at the image size, fit, interpolation and crop share of its settings.

In: a TrainConfig. Out: a DataSource, or the facts of its images. Whatever trains, evaluates or explains a run opens its images here. Importing
this module does not import torch.
"""

from cnn_core.config.schema import TrainConfig
from cnn_core.data.image_shape import MAX_SIDE, USUAL_SIDE, ImageShape
from cnn_core.data.open import open_source
from cnn_core.data.source import DataInfo, DataSource
from cnn_core.home import Home
from cnn_core.models.pretrained_input import expected_resizing, expected_side
from cnn_core.models.registry import find_family

REDUCED_SIDE = (
    224  # pixels, for networks that were trained on larger images than are kept: DINOv2, whose patches of 14 pixels fit into it
)


def image_shape(config: TrainConfig) -> ImageShape:
    """Return the shape in which a run with these settings wants its images. Raises SettingError for a network that timm does not have."""
    weights = (config.model, config.timm_name, config.starting_weights)
    is_cropped_like_theirs = config.starting_weights == "pretrained" and config.fit == "crop" and not config.crop_share
    own = (is_cropped_like_theirs and find_family(config.model).cropped_side) or expected_side(*weights) or USUAL_SIDE
    interpolation, share = expected_resizing(*weights)
    return ImageShape(
        config.size,
        config.fit,
        own if own <= MAX_SIDE else REDUCED_SIDE,
        interpolation if config.interpolation == "automatic" else config.interpolation,
        config.crop_share or share,
    )


def images_info(config: TrainConfig, info: DataInfo) -> DataInfo:
    """Return the facts of the images that a run with these settings makes of the data set `info`. Raises SettingError for a size that the set
    does not allow."""
    return image_shape(config).apply(info)


def open_images(config: TrainConfig, home: Home) -> DataSource:
    """Return the data set of a run, with its images as the run receives them. Raises DataError as `open_source`."""
    return open_source(config.data, home, image_shape(config))
