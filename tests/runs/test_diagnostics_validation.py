"""Diagnostics of what was validated: each rule reports its problem with the numbers of the run and stays quiet where chance explains it."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.config.suggestions import (
    changes_after_divergence,
    learning_rate_after_chance,
    memory_remedy,
    more_epochs,
    more_regularisation,
    more_steps,
    smaller_batch_for_memory,
)
from cnn_core.events import Epoch, Finished, Started
from cnn_core.execution.in_process import execute
from cnn_core.models.registry import FAMILIES, build_on_meta, has_batch_norm
from cnn_core.runs.diagnostics import diagnose
from cnn_core.runs.finding import Finding
from cnn_core.runs.history import History
from cnn_core.runs.rules.classes import CLASS_IMBALANCE
from cnn_core.runs.rules.training import OUT_OF_MEMORY
from cnn_core.runs.rules.validation import (
    BATCH_NORM_ESTIMATED,
    BATCH_NORM_NOT_SETTLED,
    CANNOT_TELL,
    GUESSING_LOSS,
    IS_NOT_BETTER,
    NO_BETTER,
    ONE_CLASS,
    TEST_GAP,
    TOO_FEW_IMAGES,
)
from cnn_core.runs.signals import accuracy_interval, guessing_loss
from cnn_core.runs.store import Store
from cnn_core.training.out_of_memory import TOO_LARGE_STEP
from tests.helpers import is_a_sentence, tells, tiny_config, write_images
from tests.runs.diagnostic_histories import RISING, epochs, history_of, only, rules, started

PHOTOS = make_config(data="own")


def photos(val: tuple[int, int] = (70, 83), train: tuple[int, int] = (99, 97), test: int = 49, planned: int = 20) -> Started:
    """A set of few photographs of two classes; four steps per epoch."""
    return Started(1000, "CPU", sum(train), sum(val), test, 4, planned, 0, ("ants", "bees"), train, val)


def photo_epochs(
    accuracies: Sequence[float], *, train: float = 0.62, ones: tuple[int, ...] = (90, 63), loss: float = 0.69, **more: bool
) -> list[Epoch]:
    return [
        Epoch(at, 4 * at, 0.63, train, loss, accuracy, accuracy > max([0.0, *accuracies[: at - 1]]), 1, 1, predicted=ones, **more)
        for at, accuracy in enumerate(accuracies, 1)
    ]


def findings(*events: Started | Epoch | Finished, config: TrainConfig = PHOTOS, test: float | None = None) -> list[Finding]:
    found = diagnose(history_of(*events), config, test_accuracy=test)
    assert all(is_a_sentence(finding.observation) and is_a_sentence(finding.remedy) for finding in found)
    return found


def names(found: list[Finding]) -> list[str]:
    return [finding.rule for finding in found]


def test_an_accuracy_that_chance_explains_is_reported_with_its_interval_and_the_largest_class_of_the_validation_images():
    (finding,) = findings(photos(planned=2), *photo_epochs([0.549, 0.569]), config=make_config(epochs=2), test=None)[:1]
    assert finding.rule == NO_BETTER and CANNOT_TELL in finding.observation
    assert tells(finding.observation, "56.9%", "153", "48.9%", "64.4%", "“bees”", "54.2%")
    assert finding.changes == more_steps(make_config(epochs=2)) == {"batch_size": 16}
    worse = findings(photos(planned=2), *photo_epochs([0.5, 0.52]))[0]
    assert worse.rule == NO_BETTER and IS_NOT_BETTER in worse.observation


def test_an_accuracy_that_is_surely_above_the_majority_or_a_run_that_has_hardly_begun_gets_no_finding():
    assert findings(photos(planned=2), *photo_epochs([0.6, 0.68], loss=0.6)) == []
    assert findings(photos(), *photo_epochs([0.5, 0.55])) == [], "2 of 20 epochs"


def test_a_model_that_learns_its_training_images_by_heart_is_offered_regularisation_and_no_second_finding_contradicts_it():
    (finding,) = findings(photos(planned=2), *photo_epochs([0.5, 0.55], train=0.97))
    assert finding.rule == NO_BETTER and finding.changes == more_regularisation(PHOTOS)
    rising = [replace(e, val_loss=0.7 + 0.1 * e.epoch, train_loss=0.6 / e.epoch) for e in photo_epochs([0.55] * 8, train=0.8)]
    assert names(findings(photos(planned=8), *rising)) == [NO_BETTER], "overfitting is part of it"


def test_an_imbalanced_set_is_judged_by_its_majority_and_both_findings_are_shown():
    events = photos(val=(270, 30), train=(2700, 200), planned=2), *photo_epochs([0.9, 0.91], train=0.93, ones=(295, 5), loss=0.2)
    assert names(findings(*events)) == [NO_BETTER, CLASS_IMBALANCE]


def test_one_predicted_class_is_reported_whatever_the_training_accuracy_is():
    (finding,) = findings(photos(planned=4), *photo_epochs([0.4575] * 4, ones=(153, 0)))
    assert finding.rule == ONE_CLASS and finding.changes == more_steps(PHOTOS)
    assert tells(finding.observation, "153", "“ants”", "45.8%")
    late = [replace(epoch, step=500 + epoch.step) for epoch in photo_epochs([0.4575] * 4, ones=(153, 0), train=0.5)]
    (finding,) = findings(photos(planned=4), *late)
    assert finding.rule == ONE_CLASS and finding.changes == learning_rate_after_chance(PHOTOS), "it is the cause of not learning"
    assert findings(photos(planned=4, val=(153, 0)), *photo_epochs([1.0] * 4, ones=(153, 0), loss=0.1)) == [], "there is one only"


def test_one_class_is_known_in_runs_of_earlier_versions_by_the_accuracies_of_the_classes():
    old = [replace(epoch, predicted=(), class_accuracy=(1.0, 0.0)) for epoch in photo_epochs([0.4575] * 8)]
    start = replace(photos(planned=8), val_class_counts=())
    assert names(findings(start, *old)) == [ONE_CLASS]
    (finding,) = findings(start, *old, config=make_config(model="mobilenet"))
    assert finding.rule == BATCH_NORM_NOT_SETTLED and tells(finding.observation, "62.0%", "153", "“ants”", "45.8%", "32")
    guessing = [replace(epoch, train_accuracy=0.52) for epoch in old]
    assert names(findings(start, *guessing, config=make_config(model="mobilenet"))) == [ONE_CLASS], "nothing is learned"


def test_estimated_batch_norms_are_told_at_the_end_unless_there_is_more_to_tell():
    good = photo_epochs([0.6, 0.7], loss=0.5, is_settled=False)
    (finding,) = findings(photos(planned=4), *good, Finished(0.7, 0.5))
    assert finding.rule == BATCH_NORM_ESTIMATED and finding.changes == more_steps(PHOTOS)
    assert findings(photos(planned=4), *good) == []
    weak = photo_epochs([0.55, 0.55], is_settled=False)
    assert names(findings(photos(planned=2), *weak, Finished(0.7, 0.5))) == [NO_BETTER]


def test_six_validation_images_are_too_few_and_the_width_of_the_interval_is_told():
    few = photos(val=(3, 3), train=(17, 17), planned=2)
    (finding,) = findings(few, *photo_epochs([0.5, 4 / 6], ones=(3, 3)), config=make_config(validation_share=0.15))
    assert finding.rule == TOO_FEW_IMAGES and tells(finding.observation, "66.7%", "6", "30%", "90%")
    assert finding.changes == {"validation_share": 0.3}
    own = photos(val=(3, 3), train=(300, 300), planned=2)
    assert findings(own, *photo_epochs([0.5, 4 / 6], ones=(3, 3)))[0].changes == {}, "the set has validation images of its own"
    assert findings(photos(val=(30, 30), planned=2), *photo_epochs([0.9, 0.95], ones=(30, 30), loss=0.2)) == []


def test_a_loss_at_the_entropy_of_the_classes_is_reported_where_the_accuracy_is_better_than_guessing():
    (finding,) = findings(photos(planned=2), *photo_epochs([0.6, 0.68], loss=0.688))
    assert finding.rule == GUESSING_LOSS and tells(finding.observation, "0.688", "0.69")
    even = started(counts=(10, 10, 10, 10))
    assert guessing_loss(even) == pytest.approx(math.log(4))
    reference = torch.distributions.Categorical(torch.tensor([70.0, 83.0])).entropy().item()
    assert guessing_loss(photos()) == pytest.approx(reference, rel=1e-6)


def test_a_gap_to_the_test_accuracy_is_told_only_once_it_is_known_and_beyond_chance():
    events = photos(planned=2), *photo_epochs([0.6, 0.66], loss=0.6), Finished(0.9, 0.3)
    assert findings(*events) == [], "diagnostics must not reveal what nobody has asked for"
    (finding,) = findings(*events, test=0.9)
    assert finding.rule == TEST_GAP and tells(finding.observation, "66.0%", "153", "90.0%", "49") and finding.changes == {}
    assert findings(*events, test=0.8) == [], "chance"
    assert names(findings(*events, test=0.3)) == [TEST_GAP]


def test_the_same_model_on_two_samples_hardly_ever_has_a_gap():
    rng = np.random.default_rng(0)
    found = [
        findings(photos(planned=1), *photo_epochs([val / 153], loss=0.3), Finished(0.8, 0.3), test=test / 49)
        for val, test in zip(rng.binomial(153, 0.8, 1000), rng.binomial(49, 0.8, 1000), strict=True)
    ]
    assert sum(TEST_GAP in names(each) for each in found) < 15


def test_a_healthy_run_with_all_figures_of_this_version_gets_no_finding():
    done = epochs(RISING, predicted=(500,) * 10, class_accuracy=(0.7,) * 10, dead=0.1)
    start = replace(started(), val_class_counts=(500,) * 10)
    for count in range(1, len(done) + 1):
        assert rules(history_of(start, *done[:count])) == []


def test_lack_of_memory_is_reported_with_the_batch_size_that_its_error_proposes():
    error = TOO_LARGE_STEP.format(count=1400, device="CPU", remedy=memory_remedy(350))
    finding = only(history_of(started()), make_config(batch_size=1400), error)
    assert finding.rule == OUT_OF_MEMORY and finding.changes == smaller_batch_for_memory(350) == {"batch_size": 350}
    assert error == f"{finding.observation} {finding.remedy}" and is_a_sentence(error)
    none = TOO_LARGE_STEP.format(count=2, device="GPU", remedy=memory_remedy(0))
    assert only(history_of(started()), make_config(batch_size=2), none).changes == {} and is_a_sentence(none)


def test_the_adviser_always_proposes_another_value_that_can_be_trained():
    for model in FAMILIES:
        for size in (1, 16, 64, 4096):
            config = make_config(model=model, batch_size=size)
            for propose in (more_steps, more_epochs, more_regularisation, changes_after_divergence):
                changes = propose(config)
                assert changes and make_config(**{**config.model_dump(), **changes}) != config


@pytest.mark.parametrize("model", FAMILIES)
def test_the_registry_knows_which_models_have_batch_norms(model: str):
    for chosen in (False, True):
        built = build_on_meta(model, channels=3, image_size=64, classes=2, batch_norm=chosen)
        assert has_batch_norm(model, chosen) == any(isinstance(layer, torch.nn.BatchNorm2d) for layer in built.modules())


def test_a_real_run_records_what_the_rules_read(store: Store, tmp_path):
    run = store.create(tiny_config(write_images(tmp_path / "pictures", count=40), epochs=2))
    execute(store, run)
    history = History()
    history.add(store.log.read(run))
    begun, last = history.started, history.epochs[-1]
    assert begun and sum(begun.val_class_counts) == begun.val_count == sum(last.predicted)
    assert len(begun.val_class_counts) == len(begun.classes) == len(last.predicted)
    right = [round(a * n) for a, n in zip(last.class_accuracy, begun.val_class_counts, strict=True) if a is not None]
    assert sum(right) == round(last.val_accuracy * begun.val_count)


def test_intervals_of_accuracies_are_wilsons():
    from scipy.stats import binomtest

    theirs = binomtest(87, 153).proportion_ci(method="wilson")
    assert accuracy_interval(87 / 153, 153) == pytest.approx((theirs.low, theirs.high))
