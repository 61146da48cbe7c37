"""The table of runs, actions on the selected runs, the queue and the bin."""

import time
import zlib
from collections.abc import Sequence
from typing import Any

import streamlit as st

from cnn_core.config.chosen import chosen_settings
from cnn_core.config.schema import model_title, title, value_text
from cnn_core.errors import RunError, StudioError
from cnn_core.runs.comparison import differing_settings, with_new_seed
from cnn_core.runs.final_accuracy import reveal_test_accuracies
from cnn_core.runs.organizer import MAX_NAME_LENGTH, MAX_NOTES_LENGTH, RunOrganizer
from cnn_core.runs.run import Run
from cnn_core.text import counted, format_bytes
from pages.shared.links import page_file
from pages.shared.notices import notify
from pages.shared.people import is_shared, is_teacher, may_change, owner_name, person, show_owner
from pages.shared.run_origin import choose_origin, describe_origin
from pages.shared.run_selection import STATUS, linked_name
from pages.shared.server import get_store
from pages.shared.start_run import start_run
from pages.shared.text import SELECT_BY_KEYBOARD, plain
from pages.views.runs.disk_space import run_sizes
from pages.views.runs.export import show_export

SHOW_TEST, TEST_COLUMN = "show-test-accuracy", "Test"
SHOW_TEST_HELP = (
    "Shows the accuracy on the test set, and counts each of these models as evaluated on it. Choose between models by validation accuracy, and show "
    "the test accuracy of the final model only."
)
REPEAT = "Starts a run with the settings that this run had at its start and a seed that no run with these settings has. Repeated runs show how much the accuracy varies."
REPEAT_BRANCH = (
    "A branch begins with the state of another run, so it cannot be repeated with a new seed. Repeat that run instead."
)
SIZE = "Size"
FIRST_COLUMNS = ("Run", "Validation", TEST_COLUMN, "Name", "Status", SIZE)
HAVE_COLUMNS = ("data", "model", "epochs", "seed", "saved_epochs")
MAX_SETTING_COLUMNS = 8
IN_BIN = "{runs} in the bin now. To restore runs, open Bin at the end of this page."
TICK_RUNS = f"Tick runs to open, name, compare, export or remove them. {SELECT_BY_KEYBOARD}"


def filter_runs(runs: Sequence[Run]) -> list[Run]:
    """Show the filters and return the runs that match."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        runs = choose_origin(runs)
        words = st.text_input("Search", placeholder="name, data set, model, tag or note", width=320).lower().split()
        statuses = st.multiselect(
            "Status",
            [status for status in STATUS if any(run.status == status for run in runs)],
            format_func=lambda s: STATUS[s][2],
        )
        known = sorted({tag for run in runs for tag in run.tags})
        tags = st.multiselect("Tags", known) if known else []
    return [
        run
        for run in runs
        if (not statuses or run.status in statuses)
        and set(tags) <= set(run.tags)
        and all(word in _searchable_text(run) for word in words)
    ]


def choose_runs(runs: Sequence[Run]) -> list[Run]:
    """Show the table and return the runs whose rows are ticked. Test accuracies are shown, and counted, only after the person asks for them."""
    columns = COLUMNS | ({"Owner": lambda run: owner_name(run.owner)} if is_shared() else {})
    values = {name: [value(run) for run in runs] for name, value in columns.items()}
    values[SIZE] = [size / 10**6 for size in run_sizes(runs)]
    if st.toggle("Show test accuracy", key=SHOW_TEST, help=SHOW_TEST_HELP):
        values[TEST_COLUMN] = [_percent(accuracy) for accuracy in reveal_test_accuracies(get_store(), runs)]
    values = {name: values[name] for name in FIRST_COLUMNS if name in values} | _setting_columns(runs) | values
    event = st.dataframe(
        values,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "Validation": st.column_config.NumberColumn(
                format="%.2f%%", help="Accuracy on the validation images after the best epoch."
            ),
            TEST_COLUMN: st.column_config.NumberColumn(format="%.2f%%", help="Accuracy of the best model on the test images."),
            "Speed": st.column_config.NumberColumn(format="%,d", help="Training speed in images per second, without validation."),
            "Minutes": st.column_config.NumberColumn(format="%.1f", help="Training time in minutes, without validation."),
            SIZE: st.column_config.NumberColumn(format="%.1f MB", help="Size of the run's files on the disk."),
            "Created": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
        },
        placeholder="–",
        key=f"runs-{zlib.crc32(' '.join(run.id for run in runs).encode())}",  # ticks are row numbers: other rows, no ticks
    )
    return [runs[row] for row in event.selection.rows if row < len(runs)]


def show_actions(chosen: Sequence[Run]) -> None:
    """Show the actions for the ticked runs."""
    if not chosen:
        st.caption(TICK_RUNS)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if len(chosen) == 1:
            st.page_link(page_file("train"), label="Open", icon=":material/show_chart:", query_params={"run": chosen[0].id})
            if may_change(chosen[0].owner):
                with st.popover("Name, tags and notes", icon=":material/edit:"):
                    _describe(chosen[0])
            _repeat_button(chosen[0])
        with st.popover("Export", icon=":material/download:", help="Exports the histories of the ticked runs as one file."):
            show_export(chosen)
        if st.button(
            f"Remove {counted(len(chosen), 'run')}",
            key="remove-runs",
            icon=":material/delete:",
            help="Moves the runs to the bin, from which they can be restored.",
        ):
            _remove(chosen)


def show_queue(waiting: Sequence[str]) -> None:
    """Show the queue with buttons that change the order of one owner's runs."""
    queued = {run.id: run for run in get_store().select("where id is not null and status = 'queued'", ())}
    owners = {run: queued[run].owner if run in queued else "" for run in waiting}  # one of another version cannot be read
    for number, run in enumerate(waiting, start=1):
        owner, name = owners[run], linked_name(queued[run]) if run in queued else run
        own = [other for other in waiting if owners[other] == owner]
        place = own.index(run)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(page_file("train"), label=f"{number}. {name}", query_params={"run": run})
            if not may_change(owner):
                show_owner(owner)
                continue
            for label, icon, to in (("Earlier", "arrow_upward", place - 1), ("Later", "arrow_downward", place + 1)):
                st.button(
                    label,
                    icon=f":material/{icon}:",
                    key=f"{label}-{run}",
                    disabled=not 0 <= to < len(own),
                    on_click=RunOrganizer(get_store()).move,
                    args=(run, to),
                )


def show_bin() -> None:
    """Show the removed runs with buttons to restore or delete them."""
    organizer = RunOrganizer(get_store())
    removed = [run for run in organizer.removed() if may_change(run.owner)]
    if not removed:
        return
    with st.expander(f"Bin ({len(removed)}, {format_bytes(sum(run_sizes(removed)))})", icon=":material/delete:"):
        for run in removed:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.write(linked_name(run))
                st.button("Restore", icon=":material/undo:", key=f"back-{run.id}", on_click=organizer.restore, args=(run.id,))
        with st.popover("Empty the bin", icon=":material/delete_forever:"):
            st.write("These runs, their curves and their models are deleted permanently.")
            owner = person() if is_shared() and not is_teacher() else None
            st.button("Delete permanently", key="empty-bin", type="primary", on_click=_empty_bin, args=(owner,))


def _repeat_button(run: Run) -> None:
    """Show the button that starts a run with the same settings and the next unused seed."""
    if st.button(
        "Repeat with a new seed",
        key="repeat-run",
        icon=":material/casino:",
        disabled=bool(run.parent),
        help=REPEAT_BRANCH if run.parent else REPEAT,
    ):
        config = with_new_seed(run, get_store().runs())
        start_run(config, given=tuple(type(config).model_fields))


def _describe(run: Run) -> None:
    with st.form(f"describe-{run.id}"):
        name = st.text_input("Name", value=run.name, help=f"Up to {MAX_NAME_LENGTH} characters.")
        tags = st.text_input("Tags", help="Separate tags with commas.", value=", ".join(run.tags))
        notes = st.text_area("Notes", value=run.notes, help=f"Up to {MAX_NOTES_LENGTH:,} characters.")
        if st.form_submit_button("Save", key="save-description", type="primary"):
            try:
                RunOrganizer(get_store()).describe(run.id, name=name, notes=notes, tags=tags.split(","))
            except StudioError as error:
                st.error(plain(error), icon=":material/error:")
            else:
                st.rerun()


def _empty_bin(owner: str | None) -> None:
    RunOrganizer(get_store()).empty_bin(owner)


def _remove(runs: Sequence[Run]) -> None:
    refused = []
    for run in runs:
        try:
            if not may_change(run.owner):
                raise RunError(f"Run {run.id} belongs to another person. Only its owner or a teacher can remove it.")
            RunOrganizer(get_store()).remove(run.id)
        except StudioError as error:
            refused.append(str(error))
    if refused:
        st.error(plain("\n\n".join(refused)), icon=":material/error:")
    else:
        notify(IN_BIN.format(runs=counted(len(runs), "run is", "runs are")), icon=":material/delete:")
        st.rerun()


def _setting_columns(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return a column for each setting whose values differ among the runs in which it has an effect, without those that have a column."""
    differing = {
        name: values
        for name, values in differing_settings(runs).items()
        if name not in HAVE_COLUMNS and len({value for value in values if value is not None}) > 1
    }
    chosen = set().union(*(chosen_settings(run.config) for run in runs))
    names = sorted(differing, key=lambda name: name not in chosen)  # before those that differ with data and model alone
    return {
        title(name): [
            None if value is None else value if _is_number(value) else value_text(name, value) for value in differing[name]
        ]
        for name in names[:MAX_SETTING_COLUMNS]
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _searchable_text(run: Run) -> str:
    """Return the text that the search box matches."""
    texts = (
        run.id,
        run.title,
        run.notes,
        describe_origin(run),
        run.config.data,
        run.config.model,
        model_title(run.config),
        run.config.optimizer,
        STATUS[run.status][2],
        *run.tags,
    )
    return " ".join(texts).lower()


def _percent(accuracy: float | None) -> float | None:
    return None if accuracy is None else 100 * accuracy


COLUMNS: dict[str, Any] = {
    "Run": lambda run: run.id,
    "Validation": lambda run: _percent(run.summary.get("best_val_accuracy")),
    "Name": lambda run: run.title,
    "Status": lambda run: STATUS[run.status][2],
    "Data": lambda run: run.config.data,
    "Model": lambda run: model_title(run.config),
    "Epochs": lambda run: run.summary.get("epochs"),
    "Speed": lambda run: run.summary.get("images_per_second"),
    "Minutes": lambda run: seconds / 60 if (seconds := run.summary.get("train_seconds")) else None,
    "Seed": lambda run: run.config.seed,
    "Tags": lambda run: list(run.tags),
    "Created by": describe_origin,
    "Branched from": lambda run: f"{run.parent}, epoch {run.parent_epoch}" if run.parent else "",
    "Created": lambda run: time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(run.created)),
}
