"""The tree of branched runs. In: the runs. Out: a chart whose points open their runs."""

import html
from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from cnn_core.runs.branch_tree import Node, family_trees
from cnn_core.runs.run import Run
from cnn_core.text import format_percent
from pages.charts.theme import THEME_COLOURS
from pages.shared.links import page_file
from pages.shared.run_selection import STATUS

ROW_PIXELS = 56
MAX_NAME_LENGTH = 32  # of the name under a point
AFTER_EPOCH, ACCURACY = "after epoch {epoch}", "{accuracy} validation accuracy"
LINE = "rgba(128, 128, 128, 0.6)"
COLOURS = {
    "running": THEME_COLOURS[0],
    "failed": THEME_COLOURS[1],
    "finished": THEME_COLOURS[2],
    "stopped": THEME_COLOURS[4],
    "interrupted": THEME_COLOURS[7],
    "paused": THEME_COLOURS[6],
    "queued": THEME_COLOURS[8],
}


def show_tree(runs: Sequence[Run]) -> None:
    """Show the trees of branched runs, if any; a click on a point opens its run."""
    nodes = family_trees(runs)
    if not nodes:
        return
    st.header("Branches")
    st.caption("Each line leads from a run to a branch of it. Click a point to open its run.")
    alt = "; ".join(
        f"{node.run.id} from {node.run.parent} after epoch {node.run.parent_epoch}" for node in nodes if node.run.parent
    )
    event = st.plotly_chart(
        tree_figure(nodes),
        on_select="rerun",
        selection_mode="points",
        key=f"tree-{len(nodes)}",
        alt=f"Branches: {alt}",
        config={"displayModeBar": False},  # it would cover the legend
    )
    chosen = [point["customdata"][0] for point in event.selection.points if point.get("customdata")]
    if chosen:
        st.switch_page(page_file("train"), query_params={"run": chosen[0]})


def tree_figure(nodes: Sequence[Node]) -> go.Figure:
    """Return a chart with a point for each run, coloured by status, and a line to its parent labelled with the epoch."""
    figure = go.Figure()
    for node in nodes:
        if node.parent is not None:
            _add_line(figure, nodes[node.parent], node)
    for status in STATUS:
        if matching := [node for node in nodes if node.run.status == status]:
            _add_points(figure, matching, status)
    rows, columns = max(node.row for node in nodes), max(node.column for node in nodes)
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1, "xanchor": "right", "x": 1, "itemclick": False},
        height=140 + ROW_PIXELS * (rows + 1),
        margin={"l": 10, "r": 10, "t": 40, "b": 30},
    )
    figure.update_xaxes(visible=False, range=[-0.5, columns + 0.5])
    figure.update_yaxes(visible=False, range=[rows + 0.6, -0.4])
    return figure


def _add_line(figure: go.Figure, parent: Node, node: Node) -> None:
    x, y = [parent.column, node.column], [parent.row, node.row]
    line = {"width": 1.5, "color": LINE}
    figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)
    figure.add_annotation(
        x=sum(x) / 2,
        y=sum(y) / 2,
        text=AFTER_EPOCH.format(epoch=node.run.parent_epoch),
        showarrow=False,
        yshift=9,
        font={"size": 11},
    )


def _add_points(figure: go.Figure, nodes: Sequence[Node], status: str) -> None:
    figure.add_scatter(
        x=[node.column for node in nodes],
        y=[node.row for node in nodes],
        mode="markers+text",
        name=STATUS[status][2],
        marker={"size": 16, "color": COLOURS[status]},
        text=[_title(node.run) for node in nodes],
        textposition="bottom center",
        customdata=[[node.run.id, _accuracy(node.run)] for node in nodes],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        cliponaxis=False,
    )


def _title(run: Run) -> str:
    accuracy = _accuracy(run)
    name = run.name or run.id
    name = name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 1]}…"
    return html.escape(name) + (f"<br>{accuracy}" if accuracy else "")


def _accuracy(run: Run) -> str:
    """Return the best validation accuracy as text; "" before there is one."""
    accuracy = run.summary.get("best_val_accuracy")
    return "" if accuracy is None else ACCURACY.format(accuracy=format_percent(accuracy))
