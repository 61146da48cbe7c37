"""The Configure page: every setting has label, range and help, every error names its setting, and one press of Start makes one run."""

import re
import subprocess
import sys
from typing import get_args

import pytest
import torch

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import GROUPS, TrainConfig, format_range, label, metadata, title
from cnn_core.data.catalog import CATALOG
from cnn_core.models.registry import FAMILIES
from pages.shared.data_and_model import FOLDER_TITLE, GREY
from tests.helpers import is_a_sentence
from tests.pages.form import FIELDS, ONLY_WITH, facts_of, field, fill, parameters, press_start, shown, widgets_of
from tests.pages.studio_harness import ROOT

FORM_FIELDS = [name for name in FIELDS if name not in ("data", "model")]
OUT_OF_RANGE = {
    "epochs": (0, 1001),
    "batch_size": (0, 100_000),
    "learning_rate": (0.0, 11.0),
    "weight_decay": (-0.1, 2.0),
    "depth": (0, 7),
    "width": (0.1, 5.0),
    "warmup": (0.6,),
    "crop": (-0.1, 0.6),
    "rotation": (181.0,),
    "dropout": (2.0, -0.1),
    "ema": (1.0,),
    "patience": (-1,),
    "validation_share": (0.9, 0.0),
    "seed": (-1, 2**31),
}


def assert_described(widget, name):
    """Label, unit, range and help are the setting's own."""
    about = FIELDS[name]
    assert widget.help.startswith(about.description) and f"(learn?view=Glossary&term={name})" in widget.help
    assert widget.label == label(name)
    if choices := get_args(about.annotation):
        assert tuple(widget.options) == choices
    else:
        assert format_range(name) in widget.help


def test_every_setting_with_an_effect_is_in_the_tab_of_its_group_with_its_unit_its_range_and_its_help(empty, open_page):
    at = open_page("configure")
    assert [tab.label for tab in at.tabs] == list(GROUPS)
    for name in FORM_FIELDS:
        if name in ONLY_WITH:
            assert not widgets_of(at, name)
            continue
        assert_described(field(at, name), name)
        (tab,) = [tab for tab in at.tabs if tab.label == metadata(name).group]
        assert widgets_of(tab, name)
    assert len(at.tabs[0].children) and not at.exception


@pytest.mark.parametrize("name", ONLY_WITH)
def test_a_setting_without_effect_appears_once_it_has_one(empty, open_page, name):
    at = fill(open_page("configure"), **ONLY_WITH[name])
    assert_described(field(at, name), name)
    assert not at.exception


def test_a_model_shows_only_the_settings_that_it_has(empty, open_page):
    at = open_page("configure")
    for family, seen, unseen in (
        ("resnet20", ("width", "activation", "dropout"), ("depth", "batch_norm", "weights")),
        ("efficientnet", ("dropout", "weights"), ("width", "depth", "activation", "batch_norm")),
    ):
        fill(at, model=family)
        assert all(widgets_of(at, name) for name in seen) and not any(widgets_of(at, name) for name in unseen)


def test_data_and_model_are_chosen_above_the_form_and_described(empty, open_page):
    at = open_page("configure")
    for name in ("data", "model"):
        assert field(at, name).label == label(name)
    captions = [caption.value for caption in at.caption]
    assert CATALOG["digits"].help in captions and FAMILIES["simple"].help in captions
    assert facts_of(train=1438, test=359, classes=10, side=32, colour=GREY) in captions
    assert field(at, "data").options == [*(entry.title for entry in CATALOG.values()), FOLDER_TITLE]
    assert field(at, "model").options == [family.title for family in FAMILIES.values()]


@pytest.mark.parametrize("data, channels", [("digits", 1), ("cifar10", 3)])
def test_the_number_of_parameters_is_that_of_the_model_and_follows_the_fields(empty, open_page, data, channels):
    at = fill(open_page("configure"), data=data)
    assert shown(at)["Parameters"] == f"{parameters('simple', channels=channels):,}"
    fill(at, width=2.0, batch_norm=True)
    assert shown(at)["Parameters"] == f"{parameters('simple', channels=channels, width=2.0, batch_norm=True):,}"
    fill(at, model="resnet20")
    assert shown(at)["Parameters"] == f"{parameters('resnet20', channels=channels, width=2.0):,}"


def test_multiply_adds_are_those_counted_by_hand_and_memory_grows_with_the_batch(empty, open_page):
    at = fill(open_page("configure"), depth=1)
    # 9 weights in each of 32 channels at 32×32 places, then three linear layers.
    assert 9 * 32 * 32 * 32 + (32 * 16 * 16) * 192 + 192 * 96 + 96 * 10 == 1_887_168
    small = shown(at)
    assert small["Multiply-adds"] == "1.9 M"
    fill(at, batch_size=512)
    large = shown(at)
    assert large["Multiply-adds"] == small["Multiply-adds"]
    assert int(large["Memory"].removesuffix(" MB")) > 2 * int(small["Memory"].removesuffix(" MB"))


def test_each_data_set_has_its_own_defaults(empty, open_page):
    at = open_page("configure")
    assert (field(at, "flip").value, field(at, "validation_share").value) == ("off", 0.15)
    fill(at, data="cifar10")
    assert (field(at, "flip").value, field(at, "validation_share").value) == ("random", 0.1)
    assert field(at, "epochs").value == FIELDS["epochs"].default
    fill(at, data="digits")
    assert (field(at, "flip").value, field(at, "validation_share").value) == ("off", 0.15)


def test_what_was_typed_survives_a_change_of_model_and_of_data(empty, open_page):
    at = fill(open_page("configure"), epochs=7, learning_rate=0.002, batch_norm=True, schedule="step", drop_at="0.4")
    typed = {"epochs": 7, "learning_rate": 0.002, "schedule": "step", "drop_at": "0.4"}
    for other in ({"model": "mobilenet"}, {"data": "cifar10"}, {"model": "speed"}):
        fill(at, **other)
        assert {name: field(at, name).value for name in typed} == typed, other
    assert field(at, "batch_size").value == make_config(model="speed").batch_size, "what was not typed follows the model"
    fill(at, model="simple")
    assert field(at, "batch_norm").value is True, "also what the models between do not have"
    assert field(at, "optimizer").value == make_config().optimizer


def test_a_value_that_was_set_to_the_default_again_follows_the_next_data_set(empty, open_page):
    at = fill(open_page("configure"), epochs=7)
    fill(at, epochs=CATALOG["digits"].defaults["epochs"])
    fill(at, data="cifar10")
    assert field(at, "epochs").value == FIELDS["epochs"].default


def test_a_choice_of_another_optimizer_shows_its_own_learning_rate(empty, open_page):
    at = fill(open_page("configure"), learning_rate=0.002, epochs=7, optimizer="sgd")
    assert field(at, "learning_rate").value == make_config(optimizer="sgd").learning_rate and field(at, "epochs").value == 7


def test_each_optimizer_and_each_network_has_its_own_defaults(empty, open_page):
    at = open_page("configure")
    for optimizer in ("adam", "sgd", "rmsprop", "muon", "adamw"):
        fill(at, optimizer=optimizer)
        expected = make_config(optimizer=optimizer)
        assert field(at, "learning_rate").value == expected.learning_rate
        assert field(at, "weight_decay").value == expected.weight_decay
    fill(at, model="mobilenet")
    assert field(at, "dropout").value == make_config(model="mobilenet").dropout
    assert field(at, "weights").value == "scratch"


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_a_setting_out_of_range_is_refused_by_its_name_and_nothing_starts(empty, open_page, name):
    at = open_page("configure")
    for value in OUT_OF_RANGE[name]:
        fill(at, **{name: value})
        (error,) = at.error
        assert error.value.startswith(f"{FIELDS[name].title} "), "it is said before Start is pressed"
        press_start(at)
        (error,) = at.error
        assert f"{FIELDS[name].title} " in error.value
        assert format_range(name) in error.value
        assert field(at, name).value == value, "the refused value is left to be corrected"
        assert empty.runs() == []
        assert not at.exception


@pytest.mark.parametrize(
    "chosen, named",
    [
        ({"schedule": "linear", "knots": "0:1, 0.5:2"}, [title("knots"), "0:1, 0.5:2"]),
        ({"schedule": "step", "drop_at": "0.9, 0.1"}, [title("drop_at"), "0.9, 0.1"]),
        ({"schedule": "plateau", "cutmix": 1.0}, [title("cutmix"), "plateau"]),
        ({"device": "cpu", "precision": "float16"}, [title("precision"), "float16"]),
        ({"depth": 6}, ["6", "64×64", "32×32", "5"]),
        ({"batch_size": 1400}, [title("batch_size"), "1,400"]),
    ],
)
def test_settings_that_are_impossible_together_or_with_these_images_are_refused_and_nothing_starts(
    empty, open_page, chosen, named
):
    at = press_start(fill(open_page("configure"), **chosen))
    (error,) = at.error
    assert all(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", error.value) for name in named) and is_a_sentence(error.value)
    assert empty.runs() == []
    assert not at.exception


def test_a_device_that_is_not_there_is_refused_with_a_message_and_nothing_starts(empty, open_page):
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    at = press_start(fill(open_page("configure"), device=missing))
    (error,) = at.error
    assert missing in error.value and is_a_sentence(error.value)
    assert empty.runs() == []


def another_number(name):
    """A value of a setting that is not its default, between its limits."""
    limits = TrainConfig.model_json_schema()["properties"][name]
    value = (limits["minimum"] + limits["maximum"]) / 2
    assert value != FIELDS[name].default
    return value


# With SimpleCNN, the fit “pad”, Muon and the schedule “linear”.
WITHOUT_EFFECT = {
    "crop_share",
    "timm_name",
    "weights",
    "train",
    "trained_blocks",
    "head_epochs",
    "fine_tuning_rate",
    "layer_decay",
    "frozen_norm",
    "start_side",
    "drop_at",
    "drop_factor",
    "plateau_patience",
}


def test_start_queues_exactly_one_run_with_the_chosen_settings_and_shows_it(empty, open_page):
    chosen = {"size": 32, "fit": "pad", "interpolation": "bilinear", "optimizer": "muon"} | {
        "schedule": "linear",
        "epochs": 3,
        "batch_size": 128,
        "learning_rate": 0.02,
        "momentum": 0.8,
        "nesterov": False,
        "adam_rate": 0.2,
        "weight_decay": 0.001,
        "decay_all": True,
        "width": 0.5,
        "depth": 2,
        "activation": "gelu",
        "batch_norm": True,
        "warmup": 0.1,
        "knots": "0:0.5, 1:1",
        "crop": 0.1,
        "crop_fill": "reflect",
        "flip": "alternating",
        "cutout": 0.25,
        "brightness": 0.1,
        "contrast": 0.2,
        "rotation": 10.0,
        "scale": 0.15,
        "shear": 5.0,
        "resized_crop": 0.5,
        "colour_jitter": 0.4,
        "trivial_augment": True,
        "mixup": 0.2,
        "cutmix": 1.0,
        "dropout": 0.5,
        "label_smoothing": 0.1,
        "clip_norm": 1.0,
        "ema": 0.9,
        "mirror": True,
        "patience": 2,
        "validation_share": 0.2,
        "seed": 42,
        "device": "cpu",
        "precision": "float32",
        "channels_last": "on",
        "compile": "off",
        "deterministic": True,
    }
    chosen |= {name: another_number(name) for name in FORM_FIELDS if name not in chosen and name not in WITHOUT_EFFECT}
    at = fill(open_page("configure"), **{name: chosen[name] for name in ("optimizer", "schedule", "flip", "weight_decay")})
    for name, value in chosen.items():
        field(at, name).set_value(value)
    press_start(at)
    (run,) = empty.runs()
    assert run.status == "queued" and not at.exception
    assert run.config == TrainConfig(data="digits", model="simple", **chosen)
    assert (at.title[0].value, dict(at.query_params)) == ("Train", {"run": run.id})


def test_showing_the_form_again_starts_no_second_run(empty, open_page):
    at = press_start(open_page("configure"))
    at.run()
    assert len(empty.runs()) == 1


def test_a_run_with_unchanged_settings_equals_one_from_the_command_line(empty, open_page):
    press_start(open_page("configure"))
    (run,) = empty.runs()
    assert run.config == make_config()


def test_the_page_is_shown_before_torch_is_loaded(tmp_path):
    script = "import sys, pages.views.configure.costs, pages.shared.forms, pages.views.configure.settings_files, pages.views.configure.previews; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 0
