"""The architecture picture shows the code as it is: drawn again it is the same, its arrows are imports, and imports point one way."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from docs.draw_architecture import ARROWS, BOXES, PICTURE, ROOT, draw, put_in_order, read_uses
from tests.test_house_rules import ENGINE, imports


def test_the_picture_shows_the_code_as_it_is():
    assert PICTURE.read_text(encoding="utf-8") == draw(), (
        "A package, a page or an import came or went. Draw the picture again: python -m docs.draw_architecture"
    )


def test_every_package_is_a_row_and_every_import_between_packages_a_dot():
    packages = {path.parent.name for path in (ROOT / "cnn_core").glob("*/__init__.py")}
    dots = set(re.findall(r"<title>(.+?) imports (.+?)</title>", draw()))
    assert packages <= set(read_uses())
    for path in ENGINE:
        own = path.relative_to(ROOT / "cnn_core").parts[0]
        for name in imports(path):
            other = name.split(".")[1] if name.startswith("cnn_core.") else own
            if {own, other} <= packages and own != other:
                assert (own, other) in dots


def test_the_order_puts_everything_before_what_it_uses():
    uses = read_uses()
    order = put_in_order(uses)
    assert all(order.index(name) < order.index(other) for name in uses for other in uses[name])
    assert order[-1] == "foundations"


def test_imports_in_a_circle_are_told_and_not_drawn():
    with pytest.raises(ValueError, match="data, models"):
        put_in_order({"data": {"models"}, "models": {"data"}, "runs": {"foundations"}, "foundations": set()})


def test_the_file_is_a_picture_with_words_for_those_who_do_not_see_it():
    root = ElementTree.fromstring(PICTURE.read_text(encoding="utf-8"))
    kinds = [part.tag.rpartition("}")[2] for part in root.iter()]
    assert kinds.count("title") > 20 and "desc" in kinds and kinds.count("path") > len(ARROWS)
    assert not {"script", "image", "foreignObject"} & set(kinds)
    words = {part.text for part in root.iter() if part.tag.endswith("text")}
    assert set(BOXES) <= words
