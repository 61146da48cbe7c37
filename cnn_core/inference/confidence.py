"""The calibration of a run's best model: temperature, and the threshold, a probability below which a prediction is “not sure”.

In: a run's folder, with `calibration.json`. Out: a Calibration. It belongs to one model: when the weights change it is no longer used.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from cnn_core.errors import NoModelError, RunError
from cnn_core.files import write_atomically
from cnn_core.home import CALIBRATION, WEIGHTS

MAX_FILE_BYTES = 65_536


class Calibration(BaseModel):
    """Logits are divided by `temperature` before the softmax; a prediction with a probability below `threshold` is “not sure”, with 0 none is.

    `network`: the key of its model. `images`: on which the temperature was fitted, 0 if it was not. `error_before`,
    `error_after`: their expected calibration error (0..1) without and with the temperature.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    network: str = ""
    temperature: float = Field(1.0, gt=0)
    threshold: float = Field(0.0, ge=0, le=1)
    images: int = Field(0, ge=0)
    error_before: float = Field(0.0, ge=0, le=1)
    error_after: float = Field(0.0, ge=0, le=1)

    @property
    def is_fitted(self) -> bool:
        return self.images > 0

    @property
    def is_improvement(self) -> bool:
        """Whether the temperature lowers the calibration error of the images on which it was fitted."""
        return self.error_after < self.error_before

    def belongs_to(self, folder: Path) -> bool:
        """Whether it belongs to the model that is in `folder` now."""
        return self.network == model_key(folder)


NO_CALIBRATION = Calibration()


def read_calibration(folder: Path) -> Calibration | None:
    """Return the calibration in the run's folder, of any model; None without one, or if it is damaged."""
    try:
        with (folder / CALIBRATION).open("rb") as file:
            return Calibration.model_validate_json(file.read(MAX_FILE_BYTES))
    except (OSError, ValueError):
        return None


def load_calibration(folder: Path) -> Calibration:
    """Return the calibration of the model in `folder`, or NO_CALIBRATION. Raises RunError without a model."""
    calibration = read_calibration(folder)
    return calibration if calibration and calibration.belongs_to(folder) else NO_CALIBRATION


def save_calibration(folder: Path, calibration: Calibration) -> None:
    """Save the calibration for the model in `folder`, or delete the file if it changes nothing.

    Raises RunError without a model, or when the file cannot be written.
    """
    saved = calibration.model_copy(update={"network": model_key(folder)})
    if not saved.is_fitted and not saved.threshold:
        (folder / CALIBRATION).unlink(missing_ok=True)
        return
    try:
        write_atomically(folder / CALIBRATION, lambda file: file.write(saved.model_dump_json(indent=2).encode()))
    except OSError as error:
        raise RunError(f"The calibration cannot be saved ({error.strerror or error}). Free some space and try again.") from None


def model_key(folder: Path) -> str:
    """Return a hash of the best model's file, the same in any folder. Raises RunError without a model."""
    path = folder / WEIGHTS
    try:
        state = path.stat()
        return _digest(path, state.st_size, state.st_mtime_ns)
    except OSError:
        raise NoModelError(folder.name) from None


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, modified: int) -> str:
    """Return the hash of a file's content, which is read again only when its size or its modification time has changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
