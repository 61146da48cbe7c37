"""The question what the validation images of a data set without test images are used for, with a button for each answer."""

from collections.abc import Callable

import streamlit as st

from cnn_core.data.validation_use import AS_TEST, AS_VALIDATION, SplitQuestion
from cnn_core.text import counted

AS_TEST_LABEL, AS_VALIDATION_LABEL = "Use as test set", "Keep as validation"
AS_TEST_RESULT = "{train}, of which a fraction is used for validation, and {val}."
AS_VALIDATION_RESULT = "{rest}, {kept} and {drawn}; the test images are drawn from the training images."


def ask_validation_use(question: SplitQuestion, key: str, answer: Callable[[str], None]) -> None:
    """Show the question with its counts. A press calls `answer("test")` or `answer("validation")` before the page runs again."""
    st.info(question.sentence, icon=":material/help:")
    numbers = {
        "train": counted(question.train, "training image"),
        "val": counted(question.val, "test image"),
        "rest": counted(question.train - question.drawn, "training image"),
        "kept": counted(question.val, "validation image"),
        "drawn": counted(question.drawn, "test image"),
    }
    columns = st.columns(2)
    for column, label, result, choice in (
        (columns[0], AS_TEST_LABEL, AS_TEST_RESULT, AS_TEST),
        (columns[1], AS_VALIDATION_LABEL, AS_VALIDATION_RESULT, AS_VALIDATION),
    ):
        with column:
            st.button(label, key=f"{key}-{choice}", on_click=answer, args=(choice,), width="stretch")
            st.caption(result.format(**numbers))
