"""Code taken over from the program is complete, unchanged and no more than is needed, and values become literals or are refused."""

import ast
import inspect
import math

import pytest

from cnn_core.export.source_code import merge_imports, source_of, target_of
from cnn_core.export.templating import Code, comment, constructor, pyrepr, render_code
from cnn_core.models import simple
from cnn_core.training.augmentation import AlternatingFlip, Cutout
from cnn_core.training.schedule import OneCycle, PiecewiseLinear


def defined(code: str) -> list[str]:
    return [node.name for node in ast.parse(code).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]


def test_a_definition_comes_with_all_that_it_uses_and_nothing_else():
    assert defined(source_of(target_of(AlternatingFlip))) == ["RandomDraws", "AlternatingFlip", "hash_integers", "_mirror"]
    cutout = source_of(target_of(Cutout))
    assert defined(cutout) == ["RandomDraws", "box_mask", "Cutout", "_centres", "_colour"]
    imported = {line for line in cutout.splitlines() if line.startswith(("import", "from"))}
    assert imported == {"from dataclasses import dataclass", "from functools import lru_cache", "import torch"}
    assert "@lru_cache(maxsize=16)\ndef _colour" in cutout and "@dataclass(frozen=True)\nclass Cutout" in cutout


def test_a_definition_is_the_module_s_own_text_behind_those_of_the_modules_it_imports():
    code = source_of("cnn_core.models.simple:SimpleCNN")
    assert (
        inspect.getsource(simple.SimpleCNN) in f"{code}\n"
        and "CHANNELS = (32, 64, 128, 256, 256, 256)\nUNITS = (192, 96)\n" in code
    )
    assert defined(code) == ["make_activation", "scale_width", "conv_block", "SimpleCNN"]
    assert code.index("ACTIVATIONS") < code.index("CHANNELS") < code.index("class SimpleCNN")


def test_a_partial_function_brings_the_function():
    code = source_of("cnn_core.models.resnet:resnet32")
    assert "resnet32 = partial(_narrow_resnet, 5)" in code and "resnet20" not in code and "class ResNet(" in code


def test_a_name_that_is_not_defined_is_an_error():
    with pytest.raises(LookupError):
        source_of("cnn_core.models.simple:ComplicatedCNN")


def test_local_variables_with_a_global_name_bring_nothing():
    assert "def adamw(" not in source_of("cnn_core.training.optimizer:muon")


def test_imports_are_merged_into_one_sorted_block_and_all_other_lines_stay():
    code = '"""Text."""\n\nimport numpy\nimport sys\n\nA = 1\n\nfrom os import path\nfrom os import sep as S\n\n\ndef f():\n    import json\n'
    assert merge_imports(code) == (
        '"""Text."""\n\nimport sys\nfrom os import path, sep as S\n\nimport numpy\n\nA = 1\n\ndef f():\n    import json\n'
    )
    assert merge_imports("A = 1\n") == "A = 1\n"


def test_a_value_is_written_as_the_code_that_makes_it():
    assert constructor(OneCycle(0.1, 50), peak="PEAK", steps="n") == "OneCycle(peak=PEAK, steps=n)"
    assert constructor(OneCycle(0.1, 50, rise=0.4)) == "OneCycle(peak=0.1, steps=50, rise=0.4)"
    schedule = PiecewiseLinear(0.5, 9, ((0.0, 0.1), (1.0, 0.0)))
    assert eval(constructor(schedule), {"PiecewiseLinear": PiecewiseLinear}) == schedule


@pytest.mark.parametrize("value", [1, -0.5, True, None, "a\n'\"\\", ("a", 1.5), ["\udcff"], {"a": (1,)}])
def test_a_literal_is_the_value_again(value):
    assert ast.literal_eval(pyrepr(value)) == value


@pytest.mark.parametrize("value", [math.inf, math.nan, object(), {1}.__class__, [object()]])
def test_what_has_no_literal_is_refused(value):
    with pytest.raises(TypeError):
        pyrepr(value)


def test_a_comment_is_one_line_of_printable_characters():
    assert comment("a\nb\r\x0b\x85c  d\u2028e\x00") == "a b c d e"


def test_a_template_of_code_refuses_a_text_that_is_not_code():
    values = {"loaders": {}, "packages": Code("none")}
    assert "none" in render_code("check.py.jinja", code=Code(""), **values)
    with pytest.raises(TypeError):
        render_code("check.py.jinja", code="import os", **values)
