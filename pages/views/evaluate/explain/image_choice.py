"""Which image is looked at: one of the part, by its index, its class or as a mistake, or a picture of one's own."""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.errors import ImageError
from pages.shared.choice import number_message
from pages.shared.evaluation_subject import PARTS, EvaluationSubject
from pages.shared.image_input import choose_own_image
from pages.shared.text import plain

if TYPE_CHECKING:
    import torch

    from cnn_core.metrics.evaluation import Evaluation

ALL, CLASS, MISTAKES, OWN = "Any image", "Of a class", "Mistakes", "Your own"
TOLD = "inside-told"  # what this page itself wrote into the address
REFUSED = "inside-refused"  # a sentence on the number that was typed


@dataclass(frozen=True, eq=False)
class Seen:
    """One image: `pixels` (H, W, C) uint8; `image` the same as the network takes it, (1, C, H, W) float32; `shares` (classes,) float64,
    the probabilities that the network gives; `label`: its true class, None where nobody said; `key`: another one for every image."""

    pixels: np.ndarray
    image: "torch.Tensor"
    shares: np.ndarray
    name: str
    key: str
    label: int | None = None

    @property
    def said(self) -> int:
        return int(self.shares.argmax())


def choose_image(subject: EvaluationSubject, evaluation: "Evaluation") -> Seen | None:
    """The image that the address asks for (`?image=`), then the one that is chosen; the address follows. None: there is none yet."""
    key = f"inside-{subject.run.config.data}-{subject.part}"  # other runs on the same data show the same image
    index = _asked_image(key, len(evaluation))
    way = st.segmented_control(
        "Image", [ALL, CLASS, MISTAKES, OWN], default=ALL, required=True, key=f"{key}-way", help="Where the image comes from."
    )
    if way == OWN:
        return _own_image(subject)
    members = _members(evaluation, way, index, key)
    if not len(members):
        st.success(f"Not one of the {PARTS[subject.part]} images was classified wrong.", icon=":material/check_circle:")
        return None
    index = _choose_member(members, index, f"{key}-{way}", key)
    st.query_params["image"] = st.session_state[TOLD] = str(index)
    return _seen(
        subject, subject.images()[index], f"{PARTS[subject.part]} image {index}", str(index), int(evaluation.labels[index])
    )


def _asked_image(key: str, count: int) -> int:
    """The index of the image to show; what the address says counts where this page has not written it there itself."""
    asked, state = st.query_params.get("image"), st.session_state
    if asked is not None and asked != state.get(TOLD):
        state[TOLD] = asked
        if asked.isascii() and asked.isdecimal() and len(asked) < 10 and int(asked) < count:
            state[key], state[f"{key}-way"] = int(asked), ALL
        else:
            st.warning(f"There is no image “{plain(asked[:20])}” here: they are numbered 0 to {count - 1:,}. Choose one below.")
    return min(state.setdefault(key, 0), count - 1)


def _members(evaluation: "Evaluation", way: str, index: int, key: str) -> np.ndarray:
    """Indices (n,) int64 of the images to choose from, in their order."""
    if way == MISTAKES:
        from cnn_core.metrics.mistakes import most_confidently_wrong

        return most_confidently_wrong(evaluation)
    if way == ALL:
        return np.arange(len(evaluation))
    present, own = np.unique(evaluation.labels).tolist(), int(evaluation.labels[index])
    name = f"{key}-class"
    if st.session_state.get(name) not in present:
        st.session_state[name] = own
    label = st.selectbox("True class", present, format_func=evaluation.classes.__getitem__, key=name, width=220)
    return np.flatnonzero(evaluation.labels == label)


def _choose_member(members: np.ndarray, index: int, key: str, shared: str) -> int:
    """The index of the chosen one of `members`; the present one, where it is among them."""
    found, state, number = np.flatnonzero(members == index), st.session_state, f"{key}-number"
    place = int(found[0]) if len(found) else 0
    state[shared] = int(members[place])
    is_all = key.endswith(ALL)
    first = 0 if is_all else 1  # any image goes by its index
    state[number] = place + first

    def take_number() -> None:
        given, last = state[number], len(members) - 1 + first
        state[shared] = int(members[min(max(given or first, first), last) - first])
        if given is None or not first <= given <= last:
            state[REFUSED] = number_message(given, first, last)

    def take_any() -> None:
        state[shared] = int(members[secrets.randbelow(len(members))])

    word = {ALL: "Index", MISTAKES: "Mistake"}.get(key.rpartition("-")[2], "Image")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            f"{word} ({first} to {len(members) - 1 + first:,})",
            value=None,
            step=1,
            key=number,
            on_change=take_number,
            width=200,
        )
        st.button("Random", icon=":material/shuffle:", key=f"{key}-random", on_click=take_any, disabled=len(members) < 2)
    if refused := state.pop(REFUSED, ""):
        st.caption(f":red[{refused} The nearest is shown.]")
    return int(members[place])


def _own_image(subject: EvaluationSubject) -> Seen | None:
    from cnn_core.inference.preprocessing import received

    _, card = subject.network()
    picture = choose_own_image(card, "inside")
    if picture is None:
        st.info("Draw something, or upload a picture: what the network makes of it appears here.", icon=":material/gesture:")
        return None
    try:
        pixels = received(picture.image, card)
    except ImageError as error:
        st.warning(plain(error), icon=":material/gesture:")
        return None
    return _seen(subject, pixels, "your picture, as the network receives it", "own")


def _seen(subject: EvaluationSubject, pixels: np.ndarray, name: str, key: str, label: int | None = None) -> Seen:
    from cnn_core.explain.single_image import answer, normalised

    model, card = subject.network()
    image = normalised(pixels, card)
    return Seen(pixels, image, answer(model, image), name, f"{subject.name}-{key}", label)
