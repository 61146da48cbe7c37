"""The result of a completed run: its accuracies, its most frequent mistake, and three next steps.

In: a completed run. The test accuracy is shown once somebody has asked for it, which is recorded as a use of the test set. The most frequent
mistake comes from the evaluation on the validation images, which is computed with progress unless it is stored.
"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.suggestions import MAX_EPOCHS, epochs_after
from cnn_core.errors import RemovedSetError, StudioError
from cnn_core.home import saved_epochs
from cnn_core.runs.final_accuracy import known_test_accuracy, reveal_test_accuracy
from cnn_core.runs.finding import Finding
from cnn_core.runs.out_of_fold import HELP as OUT_OF_FOLD_HELP
from cnn_core.runs.out_of_fold import out_of_fold_result
from cnn_core.runs.run import Run
from cnn_core.text import counted, format_percent
from pages.shared.links import page_file
from pages.shared.refusal import NOTHING_STARTED
from pages.shared.removed_set import offer_restore
from pages.shared.run_models import evaluate_with_progress
from pages.shared.server import get_store
from pages.shared.start_run import start_branch
from pages.shared.text import plain
from pages.views.train.diagnostics import describe_finding

TEST_HELP = (
    "Shows the accuracy on the test images, and counts this model as evaluated on them. To choose between runs, compare their validation "
    "accuracy, and ask for the test accuracy of the final model only."
)
FINAL_HELP = "The final result of this run. To choose between runs, compare their validation accuracy instead."
BEST_HELP = "Accuracy on the validation images after the best epoch. The model of that epoch is saved."
INTERVAL = "95% interval {interval}, {images}"
BEST_EPOCH = "best model, epoch {epoch}"
MISTAKE = "**{true}** classified as **{predicted}**"
MISTAKE_COUNT = "{count:,} of {images} of this class ({fraction})"
NO_MISTAKE = "None of {images} is misclassified."
TRY_IT = "Draw an image or upload one of your own, and see the prediction."
SEE_MISTAKES = "See the validation images that the model classifies wrongly."
SEE_REGIONS = "See which regions of an image the model's decision rests on."
TRAIN_MORE = "Continue from epoch {epoch} as a new run. This run stays as it is."
WRONG_MORE_EPOCHS = "“More epochs” must be a number from 1 to {most:,}, but “{given:,}” was given."


def show_result(run: Run, proposal: Finding | None) -> DeltaGenerator:
    """Show the card. Return the place for the most frequent mistake, which `show_main_mistake` fills once the page is there."""
    st.header("Result")
    with st.container(border=True, key="result"):
        estimates = out_of_fold_result(run.summary)
        validation, *others, test, mistake = st.columns([1, 1, 1, 2] if estimates else [1, 1, 2])
        accuracy, epoch = run.summary.get("best_val_accuracy"), run.summary.get("best_epoch")
        validation.metric("Validation accuracy", format_percent(accuracy), help=BEST_HELP)
        if epoch:
            validation.caption(BEST_EPOCH.format(epoch=epoch))
        if estimates:
            validation.caption(
                INTERVAL.format(interval=estimates.validation.interval, images=counted(estimates.validation.images, "image"))
            )
            others[0].metric("Out-of-fold accuracy", format_percent(estimates.out_of_fold.accuracy), help=OUT_OF_FOLD_HELP)
            others[0].caption(
                INTERVAL.format(interval=estimates.out_of_fold.interval, images=counted(estimates.out_of_fold.images, "image"))
            )
        with test:
            _show_test_accuracy(run)
        with mistake:
            st.caption("Most frequent mistake on validation images")
            place = st.empty()
        if estimates:
            st.caption(estimates.advice)
        st.markdown("**Next steps**")
        _show_next_steps(run, proposal)
    return place


def show_main_mistake(run: Run, place: DeltaGenerator) -> None:
    """Write the most frequent confusion of the run's best model on the validation images into `place`."""
    with place.container():
        try:
            evaluation = evaluate_with_progress(run, "val")
        except StudioError as error:
            st.caption(plain(error))
            if isinstance(error, RemovedSetError):
                offer_restore(error.name)
            return
        from cnn_core.metrics.confusion import confused_pairs

        pairs = confused_pairs(evaluation.confusion, 1)
        if not len(pairs.count):
            st.write(NO_MISTAKE.format(images=counted(len(evaluation), "validation image")))
            return
        true, predicted = (plain(evaluation.classes[index[0]]) for index in (pairs.true, pairs.predicted))
        images = counted(int(evaluation.confusion[pairs.true[0]].sum()), "image")
        st.markdown(MISTAKE.format(true=true, predicted=predicted))
        st.caption(MISTAKE_COUNT.format(count=pairs.count[0], images=images, fraction=format_percent(float(pairs.fraction[0]))))


def _show_test_accuracy(run: Run) -> None:
    """Show the test accuracy, or the button that asks for it."""
    if (accuracy := known_test_accuracy(get_store(), run)) is not None:
        st.metric("Test accuracy", format_percent(accuracy), help=FINAL_HELP)
    elif run.summary.get("test_accuracy") is not None:
        st.caption("Test accuracy")
        st.button(
            "Evaluate on the test set",
            key=f"test-{run.id}",
            help=TEST_HELP,
            on_click=_reveal,
            args=(run,),
        )


def _reveal(run: Run) -> None:
    reveal_test_accuracy(get_store(), run)


def _show_next_steps(run: Run, proposal: Finding | None) -> None:
    """Show three steps side by side, the gallery first, as the page's primary action."""
    gallery, mistakes, improve = st.columns(3)
    with gallery:
        st.write(TRY_IT)
        _link_button(run, "Open in Gallery", "gesture", "gallery", is_primary=True)
    with mistakes:
        if run.summary.get("best_val_accuracy") == 1:
            st.write(SEE_REGIONS)
            _link_button(run, "Explain an image", "visibility", "evaluate", view="Explain", split="val")
        else:
            st.write(SEE_MISTAKES)
            _link_button(run, "Show mistakes", "fact_check", "evaluate", view="Mistakes", split="val")
    with improve:
        if proposal:
            describe_finding(run, proposal)
        else:
            _offer_more_epochs(run)


def _link_button(run: Run, label: str, icon: str, page: str, *, is_primary: bool = False, **query: str) -> None:
    """Show a button that opens a page with this run; a link of Streamlit cannot look like a primary action."""
    if st.button(label, key=f"{page}-{run.id}", type="primary" if is_primary else "secondary", icon=f":material/{icon}:"):
        st.switch_page(page_file(page), query_params={"run": run.id, **query})


def _offer_more_epochs(run: Run) -> None:
    """Show a number and a button that continues the run from its last saved epoch for so many epochs more."""
    epochs = saved_epochs(get_store().home.run_folder(run.id))
    if not epochs:
        return
    last, most = epochs[-1], MAX_EPOCHS - epochs[-1]
    if not most:
        return
    st.write(TRAIN_MORE.format(epoch=last))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        # Without limits of its own: a browser would turn the field red and silently keep the number before.
        more = st.number_input("More epochs", value=epochs_after(last) - last, step=1, width=140, key=f"more-epochs-{run.id}")
        is_pressed = st.button("Train more", key=f"train-more-{run.id}", icon=":material/forward:")
    if is_pressed and 1 <= more <= most:
        start_branch(run.id, last, {"epochs": last + more})
    elif is_pressed:
        st.error(f"{NOTHING_STARTED} {WRONG_MORE_EPOCHS.format(most=most, given=more)}", icon=":material/error:")
