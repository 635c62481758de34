"""The lecture notebooks: they run as scripts and as notebooks, and their prose is measured."""

import ast
import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest

import minnet
from minnet import lectures
from minnet.__main__ import main

resource = pytest.importorskip("resource")  # not on Windows
ROOT = Path(__file__).parents[1]
CLAIMS = {
    claim["number"]: claim
    for claim in json.loads((ROOT / "examples/claims/claims.json").read_text("utf-8"))["claims"]
}
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?%?")
ANSWER = "<details><summary>Answer</summary>"
SMALL = '''# %% [markdown]
# # A lecture
#
# An explanation.
#
# **Predict.** How many?

# %%
# Figure: A density
# of three values.
import minnet

print(7)
minnet.plot.density({"a": [0.0, 1.0, 2.0]})

# %% [markdown]
# <details><summary>Answer</summary>
#
# It is 7.
#
# </details>
#
# **Exercise.** Write it.


# %%
def answer():
    """Return 8."""
    raise NotImplementedError


try:
    print("right" if answer() == 8 else minnet.exercises.check("e01", answer))
except NotImplementedError:
    print("wrong")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def answer():
#     """Return 8."""
#     return 8
# ```
#
# </details>
'''


SCRIPTS = [pytest.param(script, id=script.stem) for script in lectures.scripts()]


@pytest.fixture(params=SCRIPTS)
def cells(request):
    return jupytext.read(request.param).cells


@pytest.fixture(scope="module", params=SCRIPTS)
def ran(request, tmp_path_factory):
    """The lecture as a notebook, which was run in a folder of its own."""
    home = tmp_path_factory.mktemp("notebook")
    path = home / "lecture.ipynb"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    lectures.write(request.param, path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return SimpleNamespace(
        script=request.param, home=home, size=path.stat().st_size, cells=jupytext.read(path).cells,
        seconds=after.ru_utime - before.ru_utime,
    )  # fmt: skip


def text_of(cells):
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def code_of(cells):
    return [cell.source for cell in cells if cell.cell_type == "code"]


def exercises(cells):
    """(code of the stub, solution) of each exercise."""
    for cell, below in pairwise(cells):
        if "minnet.exercises.check(" in cell.source:
            yield cell.source, lectures.SOLUTION.search(below.source)[1]


def draws(source):
    """Whether the last expression of a cell is a figure."""
    last = ast.parse(source).body[-1]
    return isinstance(last, ast.Expr) and bool(
        re.match(r"(minnet\.)?(plot|charts)\.", ast.unparse(last))
    )


def printed(cell):
    """What a cell prints."""
    return "".join(o.text for o in cell.get("outputs", []) if o.get("name") == "stdout")


def numbers(text):
    """The numbers in a text, each with whether it is a percentage."""
    found = {token.replace(",", "") for token in NUMBER.findall(text)}
    return {(float(token.rstrip("%")), token.endswith("%")) for token in found}


def prose_numbers(text):
    """The numbers in prose, without code, formulas, headings, quotations and references."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"`[^`]*`|\$[^$]*\$|\"[^\"]*\"|<[^>]*>", " ", text, flags=re.DOTALL)
    text = re.sub(r"(?im)^#.*$|^\|.*$|\bclaim \d+|\*\*Further reading:(.|\n)*", " ", text)
    return numbers(text)


def missing(wanted, output):
    """The numbers that are not in the output, to ten percent: processors round differently."""
    have = numbers(output)
    return {
        (value, percent)
        for value, percent in wanted
        if not any(p == percent and np.isclose(value, v, rtol=0.1, atol=0) for v, p in have)
    }


def test_there_are_five_lectures():
    assert [script.stem for script in lectures.scripts()] == [
        "01_activation_distributions", "02_vanishing_gradients", "03_weight_initialization",
        "04_batch_normalization", "05_read_a_training",
    ]  # fmt: skip


def test_its_parts_are_complete(cells):
    text = text_of(cells)
    assert len(re.search(r"\*\*Goals\*\*\n\n((?:- .*\n(?:  .*\n)*)*)", text)[1].split("- ")) == 4
    assert "**Time:**" in text
    assert "**Prerequisites:**" in text
    assert text.count("## Theory and measurement") == 1
    assert len(re.search(r"## Summary\n\n((?:- .*\n(?:  .*\n)*)*)", text)[1].split("\n- ")) == 3
    assert "**Further reading:**" in text
    assert sum("minnet.replay(" in source for source in code_of(cells)) >= 1


def test_its_cells_are_short_and_need_no_options(cells):
    sources = code_of(cells)
    assert len(sources) <= 12
    assert len(sources[0].splitlines()) <= 8
    for source in sources:
        code = lectures.FIGURE.sub("", source).strip()
        assert len(code.splitlines()) <= 15, code
        assert not re.search(r"argv|\bshow\(|matplotlib", code)
    assert 'FULL = os.environ.get("MINNET_FULL") == "1"' in sources[0]


def test_it_has_questions_with_folded_answers_that_state_a_number(cells):
    asked = [i for i, cell in enumerate(cells) if "**Predict.**" in cell.source]
    assert len(asked) >= 4
    for i in asked:
        assert cells[i].source.split("\n\n")[-1].startswith("**Predict.**")
        assert cells[i + 1].cell_type == "code"
        folded = cells[i + 2].source.split("</details>")[0]
        assert folded.startswith(ANSWER)
        assert prose_numbers(folded)
    assert text_of(cells).count(ANSWER) == len(asked)


def test_it_quotes_a_claim_that_fails(cells):
    text = " ".join(text_of(cells).split())
    quotes = re.findall(r'Claim (\d+) of the ledger [^"]*"([^"]*)"', text)
    assert quotes
    for number, words in quotes:
        assert words == CLAIMS[int(number)]["statement"]
        assert CLAIMS[int(number)]["verdict"] == "fails"


def test_each_figure_is_described(cells):
    drawn = [source for source in code_of(cells) if draws(source)]
    assert drawn
    assert all(len(lectures.FIGURE.match(source)[1]) > 40 for source in drawn)


def test_solutions_are_right_and_stubs_are_not(cells, capsys):
    pairs = list(exercises(cells))
    assert len(pairs) >= 2
    for stub, solution in pairs:
        _, check = stub.split("\ntry:\n")
        for answer, expected in ((stub, "not implemented yet"), (solution, ": right")):
            exec(f"{answer}\n\ntry:\n{check}", {"np": np, "minnet": minnet})
            assert expected in capsys.readouterr().out
    assert text_of(cells).count("<summary>Hint</summary>") == len(pairs)


def test_it_uses_public_names_only(cells):
    tree = ast.parse("\n".join(code_of(cells)))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("minnet"):
            assert node.module in ("minnet", "minnet.experiments")
            if node.module == "minnet":
                assert all(name.name in minnet.__all__ for name in node.names)
        assert not (isinstance(node, ast.Attribute) and node.attr.startswith("_"))


def test_it_runs_as_a_notebook_with_the_code_of_the_script(ran):
    assert code_of(ran.cells) == code_of(jupytext.read(ran.script).cells)
    assert [path.name for path in ran.home.iterdir()] == ["lecture.ipynb"]
    assert ran.seconds < 40  # what two cores do in 20 seconds


def test_a_lecture_runs_as_a_script(tmp_path):
    script = lectures.scripts()[0]
    done = subprocess.run(
        [sys.executable, "-W", "error", script], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert not missing(prose_numbers(text_of(jupytext.read(script).cells)), done.stdout)
    assert not list(tmp_path.iterdir())


def test_the_notebook_shows_all_pictures_and_stays_small(ran):
    cells, size, pages = ran.cells, ran.size, 0
    for cell in cells:
        outputs = cell.get("outputs", [])
        assert not any(o.output_type == "error" for o in outputs)
        assert "Warning" not in "".join(o.text for o in outputs if o.get("name") == "stderr")
        data = {kind: o for o in outputs for kind in o.get("data", {})}
        if cell.cell_type == "code" and draws(cell.source):
            alt = data["image/png"].metadata["image/png"]["alt"]
            assert "\n" not in alt
            assert alt == data["image/png"].data["text/plain"]
        else:
            assert "image/png" not in data
        if "text/html" in data:
            pages += 1
            page = data["text/html"].data["text/html"]
            assert page.startswith('<iframe title="Replay: ')
            size -= len(json.dumps(page))
    assert pages >= 1
    assert size < 600_000


def test_each_number_in_prose_is_printed(ran):
    everything, last = "\n".join(map(printed, ran.cells)), ""
    for cell in ran.cells:
        if cell.cell_type == "code":
            last = printed(cell)
            continue
        if cell.source.startswith(ANSWER):
            answer = cell.source.split("</details>")[0]
            assert not missing(prose_numbers(answer), last), answer
        assert not missing(prose_numbers(cell.source), everything), cell.source


@pytest.mark.parametrize(
    ("answer", "wrong"), [("It is 7.", "It is 8."), ("it is 46%", "it is 46"), ("a 0.5", "a 0.6")]
)
def test_missing_finds_a_number_that_was_not_printed(answer, wrong):
    output = "7, 46% and 0.50"
    assert not missing(prose_numbers(answer), output)
    assert missing(prose_numbers(wrong), output)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    script = tmp_path_factory.mktemp("small") / "small.py"
    script.write_text(SMALL, "utf-8")
    return script


def sources_of(script, variant, tmp_path):
    lectures.write(script, tmp_path / "small.ipynb", variant)
    return jupytext.read(tmp_path / "small.ipynb").cells


def test_the_notebook_of_students_has_outputs_and_folded_answers(small, tmp_path):
    cells = sources_of(small, "students", tmp_path)
    assert [printed(cell) for cell in cells] == ["", "7\n", "", "wrong\n", ""]
    figure = cells[1].outputs[1]
    assert figure.metadata["image/png"] == {"alt": "A density of three values."}
    assert "<details><summary>Answer" in cells[2].source
    assert "NotImplementedError" in cells[3].source


def test_the_clean_notebook_has_neither_explanations_nor_outputs(small, tmp_path):
    cells = sources_of(small, "clean", tmp_path)
    text = ["# A lecture\n\n**Predict.** How many?", "**Exercise.** Write it."]
    assert [cell.source for cell in cells if cell.cell_type == "markdown"] == text
    assert [cell.outputs for cell in cells if cell.cell_type == "code"] == [[], []]


def test_the_notebook_of_lecturers_has_the_solutions(small, tmp_path):
    cells = sources_of(small, "answers", tmp_path)
    assert "<details open><summary>Answer" in cells[2].source
    assert "raise NotImplementedError" not in cells[3].source
    assert printed(cells[3]) == "right\n"


def test_a_cell_that_fails_is_reported_and_nothing_is_written(tmp_path):
    script = tmp_path / "failing.py"
    script.write_text("# %%\n1 / 0\n", "utf-8")
    with pytest.raises(ValueError, match="cells of failing to run, got ZeroDivisionError: divi"):
        lectures.write(script, tmp_path / "failing.ipynb")
    assert not (tmp_path / "failing.ipynb").exists()


def test_a_missing_package_is_named(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    with pytest.raises(ImportError, match=r'no jupytext; .* pip install "minnet\[lectures\]"'):
        lectures.write(small, tmp_path / "small.ipynb")


def test_the_command_writes_all_notebooks_and_keeps_existing_ones(tmp_path, capsys):
    folder = tmp_path / "new" / "lectures"
    folder.mkdir(parents=True)
    (folder / "03_weight_initialization.ipynb").write_text("mine", "utf-8")
    assert main(["lectures", "init", str(folder), "--clean"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rsplit(": ")[-1] for line in lines] == [
        "written", "written", "kept, it exists already", "written", "written",
    ]  # fmt: skip
    assert (folder / "03_weight_initialization.ipynb").read_text("utf-8") == "mine"
    for path in folder.glob("0[1245]_*.ipynb"):
        cells = jupytext.read(path).cells
        assert "<details>" not in text_of(cells)
        assert text_of(cells).count("**Predict.**") >= 4
        assert not any(cell.get("outputs") for cell in cells)


def test_an_installation_finds_its_copies(tmp_path, monkeypatch):
    class Installed(type(Path())):
        def locate(self):
            return tmp_path / self

    names = ["share/minnet/examples/02_b.py", "share/minnet/examples/01_a.py", "minnet/layer.py"]
    monkeypatch.setattr(lectures, "__file__", str(tmp_path / "minnet" / "lectures.py"))
    monkeypatch.setattr(lectures, "files", lambda name: [Installed(name) for name in names])
    assert [path.name for path in lectures.scripts()] == ["01_a.py", "02_b.py"]
    monkeypatch.setattr(lectures, "files", lambda name: [])
    with pytest.raises(FileNotFoundError, match="install minnet again with pip"):
        lectures.scripts()
