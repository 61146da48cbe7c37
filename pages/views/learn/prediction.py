"""A person's prediction for an exercise: its label, the line that stays visible while the runs train, and the mark of a confirmed one."""

import streamlit as st

from cnn_core.lessons.effect import DIRECTIONS, UNKNOWN, Effect, describe_verdict, judge_prediction
from cnn_core.lessons.exercises import Exercise
from cnn_core.lessons.final_metrics import FinalMetric
from pages.shared.text import plain

PREDICTION = "**Your prediction.**"
NO_PREDICTION = "I don't know"
CONFIRMED = ("confirmed", "consistent")  # verdicts on a prediction that the result agrees with
# A check mark that appears with a short movement; without it for people who have turned animations off.
MARK = """<style>
.mark { width: 2rem; height: 2rem; border-radius: 50%; background: var(--st-green-color, #158237); position: relative; animation: mark-grow 0.5s cubic-bezier(0.3, 1.6, 0.6, 1) backwards; }
.mark::after { content: ""; position: absolute; left: 0.72rem; top: 0.38rem; width: 0.42rem; height: 0.85rem; border: solid #fff; border-width: 0 0.2rem 0.2rem 0; rotate: 45deg; }
@keyframes mark-grow { from { scale: 0; rotate: -45deg; } }
@media (prefers-reduced-motion: reduce) { .mark { animation: none; } }
</style><div class="mark" aria-hidden="true"></div>"""


def prediction_label(metric: FinalMetric, prediction: str) -> str:
    """Return the label of a prediction: "Smaller in B", "About the same"."""
    if prediction == UNKNOWN:
        return NO_PREDICTION
    word = next(metric.words[direction] for direction in DIRECTIONS if direction == prediction).capitalize()
    return word if prediction == "same" else f"{word} in B"


def show_prediction(exercise: Exercise, prediction: str) -> None:
    """Show the question and the prediction, for as long as the runs train and with their result."""
    st.markdown(f"{PREDICTION} {exercise.question} :blue-badge[{prediction_label(exercise.metric, prediction)}]")


def show_verdict(effect: Effect, prediction: str) -> None:
    """Show the verdict on the prediction, with a mark where the result agrees with it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if judge_prediction(effect, prediction) in CONFIRMED:
            with st.container(key="prediction-mark", width=36):
                st.html(MARK)
        st.markdown(f"**{plain(describe_verdict(effect, prediction))}**", width="stretch")
