"""A chart of parallel coordinates with a minimum width: on a narrower page it scrolls horizontally."""

import json

import plotly.graph_objects as go

from pages.charts.components.asset import declare

_wide = declare("wide")


def wide_chart(figure: go.Figure, least: int, *, alt: str, key: str) -> None:
    """Draw `figure`, at least `least` pixels wide, in the theme's colours. `alt`: its description for screen readers."""
    content = json.loads(figure.to_json())
    content["layout"].pop("template", None)  # Plotly's default style, 7 kB
    _wide(key=key, data={"figure": content, "least": least, "alt": alt})
