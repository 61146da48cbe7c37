"""The table of runs, and what is done with those that are chosen in it."""

import time
import zlib
from collections.abc import Sequence
from typing import Any

import streamlit as st

from cnn_core.errors import RunError, StudioError
from cnn_core.runs.organizer import LONGEST_NAME, LONGEST_NOTES, RunOrganizer
from cnn_core.runs.run import Run
from pages.shared.identity import is_sign_in_on
from pages.shared.links import page_file
from pages.shared.people import is_teacher, may_change, person, show_owner
from pages.shared.run_origin import choose_maker, made_in_words
from pages.shared.run_selection import STATUS
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.runs.disk_space import free_space
from pages.views.runs.export import show_export


def filtered(runs: Sequence[Run]) -> list[Run]:
    """Those of the runs that the boxes above the table ask for."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        runs = choose_maker(runs)
        words = st.text_input("Search", placeholder="name, data set, model, tag or note", width=320).lower().split()
        states = st.multiselect(
            "Status", [state for state in STATUS if any(run.status == state for run in runs)], format_func=lambda s: STATUS[s][2]
        )
        tags = st.multiselect("Tags", sorted({tag for run in runs for tag in run.tags}))
    return [
        run
        for run in runs
        if (not states or run.status in states) and set(tags) <= set(run.tags) and all(word in _words(run) for word in words)
    ]


def choose_runs(runs: Sequence[Run]) -> list[Run]:
    """The table; gives the runs whose rows are ticked."""
    columns = COLUMNS | ({"Owner": lambda run: run.owner} if is_sign_in_on() else {})
    event = st.dataframe(
        {title: [value(run) for run in runs] for title, value in columns.items()},
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "Validation": st.column_config.NumberColumn(
                format="%.2f %%", help="Accuracy of the best epoch on validation images."
            ),
            "Test": st.column_config.NumberColumn(format="%.2f %%", help="Accuracy of the best model on the test images."),
            "Speed": st.column_config.NumberColumn(format="%,d", help="Images per second of training alone."),
            "Minutes": st.column_config.NumberColumn(format="%.1f", help="Of training alone."),
            "Made": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
        },
        key=f"runs-{zlib.crc32(' '.join(run.id for run in runs).encode())}",  # ticks are places: other rows, no ticks
    )
    return [runs[row] for row in event.selection.rows if row < len(runs)]


def show_actions(chosen: Sequence[Run]) -> None:
    """What can be done with the ticked runs."""
    if not chosen:
        st.caption("Tick runs to open, name, compare or remove them.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if len(chosen) == 1:
            st.page_link(page_file("train"), label="Open", icon=":material/show_chart:", query_params={"run": chosen[0].id})
            if may_change(chosen[0].owner):
                with st.popover("Name, tags and notes", icon=":material/edit:"):
                    _describe(chosen[0])
        with st.popover("Export", icon=":material/download:", help="The ticked runs as one file."):
            show_export(chosen)
        free_space(chosen)
        if st.button(f"Remove {len(chosen)}", icon=":material/delete:", help="Into the bin, from which they can be taken back."):
            _remove(chosen)


def show_queue(waiting: Sequence[str]) -> None:
    """The runs that wait, in their order, with buttons that change it among those of one owner."""
    owners = {run.id: run.owner for run in get_store().select("where id is not null and status = 'queued'", ())}
    for number, run in enumerate(waiting, start=1):
        owner = owners.get(run, "")
        same = [other for other in waiting if owners.get(other, "") == owner]
        place = same.index(run)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(page_file("train"), label=f"{number}. {run}", query_params={"run": run})
            if not may_change(owner):
                show_owner(owner)
                continue
            for label, icon, to in (("Earlier", "arrow_upward", place - 1), ("Later", "arrow_downward", place + 1)):
                st.button(
                    label,
                    icon=f":material/{icon}:",
                    key=f"{label}-{run}",
                    disabled=not 0 <= to < len(same),
                    on_click=RunOrganizer(get_store()).move,
                    args=(run, to),
                )


def show_bin() -> None:
    """The removed runs: back, or away for good."""
    shelf = RunOrganizer(get_store())
    removed = [run for run in shelf.removed() if may_change(run.owner)]
    if not removed:
        return
    with st.expander(f"Bin ({len(removed)})", icon=":material/delete:"):
        for run in removed:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.write(plain(_title(run)))
                st.button("Take back", icon=":material/undo:", key=f"back-{run.id}", on_click=shelf.restore, args=(run.id,))
        with st.popover("Empty the bin", icon=":material/delete_forever:"):
            st.write("These runs, their curves and models are deleted for good.")
            owner = person() if is_sign_in_on() and not is_teacher() else None
            st.button("Delete them", type="primary", on_click=shelf.empty_bin, args=(owner,))


def _describe(run: Run) -> None:
    with st.form(f"describe-{run.id}"):
        name = st.text_input(f"Name (up to {LONGEST_NAME} letters)", value=run.name)
        tags = st.text_input("Tags (with commas between them)", value=", ".join(run.tags))
        notes = st.text_area(f"Notes (up to {LONGEST_NOTES:,} letters)", value=run.notes)
        if st.form_submit_button("Keep", type="primary"):
            try:
                RunOrganizer(get_store()).describe(run.id, name=name, notes=notes, tags=tags.split(","))
            except StudioError as error:
                st.error(plain(error), icon=":material/error:")
            else:
                st.rerun()


def _remove(runs: Sequence[Run]) -> None:
    refused = []
    for run in runs:
        try:
            if not may_change(run.owner):
                raise RunError(f"Run {run.id} is not yours. Only its owner or a teacher can remove it.")
            RunOrganizer(get_store()).remove(run.id)
        except StudioError as error:
            refused.append(str(error))
    if refused:
        st.error(plain("\n\n".join(refused)), icon=":material/error:")
    else:
        st.rerun()


def _title(run: Run) -> str:
    return f"{run.id} · {run.name}" if run.name else run.id


def _words(run: Run) -> str:
    """All that a search looks through."""
    parts = (
        run.id,
        run.name,
        run.notes,
        made_in_words(run),
        run.config.data,
        run.config.model,
        run.config.optimizer,
        STATUS[run.status][2],
        *run.tags,
    )
    return " ".join(parts).lower()


def _percent(run: Run, name: str) -> float | None:
    share = run.summary.get(name)
    return None if share is None else 100 * share


COLUMNS: dict[str, Any] = {
    "Run": lambda run: run.id,
    "Name": lambda run: run.name,
    "Status": lambda run: STATUS[run.status][2],
    "Data": lambda run: run.config.data,
    "Model": lambda run: run.config.model,
    "Epochs": lambda run: run.summary.get("epochs", 0),
    "Validation": lambda run: _percent(run, "best_val_accuracy"),
    "Test": lambda run: _percent(run, "test_accuracy"),
    "Speed": lambda run: run.summary.get("images_per_second"),
    "Minutes": lambda run: run.summary.get("train_seconds", 0) / 60,
    "Seed": lambda run: run.config.seed,
    "Tags": lambda run: list(run.tags),
    "Made by": made_in_words,
    "From": lambda run: f"{run.parent}, epoch {run.parent_epoch}" if run.parent else "",
    "Made": lambda run: time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(run.created)),
}
