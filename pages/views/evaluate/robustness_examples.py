"""Examples of a corruption: one image at each strength, with the prediction for each."""

import html
import secrets
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.charts.images import GRID_STYLE, image_tag
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.metrics.corruptions import Corruption
    from cnn_core.metrics.evaluation import Evaluation

ALT = "Strength {title}. Prediction: {prediction}, {verdict}"
NO_CORRUPTION = "no corruption"
TINY = 16  # pixels; for smaller sides the weakest blur and shift are less than half a pixel


@st.fragment
def show_examples(subject: EvaluationSubject, evaluation: "Evaluation", first: str) -> None:
    """Show one image under the chosen corruption, by default `first`. A new choice reruns this fragment only."""
    from cnn_core.metrics.corruptions import CORRUPTIONS

    st.header("Examples")
    key, names = f"robustness-image-{subject.name}", [corruption.name for corruption in CORRUPTIONS]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Corruption", names, index=names.index(first), key=f"robustness-kind-{subject.name}", width=200)
        st.button(
            "Random image", icon=":material/shuffle:", key=f"{key}-other", on_click=_choose_random, args=(key, len(evaluation))
        )
    index = st.session_state.setdefault(
        key, int(evaluation.is_correct.argmax())
    )  # by default an image that is classified correctly
    corruption = CORRUPTIONS[names.index(name)]
    st.html(_strip(subject, evaluation, index, corruption))
    small = min(subject.images()[index].shape[:2]) < TINY
    st.caption(
        f"{SPLITS[subject.split].capitalize()} image {index}, true class {plain(evaluation.classes[evaluation.labels[index]])}. "
        "Below each: the predicted class and its probability."
        + (" On images this small the weakest blur and shift hardly change a pixel." if small else "")
    )


def _choose_random(key: str, count: int) -> None:
    st.session_state[key] = secrets.randbelow(count)


def _strip(subject: EvaluationSubject, evaluation: "Evaluation", index: int, corruption: "Corruption") -> str:
    """Return a card for strength 0 and each other strength, as HTML."""
    from cnn_core.explain.single_image import predict_probabilities, to_model_input
    from cnn_core.metrics.robustness import corrupt_at_all_strengths

    model, card = subject.model()
    titles, cards = [NO_CORRUPTION, *map(corruption.describe, corruption.strengths)], []
    for strength, (pixels, text) in enumerate(
        zip(corrupt_at_all_strengths(subject.images()[index], corruption), titles, strict=True)
    ):
        probabilities = predict_probabilities(model, to_model_input(pixels, card))
        predicted = int(probabilities.argmax())
        cards.append(
            _card(
                pixels,
                f"{strength}: {text}",
                evaluation,
                predicted,
                float(probabilities[predicted]),
                predicted == evaluation.labels[index],
            )
        )
    return GRID_STYLE + f'<div class="shots">{"".join(cards)}</div>'


def _card(pixels: np.ndarray, title: str, evaluation: "Evaluation", predicted: int, probability: float, is_correct: bool) -> str:
    name, verdict = html.escape(evaluation.classes[predicted]), "✓ correct" if is_correct else "✗ wrong"
    alt = ALT.format(title=title, prediction=evaluation.classes[predicted], verdict=verdict[2:])
    caption = f"<small>{html.escape(title)}</small><br><b>{name}</b> {probability:.0%}<br><small>{verdict}</small>"
    return (
        f'<figure class="{"right" if is_correct else "wrong"}">{image_tag(pixels, alt)}'
        f"<figcaption>{caption}</figcaption></figure>"
    )
