"""Seven ways in which pictures are spoilt in the world, each at five strengths: functions from a batch to a batch.

In: images (N, C, H, W) uint8 with one or three channels, on the CPU, a strength in the kind's own unit, and what is drawn from. Out: the
same, uint8. Measuring a classifier by kinds of corruption at five strengths each is the idea of D. Hendrycks and T. Dietterich (2019, arXiv
1903.12261), of whose kinds noise, blur, brightness, contrast and JPEG are; rotation and shift are not among theirs. All strengths are our
own, relative to the image's side where they are lengths, so figures cannot be compared with those of their benchmark.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

Spoil = Callable[[torch.Tensor, float, torch.Generator], torch.Tensor]


def add_noise(images: torch.Tensor, percent: float, generator: torch.Generator) -> torch.Tensor:
    """Gaussian noise on every value, its standard deviation in percent of full brightness."""
    noise = torch.randn(images.shape, generator=generator)
    return _whole(images + noise * (2.55 * percent))


def blur(images: torch.Tensor, percent: float, generator: torch.Generator) -> torch.Tensor:
    """A Gaussian blur, its standard deviation in percent of the shorter side. Beyond the edge the outermost pixels go on."""
    deviation = percent / 100 * min(images.shape[2:])
    reach = max(1, math.ceil(3 * deviation))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / deviation) ** 2)
    weights = (weights / weights.sum()).view(1, 1, 1, -1)
    rows = F.pad(images.flatten(0, 1).unsqueeze(1).float(), [reach] * 4, mode="replicate")  # (N * C, 1, H + 2r, W + 2r)
    return _whole(F.conv2d(F.conv2d(rows, weights), weights.mT)).view(images.shape)


def change_brightness(images: torch.Tensor, percent: float, generator: torch.Generator) -> torch.Tensor:
    """Every image brighter or darker by `percent` of full brightness."""
    return _whole(images + _signs(images, generator) * (2.55 * percent))


def lower_contrast(images: torch.Tensor, percent: float, generator: torch.Generator) -> torch.Tensor:
    """`percent` of the contrast is left: values move towards the image's mean."""
    values = images.float()
    return _whole(torch.lerp(values.mean((1, 2, 3), keepdim=True), values, percent / 100))


def rotate(images: torch.Tensor, degrees: float, generator: torch.Generator) -> torch.Tensor:
    """Turned about the middle to either side, bilinear; what comes in from outside is black."""
    angle = torch.deg2rad(_signs(images, generator).flatten() * degrees)
    height, width = images.shape[2:]
    cos, sin, nothing = angle.cos(), angle.sin(), torch.zeros_like(angle)
    across = torch.stack((cos, sin * (height / width), nothing), 1)
    down = torch.stack((-sin * (width / height), cos, nothing), 1)
    grid = F.affine_grid(torch.stack((across, down), 1), list(images.shape), align_corners=False)
    return _whole(F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False))


def shift(images: torch.Tensor, percent: float, generator: torch.Generator) -> torch.Tensor:
    """Moved by `percent` of the side in any direction, to whole pixels; what comes in from outside is black."""
    count, _, height, width = images.shape
    angle = torch.rand(count, 1, generator=generator) * (2 * math.pi)
    from_row = torch.arange(height) - (angle.sin() * percent / 100 * height).round().long()  # (N, H)
    from_column = torch.arange(width) - (angle.cos() * percent / 100 * width).round().long()  # (N, W)
    rows = images.gather(2, from_row.clamp(0, height - 1)[:, None, :, None].expand(images.shape))
    moved = rows.gather(3, from_column.clamp(0, width - 1)[:, None, None, :].expand(images.shape))
    is_inside = ((from_row >= 0) & (from_row < height))[:, :, None] & ((from_column >= 0) & (from_column < width))[:, None]
    return moved * is_inside[:, None]


def compress(images: torch.Tensor, quality: float, generator: torch.Generator) -> torch.Tensor:
    """Written as JPEG at `quality` (1..100) and read again."""
    return torch.stack([_through_jpeg(image, int(quality)) for image in images])


@dataclass(frozen=True)
class Corruption:
    """A kind of spoiling with its five `strengths`, the mildest first, each in the unit that `words` puts it in."""

    name: str
    strengths: tuple[float, ...]
    words: str
    spoil: Spoil

    def in_words(self, strength: float) -> str:
        return self.words.format(strength)


CORRUPTIONS = (
    Corruption("noise", (4, 8, 12, 18, 26), "noise of {:g} % of full brightness", add_noise),
    Corruption("blur", (1.5, 2.5, 4, 6, 9), "blur over {:g} % of the side", blur),
    Corruption("brightness", (10, 20, 30, 40, 50), "brighter or darker by {:g} %", change_brightness),
    Corruption("contrast", (75, 50, 35, 20, 10), "contrast down to {:g} %", lower_contrast),
    Corruption("rotation", (5, 10, 20, 30, 45), "rotation by {:g}°", rotate),
    Corruption("shift", (4, 8, 12, 18, 25), "shift by {:g} % of the side", shift),
    Corruption("JPEG", (60, 30, 15, 8, 4), "JPEG at quality {:g}", compress),
)
LEVELS = 5


def _whole(values: torch.Tensor) -> torch.Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)


def _signs(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """+1 or -1 for every image, (N, 1, 1, 1) float32."""
    return torch.randint(2, (len(images), 1, 1, 1), generator=generator) * 2.0 - 1


def _through_jpeg(image: torch.Tensor, quality: int) -> torch.Tensor:
    """(C, H, W) uint8."""
    out = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy()).save(out, "JPEG", quality=quality)
    with Image.open(out, formats=("JPEG",)) as read:
        pixels = np.array(read)
    return torch.from_numpy(pixels).view(image.shape[1], image.shape[2], image.shape[0]).permute(2, 0, 1)
