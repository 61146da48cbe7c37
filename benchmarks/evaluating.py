"""Measure evaluations and the Evaluate page in Chromium. `python -m benchmarks.evaluating FOLDER`

FOLDER is CIFAR-10 as class folders: it is imported, and the default network is trained on it for one epoch. The 100,000 images of 1,000 classes
are random logits in a file, saved as the evaluation of a run with 1,000 classes.
"""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import Page

from benchmarks.dashboard import TIMEOUT, Dashboard, chromium, dashboard, train_model
from benchmarks.machine import Rows, measure_seconds, median_and_worst, percentile, print_table
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.explain.grad_cam import grad_cam
from cnn_core.home import EVALUATIONS, Home
from cnn_core.metrics.confusion import confused_pairs, find_cell_images, merge_classes, most_confused_classes, order_by_confusion
from cnn_core.metrics.evaluation import Evaluation, evaluate_run, evaluation_key, read_evaluation, save_evaluation
from cnn_core.models.hooks import conv_layers
from cnn_core.models.registry import build_model
from cnn_core.runs.store import Store

COMPUTED, CACHED, CLICKS, MAPS = 3, 7, 40, 20  # repetitions
IMAGES, CLASSES, MATRIX_CLASSES = 100_000, 1000, 15
PAGE_SIZE = 24  # images of a cell on one page

# Seconds from the click on a cell to the frame after all its images are decoded and no image of the previous cell is left.
CLICK_CELL = """([cell, count]) => new Promise((done) => {
  const names = () => [...document.querySelectorAll(".picker img")].filter((image) => image.complete && image.naturalWidth).map((image) => image.alt);
  const before = new Set(names()), start = performance.now();
  const poll = () => {
    const now = names();
    if (now.length !== count || now.some((name) => before.has(name))) return setTimeout(poll, 4);
    requestAnimationFrame(() => setTimeout(() => done((performance.now() - start) / 1000)));
  };
  document.querySelector(`.matrix button[data-cell="${cell}"]`).click();
  poll();
})"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        run = import_and_train(home, Path(sys.argv[1]), "cifar")
        rows = measure_engine(Store(home), run) + measure_grad_cam()
        with dashboard(home=home.root) as served, browser_page() as page:
            rows += measure_page(served, page, run) + measure_cells(served, page, run)
            many, key = make_many_classes(served.store, Path(folder) / "many")
            rows += measure_many_classes(served.store, many, key) + measure_many_classes_page(served, page, run, many)
    print_table("Evaluation: CIFAR-10's 10,000 test images, and 100,000 images of 1,000 classes", rows)


def import_and_train(home: Home, source: Path, name: str, *options: str) -> str:
    """Import `source` as the data set `name`, train a network on it for one epoch and return the run's name."""
    finish(import_files(name, source, ImportOptions(), home))
    return str(train_model(home.root, name, "--epochs", "1", *options)["run"])


def measure_engine(store: Store, run: str) -> Rows:
    """Return the rows for an evaluation without a page, computed and from the cache; with the scores that all metrics need."""
    config = store.run(run).config

    def evaluate() -> None:
        assert len(finish(evaluate_run(run, config, store.home)).scores.loss) == 10_000

    computed = []
    for _ in range(COMPUTED):
        delete_evaluations(store, run)
        computed.append(measure_seconds(evaluate))
    cached = [measure_seconds(evaluate) for _ in range(CACHED)]
    return [
        ("evaluating 10,000 images, engine", "≤ 8 s", median_and_worst(computed)),
        ("the same from the cache", "≤ 0.5 s", median_and_worst(cached)),
    ]


def measure_grad_cam() -> Rows:
    """Return the rows for Grad-CAM of the last convolution and one image of 32×32."""
    rows = []
    for name in ("simple", "resnet18"):
        model = build_model(name, channels=3, image_size=32, classes=10).eval()
        last, image = list(conv_layers(model))[-1], torch.rand(1, 3, 32, 32)
        compute = partial(grad_cam, model, last, image, np.zeros(1, np.int64))
        seconds = [measure_seconds(compute) for _ in range(MAPS)]
        rows.append((f"Grad-CAM of one image, {name}", "≤ 1 s", median_and_worst(seconds, digits=3)))
    return rows


def measure_page(served: Dashboard, page: Page, run: str) -> Rows:
    """Return the rows for the time from a click on the test images, or on the page's link, to the accuracy on screen."""

    def open_from_start() -> float:
        page.goto(served.url)
        page.get_by_role("button", name="Train on digits now").wait_for()
        page.wait_for_timeout(1000)
        return measure_seconds(lambda: open_evaluate(page))

    open_from_start()  # the first one loads the page's modules
    computed = []
    for _ in range(COMPUTED):
        delete_evaluations(served.store, run)
        open_from_start()
        computed.append(measure_seconds(partial(choose_split, page, "test")))
    cached = [open_from_start() for _ in range(CACHED)]
    changes = [measure_seconds(partial(choose_split, page, split)) for split in ("test", "validation") * CACHED]
    return [
        ("from click on the test images to their accuracy on screen, computed", "≤ 8 s", median_and_worst(computed)),
        ("from another page to the accuracy on screen, from the cache", "≤ 0.5 s", median_and_worst(cached)),
        ("from one split to another, both from the cache", "≤ 0.5 s", median_and_worst(changes)),
    ]


def open_evaluate(page: Page) -> None:
    """Click on the Evaluate page's link and wait for the validation accuracy."""
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Evaluate").click()
    page.get_by_text("Validation accuracy", exact=True).wait_for()


def choose_split(page: Page, split: str) -> None:
    """Choose another split and wait for its accuracy."""
    page.get_by_role("radio", name=split, exact=True).click()
    page.get_by_text(f"{split.capitalize()} accuracy", exact=True).wait_for()


def measure_cells(served: Dashboard, page: Page, run: str) -> Rows:
    """Return the row for clicks on the cells of the confusion matrix with the highest counts."""
    counts = finish(evaluate_run(run, served.store.run(run).config, served.store.home)).confusion
    cells = np.argsort(-counts, axis=None, kind="stable")[: CLICKS + 1]
    page.goto(f"{served.url}/evaluate?run={run}&split=test&view=Confusion+matrix")
    page.locator(".matrix button").first.wait_for()
    page.wait_for_timeout(1000)
    seconds = []
    for true, predicted in zip(*np.unravel_index(cells, counts.shape), strict=True):
        count = min(PAGE_SIZE, int(counts[true, predicted]))
        if count:
            seconds.append(page.evaluate(CLICK_CELL, [f"{true}-{predicted}", count]))
            page.wait_for_timeout(200)
    seconds = seconds[1:]  # the first click reads the images
    measured = f"p95 {percentile(seconds, 95):.2f} s (p50 {percentile(seconds, 50):.2f} s, n = {len(seconds)} cells)"
    return [(f"click on a cell of the confusion matrix to its first {PAGE_SIZE} images", "p95 ≤ 1 s", measured)]


def make_many_classes(store: Store, folder: Path) -> tuple[str, str]:
    """Create a run with 1,000 classes and a random evaluation of 100,000 images; return the run's name and the evaluation's key."""
    rng, pixels = np.random.default_rng(0), np.zeros((16, 16, 3), np.uint8)
    for label in range(CLASSES):
        for split, count in (("train", 4), ("test", 1)):
            class_folder = folder / split / f"class {label:03d}"
            class_folder.mkdir(parents=True)
            for number in range(count):
                pixels[:] = rng.integers(0, 256, pixels.shape)
                Image.fromarray(pixels).save(class_folder / f"{number}.png")
    run = import_and_train(store.home, folder, "many", "--width", "0.25", "--device", "cpu")
    config = store.run(run).config
    source, run_folder = open_source("many", store.home), store.home.run_folder(run)
    key = evaluation_key(run_folder, config, source.info.fingerprint, "test", None)
    labels = rng.permutation(np.arange(IMAGES) % CLASSES)
    logits = rng.standard_normal((IMAGES, CLASSES), np.float32)
    logits[np.arange(IMAGES), labels] += 3
    logits[np.arange(IMAGES), labels ^ 1] += 1  # each class is confused with one other
    save_evaluation(run_folder, key, Evaluation(source.info.classes, logits, labels))
    return run, key


def measure_many_classes(store: Store, run: str, key: str) -> Rows:
    """Return the rows for computing the matrix, its lists and the metrics per class from the file of logits."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # a new process, whose memory has not grown by other work
        measured = [pool.submit(measure_matrix, store.home.run_folder(run), key).result() for _ in range(COMPUTED)]
    seconds, added = zip(*measured, strict=True)
    return [
        (f"{IMAGES:,} images × {CLASSES:,} classes: matrix, pairs, lists", "≤ 3 s", median_and_worst(seconds)),
        ("memory added at its peak (the logits, 400 MB, stay in a file)", "", f"worst {max(added):.0f} MB (n = {COMPUTED})"),
    ]


def measure_matrix(folder: Path, key: str) -> tuple[float, float]:
    """Return the seconds of `compute_matrix` and the megabytes that it adds at its peak."""
    with peak_memory(os.getpid()) as peak:
        seconds = measure_seconds(lambda: compute_matrix(folder, key))
    return seconds, peak[0]


def compute_matrix(folder: Path, key: str) -> None:
    """Compute what the Confusion matrix tab shows."""
    evaluation = read_evaluation(folder, key)
    assert evaluation
    pairs, chosen = confused_pairs(evaluation.confusion, 200), most_confused_classes(evaluation.confusion, MATRIX_CLASSES)
    chosen = chosen[order_by_confusion(evaluation.confusion[np.ix_(chosen, chosen)])]
    assert merge_classes(evaluation.confusion, chosen).sum() == evaluation.per_class.support.sum() == IMAGES
    assert len(find_cell_images(evaluation, pairs.true[:1], pairs.predicted[:1])) == pairs.count[0]


def measure_many_classes_page(served: Dashboard, page: Page, run: str, many: str) -> Rows:
    """Return the rows for the time from choosing the run with 1,000 classes, while another run's matrix is shown, to its matrix and list."""
    page.goto(f"{served.url}/evaluate?run={run}&split=test&view=Confusion+matrix")
    page.locator(".matrix button").first.wait_for()
    page.get_by_role("combobox", name="Run").click()
    option = page.get_by_role("option").filter(has_text=many)
    option.wait_for()
    page.wait_for_timeout(1000)
    with peak_memory(served.process.pid) as peak:
        start = time.perf_counter()
        option.click()
        page.locator(".matrix th[scope=row]").filter(has_text="all others").wait_for()
        page.get_by_text("Most confused pairs").wait_for()
        seconds = time.perf_counter() - start
    assert page.locator(".matrix button").count() == (MATRIX_CLASSES + 1) ** 2
    return [
        ("the same on the page, from choosing the run to its matrix", "≤ 3 s", f"{seconds:.2f} s (n = 1)"),
        ("memory added to the server at its peak", "", f"{peak[0]:.0f} MB"),
    ]


@contextmanager
def browser_page() -> Iterator[Page]:
    """Open a page of 1440×900 pixels in a Chromium within the block."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(TIMEOUT)
        yield page


@contextmanager
def peak_memory(process: int) -> Iterator[list[float]]:
    """Yield a list whose item is the largest increase of a process's anonymous memory within the block, in megabytes (Linux)."""
    at_start, done = anonymous_memory(process), threading.Event()
    peak = [0.0]

    def sample() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], anonymous_memory(process) - at_start)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def anonymous_memory(process: int) -> float:
    """Return the megabytes of a process's anonymous memory (Linux)."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) * 1024 / 1e6


def delete_evaluations(store: Store, run: str) -> None:
    """Delete the run's evaluations from the cache."""
    shutil.rmtree(store.home.run_folder(run) / EVALUATIONS, ignore_errors=True)


if __name__ == "__main__":
    main()
