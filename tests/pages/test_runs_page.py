"""The Runs page: the table and its filters, test accuracy on request, names, tags and notes, the bin, the queue, and exports."""

import io
import json
import time
import zipfile

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.metrics.evaluated_models import models_evaluated
from cnn_core.models.registry import FAMILIES
from cnn_core.runs.branch_tree import Node
from cnn_core.runs.comparison import compare_accuracies
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.run import Run
from cnn_core.text import counted, format_bytes, format_percent
from pages.shared.run_selection import STATUS
from pages.views.runs.export import FILE_KEY
from pages.views.runs.table import IN_BIN, SHOW_TEST, TICK_RUNS
from pages.views.runs.tree import ACCURACY, AFTER_EPOCH, tree_figure
from tests.pages.manual_run import started, steps, trained_here
from tests.pages.run_table import finished, page_text, table, tick


def named(widgets, label):
    return next(widget for widget in widgets if widget.label.startswith(label))


def components(at):
    """What each component of the page was given."""
    return [json.loads(part.proto.json) for part in at.get("bidi_component") if part.proto.json]


def overlaid(at):
    """What the chart of the chosen runs was told to draw."""
    return next(data for data in components(at) if "smoothing" in data)


def wide_charts(at):
    """What the charts that keep their width were told to draw."""
    return [data for data in components(at) if "least" in data]


def labels(at):
    return [button.label for button in at.button]


def test_an_empty_studio_shows_the_first_step(empty, open_page):
    at = open_page("runs")
    assert len(at.info) == 1 and not at.dataframe and not at.exception


def test_the_table_has_a_row_for_every_run_newest_first_with_its_figures(empty, open_page):
    first, second = finished(empty, 0.91), finished(empty, 0.88, model="speed", seed=4)
    shown = table(open_page("runs"))
    assert shown["Run"].tolist() == [second, first] and shown["Validation"].tolist() == pytest.approx([88.0, 91.0])
    assert shown["Model"].tolist() == [FAMILIES["speed"].title, FAMILIES["simple"].title] and shown["Seed"].tolist() == [4, 0]
    assert shown["Minutes"].tolist() == [1.5, 1.5] and shown["Status"].tolist() == ["completed", "completed"]


def test_test_accuracies_are_shown_and_counted_only_after_the_person_asks_for_them(empty, open_page):
    first, second = finished(empty), finished(empty, model="speed")
    empty.create(make_config())
    at = open_page("runs")
    everything = page_text(at) + table(at).to_string() + "".join(figure.proto.spec for figure in at.get("plotly_chart"))
    assert "Test" not in table(at).columns and "43.21" not in everything and not models_evaluated(empty.home, "digits")
    at.toggle(key=SHOW_TEST).set_value(True).run()
    assert list(table(at).columns)[1:3] == ["Validation", "Test"]
    assert table(at)["Test"].tolist()[1:] == pytest.approx([43.21, 43.21]) and not at.exception
    assert models_evaluated(empty.home, "digits") == {f"{first}.best", f"{second}.best"}


def test_a_comparison_neither_shows_nor_counts_test_accuracies(empty, open_page):
    for seed in range(4):
        finished(empty, 0.9 + seed / 100, seed=seed, epochs=3)
    at = tick(open_page("runs"), *range(4))
    drawn = json.dumps(components(at)) + page_text(at) + "".join(table.value.to_string() for table in at.table)
    assert "43.2" not in drawn and "0.4321" not in drawn and not models_evaluated(empty.home, "digits") and not at.exception


def test_an_export_counts_the_test_accuracies_in_its_file(empty, open_page):
    first, _ = finished(empty), finished(empty)
    at = tick(open_page("runs"), 1)
    assert not models_evaluated(empty.home, "digits")
    at.button(key="export-create").click().run()
    assert models_evaluated(empty.home, "digits") == {f"{first}.best"} and not at.exception


def test_the_table_is_filtered_by_words_status_and_tags(empty, open_page):
    first, second, third = finished(empty), finished(empty, model="speed"), empty.create(make_config())
    RunOrganizer(empty).describe(first, name="Baseline", tags=["good"])
    RunOrganizer(empty).describe(second, notes="tried a whitened layer", tags=["good", "fast"])
    at = open_page("runs")
    for words, expected in (
        ("baseline", [first]),
        ("WHITENED layer", [second]),
        ("speed", [second]),
        ("digits", [third, second, first]),
    ):
        named(at.text_input, "Search").set_value(words).run()
        assert table(at)["Run"].tolist() == expected
    named(at.text_input, "Search").set_value("nothing like it").run()
    assert len(at.info) == 1 and not at.dataframe
    named(at.text_input, "Search").set_value("").run()
    named(at.multiselect, "Tags").set_value(["good", "fast"]).run()
    assert table(at)["Run"].tolist() == [second]
    named(at.multiselect, "Tags").set_value([]).run()
    named(at.multiselect, "Status").set_value(["queued"]).run()
    assert table(at)["Run"].tolist() == [third] and not at.exception


def test_a_run_gets_a_name_tags_and_notes(empty, open_page):
    run = finished(empty)
    at = tick(open_page("runs"), 0)
    named(at.text_input, "Name").set_value("My best")
    named(at.text_input, "Tags").set_value("a, b,")
    named(at.text_area, "Notes").set_value("why\nnot")
    at.button(key="save-description").click().run()
    row = empty.run(run)
    assert (row.name, row.tags, row.notes) == ("My best", ("a", "b"), "why\nnot") and not at.exception
    assert table(at)["Name"].tolist() == ["My best"]


def test_a_name_that_is_too_long_is_refused_with_a_message(empty, open_page):
    run = finished(empty)
    at = tick(open_page("runs"), 0)
    named(at.text_input, "Name").set_value("x" * 81)
    at.button(key="save-description").click().run()
    assert "80" in at.error[0].value and empty.run(run).name == ""


def test_removed_runs_are_moved_to_the_bin_and_restored(empty, open_page):
    runs = [finished(empty) for _ in range(3)]
    at = tick(open_page("runs"), 0, 2)
    at.button(key="remove-runs").click().run()
    assert [toast.value for toast in at.toast] == [IN_BIN.format(runs=counted(2, "run is", "runs are"))]
    assert table(at)["Run"].tolist() == [runs[1]] and TICK_RUNS in page_text(at)  # no tick is carried over to another row
    at.button(key=f"back-{runs[0]}").click().run()
    assert table(at)["Run"].tolist() == [runs[1], runs[0]] and [row.id for row in RunOrganizer(empty).removed()] == [runs[2]]
    at.button(key="empty-bin").click().run()
    assert RunOrganizer(empty).removed() == [] and not empty.home.run_folder(runs[2]).exists() and not at.exception


def test_a_run_that_waits_is_not_removed_and_the_page_says_why(empty, open_page):
    empty.create(make_config())
    at = tick(open_page("runs"), 0)
    at.button(key="remove-runs").click().run()
    assert "0001-digits" in at.error[0].value and len(empty.runs()) == 1


def test_the_order_of_the_queue_is_changed_by_its_buttons(empty, open_page):
    runs = [empty.create(make_config()) for _ in range(3)]
    at = open_page("runs")
    assert at.button(key=f"Earlier-{runs[0]}").disabled and at.button(key=f"Later-{runs[2]}").disabled
    at.button(key=f"Earlier-{runs[2]}").click().run()
    assert empty.queue.waiting() == [runs[0], runs[2], runs[1]]
    at.button(key=f"Later-{runs[0]}").click().run()
    assert empty.queue.waiting() == [runs[2], runs[0], runs[1]] and not at.exception


def test_chosen_runs_are_compared_curve_by_curve_with_what_differs_and_a_verdict(empty, open_page):
    for seed in range(3):
        finished(empty, 0.90 + seed / 1000, seed=seed)
    for seed in range(3):
        finished(empty, 0.80 + seed / 1000, seed=seed, learning_rate=0.01)
    at = tick(open_page("runs"), *range(6))
    drawn = overlaid(at)
    assert [run["id"] for run in drawn["runs"]] == [run.id for run in empty.runs()]
    assert (*drawn["measures"], drawn["axis"], drawn["smoothing"]) == ("validation accuracy", "epoch", 0)
    differing = at.table[0].value
    assert set(differing["Setting"]) == {"Learning rate", "Seed"}
    groups = at.table[1].value
    assert groups["Validation accuracy"].tolist() == [
        f"{format_percent(mean, 2)} ± 0.10 points (n = 3)" for mean in (0.801, 0.901)
    ]
    verdict = compare_accuracies([0.80, 0.801, 0.802], [0.90, 0.901, 0.902])
    assert "10.0" in verdict and verdict in page_text(at) and not at.exception
    at.slider[0].set_value(0.6).run()
    assert overlaid(at)["smoothing"] == 0.6


def test_a_thousand_runs_are_shown_within_a_few_seconds(empty, open_page):
    config = make_config().model_dump_json()
    with empty.database.connect() as db:
        db.executemany(
            "insert into runs (id, created, status, config) values (?, ?, 'finished', ?)",
            ((f"{number:04d}-digits", time.time(), config) for number in range(1, 1001)),
        )
    begun = time.process_time()
    at = open_page("runs")
    assert time.process_time() - begun < 10 and len(table(at)) == 1000  # how fast it is, a benchmark says


def figure(at, kind):
    """The chart on the page whose first or last trace is of this kind."""
    specs = (json.loads(chart.proto.spec) for chart in at.get("plotly_chart"))
    return next(spec for spec in specs if kind in (spec["data"][0]["type"], spec["data"][-1]["type"]))


def test_selected_runs_are_exported_and_offered_for_download(empty, open_page):
    runs = [finished(empty) for _ in range(3)]
    at = tick(open_page("runs"), 0, 1)
    assert not at.get("download_button")
    at.button(key="export-create").click().run()
    (download,) = at.get("download_button")
    content = at.session_state[FILE_KEY][1]
    assert format_bytes(len(content)) in download.proto.label and not at.exception
    made = zipfile.ZipFile(io.BytesIO(content))
    assert {name.partition("/")[0] for name in made.namelist()} == {"runs.csv", runs[1], runs[2]}
    at = tick(at, 0)
    assert not at.get("download_button") and at.button(key="export-create")


def test_branches_are_drawn_as_a_tree_and_runs_without_any_are_not(empty, open_page):
    first = finished(empty, 0.9)
    assert not open_page("runs").get("plotly_chart")
    child = empty.create(make_config(), parent=first, parent_epoch=2)
    other = empty.create(make_config(), parent=first, parent_epoch=3)
    at = open_page("runs")
    drawn = figure(at, "scatter")
    assert [note["text"] for note in drawn["layout"]["annotations"]] == [AFTER_EPOCH.format(epoch=epoch) for epoch in (2, 3)]
    points = {trace["name"]: trace for trace in drawn["data"] if trace["mode"] == "markers+text"}
    assert {name: [run for run, _ in trace["customdata"]] for name, trace in points.items()} == {
        "completed": [first],
        "waiting": [child, other],
    }
    assert points["completed"]["text"] == [f"{first}<br>{ACCURACY.format(accuracy=format_percent(0.9))}"] and points["waiting"][
        "text"
    ] == [
        child,
        other,
    ]
    assert points["completed"]["marker"]["color"] != points["waiting"]["marker"]["color"]
    lines = [(trace["x"], trace["y"]) for trace in drawn["data"] if trace["mode"] == "lines"]
    assert lines == [([0, 1], [0, 0]), ([0, 1], [0, 1])] and not at.exception


def test_every_status_has_a_colour_in_the_tree_and_names_are_shown_as_they_are():
    config, nodes = make_config(), []
    for place, status in enumerate(STATUS):
        run = Run(str(place), 0.0, status, config, {}, "", name="<b>bold & long</b>" * 3, parent=str(place - 1), parent_epoch=1)
        nodes.append(Node(run, place, 0, place - 1 if place else None))
    points = [trace for trace in tree_figure(nodes).data if trace.mode == "markers+text"]
    assert len({trace.marker.color for trace in points}) == len(STATUS)
    assert points[0].text[0].startswith("&lt;b&gt;bold &amp; long&lt;/b&gt;") and points[0].text[0].endswith("…")


def test_an_export_of_a_training_run_says_so_and_can_be_repeated(empty, open_page):
    with trained_here(empty) as run:
        empty.log.append(run, [started(), steps(1, 10)])
        at = tick(open_page("runs"), 0)
        at.button(key="export-create").click().run()
        assert at.button(key="export-again")

        def exported():
            made = zipfile.ZipFile(io.BytesIO(at.session_state["exported-runs"][1]))
            return len(made.read(f"{run}/steps.csv").splitlines()) - 1

        assert exported() == 10
        empty.log.append(run, [steps(11, 20, 2)])
        at.button(key="export-again").click().run()
        assert exported() == 20 and not at.exception
    empty.set_status(run, "finished", summary={})
    at.run()
    assert at.button(key="export-create") and "exported-runs" not in at.session_state  # what was made is not what it is
