"""Tracked images of a run: each pinned image with the model's predictions by epoch, updated while the run trains.

In: the pinned images and the predictions in the run's events. The training process predicts after every epoch; the page computes only the
predictions of earlier saved epochs, at the press of a button, and stores them in the session.
"""

from collections.abc import Sequence

import streamlit as st

from cnn_core.errors import RunError, StudioError
from cnn_core.events import Epoch, Resumed, Started, TrackedPredictions
from cnn_core.home import saved_epochs
from cnn_core.runs.history import History
from cnn_core.runs.run import Run
from cnn_core.text import counted
from cnn_core.training.tracked_images import (
    MAX_IMAGES,
    TrackedImage,
    read_tracked_images,
    remove_tracked_image,
    remove_tracked_images,
)
from pages.charts.images import image_html
from pages.charts.tracked_images import PredictionsByEpoch, predictions_of, probability_lines
from pages.shared.people import may_change
from pages.shared.progress import run_with_progress
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.train.pinning import show_pinning

POLL_SECONDS = 3
EVENT_KINDS = (Started, Resumed, Epoch, TrackedPredictions)
HISTORY_KEY = "tracked-history"
NO_PREDICTION = "There is no prediction yet. It is computed after the next epoch."
ENDED = "There is no prediction: this image was pinned after the training."
CORRECT, WRONG = "correct", "wrong, true class {truth}"
PURPOSE = f"Pin up to {MAX_IMAGES} images to see how the model's predictions for them change from epoch to epoch."
PREDICTION = "Prediction: **{name}** ({probability:.1%}) after epoch {epoch}"
ORIGINS = {"set": "from the data set", "upload": "uploaded", "drawing": "drawn"}


def show_tracked_images(run: Run) -> None:
    """Show the pinned images and the form to pin more."""
    try:
        tracked = read_tracked_images(get_store().home.run_folder(run.id))
    except RunError as error:
        _show_damage(run, error)
        return
    if not tracked:
        st.caption(PURPOSE)
    else:
        with st.container():  # a fragment of varying length needs a container of its own
            st.fragment(_show_cards, run_every=POLL_SECONDS if run.is_active else None)(run.id, run.is_active)
        _show_fill_button(run.id, tracked)
    if may_change(run.owner):
        show_pinning(run, tracked)


def _show_damage(run: Run, error: RunError) -> None:
    st.error(plain(error), icon=":material/error:")
    if may_change(run.owner) and st.button("Remove all tracked images", key=f"unpin-all-{run.id}", icon=":material/delete:"):
        remove_tracked_images(get_store().home.run_folder(run.id))
        st.rerun()


def _show_cards(run: str, was_active: bool) -> None:
    """Show the images in two columns. Between epochs the charts are unchanged, so the browser redraws nothing."""
    if was_active and not get_store().run(run).is_active:
        st.rerun()  # without a timer
    try:
        tracked = read_tracked_images(get_store().home.run_folder(run))
    except RunError as error:
        st.error(plain(error), icon=":material/error:")
        return
    history = _history(run)
    classes = history.started.classes if history.started else ()
    for first in range(0, len(tracked), 2):
        for column, image in zip(st.columns(2), tracked[first : first + 2], strict=False):
            with column.container(border=True):
                _show_card(run, image, _predictions(run, history, image), classes)


def _show_card(run: str, image: TrackedImage, predictions: PredictionsByEpoch, classes: Sequence[str]) -> None:
    left, right = st.columns([1, 4])
    with left:
        st.html(image_html(image.pixels, f"{image.label}, as the model receives it", width=96))
        if may_change(get_store().run(run).owner) and st.button(
            "Remove", key=f"unpin-{run}-{image.name}", type="tertiary", icon=":material/close:", help="Unpins this image."
        ):
            _remove(run, image)
    with right:
        st.caption(f"{plain(image.label)}, {ORIGINS[image.origin]}")
        if predictions and classes:
            _show_prediction(run, image, predictions, classes)
        else:
            st.caption(NO_PREDICTION if get_store().run(run).is_active else ENDED)


def _show_prediction(run: str, image: TrackedImage, predictions: PredictionsByEpoch, classes: Sequence[str]) -> None:
    """Show the latest prediction, whether it is correct, and the probabilities by epoch."""
    epoch = max(predictions)
    top = max(range(len(classes)), key=predictions[epoch].__getitem__)
    with st.container(horizontal=True, vertical_alignment="center"):
        prediction = PREDICTION.format(name=plain(classes[top]), probability=predictions[epoch][top], epoch=epoch)
        st.markdown(prediction, width="content")
        if image.truth == top:
            st.badge(CORRECT, icon=":material/check:", color="green")
        elif image.truth >= 0:
            st.badge(WRONG.format(truth=plain(classes[image.truth])), icon=":material/close:", color="red")
    st.plotly_chart(
        probability_lines(predictions, classes, image.truth),
        key=f"tracked-{run}-{image.name}",
        config={"displayModeBar": False},
        alt=f"Probabilities of the classes of {image.label} by epoch",
    )


def _remove(run: str, image: TrackedImage) -> None:
    try:
        remove_tracked_image(get_store().home.run_folder(run), image.name)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.rerun()


@st.fragment
def _show_fill_button(run: str, tracked: Sequence[TrackedImage]) -> None:
    """Show a button that computes the predictions of earlier saved epochs for images that were pinned later."""
    folder, history = get_store().home.run_folder(run), _history(run)
    predictions = [_predictions(run, history, image) for image in tracked]
    completed = {event.epoch for event in history.epochs}
    missing = [epoch for epoch in saved_epochs(folder) if epoch in completed and any(epoch not in known for known in predictions)]
    if not missing:
        return
    help_ = "Computes the predictions of the models that were saved after these epochs. They are lost when the page is reloaded."
    if st.button(
        f"Add {counted(len(missing), 'earlier epoch')}", icon=":material/history:", help=help_, key=f"tracked-fill-{run}"
    ):
        try:
            with st.spinner("Opening the models…"):
                from cnn_core.training.tracked_predictions import predict_saved_epochs
            _computed(run).extend(run_with_progress(predict_saved_epochs(folder, missing)))
        except StudioError as error:
            st.error(plain(error), icon=":material/error:")
            return
        st.rerun()


def _predictions(run: str, history: History, image: TrackedImage) -> PredictionsByEpoch:
    """Return the predictions for the image: those of training, and for other epochs those computed later."""
    return predictions_of(_computed(run), image.name) | predictions_of(history.tracked, image.name)


def _computed(run: str) -> list[TrackedPredictions]:
    computed: list[TrackedPredictions] = st.session_state.setdefault(f"tracked-predictions-{run}", [])
    return computed


def _history(run: str) -> History:
    """Return the events that tracked images need; the session stores them, so that only new ones are read."""
    history: History | None
    known, history = st.session_state.get(HISTORY_KEY, ("", None))
    if known != run or history is None:
        history = History()
        st.session_state[HISTORY_KEY] = (run, history)
    history.add(get_store().log.read(run, history.seq, EVENT_KINDS))
    return history
