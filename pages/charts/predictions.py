"""The predictions of several models for one image in one chart."""

import html
from collections.abc import Mapping

import plotly.graph_objects as go

from pages.charts.figures import THEME_COLOURS

RANKED = 5  # classes


def compare_predictions_chart(tables: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """Draw the probabilities of the RANKED classes most probable for any run, side by side, most probable first.

    tables: the probability of each class by the name of the run; all runs have the same classes.
    """
    classes = next(iter(tables.values()))
    shown = sorted(classes, key=lambda name: -max(table[name] for table in tables.values()))[:RANKED]
    figure = go.Figure()
    for place, (run, table) in enumerate(tables.items()):
        figure.add_bar(
            x=[table[name] for name in shown],
            y=[html.escape(name) for name in shown],
            orientation="h",
            name=html.escape(run),
            text=[f"{table[name]:.1%}" for name in shown],
            textposition="outside",
            cliponaxis=False,
            marker_color=THEME_COLOURS[place],
            hovertemplate="%{y}, " + html.escape(run) + ": %{x:.2%}<extra></extra>",
        )
    figure.update_layout(
        margin={"l": 10, "r": 50, "t": 10, "b": 10},
        height=110 + (18 + 16 * len(tables)) * len(shown),
        bargap=0.25,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    )
    figure.update_xaxes(title="probability", range=[0, 1], tickformat=".0%")
    figure.update_yaxes(type="category", autorange="reversed", automargin=True)
    return figure
