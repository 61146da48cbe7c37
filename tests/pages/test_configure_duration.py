"""The Configure page before a start: the expected duration, and every refused value at once."""

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import FIELDS, title
from cnn_core.errors import SettingError
from cnn_core.text import format_duration
from pages.views.configure.duration import DIGITS_EPOCH, DURATION, TWO_CORES, UNKNOWN, UNKNOWN_OF_HEAD
from pages.views.configure.previews import UNCHANGED
from tests.pages.form import field, fill, press_start


def captions(at):
    return [caption.value for caption in at.caption]


def test_the_duration_is_ours_for_the_digits_and_unknown_for_another_model_until_a_run_has_ended(empty, open_page):
    at = open_page("configure")
    epochs = make_config().epochs
    assert DURATION.format(duration=format_duration(epochs * DIGITS_EPOCH), where=TWO_CORES) in captions(at)
    assert UNKNOWN in captions(fill(at, model="resnet18"))
    at = fill(at, model="efficientnet-lite0")
    assert UNKNOWN_OF_HEAD in captions(at) and UNCHANGED in captions(at)
    assert not any(one.label == FIELDS["cutout"].title for one in at.number_input)
    at = fill(at, train="all")
    assert (
        UNKNOWN_OF_HEAD not in captions(at)
        and UNKNOWN in captions(at)
        and UNCHANGED not in captions(at)
        and field(at, "cutout").value == 0
    )


def test_the_duration_follows_earlier_runs_and_the_epochs(trained, open_page):
    summary = trained.run("0001-digits").summary
    at = fill(open_page("configure"), epochs=400)
    seconds = 400 * summary["train_seconds"] / summary["epochs"]
    assert DURATION.format(duration=format_duration(seconds), where="") in captions(at)


def test_every_refused_value_is_shown_at_its_field_as_it_was_typed(empty, open_page):
    wrong = {"batch_size": 100_000, "weight_decay": -1.0, "learning_rate": 1000.0}
    at = press_start(fill(open_page("configure"), **wrong))
    for name, given in (("batch_size", "“100000”"), ("weight_decay", "“-1”"), ("learning_rate", "“1000”")):
        (error,) = [error.value for error in at.error if error.value.startswith(f"{FIELDS[name].title} ")]
        assert given in error
        assert any(f"“{title(name)}”" in warning.value for warning in at.warning)
    assert empty.runs() == []
    at = press_start(fill(at, batch_size=64, weight_decay=0.0, learning_rate=0.001))
    assert len(empty.runs()) == 1


@pytest.mark.parametrize("name", ["epochs", "batch_size", "seed"])
def test_a_fraction_is_refused_where_a_whole_number_is_needed(empty, open_page, name):
    at = fill(open_page("configure"), **{name: 1.5})
    (error,) = at.error
    assert error.value.startswith(f"{FIELDS[name].title} ") and "“1.5”" in error.value
    assert field(at, name).value == 1.5
    press_start(at)
    assert empty.runs() == []


def test_all_refused_settings_come_with_the_first_one():
    with pytest.raises(SettingError) as refused:
        make_config(epochs=0, dropout=2, nonsense=1)
    assert {refused.value.field, *(other.field for other in refused.value.others)} == {"epochs", "dropout", "nonsense"}
