"""Charts as text: the values of each kind of figure, formatted like its axes, in a description or a table."""

import html

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from cnn_core.class_labels import WIDTH, display_width
from pages.charts.predictions import compared_probability_bars, probability_bars
from pages.charts.tables import HIGH, LOW, MOST_ROWS, NAME, NOTHING, SERIES, chart_tables, describe_in_words
from pages.shared.chart import FEW, SOME_ROWS, TABLE

MARKUP = "<b>cat</b> *x*"


def test_bars_give_a_row_for_each_bar_with_names_as_text():
    (table,) = chart_tables(probability_bars([(MARKUP, 0.625), ("10", 0.375)]))
    assert table.columns == {NAME: [MARKUP, "10"], "probability": ["62.5%", "37.5%"]} and table.count == table.rows == 2
    assert list(table.columns) == [NAME, "probability"]
    assert describe_in_words(table) == f"{NAME}: {MARKUP}, probability: 62.5%; {NAME}: 10, probability: 37.5%"


def test_lines_of_several_series_are_named():
    (table,) = chart_tables(
        compared_probability_bars({"0001-a": {"cat": 0.9, "dog": 0.1}, "0002-b": {"cat": 0.4, "dog": 0.6}}, ("cat", "dog"))
    )
    rows = list(zip(*(table.columns[name] for name in (SERIES, NAME, "probability")), strict=True))
    assert rows == [
        ("0001-a", "cat", "90.0%"),
        ("0001-a", "dog", "10.0%"),
        ("0002-b", "cat", "40.0%"),
        ("0002-b", "dog", "60.0%"),
    ]


def test_intervals_missing_values_and_lines_of_reference():
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], hoverinfo="skip")
    figure.add_scatter(x=[1, 2], y=[0.5, np.nan], error_y={"array": [0.25, 0], "arrayminus": [0.125, 0], "symmetric": False})
    figure.update_layout(xaxis_title="epoch", yaxis={"title": "accuracy", "tickformat": ".0%"})
    (table,) = chart_tables(figure)
    assert table.columns == {
        "epoch": ["1", "2"],
        "accuracy": ["50.0%", NOTHING],
        LOW: ["37.5%", NOTHING],
        HIGH: ["75.0%", NOTHING],
    }


def test_a_heatmap_gives_its_rows():
    figure = go.Figure(go.Heatmap(x=[1, 2], y=["a", "b"], z=[[0, 1], [1, 1]], text=[["✗", "✓"], ["✓", "✓"]]))
    figure.update_layout(xaxis_title="epoch", yaxis_type="category")
    (table,) = chart_tables(figure)
    assert table.columns == {NAME: ["a", "b"], "epoch 1": ["✗", "✓"], "epoch 2": ["✓", "✓"]}


def test_a_long_line_keeps_both_ends_and_says_how_many_points_it_has():
    figure = go.Figure(go.Scatter(x=np.arange(1000), y=np.arange(1000) / 7))
    (table,) = chart_tables(figure)
    assert table.count == 1000 and table.rows == MOST_ROWS
    first, second = table.columns.values()
    assert (first[0], first[-1], second[-1]) == ("0", "999", "142.7")


def draw(count: int) -> None:
    """A page with one chart of `count` bars."""
    from pages.charts.predictions import probability_bars
    from pages.shared.chart import show_chart

    show_chart(probability_bars([(f"*{number}*", 0.01) for number in range(count)]), alt="Bars")


@pytest.mark.parametrize("count", [FEW, FEW + 1, 2 * MOST_ROWS])
def test_a_small_chart_is_described_and_a_larger_one_has_a_table(count):
    at = AppTest.from_function(draw, args=(count,)).run()
    (chart,) = at.get("plotly_chart")
    assert not at.exception
    if count == FEW:
        assert "1.0%" in chart.proto.alt and not at.table
    else:
        (table,) = at.table
        assert [box.label for box in at.expander] == [TABLE] and chart.proto.alt == "Bars"
        assert len(table.value) == min(count, MOST_ROWS) and table.value.iloc[1, 0].startswith(r"\*")  # text, no Markdown
        note = SOME_ROWS.format(rows=MOST_ROWS, count=count)
        assert [caption.value for caption in at.caption] == [note] * (count > MOST_ROWS)


def test_long_class_names_are_shortened_at_the_axis_and_whole_in_hover_texts_and_tables():
    names = [f"{kind} of a diseased plant, healthy <b>leaf</b>" for kind in ("Malus", "Prunus")]
    figure = probability_bars([(names[0], 0.7), (names[1], 0.3)])
    (bars,), axis = figure.data, figure.layout.yaxis
    assert axis.tickvals == bars.y and all(display_width(html.unescape(text)) <= WIDTH for text in axis.ticktext)
    assert len(set(axis.ticktext)) == 2 and not any("<" in text for text in axis.ticktext)
    assert [html.unescape(text) for text in bars.customdata] == names and "%{customdata}" in bars.hovertemplate
    (table,) = chart_tables(figure)
    assert table.columns[NAME] == names
