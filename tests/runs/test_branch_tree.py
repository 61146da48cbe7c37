"""Trees of runs: who branched from whom, and a place for each in which no two lie on each other."""

import random

from cnn_core.config.defaults import make_config
from cnn_core.runs.branch_tree import family_trees
from cnn_core.runs.run import Run

CONFIG = make_config()


def run(name: str, parent: str = "", created: float = 0.0) -> Run:
    return Run(name, created, "finished", CONFIG, {}, "", parent=parent, parent_epoch=2 if parent else None)


def test_branches_stand_right_of_their_parent_the_first_in_its_row():
    runs = [run("a", created=1), run("b", "a", 2), run("c", "a", 3), run("d", "b", 4), run("e", "b", 5)]
    nodes = family_trees(list(reversed(runs)))
    assert [(n.run.id, n.column, n.row, n.parent) for n in nodes] == [
        ("a", 0, 0, None),
        ("b", 1, 0, 0),
        ("d", 2, 0, 1),
        ("e", 2, 1, 1),
        ("c", 1, 2, 0),
    ]


def test_runs_without_kin_are_left_out_and_a_run_whose_parent_is_gone_begins_a_tree():
    assert family_trees([run("a"), run("b")]) == []
    nodes = family_trees([run("b", "gone", 1), run("c", "b", 2), run("d", created=3)])
    assert [(n.run.id, n.parent) for n in nodes] == [("b", None), ("c", 0)]


def test_every_kin_has_a_place_of_its_own_and_stands_right_of_its_parent():
    draw = random.Random(0)
    runs = [run("0", created=0)]
    for number in range(1, 200):
        runs.append(run(str(number), draw.choice(["", *(other.id for other in runs)]), number))
    nodes = family_trees(runs)
    assert len({(node.column, node.row) for node in nodes}) == len(nodes)
    for node in nodes:
        assert node.column == 0 if node.parent is None else node.run.parent == nodes[node.parent].run.id
        assert node.parent is None or node.column == nodes[node.parent].column + 1 and node.row >= nodes[node.parent].row
    parents = {r.parent for r in runs}
    assert {node.run.id for node in nodes} == {r.id for r in runs if r.parent or r.id in parents}


def test_a_chain_of_thousands_of_branches_is_one_row():
    runs = [run("0", created=0)] + [run(str(number), str(number - 1), number) for number in range(1, 3000)]
    nodes = family_trees(runs)
    assert [(node.run.id, node.column, node.row) for node in nodes] == [(str(number), number, 0) for number in range(3000)]


def test_runs_that_call_each_other_parent_do_not_hold_up_the_others():
    nodes = family_trees([run("a", "b", 1), run("b", "a", 2), run("c", "c", 3), run("d", created=4), run("e", "d", 5)])
    assert [node.run.id for node in nodes] == ["d", "e"]
