"""Where everything a person makes is kept: the studio home (`CNN_STUDIO_HOME`, default `./studio`).

studio/
  studio.db              the run store
  data/                  downloaded data sets
  runs/<run>/            config.json, model.json, best_model.pth, checkpoint.bin, predictions.npz, training_curves.png,
                         predictions.png
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from cnn_core.errors import RunError

CONFIG, CARD, WEIGHTS, PREDICTIONS = "config.json", "model.json", "best_model.pth", "predictions.npz"
CHECKPOINT, OLD_CHECKPOINT = "checkpoint.bin", "checkpoint.old.bin"
CURVES_PICTURE, PREDICTIONS_PICTURE = "training_curves.png", "predictions.png"
RUN_ID = re.compile(r"[0-9]{4,}-[a-z0-9-]{1,60}")


@dataclass(frozen=True)
class Home:
    """The folders of one studio home. Nothing is created before it is needed."""

    root: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """The home that `CNN_STUDIO_HOME` names, else `./studio`, as an absolute path."""
        return cls(Path(os.environ.get("CNN_STUDIO_HOME") or "studio").expanduser().resolve())

    @property
    def database(self) -> Path:
        return self.root / "studio.db"

    @property
    def data(self) -> Path:
        return self.root / "data"

    def run_folder(self, run: str) -> Path:
        """The folder of run `run`; raises RunError for anything that is not a run's name, so no path can be smuggled in."""
        if not RUN_ID.fullmatch(run):
            raise RunError(f"“{run[:80]}” is not the name of a run. Names look like 0007-digits.")
        return self.root / "runs" / run
