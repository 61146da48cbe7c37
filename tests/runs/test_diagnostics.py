"""The doctor: each rule sees what it is made for, quotes the run's own figures, and keeps silent about the healthy neighbour."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cnn_core.config.changes import change_config
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.events import Changed, Epoch, Event, Finished, Started, Steps
from cnn_core.execution.in_process import execute
from cnn_core.home import Home
from cnn_core.runs import history as history_module
from cnn_core.runs.diagnostics import RULES, Finding, diagnose
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import History
from cnn_core.runs.signals import find_leap, guess_margin, standard_error
from cnn_core.runs.store import Store
from cnn_core.runs.suggestions import changed, in_words
from tests.conftest import Trained
from tests.helpers import is_a_sentence, start_process, tiny_config, write_pictures

CLASSES = tuple("abcdefghij")
PER_EPOCH = 20
CONFIG = make_config(data="cifar10", epochs=12)


def started(epochs: int = 12, val: int = 5000, counts: Sequence[int] = (4500,) * 10) -> Started:
    names = CLASSES[: len(counts)]
    return Started(506_154, "CPU", sum(counts), val, 1000, PER_EPOCH, epochs, classes=names, class_counts=tuple(counts))


def steps(first: int, losses: Sequence[float], *, rate: float = 0.001, norms: Sequence[float] = ()) -> list[Steps]:
    """Steps first, first + 1, …: a report for each where there are `norms`, else one for all."""
    every = 1 if len(norms) else len(losses)
    return [
        Steps(1, at + every - 1, 64 * at, tuple(losses[at - first : at - first + every]), (0.5,) * every, rate, 1.0, 1.0, 1.0, 1.0, norm)
        for at, norm in zip(range(first, first + len(losses), every), norms or [None], strict=True)
    ]  # fmt: skip


def falling(count: int, end: float = 0.5, start: float = math.log(10), noise: float = 0.05) -> list[float]:
    """Losses as of a healthy training, from `start` to `end`."""
    decay = np.exp(-5 * np.arange(count) / count)
    return (end + (start - end) * decay + noise * np.random.default_rng(0).standard_normal(count)).clip(0.001).tolist()


def epochs(
    val_accuracy: Sequence[float],
    *,
    val_loss: Sequence[float] | None = None,
    train_loss: Sequence[float] | None = None,
    train_accuracy: float = 0.7,
    **more: Any,
) -> list[Epoch]:
    count, best, made = len(val_accuracy), -1.0, []
    val_loss = val_loss or [2.0 / (1 + number) for number in range(count)]
    train_loss = train_loss or [2.0 / (1 + number) for number in range(count)]
    for number, accuracy in enumerate(val_accuracy):
        figures = (train_loss[number], train_accuracy, val_loss[number], accuracy)
        made.append(Epoch(number + 1, PER_EPOCH * (number + 1), *figures, accuracy > best, 1.0, 1.0, **more))
        best = max(best, accuracy)
    return made


def history_of(*events: Event) -> History:
    history = History()
    history.add([StoredEvent(seq, event) for seq, event in enumerate(events, start=1)])
    return history


def rules(history: History, config: TrainConfig = CONFIG, error: str = "") -> list[str]:
    return [finding.rule for finding in diagnose(history, config, error)]


def only(history: History, config: TrainConfig = CONFIG, error: str = "") -> Finding:
    """The one finding; its sentences read as such, and the run can be started with what it changes."""
    (finding,) = diagnose(history, config, error)
    assert is_a_sentence(finding.seen) and is_a_sentence(finding.remedy)
    assert changed(config, finding.changes) == change_config(config, finding.changes, TrainConfig.model_fields)
    return finding


RISING = [0.40, 0.52, 0.60, 0.66, 0.70, 0.73, 0.75, 0.765, 0.775, 0.78, 0.782, 0.783]


def test_a_healthy_run_gets_no_finding_at_any_of_its_moments():
    events: list[Event] = [started()]
    losses, done = falling(12 * PER_EPOCH), epochs(RISING, class_accuracy=tuple(np.linspace(0.6, 0.9, 10)), dead=0.03)
    for number, epoch in enumerate(done):
        events += [*steps(PER_EPOCH * number + 1, losses[PER_EPOCH * number :][:PER_EPOCH]), epoch]
        assert rules(history_of(*events)) == []
    assert rules(history_of(*events, Finished(0.78, 0.7))) == []


@pytest.mark.parametrize("seed", range(5))
def test_noisy_healthy_losses_are_no_leap_whatever_the_batch_size(seed: int):
    rng = np.random.default_rng(seed)
    for batch_size in (1, 4, 64):
        right = rng.random((6000, batch_size)) < np.linspace(0.1, 0.75, 6000)[:, None]
        losses = np.where(right, rng.exponential(0.3, right.shape), 1 + rng.exponential(1.3, right.shape)).mean(1)
        config = change_config(CONFIG, {"batch_size": batch_size}, TrainConfig.model_fields)
        assert rules(history_of(started(), *steps(1, losses.tolist())), config) == []


def test_a_run_that_knows_nothing_yet_gets_no_finding():
    assert rules(History()) == rules(history_of(started())) == rules(history_of(*steps(1, [2.3]))) == []


# learning rate


def test_a_diverged_run_is_named_with_its_step_and_its_rate():
    error = "The loss became nan at step 7: training diverged. Choose a learning rate below 0.5, and start again."
    finding = only(history_of(started()), make_config(learning_rate=0.5), error)
    assert finding.rule == "Training diverged" and "at step 7" in finding.seen and "0.5" in finding.seen
    assert finding.changes == {"learning_rate": 0.001}, "the usual rate, where it is lower than a tenth"
    assert only(history_of(), make_config(learning_rate=0.001), error).changes == {"learning_rate": 0.0001}


def test_divergence_in_float16_is_answered_by_the_wider_range():
    error = "The validation loss became inf: training diverged. Choose precision float32."
    assert only(history_of(started()), make_config(precision="float16"), error).changes == {"precision": "float32"}


def test_another_failure_is_none_of_the_doctors_business():
    assert rules(history_of(started()), error="The process was short of memory. Choose a smaller batch.") == []


def test_a_loss_that_rises_far_above_its_start_is_a_rate_too_high():
    config = make_config(data="cifar10", learning_rate=0.3)
    finding = only(history_of(started(), *steps(1, [2.3] * 20 + [40.0] * 30 + [2.3] * 200, rate=0.3)), config)
    assert finding.rule == "Learning rate too high"
    assert all(figure in finding.seen for figure in ("from 2.3 ", "to 40 ", "up to 0.3"))
    assert finding.changes == {"learning_rate": 0.001} and in_words(finding.changes) == "learning rate 0.001"


def test_a_loss_that_loses_half_of_what_it_had_gained_is_a_rate_too_high():
    losses = falling(200, end=0.3)
    bad = history_of(started(), *steps(1, [*losses, *[1.8] * 40, *losses[60:]]))
    finding = only(bad)
    assert finding.rule == "Learning rate too high" and "to 1.8 around step 2" in finding.seen
    assert finding.changes == {"learning_rate": 0.0003}
    assert rules(history_of(started(), *steps(1, [*losses, *[0.9] * 40, *losses[60:]]))) == [], "a small setback is none"
    assert rules(history_of(started(), *steps(1, [*losses, *[1.8] * 5, *losses[60:]]))) == [], "nor are a few odd batches"


def test_a_few_single_steps_are_enough_where_the_loss_explodes():
    finding = only(history_of(started(), *steps(1, [2.3, 3e8, 5e6, 113.0, 5.0, *[2.3] * 50])))
    assert finding.rule == "Learning rate too high" and "from 2.3 around step 1 to 300,000,000 around step 2" in finding.seen


def test_a_leap_because_of_other_images_is_not_put_down_to_the_rate():
    losses = falling(200, end=0.3)
    leap = (*steps(1, losses), Changed(200, {"mixup": 1.0}), *steps(201, [1.8] * 100))
    assert rules(history_of(started(), *leap)) == []
    assert rules(history_of(started(), *steps(1, losses), Changed(200, {"learning_rate": 0.03}), *steps(201, [1.8] * 100))) == [
        "Learning rate too high"
    ]


def test_what_a_branch_took_over_is_not_compared_with_what_it_did_itself():
    losses = falling(200, end=0.3)
    history = history_of(started(), *steps(1, losses), *epochs(RISING[:10]), *steps(201, [1.8] * 100))
    assert [f.rule for f in diagnose(history, CONFIG, parent_epoch=10)] == []
    assert rules(history) == ["Learning rate too high"]
    history = history_of(started(), *overfitted(0.05, 0.2))
    assert diagnose(history, CONFIG, parent_epoch=9) == [] and rules(history) == ["Overfitting"]


def test_a_rate_that_somebody_has_lowered_since_the_leap_is_no_longer_too_high():
    leap = (*steps(1, [2.3] * 20 + [40.0] * 40, rate=0.3), Changed(60, {"learning_rate": 0.001}), *steps(61, falling(200)))
    assert rules(history_of(started(), *leap), make_config(data="cifar10", learning_rate=0.001)) == []


def test_gradients_that_throw_the_training_back_are_clipped_and_harmless_ones_are_left_alone():
    losses, norms = np.full(400, 0.5), np.full(400, 0.8)
    norms[[100, 200, 300]] = 20, 30, 25
    harmless = history_of(started(), *steps(1, losses.tolist(), norms=norms.tolist()))
    for step in (101, 201, 301):
        losses[step : step + 20] = 0.9
    finding = only(history_of(started(), *steps(1, losses.tolist(), norms=norms.tolist())))
    assert finding.rule == "Gradient spikes"
    assert all(figure in finding.seen for figure in ("In 3 of 400 reports", "of 0.8,", "30 at step 201", "3 times"))
    assert finding.changes == {"clip_norm": 2.0}
    assert rules(harmless) == []
    clipped = change_config(CONFIG, {"clip_norm": 1.0}, TrainConfig.model_fields)
    assert rules(history_of(started(), *steps(1, losses.tolist(), norms=norms.tolist())), clipped) == []


# not learning


def test_a_run_at_the_level_of_guessing_is_told_so_with_the_margin_of_chance():
    finding = only(history_of(started(val=100), *epochs([0.11, 0.10, 0.12] * 3, train_accuracy=0.104)))
    assert finding.rule == "Not learning"
    assert all(figure in finding.seen for figure in ("180 steps", "12.0%", "10.4%", "10.0%", "9.0 points", "100 images"))
    assert finding.changes == {"learning_rate": 0.0003}


@pytest.mark.parametrize("figures", [{"train_accuracy": 0.3}, {"train_accuracy": 0.104, "best": 0.25}])
def test_a_run_that_is_better_than_guessing_by_either_accuracy_is_learning(figures: dict[str, float]):
    accuracies = [0.11, 0.10, figures.pop("best", 0.12)] * 3
    assert rules(history_of(started(val=100), *epochs(accuracies, val_loss=[2.3] * 9, **figures))) == []


def test_a_run_that_has_hardly_begun_is_not_yet_judged():
    assert rules(history_of(started(val=100), *epochs([0.11] * 4, train_accuracy=0.1))) == []
    long = change_config(CONFIG, {"warmup": 0.5}, TrainConfig.model_fields)
    assert rules(history_of(started(val=100), *epochs([0.11] * 9, train_accuracy=0.1)), long) == [], "rates were near zero"


def test_guessing_in_an_imbalanced_set_is_saying_the_largest_class():
    events = started(val=500, counts=(900, 100)), *epochs([0.90] * 9, train_accuracy=0.9, val_loss=[0.3] * 9)
    (finding,) = diagnose(history_of(*events), CONFIG)
    assert finding.rule == "Not learning" and "guessing gives 90.0%" in finding.seen


def test_a_rate_far_below_the_usual_one_is_raised_to_it():
    config = make_config(data="cifar10", learning_rate=1e-7)
    finding = only(history_of(started(), *epochs([0.1] * 9, train_accuracy=0.1)), config)
    assert finding.changes == {"learning_rate": 0.001} and "1e-07 is far below the usual 0.001" in finding.remedy


def test_a_guesser_hardly_ever_exceeds_the_margin():
    rng = np.random.default_rng(0)
    for guess, images in ((0.1, 100), (0.1, 5000), (0.5, 200), (0.01, 5000)):
        accuracies = rng.binomial(images, guess, 20_000) / images
        assert (accuracies > guess + guess_margin(guess, images)).mean() < 0.005
        assert accuracies.std() == pytest.approx(standard_error(guess, images), rel=0.05)


# overfitting


def overfitted(rise: float, train_end: float) -> list[Epoch]:
    val_loss = [1.5, 1.1, 0.9, 0.8, 0.75, 0.72, 0.70, *(0.70 + rise * np.arange(1, 6))]
    train_loss = [1.6, 1.2, 1.0, 0.9, 0.8, 0.7, 0.6, *np.linspace(0.55, train_end, 5)]
    return epochs(RISING, val_loss=val_loss, train_loss=train_loss)


def test_validation_loss_that_rises_since_an_epoch_while_training_loss_falls_is_overfitting():
    finding = only(history_of(started(), *overfitted(0.05, 0.2)))
    assert finding.rule == "Overfitting"
    assert all(figure in finding.seen for figure in ("Since epoch 7", "from 0.7 to 0.9", "from 0.6 to 0.2", "0.1 to 0.7"))
    assert finding.changes == {"cutout": 0.25, "dropout": 0.5}
    bare = make_config(data="cifar10", crop=0, model="resnet20")
    assert only(history_of(started(), *overfitted(0.05, 0.2)), bare).changes == {"crop": 0.125, "dropout": 0.25}


@pytest.mark.parametrize(("rise", "train_end"), [(0.005, 0.2), (0.05, 0.6), (0.0, 0.2)])
def test_a_slight_rise_or_one_of_both_losses_is_no_overfitting(rise: float, train_end: float):
    assert rules(history_of(started(), *overfitted(rise, train_end))) == []


def test_validation_loss_that_swings_is_no_overfitting():
    swinging = epochs(RISING, val_loss=[1.5, 1.1, 0.9, 0.6, 0.95, 0.65, 1.0, 0.6, 0.95, 0.62, 1.0, 0.7])
    assert rules(history_of(started(), *swinging)) == []


def test_losses_before_and_after_other_images_are_not_compared():
    before, after = overfitted(0.05, 0.2)[:9], overfitted(0.05, 0.2)[9:]
    assert rules(history_of(started(), *before, Changed(before[-1].step, {"cutout": 0.3}), *after)) == []


# activations and plateaus


def test_many_dead_channels_are_told_and_leaky_relu_is_offered_where_the_network_takes_it():
    finding = only(history_of(started(), *epochs(RISING[:2], dead=0.81)))
    assert finding.rule == "Dead activations" and "81%" in finding.seen and "5,000 validation images" in finding.seen
    assert finding.changes == {"activation": "leaky_relu"}
    mobilenet = make_config(data="cifar10", model="mobilenet")
    assert only(history_of(started(), *epochs(RISING[:2], dead=0.81)), mobilenet).changes == {"learning_rate": 0.0003}


@pytest.mark.parametrize(("dead", "val"), [(0.4, 5000), (None, 5000), (0.81, 30)])
def test_a_few_dead_channels_or_few_images_to_wake_them_are_nothing_to_tell(dead: float | None, val: int):
    assert rules(history_of(started(val=val), *epochs(RISING[:2], dead=dead))) == []


FLAT = [0.5, 0.6, 0.65, *[0.70, 0.702, 0.698, 0.701, 0.699] * 2]
CONSTANT = make_config(data="cifar10", schedule="constant", epochs=13)


def test_accuracy_that_stands_still_at_a_high_rate_is_a_plateau():
    finding = only(history_of(started(13), *steps(1, falling(260)), *epochs(FLAT)), CONSTANT)
    assert finding.rule == "Plateau" and finding.changes == {"schedule": "cosine"}
    assert all(figure in finding.seen for figure in ("70.0% on average in epochs 9 to 13", "0.6 points", "0.001"))


def test_it_is_no_plateau_while_it_moves_or_where_the_rate_will_fall_or_everything_is_learned():
    flat = epochs(FLAT)
    assert rules(history_of(started(13), *steps(1, falling(260)), *epochs(list(np.linspace(0.5, 0.7, 13)))), CONSTANT) == []
    assert rules(history_of(started(13), *steps(1, falling(260)), *flat), make_config(data="cifar10", epochs=13)) == []
    assert rules(history_of(started(13), *steps(1, falling(260)), *epochs(FLAT, train_accuracy=0.995)), CONSTANT) == []
    lowered = Changed(PER_EPOCH * 9, {"learning_rate": 0.001})
    assert rules(history_of(started(13), *steps(1, falling(260)), *flat[:9], lowered, *flat[9:]), CONSTANT) == []


# classes


def test_the_largest_and_the_smallest_class_are_quoted_where_they_are_far_apart():
    counts, accuracy = (4500, 4500, 120, 4500), (0.8, 0.8, 0.5, 0.8)
    finding = only(history_of(started(counts=counts), *epochs([0.76], class_accuracy=accuracy)))
    assert finding.rule == "Class imbalance" and not finding.changes
    assert all(figure in finding.seen for figure in ("“a”, has 4,500", "“c”, 120", "50.0%", "76.0%"))
    assert "4,500" in only(history_of(started(counts=counts))).seen, "known before the first epoch"
    assert rules(history_of(started(counts=(4500, 4500, 900, 4500)))) == []


def test_a_class_that_is_hardly_recognised_among_others_that_are_is_named():
    accuracy = (0.8, 0.85, 0.9, 0.3, 0.8, 0.85, 0.9, 0.8, 0.85, 0.9)
    finding = only(history_of(started(), *epochs(RISING, class_accuracy=accuracy)))
    assert finding.rule == "Weak class" and not finding.changes
    assert all(figure in finding.seen for figure in ("“d”", "30.0%", "about 500", "85.0%", "epoch 12"))
    assert rules(history_of(started(), *epochs(RISING[:3], class_accuracy=accuracy))) == [], "it is early yet"


def test_classes_that_simply_differ_or_have_few_images_are_not_called_weak():
    spread = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97)
    assert rules(history_of(started(), *epochs(RISING, class_accuracy=spread))) == []
    few = (0.8, 0.85, 0.9, 0.0, 0.8, 0.85, 0.9, 0.8, 0.85, None)
    assert rules(history_of(started(val=10), *epochs(RISING, class_accuracy=few))) == []


# the end


def test_a_run_that_was_still_getting_better_at_its_end_is_offered_more_epochs():
    rising = epochs([0.30, 0.38, 0.45, 0.51, 0.56, 0.61])
    config = make_config(data="cifar10", epochs=6)
    finding = only(history_of(started(6), *rising, Finished(0.6, 1.0)), config)
    assert finding.rule == "Still improving at the end" and finding.changes == {"epochs": 12}
    assert all(figure in finding.seen for figure in ("epoch, 6,", "from 45.0% to 61.0%", "5,000 images"))
    assert rules(history_of(started(6), *rising), config) == [], "it has not ended"
    most = make_config(data="cifar10", epochs=1000)
    assert only(history_of(started(6), *rising, Finished(0.6, 1.0)), most).changes == {}, "there are no more"


@pytest.mark.parametrize("accuracies", [[0.5, 0.6, 0.61, 0.612, 0.611, 0.613], [0.3, 0.4, 0.5, 0.6, 0.59, 0.7], [0.6, 0.7, 0.6]])
def test_a_run_that_settled_or_swung_at_its_end_has_had_its_epochs(accuracies: list[float]):
    assert rules(history_of(started(6), *epochs(accuracies), Finished(0.6, 1.0))) == []


def test_an_effect_is_left_out_where_its_cause_is_found():
    events = started(), *steps(1, [2.3] * 20 + [40.0] * 80), *epochs([0.1] * 9, train_accuracy=0.1)
    assert rules(history_of(*events)) == ["Learning rate too high"]


def test_a_change_that_is_impossible_beside_the_other_settings_is_not_offered():
    config = TrainConfig.model_validate({**CONFIG.model_dump(), "patience": 2, "schedule": "plateau"})  # as an older run may be
    (finding,) = diagnose(history_of(started(), *epochs(RISING[:2], dead=0.81)), config)
    assert finding.rule == "Dead activations" and finding.changes == {}


def test_every_rule_has_a_sentence_that_says_what_it_sees():
    assert all(rule.__doc__ and re.fullmatch(r"[A-Z].+\.", rule.__doc__) for rule in RULES)
    assert in_words({"activation": "leaky_relu", "weight_decay": 0.0005}) == "activation leaky relu and weight decay 0.0005"


# real trainings


def test_a_real_training_at_an_absurd_rate_is_recognised(store: Store, tmp_path):
    config = tiny_config(write_pictures(tmp_path / "pictures", count=40), batch_size=16, epochs=8, learning_rate=3.0)
    run = store.create(config)
    execute(store, run)
    history = History()
    history.add(store.log.read(run))
    finding = diagnose(history, config, store.run(run).error)[0]
    assert finding.rule in ("Learning rate too high", "Training diverged")
    assert finding.changes == {"learning_rate": 0.001}, "what this network usually gets"


def test_a_real_training_that_diverges_is_recognised_by_its_sentence(store: Store, pictures):
    config = tiny_config(pictures, epochs=20, optimizer="sgd", learning_rate=10)
    run = store.create(config)
    assert execute(store, run) == "failed"
    history = History()
    history.add(store.log.read(run))
    finding = only(history, config, store.run(run).error)
    assert finding.rule == "Training diverged" and finding.changes == {"learning_rate": 0.02}


def test_a_real_training_on_the_digits_that_went_well_gets_no_alarm(digits_run: Trained):
    history = History()
    history.add(digits_run.store.log.read(digits_run.id))
    assert not set(rules(history, digits_run.run.config)) - {"Still improving at the end"}, "six epochs may be too few"


def test_the_doctor_does_not_bring_torch(tmp_path):
    process = start_process(Home(tmp_path), "-c", "import sys, cnn_core.runs.diagnostics; assert 'torch' not in sys.modules")
    assert process.wait(60) == 0


def test_a_leap_in_a_long_run_is_found_among_its_newest_steps_and_named_by_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(history_module, "RULED_STEPS", 500)
    quiet = [Steps(1, at, 64 * at, (0.3,), (0.5,), 0.001, 1.0, 1.0, 1.0, 1.0, 1.0) for at in range(1, 2001)]
    leap = [Steps(1, at, 64 * at, (3.0,), (0.1,), 0.001, 1.0, 1.0, 1.0, 1.0, 1.0) for at in range(2001, 2101)]
    history = history_of(started(), *quiet, *leap)
    assert 0 < len(history.losses) < 1000
    found = find_leap(history, 64)
    assert found.low == pytest.approx(0.3) and found.high == pytest.approx(3.0)
    assert found.low_step < 2001 <= found.high_step <= 2100
    assert find_leap(history, 64, since=2050) is None
