"""A run's training as a file to read, change and run elsewhere: a Python script or a Jupyter notebook.

In: a run with a model. Out: the file's bytes, made from the settings in force at its end.
"""

from pathlib import Path

from cnn_core.config.schema import TrainConfig
from cnn_core.data.imported import ImportedSource
from cnn_core.errors import StudioError
from cnn_core.export.formats import FORMATS, find_function
from cnn_core.home import SET_NAME, Home
from cnn_core.models.saving import read_card
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

CHANGED = "Settings that were changed during training are used here from the first step."
CONTINUED = "The run continued from the state of run {parent}; here training starts from the beginning."


def training_file(store: Store, run: Run, name: str) -> bytes:
    """Return the file in the format `name`, script or notebook. Raises RunError if the run has no model yet."""
    card, config = read_card(store.home.run_folder(run.id)), store.config_in_force(run.id)
    notes = _notes(run, config)
    config = config.model_copy(update={"data": _find_images(config.data, store.home)})
    text: str = find_function(FORMATS[name].write)(config, card, run.id, notes)
    return text.encode()


def _notes(run: Run, config: TrainConfig) -> list[str]:
    """Return sentences on differences from the run that the settings do not show."""
    notes = []
    if config != run.config:
        notes.append(CHANGED)
    if run.parent:
        notes.append(CONTINUED.format(parent=run.parent))
    return notes


def _find_images(data: str, home: Home) -> str:
    """Return the folder that an imported set was imported from, if it still exists; else `data` unchanged."""
    try:
        if SET_NAME.fullmatch(data) and home.set_folder(data).is_dir():
            source = ImportedSource(home.set_folder(data)).facts.get("source", "")
            return str(source) if Path(source).is_absolute() and Path(source).is_dir() else data
    except (OSError, ValueError, StudioError):
        pass
    return data
