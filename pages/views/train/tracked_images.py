"""A run's probes: each pinned image with how the network's answer to it changed by epoch, drawn anew as epochs come.

In: the run's probes, and what was told of them after every epoch. The one who trains asks the network; a page asks only the networks of
earlier epochs that were kept, when somebody wants it to, and keeps those answers for the session.
"""

from collections.abc import Sequence

import streamlit as st

from cnn_core.errors import RunError, StudioError
from cnn_core.events import Epoch, Probed, Resumed, Started
from cnn_core.home import kept_epochs
from cnn_core.runs.history import History
from cnn_core.runs.run import Run
from cnn_core.training.tracked_images import MOST, TrackedImage, read_tracked_images, unpin, unpin_all
from pages.charts.images import image_html
from pages.charts.tracked_images import Answers, answers, probability_lines
from pages.shared.people import may_change
from pages.shared.progress import run_with_progress
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.train.pinning import pin_images

LOOK_SECONDS = 3
WATCHED = (Started, Resumed, Epoch, Probed)
HISTORY = "probe-history"
ORIGINS = {"set": "from the data set", "upload": "uploaded", "drawing": "drawn"}


def show_tracked_images(run: Run) -> None:
    """The images that are pinned, and ways to pin more."""
    try:
        probes = read_tracked_images(get_store().home.run_folder(run.id))
    except RunError as error:
        _show_damage(run, error)
        return
    with st.expander("Probes: how its answers change", icon=":material/push_pin:", expanded=bool(probes)):
        if not probes:
            st.caption(
                f"Pin up to {MOST} images: after every epoch the network is asked about each of them, and here you see how its answers "
                "change while it learns."
            )
        else:
            with st.container():  # a fragment of one's own place: its length changes
                st.fragment(_show_cards, run_every=LOOK_SECONDS if run.is_active else None)(run.id, run.is_active)
            _offer_past(run.id, probes)
        if may_change(run.owner):
            pin_images(run, probes)


def _show_damage(run: Run, error: RunError) -> None:
    st.error(plain(error), icon=":material/error:")
    if may_change(run.owner) and st.button("Remove all probes", icon=":material/delete:"):
        unpin_all(get_store().home.run_folder(run.id))
        st.rerun()


def _show_cards(run: str, was_active: bool) -> None:
    """Two images beside each other. Between epochs the charts stay the same, and the browser draws nothing."""
    if was_active and not get_store().run(run).is_active:
        st.rerun()  # without a timer
    try:
        probes = read_tracked_images(get_store().home.run_folder(run))
    except RunError as error:
        st.error(plain(error), icon=":material/error:")
        return
    history = _history(run)
    classes = history.started.classes if history.started else ()
    for first in range(0, len(probes), 2):
        for column, probe in zip(st.columns(2), probes[first : first + 2], strict=False):
            with column.container(border=True):
                _show_card(run, probe, _said(run, history, probe), classes)


def _show_card(run: str, probe: TrackedImage, said: Answers, classes: Sequence[str]) -> None:
    seen, answer = st.columns([1, 4])
    with seen:
        st.html(image_html(probe.pixels, f"{probe.label}, as the network receives it", width=96))
        if may_change(get_store().run(run).owner) and st.button(
            "Remove", key=f"unpin-{run}-{probe.name}", type="tertiary", icon=":material/close:", help="Unpins it."
        ):
            _remove(run, probe)
    with answer:
        st.caption(f"{plain(probe.label)}, {ORIGINS[probe.origin]}")
        if said and classes:
            _show_answer(run, probe, said, classes)
        else:
            st.caption("The network is asked about it after the next epoch.")


def _show_answer(run: str, probe: TrackedImage, said: Answers, classes: Sequence[str]) -> None:
    """What the network says now, whether that is right, and how it came to it."""
    epoch = max(said)
    top = max(range(len(classes)), key=said[epoch].__getitem__)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(classes[top])}** with {said[epoch][top]:.1%} after epoch {epoch}", width="content")
        if probe.truth == top:
            st.badge("right", icon=":material/check:", color="green")
        elif probe.truth >= 0:
            st.badge(f"wrong, it is {plain(classes[probe.truth])}", icon=":material/close:", color="red")
    st.plotly_chart(
        probability_lines(said, classes, probe.truth),
        key=f"probe-{run}-{probe.name}",
        config={"displayModeBar": False},
        alt=f"Probabilities of the classes of {probe.label} by epoch",
    )


def _remove(run: str, probe: TrackedImage) -> None:
    try:
        unpin(get_store().home.run_folder(run), probe.name)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.rerun()


@st.fragment
def _offer_past(run: str, probes: Sequence[TrackedImage]) -> None:
    """A button that asks the networks that were kept after earlier epochs about images that were pinned later."""
    folder, history = get_store().home.run_folder(run), _history(run)
    said = [_said(run, history, probe) for probe in probes]
    done = {event.epoch for event in history.epochs}
    lacking = [epoch for epoch in kept_epochs(folder) if epoch in done and any(epoch not in known for known in said)]
    if not lacking:
        return
    what = "epoch" if len(lacking) == 1 else "epochs"
    help_ = "Asks the networks that were kept after those epochs, on the CPU in float32. The answers are kept until the page is loaded anew."
    if st.button(f"Fill in {len(lacking)} earlier {what}", icon=":material/history:", help=help_, key=f"probe-past-{run}"):
        try:
            with st.spinner("Opening the networks…"):
                from cnn_core.training.tracked_predictions import ask_kept_epochs
            _past(run).extend(run_with_progress(ask_kept_epochs(folder, lacking)))
        except StudioError as error:
            st.error(plain(error), icon=":material/error:")
            return
        st.rerun()


def _said(run: str, history: History, probe: TrackedImage) -> Answers:
    """What is known of a probe: what training told, and where it told nothing what was asked for afterwards."""
    return answers(_past(run), probe.name) | answers(history.probed, probe.name)


def _past(run: str) -> list[Probed]:
    return st.session_state.setdefault(f"probe-answers-{run}", [])


def _history(run: str) -> History:
    """The run as far as probes are concerned; what was read stays in the session, so that only what is new is read."""
    known, history = st.session_state.get(HISTORY, ("", None))
    if known != run or history is None:
        history = History()
        st.session_state[HISTORY] = (run, history)
    history.add(get_store().log.read(run, history.seq, WATCHED))
    return history
