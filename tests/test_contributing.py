"""The files that CONTRIBUTING.md names exist, and each diff that it shows works in a copy of the program."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

from cnn_core.models.registry import FAMILIES
from tests.helpers import ROOT, SHARED
from tests.pages.studio_harness import copy_trained_home

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHANGES = re.findall(r"^## (.+?)\n(?:(?!^## ).*\n)*?```diff\n((?:.*\n)*?)```", TEXT, re.MULTILINE)
FOLDERS = ("cnn_core", "pages", "tests")
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
FAMILY_TESTS = ROOT / "tests" / "models" / "test_registry.py"

# A check of each diff.
CHECKS = {
    "A network": """
import torch
from cnn_core.config.defaults import make_config
from cnn_core.models.registry import build_model, count_parameters
from tests.export.scripts import card_of, executed
model = build_model("resnet44", channels=3, image_size=32, classes=10)
assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
config = make_config(model="resnet44")
exported = executed(config, card_of(config, classes=map(str, range(10))))["build_model"]()
exported.load_state_dict(model.state_dict())
assert 0.65e6 < count_parameters("resnet44", channels=3, image_size=32, classes=10) < 0.67e6
""",
    "A schedule": """
from cnn_core.config.defaults import make_config
from cnn_core.lessons.glossary import read_glossary
from cnn_core.training.schedule import make_schedule
from tests.export.scripts import card_of, executed
config = make_config(schedule="exponential", warmup=0, learning_rate=1.0)
own, exported = make_schedule(config, 5), executed(config, card_of(config))["make_schedule"](config.epochs * 5)
assert own(0) == 1.0 and abs(own(config.epochs * 5) - 0.01) < 1e-12
assert [own(step) for step in range(100)] == [exported(step) for step in range(100)]
assert read_glossary()["schedule-exponential"].setting == "schedule"
""",
    "An export format": """
import io
import numpy as np
from pathlib import Path
from cnn_core.data.source import finish
from cnn_core.execution.in_process import execute
from cnn_core.export.exporter import export_run
from cnn_core.home import Home
from cnn_core.runs.store import Store
from tests.helpers import tiny_config, write_images
store = Store(Home(Path("studio")))
run = store.create(tiny_config(write_images(Path("pictures"), count=6).resolve(), epochs=1))
assert execute(store, run) == "finished"
exported = finish(export_run(store, store.run(run), "numpy"))
assert exported.verification.images > 0 and "classifier.1.weight" in np.load(io.BytesIO(exported.content)).files
""",
    "A data set": """
from cnn_core.config.defaults import make_config
from cnn_core.data.catalog import CATALOG
from cnn_core.data.open import open_source
info = open_source("kmnist").info
assert len(info.classes) == 10 and info.train_count == 60_000 and not info.ink
assert make_config(data="kmnist").flip == "off" and len(CATALOG["kmnist"].archives) == 4
""",
    "A setting": """
import torch
from cnn_core.config.defaults import make_config
from cnn_core.data.random_draws import RandomDraws
from cnn_core.lessons.glossary import read_glossary
from cnn_core.training.augmentation import make_augmentations
from tests.export.scripts import card_of, executed
config = make_config(data="digits", crop=0, invert=1.0)
(invert,) = make_augmentations(config, 32, (0.5,))
images = torch.tensor([0, 55, 255], dtype=torch.uint8).view(3, 1, 1, 1)
assert invert(images, RandomDraws(torch.arange(3), 0, torch.Generator())).flatten().tolist() == [255, 200, 0]
assert read_glossary()["invert"].title == "Inversion"
assert executed(config, card_of(config))["Invert"](1.0)(images, RandomDraws(torch.arange(3), 0, torch.Generator())).max() == 255
""",
    "A page": """
from pathlib import Path
from streamlit.testing.v1 import AppTest
at = AppTest.from_file(Path("pages/machine.py").resolve(), default_timeout=60).run()
assert not at.exception and at.title[0].value == "Machine" and at.metric[0].value
assert 'page("machine", "Machine", "memory")' in Path("pages/shared/frame.py").read_text()
""",
    "An exercise": """
from cnn_core.lessons.exercises import find_exercise
from pages.views.learn.illustrations import ILLUSTRATIONS
exercise = find_exercise("batch-size")
assert exercise.settings("A").batch_size == 128 and exercise.settings("B").batch_size == 8
assert ILLUSTRATIONS["batch-size"]().images.shape == (8, 32, 32, 1)
""",
    "A diagnostic rule": """
from cnn_core.config.defaults import make_config
from cnn_core.events import Started
from cnn_core.runs.diagnostics import diagnose
from cnn_core.runs.history import History
from cnn_core.runs.event_log import StoredEvent
def found(batch_size):
    history = History()
    history.add([StoredEvent(1, Started(1, "CPU", 1000, 200, 200, -(-1000 // batch_size), 20))])
    return [(finding.rule, finding.changes) for finding in diagnose(history, make_config(batch_size=batch_size))]
assert found(1000) == [("Few steps", {"batch_size": 125})] and found(64) == []
""",
}

# Files that an addition may touch, its test included.
MOST_FILES = {"A network": 3, "A schedule": 3, "A setting": 3, "A page": 2, "An export format": 3}
# The tests of the pages and the modules that the diffs touch; the registries and tables bring the additions into them. Of a page that no diff
# touches, the tests that go over a registry or table.
TOUCHED = (
    "tests/config/test_schema.py",
    "tests/lessons/test_glossary.py",
    "tests/models/test_registry.py",
    "tests/pages/test_configure_page.py::test_every_setting_with_an_effect_is_in_the_tab_of_its_group_with_its_unit_its_range_and_its_help",
    "tests/pages/test_configure_page.py::test_a_setting_without_effect_appears_once_it_has_one",
    "tests/pages/test_configure_page.py::test_a_model_shows_only_the_settings_that_it_has",
    "tests/pages/test_configure_page.py::test_each_optimizer_and_each_network_has_its_own_defaults",
    "tests/pages/test_configure_page.py::test_start_queues_exactly_one_run_with_the_chosen_settings_and_shows_it",
    "tests/pages/test_configure_page.py::test_a_run_with_unchanged_settings_equals_one_from_the_command_line",
    "tests/pages/test_search_page.py::test_a_studio_without_searches_offers_one_over_the_learning_rate_a_decade_either_way",
    "tests/pages/test_search_page.py::test_ranges_lists_and_choices_of_the_rows_become_the_space",
    "tests/runs/test_diagnostics.py",
    "tests/training/test_augmentation_settings.py",
    "tests/training/test_schedule.py",
    "tests/browser/test_browser_look.py::test_a_page_with_a_nonsense_address_works_on_a_phone_in_both_themes[machine]",
)


def apply(diff: str, root: Path) -> None:
    """Apply a diff to the files below `root`. Its hunks have no line numbers: the old lines of each must occur exactly once."""
    for old, name, hunks in re.findall(r"^--- (.+)\n\+\+\+ b/(.+)\n((?:(?!--- ).*\n)*)", diff, re.MULTILINE):
        file = root / name
        text = "" if old == "/dev/null" else file.read_text(encoding="utf-8")
        for hunk in hunks.split("@@\n")[1:]:
            lines = hunk.splitlines()
            before = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
            after = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
            assert text.count(before) == 1 or not text, f"CONTRIBUTING.md: these lines are not exactly once in {name}:\n{before}"
            text = text.replace(before, after) if text else after
        file.write_text(text, encoding="utf-8")


def write_checks(file: Path) -> None:
    """Write a test for each check."""
    names = {re.sub(r"\W", "_", title.lower()): check for title, check in CHECKS.items()}
    bodies = [f"def test_{name}(home):\n{indent(check.strip(), ' ' * 4)}\n" for name, check in names.items()]
    file.write_text('"""The checks of the additions."""\n\n' + "\n\n".join(bodies), encoding="utf-8")


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the program with all diffs applied."""
    copy = tmp_path_factory.mktemp("changed")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder)  # with the compiled modules, of which those without a change serve
    shutil.copytree(ROOT / ".streamlit", copy / ".streamlit", ignore=shutil.ignore_patterns("secrets.toml"))
    for file in ("app.py", "pyproject.toml"):
        shutil.copy(ROOT / file, copy)
    for _, change in CHANGES:
        apply(change, copy)
    return copy


def test_every_diff_has_a_check():
    assert [title for title, _ in CHANGES] == list(CHECKS)


def test_an_addition_touches_few_files():
    counts = {title: len(re.findall(r"^\+\+\+ ", change, re.MULTILINE)) for title, change in CHANGES}
    assert not {title: counts[title] for title, most in MOST_FILES.items() if counts[title] > most}


def test_the_diffs_work_and_the_tests_of_all_that_they_touch_pass(changed: Path, tmp_path: Path):
    """In one process, which loads torch once. A family that no diff adds is in the copy what it is here, where it is tested too."""
    write_checks(changed / "tests" / "test_additions.py")
    families = re.findall(
        r"^@pytest.mark.parametrize\(\"family\".*\ndef (\w+)", FAMILY_TESTS.read_text(encoding="utf-8"), re.MULTILINE
    )
    tested_here = [f"--deselect={FAMILY_TESTS.relative_to(ROOT)}::{test}[{family}]" for test in families for family in FAMILIES]
    copy_trained_home(tmp_path / SHARED / "trained")  # a home made before the addition of the setting serves as well
    command = [sys.executable, *PYTEST, *tested_here, "tests/test_additions.py", *TOUCHED]
    own = {**os.environ, "OMP_NUM_THREADS": "1", SHARED: str(tmp_path / SHARED)}  # its runs have the additional setting
    process = subprocess.run(command, cwd=changed, env=own, capture_output=True, text=True, timeout=600)
    assert process.returncode == 0, process.stdout[-5000:]
    assert f"{len(families) * len(FAMILIES)} deselected" in process.stdout and len(families) > 5


def test_the_diffs_pass_the_linter_and_the_formatter(changed: Path):
    files = {name for _, change in CHANGES for name in re.findall(r"^\+\+\+ b/(.+\.py)$", change, re.MULTILINE)}
    for command in (["check"], ["format", "--check"]):
        process = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *sorted(files)], cwd=changed, capture_output=True, text=True
        )
        assert process.returncode == 0, process.stdout


def test_the_named_files_exist():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if not link.startswith("#")]
    paths = re.findall(r"(?:pytest -q|python -m) ((?:tests/\S+ ?)+)", TEXT)
    names = [*links, *(path for line in paths for path in line.split())]
    assert len(names) > 15 and not [name for name in names if not (ROOT / name).exists()]


def test_links_to_headings_are_right():
    headings = {re.sub(r"[^\w ]", "", title).lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", TEXT, re.MULTILINE)}
    assert {link[1:] for link in re.findall(r"\]\((#[^)]+)\)", TEXT)} <= headings


def test_the_named_modules_can_be_run():
    modules = re.findall(r"\.venv/bin/python -m ([\w.]+)", TEXT)
    assert modules and all(
        (ROOT / f"{name.replace('.', '/')}.py").is_file() or (ROOT / name / "__main__.py").is_file() for name in modules
    )
