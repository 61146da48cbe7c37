"""The Start page: one click to a first training, links to the other pages, and the latest runs."""

from typing import Literal

import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.text import counted, format_percent
from pages.shared.links import page_file
from pages.shared.mine import own_runs
from pages.shared.run_origin import listed_runs
from pages.shared.run_selection import linked_name, status_badge
from pages.shared.server import get_store
from pages.shared.start_run import start_run

MAX_RUNS = 6
NEXT_STEP = "**Next step:** Run {run} is completed. Draw an image or upload one of your own, and see what it predicts."

st.title("Train an image classifier and watch it learn")
st.write(
    "CNN Studio trains a convolutional network on this machine. Choose the settings in a form, follow loss and accuracy while the model is "
    "trained, see which images it classifies wrongly, and then draw or upload an image and have it classified."
)

runs = listed_runs(own_runs(get_store().runs()))
trained = next((run for run in runs if run.status == "finished" and get_store().has_model(run.id)), None)
if trained:
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="next-step"):
        st.write(NEXT_STEP.format(run=linked_name(trained)))
        if st.button("Open in Gallery", key="next-gallery", type="primary", icon=":material/gesture:"):
            st.switch_page(page_file("gallery"), query_params={"run": trained.id})
        if st.button("Show the result", key="next-result", icon=":material/show_chart:"):
            st.switch_page(page_file("train"), query_params={"run": trained.id})

first, second, third, fourth = st.columns(4, border=True)
with first:
    st.header("1 · Train")
    st.write("Train on 1,797 handwritten digits, without a download. It takes about half a minute on two CPU cores.")
    kind: Literal["primary", "secondary"] = "secondary" if trained else "primary"  # one primary action on the page
    if st.button("Train on digits now", key="train-digits", type=kind, icon=":material/play_arrow:", width="stretch"):
        start_run(make_config())
with second:
    st.header("2 · Understand")
    st.write("Accuracy on images that were not used for training, the confusion matrix, and every misclassified image.")
    st.page_link(page_file("evaluate"), label="Evaluate a run", icon=":material/fact_check:")
with third:
    st.header("3 · Classify")
    st.write("Draw a digit with mouse or finger, or upload an image, and see what the model receives and predicts.")
    st.page_link(page_file("gallery"), label="Open the gallery", icon=":material/gesture:")
with fourth:
    st.header("4 · Learn")
    st.write("Change one setting, predict the effect, train both models, and compare. The glossary explains every term.")
    st.page_link(page_file("learn"), label="Do an exercise", icon=":material/school:")

st.page_link(page_file("configure"), label="Choose data, model and settings", icon=":material/tune:")

if runs:
    st.header("Recent runs")
for run in runs[:MAX_RUNS]:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.page_link(page_file("train"), label=linked_name(run), query_params={"run": run.id})
        status_badge(run)
        accuracy = run.summary.get("best_val_accuracy")
        st.caption(
            f"{format_percent(accuracy)} validation accuracy"
            if accuracy is not None
            else f"{counted(run.config.epochs, 'epoch')} planned"
        )
