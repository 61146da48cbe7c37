"""How a run's best network is used: the temperature of its probabilities, and the probability below which it says "I don't know".

`calibration.json` in the run's folder. It belongs to one network: when the weights change it is no longer used.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from cnn_core.errors import RunError
from cnn_core.files import write_atomically
from cnn_core.home import CALIBRATION, WEIGHTS

MOST_BYTES = 65_536  # of a file that may be one of these


class Calibration(BaseModel):
    """Logits are divided by `temperature` before they become probabilities; below a probability of `threshold` an answer is not given.

    `network`: key of the network it was made for. `images`: how many the temperature was fitted on, 0 where it was not;
    `error_before`, `error_after`: their expected calibration error (0..1) without and with it.
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

    def belongs_to(self, folder: Path) -> bool:
        """Whether it was made for the network that lies in `folder` now."""
        return self.network == model_key(folder)


NO_CALIBRATION = Calibration()


def read_calibration(folder: Path) -> Calibration | None:
    """What is kept in the run's folder, for whichever network; None without it and where it is damaged."""
    try:
        with (folder / CALIBRATION).open("rb") as file:
            return Calibration.model_validate_json(file.read(MOST_BYTES))
    except (OSError, ValueError):
        return None


def load_calibration(folder: Path) -> Calibration:
    """The one that holds for the network that lies in `folder` now; without any, one that changes nothing. Raises RunError without a network."""
    kept = read_calibration(folder)
    return kept if kept and kept.belongs_to(folder) else NO_CALIBRATION


def save_calibration(folder: Path, calibration: Calibration) -> None:
    """Keep it for the network that lies in `folder` now; one that changes nothing is not kept. Raises RunError without a network, or
    where nothing can be written."""
    kept = calibration.model_copy(update={"network": model_key(folder)})
    if not kept.is_fitted and not kept.threshold:
        (folder / CALIBRATION).unlink(missing_ok=True)
        return
    try:
        write_atomically(folder / CALIBRATION, lambda file: file.write(kept.model_dump_json(indent=2).encode()))
    except OSError as error:
        raise RunError(f"The calibration cannot be kept ({error.strerror or error}). Free some space and try again.") from None


def model_key(folder: Path) -> str:
    """The same for the same best network, in whichever folder it lies. Raises RunError where there is none."""
    path = folder / WEIGHTS
    try:
        state = path.stat()
        return _digest(path, state.st_size, state.st_mtime_ns)
    except OSError:
        raise RunError(
            f"Run {folder.name} has no model yet. Let it train for at least one epoch, or choose another run."
        ) from None


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed: int) -> str:
    """Of a file's content, read again only when its size or its time of change are others."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
