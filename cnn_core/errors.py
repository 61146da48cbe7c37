"""The errors a person can cause, as one drawn tree. Every message says what is wrong and what to do about it.

    StudioError
    ├── SettingError     a setting is unknown, out of range, or impossible together with another
    ├── DataError        a data set cannot be used: missing, empty, one class only, not downloadable
    │   ├── ImageError   one image file cannot be read
    │   └── BusyError    another process is importing the same set
    ├── DeviceError      the asked device is not on this machine
    ├── DivergedError    the loss is no longer a number
    ├── MemoryShortError a batch does not fit into the device's memory
    └── RunError         a run does not exist, or has no model (yet)

Pages show the message; the command line prints it and ends with status 2. Anything that is not a StudioError is our mistake.
"""


class StudioError(Exception):
    """Something a person can put right; `str(error)` is the sentence to show."""


class SettingError(StudioError):
    """A setting is refused. `field` is its name in `TrainConfig` ("learning_rate")."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class DataError(StudioError):
    """A data set cannot be used."""


class ImageError(DataError):
    """An image file cannot be read."""


class BusyError(DataError):
    """Somebody else is importing the set right now."""


class DeviceError(StudioError):
    """The asked device is not available on this machine."""


class DivergedError(StudioError):
    """Training left the range of numbers."""


class MemoryShortError(StudioError):
    """A batch does not fit into the memory of the device; the message names a batch size that does."""


class RunError(StudioError):
    """A run does not exist, or cannot do what was asked of it."""
