"""The file of pretrained weights of a run: named before the network is built, because it lies in the home.

In: a TrainConfig and a home. Out: a TrainConfig whose starting weights are a file, or unchanged. Nothing is downloaded.
"""

from pathlib import Path

from cnn_core.config.schema import TrainConfig
from cnn_core.home import Home
from cnn_core.models.weights_source import read_record, require_weights


def with_weights_file(config: TrainConfig, home: Home) -> TrainConfig:
    """Return `config` with the path of the kept file as starting weights, where they are pretrained ones that are fetched.

    Raises SettingError where the file is missing, or is not the one that was kept.
    """
    if not config.fetched_weights:
        return config
    return config.model_copy(update={"weights": str(require_weights(config.fetched_weights, home))})


def recorded_sha256(weights: str) -> str:
    """Return the SHA-256 that is recorded for the file of weights; "" where the weights are no kept file."""
    record = None if weights in ("scratch", "pretrained") else read_record(Path(weights).expanduser())
    return record.sha256 if record else ""
