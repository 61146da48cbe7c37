"""The out-of-fold accuracy beside the validation accuracy: their intervals, and which one is measured on more images."""

from scipy.stats import binomtest

from cnn_core.events import Epoch, Finished, Started
from cnn_core.runs.out_of_fold import TRUST_OUT_OF_FOLD, TRUST_VALIDATION, describe_out_of_fold, out_of_fold_result
from cnn_core.runs.summary import summarise_history
from tests.helpers import is_a_sentence, tells
from tests.runs.diagnostic_histories import history_of

STARTED = Started(1000, "CPU", 245, 153, 49, 8, 1, 0, ("ants", "bees"), (122, 123), (70, 83))
EPOCH = Epoch(1, 8, 0.2, 0.9, 0.2, 145 / 153, True, 1, 1)


def test_both_accuracies_have_their_wilson_interval_and_the_one_on_more_images_is_trusted():
    summary = summarise_history(history_of(STARTED, EPOCH, Finished(0.9, 0.3, 233 / 245, 245)))
    result = out_of_fold_result(summary)
    assert result and result.advice == TRUST_OUT_OF_FOLD and is_a_sentence(TRUST_OUT_OF_FOLD) and is_a_sentence(TRUST_VALIDATION)
    for measured, hits, count in ((result.out_of_fold, 233, 245), (result.validation, 145, 153)):
        low, high = binomtest(hits, count).proportion_ci(method="wilson")
        assert measured.interval == f"{low:.1%} to {high:.1%}" and measured.images == count
    (line,) = describe_out_of_fold(summary)
    assert tells(line, "95.1%", result.out_of_fold.interval.split()[0], "245", "94.8%", "153")
    few = out_of_fold_result(summary | {"out_of_fold_images": 60})
    assert few and few.advice == TRUST_VALIDATION


def test_a_run_without_it_has_no_such_metrics():
    summary = summarise_history(history_of(STARTED, EPOCH, Finished(0.9, 0.3)))
    assert out_of_fold_result(summary) is None and describe_out_of_fold(summary) == [] and "val_images" not in summary
