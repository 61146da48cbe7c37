"""Links to the form: the address follows the form, a link fills it and starts nothing, and wrong parameters are named."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import format_range, title
from pages.shared.data_and_model import COLOUR, OPEN_FOLDER
from pages.views.configure.settings_files import COMMAND
from tests.pages.form import facts_of, field, fill, make_folder, press, press_start


def query(at):
    """The address's parameters; AppTest gives lists."""
    return {name: value[0] if isinstance(value, list) else value for name, value in dict(at.query_params).items()}


def link_in(at):
    (address,) = [code.value for code in at.code if "configure?" in code.value]
    return dict(parse_qsl(urlsplit(address).query))


def test_the_address_holds_what_differs_from_the_defaults_and_follows_the_form(empty, open_page):
    at = open_page("configure")
    assert query(at) == {"data": "digits", "model": "simple"}
    fill(at, optimizer="sgd", epochs=7)
    assert query(at) == {"data": "digits", "model": "simple", "optimizer": "sgd", "epochs": "7"} == link_in(at)
    fill(at, epochs=25)
    assert query(at) == {"data": "digits", "model": "simple", "optimizer": "sgd"}
    fill(at, epochs=0)
    assert query(at)["epochs"] == "0" and len(at.error) == 1
    assert not at.exception


def test_a_link_fills_the_form_and_starts_nothing(empty, open_page):
    at = open_page("configure", model="speed", epochs="5", optimizer="sgd", dropout="0.3", nesterov="off", knots="0:1, 1:0")
    assert not at.warning and empty.runs() == []
    press_start(at)
    (run,) = empty.runs()
    assert run.config == make_config(model="speed", epochs=5, optimizer="sgd", dropout=0.3, nesterov=False, schedule="cosine"), (
        "knots mean nothing beside this schedule"
    )


def test_errors_in_a_link_are_shown_until_the_form_changes_and_the_rest_is_applied(empty, open_page):
    at = open_page("configure", epochs="0", batch_size="32", nonsense="1", data="nowhere")
    (warning,) = at.warning
    assert all(named in warning.value for named in ("“nowhere”", title("epochs"), format_range("epochs"), "“nonsense”"))
    assert (field(at, "epochs").value, field(at, "batch_size").value, field(at, "data").value) == (25, 32, "digits")
    assert query(at) == {"data": "digits", "model": "simple", "batch_size": "32"}
    at.run()
    assert len(at.warning) == 1
    fill(at, epochs=4)
    at.run()
    assert not at.warning and not at.exception


def test_markdown_in_a_link_is_shown_as_it_is(empty, open_page):
    at = open_page("configure", **{"![x](http:%2F%2F192.0.2.1)": "1", "activation": "[a](b)"})
    (warning,) = at.warning
    assert r"\[x\]" in warning.value and r"\[a\]" in warning.value


def test_settings_that_are_impossible_together_are_filled_in_and_refused_by_the_form(empty, open_page):
    at = open_page("configure", schedule="plateau", cutmix="1")
    (error,) = at.error
    assert title("cutmix") in error.value and "plateau" in error.value
    assert (field(at, "schedule").value, field(at, "cutmix").value) == ("plateau", 1.0)


def test_a_folder_named_only_in_a_link_is_not_opened_before_confirmation(empty, open_page, tmp_path):
    folder = make_folder(tmp_path / "pets", "cats", "dogs")
    at = open_page("configure", data=str(folder), epochs="3")
    assert len(at.info) == 1 and [button.label for button in at.button] == [OPEN_FOLDER]
    press(at, OPEN_FOLDER)
    assert field(at, "epochs").value == 3
    press_start(fill(at, batch_size=4))
    (run,) = empty.runs()
    assert (run.config.data, run.config.epochs) == (str(folder), 3)


@pytest.mark.parametrize("behind", [" ", "/", "/ /."])
def test_a_folder_spelled_differently_in_a_link_is_not_opened_either(empty, open_page, tmp_path, behind):
    folder = make_folder(tmp_path / "pets", "cats", "dogs")
    at = open_page("configure", data=f"{folder}{behind}")
    assert [button.label for button in at.button] == [OPEN_FOLDER]
    facts = facts_of(train=16, test=4, classes=2, side=16, colour=COLOUR)
    assert facts not in [caption.value for caption in at.caption]
    shown = press(at, OPEN_FOLDER)
    assert facts in [caption.value for caption in shown.caption]


def test_a_link_from_the_data_page_chooses_the_set(empty, open_page):
    at = open_page("configure", data="svhn")
    assert field(at, "data").value == "svhn" and not at.warning


def test_a_link_that_is_changed_in_place_fills_the_form_anew(empty, open_page, monkeypatch):
    monkeypatch.setattr("pages.shared.form_link.LATE_SECONDS", 0)
    at = open_page("configure", epochs="3")
    at.query_params.clear()
    at.query_params.update({"epochs": "4", "model": "resnet20"})
    at.run()
    assert (field(at, "epochs").value, field(at, "model").value) == (4, "resnet20")


def test_an_address_that_the_browser_sends_late_does_not_undo_what_was_just_chosen(empty, open_page):
    at = open_page("configure")
    before = query(at)
    fill(at, epochs=3)
    at.query_params.clear()
    at.query_params.update(before)
    press_start(at)
    (run,) = empty.runs()
    assert run.config.epochs == 3


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_the_settings_can_be_saved_as_a_file_for_the_terminal(empty, open_page, kind):
    at = open_page("configure")
    helps = [button.proto.help for button in at.get("download_button")]
    assert any(f"`{COMMAND.format(kind)}`" in text for text in helps)


def test_a_run_has_a_link_to_its_settings(trained, open_page):
    at = open_page("train")
    chosen = link_in(at)
    again = open_page("configure", **chosen)
    config = trained.runs()[0].config
    assert (field(again, "epochs").value, field(again, "crop").value) == (config.epochs, config.crop)
    assert query(again) == chosen
