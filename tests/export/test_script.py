"""A run's training script: it runs alone, its network is the studio's own, and so are its images, its optimizer and its schedule."""

import ast
import inspect
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision import datasets

from cnn_core.config.defaults import make_config
from cnn_core.data.batches import Normalise
from cnn_core.data.catalog import CATALOG
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.export.notebook import training_notebook
from cnn_core.export.script import training_script
from cnn_core.export.training_file import training_file
from cnn_core.home import CARD
from cnn_core.models.registry import FAMILIES
from cnn_core.models.saving import ModelCard
from cnn_core.training.optimizer import make_optimizer
from cnn_core.training.recipe import split_validation
from cnn_core.training.schedule import make_schedule, make_side
from tests.conftest import Trained
from tests.helpers import write_pictures

COLOURS = ("blue", "green", "red")


def card_of(config, *, channels=3, image_size=32, classes=COLOURS, fit="crop"):
    options = {name: value for name, value in config.model_options.items() if name != "weights"}
    return ModelCard(
        model=config.model,
        options=options,
        classes=classes,
        channels=channels,
        image_size=image_size,
        mean=(0.4,) * channels,
        std=(0.2,) * channels,
        fit=fit,
        mirror=config.mirror,
        fingerprint="",
    )


def executed(config, card):
    """What the script defines, without its training."""
    names, given = {"__name__": "script"}, sys.argv
    sys.argv = ["script.py"]
    try:
        exec(compile(training_script(config, card, "0001-x"), "script.py", "exec"), names)
    finally:
        sys.argv = given
    return names


NETWORKS = [
    ({"model": "simple"}, {}),
    ({"model": "simple", "depth": 1, "width": 0.5, "activation": "gelu", "batch_norm": True, "dropout": 0.0}, {"channels": 1}),
    ({"model": "simple", "depth": 5, "width": 2, "activation": "leaky_relu"}, {"image_size": 48}),
    ({"model": "speed"}, {}),
    ({"model": "speed", "width": 0.5, "activation": "silu", "mirror": True}, {"channels": 1, "image_size": 17}),
    ({"model": "resnet9", "width": 0.25}, {}),
    ({"model": "resnet18", "width": 0.25, "activation": "silu"}, {}),
    ({"model": "resnet20", "mirror": True}, {"channels": 1}),
    ({"model": "resnet32", "width": 0.5}, {}),
    ({"model": "resnet56", "width": 0.5}, {"image_size": 15}),
    ({"model": "mobilenet"}, {}),
    ({"model": "mobilenet"}, {"image_size": 96, "channels": 1}),
    ({"model": "efficientnet"}, {}),
    ({"model": "efficientnet"}, {"image_size": 80}),
    ({"model": "convnext", "dropout": 0.3}, {}),
]


@pytest.mark.parametrize(("chosen", "shape"), NETWORKS, ids=lambda value: "-".join(map(str, value.values())))
def test_the_network_written_out_gives_the_logits_of_the_studios_own(chosen, shape):
    config = make_config(**chosen)
    card = card_of(config, **shape)
    own = card.build().eval()
    names = executed(config, card)
    written = names["build_model"]()
    written.load_state_dict(own.state_dict())
    images = torch.randn(3, card.channels, card.image_size, card.image_size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(names["predict"](written.eval(), images), own(images), atol=1e-6)
    assert [type(layer).__name__ for layer in written.modules() if isinstance(layer, torch.nn.Dropout)] == [
        type(layer).__name__ for layer in own.modules() if isinstance(layer, torch.nn.Dropout)
    ]
    assert [layer.p for layer in written.modules() if isinstance(layer, torch.nn.Dropout)] == [
        layer.p for layer in own.modules() if isinstance(layer, torch.nn.Dropout)
    ]
    assert {name for name, p in written.named_parameters() if p.requires_grad} == {
        name for name, p in own.named_parameters() if p.requires_grad
    }


def test_every_family_has_been_written_out():
    assert {chosen["model"] for chosen, _ in NETWORKS} == set(FAMILIES)


RUNS = {
    "simple": {"batch_norm": True, "mixup": 0.2, "cutmix": 1, "clip_norm": 1, "ema": 0.9, "patience": 1, "weight_decay": 0.01},
    "speed": {"width": 0.25, "start_side": 0.7, "mirror": True, "cutout": 0.2},
    "resnet9": {"width": 0.25, "optimizer": "muon", "clip_norm": 2, "deterministic": True},
    "resnet20": {"width": 0.5, "optimizer": "sgd", "schedule": "plateau", "label_smoothing": 0.1, "patience": 9},
    "resnet18": {"width": 0.25, "optimizer": "adamw", "precision": "bfloat16", "schedule": "onecycle"},
    "mobilenet": {"optimizer": "rmsprop", "rotation": 9, "scale": 0.1, "shear": 5, "brightness": 0.1, "contrast": 0.2},
}
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


def test_scripts_train_alone_and_what_they_save_is_a_network_of_the_studios(tmp_path):
    """One process for all of them: loading torch takes most of the time. -I leaves out the checkout and the environment."""
    pictures = write_pictures(tmp_path / "pictures", count=8, size=(20, 16))
    cards = {}
    for name, chosen in RUNS.items():
        config = make_config(data="pictures", model=name, **{"epochs": 1, "batch_size": 6, "device": "cpu", **chosen})
        cards[name] = card_of(config, image_size=16)
        (tmp_path / f"{name}.py").write_text(training_script(config, cards[name], "0001-x"), encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CNN_STUDIO_HOME")}
    done = subprocess.run(
        [sys.executable, "-I", "-c", DRIVER, str(pictures), *RUNS], cwd=tmp_path, env=clean, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("test accuracy") == len(RUNS) and done.stdout.endswith("alone\n")
    assert done.stdout.count("15 training, 3 validation, 6 test images") == len(RUNS)
    for name, card in cards.items():
        state = torch.load(tmp_path / name / "best_model.pth", weights_only=True)
        card.build().load_state_dict(state)
        assert (tmp_path / name / "training_curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop", "muon"])
@pytest.mark.parametrize("decay_all", [False, True])
def test_the_optimizer_moves_weights_as_the_studios_own(optimizer, decay_all, monkeypatch):
    monkeypatch.setattr("cnn_core.training.optimizer.multiplies_bfloat16", lambda device: False)
    config = make_config(model="simple", depth=2, optimizer=optimizer, decay_all=decay_all, weight_decay=0.1, batch_norm=True)
    card = card_of(config, image_size=8)
    names = executed(config, card)
    own, written = card.build(), names["build_model"]()
    written.load_state_dict(own.state_dict())
    theirs = names["make_optimizers"](written) if optimizer == "muon" else [names["make_optimizer"](written)]
    ours = make_optimizer(config, own)
    ours.set_rate(config.learning_rate)
    images, labels = torch.randn(12, 3, 8, 8), torch.arange(12) % 3
    for _ in range(3):
        for model, parts in ((own.eval(), [ours]), (written.eval(), theirs)):
            for part in parts:
                part.zero_grad()
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            for part in parts:
                part.step()
    for mine, its in zip(own.parameters(), written.parameters(), strict=True):
        assert torch.allclose(mine, its, atol=1e-5)


SCHEDULES = [
    {"schedule": "constant"},
    {"schedule": "cosine", "warmup": 0},
    {"schedule": "step", "drop_at": "0.3, 0.6", "drop_factor": 0.2},
    {"schedule": "onecycle", "warmup": 0},
    {"schedule": "linear", "knots": "0:0.1, 0.3:1, 1:0"},
    {"schedule": "plateau", "plateau_patience": 1},
]


@pytest.mark.parametrize("chosen", SCHEDULES, ids=lambda chosen: chosen["schedule"])
def test_the_learning_rate_follows_the_studios_schedule_in_every_step(chosen):
    config = make_config(model="resnet20", epochs=7, learning_rate=0.5, start_side=0.5, **chosen)
    names, card = executed(config, card_of(config)), card_of(config)
    schedule, side, steps = make_schedule(config, 9), make_side(config, 9, card.image_size), 7 * 9
    share = names["rate_with_warmup"] if config.warmup else names["rate"]
    for step in range(steps):
        assert 0.5 * share(step, steps) == pytest.approx(schedule(step), abs=1e-12)
        assert names["side"](step, steps) == side(step)
        if step % 9 == 8:  # the loss stays where it is after the second epoch
            schedule.observe(max(1.0, 2 - step / 9))
            if "plateau" in names:
                names["plateau"].observe(max(1.0, 2 - step / 9))


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_folders_images_and_their_parts_are_the_studios_own(tmp_path, home, fit):
    folder = write_pictures(tmp_path / "pictures", count=10, size=(30, 20))
    finish(import_files("mine", folder, ImportOptions(image_size=16, fit=fit), home))
    config = make_config(data="mine", batch_size=8)
    source = open_source("mine", home)
    card = card_of(config, image_size=16, fit=source.info.fit)
    assert same_parts(executed(config, card), source, config, card, DATA=folder)


def test_the_digits_and_their_parts_are_the_studios_own(home):
    config = make_config(data="digits")
    source = open_source("digits", home)
    card = card_of(config, channels=1, classes=source.info.classes)
    assert same_parts(executed(config, card), source, config, card)


def same_parts(names, source, config, card, **constants):
    """Whether training, validation and test images are, in their order and to the bit, what the studio has; plain and augmented shapes fit."""
    names["open_data"].__globals__.update(constants)
    train, validation = split_validation(finish(source.load("train")), config)
    ours = (train, validation, finish(source.load("test")))
    for mine, its in zip(ours, names["open_data"](), strict=True):
        assert len(mine) == len(its)
        assert mine.labels.tolist() == [label for _, label in its]
        pixels = np.stack([np.asarray(picture).reshape(mine[0].shape) for picture, _ in its])
        assert np.array_equal(pixels, mine.images)
    shown = names["Shown"](its, names["plain"])[0][0]
    wanted = Normalise(card.mean, card.std, torch.device("cpu"))(torch.from_numpy(mine[:1]).permute(0, 3, 1, 2))[0]
    assert torch.allclose(shown, wanted, atol=1e-5)
    assert names["Shown"](its, names["augmented"])[0][0].shape == shown.shape
    return True


def test_folders_for_training_validation_and_testing_are_kept_as_they_are(tmp_path, home):
    folder = tmp_path / "parts"
    for number, (part, count) in enumerate((("Train", 5), ("valid", 2), ("testing", 3))):
        write_pictures(folder / part, count=count, seed=number)
    (folder / "testing" / "red" / "000.jpg").unlink()
    config = make_config(data=str(folder))
    card = card_of(config, image_size=16)
    names = executed(config, card)
    assert [len(part) for part in names["open_data"]()] == [15, 6, 8]


def test_a_folder_that_is_not_there_is_told_in_a_sentence(tmp_path):
    config = make_config(data="flowers-that-i-had")
    names = executed(config, card_of(config))
    with pytest.raises(SystemExit, match="There is no folder .*flowers-that-i-had. Set DATA to a folder"):
        names["open_data"]()


def test_augmentations_change_values_as_far_as_they_are_asked_to():
    config = make_config(data="cifar10", brightness=0.2, contrast=0.5, cutout=0.5, crop=0, flip="off")
    names = executed(config, card_of(config, image_size=16))
    torch.manual_seed(0)
    image = torch.rand(3, 16, 16) * 0.4 + 0.3
    added = [(names["Brightness"](0.2)(image) - image).unique().mean().item() for _ in range(50)]
    assert max(map(abs, added)) <= 0.2 + 1e-6 and max(added) > 0.15 and min(added) < -0.15
    stretched = [(names["Contrast"](0.5)(image).std() / image.std()).item() for _ in range(50)]
    assert 0.5 <= min(stretched) < 0.6 and 1.4 < max(stretched) <= 1.5 + 1e-6
    covered = [(names["Cutout"](8)(image) == 0).all(0).sum().item() for _ in range(50)]
    assert max(covered) == 64 and min(covered) >= 16


def test_alternating_flips_show_every_image_both_ways_in_two_epochs():
    config = make_config(data="cifar10", flip="alternating")
    names = executed(config, card_of(config))
    pictures = [(torch.arange(8.0).expand(3, 4, 8).clone(), 0) for _ in range(40)]
    shown = names["ShownAlternating"](pictures, lambda picture: picture)
    mirrored = []
    for shown.epoch in (0, 1, 2):
        mirrored.append([bool(shown[index][0][0, 0, 0] == 7) for index in range(40)])
    assert 5 < sum(mirrored[0]) < 35
    assert mirrored[1] == [not is_mirrored for is_mirrored in mirrored[0]] and mirrored[2] == mirrored[0]


def test_the_whitening_is_computed_as_the_studios_own():
    config = make_config(model="speed", data="cifar10")
    card = card_of(config)
    own, written = card.build(), executed(config, card)["build_model"]()
    images = torch.randn(40, 3, 32, 32)
    own.prepare(images)
    written.whitening.prepare(images)
    products = [layer.weight.flatten(1) @ layer.weight.flatten(1).T for layer in (own.whitening, written.whitening)]
    assert torch.allclose(*products, atol=1e-4)


def test_starting_weights_from_a_file_are_taken_over_but_for_the_last_layer(tmp_path):
    teacher = card_of(make_config(model="mobilenet"), classes=("a", "b", "c", "d")).build()
    torch.save(teacher.state_dict(), tmp_path / "weights.pth")
    config = make_config(model="mobilenet", weights=str(tmp_path / "weights.pth"), data="cifar10")
    names = executed(config, card_of(config, channels=1))
    model = names["build_model"]()
    names["start_from_weights"](model)
    state, given = model.state_dict(), teacher.state_dict()
    assert torch.equal(state["features.5.block.0.0.weight"], given["features.5.block.0.0.weight"])
    assert torch.equal(state["features.0.0.weight"], given["features.0.0.weight"].sum(1, keepdim=True))
    assert state["classifier.3.weight"].shape == (3, 1024)


HOSTILE = (
    '"""',
    "'; import os; '",
    "\n# %%\nraise SystemExit",
    "{{title}}",
    "x  #if muon",
    "#end",
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
    cells = json.loads(training_notebook(config, card))["cells"]
    assert len(cells) == len(json.loads(training_notebook(config, card_of(config)))["cells"])


@pytest.mark.parametrize("data", [name for name in CATALOG if name != "digits"])
def test_a_catalogue_set_is_opened_as_torchvision_wants_it(data):
    config = make_config(data=data)
    tree = ast.parse(training_script(config, card_of(config)))
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


def test_the_notebook_holds_the_scripts_own_code_in_cells(tmp_path):
    config = make_config(data=str(tmp_path), model="resnet20")
    card = card_of(config)
    notebook = json.loads(training_notebook(config, card, "0007-mine"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert "Generated from run 0007-mine of CNN Studio." in "".join(notebook["cells"][0]["source"])
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


def test_what_settings_do_not_tell_of_a_run_is_told_at_the_beginning(colours_copy: Trained):
    store, run = colours_copy.store, colours_copy.run
    plain = training_file(store, run, "script").decode()
    assert "changed while" not in plain and "begins anew" not in plain
    child = replace(run, parent="0009-mine", config=run.config.model_copy(update={"learning_rate": 0.5}))
    told = training_file(store, child, "script").decode()
    assert "# - Settings that were changed while the run trained hold from the beginning here.\n" in told
    assert "# - The run went on from the state of run 0009-mine; here training begins anew.\n" in told
    assert f"LEARNING_RATE = {run.config.learning_rate}\n" in told, "the settings in force are those of the store"


def test_an_imported_set_is_looked_for_where_it_came_from(tmp_path, colours_copy: Trained):
    folder, home = write_pictures(tmp_path / "flowers", count=3), colours_copy.home
    finish(import_files("mine", folder, ImportOptions(), home))
    config = colours_copy.run.config.model_copy(update={"data": "mine"})
    id = colours_copy.store.create(config)
    shutil.copy(colours_copy.folder / CARD, home.run_folder(id) / CARD)
    assert f"else {str(folder)!r})" in training_file(colours_copy.store, colours_copy.store.run(id), "script").decode()
    shutil.rmtree(folder)
    assert "else 'mine')" in training_file(colours_copy.store, colours_copy.store.run(id), "script").decode()
