"""What the Train page shows below the curves, in tabs, because it is needed less often: further curves, tracked images and settings."""

import streamlit as st

from cnn_core.config.schema import settings_in_effect, title, value_text
from cnn_core.runs.run import Run
from pages.charts.components.run_chart import run_chart
from pages.shared.form_link import show_link
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.train.tracked_images import show_tracked_images

EACH_CLASS, MORE_CURVES, TRACKED_IMAGES, SETTINGS = "Each class", "More curves", "Tracked images", "Settings"
AT_START = "At the start"
CHANGED_LATER = "These settings were changed while the run trained."


def show_more(run: Run) -> None:
    """Show what is needed less often, in tabs: further curves, tracked images and settings."""
    classes, curves, tracked, settings = st.tabs([EACH_CLASS, MORE_CURVES, TRACKED_IMAGES, SETTINGS])
    with classes:
        run_chart(run.id, "classes")
    with curves:
        run_chart(run.id, "gauge")
    with tracked:
        show_tracked_images(run)
    with settings:
        _show_settings(run)


def _show_settings(run: Run) -> None:
    """Show the settings of the run that have an effect, those at its start where they were changed later, and a link to them."""
    config = get_store().config_in_force(run.id)
    now, before = settings_in_effect(config), settings_in_effect(run.config)
    show_link(config.model_dump(), "Link to these settings")
    if now != before:
        names = [name for name in (now | before) if now.get(name) != before.get(name)]
        st.caption(CHANGED_LATER)
        columns = {"In force": now, AT_START: before}
        shown = {column: [plain(value_text(name, of.get(name))) for name in names] for column, of in columns.items()}
        st.table({"Setting": [title(name) for name in names]} | shown)
    rows = {title(name): value_text(name, value) for name, value in now.items()}
    rows["Data version"] = get_store().data_version(run.id) or "unknown until the run starts"
    st.table({"Setting": list(rows), "Value": [plain(value) for value in rows.values()]})
