"""An exported training script runs alone, opens the images that the program opens, and contains names from outside as literals only."""

import ast
import inspect
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision import datasets

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import choices
from cnn_core.data.batches import Normalise
from cnn_core.data.catalog import CATALOG
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.export.notebook import training_notebook
from cnn_core.export.script import ORIGIN, training_script
from cnn_core.export.training_file import CHANGED, CONTINUED, training_file
from cnn_core.home import CARD
from cnn_core.models.embedded import read_embedded_weights
from cnn_core.models.registry import FAMILIES
from cnn_core.training.recipe import split_validation
from tests.conftest import Trained
from tests.export.scripts import card_of, executed
from tests.helpers import ROOT, is_a_sentence, write_images

RUNS = {
    "simple": {"batch_norm": True, "mixup": 0.2, "cutmix": 1, "clip_norm": 1, "ema": 0.9, "patience": 1, "weight_decay": 0.01},
    "speed": {"width": 0.25, "start_side": 0.7, "mirror": True, "cutout": 0.2},
    "resnet9": {"width": 0.25, "optimizer": "muon", "clip_norm": 2, "deterministic": True},
    "resnet20": {"width": 0.5, "optimizer": "sgd", "schedule": "plateau", "label_smoothing": 0.1, "patience": 9},
    "resnet18": {"width": 0.25, "optimizer": "adamw", "precision": "bfloat16", "schedule": "onecycle"},
    "resnet32": {"width": 0.5, "optimizer": "muon", "precision": "float16", "device": "cuda", "clip_norm": 1},
    "efficientnet-lite0": {"epochs": 2, "head_epochs": 1, "train": "blocks", "trained_blocks": 1, "layer_decay": 0.5}
    | {"resized_crop": 0.5, "colour_jitter": 0.4, "trivial_augment": True},
    "mobilenet": {"optimizer": "rmsprop", "rotation": 9, "scale": 0.1, "shear": 5, "brightness": 0.1, "contrast": 0.2},
}

LAST_BLOCK = ("classifier.", "blocks.6.0.", "conv_head.", "bn2.")
DRIVER = """
import os, runpy, sys
assert not any("cnn_core" in name for name in sys.modules)
for name in sys.argv[2:]:
    os.makedirs(name); os.chdir(name)
    sys.argv = [name, sys.argv[1], *sys.argv[2:]]
    runpy.run_path("../" + name + ".py", run_name="__main__")
    os.chdir("..")
try:
    import cnn_core
except ImportError:
    print("alone")
"""


def test_scripts_train_without_the_program_which_can_load_what_they_save(tmp_path):
    """One process for all of them: loading torch takes most of the time. -I leaves out the checkout and the environment."""
    image_folder = write_images(tmp_path / "pictures", count=8, size=(20, 16))
    cards = {}
    for name, chosen in RUNS.items():
        config = make_config(data="pictures", model=name, **{"epochs": 1, "batch_size": 6, "device": "cpu", **chosen})
        cards[name] = card_of(config, image_size=16)
        script = training_script(config, cards[name], "0001-x")
        script = script.replace(f"torch.device({'cuda'!r})", f"torch.device({'cpu'!r})")  # there may be no GPU here
        (tmp_path / f"{name}.py").write_text(script, encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CNN_STUDIO_HOME")}
    done = subprocess.run(
        [sys.executable, "-I", "-c", DRIVER, str(image_folder), *RUNS], cwd=tmp_path, env=clean, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("test accuracy") == len(RUNS) and done.stdout.endswith("alone\n")
    assert done.stdout.count("15 training, 3 validation, 6 test images") == len(RUNS)
    for name, card in cards.items():
        state = torch.load(tmp_path / name / "best_model.pth", weights_only=True)
        card.build().load_state_dict(state)
        if name == "efficientnet-lite0":
            start = read_embedded_weights(state)
            moved = {key for key, value in start.items() if not torch.equal(value, state[key])}
            assert "classifier.1.weight" in moved and all(key.startswith(LAST_BLOCK) for key in moved)
        assert (tmp_path / name / "training_curves.png").read_bytes().startswith(b"\x89PNG")


EVERYTHING = {
    "mirror": True,
    "ema": 0.9,
    "patience": 9,
    "clip_norm": 1,
    "rotation": 3,
    "cutout": 0.1,
    "mixup": 0.1,
    "cutmix": 0.1,
}
EVERYTHING |= {"resized_crop": 0.5, "colour_jitter": 0.4, "trivial_augment": True}
EVERYTHING |= {"start_side": 0.5, "deterministic": True, "compile": "on", "precision": "float16", "device": "cuda"}
OFF = {"flip": "off", "crop": 0, "warmup": 0, "precision": "float32", "device": "cpu"}
WRITTEN = [
    *({"data": "cifar10", "model": family} for family in FAMILIES),
    *({"data": "digits", "model": family, **EVERYTHING} for family in FAMILIES),
    *({"data": "/pictures", "optimizer": name, **OFF} for name in choices("optimizer")),
    *({"data": "stl10", "schedule": name} for name in choices("schedule")),
    {"data": "mnist", "model": "mobilenet", "weights": "pretrained"},
    {"data": "svhn", "model": "convnext", "weights": "/weights.pth"},
    {"data": "/pictures", "model": "efficientnet-lite0", "train": "all", "ema": 0.9},
    *({"data": data, "images_per_class": 20} for data in ("digits", "cifar10", "/pictures")),
    {"data": "/pictures", "model": "efficientnet-lite0", "train": "all", "head_epochs": 0, "frozen_norm": True, "mixup": 0.2},
    {"data": "/pictures", "model": "efficientnet-lite0", "train": "blocks", "layer_decay": 0.75, "mixup": 0.2, "start_side": 0.5},
]


def test_every_script_defines_all_that_it_uses_once_and_imports_nothing_else(tmp_path):
    for number, chosen in enumerate(WRITTEN):
        config = make_config(**chosen)
        (tmp_path / f"script_{number}.py").write_text(training_script(config, card_of(config)), encoding="utf-8")
    rules = ["--isolated", "--line-length", "130", "--select", "E,F,I,UP,B,SIM", "--ignore", "E501"]
    checked = subprocess.run([sys.executable, "-m", "ruff", "check", *rules, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout[-3000:]
    for path in tmp_path.iterdir():
        defined = Counter(name for node in ast.parse(path.read_text()).body if (name := getattr(node, "name", "")))
        assert len(defined) > 10 and set(defined.values()) == {1}


@pytest.mark.parametrize(("fit", "per_class"), [("crop", 0), ("pad", 5), ("stretch", 0)])
def test_a_folder_s_images_and_splits_are_the_program_s_own(tmp_path, home, fit, per_class):
    folder = write_images(tmp_path / "pictures", count=10, size=(30, 20))
    finish(import_files("mine", folder, ImportOptions(image_size=16, fit=fit), home))
    config = make_config(data="mine", batch_size=8, images_per_class=per_class)
    source = open_source("mine", home)
    card = card_of(config, image_size=16, fit=source.info.fit)
    assert same_splits(executed(config, card), source, config, card, DATA=folder)


@pytest.mark.parametrize("per_class", [0, 20])
def test_the_digits_and_their_splits_are_the_program_s_own(home, per_class):
    config = make_config(data="digits", images_per_class=per_class)
    source = open_source("digits", home)
    card = card_of(config, channels=1, classes=source.info.classes)
    assert same_splits(executed(config, card), source, config, card)


def same_splits(names, source, config, card, **constants):
    """Whether training, validation and test images are, in their order and to the bit, what the program has; augmented shapes fit."""
    names["open_data"].__globals__.update(constants)
    train, validation = split_validation(finish(source.load("train")), config)
    ours = (train, validation, finish(source.load("test")))
    for mine, its in zip(ours, names["open_data"](), strict=True):
        assert len(mine) == len(its)
        assert mine.labels.tolist() == [label for _, label in its]
        pixels = np.stack([np.asarray(image).reshape(mine[0].shape) for image, _ in its])
        assert np.array_equal(pixels, mine.images)
    pixels, label, position = names["Pixels"](its)[1]
    assert (label, position) == (mine.labels[1], 1) and pixels.dtype == torch.uint8
    normalised = names["Normalise"](card.mean, card.std, torch.device("cpu"))(pixels[None])
    wanted = Normalise(card.mean, card.std, torch.device("cpu"))(torch.from_numpy(mine[1:2]).permute(0, 3, 1, 2))
    assert torch.equal(normalised, wanted)
    view, images = names["RandomDraws"](torch.zeros(1, dtype=torch.int64), 0, torch.Generator()), pixels[None]
    for augment in names["AUGMENTATIONS"]:
        images = augment(images, view)
    assert images.shape == wanted.shape
    return True


def test_folders_for_training_validation_and_test_stay_separate(tmp_path, home):
    folder = tmp_path / "parts"
    for number, (part, count) in enumerate((("Train", 5), ("valid", 2), ("testing", 3))):
        write_images(folder / part, count=count, seed=number)
    (folder / "testing" / "red" / "000.jpg").unlink()
    config = make_config(data=str(folder))
    card = card_of(config, image_size=16)
    names = executed(config, card)
    assert [len(part) for part in names["open_data"]()] == [15, 6, 8]


def test_a_folder_that_does_not_exist_ends_the_script_with_a_message(tmp_path):
    config = make_config(data="flowers-that-i-had")
    names = executed(config, card_of(config))
    with pytest.raises(SystemExit) as ended:
        names["open_data"]()
    assert "flowers-that-i-had" in str(ended.value) and is_a_sentence(str(ended.value))


HOSTILE = (
    '"""',
    "'; import os; '",
    "\n# %%\nraise SystemExit",
    "{{title}}",
    "{% include 'script.py.jinja' %}",
    "{# x",
    "a\\",
    "\udcff",
    "é</script>",
)


def test_names_from_outside_are_literals_and_nothing_else(tmp_path):
    config = make_config(data=str(tmp_path / "'\"\n# %%\nraise SystemExit(1)"))
    card = card_of(config, classes=HOSTILE)
    script = training_script(config, card, "0001-x")
    assert executed(config, card)["CLASSES"] == list(HOSTILE)
    assert script.encode().decode() == script and script.count("# %%\n") == training_script(config, card_of(config)).count(
        "# %%\n"
    )
    assert [line for line in script.splitlines() if "raise SystemExit" in line and not line.startswith(("CLASSES", "DATA"))] == [
        line for line in training_script(config, card_of(config)).splitlines() if "    raise SystemExit" in line
    ]
    cells = json.loads(training_notebook(config, card))["cells"]
    assert len(cells) == len(json.loads(training_notebook(config, card_of(config)))["cells"])


@pytest.mark.parametrize("data", [name for name in CATALOG if name != "digits"])
def test_a_catalogue_set_is_opened_as_torchvision_wants_it(data):
    config = make_config(data=data)
    tree = ast.parse(training_script(config, card_of(config, image_size=CATALOG[data].info.image_size)))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("datasets.")]
    parts = []
    for call in calls:
        kind = getattr(datasets, call.func.attr)
        options = {option.arg: ast.literal_eval(option.value) for option in call.keywords}
        inspect.signature(kind).bind("data", **options)
        parts.append(options.get("split", options.get("train")))
        labels = "labels" if "split" in options else "targets"
        assert f"self.{labels}" in "".join(inspect.getsource(base) for base in kind.__mro__[:2])
        assert f"split(train.{labels}," in ast.unparse(tree)
    assert parts in (["train", "test"], [True, False])


def test_a_notebook_contains_the_script_s_code_in_cells(tmp_path):
    config = make_config(data=str(tmp_path), model="resnet20")
    card = card_of(config)
    notebook = json.loads(training_notebook(config, card, "0007-mine"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert ORIGIN.format(run="0007-mine") in "".join(notebook["cells"][0]["source"])
    kinds = [cell["cell_type"] for cell in notebook["cells"]]
    assert kinds == ["markdown", "code"] * 6
    assert len({cell["id"] for cell in notebook["cells"]}) == 12
    assert all(cell["outputs"] == [] for cell in notebook["cells"] if cell["cell_type"] == "code")
    code = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    script = [line for line in training_script(config, card, "0007-mine").splitlines() if not line.startswith("#")]
    others = [line for line in code.splitlines() if line not in script]
    assert len(others) == 2 and others[0].startswith("DATA = Path(") and others[1].startswith("WORKERS = 0")
    names = {"__name__": "notebook"}
    exec(code, names)
    assert names["DATA"] == tmp_path


def test_what_settings_do_not_tell_of_a_run_stands_at_the_beginning(colours_copy: Trained):
    store, run = colours_copy.store, colours_copy.run
    plain = training_file(store, run, "script").decode()
    assert CHANGED not in plain and CONTINUED.partition("{")[0] not in plain
    child = replace(run, parent="0009-mine", config=run.config.model_copy(update={"learning_rate": 0.5}))
    script = training_file(store, child, "script").decode()
    assert f"# - {CHANGED}\n" in script and f"# - {CONTINUED.format(parent='0009-mine')}\n" in script
    assert f"LEARNING_RATE = {run.config.learning_rate}\n" in script, "the settings in force are those of the store"


def test_the_data_of_an_imported_set_is_the_folder_it_came_from(tmp_path, colours_copy: Trained):
    folder, home = write_images(tmp_path / "flowers", count=3), colours_copy.home
    finish(import_files("mine", folder, ImportOptions(), home))
    config = colours_copy.run.config.model_copy(update={"data": "mine"})
    id = colours_copy.store.create(config)
    shutil.copy(colours_copy.folder / CARD, home.run_folder(id) / CARD)
    assert f"else {str(folder)!r})" in training_file(colours_copy.store, colours_copy.store.run(id), "script").decode()
    shutil.rmtree(folder)
    assert "else 'mine')" in training_file(colours_copy.store, colours_copy.store.run(id), "script").decode()
