"""Kill a fine-tuning (SIGKILL) in each of its stages, then resume the run. `python -m benchmarks.resume_stages [KILLS]`

EfficientNet-Lite0 is trained on small random images from its ImageNet weights: the head first, then its last blocks or everything, with layer decay,
dropout, averaged weights and the augmentations for photographs. Every step is an event, and every event a checkpoint, so that a kill comes at a known place: while
features are computed, between the steps of the head, or after them. The final weights must equal those of an uninterrupted run to the bit.
"""

import multiprocessing
import random
import sys
from collections import defaultdict
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import kill
from benchmarks.kill import Outcome, check_resumed, kill_when, write_images
from benchmarks.machine import print_table
from cnn_core.config.defaults import make_config
from cnn_core.config.images import open_images
from cnn_core.config.schema import TrainConfig
from cnn_core.events import Epoch, Event, Progress, Steps
from cnn_core.features.frozen_layers import STAGE
from cnn_core.features.store import drop_features, open_feature_store
from cnn_core.home import WEIGHTS, Home
from cnn_core.runs.store import Store

KILLS = 20
CLASSES, IMAGES, SIDE = 3, 20, 32
EPOCHS, HEAD_EPOCHS = 4, 2
FEATURES, HEAD, AFTER = "features are computed", "the head learns", "more learns (train={train})"
BETWEEN = "between two stages"
TRAINS = ("blocks", "all")
SETTINGS: dict[str, Any] = {
    "model": "efficientnet-lite0",
    "epochs": EPOCHS,
    "head_epochs": HEAD_EPOCHS,
    "trained_blocks": 3,
    "frozen_norm": True,
    "layer_decay": 0.75,
    "fine_tuning_rate": 0.5,
    "batch_size": 12,
    "ema": 0.9,
    "resized_crop": 0.5,
    "colour_jitter": 0.4,
    "trivial_augment": True,
    "device": "cpu",
    "deterministic": True,
}


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    with TemporaryDirectory() as folder:
        outcomes = kill_in_stages(Path(folder), kills, seed=0)
    rows = [
        (f"killed while: {stage}", f"all {len(found)}", f"{sum(outcome.is_good for outcome in found)} of {len(found)}")
        for stage, found in outcomes.items()
    ]
    count = sum(map(len, outcomes.values()))
    print_table(
        f"Fine-tuning, SIGKILL in each stage, {count} kills: resumed, with the weights of an uninterrupted run to the bit", rows
    )


def kill_in_stages(root: Path, kills: int, seed: int) -> dict[str, list[Outcome]]:
    """Kill `kills` trainings in one studio home below `root`, in each stage in turn; return the outcomes by the stage that was interrupted."""
    store, rng, images = Store(Home(root / "studio")), random.Random(seed), write_images(root / "images", CLASSES, IMAGES, SIDE)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cnn_core.execution.in_process", "cnn_core.models.timm_nets", "torch._dynamo"])

    def make_process(run: str) -> Any:
        return context.Process(target=train_every_step, args=(root / "studio", run, root / f"{run}.txt"))

    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    kill.finish(
        make_process(store.create(make_config(data=str(images), **SETTINGS)))
    )  # copies the images, which has events of its own
    whole = {}
    for train in TRAINS:
        config = make_config(data=str(images), train=train, **SETTINGS)
        run = store.create(config)
        drop_kept_features(store, config)
        kill.finish(make_process(run))
        assert store.run(run).status == "finished", store.run(run).error
        whole[train] = config, run, places_of([item.event for item in store.log.read(run)], config)
    targets = cycle([(train, stage) for stage in (FEATURES, HEAD, AFTER) for train in TRAINS])
    for (train, stage), _ in zip(targets, range(kills), strict=False):
        config, reference, places = whole[train]
        run = store.create(config)
        log = root / f"{run}.txt"
        drop_kept_features(store, config)
        kill_when(make_process(run), 0, log, partial(_has_lines, log, rng.choice(places[stage])))
        weights = store.home.run_folder(reference) / WEIGHTS
        outcome = check_resumed(store, run, log, weights, resume=partial(kill.finish, make_process(run)))
        reached = next((stage for stage, numbers in places.items() if outcome.events in numbers), BETWEEN)
        outcomes[reached.format(train=train)].append(outcome)
    return dict(outcomes)


def drop_kept_features(store: Store, config: TrainConfig) -> None:
    """Delete the features that earlier runs kept, so that the next one computes its own."""
    kept = open_feature_store(open_images(config, store.home))
    assert kept is not None, "the images are not imported"
    drop_features(kept.folder)


def places_of(events: list[Event], config: TrainConfig) -> dict[str, list[int]]:
    """Return after which numbers of events a training is in each stage, from the events of a whole run."""
    places: dict[str, list[int]] = {FEATURES: [], HEAD: [], AFTER: []}
    stage = ""
    for number, event in enumerate(events, start=1):
        if isinstance(event, Steps | Epoch):
            stage = HEAD if event.epoch <= config.head_epochs else AFTER
        elif isinstance(event, Progress) and event.stage == STAGE:
            stage = FEATURES
        if isinstance(event, Epoch) and event.epoch == config.epochs:
            break
        if stage:
            places[stage].append(number)
    return places


def train_every_step(home: Path, run: str, log: Path) -> None:
    """Train or resume `run` in this process: every step is an event, with a checkpoint after it."""
    from cnn_core.training import meter

    meter.REPORT_SECONDS = -1.0
    kill.train(home, run, log)


def _has_lines(log: Path, count: int) -> bool:
    return len(log.read_text().split()) >= count


if __name__ == "__main__":
    main()
