"""Every page in a browser, checked with axe-core: nothing serious or critical that keeps people from reading or using it."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

from tests.browser.pilot import PAGES, await_points, visit
from tests.pages.studio_harness import Server

VIEWS = {
    "train": ("?run=0001-digits",),
    "evaluate": ("", "?view=Confusion+matrix", "?view=Mistakes", "?view=Export"),
    "learn": ("", "?view=Glossary", "?lesson=dropout", "?view=Convolution"),
}
SERIOUS = ("serious", "critical")
# Streamlit's navigation has headings of sections between the items of a list.
CONTEXT = {"exclude": [["[data-testid=stSidebarNav]"]]}
# A theme changes colours only: in the second one, the rules about colours are checked again.
RULES = {"light": {}, "dark": {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}}
VIOLATIONS = """async ([context, impacts, rules]) => {
    const { violations } = await axe.run(context, { resultTypes: ["violations"], ...rules });
    return violations.filter((v) => impacts.includes(v.impact)).map((v) => [v.id, v.nodes.map((node) => node.html.slice(0, 200))]);
}"""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_serious_violation_in_either_theme_on_a_phone_or_a_wide_screen(page: Page, server: Server, name: str):
    found = {}
    for query in VIEWS.get(name, ("",)):
        visit(page, server, name, query)
        if name == "train":
            await_points(page, 1)
        page.evaluate(AXE_SCRIPT)
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            for scheme, rules in RULES.items():
                page.emulate_media(color_scheme=scheme)
                expect(page.locator("[data-testid=stApp]")).to_have_css("color-scheme", scheme)
                for rule, elements in page.evaluate(VIOLATIONS, [CONTEXT, SERIOUS, rules]):
                    found[query, width, scheme, rule] = elements
    assert found == {}
