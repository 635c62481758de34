"""Import rules: only jit.py imports numba, and importing minnet loads no heavy library."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "minnet"
KERNELS = sorted((PACKAGE / "kernels").glob("[!_]*.py"))
HEAVY = {"numba", "llvmlite", "sklearn", "scipy", "matplotlib", "pooch", "tqdm"}


class WithoutTypeChecking(ast.NodeTransformer):
    """Remove the bodies of ``if TYPE_CHECKING``."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        typing_only = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if typing_only else node


def imported(path: Path) -> Iterator[str]:
    """Yield the name of each module that a file imports, also inside functions."""
    for node in ast.walk(WithoutTypeChecking().visit(ast.parse(path.read_text("utf-8")))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield ast.unparse(node.args[0]).strip("'")


def importers(*roots: str) -> set[str]:
    return {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if {name.split(".")[0] for name in imported(path)} & set(roots)
    }


def test_kernels_import_nothing_else_of_minnet():
    for path in KERNELS:
        modules = {name for name in imported(path) if name.startswith("minnet")}
        assert all(name.startswith("minnet.kernels") for name in modules), path


def test_numba_is_imported_by_jit_only():
    assert importers("numba", "llvmlite") == {"kernels/jit.py"}


def test_matplotlib_is_imported_by_plot_and_the_experiments_only():
    drawing = ("plot/", "experiments/")
    assert [name for name in importers("matplotlib") if not name.startswith(drawing)] == []


@pytest.mark.parametrize(
    "modules", [["minnet"], [f"minnet.kernels.{path.stem}" for path in KERNELS]]
)
def test_importing_loads_nothing_heavy(modules):
    code = f"import sys, {', '.join(modules)}; print(*({HEAVY!r} & sys.modules.keys()))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
