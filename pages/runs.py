"""The Runs page: a table to search, filter and sort; names, tags, notes and a bin; the queue; comparison and export; the tree of branches."""

import streamlit as st

from cnn_core.runs.run import describe_unreadable
from cnn_core.text import counted, format_bytes
from pages.shared.mine import own_or_all
from pages.shared.run_selection import no_runs_yet
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.runs.comparison import show_comparison
from pages.views.runs.disk_space import offer_free_space, run_sizes
from pages.views.runs.table import choose_runs, filter_runs, show_actions, show_bin, show_queue
from pages.views.runs.tree import show_tree

NO_MATCH = "No run matches these filters. Remove a word, a status or a tag."

st.title("Runs")
store = get_store()
runs, unreadable = store.list_runs()
if unreadable:
    st.warning(plain(describe_unreadable(unreadable)), icon=":material/warning:")
if not runs:
    no_runs_yet("to compare")
elif runs := own_or_all(runs, "runs"):
    shown = filter_runs(runs)
    if not shown:
        st.info(NO_MATCH, icon=":material/search:")
    else:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{len(shown):,} of {counted(len(runs), 'run')}", width="content")
            st.caption(f"{format_bytes(sum(run_sizes(shown)))} on the disk", width="content")
            offer_free_space(shown)
        chosen = choose_runs(shown)
        show_actions(chosen)
        if len(chosen) > 1:
            show_comparison(chosen)
    show_tree(runs)
if waiting := store.queue.waiting():
    st.header("Queue")
    show_queue(waiting)
show_bin()
