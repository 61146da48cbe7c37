"""The ranges and lists that the search page suggests for a setting."""

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import MODEL_OPTIONS, choices, metadata
from cnn_core.config.setting import Above
from cnn_core.models.registry import FAMILIES
from cnn_core.search.space import SEARCHABLE, Choices, Range, check_space, takes_range
from pages.views.search.suggestions import suggest_range, suggest_values


@pytest.mark.parametrize("name", SEARCHABLE)
def test_the_initial_rows_can_be_searched(name):
    family = next(family.name for family in FAMILIES.values() if name not in MODEL_OPTIONS or name in family.options)
    if "weights" in metadata(name).only:
        family = "mobilenet"
    conditions = metadata(name).only.items()
    allowed = {
        other: next((choice for choice in choices(other) if choice in values), "pretrained") for other, values in conditions
    }
    needed = {
        other: values[0] if isinstance(values, tuple) else 0.1 if isinstance(values, Above) else allowed[other]
        for other, values in conditions
    }
    base = make_config(**{"model": family, "optimizer": "muon"} | needed)
    check_space(base, (Choices(name, tuple(suggest_values(name, base.model_dump()))),))
    if takes_range(name):
        check_space(base, (suggest_range(name, base.model_dump()),))


def test_ranges_around_the_values_of_the_form_stay_within_the_limits_of_the_setting():
    base = make_config(learning_rate=4, batch_size=2, epochs=1).model_dump()
    assert suggest_range("learning_rate", base) == Range("learning_rate", 0.4, 10, log=True)
    assert suggest_range("batch_size", base) == Range("batch_size", 1, 8, log=True)
    assert suggest_range("epochs", base) == Range("epochs", 1, 2)
