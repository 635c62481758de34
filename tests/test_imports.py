"""Imports between modules run one way and form no circles.

All import statements count, also those inside functions and under TYPE_CHECKING.
"""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each part imports from its own level and from the levels above it in this table only.
LEVELS = (
    {"version"},
    {"kernels"},
    {"memory", "validation", "history", "files"},
    {"param", "differentiable"},
    {"layer", "loss"},
    {"recommendation"},
    {"initializers", "columns", "tables"},
    {
        *("layers", "losses", "optimizers", "regularization", "schedules"),
        *("checks", "datasets", "evaluation", "idx", "interruptions", "safetensors"),
        *("serialization", "summary"),
    },
    {"training", "arguments", "stopping"},
    {"recording"},
    {"doctor", "plot", "replay", "sklearn"},
    {"experiments", "exercises", "lectures"},
    {"__main__"},
)
LEVEL = {part: number for number, parts in enumerate(LEVELS) for part in parts}


def module_name(path):
    """Return the dotted name of a module; a package has the name of its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path, modules):
    """Return the modules of the project that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: expected absolute imports"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                names.add(submodule if submodule in modules else node.module)
    return names & set(modules)


def import_graph(package):
    """Return the imported modules of each module of a package."""
    modules = {module_name(path): path for path in sorted((ROOT / package).rglob("*.py"))}
    return {name: imports(path, modules) for name, path in modules.items()}


def part(module):
    """Return the name of a file or folder directly inside the package."""
    return module.split(".")[1] if "." in module else module


def find_circle(graph):
    """Return a circle of a graph as a list, or an empty list."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


MINNET = import_graph("minnet")


def test_find_circle_returns_a_circle_or_nothing():
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert sorted(set(find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}))) == ["b", "c"]


@pytest.mark.parametrize("package", ["minnet", "benchmarks"])
def test_modules_form_no_import_circle(package):
    assert find_circle(import_graph(package)) == []


def test_parts_form_no_import_circle():
    graph = {}
    for module, imported in MINNET.items():
        graph.setdefault(part(module), set()).update(map(part, imported - {"minnet"}))
    graph = {name: imported - {name} for name, imported in graph.items()}
    assert find_circle(graph) == []


@pytest.mark.parametrize("module", sorted(MINNET.keys() - {"minnet"}))
def test_a_module_imports_only_from_its_level_and_lower_ones(module):
    level = LEVEL[part(module)]
    higher = {
        name
        for name in MINNET[module]
        if LEVEL.get(part(name), level) > level  # the package itself has no level
    }
    assert higher == set()
