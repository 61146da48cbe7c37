"""The chart of the Metrics view: the fraction of the images of each class that are classified correctly."""

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from pages.charts.class_axis import class_axis, escape_names
from pages.charts.theme import PERCENT

if TYPE_CHECKING:
    from cnn_core.metrics.classification import ClassMetrics

MOST = 15  # classes in the chart


def lowest_recall(metrics: "ClassMetrics") -> np.ndarray:
    """Return the classes in the chart, (n,) int64: of those with images the MOST with the lowest recall, lowest first."""
    present = np.flatnonzero(metrics.support)
    return np.asarray(present[np.argsort(metrics.recall[present], kind="stable")][:MOST])


def recall_chart(metrics: "ClassMetrics", classes: tuple[str, ...]) -> go.Figure:
    """Draw a bar for each class with its recall and the number of its images; the lowest recall is on top."""
    shown = lowest_recall(metrics)
    names = [classes[label] for label in shown]
    correct = np.rint(metrics.recall[shown] * metrics.support[shown]).astype(int)
    figure = go.Figure(
        go.Bar(
            x=metrics.recall[shown],
            y=escape_names(names),
            customdata=escape_names(names),
            orientation="h",
            text=[f"{found:,} of {count:,}" for found, count in zip(correct, metrics.support[shown], strict=True)],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{customdata}: %{x:.1%} (%{text})<extra></extra>",
        )
    )
    figure.update_layout(margin={"l": 10, "r": 80, "t": 10, "b": 10}, height=70 + 26 * len(shown), bargap=0.25)
    figure.update_xaxes(title="recall: fraction classified correctly", range=[0, 1], tickformat=PERCENT)
    figure.update_yaxes(autorange="reversed", **class_axis(names))
    return figure
