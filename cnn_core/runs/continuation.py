"""Whether a run can be continued, as a branch or after it ended early: its images must be there, and be those that it was trained on.

In: a run. Out: a DataError where it cannot be continued. Importing this module does not import torch.
"""

from cnn_core.config.fitting import check_validation_images
from cnn_core.config.images import open_images
from cnn_core.data.imported import ImportedSource, OnDemandSource
from cnn_core.data.source import DataSource
from cnn_core.errors import ImagesChangedError
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store


def check_continuation(store: Store, run: Run) -> None:
    """Raise DataError where the data set of `run` is missing or too small, ImagesChangedError where it has other images than in the training.

    The files of a folder that may have changed are compared with the imported images (see `PathSource`).
    """
    source, version = open_images(run.config, store.home), _trained_version(store, run)
    if version and _have_changed(source, version):
        raise ImagesChangedError(run.id, run.config.data)
    check_validation_images(run.config, source.info)


def _trained_version(store: Store, run: Run) -> str:
    """Return the fingerprint of the data on which the run, or the one that it was branched from, was trained; "" where neither has begun."""
    version = store.data_version(run.id)
    return version if version or not run.parent else store.data_version(run.parent)


def _have_changed(source: DataSource, version: str) -> bool:
    """Whether the images are certainly not those of the fingerprint `version`: files that must be imported first may be."""
    if not isinstance(source, OnDemandSource):
        return source.info.fingerprint != version
    if not source.folder.is_dir():
        return False
    for _ in source.check_changes():
        pass
    if source.is_imported:
        return source.info.fingerprint != version
    return ImportedSource(source.folder).info.fingerprint == version  # from which the files differ
