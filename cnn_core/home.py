"""The studio home: the folder with all data sets, runs and searches (`CNN_STUDIO_HOME`, default `./studio`).

studio/
  studio.db              the run store
  people.db              the people of a shared server
  data/sets/<set>/       an imported data set: images.npy (one uint8 array), index.db (class, split and file of each image);
                         of photographs also kept.bin (the encoded images) and pools/ (their pixels at the sizes that runs use);
                         features/: what the frozen layers of pretrained networks make of each image
  data/importing/<set>/  a data set while it is being imported
  data/removed/          data sets in the bin, <time>-<set>/
  data/collections/      images that a person collects class by class, until they are imported
  data/choices/          what validation images without test images are used for, of paths that are not imported yet
  data/<name>/           downloaded archives
  weights/               weights of pretrained networks, <name>.safetensors or .pth, each with its SHA-256 in a .json
  runs/<run>/            config.json, model.json, best_model.pth, checkpoint.bin, epochs/, probes.npz, evaluations/,
                         learning/, calibration.json, training_curves.png, predictions.png
  searches.db            the searches and their trials; searches/: the locks of search workers
  looks/                 which models were evaluated on which test set

Names of files stay those of earlier versions: probes.npz holds the tracked images, learning/ the training dynamics.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from cnn_core.errors import DataError, RunError

CONFIG, CARD, WEIGHTS, EVALUATIONS = "config.json", "model.json", "best_model.pth", "evaluations"
CHECKPOINT, OLD_CHECKPOINT, EPOCHS = "checkpoint.bin", "checkpoint.old.bin", "epochs"
TRAINED_RESULTS = ("fold-", "unseen-")  # in EVALUATIONS, out-of-fold predictions: first parts of the names
TRACKED_IMAGES, TRAINING_DYNAMICS = "probes.npz", "learning"
CALIBRATION = "calibration.json"
CURVES_IMAGE, PREDICTIONS_IMAGE = "training_curves.png", "predictions.png"
IMAGES, INDEX, FEATURES_FOLDER = "images.npy", "index.db", "features"
KEPT, POOLS = "kept.bin", "pools"
SET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
RUN_ID = re.compile(r"[0-9]{4,}-[a-z0-9-]{1,60}")
NOT_A_RUN = "“{name}” is not the name of a run. Names look like 0007-digits."
NOT_A_SET = "“{name}” cannot be the name of a data set. Use up to 60 lower-case letters, digits, - and _, beginning with a letter or digit."


@dataclass(frozen=True)
class Home:
    """The folders of one studio home. Nothing is created before it is needed."""

    root: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """Return the home that `CNN_STUDIO_HOME` names, else `./studio`, as an absolute path."""
        return cls(Path(os.environ.get("CNN_STUDIO_HOME") or "studio").expanduser().resolve())

    @property
    def database(self) -> Path:
        """The file of the run store."""
        return self.root / "studio.db"

    @property
    def data(self) -> Path:
        """The folder of data sets and downloads."""
        return self.root / "data"

    @property
    def weights(self) -> Path:
        """The folder of the weights of pretrained networks."""
        return self.root / "weights"

    @property
    def test_set_usage(self) -> Path:
        """The folder that records which models were evaluated on which test set."""
        return self.root / "looks"

    def set_folder(self, name: str) -> Path:
        """Return the folder of imported data set `name`; raises DataError for an invalid name, so that no path can be injected."""
        return self.data / "sets" / checked_set_name(name)

    def staging_folder(self, name: str) -> Path:
        """Return the folder of data set `name` while it is being imported."""
        return self.data / "importing" / checked_set_name(name)

    def set_lock(self, name: str) -> Path:
        """Return the file whose lock is held while data set `name` is imported, copied, moved to the bin or restored."""
        return self.staging_folder(name).with_name(f".{name}.lock")

    def run_folder(self, run: str) -> Path:
        """Return the folder of run `run`; raises RunError for an invalid id, so that no path can be injected."""
        if not RUN_ID.fullmatch(run):
            raise RunError(NOT_A_RUN.format(name=run[:80]))
        return self.root / "runs" / run


def epoch_file(folder: Path, epoch: int) -> Path:
    """Return the file with the state of the run in `folder` after `epoch`."""
    return folder / EPOCHS / f"{epoch:04d}.bin"


def cached_results(folder: Path) -> list[Path]:
    """Return the files of the run in `folder` that are computed from its model and its images, and again when they are needed.

    Out-of-fold predictions are not among them: several models were trained for them.
    """
    names = (path for path in (folder / EVALUATIONS).glob("*") if not path.name.startswith((".", *TRAINED_RESULTS)))
    return sorted(path for path in names if path.is_file())


def saved_epochs(folder: Path) -> list[int]:
    """Return the epochs whose state is saved, in order."""
    return sorted(int(path.stem) for path in (folder / EPOCHS).glob("[0-9]*.bin"))


def checked_set_name(name: str) -> str:
    """Return `name` if it is a valid name of a data set. Raises DataError."""
    if not SET_NAME.fullmatch(name):
        raise DataError(NOT_A_SET.format(name=name[:80]))
    return name
