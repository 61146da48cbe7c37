"""Channel ablation: set channels of a convolution to zero and show how the predictions change."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.events import Progress
from pages.charts.ablation import change_bars, order_by_change, prediction_bars
from pages.shared.chart import show_chart
from pages.shared.evaluation_results import compute_once
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.text import plain
from pages.views.evaluate.explain.image_choice import ChosenImage
from pages.views.evaluate.explain.sample import choose_sample

if TYPE_CHECKING:
    from cnn_core.explain.ablation import Ablation
    from cnn_core.metrics.evaluation import Evaluation

BEFORE = "ablation-before"
TALLEST = 320  # pixels of a table
LISTED = 12  # most channels that are listed by index
HELP = (
    "The feature maps of the chosen channels are set to zero, and the same images are classified again. Classes whose accuracy falls depend "
    "on these channels. Often little changes, because information is spread over many channels."
)
AblatedChannels = tuple[str, tuple[int, ...]]  # a convolution and its ablated channels
WITHOUT_IMAGE = "Without {channels}, {image}: prediction {change}, **{predicted}** with {probability:.1%} (before: {before:.1%})."
WITHOUT_SAMPLE = "Without {channels}, on {count:,} {split} images, balanced over the classes:"
NO_CONVOLUTION = "Channel ablation does not apply: this model has no convolution."
UNCHANGED = "unchanged"
CHOOSE_CHANNELS = "Choose channels, then press Switch off."


def show_ablation(subject: EvaluationSubject, evaluation: "Evaluation", image: ChosenImage | None) -> None:
    """Show the choice of layer and channels, and the result for the sample and the chosen image."""
    from cnn_core.models.hooks import conv_layers

    st.header("Channel ablation", help=HELP)
    if not conv_layers(subject.model()[0]):
        st.info(NO_CONVOLUTION, icon=":material/info:")
        return
    st.caption("Switch off channels of a convolution and see which classes depend on them. The saved model is not changed.")
    key = f"ablation-{subject.name}"
    _choose_channels(subject, key)
    ablated: AblatedChannels | None = st.session_state.get(key)
    if ablated is None:
        st.info(CHOOSE_CHANNELS, icon=":material/content_cut:")
        return
    if image:
        _show_image(subject, evaluation.classes, image, ablated)
    _show_outcome(subject, evaluation, ablated)


def _choose_channels(subject: EvaluationSubject, key: str) -> None:
    """Show the inputs and buttons. The ablated channels are stored in the session under `key`."""
    from cnn_core.models.hooks import conv_layers

    layers, state = conv_layers(subject.model()[0]), st.session_state
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = st.selectbox("Ablated layer", list(layers), key=f"{key}-layer", width=280)
        box = f"{key}-channels-{layer}"
        channels = st.multiselect(
            "Ablated channels",
            range(layers[layer].out_channels),
            key=box,
            help="Indices from 0, as in the feature maps of this layer.",
            placeholder="Indices from 0",
            select_all=False,
            width=320,
        )

        def switch_off() -> None:
            state[key] = (layer, tuple(sorted(channels)))

        def switch_on() -> None:
            state[key], state[box] = None, []

        st.button("Switch off", icon=":material/content_cut:", key=f"{key}-go", disabled=not channels, on_click=switch_off)
        st.button(
            "Restore all",
            icon=":material/restart_alt:",
            key=f"{key}-reset",
            disabled=state.get(key) is None,
            on_click=switch_on,
        )


def _show_outcome(subject: EvaluationSubject, evaluation: "Evaluation", ablated: AblatedChannels) -> None:
    chosen = choose_sample(subject, evaluation)
    before = compute_once(subject, evaluation, BEFORE, lambda: _predict_before(subject, chosen))
    result = compute_once(subject, evaluation, f"ablation-{ablated}", lambda: _measure(subject, chosen, ablated, before))
    st.markdown(WITHOUT_SAMPLE.format(channels=name_channels(ablated), count=len(chosen), split=SPLITS[subject.split]))
    metrics = st.grid(3, min_column_width=150)
    change = result.accuracy_after - result.accuracy_before
    metrics.metric(
        "Accuracy before", f"{result.accuracy_before:.2%}", border=True, help="Of the unchanged model on the same images."
    )
    metrics.metric(
        "Accuracy after",
        f"{result.accuracy_after:.2%}",
        f"{change * 100:+.2f} points" if change else UNCHANGED,
        border=True,
        delta_color="normal" if change else "off",
        delta_arrow="auto" if change else "off",
    )
    metrics.metric("Changed predictions", f"{len(result.changed):,}", border=True, help="Images with another predicted class.")
    _show_classes(result, evaluation.classes)
    _show_changed_images(subject, evaluation, result, chosen)


def name_channels(ablated: AblatedChannels) -> str:
    """Return the ablated channels and their layer as text."""
    layer, channels = ablated
    if len(channels) > LISTED:
        return f"**{len(channels):,} channels** of **{layer}**"
    return f"**channel{'s' if len(channels) > 1 else ''} {', '.join(map(str, channels))}** of **{layer}**"


def _show_classes(result: "Ablation", classes: Sequence[str]) -> None:
    changes = result.class_change
    if not np.nan_to_num(changes).any():
        st.info("No class changed. Switch off more channels, or channels of another layer.", icon=":material/info:")
        return
    st.caption("Change of the accuracy of each class in percentage points, largest decrease first.")
    left, right = st.columns([3, 2])
    with left:
        show_chart(
            change_bars(changes, classes), alt="Change of the accuracy of each class, in percentage points", with_table=False
        )
    order = order_by_change(changes)
    table = {
        "Class": [classes[label] for label in order],
        "Before": result.class_before[order],
        "After": result.class_after[order],
        "Change (points)": changes[order] * 100,
    }
    columns = {name: st.column_config.NumberColumn(name, format="percent") for name in ("Before", "After")}
    columns["Change (points)"] = st.column_config.NumberColumn("Change (points)", format="%+.1f")
    right.dataframe(
        table,
        hide_index=True,
        column_config=columns,
        height="content" if len(order) <= 10 else TALLEST,
        placeholder="–",
        alt="Accuracy of each class before and after the ablation",
    )


def _show_changed_images(subject: EvaluationSubject, evaluation: "Evaluation", result: "Ablation", chosen: np.ndarray) -> None:
    """Show the images whose predicted class changed."""
    changed = result.changed
    if not len(changed):
        st.caption("No prediction changed.")
        return
    row_of = {int(chosen[position]): int(position) for position in changed}

    def describe(index: int) -> str:
        before, after = (
            evaluation.classes[predicted[row_of[index]]] for predicted in (result.predicted_before, result.predicted_after)
        )
        return f"{before} → {after}, true: {evaluation.classes[evaluation.labels[index]]}"

    with st.expander(f"Changed predictions: {len(changed):,}"):
        show_image_grid(
            subject, evaluation, chosen[changed], f"ablation-shots-{subject.name}-{hash(changed.tobytes()):x}", describe
        )


def _show_image(subject: EvaluationSubject, classes: Sequence[str], image: ChosenImage, ablated: AblatedChannels) -> None:
    """Show the prediction for the chosen image without the channels."""
    from cnn_core.explain.ablation import ablate_channels
    from cnn_core.explain.single_image import predict_probabilities

    after = predict_probabilities(ablate_channels(subject.model()[0], *ablated), image.image)
    if not np.isfinite(after).all():
        st.info("Without these channels the probabilities of the chosen image are not finite numbers.", icon=":material/info:")
        return
    now = int(after.argmax())
    change = "unchanged" if now == image.predicted else "changed"
    st.markdown(
        WITHOUT_IMAGE.format(
            channels=name_channels(ablated),
            image=image.name,
            change=change,
            predicted=plain(classes[now]),
            probability=after[now],
            before=image.probabilities[now],
        )
    )
    show_chart(
        prediction_bars(image.probabilities, after, classes),
        alt="The most probable classes of the chosen image before and after the ablation",
    )


def _predict_before(subject: EvaluationSubject, chosen: np.ndarray) -> Generator[Progress, None, np.ndarray]:
    from cnn_core.explain.ablation import compute_sample_logits

    return (yield from compute_sample_logits(*subject.model(), subject.images().take(chosen), "Predicting with all channels"))


def _measure(
    subject: EvaluationSubject, chosen: np.ndarray, ablated: AblatedChannels, before: np.ndarray
) -> "Generator[Progress, None, Ablation]":
    from cnn_core.explain.ablation import measure_ablation

    return (yield from measure_ablation(*subject.model(), subject.images().take(chosen), *ablated, before))
