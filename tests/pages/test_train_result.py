"""The result of a completed run on the Train page: test accuracy on request, the most frequent mistake, and three next steps."""

import shutil
from collections import Counter

from cnn_core.metrics.evaluated_models import models_evaluated
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.text import format_percent
from pages.shared.evaluation_subject import SPLIT
from pages.views.train.diagnostics import next_proposal
from pages.views.train.result import MISTAKE
from tests.pages.test_train_page import keys, live_data


def value_of(steps):
    """Return what a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_the_test_accuracy_of_a_completed_run_is_asked_for_once_and_counted_from_then_on(own_trained, open_page):
    run = own_trained.runs()[0]
    shutil.rmtree(own_trained.home.test_set_usage, ignore_errors=True)  # the command that trained it showed it too
    at = open_page("train", run=run.id)
    shown = format_percent(run.summary["test_accuracy"])
    assert shown not in [metric.value for metric in at.metric] and not models_evaluated(own_trained.home, run.config.data)
    at.button(key=f"test-{run.id}").click().run()
    assert models_evaluated(own_trained.home, run.config.data) == {f"{run.id}.best"}
    for later in (at, open_page("train", run=run.id)):
        assert shown in [metric.value for metric in later.metric] and f"test-{run.id}" not in keys(later)


def test_the_result_names_the_most_frequent_confusion_of_the_validation_images(own_trained, open_page):
    run = own_trained.runs()[0]
    at = open_page("train", run=run.id)
    evaluation = value_of(evaluate_run(run.id, run.config, own_trained.home, split="val"))
    wrong = Counter(
        (true, guess) for true, guess in zip(evaluation.labels, evaluation.logits.argmax(1), strict=True) if true != guess
    )
    most = max(wrong.values())
    texts = {
        MISTAKE.format(true=evaluation.classes[true], predicted=evaluation.classes[guess])
        for (true, guess), count in wrong.items()
        if count == most
    }
    assert texts & {element.value for element in at.markdown} and not at.exception


def test_a_completed_run_offers_three_next_steps_of_which_the_gallery_is_the_primary_one(own_trained, open_page):
    run = own_trained.runs()[0].id
    at = open_page("train", run=run)
    steps_offered = [f"gallery-{run}", f"evaluate-{run}"]
    assert [key for key in keys(at) if key in steps_offered] == steps_offered
    proposals = [key for key in keys(at) if key.startswith(("train-more-", "diagnostics-"))]
    assert len(proposals) == 1 and next_proposal(own_trained.run(run)) is None
    primary = [button.key for button in at.main.button if button.proto.type == "primary" and not button.key.startswith("branch-")]
    assert primary == [f"gallery-{run}"]
    at.button(key=f"gallery-{run}").click().run()
    assert (at.title[0].value, at.query_params["run"]) == ("Gallery", run)


def test_the_mistakes_that_the_result_leads_to_are_those_of_the_split_that_it_counts(own_trained, open_page):
    run = own_trained.runs()[0].id
    at = open_page("train", run=run)
    at.button(key=f"evaluate-{run}").click().run()
    assert (at.title[0].value, at.button_group(key=SPLIT).value) == ("Evaluate", "val")
    assert {"run": run, "view": "Mistakes", "split": "val"}.items() <= dict(at.query_params).items()
    at = open_page("evaluate", split="val")
    at.button_group(key=SPLIT).set_value("train").run()
    assert at.query_params["split"] == "train" and not at.exception


def test_train_more_continues_a_completed_run_from_its_last_epoch_as_a_new_run(own_trained, open_page):
    run = own_trained.runs()[0]
    at = open_page("train", run=run.id)
    at.number_input(key=f"more-epochs-{run.id}").set_value(4).run()
    at.button(key=f"train-more-{run.id}").click().run()
    (child,) = own_trained.children(run.id)
    last = run.config.epochs
    assert (child.config.epochs, child.parent_epoch, child.status) == (last + 4, last, "queued")
    assert live_data(at)["run"] == child.id and own_trained.run(run.id) == run and not at.exception
