"""The examples: they run as scripts and open as notebooks, and use nothing but public names."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import minnet
import minnet.experiments.charts

FOLDER = Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
HEADER = """\
# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---
"""
# Text that each quick run must print, because the example states it.
PRINTED = {
    "01_activation_distributions": ["= what the network computed: True"],
    "02_vanishing_gradients": [
        r"hold 9\d\.\d+% of all gradients",
        r"clip_norm=None: step \d+ \(epoch 1\): layer",
        r"clip_norm=1\.0: loss",
    ],
    "03_weight_initialization": [
        r"zeros, ReLU +largest first gradient 0\.0e\+00; different units 1 of"
    ],
    "04_batch_normalization": [r"difference between formula and layer: \d\.\de-1[4-9]"],
}


def cells(example):
    """The cells of the example, as (is it markdown, lines)."""
    body = example.read_text("utf-8").removeprefix(HEADER)
    first, *parts = re.split(r"^# %%", body, flags=re.MULTILINE)
    assert not first.strip()
    found = []
    for part in parts:
        title, *lines = part.rstrip("\n").split("\n")
        assert title in ("", " [markdown]")
        found.append((title == " [markdown]", lines))
    return found


def code_cells(example):
    return [ast.parse("\n".join(lines)) for is_text, lines in cells(example) if not is_text]


def shown(cell):
    """The calls of show in a cell."""
    return [
        node
        for node in ast.walk(cell)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "show"
    ]


@pytest.fixture(params=EXAMPLES, ids=lambda example: example.stem)
def example(request):
    return request.param


def test_there_is_an_example_for_each_article():
    assert [example.stem for example in EXAMPLES] == list(PRINTED)


def test_it_runs_without_warnings_and_saves_every_figure(example, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", example, "--quick", "--out", tmp_path / "figures"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    number = example.stem[:2]
    promised = {
        f"{number}_{call.args[1].value}.png" for c in code_cells(example) for call in shown(c)
    }
    assert promised
    pictures = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert pictures.keys() == promised
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
    assert min(map(len, pictures.values())) > 10_000
    for pattern in PRINTED[example.stem]:
        assert re.search(pattern, done.stdout), f"{pattern!r} is not in:\n{done.stdout}"


def test_it_is_a_notebook_in_the_percent_format(example):
    assert example.read_text("utf-8").startswith(HEADER)
    kinds = [is_text for is_text, _ in cells(example)]
    assert kinds[:2] == [True, False]
    for is_text, lines in cells(example):
        if is_text:
            text = [line for line in lines if line]
            assert text
            assert all(line == "#" or line.startswith("# ") for line in text)
            assert all("\n" not in line and len(line) <= 100 for line in text)
        else:
            assert ast.parse("\n".join(lines)).body


def test_a_notebook_shows_its_figures(example):
    """A cell shows its last expression only."""
    for cell in code_cells(example):
        calls = shown(cell)
        last = cell.body[-1]
        assert len(calls) <= 1
        assert not calls or (isinstance(last, ast.Expr) and last.value is calls[0])


def test_show_returns_a_figure_in_a_notebook_and_saves_it_in_a_script(
    example, tmp_path, monkeypatch
):
    first = compile(code_cells(example)[0], str(example), "exec")
    figure = minnet.plot.density({"a": [0.0, 1.0, 2.0]})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    notebook = {"get_ipython": lambda: None}
    exec(first, notebook)
    assert not notebook["QUICK"]
    assert notebook["show"](figure, "name") is figure
    assert not list(tmp_path.iterdir())
    script = {}
    exec(first, script)
    assert script["show"](figure, "name") is None
    saved = tmp_path / "runs" / "examples" / f"{example.stem[:2]}_name.png"
    assert saved.read_bytes().startswith(b"\x89PNG")


def test_it_uses_public_names_only(example):
    tree = ast.parse(example.read_text("utf-8"))
    modules = {"minnet": minnet}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
            assert all(name == "minnet" or not name.startswith("minnet") for name in names)
            assert not any(name.split(".")[0] == "matplotlib" for name in names)
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.module.split(".")[0] != "matplotlib"
            if node.module.split(".")[0] == "minnet":
                assert node.module in ("minnet", "minnet.experiments")
                package = minnet if node.module == "minnet" else minnet.experiments
                for name in node.names:
                    assert package is not minnet or name.name in minnet.__all__
                    if isinstance(getattr(package, name.name), ModuleType):
                        modules[name.asname or name.name] = getattr(package, name.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
            public = _public(node.value, modules)
            assert public is None or node.attr in public, f"{ast.unparse(node)} is not public"


def _public(value, modules):
    """The public names of the module of minnet that an expression is, None if it is none."""
    path = ast.unparse(value).split(".")
    module = modules.get(path[0])
    for name in path[1:]:
        module = getattr(module, name, None)
    if not isinstance(module, ModuleType):
        return None
    return getattr(module, "__all__", [name for name in vars(module) if name[0] != "_"])
