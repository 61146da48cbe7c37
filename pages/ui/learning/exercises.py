"""The exercises: one card per learning point, each of which trains a pair of runs that differ in one thing."""

import streamlit as st


def show_exercises() -> None:
    """What the exercises are about."""
    st.write("Change one thing, train with it and without it, and see the difference.")
