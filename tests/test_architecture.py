"""The architecture diagram agrees with the imports of the code, and imports point one way."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from docs.draw_architecture import ARROWS, BOXES, DIAGRAM, ROOT, draw, put_in_order, read_uses
from tests.test_house_rules import ENGINE, imports


def test_the_diagram_is_up_to_date():
    assert DIAGRAM.read_text(encoding="utf-8") == draw(), (
        "The diagram is not up to date. Draw it again: python -m docs.draw_architecture"
    )


def test_every_package_has_a_row_and_every_import_between_packages_a_dot():
    packages = {path.parent.name for path in (ROOT / "cnn_core").glob("*/__init__.py")}
    dots = set(re.findall(r"<title>(.+?) imports (.+?)</title>", draw()))
    assert packages <= set(read_uses())
    for path in ENGINE:
        own = path.relative_to(ROOT / "cnn_core").parts[0]
        for name in imports(path):
            other = name.split(".")[1] if name.startswith("cnn_core.") else own
            if {own, other} <= packages and own != other:
                assert (own, other) in dots


def test_a_package_comes_before_the_packages_that_it_uses():
    uses = read_uses()
    order = put_in_order(uses)
    assert all(order.index(name) < order.index(other) for name in uses for other in uses[name])
    assert order[-1] == "foundations"


def test_an_import_circle_is_an_error():
    with pytest.raises(ValueError, match="data, models"):
        put_in_order({"data": {"models"}, "models": {"data"}, "runs": {"foundations"}, "foundations": set()})


def test_the_file_is_an_svg_image_with_a_text_alternative():
    root = ElementTree.fromstring(DIAGRAM.read_text(encoding="utf-8"))
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert tags.count("title") > 20 and "desc" in tags and tags.count("path") > len(ARROWS)
    assert not {"script", "image", "foreignObject"} & set(tags)
    texts = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert set(BOXES) <= texts
