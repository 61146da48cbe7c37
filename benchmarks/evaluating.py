"""Evaluating, and answers of the Evaluate page in Chromium. `python -m benchmarks.evaluating FOLDER`

FOLDER is CIFAR-10 as class folders: it is imported, and the default network learns from it for one epoch. The 100,000 images of 1,000 classes
are made up: logits in a file, kept as if the network of a run with so many classes had made them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.dashboard import CHROMIUM_FLAGS, PATIENCE, ROOT, Dashboard, dashboard, find_chromium
from benchmarks.machine import percentile, print_table
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.explain.grad_cam import conv_layers, grad_cam
from cnn_core.home import EVALUATIONS, Home
from cnn_core.metrics.confusion import confused_pairs, find_cell_images, merge_classes, most_confused_classes, order_by_confusion
from cnn_core.metrics.evaluation import Evaluation, evaluate_run, evaluation_key, read_evaluation, save_evaluation
from cnn_core.models.registry import build_model
from cnn_core.runs.store import Store

FRESH, KEPT, CLICKS, MAPS = 3, 7, 40, 20
IMAGES, CLASSES, ROWS = 100_000, 1000, 15
SHOWN = 24  # images of a cell on one page of them
Rows = list[tuple[str, str, str]]

# From the press on a cell to the frame after all its images are decoded and none of the cell before is left.
PRESS = """([cell, count]) => new Promise((done) => {
  const names = () => [...document.querySelectorAll(".picker img")].filter((image) => image.complete && image.naturalWidth).map((image) => image.alt);
  const before = new Set(names()), begun = performance.now();
  const look = () => {
    const now = names();
    if (now.length !== count || now.some((name) => before.has(name))) return setTimeout(look, 4);
    requestAnimationFrame(() => setTimeout(() => done((performance.now() - begun) / 1000)));
  };
  document.querySelector(`.matrix button[data-cell="${cell}"]`).click();
  look();
})"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        run = train(home, Path(sys.argv[1]), "cifar")
        rows = engine(Store(home), run) + heat_maps()
        with dashboard(home=home.root) as served, browser_page() as page:
            rows += opening(served, page, run) + pressing(served, page, run)
            crowd, key = make_crowd(served.store, Path(folder) / "many")
            rows += many_classes(served.store, crowd, key) + many_classes_on_screen(served, page, run, crowd)
    print_table("Evaluating: CIFAR-10's 10,000 test images, and 100,000 images of 1,000 classes", rows)


def train(home: Home, source: Path, name: str, *settings: str) -> str:
    """Import `source` as `name` and train a network on it for one epoch, by the command line; the run's name."""
    finish(import_files(name, source, ImportOptions(), home))
    command = [sys.executable, "-m", "cnn_core", "train", "--data", name, "--epochs", "1", "--json", *settings]
    environment = {**os.environ, "CNN_STUDIO_HOME": str(home.root)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])["run"]


def engine(store: Store, run: str) -> Rows:
    """Evaluating without a page, fresh and kept; every time with the scores that all figures are made of."""
    config = store.run(run).config

    def evaluate() -> None:
        assert len(finish(evaluate_run(run, config, store.home)).scores.loss) == 10_000

    fresh = []
    for _ in range(FRESH):
        forget(store, run)
        fresh.append(timed(evaluate))
    return [
        ("evaluating 10,000 images, engine", "≤ 8 s", spread(fresh)),
        ("the same when it is kept", "≤ 0.5 s", spread([timed(evaluate) for _ in range(KEPT)])),
    ]


def heat_maps() -> Rows:
    """Grad-CAM of the last convolution for one image of 32×32."""
    rows = []
    for name in ("simple", "resnet18"):
        model = build_model(name, channels=3, image_size=32, classes=10).eval()
        last, image = list(conv_layers(model))[-1], torch.rand(1, 3, 32, 32)
        seconds = [timed(lambda m=model, la=last, im=image: grad_cam(m, la, im, np.zeros(1, np.int64))) for _ in range(MAPS)]
        rows.append((f"Grad-CAM of one image, {name}", "≤ 1 s", spread(seconds, digits=3)))
    return rows


def opening(served: Dashboard, page: Page, run: str) -> Rows:
    """From a click on the page's link until the accuracy is on the screen."""

    def opened() -> float:
        page.goto(served.url)
        page.get_by_role("button", name="Train on digits now").wait_for()
        page.wait_for_timeout(1000)
        return timed(lambda: show(page))

    opened()  # the first one loads the page's modules
    fresh = []
    for _ in range(FRESH):
        forget(served.store, run)
        fresh.append(opened())
    kept = [opened() for _ in range(KEPT)]
    turn(page, "validation")  # computes it
    turned = [timed(lambda split=split: turn(page, split)) for split in ("test", "validation") * KEPT]
    return [
        ("the page, from click to accuracy on screen, computed", "≤ 8 s", spread(fresh)),
        ("the same when it is kept", "≤ 0.5 s", spread(kept)),
        ("from the test to the validation images and back, both kept", "≤ 0.5 s", spread(turned)),
    ]


def show(page: Page) -> None:
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Evaluate").click()
    page.get_by_text("Test accuracy", exact=True).wait_for()


def turn(page: Page, split: str) -> None:
    """Choose another part of the images, and wait for its accuracy."""
    page.get_by_role("radio", name=split, exact=True).click()
    page.get_by_text(f"{split.capitalize()} accuracy", exact=True).wait_for()


def pressing(served: Dashboard, page: Page, run: str) -> Rows:
    """Presses on cells of the matrix, the fullest ones."""
    counts = finish(evaluate_run(run, served.store.run(run).config, served.store.home)).confusion
    cells = np.argsort(-counts, axis=None, kind="stable")[: CLICKS + 1]
    page.goto(f"{served.url}/evaluate?run={run}&view=Confusion+matrix")
    page.locator(".matrix button").first.wait_for()
    page.wait_for_timeout(1000)
    seconds = []
    for true, predicted in zip(*np.unravel_index(cells, counts.shape), strict=True):
        count = min(SHOWN, int(counts[true, predicted]))
        if count:
            seconds.append(page.evaluate(PRESS, [f"{true}-{predicted}", count]))
            page.wait_for_timeout(200)
    seconds = seconds[1:]  # the first one reads the images
    measured = f"p95 {percentile(seconds, 95):.2f} s (p50 {percentile(seconds, 50):.2f} s, n = {len(seconds)} cells)"
    return [(f"a press on a cell of the matrix until its first {SHOWN} images are painted", "p95 ≤ 1 s", measured)]


def make_crowd(store: Store, folder: Path) -> tuple[str, str]:
    """A run whose network tells 1,000 classes, with a made-up evaluation of 100,000 images; its name and the evaluation's key."""
    rng, pixels = np.random.default_rng(0), np.zeros((16, 16, 3), np.uint8)
    for label in range(CLASSES):
        for split, count in (("train", 4), ("test", 1)):
            place = folder / split / f"class {label:03d}"
            place.mkdir(parents=True)
            for number in range(count):
                pixels[:] = rng.integers(0, 256, pixels.shape)
                Image.fromarray(pixels).save(place / f"{number}.png")
    run = train(store.home, folder, "many", "--width", "0.25", "--device", "cpu")
    config = store.run(run).config
    source, place = open_source("many", store.home), store.home.run_folder(run)
    key = evaluation_key(place, config, source.info.fingerprint, "test", None)
    labels = rng.permutation(np.arange(IMAGES) % CLASSES)
    logits = rng.standard_normal((IMAGES, CLASSES), np.float32)
    logits[np.arange(IMAGES), labels] += 3
    logits[np.arange(IMAGES), labels ^ 1] += 1  # every class has one that is like it
    save_evaluation(place, key, Evaluation(source.info.classes, logits, labels))
    return run, key


def many_classes(store: Store, run: str, key: str) -> Rows:
    """All that the matrix, its lists and the table of classes are made of, from the file of logits."""
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:  # whose memory has not grown by other work
        measured = [fresh.submit(measure_all, store.home.run_folder(run), key).result() for _ in range(FRESH)]
    seconds, added = zip(*measured, strict=True)
    return [
        (f"{IMAGES:,} images × {CLASSES:,} classes: matrix, pairs, lists", "≤ 3 s", spread(seconds)),
        ("of it, peak memory added (the logits, 400 MB, stay a file)", "", f"worst {max(added):.0f} MB (n = {FRESH})"),
    ]


def measure_all(folder: Path, key: str) -> tuple[float, float]:
    """Seconds, and megabytes added at most."""
    with peak_memory(os.getpid()) as peak:
        seconds = timed(lambda: read_all(folder, key))
    return seconds, peak[0]


def read_all(folder: Path, key: str) -> None:
    evaluation = read_evaluation(folder, key)
    pairs, chosen = confused_pairs(evaluation.confusion, 200), most_confused_classes(evaluation.confusion, ROWS)
    chosen = chosen[order_by_confusion(evaluation.confusion[np.ix_(chosen, chosen)])]
    assert merge_classes(evaluation.confusion, chosen).sum() == evaluation.per_class.support.sum() == IMAGES
    assert len(find_cell_images(evaluation, pairs.true[:1], pairs.predicted[:1])) == pairs.count[0]


def many_classes_on_screen(served: Dashboard, page: Page, run: str, crowd: str) -> Rows:
    """From the choice of the run with 1,000 classes, while another run's matrix is shown, until its matrix and list are there."""
    page.goto(f"{served.url}/evaluate?run={run}&view=Confusion+matrix")
    page.locator(".matrix button").first.wait_for()
    page.get_by_role("combobox", name="Run").click()
    option = page.get_by_role("option").filter(has_text=crowd)
    option.wait_for()
    page.wait_for_timeout(1000)
    with peak_memory(served.process.pid) as peak:
        begun = time.perf_counter()
        option.click()
        page.locator(".matrix th[scope=row]").filter(has_text="all others").wait_for()
        page.get_by_text("Most confused pairs").wait_for()
        seconds = time.perf_counter() - begun
    assert page.locator(".matrix button").count() == (ROWS + 1) ** 2
    return [
        ("the same on the page, from choosing the run to its matrix on screen", "≤ 3 s", f"{seconds:.2f} s (n = 1)"),
        ("of it, peak memory added to the server", "", f"{peak[0]:.0f} MB"),
    ]


@contextmanager
def browser_page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


@contextmanager
def peak_memory(process: int) -> Iterator[list[float]]:
    """In the block, megabytes of the process's own memory (anonymous pages) above those it began with: the most of them (Linux)."""
    begun, done = own_memory(process), threading.Event()
    peak = [0.0]

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], own_memory(process) - begun)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def own_memory(process: int) -> float:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) * 1024 / 1e6


def forget(store: Store, run: str) -> None:
    """Take the run's evaluations away."""
    shutil.rmtree(store.home.run_folder(run) / EVALUATIONS, ignore_errors=True)


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def spread(seconds: Sequence[float], digits: int = 2) -> str:
    median, worst = percentile(seconds, 50), max(seconds)
    return f"median {median:.{digits}f} s, worst {worst:.{digits}f} s (n = {len(seconds)})"


if __name__ == "__main__":
    main()
