"""The architecture diagram, drawn from the code: `python -m docs.draw_architecture` writes docs/architecture.svg.

In: the source files. Out: the data flow from images to pages, and below it a table of all imports between packages, with a dot where one
imports another. The packages are sorted so that all dots lie on one side; if that is impossible, nothing is drawn. A test draws the
diagram again and fails when it differs from the file.
"""

import ast
import html
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIAGRAM = ROOT / "docs" / "architecture.svg"
COMMANDS, SETTINGS, GROUND, PAGES = "cli", "config", "foundations", "pages"
WIDTH, FLOW_HEIGHT, MARGIN = 1200, 470, 30
ROW, PITCH, GRID = 42, 36, 560  # pixels: a row's height, a column's width, where the columns begin
LINE = 68  # characters of a line of a caption

# Boxes of the flow: left, top, width, height, text.
BOXES = {
    "images on disk": (30, 80, 130, 56, "files, folders, zips"),
    "data": (200, 80, 130, 56, "sets and batches"),
    "training": (370, 80, 150, 56, "a generator of events"),
    "execution": (560, 80, 140, 56, "worker, device queue"),
    "runs": (740, 70, 150, 76, "run store"),
    PAGES: (940, 70, 230, 76, "Streamlit, one file per page"),
    SETTINGS: (200, 210, 130, 56, "defaults, checks"),
    "models": (370, 210, 150, 56, "families by name"),
    "search": (560, 210, 140, 56, "trials"),
    "lessons": (740, 210, 150, 56, "exercises, glossary"),
    COMMANDS: (940, 210, 230, 56, "python -m cnn_core"),
    "inference": (200, 350, 130, 56, "predictions"),
    "metrics": (370, 350, 70, 56, "accuracy …"),
    "explain": (450, 350, 70, 56, "Grad-CAM …"),
    "report": (560, 350, 140, 56, "one HTML file"),
    "export": (740, 350, 150, 56, "ONNX, script, bundle"),
    "serving": (940, 350, 230, 56, "predictions over HTTP"),
}
# Arrows of the flow, each with the import that it stands for ("a > b": a imports b), which must exist; "" for none.
ARROWS = [
    ("", "M160 108 H198"),
    ("training > data", "M330 108 H368"),
    ("execution > training", "M520 108 H558"),
    ("execution > runs", "M700 108 H738"),
    ("pages > runs", "M890 108 H938"),
    (f"{COMMANDS} > runs", "M890 130 H914 V238 H938"),
    ("search > runs", "M630 210 V174 H775 V148"),
    ("lessons > runs", "M815 210 V148"),
    (f"training > {SETTINGS}", "M265 210 V174 H405 V138"),
    ("training > models", "M445 210 V138"),
    ("explain > models", "M485 266 V348"),
    ("metrics > inference", "M330 378 H368"),
    ("report > metrics", "M405 350 V316 H595 V348"),
    ("export > runs", "M870 146 V348"),
    ("serving > inference", "M265 406 V430 H1055 V408"),
]
NOTE = ("Training writes events", "to the run store, and", "pages read them there.")
REQUESTS = ("M1055 70 V52 H850 V68", "M780 70 V52 H630 V78")
STYLE = """
svg { --page: #ffffff; --card: #f4f6fb; --line: #c5cede; --text: #1a1f2c; --soft: #667085; --accent: #3b5bdb; --store: #e4e9fb; }
@media (prefers-color-scheme: dark) { svg { --page: #0f131b; --card: #191f2b; --line: #3a4458; --text: #e6e9f0; --soft: #98a2b3; --accent: #8b9ff7; --store: #232c4d; } }
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-size: 13px; fill: var(--text); }
.page { fill: var(--page); } .box { fill: var(--card); stroke: var(--line); } .store { fill: var(--store); stroke: var(--accent); stroke-width: 1.5; }
.title { font-size: 19px; font-weight: 650; } .name { font-weight: 600; } .soft { fill: var(--soft); font-size: 11px; } .middle { text-anchor: middle; } .end { text-anchor: end; }
.arrow { fill: none; stroke: var(--accent); stroke-width: 1.8; marker-end: url(#tip); } .back { stroke-dasharray: 5 4; } .thin { stroke: var(--line); stroke-width: 1; }
.dot { fill: var(--accent); } .own { fill: var(--store); stroke: var(--accent); } .tip { fill: var(--accent); } .cell { fill: var(--card); }
"""


def draw() -> str:
    """Return the diagram as SVG. Raises ValueError if packages import each other in a circle, or if an arrow stands for no import any more."""
    uses = read_uses()
    order = put_in_order(uses)
    height = FLOW_HEIGHT + 150 + ROW * len(order)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t d">',
        "<title id='t'>How CNN Studio is built</title>",
        "<desc id='d'>Images on disk become data, then batches, which training learns from; its events go into the store of runs, "
        "which the pages read. Below, a table of which package imports which: all imports point one way.</desc>",
        f"<style>{STYLE}</style>",
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
        '<path class="tip" d="M0 0 8 4 0 8z"/></marker>',
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="14"/>',
        *_flow(uses),
        *_table(order, uses),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def read_uses() -> dict[str, set[str]]:
    """Return which packages each package of cnn_core imports; single modules are one group, the pages another."""
    uses: dict[str, set[str]] = {}
    for path in [ROOT / "app.py", *sorted((ROOT / "cnn_core").rglob("*.py")), *sorted((ROOT / "pages").rglob("*.py"))]:
        if path.parent == ROOT / "cnn_core" and path.stem == "__init__":
            continue
        own = _package_of(path)
        named = {_group(name.split(".")[1]) for name in _imports(path) if name.startswith("cnn_core.")}
        uses.setdefault(own, set()).update(named - {own})
    return uses


def put_in_order(uses: dict[str, set[str]]) -> list[str]:
    """Return the packages, each before all that it imports; equals are sorted by name. Raises ValueError for a circle."""
    order: list[str] = []
    while left := set(uses) - set(order):
        ready = [name for name in left if uses[name] <= set(order)]
        if not ready:
            raise ValueError(f"Imports form a circle among {', '.join(sorted(left))}. Remove one of them.")
        order = [*sorted(ready), *order]
    return order


def _package_of(path: Path) -> str:
    first, *rest = path.relative_to(ROOT).parts
    return PAGES if first != "cnn_core" else _group(rest[0].removesuffix(".py"))


def _group(name: str) -> str:
    """Return the group of a module: its package, or the one for single modules."""
    if name == "__main__":
        return COMMANDS
    return name if (ROOT / "cnn_core" / name).is_dir() else GROUND


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _caption(name: str) -> str:
    """Return the first sentence of a package's docstring; for the group of single modules their names."""
    file = ROOT / "cnn_core" / name / "__init__.py"
    if file.is_file():
        first = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").splitlines()[0]
        return re.split(r"\. |:$", first.replace("`", "").replace("->", "→"))[0].rstrip(".") + "."
    if name == PAGES:
        return "The dashboard: app.py, one file per page, their views, and what they share."
    return f"{', '.join(sorted(path.stem for path in (ROOT / 'cnn_core').glob('*.py') if _group(path.stem) == GROUND))}."


def _flow(uses: dict[str, set[str]]) -> list[str]:
    for held, _ in ARROWS:
        importer, _, imported = held.partition(" > ")
        if held and imported not in uses[importer]:
            raise ValueError(f"“{importer}” does not import “{imported}” any more. Correct ARROWS in {Path(__file__).name}.")
    return [
        _text(MARGIN, 42, "How CNN Studio is built", "title"),
        *(f'<path class="arrow" d="{path}"/>' for _, path in ARROWS),
        *(f'<path class="arrow back" d="{path}"/>' for path in REQUESTS),
        *(_box(name) for name in BOXES),
        _text(835, 44, "requests: stop, pause, change the learning rate, save now", "soft middle"),
        *(_text(MARGIN, 224 + 15 * row, line, "soft") for row, line in enumerate(NOTE)),
        *(_text(MARGIN, 374 + 15 * row, line, "soft") for row, line in enumerate(("What a trained model", "is used for"))),
    ]


def _box(name: str) -> str:
    left, top, width, height, words = BOXES[name]
    shape = (
        f'<rect class="{"store" if name == "runs" else "box"}" x="{left}" y="{top}" width="{width}" height="{height}" rx="9"/>'
    )
    middle, line = left + width / 2, top + height / 2 - 3
    return "".join([shape, _text(middle, line, name, "name middle"), _text(middle, line + 17, words, "soft middle")])


def _table(order: list[str], uses: dict[str, set[str]]) -> list[str]:
    top = FLOW_HEIGHT + 120
    parts = [
        _text(MARGIN, FLOW_HEIGHT + 30, "Which package imports which", "title"),
        _text(
            MARGIN,
            FLOW_HEIGHT + 52,
            "A dot: the row imports the column. All dots lie right of the steps, so imports point one way.",
            "soft",
        ),
    ]
    for at, name in enumerate(order):
        across, down = GRID + PITCH * at + PITCH / 2, top + ROW * at + ROW / 2
        parts.append(
            f'<rect class="cell" x="{GRID}" y="{down - ROW / 2 + 1}" width="{PITCH * len(order)}" height="{ROW - 2}" rx="5"/>'
        )
        parts.append(_text(MARGIN, down - 4, name, "name"))
        lines = textwrap.wrap(_caption(name), LINE)
        parts += [_text(MARGIN + 105, down - 4 + 13 * line, words, "soft") for line, words in enumerate(lines)]
        parts.append(f'<text class="soft" transform="translate({across + 4} {top - 8}) rotate(-45)">{html.escape(name)}</text>')
    for at, name in enumerate(order):
        down = top + ROW * at + ROW / 2
        parts.append(f'<rect class="own" x="{GRID + PITCH * at + 8}" y="{down - 13}" width="{PITCH - 16}" height="26" rx="5"/>')
        for other in sorted(uses[name], key=order.index):
            across = GRID + PITCH * order.index(other) + PITCH / 2
            parts.append(f'<circle class="dot" cx="{across}" cy="{down}" r="5.5"><title>{name} imports {other}</title></circle>')
    return parts


def _text(left: float, top: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{left:g}" y="{top:g}">{html.escape(words)}</text>'


if __name__ == "__main__":
    DIAGRAM.write_text(draw(), encoding="utf-8")
