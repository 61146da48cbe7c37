"""The picture of which run branched from which. In: the runs. Out: a chart whose points open their runs."""

import html
from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from cnn_core.runs.store import Run
from cnn_core.runs.tree import Node, family_trees
from pages.ui.links import page_file

ROW = 56  # pixels


def show_tree(runs: Sequence[Run]) -> None:
    """The trees of runs, where any branched; a click on a point opens its run."""
    nodes = family_trees(runs)
    if not nodes:
        return
    st.subheader("Branches")
    st.caption("Each run and those that went on from one of its epochs. A click on a point opens the run.")
    alt = "; ".join(
        f"{node.run.id} from {node.run.parent} after epoch {node.run.parent_epoch}" for node in nodes if node.run.parent
    )
    event = st.plotly_chart(
        tree_figure(nodes), on_select="rerun", selection_mode="points", key=f"tree-{len(nodes)}", alt=f"Branches: {alt}"
    )
    chosen = [point["customdata"] for point in event.selection.points if point.get("customdata")]
    if chosen:
        run = chosen[0] if isinstance(chosen[0], str) else chosen[0][0]
        st.switch_page(page_file("train"), query_params={"run": run})


def tree_figure(nodes: Sequence[Node]) -> go.Figure:
    """Points for runs, lines from each to the run it branched from, the epoch on the line."""
    figure = go.Figure()
    for node in nodes:
        if node.parent is None:
            continue
        parent = nodes[node.parent]
        figure.add_scatter(
            x=[parent.column, node.column],
            y=[parent.row, node.row],
            mode="lines",
            line={"width": 1.5, "color": "rgba(128, 128, 128, 0.6)"},
            hoverinfo="skip",
        )
        figure.add_annotation(
            x=(parent.column + node.column) / 2,
            y=(parent.row + node.row) / 2,
            text=f"after epoch {node.run.parent_epoch}",
            showarrow=False,
            yshift=9,
            font={"size": 11},
        )
    figure.add_scatter(
        x=[node.column for node in nodes],
        y=[node.row for node in nodes],
        mode="markers+text",
        marker={"size": 16},
        text=[_title(node.run) for node in nodes],
        textposition="bottom center",
        customdata=[node.run.id for node in nodes],
        hovertemplate="%{customdata}<extra></extra>",
        cliponaxis=False,
    )
    rows, columns = max(node.row for node in nodes), max(node.column for node in nodes)
    figure.update_layout(showlegend=False, height=100 + ROW * (rows + 1), margin={"l": 10, "r": 10, "t": 20, "b": 30})
    figure.update_xaxes(visible=False, range=[-0.5, columns + 0.5])
    figure.update_yaxes(visible=False, range=[rows + 0.6, -0.4])
    return figure


def _title(run: Run) -> str:
    accuracy = run.summary.get("test_accuracy")
    accuracy = run.summary.get("best_val_accuracy") if accuracy is None else accuracy
    known = f" · {accuracy:.1%}" if accuracy is not None else ""
    return html.escape((run.name or run.id)[:40]) + known
