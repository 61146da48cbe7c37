"""Controls that follow the address: what a page writes into it, and what it does not, since another page's script may have begun meanwhile."""

import pytest
from streamlit.testing.v1 import AppTest


def page() -> None:
    """A page with one control; `next` in the state is the address with which another page's script begins before the control's value is written."""
    import streamlit as st
    from streamlit.runtime.state import get_session_state

    from pages.shared.address import read_address, write_address

    read_address("split", "part", ["val", "test"])
    st.segmented_control("Split", ["val", "test"], key="part", required=True)
    if "next" in st.session_state:
        with get_session_state().query_params() as shared:  # as Streamlit does at the start of a script, for the whole session
            shared.populate_from_query_string(st.session_state["next"])
    write_address("split", "part", st.session_state["part"])
    st.session_state["left"] = st.query_params.to_dict()


def opened(**address: str) -> AppTest:
    at = AppTest.from_function(page)
    for name, value in address.items():
        at.query_params[name] = value
    return at


def test_a_control_is_set_from_the_address_and_writes_what_is_chosen():
    at = opened(split="test", run="1").run()
    assert at.session_state["part"] == "test"
    at.segmented_control(key="part").set_value("val").run()
    assert at.session_state["left"] == {"split": "val", "run": "1"}
    assert opened(run="1").run().session_state["left"] == {"split": "val", "run": "1"}


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_page_at_its_full_address_writes_nothing_into_that_of_the_page_that_follows(split):
    at = opened(split=split, run="1")
    at.session_state["next"] = "run=1"
    assert at.run().session_state["left"] == {"run": "1"}
