"""The report on a run of the store (see `document`): collects the facts. In: a run and its evaluation. Out: the report's text."""

import platform
import time
from collections.abc import Generator
from importlib.metadata import version

import cnn_core
from cnn_core.config.images import open_images
from cnn_core.data.imported import ImportedSource, OnDemandSource, image_names
from cnn_core.data.source import ImageSet, Split
from cnn_core.events import Progress
from cnn_core.inference.confidence import NO_CALIBRATION, load_calibration
from cnn_core.metrics.evaluated_models import count_models
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.report.document import EvaluationFacts, RunFacts, write_report
from cnn_core.runs.event_reader import EventReader
from cnn_core.runs.history_cache import read_history
from cnn_core.runs.run import STATUS_WORDS, Run
from cnn_core.runs.store import Store
from cnn_core.runs.summary import summarise_history


def report_run(
    store: Store, run: Run, evaluation: Evaluation, images: ImageSet, *, split: Split = "test", epoch: int | None = None
) -> Generator[Progress, None, str]:
    """Write the report on the best model of `run`, or that of a saved `epoch`, evaluated on the `images` of `split`.

    Yields Progress. Raises StudioError.
    """
    yield Progress("Reading the run", 0, 1)
    source = open_images(run.config, store.home)
    assert isinstance(source, ImportedSource | OnDemandSource)  # all sources are
    evaluated = EvaluationFacts(
        evaluation,
        images,
        image_names(source, images),
        split,
        epoch,
        source.info,
        load_calibration(store.home.run_folder(run.id)) if epoch is None else NO_CALIBRATION,
        count_models(store.home, run.config.data, run.id, epoch) if split == "test" else 0,
    )
    return (yield from write_report(gather_facts(store, run), evaluated))


def gather_facts(store: Store, run: Run) -> RunFacts:
    """Return the facts of a run from the store."""
    events = EventReader(store, run.id)
    return RunFacts(
        id=run.id,
        name=run.name,
        notes=run.notes,
        tags=run.tags,
        status=STATUS_WORDS[run.status],
        created=run.created,
        reported=time.time(),
        parent=run.parent,
        parent_epoch=run.parent_epoch,
        config=run.config,
        changes=events.changes(),
        epochs=events.epochs(),
        summary=run.summary or summarise_history(read_history(store, run.id)),
        trained_on=store.data_version(run.id),
        versions={"CNN Studio": cnn_core.__version__, "Python": platform.python_version()}
        | {name: version(name) for name in ("torch", "torchvision", "numpy")},
    )
