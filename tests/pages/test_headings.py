"""The headings of a page form an outline: one title, and no level is left out, so that a screen reader can list them."""

import re

import pytest


def levels(at):
    """Return the level of every heading in the order of the page, also of those written in Markdown."""
    found = []
    for node in at.main:
        if tag := getattr(node, "tag", ""):
            found.append(int(tag[1]))
        elif node.type == "markdown" and (hashes := re.match(r"(#+) ", node.value)):
            found.append(len(hashes[1]))
    return found


@pytest.mark.parametrize(
    "page, query",
    [
        ("start", {}),
        ("configure", {}),
        ("learn", {"lesson": "dropout"}),
        ("learn", {"view": "Convolution"}),
        ("learn", {"view": "Glossary"}),
        ("learn", {"view": "Glossary", "term": "dropout"}),
    ],
)
def test_no_level_of_heading_is_left_out(trained, open_page, page, query):
    found = levels(open_page(page, **query))
    assert found[0] == 1 and found.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(found, found[1:], strict=False))
