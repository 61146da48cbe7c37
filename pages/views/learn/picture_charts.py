"""The pictures of the exercises as pure functions from numbers to Plotly figures. Colours come from the theme, light or dark."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from pages.charts.figures import THEME_COLOURS

HEIGHT = 260
MARGIN = {"l": 10, "r": 10, "t": 30, "b": 10}
GREY = "rgba(128, 136, 150, 0.55)"  # told from both backgrounds
LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
LAYERS = (4, 6, 6, 3)
FIRST, SECOND, THIRD = THEME_COLOURS[:3]


def switched_off(states: Sequence[Sequence[np.ndarray]], names: Sequence[str]) -> go.Figure:
    """Small networks side by side: `states` says for each which units of every layer are on, bool (units,)."""
    figure = go.Figure()
    for place, layers in enumerate(states):
        figure.add_trace(_wires(layers, place * 5.0))
        for is_on in (True, False):
            points = [
                (place * 5.0 + x, y)
                for x, layer in enumerate(layers)
                for y, state in zip(_heights(len(layer)), layer, strict=True)
                if bool(state) == is_on
            ]
            figure.add_trace(_units(points, is_on))
    for place, name in enumerate(names):
        figure.add_annotation(x=place * 5.0 + 1.5, y=3.6, text=name, showarrow=False)
    return _without_axes(figure, (-0.6, 5.0 * len(states) - 1.4), (-3.1, 4.0))


def _heights(count: int) -> np.ndarray:
    return np.arange(count) - (count - 1) / 2


def _wires(layers: Sequence[np.ndarray], left: float) -> go.Scatter:
    """Lines between all units of neighbouring layers that are on."""
    x, y = [], []
    for place, (before, after) in enumerate(zip(layers, layers[1:], strict=False)):
        for start in _heights(len(before))[before]:
            for end in _heights(len(after))[after]:
                x += [left + place, left + place + 1, None]
                y += [start, end, None]
    return go.Scatter(x=x, y=y, mode="lines", line={"width": 0.7, "color": GREY}, hoverinfo="skip")


def _units(points: Sequence[tuple[float, float]], is_on: bool) -> go.Scatter:
    marker = {"size": 13, "color": FIRST, "line": {"width": 1, "color": FIRST}}
    if not is_on:
        marker = {"size": 13, "symbol": "x-thin", "line": {"width": 2, "color": SECOND}}
    x, y = zip(*points, strict=True) if points else ((), ())
    return go.Scatter(x=x, y=y, mode="markers", marker=marker, hoverinfo="skip")


def spread_of_channels(before: np.ndarray, after: np.ndarray) -> go.Figure:
    """How the values of some channels are spread over a batch, before and after batch norm: each (channels, values)."""
    figure = go.Figure()
    for channel in range(len(before)):
        for place, (values, name) in enumerate(((before, "before"), (after, "after"))):
            figure.add_trace(
                go.Violin(
                    x=[f"{name}, channel {channel + 1}"] * values.shape[1],
                    y=values[channel],
                    name=name,
                    legendgroup=name,
                    showlegend=not channel,
                    line={"color": (FIRST, SECOND)[place]},
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
    figure.update_yaxes(title="value", automargin=True)
    return figure


def rates(steps: np.ndarray, schedules: Mapping[str, Sequence[float]]) -> go.Figure:
    """Learning rates over the epochs, one line a schedule."""
    figure = go.Figure()
    for (name, values), colour, dash in zip(schedules.items(), (FIRST, SECOND), ("solid", "dash"), strict=True):
        figure.add_trace(go.Scatter(x=steps, y=values, mode="lines", name=name, line={"color": colour, "dash": dash}))
    figure.update_layout(margin=MARGIN, height=HEIGHT, legend=LEGEND)
    figure.update_xaxes(title="epochs done")
    figure.update_yaxes(title="learning rate", rangemode="tozero", automargin=True)
    return figure


def residual_block() -> go.Figure:
    """The wiring of a ResNet block: two convolutions, and the shortcut around them that is added to what they make."""
    figure = go.Figure()
    boxes = ((1.0, "convolution<br>3×3"), (2.3, "convolution<br>3×3"))
    for x, text in boxes:
        figure.add_shape(type="rect", x0=x - 0.5, x1=x + 0.5, y0=-0.4, y1=0.4, line={"color": FIRST, "width": 2})
        figure.add_annotation(x=x, y=0, text=text, showarrow=False, font={"size": 10})
    figure.add_shape(type="circle", x0=3.25, x1=3.65, y0=-0.2, y1=0.2, line={"color": SECOND, "width": 2})
    figure.add_annotation(x=3.45, y=0, text="+", showarrow=False, font={"size": 20})
    for start, end in ((-0.2, 0.5), (1.5, 1.8), (2.8, 3.25), (3.65, 4.3)):
        figure.add_annotation(
            x=end, y=0, ax=start, ay=0, axref="x", ayref="y", text="", showarrow=True, arrowhead=2, arrowcolor=FIRST, arrowwidth=2
        )
    figure.add_shape(type="path", path="M 0.15 0 L 0.15 1 L 3.45 1 L 3.45 0.45", line={"color": SECOND, "width": 3})
    figure.add_annotation(
        x=3.45,
        y=0.2,
        ax=3.45,
        ay=0.7,
        axref="x",
        ayref="y",
        text="",
        showarrow=True,
        arrowhead=2,
        arrowcolor=SECOND,
        arrowwidth=3,
    )
    for x, y, text in ((-0.25, 0.22, "x"), (1.8, 1.18, "shortcut: x as it is"), (1.65, -0.65, "F(x): what to change"), (4.25, 0.25, "x + F(x)")):  # fmt: skip
        figure.add_annotation(x=x, y=y, text=text, showarrow=False)
    return _without_axes(figure, (-0.6, 4.9), (-0.9, 1.45))


def paths(surface: np.ndarray, x: np.ndarray, y: np.ndarray, walks: Mapping[str, np.ndarray]) -> go.Figure:
    """Ways downhill on a loss `surface` (len(y), len(x)): each walk is (steps, 2), from its start."""
    figure = go.Figure(
        go.Contour(z=np.log10(surface + 1e-3), x=x, y=y, showscale=False, colorscale="Greys", opacity=0.5, ncontours=14, hoverinfo="skip")
    )  # fmt: skip
    for (name, walk), colour, symbol in zip(walks.items(), (FIRST, THIRD, SECOND), ("circle", "square", "diamond"), strict=True):
        figure.add_trace(
            go.Scatter(
                x=walk[:, 0],
                y=walk[:, 1],
                mode="lines+markers",
                name=name,
                line={"color": colour, "width": 2},
                marker={"size": 5, "symbol": symbol},
                hovertemplate=f"{name}<extra></extra>",
            )
        )
    figure.add_trace(go.Scatter(x=[0], y=[0], mode="markers", name="lowest loss", marker={"symbol": "star", "size": 13, "color": THEME_COLOURS[4]}))  # fmt: skip
    figure.update_layout(margin=MARGIN, height=HEIGHT + 40, legend=LEGEND)
    figure.update_xaxes(title="first weight", range=[float(x[0]), float(x[-1])])
    figure.update_yaxes(title="second weight", range=[float(y[0]), float(y[-1])])
    return figure


def parameters_by_width(counts: Mapping[float, int], marked: Sequence[float]) -> go.Figure:
    """Parameters of the network at several widths; those that the exercise trains, A and B, are `marked`."""
    figure = go.Figure(
        go.Bar(
            x=[f"{width:g}" for width in counts],
            y=list(counts.values()),
            marker={"color": [SECOND if width in marked else FIRST for width in counts]},
            text=[f"{dict(zip(marked, 'AB', strict=True)).get(width, '')} {count:,}".lstrip() for width, count in counts.items()],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_layout(margin=MARGIN, height=HEIGHT)
    figure.update_xaxes(title="width (times the channels)", type="category")
    figure.update_yaxes(title="parameters", automargin=True)
    return figure


def early_and_late(training: Sequence[float], validation: Sequence[float], best: int) -> go.Figure:
    """Both accuracies (0..1) after each epoch, and the epoch whose validation was the best."""
    epochs = list(range(1, len(training) + 1))
    figure = go.Figure()
    for values, name, colour, dash in (
        (training, "training accuracy", FIRST, "dot"),
        (validation, "validation accuracy", SECOND, "solid"),
    ):
        line = {"color": colour, "dash": dash}
        figure.add_trace(go.Scatter(x=epochs, y=values, mode="lines+markers", name=name, line=line, marker={"size": 5}))
    figure.add_vline(
        x=best, line={"dash": "dash", "width": 1, "color": GREY}, annotation_text="best", annotation_position="bottom right"
    )
    figure.update_layout(margin=MARGIN, height=HEIGHT, legend=LEGEND)
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title="accuracy", tickformat=".0%", automargin=True)
    return figure


def _without_axes(figure: go.Figure, x: tuple[float, float], y: tuple[float, float]) -> go.Figure:
    figure.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0}, height=HEIGHT - 40, showlegend=False)
    figure.update_xaxes(visible=False, range=list(x), fixedrange=True)
    figure.update_yaxes(visible=False, range=list(y), fixedrange=True)
    return figure
