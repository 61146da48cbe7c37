"""The content of a chart as tables of text, for people who do not see it: in a Plotly figure, out the values of its traces, formatted like its axes.

A figure is drawn from its values, so that no chart needs a table of its own.
"""

import html
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

MOST_ROWS = 60  # of a long line; the others are left out at equal steps
SERIES, LOW, HIGH, NAME, VALUE, NOTHING = "Series", "Lower bound", "Upper bound", "Name", "Value", "–"
BREAK = re.compile(r"<br ?/?>")


@dataclass(frozen=True)
class ChartTable:
    """Columns of text by title, all equally long. `count`: the points of the chart, of which the table has at most about MOST_ROWS."""

    columns: dict[str, list[str]]
    count: int

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values()), []))


def chart_tables(figure: go.Figure) -> list[ChartTable]:
    """Return a table for each pair of axes of `figure`. Traces that cannot be hovered over, such as lines of chance level, are left out."""
    places: dict[tuple[str, str], list[Any]] = {}
    for trace in figure.data:
        if trace.type == "heatmap":
            places[f"heatmap {len(places)}", ""] = [trace]
        elif getattr(trace, "x", None) is not None and trace.hoverinfo != "skip":
            places.setdefault((trace.xaxis or "x", trace.yaxis or "y"), []).append(trace)
    return [_heatmap(figure, traces[0]) if not axes[1] else _lines(figure, axes, traces) for axes, traces in places.items()]


def describe_in_words(table: ChartTable) -> str:
    """Return the rows as one line of text: "Name: cat, probability: 81.0%; …"."""
    titles = list(table.columns)
    return "; ".join(
        ", ".join(f"{title}: {value}" for title, value in zip(titles, row, strict=True))
        for row in zip(*table.columns.values(), strict=True)
    )


def _lines(figure: go.Figure, axes: tuple[str, str], traces: Sequence[Any]) -> ChartTable:
    """Return the points of lines and bars that share two axes."""
    across, up = (_axis(figure, axis) for axis in axes)
    titles = [_title(across, figure), _title(up, figure)]
    if titles[0] == titles[1]:
        titles[1] = f"{titles[1]} (vertical)"
    has_names = sum(bool(trace.name) for trace in traces) > 0 and len(traces) > 1
    interval = next((side for trace in traces for side in ("error_x", "error_y") if _has_errors(trace, side)), None)
    columns: dict[str, list[str]] = {SERIES: []} if has_names else {}
    named_first = titles[::-1] if up.type == "category" else titles
    columns |= {title: [] for title in named_first} | ({LOW: [], HIGH: []} if interval else {})
    count = 0
    for trace in traces:
        x, y = _values(trace.x), _values(trace.y)
        count += len(x)
        for place in _evenly(len(x), len(traces)):
            if has_names:
                columns[SERIES].append(_text(trace.name, {}))
            for title, axis, values in zip(titles, (across, up), (x, y), strict=True):
                columns[title].append(_text(values[place], axis))
            if interval:
                axis, values = (across, x) if interval == "error_x" else (up, y)
                for title, end in zip((LOW, HIGH), _interval(trace, interval, values[place], place), strict=True):
                    columns[title].append(_text(end, axis))
    return ChartTable(columns, count)


def _heatmap(figure: go.Figure, trace: Any) -> ChartTable:
    """Return a row for each row of a heatmap, with its texts where it has some."""
    cells = trace.text if trace.text is not None else trace.z
    across = _title(figure.layout.xaxis, figure)
    columns = {_title(figure.layout.yaxis, figure): [_text(name, {}) for name in trace.y]}
    for place, value in enumerate(trace.x):
        columns[f"{across} {_text(value, figure.layout.xaxis)}"] = [_text(row[place], {}) for row in cells]
    return ChartTable(columns, len(trace.y))


def _axis(figure: go.Figure, name: str) -> Any:
    return figure.layout[f"{name[0]}axis{name[1:]}"]


def _title(axis: Any, figure: go.Figure) -> str:
    """Return the title of an axis; of one without, that of the axis that it matches, else what it holds."""
    title = axis.title.text or (_axis(figure, axis.matches).title.text if axis.matches else None)
    return BREAK.sub(" ", html.unescape(title)) if title else NAME if axis.type == "category" else VALUE


def _values(values: Any) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _evenly(count: int, traces: int) -> Iterator[int]:
    """Yield at most about MOST_ROWS / `traces` of 0..count-1, with both ends."""
    most = max(2, MOST_ROWS // traces)
    yield from range(count) if count <= most else np.unique(np.linspace(0, count - 1, most).round().astype(int)).tolist()


def _has_errors(trace: Any, side: str) -> bool:
    error = getattr(trace, side, None)
    return error is not None and error.array is not None


def _interval(trace: Any, side: str, value: float, place: int) -> tuple[float, float]:
    if not _has_errors(trace, side):
        return math.nan, math.nan
    error = getattr(trace, side)
    below = error.array if error.arrayminus is None else error.arrayminus
    return value - float(below[place]), value + float(error.array[place])


def _text(value: Any, axis: Any) -> str:
    """Return a value as text: numbers as the axis shows them, names without the escapes that Plotly needs."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOTHING
    if isinstance(value, str):
        return BREAK.sub(" ", html.unescape(value))
    if "%" in (axis["tickformat"] or "" if axis else ""):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if value == round(value) else f"{value:.4g}"
