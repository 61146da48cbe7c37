"""Augmentation for photographs: random resized crops, colour jitter and TrivialAugment, with random numbers for every image of a batch.

In: images (N, C, H, W) uint8 or float32, 0..255, one or three channels, and RandomDraws. Out: images of the same shape and type, uint8 rounded as
torchvision does. Each is a few tensor operations on the whole batch; none of them waits for a GPU. On a CPU, an operation of TrivialAugment
is computed only for the images that drew it, with the same result.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F

from cnn_core.data.random_draws import RandomDraws

OPERATIONS = (
    "identity",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "rotate",
    "brightness",
    "colour",
    "contrast",
    "sharpness",
    "posterise",
    "solarise",
    "autocontrast",
    "equalise",
)
MOVING = OPERATIONS[1:6]  # they move pixels
BLENDING = OPERATIONS[6:10]  # they blend each image with another one
LEVELS = 31  # of an operation's strength, from none to full
BYTE = 255.999 / 255  # by which torchvision multiplies values before they are rounded down to bytes
GREY = (0.2989, 0.587, 0.114)  # weights of red, green and blue


@dataclass(frozen=True)
class RandomResizedCrop:
    """Crops a random rectangle and resizes it to the size of the image (C. Szegedy et al., 2015, section 6), bilinear.

    smallest: the least area of the rectangle, as a fraction of the image's; 0 is off. Its aspect ratio is 3/4 to 4/3.
    """

    smallest: float
    TRIES: ClassVar[int] = (
        10  # rectangles that are drawn for each image: the first one that fits, or else the whole image, is taken
    )
    RATIO: ClassVar[float] = 4 / 3

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        if not self.smallest:
            return images
        count, _, height, width = images.shape
        area = height * width * (self.smallest + (1 - self.smallest) * draws.rand(count, self.TRIES))
        ratio = (draws.spread(count, self.TRIES) * math.log(self.RATIO)).exp()
        wide, tall = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()  # pixels
        fits = (wide >= 1) & (wide <= width) & (tall >= 1) & (tall <= height)
        first, is_any = fits.int().argmax(1, keepdim=True), fits.any(1, keepdim=True)
        wide, tall = (
            torch.where(is_any, tried.gather(1, first), side).float() for tried, side in ((wide, width), (tall, height))
        )
        places = draws.rand(2, count, 1)
        top, left = (
            torch.minimum((place * (side - length + 1)).floor(), side - length)
            for place, side, length in ((places[0], height, tall), (places[1], width, wide))
        )
        return resize_boxes(images, top, left, tall, wide)


@dataclass(frozen=True)
class ColourJitter:
    """Changes brightness, contrast, saturation and hue of each image at random, in this order (A. Howard, 2013; torchvision's ColorJitter).

    strength: the first three are multiplied by 1 ± this, and the hue is turned by up to a quarter of it, as in SimCLR (T. Chen et al., 2020, appendix A);
    0 is off.
    """

    strength: float

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        if not self.strength:
            return images
        factors = (1 + draws.spread(3, len(images), 1, 1, 1) * self.strength).clamp(min=0)
        hue = draws.spread(len(images), 1, 1) * (self.strength / 4)
        kind, values = images.dtype, images.float().contiguous()  # channel by channel is faster on a CPU
        values = _whole(values * factors[0], kind)
        for other, factor in ((_mean_grey, factors[1]), (_grey, factors[2])):
            values = _whole(torch.lerp(other(values), values, factor), kind)
        turned = turn_hue(values, hue)
        return _whole(turned if kind.is_floating_point else turned * BYTE, kind).to(kind)


@dataclass(frozen=True)
class TrivialAugment:
    """Changes each image by one of 14 operations of a random strength (S. Müller and F. Hutter, TrivialAugment, 2021: the wide space).

    Shear, translation by up to 32 pixels, rotation by up to 135°, brightness, colour, contrast, sharpness, posterise, solarise, autocontrast, equalise,
    or none. It has no setting. Float images are rounded to whole numbers first.
    """

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        count = len(images)
        operation, level = draws.randint(len(OPERATIONS), count), draws.randint(LEVELS, count)
        sign = torch.where(draws.rand(count) <= 0.5, -1.0, 1.0)
        return apply_operations(images.round().to(torch.uint8), operation, level, sign).to(images.dtype)


def apply_operations(images: torch.Tensor, operation: torch.Tensor, level: torch.Tensor, sign: torch.Tensor) -> torch.Tensor:
    """Return images (N, C, H, W) uint8, each changed by one of OPERATIONS: `operation` (N,), `level` (N,) 0..LEVELS - 1, `sign` (N,) ±1."""
    fraction = level / (LEVELS - 1)
    signed = sign * fraction
    kinds: dict[tuple[str, ...], Callable[..., torch.Tensor]] = {MOVING: _move, BLENDING: _blend}
    kinds |= {("posterise",): _posterise, ("solarise",): _solarise, ("autocontrast",): _autocontrast, ("equalise",): _equalise}
    for names, change in kinds.items():
        first, last = OPERATIONS.index(names[0]), OPERATIONS.index(names[-1])
        which = (operation >= first) & (operation <= last)
        strength = signed if change in (_move, _blend) else fraction
        images = _change_some(images, which, change, operation - first, strength)
    return images


def selects_rows(device: torch.device) -> bool:
    """Whether only the chosen images are computed. Their number is not known on a GPU without waiting for it."""
    return device.type == "cpu"


def resize_boxes(
    images: torch.Tensor, top: torch.Tensor, left: torch.Tensor, tall: torch.Tensor, wide: torch.Tensor
) -> torch.Tensor:
    """Return a box of each image (N, C, H, W), resized to (H, W), bilinear as by torchvision's `resized_crop`; boxes in whole pixels, (N, 1)."""
    height, width = images.shape[2:]
    rows, columns = _places(top, tall, height), _places(left, wide, width)  # (N, H), (N, W): 0..H - 1, 0..W - 1
    # To the grid's units, in which the centres of the outermost pixels are -1 and 1.
    down, across = (2 * place / max(1, side - 1) - 1 for place, side in ((rows, height), (columns, width)))
    count = len(images)
    grid = torch.stack((across[:, None, :].expand(count, height, width), down[:, :, None].expand(count, height, width)), -1)
    resized = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=True)
    return resized if images.is_floating_point() else resized.round().to(images.dtype)


def turn_hue(images: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Return float images (N, 3, H, W), 0..255, whose hue is turned by `turn` (N, 1, 1) of a full circle, via hue, saturation and value."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    lowest, value = images.aminmax(dim=1)
    chroma = value - lowest
    divisor = torch.where(chroma > 0, chroma, 1)
    sixth = torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4)
    sixth = torch.where(value == red, (green - blue) / divisor, sixth)  # of the circle, -1..5
    channels = []
    for offset in (5, 3, 1):
        place = offset + sixth + 6 * turn
        place = place - 6 * (place / 6).floor()  # faster on a CPU than the operator %
        channels.append(value - chroma * torch.minimum(place, 4 - place).clamp(0, 1))
    return torch.stack(channels, 1)


def _places(first: torch.Tensor, length: torch.Tensor, size: int) -> torch.Tensor:
    """Return where the centres of `size` pixels are in a line of `length` pixels from `first` on, (N, size), not beyond its outermost centres."""
    pixel = torch.arange(size, device=first.device) + 0.5
    inside = torch.minimum((pixel * length / size - 0.5).clamp(min=0), length - 1)
    return first + inside


def _change_some(
    images: torch.Tensor, which: torch.Tensor, change: Callable[..., torch.Tensor], *arguments: torch.Tensor
) -> torch.Tensor:
    """Return `images` with those of `which` (N,) bool replaced by `change`, which takes images and (N,) arguments."""
    if not selects_rows(images.device):
        return torch.where(which[:, None, None, None], change(images, *arguments), images)
    rows = which.nonzero().flatten()
    if not len(rows):
        return images
    return images.index_copy(0, rows, change(images[rows], *(argument[rows] for argument in arguments)))


def _move(images: torch.Tensor, operation: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Shear, translate or rotate (0..4, as in MOVING): the nearest pixel, and black from outside."""
    height, width = images.shape[2:]
    slant, shift = 0.99 * strength, (32 * strength).trunc()
    angle, zero, one = torch.deg2rad(-135 * strength), torch.zeros_like(strength), torch.ones_like(strength)

    def chosen(*values: torch.Tensor) -> torch.Tensor:
        return torch.stack(values).gather(0, operation.clamp(0, 4)[None])[0]

    # The origin of each pixel, from the image's centre; a shear is about the corner at the top left.
    across = (
        chosen(one, one, one, one, angle.cos()),
        chosen(slant, zero, zero, zero, angle.sin()),
        chosen(slant * height / 2, zero, -shift, zero, zero),
    )
    down = (
        chosen(zero, slant, zero, zero, -angle.sin()),
        chosen(one, one, one, one, angle.cos()),
        chosen(zero, slant * width / 2, zero, -shift, zero),
    )
    x, y = (torch.arange(side, device=images.device) - (side - 1) / 2 for side in (width, height))
    grid = torch.stack(
        [
            (a[:, None, None] * x + b[:, None, None] * y[:, None] + c[:, None, None]) * 2 / side
            for (a, b, c), side in ((across, width), (down, height))
        ],
        -1,
    )
    return F.grid_sample(images.float(), grid, mode="nearest", padding_mode="zeros", align_corners=False).to(images.dtype)


def _blend(images: torch.Tensor, operation: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Blend with black, grey, the mean grey or a blurred image (0..3, as in BLENDING); the weight of the image itself is 1 ± 0.99."""
    values = images.float()
    kind = operation[:, None, None, None]
    other = torch.where(kind == 1, _grey(values), torch.where(kind == 2, _mean_grey(values), 0.0))
    other = torch.where(kind == 3, _blurred(values), other)
    return torch.lerp(other, values, 1 + 0.99 * strength[:, None, None, None]).clamp(0, 255).to(images.dtype)


def _posterise(images: torch.Tensor, _: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Keep the highest 8 to 2 bits."""
    step = (2 ** (6 * strength).round())[:, None, None, None].to(images.dtype)
    return images // step * step


def _solarise(images: torch.Tensor, _: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Invert the pixels above a threshold of 255 down to 0."""
    return torch.where(images >= 255 * (1 - strength[:, None, None, None]), 255 - images, images)


def _autocontrast(images: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
    """Stretch each channel to 0..255."""
    lowest, highest = images.amin((2, 3), keepdim=True).float(), images.amax((2, 3), keepdim=True).float()
    scale = (highest - lowest) * (1 / 255)
    return torch.where(scale > 0, (images - lowest) / scale, images).clamp(0, 255).to(images.dtype)


def _equalise(images: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
    """Make the histogram of each channel even, as Pillow does."""
    flat = images.flatten(2).long()
    histogram = flat.new_zeros((*flat.shape[:2], 256)).scatter_add_(2, flat, torch.ones_like(flat))
    below = histogram.cumsum(2)
    brightest = histogram.gather(2, below.argmax(2, keepdim=True))  # the number of pixels of the highest value
    step = (flat.shape[2] - brightest) // 255
    table = ((below + step // 2) // step.clamp(min=1)).clamp(0, 255)
    table = torch.cat((torch.zeros_like(table[..., :1]), table[..., :-1]), 2)
    return torch.where(step > 0, table.gather(2, flat), flat).view_as(images).to(images.dtype)


def _grey(values: torch.Tensor) -> torch.Tensor:
    """Return the grey of each pixel, (N, 1, H, W), rounded down; images of one channel as they are."""
    if values.shape[1] == 1:
        return values
    red, green, blue = values.unbind(1)
    return (red * GREY[0] + green * GREY[1] + blue * GREY[2]).floor()[:, None]


def _mean_grey(values: torch.Tensor) -> torch.Tensor:
    return _grey(values).mean((1, 2, 3), keepdim=True)


def _blurred(values: torch.Tensor) -> torch.Tensor:
    """Return images (N, C, H, W), smoothed except at their edge: the pixel itself counts five times as much as each of its neighbours."""
    if min(values.shape[2:]) <= 2:
        return values
    sums = 9 * F.avg_pool2d(values, 3, stride=1) + 4 * values[:, :, 1:-1, 1:-1]
    blurred = values.clone()
    blurred[:, :, 1:-1, 1:-1] = (sums / 13).round()
    return blurred


def _whole(values: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    """Return values in 0..255, rounded down where the images are bytes."""
    values = values.clamp(0, 255)
    return values if kind.is_floating_point else values.floor()
