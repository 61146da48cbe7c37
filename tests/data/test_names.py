"""Names of new data sets as they are typed."""

import pytest

from cnn_core.data.names import NAME_MISSING, to_set_name
from cnn_core.errors import DataError
from cnn_core.home import NOT_A_SET, SET_NAME


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("flowers", "flowers"),
        ("my_set-2", "my_set-2"),
        ("My Photos", "my-photos"),
        (" Cats & Dogs (2024) ", "cats-dogs-2024"),
        ("Äpfel", "apfel"),
        ("A\u0308pfel", "apfel"),
        ("Straße", "strasse"),
        ("v1.2", "v1-2"),
        ("-x", "x"),
    ],
)
def test_capitals_spaces_and_accents_are_changed(typed: str, name: str):
    assert to_set_name(typed) == name and SET_NAME.fullmatch(name)


@pytest.mark.parametrize("typed", ["..", "../up", "a/b", "C:\\photos", "りんご", "x" * 61, "X" * 61, "!?"])
def test_what_leaves_no_name_or_is_a_path_is_refused(typed: str):
    with pytest.raises(DataError) as refusal:
        to_set_name(typed)
    assert str(refusal.value) == NOT_A_SET.format(name=typed)


@pytest.mark.parametrize("typed", ["", " ", "\t"])
def test_an_empty_name_is_asked_for(typed: str):
    with pytest.raises(DataError, match=NAME_MISSING):
        to_set_name(typed)
