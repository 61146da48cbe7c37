"""The choice of an image to explain: by index, by class, among the mistakes, or your own image."""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.errors import ImageError
from pages.shared.address import set_parameter
from pages.shared.choice import number_message
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.image_input import choose_own_image
from pages.shared.text import plain

if TYPE_CHECKING:
    import torch

    from cnn_core.metrics.evaluation import Evaluation

ALL, CLASS, MISTAKES, OWN = "Any image", "Of a class", "Mistakes", "Your own"
OWN_NAME = "your image, as the model receives it"
WRITTEN = "explain-address"  # session key of the index that this page wrote into the address
REFUSED = "explain-refused"  # session key of the message about a number out of range


@dataclass(frozen=True, eq=False)
class ChosenImage:
    """One image: `pixels` (H, W, C) uint8; `image`, the model's input, (1, C, H, W) float32; `probabilities` (classes,) float64; `label`: its
    true class, None if unknown; `key`: unique for each image."""

    pixels: np.ndarray
    image: "torch.Tensor"
    probabilities: np.ndarray
    name: str
    key: str
    label: int | None = None

    @property
    def predicted(self) -> int:
        """The most probable class."""
        return int(self.probabilities.argmax())


def choose_image(subject: EvaluationSubject, evaluation: "Evaluation") -> ChosenImage | None:
    """Return the image in the address (`?image=`) or the chosen one, and update the address. None if no image is chosen yet."""
    key = f"explain-{subject.run.config.data}-{subject.split}"  # other runs on the same data show the same image
    index = _requested_image(key, len(evaluation))
    source = st.segmented_control(
        "Image", [ALL, CLASS, MISTAKES, OWN], default=ALL, required=True, key=f"{key}-way", help="How to choose the image."
    )
    if source == OWN:
        return _own_image(subject)
    members = _members(evaluation, source, index, key)
    if not len(members):
        st.success(f"No {SPLITS[subject.split]} image is misclassified.", icon=":material/check_circle:")
        return None
    index = _choose_member(members, index, f"{key}-{source}", key)
    st.session_state[WRITTEN] = str(index)
    set_parameter("image", str(index))
    return _make_choice(
        subject, subject.images()[index], f"{SPLITS[subject.split]} image {index}", str(index), int(evaluation.labels[index])
    )


def _requested_image(key: str, count: int) -> int:
    """Return the index of the image to show: that in the address, unless this page wrote it, else the current one."""
    requested, state = st.query_params.get("image"), st.session_state
    if requested is not None and requested != state.get(WRITTEN):
        state[WRITTEN] = requested
        if requested.isascii() and requested.isdecimal() and len(requested) < 10 and int(requested) < count:
            state[key], state[f"{key}-way"] = int(requested), ALL
        else:
            st.warning(f"There is no image “{plain(requested[:20])}”: indices are 0 to {count - 1:,}. Choose an image below.")
    return int(min(state.setdefault(key, 0), count - 1))


def _members(evaluation: "Evaluation", source: str, index: int, key: str) -> np.ndarray:
    """Return the indices (n,) int64 of the images to choose from, in their order."""
    if source == MISTAKES:
        from cnn_core.metrics.mistakes import most_confidently_wrong

        return most_confidently_wrong(evaluation)
    if source == ALL:
        return np.arange(len(evaluation))
    present, own = np.unique(evaluation.labels).tolist(), int(evaluation.labels[index])
    name = f"{key}-class"
    if st.session_state.get(name) not in present:
        st.session_state[name] = own
    label = st.selectbox("True class", present, format_func=evaluation.classes.__getitem__, key=name, width=220)
    return np.flatnonzero(evaluation.labels == label)


def _choose_member(members: np.ndarray, index: int, key: str, shared: str) -> int:
    """Return the index of the chosen image of `members`; the current one if it is among them."""
    matches, state, number = np.flatnonzero(members == index), st.session_state, f"{key}-number"
    position = int(matches[0]) if len(matches) else 0
    state[shared] = int(members[position])
    is_all = key.endswith(ALL)
    first = 0 if is_all else 1  # among all images, the number is the index, which starts at 0
    state[number] = position + first

    def choose_number() -> None:
        typed, last = state[number], len(members) - 1 + first
        state[shared] = int(members[min(max(typed or first, first), last) - first])
        if typed is None or not first <= typed <= last:
            state[REFUSED] = number_message(typed, first, last)

    def choose_random() -> None:
        state[shared] = int(members[secrets.randbelow(len(members))])

    word = {ALL: "Index", MISTAKES: "Mistake"}.get(key.rpartition("-")[2], "Image")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            word,
            value=None,
            step=1,
            key=number,
            on_change=choose_number,
            placeholder=f"{first} to {len(members) - 1 + first:,}",
            help=f"A number from {first} to {len(members) - 1 + first:,}.",
            width=200,
        )
        st.button("Random", icon=":material/shuffle:", key=f"{key}-random", on_click=choose_random, disabled=len(members) < 2)
    if refused := state.pop(REFUSED, ""):
        st.caption(f":red[{refused} The nearest image is shown.]")
    return int(members[position])


def _own_image(subject: EvaluationSubject) -> ChosenImage | None:
    from cnn_core.inference.preprocessing import preprocess

    _, card = subject.model()
    own = choose_own_image(card, "explain")
    if own is None:
        st.info("Draw or upload an image.", icon=":material/gesture:")
        return None
    try:
        pixels = preprocess(own, card)
    except ImageError as error:
        st.warning(plain(error), icon=":material/gesture:")
        return None
    return _make_choice(subject, pixels, OWN_NAME, "own")


def _make_choice(subject: EvaluationSubject, pixels: np.ndarray, name: str, key: str, label: int | None = None) -> ChosenImage:
    from cnn_core.explain.single_image import predict_probabilities, to_model_input

    model, card = subject.model()
    image = to_model_input(pixels, card)
    return ChosenImage(pixels, image, predict_probabilities(model, image), name, f"{subject.name}-{key}", label)
