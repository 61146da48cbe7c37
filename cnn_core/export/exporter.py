"""Export of a run in any format. In: a run and the name of a format. Out: an ExportedFile, with Progress."""

from collections.abc import Generator, Sequence

from cnn_core.events import Progress
from cnn_core.export.bundle import export_bundle
from cnn_core.export.formats import FORMATS
from cnn_core.export.model_file import ExportedFile, export_model
from cnn_core.export.training_file import training_file
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

TRAINING_NOTE = "Its first lines list the packages that it needs and the differences from the run."


def export_run(store: Store, run: Run, name: str, bundled: Sequence[str] = ()) -> Generator[Progress, None, ExportedFile]:
    """Return the file in the format `name`, one of FORMATS. `bundled`: the formats of the model files in a bundle.

    Yields Progress. Raises StudioError.
    """
    kind = FORMATS[name].kind
    if kind == "bundle":
        return (yield from export_bundle(store, run, bundled))
    if kind == "training":
        yield Progress("Writing the code", 0, 1)
        return ExportedFile(name, training_file(store, run, name), TRAINING_NOTE)
    return (yield from export_model(store, run, name))
