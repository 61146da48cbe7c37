"""Images that are collected class by class."""

import pytest

from cnn_core.data.listing import list_source
from cnn_core.data.uploads import NOT_A_CLASS, add_to_class, count_images, create_collection
from cnn_core.errors import DataError
from cnn_core.home import Home
from tests.data.imports import encoded, noise


def test_a_class_may_be_called_train(home: Home):
    collection = create_collection(home)
    for number, name in enumerate(("bus", "train", "test")):
        add_to_class(collection, name, [("a.png", encoded(noise(number)))])
    assert count_images(collection) == {"bus": 1, "test": 1, "train": 1}
    assert list_source(collection).classes == ("bus", "test", "train")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "ends.", "ends ", "x" * 61])
def test_what_cannot_be_a_class_is_refused(name: str, home: Home):
    with pytest.raises(DataError) as refusal:
        add_to_class(create_collection(home), name, [])
    assert str(refusal.value) == NOT_A_CLASS.format(name=name)
