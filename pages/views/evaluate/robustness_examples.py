"""What the strengths of a corruption look like: one image as it is and at every strength, and what the network says of each."""

import html
import secrets
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.charts.images import GRID_STYLE, data_url
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.metrics.corruptions import Corruption
    from cnn_core.metrics.evaluation import Evaluation

TINY = 16  # pixels of a side below which the mildest blur and shift are less than half a pixel


@st.fragment
def show_examples(subject: EvaluationSubject, evaluation: "Evaluation", first: str) -> None:
    """The strip for a chosen corruption, at the beginning the one called `first`; another one runs this part alone."""
    from cnn_core.metrics.corruptions import CORRUPTIONS

    st.subheader("What the strengths look like")
    key, names = f"robustness-image-{subject.name}", [corruption.name for corruption in CORRUPTIONS]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Corruption", names, index=names.index(first), key=f"robustness-kind-{subject.name}", width=200)
        st.button("Another image", icon=":material/shuffle:", key=f"{key}-other", on_click=_draw, args=(key, len(evaluation)))
    index = st.session_state.setdefault(key, int(evaluation.is_correct.argmax()))  # the first that it knows as it is
    corruption = CORRUPTIONS[names.index(name)]
    st.html(_strip(subject, evaluation, index, corruption))
    small = min(subject.images()[index].shape[:2]) < TINY
    st.caption(
        f"{SPLITS[subject.split].capitalize()} image {index}, true class {plain(evaluation.classes[evaluation.labels[index]])}. "
        "Below each: what the network says of it, and how sure it is."
        + (" On images as small as these the mildest blur and shift hardly change a pixel." if small else "")
    )


def _draw(key: str, count: int) -> None:
    st.session_state[key] = secrets.randbelow(count)


def _strip(subject: EvaluationSubject, evaluation: "Evaluation", index: int, corruption: "Corruption") -> str:
    """A card for strength 0 and one for each other strength, as HTML."""
    from cnn_core.explain.single_image import predict_probabilities, to_model_input
    from cnn_core.metrics.robustness import corrupt_at_all_strengths

    model, card = subject.model()
    words, cards = ["as it is", *map(corruption.describe, corruption.strengths)], []
    for strength, (pixels, text) in enumerate(
        zip(corrupt_at_all_strengths(subject.images()[index], corruption), words, strict=True)
    ):
        shares = predict_probabilities(model, to_model_input(pixels, card))
        said = int(shares.argmax())
        cards.append(
            _card(pixels, f"{strength}: {text}", evaluation, said, float(shares[said]), said == evaluation.labels[index])
        )
    return GRID_STYLE + f'<div class="shots">{"".join(cards)}</div>'


def _card(pixels: np.ndarray, title: str, evaluation: "Evaluation", said: int, share: float, is_correct: bool) -> str:
    name, verdict = html.escape(evaluation.classes[said]), "✓ right" if is_correct else "✗ wrong"
    alt = f"Strength {html.escape(title)}. The network says {name}, {verdict[2:]}"
    caption = f"<small>{html.escape(title)}</small><br><b>{name}</b> {share:.0%}<br><small>{verdict}</small>"
    return (
        f'<figure class="{"right" if is_correct else "wrong"}"><img src="{data_url(pixels)}" alt="{alt}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
