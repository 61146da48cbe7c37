"""How a component's JavaScript is put together: one module of many, which says when an import has no export."""

import re
from pathlib import Path

import pytest

from pages.charts.components.asset import FOLDER, bundle

SHARED = "export function shared() { return 1; }\nconst own = 2;\nexport const both = own + 1;\n"


def write(folder: Path, **modules: str) -> Path:
    for name, code in modules.items():
        (folder / f"{name}.js").write_text(code, encoding="utf-8")
    return folder / "main.js"


def test_a_module_that_is_imported_twice_is_there_once_and_keeps_its_own_names(tmp_path: Path):
    other = 'import { both } from "./shared.js";\nexport class Other {}\nconst own = both;\n'
    main = 'import { shared } from "./shared.js";\nimport { Other } from "./other.js";\nexport default [shared, Other];\n'
    code = bundle(write(tmp_path, shared=SHARED, other=other, main=main))
    assert code.count("function shared()") == 1 and "import" not in code
    assert (
        code.index("return { shared, both };")
        < code.index("const { both } = module0;")
        < code.index("const { Other } = module1;")
    )
    assert code.count("export ") == 1 and code.rstrip().endswith("export default [shared, Other];")


def test_an_import_without_an_export_is_an_error(tmp_path: Path):
    main = write(tmp_path, shared=SHARED, main='import { own } from "./shared.js";\n')
    with pytest.raises(ImportError) as refused:
        bundle(main)
    assert re.findall(r"shared\.js|own|main\.js", str(refused.value)) == ["shared.js", "own", "main.js"]


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.js")), ids=lambda path: path.stem)
def test_every_module_imports_what_others_export(path: Path):
    code = bundle(path)
    assert not [line for line in code.splitlines() if line.startswith(("import ", "} from "))]
