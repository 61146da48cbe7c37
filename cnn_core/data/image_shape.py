"""The size at which a run wants the images of a data set, and how they are made square and resized.

In: the choices of a run, and the facts of a data set. Out: the facts of the images that the run receives. A data set of photographs stores
them as they are, so every size is made from them; other data sets store squares of one size, which is the default for them.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cnn_core.data.decoder import Fit, Interpolation
from cnn_core.errors import SettingError

if TYPE_CHECKING:
    from cnn_core.data.source import DataInfo

MIN_SIDE, MAX_SIDE = 16, 512  # pixels
MIN_SHARE = 0.125  # of the short side of a photograph
COMMON_SIZE = (
    64  # pixels: images with no side above this are small: squares of one common side are not resized, others are resized to it
)
USUAL_SIDE = 128  # pixels, of photographs for a network without pretrained weights
NOT_RESIZED = "Image size cannot be {size} for data set “{data}”: its digits are drawn for {side} pixels. Set it to 0, the size of the data set."


@dataclass(frozen=True)
class ImageShape:
    """What a run wants. size: side of the squares in pixels, 0 for that of the data set, or `usual` for photographs. fit: how photographs become
    square; interpolation, crop_share: how they are resized and cropped (see `to_pixels`)."""

    size: int = 0
    fit: Fit = "crop"
    usual: int = USUAL_SIDE
    interpolation: Interpolation = "bicubic"
    crop_share: float = 1.0

    def apply(self, info: "DataInfo") -> "DataInfo":
        """Return the facts of the images of data set `info` in this shape. Raises SettingError where they cannot have it."""
        side = self.size or (self.usual if info.kept_side else info.image_size)
        if info.ink and side != info.image_size:
            raise SettingError(NOT_RESIZED.format(size=side, data=info.name, side=info.image_size), "size")
        if not info.kept_side:  # squares are resized, never cropped
            return replace(info, image_size=side, stored_side=info.image_size if side != info.image_size else 0)
        share = self.crop_share if self.fit == "crop" else 1.0
        return replace(info, image_size=side, fit=self.fit, interpolation=self.interpolation, crop_share=share)
