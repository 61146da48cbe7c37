"""Previews on the Configure page: schedule, learning-rate finder, first batch, costs of the models; and settings from a file."""

import base64
import json

import numpy as np
import pytest
import torch

from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.models.registry import FAMILIES
from cnn_core.training import learning_rate_finder
from cnn_core.training.recipe import make_trainer
from cnn_core.training.schedule import make_schedule
from pages.views.configure.costs import MEASURE, SIDE, TOO_SMALL
from pages.views.configure.previews import FIND, PLATEAU_NOTE, SHOW_BATCH, UNCERTAIN_RATE
from pages.views.configure.settings_files import UNCHANGED
from tests.helpers import is_a_sentence, write_images
from tests.pages.form import (
    FIELDS,
    choose_folder,
    field,
    fill,
    make_folder,
    parameters,
    press,
    press_start,
    shown,
    widgets_of,
)
from tests.pages.test_page_images import Parsed, pixels_of

STEPS = -(-1222 // 64)  # of an epoch: 1,438 digits without 15%, in batches of 64


def numbers(values):
    """A trace's x or y, which Plotly may have packed."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return np.array(values)


def charts(at):
    """All charts' traces, by the title of the x axis."""
    specs = [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]
    return {spec["layout"]["xaxis"]["title"]["text"]: spec["data"] for spec in specs}


def upload(at, content, name="settings.json"):
    (box,) = at.get("file_uploader")
    box.upload(name, content if isinstance(content, bytes) else json.dumps(content).encode(), "application/json")
    return at.run()


@pytest.mark.parametrize(
    "chosen",
    [
        {"schedule": "cosine", "warmup": 0.2},
        {"schedule": "constant", "epochs": 3},
        {"schedule": "step", "drop_at": "0.25, 0.5", "drop_factor": 0.5},
        {"schedule": "onecycle", "batch_size": 16},
        {"schedule": "linear", "knots": "0:0.2, 0.5:1, 1:0.1"},
        {"schedule": "plateau", "drop_factor": 0.3, "learning_rate": 0.004},
    ],
    ids=lambda chosen: chosen["schedule"],
)
def test_the_chart_of_the_learning_rate_is_the_schedules_own_and_follows_the_fields(empty, open_page, chosen):
    at = fill(open_page("configure"), **chosen)
    (line,) = charts(at)["epoch"]
    steps_per_epoch = -(-1222 // chosen.get("batch_size", 64))
    schedule = make_schedule(make_config(**chosen), steps_per_epoch)
    steps = (numbers(line["x"]) * steps_per_epoch).round().astype(int)
    assert (steps[0], steps[-1]) == (0, steps_per_epoch * chosen.get("epochs", 25) - 1)
    np.testing.assert_allclose(numbers(line["y"]), [schedule(int(step)) for step in steps])
    says_that_drops_are_missing = PLATEAU_NOTE in [caption.value for caption in at.caption]
    assert says_that_drops_are_missing == (chosen["schedule"] == "plateau")


def test_a_short_training_is_drawn_step_by_step(empty, open_page):
    at = fill(open_page("configure"), epochs=2)
    (line,) = charts(at)["epoch"]
    np.testing.assert_allclose(numbers(line["x"]), np.arange(2 * STEPS) / STEPS)


def test_the_found_learning_rate_is_a_tenth_of_the_best_one_and_is_put_into_the_field_and_the_run(empty, open_page, tmp_path):
    at = fill(choose_folder(open_page, write_images(tmp_path / "pictures", count=20)), batch_size=8, optimizer="sgd")
    assert "learning rate" not in charts(at)
    press(at, FIND)
    curve, mark = charts(at)["learning rate"]
    rates, losses = numbers(curve["x"]), numbers(curve["y"])
    best = float(f"{rates[losses.argmin()] / 10:.1g}")
    assert (np.diff(rates) > 0).all() and losses.min() < losses[0]
    assert mark["x"] == [best, best]
    before = field(at, "learning_rate").value
    use = at.button(key="use-found-rate")
    assert f"{best:g}" in use.label
    use.click().run()
    assert field(at, "learning_rate").value == best != before
    assert "learning rate" in charts(at), "the curve stays"
    press_start(at)
    (run,) = empty.runs()
    assert run.config.learning_rate == best
    assert not at.exception


def test_the_curve_of_the_finder_is_removed_when_settings_change_that_it_depends_on(empty, open_page, tmp_path, monkeypatch):
    at = fill(choose_folder(open_page, write_images(tmp_path / "pictures", count=20)), batch_size=8)
    press(at, FIND)
    assert not at.warning
    monkeypatch.setattr(learning_rate_finder, "CLEAR_FALL", 1.0)  # no curve falls that far
    (warning,) = at.run().warning
    losses = numbers(charts(at)["learning rate"][0]["y"])
    facts = {"fall": 1 - losses.min() / losses[0], "default": make_config(model="simple").learning_rate}
    assert warning.value == UNCERTAIN_RATE.format(**facts)
    assert "learning rate" in charts(at)
    fill(at, batch_size=4)
    assert "learning rate" not in charts(at)
    assert "use-found-rate" not in [button.key for button in at.button]


def test_a_learning_rate_finder_that_cannot_start_gives_the_reason(empty, open_page):
    at = press(fill(open_page("configure"), batch_size=1400), FIND)
    assert any("1,400" in error.value for error in at.error)
    assert not at.exception


def batches(at):
    (tab,) = [tab for tab in at.tabs if tab.label == "Augmentation"]
    return tab.get("html")


@pytest.mark.parametrize("chosen", [{}, {"mixup": 1.0, "seed": 3, "rotation": 15.0}], ids=["plain", "mixed"])
def test_the_preview_is_the_first_batch_of_the_run_with_the_mixing_fractions(empty, open_page, chosen):
    at = press(fill(open_page("configure"), **chosen), SHOW_BATCH)
    (grid,) = batches(at)
    cards = Parsed(grid.proto.body).all("img")
    config = make_config(**chosen)
    info = open_source("digits", empty.home).info
    trainer, card = make_trainer(config, info, finish(open_source("digits", empty.home).load("train")), torch.device("cpu"))
    images, targets = next(iter(trainer.batches))
    expected = (images[:24, 0] * card.std[0] + card.mean[0]) * 255
    assert len(cards) == 24
    for tag, image, target in zip(cards, expected.numpy(), targets, strict=False):
        np.testing.assert_allclose(pixels_of(tag), image.clip(0, 255), atol=0.51)
        if target.ndim == 0:
            assert tag["alt"] == info.classes[target]
        else:
            assert all(name in tag["alt"] for name, share in zip(info.classes, target.tolist(), strict=True) if share > 0.01)
            blended = [share for share in target.tolist() if 0.01 < share < 0.99]
            assert all(f"{share:.0%}" in tag["alt"] for share in blended)
    assert any("%" in tag["alt"] for tag in cards) == bool(chosen)


def test_the_preview_is_removed_when_an_augmentation_changes(empty, open_page):
    at = press(open_page("configure"), SHOW_BATCH)
    assert batches(at)
    assert not batches(fill(at, rotation=20.0))


def test_the_models_are_compared_by_their_own_parameters_at_the_data_sets_shape(empty, open_page):
    at = open_page("configure")
    assert not at.dataframe
    at.session_state["compare"] = True
    at.run()
    table = at.dataframe[0].value.set_index("Model")
    assert list(table.index) == [family.title for family in FAMILIES.values()]
    for name, family in FAMILIES.items():
        assert table["Parameters"][family.title] == parameters(name)
    assert f"{table['Parameters']['SimpleCNN']:,}" == shown(at)["Parameters"]
    assert set(table[SIDE]) == {32}
    pretrained = fill(at, model="efficientnet-lite0")
    memory = pretrained.dataframe[0].value.set_index("Model")["Memory (MB)"]
    assert f"{memory['EfficientNet-Lite0']:,.0f} MB" == shown(pretrained)["Memory"], "the head alone is trained"
    assert table["Time per epoch (s)"].isna().all()


def test_the_time_of_an_epoch_is_measured_on_request_for_every_model_that_can_be_built(empty, open_page, tmp_path, monkeypatch):
    monkeypatch.setattr("pages.views.configure.costs.MEASURED_SECONDS", 0.0)  # two steps of each model
    at = choose_folder(open_page, make_folder(tmp_path / "small", "a", "b"))
    at.session_state["compare"] = True
    fill(at, depth=5, batch_size=2)
    press(at, MEASURE)
    table = at.dataframe[0].value.set_index("Model")
    unfit = {"SimpleCNN"}  # 16 pixels cannot be halved five times
    assert set(table.index[table["Multiply-adds"] == TOO_SMALL]) == unfit
    assert set(table.index[table["Time per epoch (s)"].isna()]) == unfit
    fill(at, learning_rate=0.01)
    assert at.dataframe[0].value["Time per epoch (s)"].notna().any(), "another rate takes no other time"
    assert fill(at, batch_size=4).dataframe[0].value["Time per epoch (s)"].isna().all()
    assert not at.exception


def test_images_too_small_for_the_network_give_a_message_and_the_form_stays(empty, open_page, tmp_path):
    at = fill(choose_folder(open_page, make_folder(tmp_path / "small", "a", "b")), depth=5)
    (error,) = at.error
    assert all(named in error.value for named in ("5", "32×32", "16×16", "4")) and is_a_sentence(error.value)
    assert set(shown(at).values()) == {"–"}
    assert not fill(at, depth=4).error
    assert shown(at)["Parameters"] == f"{parameters('simple', 16, 3, 2, depth=4):,}"


def test_a_settings_file_fills_the_form(empty, open_page):
    chosen = {"data": "cifar10", "model": "resnet20", "optimizer": "sgd", "momentum": 0.5, "epochs": 7, "schedule": "step"}
    at = upload(open_page("configure"), chosen | {"drop_at": "0.4", "width": 2, "flip": "alternating"})
    config = make_config(**chosen, drop_at="0.4", width=2, flip="alternating")
    for name in FIELDS:
        if name != "data" and widgets_of(at, name):
            assert field(at, name).value == getattr(config, name), name
    assert not at.error and not at.exception
    fill(at, epochs=8)
    assert field(at, "momentum").value == 0.5, "the rest stays when something is changed"
    press_start(at)
    (run,) = empty.runs()
    assert run.config == config.model_copy(update={"epochs": 8})


def test_the_settings_of_a_run_start_the_same_run_again(own_trained, open_page):
    first = own_trained.run("0001-digits")
    at = upload(open_page("configure"), (own_trained.home.run_folder(first.id) / "config.json").read_bytes(), "config.json")
    press_start(at)
    assert own_trained.runs()[0].config == first.config
    assert len(own_trained.runs()) == 2


def test_a_settings_file_in_yaml_may_name_a_folder_as_its_data(empty, open_page, tmp_path):
    folder = make_folder(tmp_path / "pets", "cats", "dogs")
    at = upload(open_page("configure"), f"data: {folder}\nbatch_size: 4\nchannels_last: on\n".encode(), "settings.yaml")
    assert (field(at, "data").value, at.text_input[0].value) == ("folder", str(folder))
    assert (field(at, "batch_size").value, field(at, "channels_last").value) == (4, "on")
    press_start(at)
    assert empty.runs()[0].config == make_config(data=str(folder), batch_size=4, channels_last="on")


@pytest.mark.parametrize(
    "content, named",
    [
        (b'{"epochs": 0}', FIELDS["epochs"].title),
        (b'{"colour": "red"}', "colour"),
        (b'{"model": "![x](http://192.0.2.1/x.png)"}', FIELDS["model"].title),
        (b"[1, 2]", "settings.json"),
        (b"{", "settings.json"),
        (b"\xff\xfe\x00", "settings.json"),
        (b"", "settings.json"),
        (b" " * 200_000, "100,000"),
    ],
)
def test_a_wrong_settings_file_is_refused_and_the_form_is_unchanged(empty, open_page, content, named):
    at = upload(fill(open_page("configure"), epochs=7), content)
    (error,) = at.error
    assert error.value.startswith(UNCHANGED) and named in error.value and is_a_sentence(error.value)
    assert "![" not in error.value
    assert field(at, "epochs").value == 7
    assert not at.exception
    upload(at, {"epochs": 9})
    assert field(at, "epochs").value == 9 and not at.error
