"""Rules that hold for the whole source: where imports point, what stays light, how long a file is, what every module says of itself."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from cnn_core.home import Home
from tests.helpers import ROOT, start_process

LONGEST_FILE = 300  # lines
ENGINE = sorted((ROOT / "cnn_core").rglob("*.py"))
PAGES = sorted((ROOT / "pages").rglob("*.py"))
SOURCE = [*ENGINE, *PAGES, ROOT / "app.py"]
HEAVY = ("torch", "torchvision", "sklearn", "scipy", "matplotlib", "optuna", "onnx", "onnxruntime", "timm", "huggingface_hub")
OPENING_IMAGES = {  # the first two read a person's files within limits, the others what this program has encoded
    "cnn_core/data/decoder.py",
    "cnn_core/data/image_repair.py",
    "cnn_core/data/catalog.py",
    "cnn_core/metrics/corruptions.py",
}
PRINTING = {"cnn_core/__main__.py"}  # and everything in cnn_core/cli


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    return short(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> frozenset[str]:
    """Full names of all that a file imports anywhere, "package.module" or "package.module.name"."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def imported_modules() -> dict[str, set[str]]:
    """Every module of ours with those of ours that it imports, also inside functions and under TYPE_CHECKING."""
    names = {module_name(path) for path in SOURCE}
    graph = {}
    for path in SOURCE:
        found = {name if name in names else name.rpartition(".")[0] for name in imports(path)}
        graph[module_name(path)] = (found & names) - {module_name(path)}
    return graph


def package_of(name: str) -> str:
    """ "cnn_core.data", "pages.shared", "pages.views.train", or "pages" for the pages themselves."""
    parts = name.split(".")
    depth = 3 if parts[:2] == ["pages", "views"] else 2
    if parts[0] == "pages" and len(parts) == 2 and parts[1] not in ("charts", "shared", "views"):
        return "pages"
    return ".".join(parts[:depth])


def test_no_module_imports_itself_through_others():
    TopologicalSorter(imported_modules()).prepare()  # raises CycleError, which names the circle


def test_no_package_imports_itself_through_others():
    packages: dict[str, set[str]] = {}
    for name, used in imported_modules().items():
        packages.setdefault(package_of(name), set()).update({package_of(other) for other in used} - {package_of(name)})
    TopologicalSorter(packages).prepare()


def test_the_engine_knows_nothing_of_the_dashboard():
    forbidden = {"streamlit", "pages", "app", "starlette", "plotly", "tests"}
    assert not [f"{short(path)}: {name}" for path in ENGINE for name in imports(path) if name.partition(".")[0] in forbidden]


def test_a_page_imports_its_own_views_and_what_pages_share():
    wrong = []
    for name, used in imported_modules().items():
        own = package_of(name)
        page = f"pages.views.{name.partition('.')[2]}" if own == "pages" else own
        wrong += [
            f"{name} imports {other}"
            for other in used
            if name.startswith("pages.")
            and (package_of(other) == "pages" or (other.startswith("pages.views.") and package_of(other) != page))
        ]
    assert not wrong


def test_what_the_first_page_needs_loads_without_heavy_libraries(tmp_path: Path):
    script = f"import sys, app; from pages.shared import frame; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    process = start_process(Home(tmp_path), "-c", script)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and output.strip() == "[]", (output, errors)


def test_no_file_is_longer_than_a_reader_holds():
    files = [path for folder in ("cnn_core", "pages", "tests", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py")]
    assert not [short(path) for path in files if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE]


def test_every_module_says_what_it_is():
    texts = {short(path): ast.get_docstring(tree_of(path)) or "" for path in SOURCE}
    assert not [name for name, text in texts.items() if len(text.partition("\n")[0]) <= 15]


def texts_of(path: Path) -> Iterator[str]:
    """What a person may read of a file: the texts of a Python file without its docstrings, the whole of another."""
    if path.suffix != ".py":
        yield path.read_text(encoding="utf-8")
        return
    described = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        node.body[0].value for node in ast.walk(tree_of(path)) if isinstance(node, described) and ast.get_docstring(node)
    }
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.JoinedStr):
            yield ast.unparse(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            yield node.value


def test_a_percentage_is_written_as_python_plotly_and_streamlit_write_it():
    spaced = re.compile(r"[0-9}][ \N{NO-BREAK SPACE}]%(?![({\w}])|%[.\d]*[dfg][ \N{NO-BREAK SPACE}]%%")
    others = [
        path
        for pattern in ("cnn_core/**/*.toml", "cnn_core/**/*.html", "pages/**/*.js", "docs/*.md")
        for path in ROOT.glob(pattern)
    ]
    assert spaced.search("66.7 %") and spaced.search("%.2f %%") and not spaced.search("66.7% and {row % 2}")
    assert not [
        f"{short(path)}: {text[:80]}"
        for path in [*SOURCE, *others, ROOT / "README.md"]
        for text in texts_of(path)
        if spaced.search(text)
    ]


def public_definitions() -> Iterator[tuple[str, str]]:
    """Name and place of every public class."""
    for path in SOURCE:
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, short(path)


def test_every_image_of_a_person_goes_through_the_guarded_decoder():
    nodes = ((short(path), node) for path in SOURCE for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute))
    assert {
        name for name, node in nodes if node.attr == "open" and ast.unparse(node.value) in ("Image", "PIL.Image")
    } == OPENING_IMAGES


def test_a_name_stands_for_one_class():
    places: dict[str, list[str]] = {}
    for name, place in public_definitions():
        places.setdefault(name, []).append(place)
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_the_engine_prints_in_the_command_line_only_and_runs_no_text_as_code():
    wrong = []
    for path in ENGINE:
        calls = {
            node.func.id for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        may_print = short(path) in PRINTING or short(path).startswith("cnn_core/cli/")
        wrong += [
            f"{short(path)}: {name}"
            for name in calls & {"print", "eval", "exec", "input", "breakpoint"}
            if name != "print" or not may_print
        ]
    assert not wrong
