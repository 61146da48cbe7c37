"""The illustrations of the exercises as pure functions from numbers to Plotly figures. Colours come from the light or dark theme."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from pages.charts.theme import PERCENT, THEME_COLOURS

HEIGHT = 260
MARGIN = {"l": 10, "r": 10, "t": 30, "b": 10}
GREY = "rgba(128, 136, 150, 0.55)"  # visible on a light and on a dark background
LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
UNITS_PER_LAYER = (4, 6, 6, 3)  # of the small network that illustrates dropout
NETWORK_DISTANCE = 5.0  # between the left edges of two such networks
FIRST, SECOND, THIRD = THEME_COLOURS[:3]


def dropout_figure(networks: Sequence[Sequence[np.ndarray]], names: Sequence[str]) -> go.Figure:
    """Draw small networks side by side. networks: for each the active units of every layer, bool (units,)."""
    figure = go.Figure()
    for number, layers in enumerate(networks):
        left = number * NETWORK_DISTANCE
        figure.add_trace(_connections(layers, left))
        for is_active in (True, False):
            points = [
                (left + x, y)
                for x, layer in enumerate(layers)
                for y, state in zip(_unit_heights(len(layer)), layer, strict=True)
                if bool(state) == is_active
            ]
            figure.add_trace(_units(points, is_active=is_active))
    for number, name in enumerate(names):
        figure.add_annotation(x=number * NETWORK_DISTANCE + 1.5, y=3.6, text=name, showarrow=False)
    return _without_axes(figure, (-0.6, NETWORK_DISTANCE * len(networks) - 1.4), (-3.1, 4.0))


def _unit_heights(count: int) -> np.ndarray:
    return np.arange(count) - (count - 1) / 2


def _connections(layers: Sequence[np.ndarray], left: float) -> go.Scatter:
    """Draw a line between every two active units of consecutive layers."""
    x: list[float | None] = []
    y: list[float | None] = []
    for number, (layer, next_layer) in enumerate(zip(layers, layers[1:], strict=False)):
        for start in _unit_heights(len(layer))[layer]:
            for end in _unit_heights(len(next_layer))[next_layer]:
                x += [left + number, left + number + 1, None]
                y += [start, end, None]
    return go.Scatter(x=x, y=y, mode="lines", line={"width": 0.7, "color": GREY}, hoverinfo="skip")


def _units(points: Sequence[tuple[float, float]], *, is_active: bool) -> go.Scatter:
    if is_active:
        marker = {"size": 13, "color": FIRST, "line": {"width": 1, "color": FIRST}}
    else:
        marker = {"size": 13, "symbol": "x-thin", "line": {"width": 2, "color": SECOND}}
    x, y = zip(*points, strict=True) if points else ((), ())
    return go.Scatter(x=x, y=y, mode="markers", marker=marker, hoverinfo="skip")


def channel_distributions(before: np.ndarray, after: np.ndarray) -> go.Figure:
    """Draw the distribution of each channel's values before and after batch norm. before, after: (channels, values)."""
    figure = go.Figure()
    for channel in range(len(before)):
        for values, name, colour in ((before, "before", FIRST), (after, "after", SECOND)):
            figure.add_trace(
                go.Violin(
                    x=[f"{name}, channel {channel + 1}"] * values.shape[1],
                    y=values[channel],
                    name=name,
                    legendgroup=name,
                    showlegend=not channel,
                    line={"color": colour},
                    points=False,
                    spanmode="hard",
                    scalemode="width",
                    meanline={"visible": True},
                    hoverinfo="skip",
                )
            )
    order = [f"{name}, channel {channel + 1}" for name in ("before", "after") for channel in range(len(before))]
    figure.update_layout(margin=MARGIN, height=HEIGHT, legend=LEGEND)
    figure.update_xaxes(categoryorder="array", categoryarray=order, showticklabels=False)
    figure.update_yaxes(title="activation", automargin=True)
    return figure


def learning_rate_curves(curves: Mapping[str, tuple[np.ndarray, Sequence[float]]]) -> go.Figure:
    """Draw the learning rate of each schedule. curves: for each the completed epochs, with fractions, and the rate at every step."""
    figure = go.Figure()
    for (name, (epochs, values)), colour, dash in zip(curves.items(), (FIRST, SECOND), ("solid", "dash"), strict=True):
        figure.add_trace(go.Scatter(x=epochs, y=values, mode="lines", name=name, line={"color": colour, "dash": dash}))
    figure.update_layout(margin=MARGIN, height=HEIGHT, legend=LEGEND)
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title="learning rate", rangemode="tozero", automargin=True)
    return figure


def residual_block() -> go.Figure:
    """Draw a residual block: two convolutions, and the shortcut whose input is added to their output."""
    figure = go.Figure()
    for x in (1.0, 2.3):
        figure.add_shape(type="rect", x0=x - 0.5, x1=x + 0.5, y0=-0.4, y1=0.4, line={"color": FIRST, "width": 2})
        figure.add_annotation(x=x, y=0, text="convolution<br>3×3", showarrow=False, font={"size": 10})
    figure.add_shape(type="circle", x0=3.25, x1=3.65, y0=-0.2, y1=0.2, line={"color": SECOND, "width": 2})
    figure.add_annotation(x=3.45, y=0, text="+", showarrow=False, font={"size": 20})
    for start, end in ((-0.2, 0.5), (1.5, 1.8), (2.8, 3.25), (3.65, 4.3)):
        _add_arrow(figure, (start, 0), (end, 0), FIRST, 2)
    figure.add_shape(type="path", path="M 0.15 0 L 0.15 1 L 3.45 1 L 3.45 0.45", line={"color": SECOND, "width": 3})
    _add_arrow(figure, (3.45, 0.7), (3.45, 0.2), SECOND, 3)
    labels = ((-0.25, 0.22, "x"), (1.8, 1.18, "shortcut: x"), (1.65, -0.65, "F(x): the difference"), (4.25, 0.25, "x + F(x)"))
    for x, y, text in labels:
        figure.add_annotation(x=x, y=y, text=text, showarrow=False)
    return _without_axes(figure, (-0.6, 4.9), (-0.9, 1.45))


def _add_arrow(figure: go.Figure, start: tuple[float, float], end: tuple[float, float], colour: str, width: int) -> None:
    figure.add_annotation(
        x=end[0],
        y=end[1],
        ax=start[0],
        ay=start[1],
        axref="x",
        ayref="y",
        text="",
        showarrow=True,
        arrowhead=2,
        arrowcolor=colour,
        arrowwidth=width,
    )


def optimizer_paths(loss: np.ndarray, x: np.ndarray, y: np.ndarray, paths: Mapping[str, np.ndarray]) -> go.Figure:
    """Draw the path of each of at most three optimizers, (steps + 1, 2), on a loss surface, (len(y), len(x))."""
    contours = go.Contour(
        z=np.log10(loss + 1e-3), x=x, y=y, showscale=False, colorscale="Greys", opacity=0.5, ncontours=14, hoverinfo="skip"
    )
    figure = go.Figure(contours)
    for (name, path), colour, symbol in zip(paths.items(), (FIRST, THIRD, SECOND), ("circle", "square", "diamond"), strict=False):
        figure.add_trace(
            go.Scatter(
                x=path[:, 0],
                y=path[:, 1],
                mode="lines+markers",
                name=name,
                line={"color": colour, "width": 2},
                marker={"size": 5, "symbol": symbol},
                hovertemplate=f"{name}<extra></extra>",
            )
        )
    star = {"symbol": "star", "size": 13, "color": THEME_COLOURS[4]}
    figure.add_trace(go.Scatter(x=[0], y=[0], mode="markers", name="minimum", marker=star))
    figure.update_layout(margin=MARGIN, height=HEIGHT + 40, legend=LEGEND)
    figure.update_xaxes(title="first weight", range=[float(x[0]), float(x[-1])])
    figure.update_yaxes(title="second weight", range=[float(y[0]), float(y[-1])])
    return figure


def parameters_by_width(counts: Mapping[float, int], trained: Sequence[float]) -> go.Figure:
    """Draw the number of parameters by width multiplier. trained: the widths of runs A and B."""
    labels = dict(zip(trained, "AB", strict=True))
    figure = go.Figure(
        go.Bar(
            x=[f"{width:g}" for width in counts],
            y=list(counts.values()),
            marker={"color": [SECOND if width in labels else FIRST for width in counts]},
            text=[f"{labels.get(width, '')} {count:,}".lstrip() for width, count in counts.items()],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_layout(margin=MARGIN, height=HEIGHT)
    figure.update_xaxes(title="width multiplier", type="category")
    figure.update_yaxes(title="parameters", automargin=True)
    return figure


def accuracy_curves(training: Sequence[float], validation: Sequence[float], best_epoch: int) -> go.Figure:
    """Draw training and validation accuracy (0 to 1) by epoch, and mark the best epoch."""
    epochs = list(range(1, len(training) + 1))
    figure = go.Figure()
    for values, name, colour, dash in (
        (training, "training accuracy", FIRST, "dot"),
        (validation, "validation accuracy", SECOND, "solid"),
    ):
        line = {"color": colour, "dash": dash}
        figure.add_trace(go.Scatter(x=epochs, y=values, mode="lines+markers", name=name, line=line, marker={"size": 5}))
    mark = {"dash": "dash", "width": 1, "color": GREY}
    figure.add_vline(x=best_epoch, line=mark, annotation_text="best epoch", annotation_position="bottom right")
    figure.update_layout(margin=MARGIN, height=HEIGHT, legend=LEGEND)
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title="accuracy", tickformat=PERCENT, automargin=True)
    return figure


def _without_axes(figure: go.Figure, x: tuple[float, float], y: tuple[float, float]) -> go.Figure:
    figure.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0}, height=HEIGHT - 40, showlegend=False)
    figure.update_xaxes(visible=False, range=list(x), fixedrange=True)
    figure.update_yaxes(visible=False, range=list(y), fixedrange=True)
    return figure
