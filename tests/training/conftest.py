"""Fixtures for tests of training."""

import pytest

from cnn_core.training import meter


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report after every step instead of four times a second."""
    monkeypatch.setattr(meter, "REPORT_SECONDS", -1.0)
