"""Import rules: kernels import nothing else of minnet, and only jit.py imports numba."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "minnet"
FILES = sorted(PACKAGE.rglob("*.py"))
KERNELS = PACKAGE / "kernels"
HEAVY = ("numba", "llvmlite", "sklearn", "scipy", "matplotlib", "pooch", "tqdm")


class OnlyWhatRuns(ast.NodeTransformer):
    """Leave out what stands under ``if TYPE_CHECKING``: names for mypy, imported by no run."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        typing_only = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if typing_only else node


def imported(source: str, package: str) -> Iterator[str]:
    """Yield the full name of every module that the source imports, inside functions too."""
    for node in ast.walk(OnlyWhatRuns().visit(ast.parse(source))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: -node.level + 1 or None] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            argument = node.args[0]
            if name in {"import_module", "__import__"} and isinstance(argument, ast.Constant):
                yield str(argument.value)


def imports_of(path: Path) -> set[str]:
    package = ".".join(path.relative_to(PACKAGE.parent).parent.parts)
    return set(imported(path.read_text(encoding="utf-8"), package))


def importers(*roots: str) -> set[str]:
    return {
        path.relative_to(PACKAGE).as_posix()
        for path in FILES
        if {name.split(".")[0] for name in imports_of(path)} & set(roots)
    }


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import minnet.layer", "minnet.layer"),
        ("def f():\n    from minnet import layer", "minnet.layer"),
        ("from ..layers import dense", "minnet.layers.dense"),
        ("from .dense import add_row", "minnet.kernels.dense.add_row"),
        ("from . import dense", "minnet.kernels.dense"),
        ("import importlib\nimportlib.import_module('numba')", "numba"),
    ],
)
def test_import_parser_finds_each_form_of_import(source, found):
    assert found in set(imported(source, "minnet.kernels"))


def test_import_parser_skips_type_checking_blocks():
    source = "if TYPE_CHECKING:\n    import a\nelse:\n    import b\nif x:\n    import c"
    assert set(imported(source, "minnet")) == {"b", "c"}


def test_kernels_import_nothing_else_of_minnet():
    strangers = {
        f"{path.name}: {name}"
        for path in KERNELS.glob("*.py")
        for name in imports_of(path)
        if name.split(".")[0] == "minnet" and name.split(".")[:2] != ["minnet", "kernels"]
    }
    assert strangers == set()


def test_numba_is_imported_by_jit_only():
    assert importers("numba", "llvmlite") == {"kernels/jit.py"}


def test_matplotlib_is_imported_by_plot_and_the_charts_of_the_experiments_only():
    drawing = ("plot/", "experiments/charts/")
    assert [name for name in importers("matplotlib") if not name.startswith(drawing)] == []


@pytest.mark.parametrize("module", ["minnet", "minnet.kernels.jit"])
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*({set(HEAVY)!r} & sys.modules.keys()))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_importing_any_kernel_module_loads_no_numba():
    modules = [f"minnet.kernels.{path.stem}" for path in KERNELS.glob("[!_]*.py")]
    code = f"import sys, {', '.join(modules)}; print('numba' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
