"""Precision-recall and ROC curves of one class, as pure functions from its thresholds to Plotly figures."""

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

if TYPE_CHECKING:
    from cnn_core.metrics.threshold_curves import ThresholdCounts

HEIGHT = 320


def precision_recall_chart(curve: "ThresholdCounts") -> go.Figure:
    """Precision over recall in steps, as average precision counts them; dashed, what guessing would reach: the class's share."""
    from cnn_core.metrics.threshold_curves import select_points

    across, up = np.concatenate([[0.0], curve.recall]), np.concatenate([curve.precision[:1], curve.precision])
    kept = select_points(across, up)
    told = "recall %{x:.1%}, precision %{y:.1%}<br>threshold %{customdata:.3g}<extra></extra>"
    line = _line(across[kept], up[kept], _with_start(curve)[kept], told, shape="vh")
    share = curve.positives / (curve.positives + curve.negatives)
    return _figure(line, _guess([0, 1], [share, share]), "recall", "precision")


def roc_chart(curve: "ThresholdCounts") -> go.Figure:
    """True over false positive rate; dashed, what guessing would reach: the diagonal."""
    from cnn_core.metrics.threshold_curves import select_points

    across, up = (np.concatenate([[0.0], values]) for values in (curve.false_positive_rate, curve.recall))
    kept = select_points(across, up)
    told = "false positive rate %{x:.1%}, recall %{y:.1%}<br>threshold %{customdata:.3g}<extra></extra>"
    line = _line(across[kept], up[kept], _with_start(curve)[kept], told, shape="linear")
    return _figure(line, _guess([0, 1], [0, 1]), "false positive rate", "true positive rate (recall)")


def _with_start(curve: "ThresholdCounts") -> np.ndarray:
    """The thresholds with one before them that nothing reaches."""
    return np.concatenate([[np.inf], curve.thresholds])


def _line(x: np.ndarray, y: np.ndarray, thresholds: np.ndarray, told: str, *, shape: str) -> go.Scatter:
    return go.Scatter(x=x, y=y, customdata=thresholds, mode="lines", line={"shape": shape, "simplify": False}, hovertemplate=told)


def _guess(x: list[float], y: list[float]) -> go.Scatter:
    return go.Scatter(x=x, y=y, mode="lines", line={"dash": "dash", "width": 1, "color": "gray"}, hoverinfo="skip")


def _figure(line: go.Scatter, guess: go.Scatter, across: str, up: str) -> go.Figure:
    figure = go.Figure([line, guess])
    figure.update_layout(margin={"l": 10, "r": 10, "t": 10, "b": 10}, height=HEIGHT, showlegend=False)
    figure.update_xaxes(title=across, range=[-0.01, 1.01], tickformat=".0%")
    figure.update_yaxes(title=up, range=[-0.01, 1.03], tickformat=".0%", automargin=True)
    return figure
