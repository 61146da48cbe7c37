"""The source code of this program's own functions and classes, for files that run without the program.

In: names such as "cnn_core.models.simple:SimpleCNN". Out: Python code that defines them and everything from this program that they use:
imports of other packages first, then the definitions, unchanged, in the order of the modules. A new network, schedule, optimizer or augmentation
needs no change here.
"""

import ast
import inspect
import symtable
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from itertools import takewhile
from typing import Any

from cnn_core.export.templating import Code

OURS = "cnn_core."
SPACING = "\n\n\n"  # between definitions


@dataclass(frozen=True)
class ModuleSource:
    """A module's lines, the top-level statement that defines each name, and for each imported name its module and its import's code."""

    lines: list[str]
    statements: dict[str, ast.stmt]
    imports: dict[str, tuple[str, str]]

    def text(self, name: str) -> str:
        """Return the code of the statement that defines `name`, with the comment above it."""
        statement = self.statements[name]
        decorators = getattr(statement, "decorator_list", [])
        start = min([statement.lineno, *(decorator.lineno for decorator in decorators)]) - 1
        while start and self.lines[start - 1].startswith("#"):
            start -= 1
        return "\n".join(self.lines[start : statement.end_lineno])


def source_of(*targets: str) -> Code:
    """Return the code that defines `targets`, each "module:name", and all of this program that they use. Raises LookupError for an unknown name."""
    definitions: dict[str, list[str]] = defaultdict(list)
    imports: set[str] = set()
    for target in targets:
        module, _, name = target.partition(":")
        _collect(module, name, definitions, imports)
    return Code("\n".join(sorted(imports)) + "".join(_in_order(definitions)))


def target_of(definition: Any) -> str:
    """Return "cnn_core.training.schedule:Cosine" for that class or function."""
    return f"{definition.__module__}:{definition.__qualname__}"


def merge_imports(code: str) -> Code:
    """Return `code` with all top-level imports in one sorted block at the position of the first one."""
    body = ast.parse(code).body
    statements = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    if not statements:
        return Code(code)
    block = list(takewhile(statements.__contains__, body[body.index(statements[0]) :]))
    lines = code.split("\n")
    for node in reversed(statements[len(block) :]):
        del lines[node.lineno - 1 : node.end_lineno]
        while lines[node.lineno - 1] == "":
            del lines[node.lineno - 1]
    sorted_imports = _sorted_imports(line for node in statements for _, line in _imported(node).values())
    lines[block[0].lineno - 1 : block[-1].end_lineno] = sorted_imports
    return Code("\n".join(lines))


@cache
def _read(module: str) -> ModuleSource:
    code = inspect.getsource(import_module(module))
    statements: dict[str, ast.stmt] = {}
    imports: dict[str, tuple[str, str]] = {}
    for node in ast.parse(code).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= _imported(node)
        else:
            statements |= dict.fromkeys(_defined(node), node)
    return ModuleSource(code.split("\n"), statements, imports)


def _defined(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a top-level statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    for target in getattr(node, "targets", [getattr(node, "target", None)]):
        yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name)) if target else ()


def _imported(node: ast.Import | ast.ImportFrom) -> dict[str, tuple[str, str]]:
    """Return the names that an import binds, each with its module and the code that imports only this name."""
    if isinstance(node, ast.Import):
        return {alias.asname or alias.name.split(".")[0]: (alias.name, f"import {_aliased(alias)}") for alias in node.names}
    module = node.module or ""
    return {alias.asname or alias.name: (module, f"from {module} import {_aliased(alias)}") for alias in node.names}


def _aliased(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _collect(module: str, name: str, definitions: dict[str, list[str]], imports: set[str]) -> None:
    """Add `name` and all that it uses: names of this program to `definitions` (by module), of other packages to `imports` (code)."""
    source = _read(module)
    if name in source.imports:
        origin, code = source.imports[name]
        if origin.startswith(OURS):
            _collect(origin, name, definitions, imports)
        else:
            imports.add(code)
    elif name not in source.statements:
        raise LookupError(f"{module} does not define {name}.")
    elif name not in definitions[module]:
        definitions[module].append(name)
        for used in _names_used(source.text(name)) & (source.statements.keys() | source.imports.keys()):
            _collect(module, used, definitions, imports)


def _names_used(code: str) -> set[str]:
    """Return the global names that a definition uses, without local variables and parameters."""
    return set(_globals_in(symtable.symtable(code, "definition", "exec"), is_top=True))


def _globals_in(table: symtable.SymbolTable, is_top: bool) -> Iterator[str]:
    yield from (symbol.get_name() for symbol in table.get_symbols() if symbol.is_global() or (is_top and symbol.is_referenced()))
    for child in table.get_children():
        yield from _globals_in(child, is_top=False)


def _in_order(definitions: dict[str, list[str]]) -> Iterator[str]:
    """Yield the code of the definitions: each module after those it imports, its definitions in their order."""
    uses = {
        module: {origin for origin, _ in _read(module).imports.values()} & definitions.keys() for module in sorted(definitions)
    }
    for module in TopologicalSorter(uses).static_order():
        source = _read(module)
        chosen = {source.statements[name].lineno: name for name in definitions[module]}
        end = 0
        for line in sorted(chosen):
            is_next = line == end + 1  # constants without a blank line between them stay together
            end = source.statements[chosen[line]].end_lineno or line
            yield ("\n" if is_next else SPACING) + source.text(chosen[line])


def _sorted_imports(imports: Iterable[str]) -> list[str]:
    """Return imports sorted as by ruff and isort: the standard library, a blank line, others; names of one module on one line."""
    names: dict[str, list[str]] = defaultdict(list)
    for line in set(imports):
        start, _, name = line.partition(" import ")
        names[start].append(name) if name else names.setdefault(start, [])
    blocks: list[list[str]] = [[], []]
    for start in sorted(names, key=lambda start: (start.startswith("from"), start.split()[1].casefold())):
        line = f"{start} import {', '.join(sorted(names[start], key=_isort_key))}" if names[start] else start
        blocks[start.split()[1].split(".")[0] not in sys.stdlib_module_names].append(line)
    return "\n\n".join("\n".join(block) for block in blocks if block).split("\n")


def _isort_key(name: str) -> tuple[int, str]:
    """Return the sort key of an imported name: constants, then classes, then functions."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name
