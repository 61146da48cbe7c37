"""The first screen: what to do first, one click to a useful training, and the runs so far."""

import streamlit as st

from cnn_core.config.defaults import make_config
from pages.shared.links import page_file
from pages.shared.run_origin import listed
from pages.shared.run_selection import start_run, status_badge
from pages.shared.server import get_store

RECENT = 6

st.title("Train an image classifier and watch it learn")
st.write(
    "CNN Studio trains a convolutional network on this machine. You set it up in a form, see loss and accuracy draw themselves, "
    "find out what it gets right and wrong, and then draw or upload a picture and see it classified."
)

first, second, third, fourth = st.columns(4, border=True)
with first:
    st.subheader("1 · Train")
    st.write("1,797 handwritten digits. Nothing to download, about half a minute on two CPU cores.")
    if st.button("Train on digits now", type="primary", icon=":material/play_arrow:", width="stretch"):
        start_run(make_config())
with second:
    st.subheader("2 · Understand")
    st.write("Accuracy on pictures it never saw, which classes it mixes up, and every single mistake.")
    st.page_link(page_file("evaluate"), label="Evaluate a run", icon=":material/fact_check:")
with third:
    st.subheader("3 · Try it")
    st.write("Draw a digit with mouse or finger, or upload a picture, and see what the network sees and says.")
    st.page_link(page_file("gallery"), label="Open the gallery", icon=":material/gesture:")
with fourth:
    st.subheader("4 · Learn")
    st.write("Change one thing, say what you expect, train both, and see. What each word means is explained too.")
    st.page_link(page_file("learn"), label="Do an exercise", icon=":material/school:")

st.page_link(page_file("configure"), label="Choose data, model and settings yourself", icon=":material/tune:")

runs = listed(get_store().runs())
if runs:
    st.subheader("Recent runs")
for run in runs[:RECENT]:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.page_link(page_file("train"), label=f"**{run.id}**", query_params={"run": run.id})
        status_badge(run)
        accuracy = run.summary.get("test_accuracy")
        st.caption(f"{accuracy:.1%} test accuracy" if accuracy is not None else f"{run.config.epochs} epochs planned")
