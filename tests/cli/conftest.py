"""Fixtures of the command line tests."""

from pathlib import Path

import pytest
from PIL import Image

from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from tests.conftest import Trained


@pytest.fixture
def digit_files(digits_run: Trained, tmp_path: Path) -> list[Path]:
    """Twelve test digits as image files, dark on light and large."""
    paths = []
    for index, pixels in enumerate(finish(open_source("digits", digits_run.home).load("test")).images[:12]):
        digit = Image.fromarray(255 - pixels[..., 0]).resize((200, 200), Image.Resampling.BICUBIC)
        page = Image.new("L", (320, 300), 255)
        page.paste(digit, (60, 40))
        paths.append(tmp_path / f"digit{index}.{'png' if index % 2 else 'jpg'}")
        page.save(paths[-1])
    return paths
