"""What came of an exercise: Student's interval over the pairs, the sentence that it allows, and the prediction beside it."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from cnn_core.events import Epoch
from cnn_core.lessons.measures import ACCURACY, GAP, LOSS
from cnn_core.lessons.outcome import Outcome, compare_prediction, grain_in_words, in_words, read_outcome
from tests.helpers import is_a_sentence

CLEAR = ((2.6, 0.4), (2.1, -0.7), (1.1, -1.6))
UNCLEAR = ((97.0, 97.5), (97.5, 96.9), (96.0, 97.0))


def epoch(number: int, train: float = 0.9, val: float = 0.8, loss: float = 0.5) -> Epoch:
    return Epoch(number, number, 0.4, train, loss, val, True, 1.0, 1.0)


@pytest.mark.parametrize("pairs", [CLEAR, UNCLEAR, CLEAR[:2], tuple(map(tuple, np.random.default_rng(0).random((6, 2))))])
def test_the_interval_is_that_of_students_paired_t_test(pairs):
    a, b = np.transpose(pairs)
    expected = ttest_rel(b, a).confidence_interval(0.95)
    found = Outcome(LOSS, pairs)
    np.testing.assert_allclose(found.interval, expected)
    assert found.mean == pytest.approx((b - a).mean())
    assert (found.direction == "same") == (ttest_rel(b, a).pvalue > 0.05)


def test_a_clear_difference_is_said_with_its_interval_and_the_number_of_pairs():
    low, high = Outcome(GAP, CLEAR).interval
    said = in_words(Outcome(GAP, CLEAR))
    assert said.startswith(
        "B's gap between training and validation accuracy is smaller by 2.6 points (1.9 points in A, −0.6 points in B;"
    )
    assert f"95 % interval {-high:.1f} to {-low:.1f}, n = 3 pairs)" in said and is_a_sentence(said)


def test_a_difference_that_chance_could_make_is_called_that():
    said = in_words(Outcome(ACCURACY, UNCLEAR))
    assert "cannot be told apart" in said and "n = 3 pairs" in said and "higher" not in said and is_a_sentence(said)
    assert Outcome(ACCURACY, UNCLEAR).direction == "same"


def test_one_pair_says_what_it_saw_and_that_it_proves_nothing():
    one = Outcome(LOSS, ((0.5, 0.2),))
    assert one.interval is None and one.direction is None
    assert "is the same as A's (95.0 % in A, 95.0 % in B) in the one pair" in in_words(Outcome(ACCURACY, ((95.0, 95.0),)))
    assert "lower by 0.300 nats" in in_words(one) and "one pair cannot tell this from chance" in in_words(one)


def test_pairs_that_differ_by_the_same_number_of_images_are_no_certainty():
    alike = read_outcome(ACCURACY, [(50.0, 50.5), (60.0, 60.5), (70.0, 70.5)], 200)
    assert alike.interval == pytest.approx((0.0, 1.0)) and alike.direction == "same"
    further = read_outcome(ACCURACY, [(50.0, 51.0), (60.0, 61.0), (70.0, 71.0)], 200)
    assert further.interval == pytest.approx((0.5, 1.5)) and further.direction == "higher"


def test_it_says_what_one_image_is_worth_where_images_are_counted():
    assert grain_in_words(read_outcome(ACCURACY, UNCLEAR, 719), 719) == "One of the 719 validation images is worth 0.14 points."
    assert grain_in_words(read_outcome(LOSS, UNCLEAR, 719), 719) == ""


@pytest.mark.parametrize(
    "pairs, prediction, part",
    [
        (CLEAR, "lower", "You expected: smaller. That is what came out."),
        (CLEAR, "higher", "You expected: larger. It turned out smaller"),
        (CLEAR, "same", "You expected: about the same. It turned out smaller"),
        (UNCLEAR, "higher", "It may be so, but these pairs cannot show it"),
        (UNCLEAR, "lower", "More pairs would narrow it down."),
        (UNCLEAR, "same", "No difference was found, so it may be so; more pairs would show smaller ones too."),
        (CLEAR[:1], "lower", "A single pair cannot say"),
        (CLEAR, "unknown", "You made no prediction this time."),
    ],
)
def test_the_prediction_stands_beside_what_came_out(pairs, prediction, part):
    assert part in compare_prediction(Outcome(GAP, pairs), prediction)


def test_a_figure_is_the_mean_over_the_last_quarter_of_the_epochs():
    epochs = [epoch(number, 0.9, 0.1 * number, number) for number in range(1, 9)]
    assert ACCURACY.read(epochs) == pytest.approx(75) and LOSS.read(epochs) == pytest.approx(7.5)
    assert GAP.read(epochs) == pytest.approx(15)
    assert ACCURACY.read(epochs[:3]) == pytest.approx(30) and ACCURACY.read(epochs[:1]) == pytest.approx(10)


def test_a_number_has_a_true_minus_and_zero_has_none():
    assert (GAP.number(-0.04), GAP.number(-1.25), LOSS.in_words(0.1234)) == ("0.0", "−1.2", "0.123 nats")


def test_an_interval_that_ends_close_to_zero_is_not_said_to_begin_there():
    close = Outcome(ACCURACY, ((90.0, 90.9), (90.0, 90.5), (90.0, 90.7)), 0.14)
    assert close.interval[0] == pytest.approx(0.203, abs=0.001) and "95 % interval 0.2 to 1.2" in in_words(close)
    closer = Outcome(ACCURACY, ((90.0, 90.975), (90.0, 90.425), (90.0, 90.7)), 0.14)
    assert closer.direction == "higher" and "95 % interval just above 0 to 1.4" in in_words(closer)
