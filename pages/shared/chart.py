"""A chart that does not move, with its values as text: in the description of a small one, in a table below any other."""

import plotly.graph_objects as go
import streamlit as st

from pages.charts.tables import ChartTable, chart_tables, describe_in_words
from pages.shared.text import plain

FEW = 6  # rows that the description holds
FIT, TALLEST = 12, 360  # rows that are shown without scrolling; pixels of a longer table
TABLE = "Table"
SOME_ROWS = "{rows:,} of {count:,} points, at equal steps."


def show_chart(figure: go.Figure, *, alt: str, key: str | None = None, with_table: bool = True) -> None:
    """Show `figure`. `alt`: what it shows, for screen readers; the values of a small chart are appended, those of others are in a table.

    with_table: False where the page already has a table of these values.
    """
    tables = chart_tables(figure)
    is_small = sum(table.rows for table in tables) <= FEW
    values = ". ".join(map(describe_in_words, tables)) if is_small else ""
    st.plotly_chart(figure, config={"displayModeBar": False}, alt=f"{alt}. {values}." if values else alt, key=key)
    if with_table and not is_small:
        with st.expander(TABLE, type="compact"):
            for table in tables:
                _show_table(table, alt)


def _show_table(table: ChartTable, alt: str) -> None:
    st.table(
        {plain(title): list(map(plain, column)) for title, column in table.columns.items()},
        border="horizontal",
        hide_index=True,
        height=TALLEST if table.rows > FIT else "content",
        alt=alt,
    )
    if table.rows < table.count:
        st.caption(SOME_ROWS.format(rows=table.rows, count=table.count))
