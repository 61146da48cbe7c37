"""Continuing a run on the Train page: what the forms propose can be started, and what cannot be continued is refused before there is a new run."""

from pathlib import Path

import pytest

from cnn_core.config.fitting import TOO_FEW_IMAGES
from cnn_core.config.schema import title
from cnn_core.config.suggestions import MAX_EPOCHS, epochs_after
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.index.index import Index
from cnn_core.data.set_bin import IN_BIN, remove_set, restore_set
from cnn_core.errors import ImagesChangedError
from cnn_core.execution.in_process import execute
from cnn_core.home import INDEX
from cnn_core.runs.branch import branch_run
from pages.shared.removed_set import RESTORED
from pages.shared.run_selection import ENDED_WITHOUT_MODEL, NO_SAVED_MODEL
from pages.views.train.result import WRONG_MORE_EPOCHS
from tests.helpers import drain, tiny_config, write_images
from tests.pages.test_train_page import keys, named

RUN, EPOCHS = "0001-digits", 3


def errors(at):
    return " ".join(error.value for error in at.error)


def data_links(at):
    return [link.proto.query_string for link in at.get("page_link") if link.proto.page == "data"]


def primary(at):
    return [key for button in at.main.button if (key := button.key) and button.proto.type == "primary" and "branch" not in key]


@pytest.fixture
def on_a_set(empty, tmp_path: Path) -> str:
    """Return a finished run on the imported data set "colours"."""
    drain(import_files("colours", write_images(tmp_path / "pictures"), ImportOptions(), empty.home))
    run = empty.create(tiny_config(Path("colours")))
    assert execute(empty, run) == "finished"
    return run


def test_the_form_of_a_branch_proposes_epochs_after_the_last_one(own_trained, open_page):
    at = open_page("train", run=RUN)
    assert named(at.number_input, title("epochs")).value == epochs_after(EPOCHS) == 2 * EPOCHS
    at.button(key=f"branch-start-{RUN}").click().run()
    (child,) = own_trained.children(RUN)
    assert (child.config.epochs, child.parent_epoch) == (epochs_after(EPOCHS), EPOCHS) and not at.error
    assert [epochs_after(epoch) for epoch in (1, 25, 995, MAX_EPOCHS)] == [2, 35, MAX_EPOCHS, MAX_EPOCHS]


def test_epochs_that_are_all_trained_already_are_refused_in_the_form_of_a_branch(own_trained, open_page):
    at = open_page("train", run=RUN)
    named(at.number_input, title("epochs")).set_value(EPOCHS).run()
    at.button(key=f"branch-start-{RUN}").click().run()
    assert str(EPOCHS) in errors(at) and not own_trained.children(RUN) and not at.exception


@pytest.mark.parametrize("more", [0, -3, MAX_EPOCHS - EPOCHS + 1, 5000])
def test_a_number_of_further_epochs_out_of_range_is_refused_by_the_name_of_its_field(own_trained, open_page, more):
    at = open_page("train", run=RUN)
    at.number_input(key=f"more-epochs-{RUN}").set_value(more)
    at.button(key=f"train-more-{RUN}").click().run()
    assert WRONG_MORE_EPOCHS.format(most=MAX_EPOCHS - EPOCHS, given=more) in errors(at)
    assert not own_trained.children(RUN) and not at.exception


def test_a_run_is_trained_for_the_given_number_of_further_epochs(own_trained, open_page):
    at = open_page("train", run=RUN)
    at.number_input(key=f"more-epochs-{RUN}").set_value(4)
    at.button(key=f"train-more-{RUN}").click().run()
    assert [child.config.epochs for child in own_trained.children(RUN)] == [EPOCHS + 4] and not at.exception


def test_a_run_whose_images_are_in_the_bin_or_were_corrected_starts_nothing_and_links_them(empty, on_a_set, open_page):
    index = Index(empty.home.set_folder("colours") / INDEX)
    row = int(index.used_rows("train")[0][0])
    for change, undo, query, message in (
        (
            lambda: remove_set("colours", empty.home),
            lambda: restore_set("colours", empty.home),
            "mode=Storage",
            IN_BIN.format(data="colours", name="colours"),
        ),
        (
            lambda: index.corrections.apply([row], "is_excluded", 1),
            index.corrections.undo,
            "set=colours",
            str(ImagesChangedError(on_a_set, "colours")),
        ),
    ):
        change()
        at = open_page("train", run=on_a_set)
        at.button(key=f"branch-start-{on_a_set}").click().run()
        assert message in errors(at).replace("\\", "") and data_links(at) == [query] and not at.exception
        assert len(empty.runs()) == 1
        empty.set_status(on_a_set, "stopped")
        at = open_page("train", run=on_a_set)
        at.button(key=f"resume-{on_a_set}").click().run()
        assert message in errors(at).replace("\\", "") and data_links(at) == [query]
        assert empty.run(on_a_set).status == "stopped"
        empty.set_status(on_a_set, "finished")
        undo()
    at = open_page("train", run=on_a_set)
    at.button(key=f"branch-start-{on_a_set}").click().run()
    assert len(empty.runs()) == 2 and not at.exception


@pytest.mark.parametrize("action", ["branch-start", "resume"])
def test_the_refusal_of_a_run_whose_images_are_in_the_bin_restores_them(empty, on_a_set, open_page, action):
    if action == "resume":
        empty.set_status(on_a_set, "stopped")
    at = open_page("train", run=on_a_set)
    remove_set("colours", empty.home)
    at.button(key=f"{action}-{on_a_set}").click().run()
    assert at.error and len(empty.runs()) == 1
    at.button(key="restore-set-colours").click().run()
    assert empty.home.set_folder("colours").is_dir() and not at.error and not at.exception
    assert [toast.value for toast in at.toast] == [RESTORED.format(name="colours")]
    at.button(key=f"{action}-{on_a_set}").click().run()
    assert not at.error and (len(empty.runs()) == 2 or empty.run(on_a_set).status == "queued")


def test_a_failed_run_that_would_fail_again_opens_its_data_set_instead_of_being_resumed(empty, on_a_set, open_page):
    child = branch_run(empty, on_a_set, 2, {"epochs": 3})
    remove_set("colours", empty.home)
    assert execute(empty, child) == "failed"
    at = open_page("train", run=child)
    assert primary(at) == [f"data-{child}"] and f"resume-{child}" not in keys(at)
    restore_set("colours", empty.home)
    at.run()
    assert primary(at) == [f"resume-{child}"] and f"data-{child}" not in keys(at)
    remove_set("colours", empty.home)
    at.run()
    at.button(key=f"data-{child}").click().run()
    assert at.title[0].value != "Train" and not at.exception


def test_a_branch_that_has_not_begun_is_not_what_other_pages_show(own_trained, open_page):
    child = branch_run(own_trained, RUN, 2, {"epochs": 5})
    for status, message in (("queued", NO_SAVED_MODEL), ("failed", ENDED_WITHOUT_MODEL)):
        own_trained.set_status(child, status, error="The data set is gone. Restore it.")
        assert [open_page(page).query_params["run"] for page in ("evaluate", "gallery")] == [RUN, RUN]
        assert message.format(run=child) in [warning.value for warning in open_page("gallery", run=child).warning]


def test_a_data_set_that_is_too_small_is_refused_in_the_form_before_a_run_is_started(empty, open_page, tmp_path: Path):
    write_images(tmp_path / "few", ["red"], count=2)
    write_images(tmp_path / "few", ["blue"], count=1, seed=1)
    drain(import_files("few", tmp_path / "few", ImportOptions(), empty.home))
    at = open_page("configure", data="few")
    assert errors(at) == TOO_FEW_IMAGES.format(data="few")
    at.button(key="start-training").click().run()
    assert errors(at) == TOO_FEW_IMAGES.format(data="few") and not empty.runs() and not at.exception
    failed = empty.create(tiny_config(Path("few"), batch_size=1))  # by an earlier version
    assert execute(empty, failed) == "failed"
    assert primary(open_page("train", run=failed)) == [f"data-{failed}"]
