"""All runs: a table to search, filter and sort; names, tags, notes and a bin; the queue; chosen runs compared and exported; who branched from whom."""

import streamlit as st

from pages.shared.run_selection import no_runs_yet
from pages.shared.server import get_store
from pages.views.runs.comparison import compare
from pages.views.runs.table import choose_runs, filtered, show_actions, show_bin, show_queue
from pages.views.runs.tree import show_tree

st.title("Runs")
store = get_store()
runs = store.runs()
if not runs:
    no_runs_yet("to compare")
else:
    shown = filtered(runs)
    if not shown:
        st.info("No run fits this search. Take a word, a status or a tag out.", icon=":material/search:")
    else:
        st.caption(f"{len(shown):,} of {len(runs):,} runs")
        chosen = choose_runs(shown)
        show_actions(chosen)
        if len(chosen) > 1:
            compare(chosen)
    show_tree(runs)
if waiting := store.queue.waiting():
    st.subheader("Waiting")
    show_queue(waiting)
show_bin()
