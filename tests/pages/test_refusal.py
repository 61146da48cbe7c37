"""A refused value is said below the field that caused it, and the line at the button says where the field is."""

import pytest
import torch
from streamlit.testing.v1 import AppTest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import metadata, title
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.set_bin import remove_set
from pages.shared.refusal import CORRECT_ABOVE, CORRECT_IN_TAB, NOTHING_STARTED
from pages.shared.removed_set import RESTORE
from tests.helpers import drain
from tests.pages.form import choose_folder, fill, press_start, widgets_of


def place_of(at, name):
    """The column of a field."""
    (column,) = [column for column in at.columns if widgets_of(column, name)]
    return column


@pytest.mark.parametrize(
    "chosen, refused",
    [
        ({"batch_size": 0}, "batch_size"),
        ({"validation_share": 0.0}, "validation_share"),
        ({"schedule": "step", "drop_at": "0.9, 0.1"}, "drop_at"),
        ({"schedule": "plateau", "cutmix": 1.0}, "cutmix"),
        ({"batch_size": 1400}, "batch_size"),
        ({"depth": 6}, "depth"),
        ({"device": "mps" if not torch.backends.mps.is_available() else "cuda"}, "device"),
    ],
)
def test_a_refused_value_is_said_below_its_field_and_the_line_at_the_button_names_field_and_tab(
    empty, open_page, chosen, refused
):
    at = press_start(fill(open_page("configure"), **chosen))
    (error,) = place_of(at, refused).error
    where = CORRECT_IN_TAB.format(setting=title(refused), tab=metadata(refused).group)
    assert [error.value] == [each.value for each in at.error]
    assert [line.value for line in at.warning] == [f"{NOTHING_STARTED} {where}"] and empty.runs() == []
    fill(at, **{name: make_config().model_dump()[name] for name in reversed(chosen)})
    assert not at.error and not at.warning


def test_a_folder_that_cannot_be_used_is_said_below_its_field(empty, open_page, tmp_path):
    at = choose_folder(open_page, tmp_path / "missing")
    (error,) = place_of(at, "data").error
    assert [error.value] == [each.value for each in at.error] and "missing" in error.value and not at.exception
    assert "start-training" not in [button.key for button in at.button]


def refuse_the_model():
    import streamlit as st

    from cnn_core.errors import RunError, SettingError
    from pages.shared.refusal import show_refusal

    places = {"model": st.container(key="model")}
    show_refusal(SettingError("The model is too large.", "model"), places)
    show_refusal(SettingError("There is no such setting.", "nothing"), places, is_start=True)
    show_refusal(RunError("The quota is used up."), places, is_start=True)


def refuse_a_removed_set():
    import streamlit as st

    from cnn_core.errors import RemovedSetError
    from pages.shared.refusal import show_refusal

    show_refusal(
        RemovedSetError("It is in the bin.", "colours"), {"data": st.container()} if st.query_params else {}, is_start=True
    )


@pytest.mark.parametrize("has_field", [False, True])
def test_a_data_set_in_the_bin_can_be_restored_where_it_is_refused(empty, image_folder, has_field):
    drain(import_files("colours", image_folder, ImportOptions(), empty.home))
    remove_set("colours", empty.home)
    at = AppTest.from_function(refuse_a_removed_set)
    at.query_params.update({"field": "yes"} if has_field else {})
    assert at.run().button(key="restore-set-colours").proto.label == RESTORE and len(at.error) == 1
    at.button(key="restore-set-colours").click().run()
    assert empty.home.set_folder("colours").is_dir() and not at.exception and not at.button


def test_a_field_above_the_tabs_is_named_without_a_tab_and_an_error_without_a_field_is_said_at_the_button():
    at = AppTest.from_function(refuse_the_model).run()
    assert [line.value for line in at.warning] == [CORRECT_ABOVE.format(setting=title("model"))]
    of_field, *others = [error.value for error in at.error]
    assert "too large" in of_field and all(message.startswith(NOTHING_STARTED) for message in others) and len(others) == 2
