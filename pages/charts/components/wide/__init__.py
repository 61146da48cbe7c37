"""Parallel coordinates, which need room: on a narrow page they keep their least width and are moved sideways."""

import json

import plotly.graph_objects as go

from pages.charts.components.asset import declare

_wide = declare("wide")


def wide_chart(figure: go.Figure, least: int, *, alt: str, key: str) -> None:
    """Draw `figure`, at least `least` pixels wide, in the theme's colours. `alt` describes it to those who do not see it."""
    spec = json.loads(figure.to_json())
    spec["layout"].pop("template", None)  # Plotly's own look, 7 kB of it
    _wide(key=key, data={"figure": spec, "least": least, "alt": alt})
