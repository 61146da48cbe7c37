"""A run's training as a file to read, change and run elsewhere: a Python script or a Jupyter notebook.

In: a run with a model. Out: the file's bytes, made of the settings in force at its end.
"""

from pathlib import Path

from cnn_core.config.schema import TrainConfig
from cnn_core.data.imported import ImportedSource
from cnn_core.errors import StudioError
from cnn_core.export.notebook import training_notebook
from cnn_core.export.script import training_script
from cnn_core.home import SET_NAME, Home
from cnn_core.models.saving import read_card
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store


def training_file(store: Store, run: Run, form: str) -> bytes:
    """The file of `form`, script or notebook. Raises RunError where the run has no model yet."""
    card, config = read_card(store.home.run_folder(run.id)), store.config_in_force(run.id)
    notes = _notes(run, config)
    config = config.model_copy(update={"data": _where_images_are(config.data, store.home)})
    if form == "notebook":
        return training_notebook(config, card, run.id, notes)
    return training_script(config, card, run.id, notes).encode()


def _notes(run: Run, config: TrainConfig) -> list[str]:
    """What no settings tell of the run."""
    notes = []
    if config != run.config:
        notes.append("Settings that were changed while the run trained hold from the beginning here.")
    if run.parent:
        notes.append(f"The run went on from the state of run {run.parent}; here training begins anew.")
    return notes


def _where_images_are(data: str, home: Home) -> str:
    """The folder that an imported set was made of, where it is still there; else `data` as it is."""
    try:
        if SET_NAME.fullmatch(data) and home.set_folder(data).is_dir():
            source = ImportedSource(home.set_folder(data)).facts.get("source", "")
            return str(source) if Path(source).is_absolute() and Path(source).is_dir() else data
    except (OSError, ValueError, StudioError):
        pass
    return data
