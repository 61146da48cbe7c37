"""Filter surgery: switch off channels of a convolution and see which classes needed them."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.events import Progress
from pages.charts.surgery import answer_bars, change_bars, order_by_change
from pages.shared.evaluation_results import compute_once
from pages.shared.evaluation_subject import PARTS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.text import plain
from pages.views.evaluate.explain.image_choice import Seen
from pages.views.evaluate.explain.sample import sample_of

if TYPE_CHECKING:
    from cnn_core.explain.surgery import Surgery
    from cnn_core.metrics.evaluation import Evaluation

BEFORE = "surgery-before"
TALLEST = 320  # pixels of a table
TOLD = 12  # numbers of channels that are written out
HELP = (
    "The chosen channels' maps are set to zero everywhere, and the network classifies the same images again. Classes that fall needed the "
    "channel. Often hardly anything changes: networks spread what they know over many channels."
)
Cut = tuple[str, tuple[int, ...]]  # a convolution, and its channels that are off


def show_surgery(subject: EvaluationSubject, evaluation: "Evaluation", seen: Seen | None) -> None:
    """Layer and channels to choose, a button, and what came of it, for the image that is `seen` too."""
    st.subheader("Filter surgery", help=HELP)
    st.caption("Switch off channels of a convolution, and see which classes needed them. The saved network stays as it is.")
    key = f"surgery-{subject.name}"
    _choose_cut(subject, key)
    cut: Cut | None = st.session_state.get(key)
    if cut is None:
        st.info("Choose channels, then press “Switch off”.", icon=":material/content_cut:")
        return
    if seen:
        _show_image(subject, evaluation.classes, seen, cut)
    _show_outcome(subject, evaluation, cut)


def _choose_cut(subject: EvaluationSubject, key: str) -> None:
    """The boxes and buttons; what is off stands under `key` in the session."""
    from cnn_core.explain.layers import conv_layers

    layers, state = conv_layers(subject.network()[0]), st.session_state
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = st.selectbox("Layer to operate on", list(layers), key=f"{key}-layer", width=280)
        box = f"{key}-channels-{layer}"
        channels = st.multiselect(
            "Channels to switch off",
            range(layers[layer].out_channels),
            key=box,
            help="Counted from 0, as in the feature maps of this layer.",
            placeholder="Numbers from 0",
            select_all=False,
            width=320,
        )

        def switch_off() -> None:
            state[key] = (layer, tuple(sorted(channels)))

        def switch_on() -> None:
            state[key], state[box] = None, []

        st.button("Switch off", icon=":material/content_cut:", key=f"{key}-go", disabled=not channels, on_click=switch_off)
        st.button(
            "Switch all on again",
            icon=":material/restart_alt:",
            key=f"{key}-reset",
            disabled=state.get(key) is None,
            on_click=switch_on,
        )


def _show_outcome(subject: EvaluationSubject, evaluation: "Evaluation", cut: Cut) -> None:
    chosen = sample_of(subject, evaluation)
    before = compute_once(subject, evaluation, BEFORE, lambda: _as_it_is(subject, chosen))
    surgery = compute_once(subject, evaluation, f"surgery-{cut}", lambda: _operate(subject, chosen, cut, before))
    st.markdown(f"Without {_name(cut)}, on {len(chosen):,} {PARTS[subject.part]} images spread over the classes:")
    figures = st.grid(3, min_column_width=150)
    change = surgery.accuracy_after - surgery.accuracy_before
    figures.metric(
        "Accuracy before", f"{surgery.accuracy_before:.2%}", border=True, help="Of the untouched network on the same images."
    )
    figures.metric("Accuracy now", f"{surgery.accuracy_after:.2%}", f"{change * 100:+.2f} points", border=True)
    figures.metric(
        "Answers that changed", f"{len(surgery.flipped):,}", border=True, help="Images that are now said to be something else."
    )
    _show_classes(surgery, evaluation.classes)
    _show_flipped(subject, evaluation, surgery, chosen)


def _name(cut: Cut) -> str:
    layer, channels = cut
    if len(channels) > TOLD:
        return f"**{len(channels):,} channels** of **{layer}**"
    return f"**channel{'s' if len(channels) > 1 else ''} {', '.join(map(str, channels))}** of **{layer}**"


def _show_classes(surgery: "Surgery", classes: Sequence[str]) -> None:
    changes = surgery.class_change
    if not np.nan_to_num(changes).any():
        st.info("No class became better or worse. Switch off more channels, or some of another layer.", icon=":material/info:")
        return
    st.caption("By how many percentage points the accuracy on each class rose or fell; those that fell most come first")
    left, right = st.columns([3, 2])
    left.plotly_chart(
        change_bars(changes, classes),
        config={"displayModeBar": False},
        alt="Change of the accuracy on every class, in percentage points",
    )
    order = order_by_change(changes)
    table = {
        "Class": [classes[label] for label in order],
        "Before": surgery.class_before[order],
        "Now": surgery.class_after[order],
        "Change, points": changes[order] * 100,
    }
    columns = {name: st.column_config.NumberColumn(name, format="percent") for name in ("Before", "Now")}
    columns["Change, points"] = st.column_config.NumberColumn("Change, points", format="%+.1f")
    right.dataframe(
        table,
        hide_index=True,
        column_config=columns,
        height="content" if len(order) <= 10 else TALLEST,
        alt="Accuracy on every class before and after the channels were switched off",
    )


def _show_flipped(subject: EvaluationSubject, evaluation: "Evaluation", surgery: "Surgery", chosen: np.ndarray) -> None:
    """The images whose answer changed, with what was and is said of them."""
    flipped = surgery.flipped
    if not len(flipped):
        st.caption("Not one answer changed.")
        return
    place = {int(chosen[one]): int(one) for one in flipped}

    def tell(index: int) -> str:
        before, now = (evaluation.classes[said[place[index]]] for said in (surgery.said_before, surgery.said_after))
        return f"{before} → {now}, is {evaluation.classes[evaluation.labels[index]]}"

    with st.expander(f"The {len(flipped):,} images whose answer changed"):
        show_image_grid(subject, evaluation, chosen[flipped], f"surgery-shots-{subject.name}-{hash(flipped.tobytes()):x}", tell)


def _show_image(subject: EvaluationSubject, classes: Sequence[str], seen: Seen, cut: Cut) -> None:
    """What the network says of the chosen image without the channels."""
    from cnn_core.explain.single_image import answer
    from cnn_core.explain.surgery import without_channels

    after = answer(without_channels(subject.network()[0], *cut), seen.image)
    if not np.isfinite(after).all():
        st.info("Without these channels, the probabilities of the chosen image are no numbers.", icon=":material/info:")
        return
    now = int(after.argmax())
    changed = f"still says **{plain(classes[now])}**" if now == seen.said else f"now says **{plain(classes[now])}**"
    st.markdown(
        f"Without {_name(cut)}, of {seen.name} the network {changed}, with {after[now]:.1%}; before, {seen.shares[now]:.1%}."
    )
    st.plotly_chart(
        answer_bars(seen.shares, after, classes),
        config={"displayModeBar": False},
        alt="The most probable classes of the chosen image before and after the channels were switched off",
    )


def _as_it_is(subject: EvaluationSubject, chosen: np.ndarray) -> Generator[Progress, None, np.ndarray]:
    from cnn_core.explain.surgery import classify

    return (yield from classify(*subject.network(), subject.images().take(chosen), "The network as it is"))


def _operate(
    subject: EvaluationSubject, chosen: np.ndarray, cut: Cut, before: np.ndarray
) -> "Generator[Progress, None, Surgery]":
    from cnn_core.explain.surgery import operate

    return (yield from operate(*subject.network(), subject.images().take(chosen), *cut, before))
