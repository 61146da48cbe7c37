"""Embedded colour profiles: what they say of the colours, by arithmetic, against what the decoder makes of them."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from cnn_core.data.decoder import read_image
from cnn_core.data.image_conversion import FROM_CMYK, ON_WHITE, TO_SRGB
from tests.data.photographs import encode
from tests.data.profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    PROPHOTO,
    PROPHOTO_WHITE,
    SRGB,
    cmyk_profile,
    grey_profile,
    rgb_profile,
    srgb_from_lab,
    srgb_from_xyz,
    to_xyz,
)

GAMMA_22, GAMMA_18 = 563 / 256, 461 / 256
WIDE = {
    "Display P3": (DISPLAY_P3, GAMMA_22, (0.3127, 0.3290)),
    "Adobe RGB": (ADOBE_RGB, GAMMA_22, (0.3127, 0.3290)),
    "ProPhoto": (PROPHOTO, GAMMA_18, PROPHOTO_WHITE),
}
PLAIN = Image.fromarray(np.random.default_rng(3).integers(0, 256, (24, 20, 3)).astype(np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("space", WIDE)
def test_an_image_with_a_wide_gamut_is_converted_to_srgb(space: str, kind: str):
    primaries, gamma, white = WIDE[space]
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    decoded = read_image(encode(PLAIN, kind, icc_profile=rgb_profile(*WIDE[space]), **options), "phone")
    expected = srgb_from_xyz((np.asarray(PLAIN) / 255) ** gamma @ to_xyz(primaries, white).T)
    assert np.abs(np.asarray(decoded.image) - expected).max() <= 1.5
    assert np.abs(np.asarray(PLAIN) - expected).mean() > 5
    assert decoded.notes == (TO_SRGB,)


def test_a_jpeg_decoded_smaller_is_converted_too():
    colour = (210, 60, 40)
    data = encode(Image.new("RGB", (512, 512), colour), "JPEG", quality=100, icc_profile=rgb_profile(DISPLAY_P3, GAMMA_22))
    decoded = read_image(data, "phone.jpg", draft=64)
    expected = srgb_from_xyz((np.array(colour) / 255) ** GAMMA_22 @ to_xyz(DISPLAY_P3).T)
    assert decoded.image.size == (64, 64) and np.abs(np.asarray(decoded.image) - expected).max() <= 3


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_the_gamma_of_a_grey_image_is_converted(mode: str):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(ramp).convert(mode)
    decoded = read_image(encode(image, "PNG", icc_profile=grey_profile(GAMMA_18)), "scan.png")
    linear = (ramp / 255) ** GAMMA_18
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert np.abs(np.asarray(decoded.image) - expected[..., None]).max() <= 1.5
    assert TO_SRGB in decoded.notes


def test_a_palette_and_transparency_are_converted_before_the_background_is_put_under():
    profile = rgb_profile(ADOBE_RGB, GAMMA_22)
    values = np.zeros((4, 4, 4), np.uint8)
    values[:, :, 1], values[:, :, 3] = 180, [0, 100, 255, 255]
    decoded = read_image(encode(Image.fromarray(values), "PNG", icc_profile=profile), "logo.png")
    green = srgb_from_xyz(np.array([0, 180 / 255, 0]) ** GAMMA_22 @ to_xyz(ADOBE_RGB).T)
    alpha = values[..., 3:] / 255
    assert np.abs(np.asarray(decoded.image) - (green * alpha + 255 * (1 - alpha))).max() <= 1.5
    assert decoded.notes == (TO_SRGB, ON_WHITE)
    indexed = Image.new("P", (4, 4))
    indexed.putpalette([0, 180, 0])
    decoded = read_image(encode(indexed, "PNG", icc_profile=profile), "chart.png")
    assert np.abs(np.asarray(decoded.image) - green).max() <= 1.5


def test_print_colours_are_converted_by_their_profile():
    labs = {(0, 0, 0, 0): (100, 0, 0), (1, 0, 0, 0): (55, -37, -50), (0, 1, 0, 0): (48, 74, -3), (0, 0, 1, 0): (89, -5, 93)}
    profile = cmyk_profile(labs)
    for ink, lab in labs.items():
        image = Image.new("CMYK", (16, 16), tuple(255 * part for part in ink))
        decoded = read_image(encode(image, "JPEG", quality=100, icc_profile=profile), "print.jpg")
        assert np.abs(np.asarray(decoded.image) - srgb_from_lab(np.array(lab, float))).max() <= 4
        assert decoded.notes == (FROM_CMYK, TO_SRGB)


@pytest.mark.parametrize("profile", [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), rgb_profile(SRGB, 2.2)])
def test_srgb_itself_changes_nothing_and_notes_nothing(profile: bytes):
    decoded = read_image(encode(PLAIN, "PNG", icc_profile=profile), "photo.png")
    changed = profile == rgb_profile(SRGB, 2.2)  # a pure power differs from sRGB's curve in dark colours
    assert (TO_SRGB in decoded.notes) == changed
    assert changed or np.array_equal(np.asarray(decoded.image), np.asarray(PLAIN))


BROKEN = {
    "no profile": b"not a profile",
    "cut": rgb_profile(DISPLAY_P3, 2.2)[:200],
    "of another kind of colours": grey_profile(1.8),
    "forged": rgb_profile(DISPLAY_P3, 2.2)[:140] + b"\xff" * 300,
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("profile", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_profile_is_ignored(profile: bytes):
    decoded = read_image(encode(PLAIN, "PNG", icc_profile=profile), "photo.png")
    assert np.array_equal(np.asarray(decoded.image), np.asarray(PLAIN)) and decoded.notes == ()


def test_a_hundred_damaged_profiles_are_used_or_ignored_and_nothing_else():
    rng, profile = np.random.default_rng(0), rgb_profile(DISPLAY_P3, GAMMA_22)
    for _ in range(100):
        damaged = bytearray(profile)
        for place in rng.integers(0, len(damaged), 4):
            damaged[place] = rng.integers(256)
        buffer = io.BytesIO()
        PLAIN.save(buffer, "PNG", icc_profile=bytes(damaged))
        assert read_image(buffer.getvalue(), "photo.png").image.size == PLAIN.size
