"""The rules of the house, read off the source: which way imports point, what stays light, what every module says of itself."""

import ast
from pathlib import Path

import pytest

from cnn_core.home import Home
from tests.helpers import ROOT, start_process

# From the bottom up: a package may import those on its own line's left or on the lines above it.
LAYERS = [
    {"errors", "events", "files", "limits", "settings", "tables"},
    {"home", "device"},
    {"data"},
    {"models"},
    {"config", "settings_file"},
    {"settings_link"},
    {"inference"},
    {"analysis"},
    {"training"},
    {"runs"},
    {"lessons", "search"},
    {"export"},
    {"serving"},
    {
        "console",
        "data_commands",
        "evaluate_command",
        "export_command",
        "predict_command",
        "serve_command",
        "import_command",
        "search_command",
    },
    {"__main__"},
]
ENGINE = sorted((ROOT / "cnn_core").rglob("*.py"))
PAGES = sorted((ROOT / "pages").rglob("*.py"))
LIGHT = [
    "config",
    "settings",
    "settings_file",
    "settings_link",
    "lessons.glossary",
    "errors",
    "events",
    "home",
    "data.catalog",
    "data.decode",
    "data.importer",
    "data.jobs",
    "data.library",
    "data.path_source",
    "data.catalog_source",
    "data_commands",
    "lessons.attempts",
    "lessons.outcome",
    "models.registry",
    "training.probes",
    "training.schedule",
    "runs.store",
    "runs.digest",
    "runs.history",
    "runs.worker",
    "search.plan",
    "search.attend",
]


def imports(path: Path) -> set[str]:
    """Full names of all that a file imports anywhere, "package.module" or "package.module.name"."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def layer(part: str) -> int:
    return next(height for height, parts in enumerate(LAYERS) if part in parts)


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_check():
    assert len(ENGINE) > 30 and {short(path) for path in PAGES} >= {"pages/train.py", "pages/ui/frame.py"}


@pytest.mark.parametrize("path", ENGINE, ids=short)
def test_the_engine_knows_nothing_of_the_dashboard(path: Path):
    forbidden = {"streamlit", "pages", "app", "starlette", "plotly", "tests"}
    assert not {name for name in imports(path) if name.partition(".")[0] in forbidden}


@pytest.mark.parametrize("path", [path for path in ENGINE if path != ROOT / "cnn_core" / "__init__.py"], ids=short)
def test_imports_inside_the_engine_point_one_way(path: Path):
    mine = path.relative_to(ROOT / "cnn_core").parts[0].removesuffix(".py")
    theirs = {name.split(".")[1] for name in imports(path) if name.startswith("cnn_core.")}
    wrong = {other for other in theirs - {mine} if layer(other) > layer(mine)}
    assert not wrong, f"{short(path)} must not import {wrong}"


@pytest.mark.parametrize("path", PAGES, ids=short)
def test_pages_share_through_their_toolbox_only(path: Path):
    wrong = {name for name in imports(path) if name.startswith("pages.") and not name.startswith("pages.ui.")}
    assert not wrong, f"{short(path)} must not import {wrong}"


def test_the_light_modules_do_not_bring_torch(tmp_path: Path):
    script = "import importlib, sys\n" + "\n".join(
        f"importlib.import_module('cnn_core.{name}'); assert 'torch' not in sys.modules, '{name}'" for name in LIGHT
    )
    process = start_process(Home(tmp_path), "-c", script)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


@pytest.mark.parametrize("path", [*ENGINE, *PAGES, ROOT / "app.py"], ids=short)
def test_every_module_says_what_it_is(path: Path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text and len(text.splitlines()[0]) > 15


@pytest.mark.parametrize("path", ENGINE, ids=short)
def test_the_engine_prints_only_where_somebody_reads_it(path: Path):
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    if path.name not in ("__main__.py", "console.py", "data_commands.py"):
        assert "print" not in calls
    assert not calls & {"eval", "exec", "input", "breakpoint"}
