"""Folders of images on the Configure page: their facts, their errors, and a run on them."""

import pytest

from cnn_core.config.fitting import LOWERED_BATCH
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.source import finish
from cnn_core.runs.submit import TOO_LARGE_BATCH
from pages.shared.data_and_model import COLOUR
from tests.helpers import is_a_sentence
from tests.pages.form import buttons, choose_folder, facts_of, fill, make_folder, press_start


def test_a_run_on_a_folder_cannot_start_without_a_folder(empty, open_page):
    at = fill(open_page("configure"), data="folder")
    assert len(at.info) == 1 and not buttons(at)
    assert not at.exception


def test_a_missing_folder_gives_a_message_and_no_start(empty, open_page):
    at = choose_folder(open_page, "/nowhere/at/all")
    for typed in ("/nowhere/at/all", "x" * 5000, "~nobody-of-that-name/pictures", "http://192.0.2.1/pictures", "with\0zero"):
        at.text_input[0].set_value(typed).run()
        (error,) = at.error
        assert is_a_sentence(error.value)
        assert not at.button and not at.exception


def test_an_empty_folder_a_single_class_and_a_class_without_images_give_messages(empty, open_page, tmp_path):
    (tmp_path / "nothing").mkdir()
    make_folder(tmp_path / "lonely", "cats")
    make_folder(tmp_path / "gap", "cats")
    (tmp_path / "gap" / "dogs").mkdir()
    for name, named in (("nothing", "nothing"), ("lonely", "lonely"), ("gap", "dogs")):
        at = choose_folder(open_page, tmp_path / name)
        (error,) = at.error
        assert named in error.value and is_a_sentence(error.value)
        assert not at.button and not at.exception


def test_a_folder_of_images_shows_its_facts_and_trains_under_its_full_path(empty, open_page, tmp_path):
    folder = make_folder(tmp_path / "pets", "cats", "dogs", "mice")
    at = choose_folder(open_page, f"{folder}/../pets/")
    (facts,) = [caption for caption in at.caption if caption.proto.help == "cats, dogs, mice"]
    assert facts.value == facts_of(train=24, test=6, classes=3, side=16, colour=COLOUR)
    press_start(fill(at, batch_size=4))
    (run,) = empty.runs()
    assert run.config.data == str(folder)
    assert run.id == "0001-pets"
    assert not at.exception


def test_names_of_class_folders_are_shown_as_they_are(empty, open_page, tmp_path):
    folder = make_folder(tmp_path / "odd", "![x](http:%2F%2F192.0.2.1)", "b`c`", images=5)
    at = choose_folder(open_page, folder)
    shown = facts_of(train=8, test=2, classes=2, side=16, colour=COLOUR)
    (facts,) = [caption for caption in at.caption if caption.value == shown]
    assert r"\[x\]" in facts.proto.help and r"\`c\`" in facts.proto.help


def test_few_images_can_be_trained_on_with_the_defaults_and_the_page_says_which_was_lowered(empty, open_page, tmp_path):
    at = choose_folder(open_page, make_folder(tmp_path / "pets", "cats", "dogs", "mice"))
    assert [note.value for note in at.info] == [LOWERED_BATCH.format(batch_size=16, default=64, count=21)]
    press_start(at)
    assert empty.runs()[0].config.batch_size == 16 and not at.exception


def test_a_batch_size_that_was_typed_is_refused_where_it_does_not_fit(empty, open_page, tmp_path):
    at = fill(choose_folder(open_page, make_folder(tmp_path / "pets", "cats", "dogs", "mice")), batch_size=63)
    assert not at.info
    press_start(at)
    assert TOO_LARGE_BATCH.format(batch_size=63, count=21) in at.error[0].value and empty.runs() == []


@pytest.mark.parametrize("way", ["link", "file"])
def test_the_default_batch_size_is_refused_where_a_link_or_a_settings_file_gives_it(empty, open_page, tmp_path, way):
    folder = make_folder(tmp_path / "pets", "cats", "dogs", "mice")
    finish(import_files("pets", folder, ImportOptions(), empty.home))
    if way == "link":
        at = open_page("configure", data="pets", batch_size="64")
    else:
        at = open_page("configure")
        at.file_uploader[0].upload("settings.yaml", b"data: pets\nbatch_size: 64\n", "application/yaml").run()
    assert not at.info and not at.exception
    press_start(at)
    assert TOO_LARGE_BATCH.format(batch_size=64, count=21) in at.error[0].value and empty.runs() == []
    at = press_start(open_page("configure", data="pets"))
    assert empty.runs()[0].config.batch_size == 16
