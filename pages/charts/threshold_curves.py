"""Precision-recall and ROC curves of one class as Plotly figures."""

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from pages.charts.theme import PERCENT

if TYPE_CHECKING:
    from cnn_core.metrics.threshold_curves import ThresholdCounts

HEIGHT = 320


def precision_recall_chart(curve: "ThresholdCounts") -> go.Figure:
    """Draw precision by recall in steps, as average precision counts them; dashed: chance level, the fraction of the class."""
    from cnn_core.metrics.threshold_curves import select_points

    x, y = np.concatenate([[0.0], curve.recall]), np.concatenate([curve.precision[:1], curve.precision])
    points = select_points(x, y)
    template = "recall %{x:.1%}, precision %{y:.1%}<br>threshold %{customdata:.3g}<extra></extra>"
    line = _line(x[points], y[points], _with_start(curve)[points], template, shape="vh")
    fraction = curve.positives / (curve.positives + curve.negatives)
    return _figure(line, _chance_line([0, 1], [fraction, fraction]), "recall", "precision")


def roc_chart(curve: "ThresholdCounts") -> go.Figure:
    """Draw the true by the false positive rate; dashed: chance level, the diagonal."""
    from cnn_core.metrics.threshold_curves import select_points

    x, y = (np.concatenate([[0.0], values]) for values in (curve.false_positive_rate, curve.recall))
    points = select_points(x, y)
    template = "false positive rate %{x:.1%}, recall %{y:.1%}<br>threshold %{customdata:.3g}<extra></extra>"
    line = _line(x[points], y[points], _with_start(curve)[points], template, shape="linear")
    return _figure(line, _chance_line([0, 1], [0, 1]), "false positive rate", "true positive rate (recall)")


def _with_start(curve: "ThresholdCounts") -> np.ndarray:
    """Return the thresholds, preceded by infinity, which no image reaches."""
    return np.concatenate([[np.inf], curve.thresholds])


def _line(x: np.ndarray, y: np.ndarray, thresholds: np.ndarray, template: str, *, shape: str) -> go.Scatter:
    return go.Scatter(
        x=x, y=y, customdata=thresholds, mode="lines", line={"shape": shape, "simplify": False}, hovertemplate=template
    )


def _chance_line(x: list[float], y: list[float]) -> go.Scatter:
    return go.Scatter(x=x, y=y, mode="lines", line={"dash": "dash", "width": 1, "color": "gray"}, hoverinfo="skip")


def _figure(line: go.Scatter, chance: go.Scatter, x: str, y: str) -> go.Figure:
    figure = go.Figure([line, chance])
    figure.update_layout(margin={"l": 10, "r": 24, "t": 10, "b": 10}, height=HEIGHT, showlegend=False)
    figure.update_xaxes(title=x, range=[-0.01, 1.01], tickformat=PERCENT)
    figure.update_yaxes(title=y, range=[-0.01, 1.03], tickformat=PERCENT, automargin=True)
    return figure
