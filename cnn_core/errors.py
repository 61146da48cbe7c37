"""The errors a user can correct, as one tree. Every message says what happened and what to do.

    StudioError
    ├── SettingError             a setting is unknown, out of range, or impossible together with another
    ├── DataError                a data set cannot be used: missing, empty, one class only, not downloadable
    │   ├── ImageError           one image file cannot be read
    │   ├── BusyError            another process is importing the same set
    │   ├── RemovedSetError      a data set is in the bin
    │   └── ImagesChangedError   a data set no longer has the images that a run was trained on
    ├── DeviceError              the requested device is not on this machine
    ├── DivergedError            the loss is no longer finite
    ├── InsufficientMemoryError  a batch does not fit into the device's memory
    └── RunError                 a run does not exist, or does not allow the requested action
        ├── NoModelError         a run has no model yet
        └── UnreadableRunError   a run has settings that this version does not know

Pages show the message; the command line prints it and ends with status 2. Any other exception is an error in the program.
"""


class StudioError(Exception):
    """An error that the user can correct; `str(error)` is the message to show."""


class SettingError(StudioError):
    """A setting has an invalid value. `field` is its name in `TrainConfig` ("learning_rate"); `others`: errors of other settings."""

    def __init__(self, message: str, field: str, others: "tuple[SettingError, ...]" = ()) -> None:
        super().__init__(message)
        self.field, self.others = field, others


class DataError(StudioError):
    """A data set cannot be used."""


class ImageError(DataError):
    """An image file cannot be read."""


class BusyError(DataError):
    """Another process is importing the set. `name` is that of the set."""

    def __init__(self, name: str) -> None:
        super().__init__(f"“{name}” is being imported right now. Wait until it is imported, or choose another name.")
        self.name = name


class RemovedSetError(DataError):
    """A data set is in the bin. `name` is its name there, which may differ from the path by which it is used."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


class ImagesChangedError(DataError):
    """A run cannot be continued, because its data set no longer has the images that it was trained on."""

    def __init__(self, run: str, data: str) -> None:
        super().__init__(
            f"The images of data set “{data}” have changed since run {run} was trained on them, so it cannot be continued. Undo the changes, or "
            "start a new run."
        )


class DeviceError(StudioError):
    """The requested device is not available on this machine."""


class DivergedError(StudioError):
    """Training diverged: its loss is no longer finite."""


class InsufficientMemoryError(StudioError):
    """A batch does not fit into the device's memory; the message names a batch size that fits."""


class RunError(StudioError):
    """A run does not exist, or does not allow the requested action."""


class NoModelError(RunError):
    """A run has no model yet. `run` is its id."""

    def __init__(self, run: str) -> None:
        super().__init__(f"Run {run} has no model yet. Let it train for at least one epoch, or choose another run.")
        self.run = run


class UnreadableRunError(RunError):
    """A run has settings that this version does not know. `run` is its id."""

    def __init__(self, run: str) -> None:
        super().__init__(
            f"Run {run} has settings that this version of CNN Studio does not know: another version made it. Open it with that version, or update CNN Studio."
        )
        self.run = run
