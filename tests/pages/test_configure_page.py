"""The configure page: every setting explained, every mistake refused by name, and exactly one run for one press of Start."""

from typing import get_args

import pytest
import torch
from PIL import Image

from cnn_core.config import TrainConfig, range_in_words
from cnn_core.data.catalog import CATALOG
from cnn_core.models.registry import FAMILIES, build_model

FIELDS = TrainConfig.model_fields
FORM_FIELDS = [name for name in FIELDS if name not in ("data", "model")]
OUT_OF_RANGE = {
    "epochs": (0, -3, 1001),
    "batch_size": (0, 100_000),
    "learning_rate": (0.0, -1.0, 11.0),
    "dropout": (2.0, -0.1),
    "validation_share": (0.9, 0.0),
    "seed": (-1, 2**31),
}


def field(at, name):
    """The widget of setting `name`: the one whose label starts with the setting's title."""
    title = FIELDS[name].title
    found = [widget for widget in [*at.number_input, *at.selectbox, *at.toggle] if widget.label.startswith(f"{title} ")]
    assert len(found) == 1, f"{len(found)} widgets are labelled {title}"
    return found[0]


def press_start(at):
    (start,) = [button for button in at.button if button.label == "Start training"]
    return start.click().run()


def choose_folder(open_page, path):
    at = open_page("configure")
    field(at, "data").set_value("folder").run()
    return at.text_input[0].set_value(str(path)).run()


def make_folder(root, *classes, images=10):
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(images):
            Image.new("RGB", (16, 16), (20 * number, 40, 90)).save(root / name / f"{number}.png")
    return root


def test_every_setting_is_in_the_form_with_its_unit_its_range_and_its_help(empty, open_page):
    at = open_page("configure")
    for name in FORM_FIELDS:
        widget, about = field(at, name), FIELDS[name]
        assert about.json_schema_extra["unit"] in widget.label
        assert widget.help == about.description
        if choices := get_args(about.annotation):
            assert tuple(widget.options) == choices
        elif about.annotation is not bool:
            assert range_in_words(name) in widget.label


def test_data_and_model_are_chosen_above_the_form_with_a_sentence_about_each(empty, open_page):
    at = open_page("configure")
    assert not at.exception
    for name in ("data", "model"):
        assert FIELDS[name].json_schema_extra["unit"] in field(at, name).label
    captions = [caption.value for caption in at.caption]
    assert CATALOG["digits"].help in captions and FAMILIES["simple"].help in captions
    assert field(at, "data").options == [*(entry.title for entry in CATALOG.values()), "A folder of images on this machine"]


@pytest.mark.parametrize("data, channels", [("digits", 1), ("cifar10", 3)])
def test_the_number_of_parameters_shown_is_the_models_own(empty, open_page, data, channels):
    at = open_page("configure")
    field(at, "data").set_value(data).run()
    model = build_model("simple", channels=channels, image_size=32, classes=10, dropout=0.5)
    shown = {metric.label: metric.value for metric in at.metric}
    assert shown["Parameters"] == f"{sum(p.numel() for p in model.parameters()):,}"
    assert shown["Classes"] == "10"
    assert shown["Seen as"] == ("32×32 grey" if data == "digits" else "32×32 colour")


def test_each_data_set_brings_its_own_defaults_and_keeps_none_of_what_was_changed_for_another(empty, open_page):
    at = open_page("configure")
    assert (field(at, "flip").value, field(at, "validation_share").value) == (False, 0.15)
    field(at, "epochs").set_value(7)
    field(at, "data").set_value("cifar10").run()
    assert (field(at, "flip").value, field(at, "validation_share").value) == (True, 0.1)
    assert field(at, "epochs").value == FIELDS["epochs"].default
    field(at, "data").set_value("digits").run()
    assert (field(at, "flip").value, field(at, "validation_share").value) == (False, 0.15)


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_a_setting_out_of_range_is_refused_by_its_name_and_nothing_starts(empty, open_page, name):
    at = open_page("configure")
    for value in OUT_OF_RANGE[name]:
        field(at, name).set_value(value)
        press_start(at)
        (error,) = at.error
        assert error.value.startswith(f"Nothing was started. {FIELDS[name].title} ")
        assert range_in_words(name) in error.value
        assert field(at, name).value == value, "the refused value is left to be corrected"
        assert empty.runs() == []
        assert not at.exception


def test_a_batch_larger_than_the_images_left_for_training_is_refused_before_anything_starts(empty, open_page):
    at = open_page("configure")  # 1,438 images, of which 15 % are kept for validation
    field(at, "batch_size").set_value(1400)
    press_start(at)
    (error,) = at.error
    assert error.value.startswith("Nothing was started. Batch size ")
    assert empty.runs() == []


def test_a_device_that_is_not_there_is_refused_in_words_and_nothing_starts(empty, open_page):
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    at = open_page("configure")
    field(at, "device").set_value(missing)
    press_start(at)
    (error,) = at.error
    assert error.value.startswith(f"Nothing was started. Device “{missing}” is not available")
    assert empty.runs() == []


def test_start_queues_exactly_one_run_with_the_chosen_settings_and_shows_it(empty, open_page):
    chosen = {
        "epochs": 3,
        "batch_size": 128,
        "learning_rate": 0.02,
        "schedule": "constant",
        "optimizer": "sgd",
        "dropout": 0.5,
        "crop": False,
        "flip": True,
        "validation_share": 0.2,
        "seed": 42,
        "device": "cpu",
    }
    assert set(chosen) == set(FORM_FIELDS)
    at = open_page("configure")
    for name, value in chosen.items():
        field(at, name).set_value(value)
    press_start(at)
    (run,) = empty.runs()
    assert run.status == "queued"
    assert run.config == TrainConfig(data="digits", model="simple", **chosen)
    assert (at.title[0].value, dict(at.query_params)) == ("Train", {"run": run.id})
    assert not at.exception


def test_looking_at_the_form_again_starts_no_second_run(empty, open_page):
    at = open_page("configure")
    press_start(at)
    at.run()
    assert len(empty.runs()) == 1


def test_a_folder_is_asked_for_before_anything_can_start(empty, open_page):
    at = open_page("configure")
    field(at, "data").set_value("folder").run()
    assert "one sub-folder of images per class" in at.info[0].value
    assert [button.label for button in at.button] == []
    assert not at.exception


def test_a_folder_that_is_not_there_is_a_sentence_and_offers_no_start(empty, open_page):
    at = choose_folder(open_page, "/nowhere/at/all")
    for typed in ("/nowhere/at/all", "x" * 5000, "~nobody-of-that-name/pictures", "http://192.0.2.1/pictures", "with\0zero"):
        at.text_input[0].set_value(typed).run()
        (error,) = at.error
        assert "Check the spelling" in error.value
        assert not at.button and not at.exception


def test_an_empty_folder_a_single_class_and_a_class_without_images_are_sentences(empty, open_page, tmp_path):
    (tmp_path / "nothing").mkdir()
    make_folder(tmp_path / "lonely", "cats")
    make_folder(tmp_path / "gap", "cats")
    (tmp_path / "gap" / "dogs").mkdir()
    for name, said in (("nothing", "no class folders"), ("lonely", "only one class folder"), ("gap", "holds no images")):
        at = choose_folder(open_page, tmp_path / name)
        (error,) = at.error
        assert said in error.value
        assert not at.button and not at.exception


def test_a_folder_of_images_shows_its_facts_and_trains_under_its_full_path(empty, open_page, tmp_path):
    folder = make_folder(tmp_path / "pets", "cats", "dogs", "mice")
    at = choose_folder(open_page, folder)
    shown = {metric.label: metric.value for metric in at.metric}
    assert (shown["Images"], shown["Classes"], shown["Seen as"]) == ("24", "3", "16×16 colour")
    field(at, "batch_size").set_value(4)
    press_start(at)
    (run,) = empty.runs()
    assert run.config.data == str(folder)
    assert run.id == "0001-pets"
    assert not at.exception
