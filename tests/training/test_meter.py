"""The meter: exact counts, means that weigh every image equally, and an error for a loss that is not finite."""

import re
import time

import numpy as np
import pytest
import torch

from cnn_core.errors import DivergedError
from cnn_core.events import Steps
from cnn_core.training import meter as meter_module
from cnn_core.training.meter import DIVERGED, Meter
from tests.helpers import is_a_sentence

LOSSES, SHARES, SIZES = [2.5, 1.25, 0.5, 4.0], [0.25, 0.5, 1.0, 0.0], [8, 8, 8, 3]


def counted(meter: Meter, losses: list[float] = LOSSES) -> Meter:
    for loss, share, size in zip(losses, SHARES, SIZES, strict=False):
        meter.record(torch.tensor(loss), torch.tensor(share), size)
    return meter


def started(**chosen) -> Meter:
    meter = Meter(**chosen)
    meter.start_epoch()
    return meter


def test_a_report_has_every_step_since_the_last_one_and_counts_over_the_whole_run():
    meter = counted(started())
    assert meter.has_pending
    report = meter.report(1, 0.003)
    assert isinstance(report, Steps) and not meter.has_pending
    assert (report.loss, report.accuracy, report.step, report.images) == (tuple(LOSSES), tuple(SHARES), 4, 27)
    assert (report.epoch, report.learning_rate) == (1, 0.003)
    counted(meter, [1.0])
    report = meter.report(2, 0.002)
    assert (report.loss, report.step, report.images, report.epoch) == ((1.0,), 5, 35, 2)


def test_an_epochs_means_weigh_every_image_alike_however_it_was_reported():
    for places in ([4], [1, 3], [2, 2], [1, 1, 1, 1]):
        meter, start = started(), 0
        for count in places:
            for place in range(start, start + count):
                meter.record(torch.tensor(LOSSES[place]), torch.tensor(SHARES[place]), SIZES[place])
            meter.report(1, 0.1)
            start += count
        assert meter.epoch_loss == pytest.approx(np.average(LOSSES, weights=SIZES))
        assert meter.epoch_accuracy == pytest.approx(np.average(SHARES, weights=SIZES))
    meter.start_epoch()
    counted(meter, [7.0])
    meter.report(2, 0.1)
    assert meter.epoch_loss == 7


def test_it_is_time_for_a_report_about_four_times_a_second(monkeypatch: pytest.MonkeyPatch):
    meter = started()
    assert not meter.should_report()
    time.sleep(meter_module.REPORT_SECONDS + 0.01)
    assert meter.should_report()
    counted(meter).report(1, 0.1)
    assert not meter.should_report()


def test_training_seconds_leave_out_what_lies_between_epochs_and_seconds_do_not():
    meter = started()
    time.sleep(0.05)
    first = counted(meter).report(1, 0.1)
    time.sleep(0.2)  # a validation
    begun = time.perf_counter()
    meter.start_epoch()
    second = counted(meter).report(2, 0.1)
    assert 0.05 <= first.train_seconds <= second.train_seconds < first.train_seconds + time.perf_counter() - begun
    assert second.seconds >= first.seconds + 0.2 and first.images_per_second == pytest.approx(27 / first.train_seconds)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_is_reported_with_its_step_and_the_remedy(value: float):
    meter = counted(started(remedy="Do this."))
    meter.report(1, 0.1)
    with pytest.raises(DivergedError, match=re.escape(DIVERGED.format(loss=value, step=6, remedy="Do this."))) as problem:
        counted(meter, [1.0, value, 2.0]).report(1, 0.1)
    assert is_a_sentence(problem.value)


def test_a_meter_continues_from_its_state_pause_left_out():
    meter = counted(started())
    meter.report(1, 0.1)
    state = meter.state_dict()
    time.sleep(0.2)
    begun, resumed = time.perf_counter(), Meter()
    resumed.load_state_dict(state)
    resumed.resume_epoch()
    assert (resumed.step, resumed.images, resumed.train_seconds) == (4, 27, meter.train_seconds)
    assert state["seconds"] <= resumed.seconds < state["seconds"] + time.perf_counter() - begun
    assert (resumed.epoch_loss, resumed.epoch_accuracy) == (meter.epoch_loss, meter.epoch_accuracy)
    for one in (meter, resumed):
        counted(one, [9.0]).report(1, 0.1)
    assert resumed.epoch_loss == meter.epoch_loss == pytest.approx(np.average([*LOSSES, 9.0], weights=[*SIZES, 8]))
