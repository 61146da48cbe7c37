"""Seven image corruptions, each at five strengths: functions from a batch to a batch.

In: images (N, C, H, W) uint8 with one or three channels, on the CPU, a strength in the unit of the corruption, and a random generator. Out:
corrupted images of the same shape, uint8. The method is that of D. Hendrycks and T. Dietterich (2019, arXiv 1903.12261): noise, blur,
brightness, contrast and JPEG are among their corruptions, rotation and shift are not. The strengths are our own, lengths relative to the
image's side, so results cannot be compared with their benchmark.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

CorruptionFunction = Callable[[torch.Tensor, float, torch.Generator], torch.Tensor]


def add_noise(images: torch.Tensor, percent: float, generator: torch.Generator) -> torch.Tensor:
    """Add Gaussian noise with a standard deviation in percent of full brightness."""
    noise = torch.randn(images.shape, generator=generator)
    return _to_uint8(images + noise * (2.55 * percent))


def blur(images: torch.Tensor, percent: float, generator: torch.Generator) -> torch.Tensor:
    """Apply a Gaussian blur with a standard deviation in percent of the shorter side; edge pixels are repeated."""
    std = percent / 100 * min(images.shape[2:])
    radius = max(1, math.ceil(3 * std))
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / std) ** 2)
    weights = (weights / weights.sum()).view(1, 1, 1, -1)
    rows = F.pad(images.flatten(0, 1).unsqueeze(1).float(), [radius] * 4, mode="replicate")  # (N * C, 1, H + 2r, W + 2r)
    return _to_uint8(F.conv2d(F.conv2d(rows, weights), weights.mT)).view(images.shape)


def change_brightness(images: torch.Tensor, percent: float, generator: torch.Generator) -> torch.Tensor:
    """Make each image brighter or darker by `percent` of full brightness."""
    return _to_uint8(images + _draw_signs(images, generator) * (2.55 * percent))


def lower_contrast(images: torch.Tensor, percent: float, generator: torch.Generator) -> torch.Tensor:
    """Reduce the contrast to `percent`: values move towards the image's mean."""
    values = images.float()
    return _to_uint8(torch.lerp(values.mean((1, 2, 3), keepdim=True), values, percent / 100))


def rotate(images: torch.Tensor, degrees: float, generator: torch.Generator) -> torch.Tensor:
    """Rotate about the centre in either direction, bilinear, with black outside."""
    angle = torch.deg2rad(_draw_signs(images, generator).flatten() * degrees)
    height, width = images.shape[2:]
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    x = torch.stack((cos, sin * (height / width), zero), 1)
    y = torch.stack((-sin * (width / height), cos, zero), 1)
    grid = F.affine_grid(torch.stack((x, y), 1), list(images.shape), align_corners=False)
    return _to_uint8(F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False))


def shift(images: torch.Tensor, percent: float, generator: torch.Generator) -> torch.Tensor:
    """Shift by `percent` of the side in a random direction, to whole pixels, with black outside."""
    count, _, height, width = images.shape
    angle = torch.rand(count, 1, generator=generator) * (2 * math.pi)
    from_row = torch.arange(height) - (angle.sin() * percent / 100 * height).round().long()  # (N, H)
    from_column = torch.arange(width) - (angle.cos() * percent / 100 * width).round().long()  # (N, W)
    rows = images.gather(2, from_row.clamp(0, height - 1)[:, None, :, None].expand(images.shape))
    moved = rows.gather(3, from_column.clamp(0, width - 1)[:, None, None, :].expand(images.shape))
    is_inside = ((from_row >= 0) & (from_row < height))[:, :, None] & ((from_column >= 0) & (from_column < width))[:, None]
    return moved * is_inside[:, None]


def compress(images: torch.Tensor, quality: float, generator: torch.Generator) -> torch.Tensor:
    """Compress as JPEG at `quality` (1..100)."""
    return torch.stack([_compress_image(image, int(quality)) for image in images])


@dataclass(frozen=True)
class Corruption:
    """A corruption with its five `strengths`, weakest first, in the unit that `description` names."""

    name: str
    strengths: tuple[float, ...]
    description: str
    apply: CorruptionFunction

    def describe(self, strength: float) -> str:
        """Return a description of the corruption at a strength."""
        return self.description.format(strength)


CORRUPTIONS = (
    Corruption("noise", (4, 8, 12, 18, 26), "noise of {:g}% of full brightness", add_noise),
    Corruption("blur", (1.5, 2.5, 4, 6, 9), "blur over {:g}% of the side", blur),
    Corruption("brightness", (10, 20, 30, 40, 50), "brighter or darker by {:g}%", change_brightness),
    Corruption("contrast", (75, 50, 35, 20, 10), "contrast down to {:g}%", lower_contrast),
    Corruption("rotation", (5, 10, 20, 30, 45), "rotation by {:g}°", rotate),
    Corruption("shift", (4, 8, 12, 18, 25), "shift by {:g}% of the side", shift),
    Corruption("JPEG", (60, 30, 15, 8, 4), "JPEG at quality {:g}", compress),
)
STRENGTHS = 5


def _to_uint8(values: torch.Tensor) -> torch.Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)


def _draw_signs(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draw +1 or -1 for each image, (N, 1, 1, 1) float32."""
    return torch.randint(2, (len(images), 1, 1, 1), generator=generator) * 2.0 - 1


def _compress_image(image: torch.Tensor, quality: int) -> torch.Tensor:
    """Encode and decode one image (C, H, W) uint8."""
    out = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy()).save(out, "JPEG", quality=quality)
    with Image.open(out, formats=("JPEG",)) as read:
        pixels = np.array(read)
    return torch.from_numpy(pixels).view(image.shape[1], image.shape[2], image.shape[0]).permute(2, 0, 1)
