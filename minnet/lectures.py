"""Write the lecture notebooks: the command ``minnet lectures``.

The source of a notebook is a script in the percent format, in the folder ``examples``. A checkout
has this folder beside the package; an installation has a copy in the folder of shared data.

The scripts follow a few conventions:

- Answers, hints and solutions are in ``<details>`` blocks. A solution is a block of Python.
- A paragraph that begins with **Predict.** or **Exercise.** is a task.
- The cell of an exercise holds a stub, and checks it after a line ``try:``.
- A cell that draws begins with a comment ``# Figure:``, which describes the figure.
"""

from __future__ import annotations

import argparse
import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, Literal

from minnet.files import as_path, replacing

Variant = Literal["students", "clean", "answers"]
FOLDED = re.compile(r"<details>.*?</details>\n*", re.DOTALL)
SOLUTION = re.compile(r"<summary>Solution</summary>\s*```python\n(.*?)```", re.DOTALL)
FIGURE = re.compile(r"# Figure: (.*(?:\n# .*)*)")
KEPT_WHEN_CLEAN = ("#", "**Predict.**", "**Exercise.**")


def add_parser(commands: Any) -> None:
    """Add ``lectures``, whose command ``init`` writes the notebooks."""
    parser = commands.add_parser("lectures", help="write the lecture notebooks")
    init = parser.add_subparsers(title="commands", required=True).add_parser(
        "init",
        help="write the notebooks into a folder",
        description="Run the five lectures and write them as notebooks with outputs. Existing "
        "files are kept.",
    )
    init.add_argument("folder", type=as_path, metavar="DIR", help="folder of the notebooks")
    variants = init.add_mutually_exclusive_group()
    variants.add_argument(
        "--clean",
        dest="variant",
        action="store_const",
        const="clean",
        help="headings, questions and code only: no explanations, answers or outputs",
    )
    variants.add_argument(
        "--answers",
        dest="variant",
        action="store_const",
        const="answers",
        help="for lecturers: answers unfolded, and exercises with their solutions",
    )
    init.set_defaults(run=_init, variant="students")


def _init(options: argparse.Namespace) -> int:
    options.folder.mkdir(parents=True, exist_ok=True)
    for script in scripts():
        path = options.folder / f"{script.stem}.ipynb"
        if path.exists():
            print(f"{path}: kept, it exists already")
            continue
        print(f"{path}: ", end="", flush=True)
        write(script, path, options.variant)
        print("written")
    return 0


def scripts() -> list[Path]:
    """Return the paths of the scripts of the lectures, in order.

    Raises
    ------
    FileNotFoundError
        If neither a checkout nor the installation has them.
    """
    found = sorted((Path(__file__).parents[1] / "examples").glob("[0-9][0-9]_*.py"))
    if not found:
        try:
            installed = files("minnet") or []
        except PackageNotFoundError:
            installed = []
        pattern = "share/minnet/examples/[0-9][0-9]_*.py"
        found = sorted(Path(str(p.locate())) for p in installed if p.match(pattern))
    if not found:
        raise FileNotFoundError(
            "lectures: expected the scripts of the lectures beside the package or in "
            "share/minnet/examples, found none; install minnet again with pip"
        )
    return found


def write(script: Path, path: Path, variant: Variant = "students") -> None:
    """Write a script as a notebook, completely or not at all.

    Parameters
    ----------
    script : Path
        One of `scripts`.
    path : Path
        The notebook. Its cells are run in the folder of this file.
    variant : {"students", "clean", "answers"}
        "students": with outputs; answers, hints and solutions are folded. "clean": without
        outputs, explanations and answers. "answers": with outputs, unfolded answers, and solutions
        in place of the stubs.

    Raises
    ------
    ImportError
        If jupytext, nbclient or ipykernel is not installed.
    ValueError
        If a cell raises an error.
    """
    notebook = _require("jupytext").read(script)
    notebook.metadata.pop("jupytext", None)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell{number}"
    if variant == "clean":
        _remove_prose(notebook)
    else:
        if variant == "answers":
            _insert_solutions(notebook)
        _execute(notebook, path)
        _describe_figures(notebook)
    text = _require("nbformat").writes(notebook)
    with replacing(path, "lectures") as file:
        file.write(text.encode())


def _require(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ImportError(
            "lectures: expected the packages jupytext, nbclient and ipykernel, got no "
            f'{name}; install them with: pip install "minnet[lectures]"'
        ) from None


def _remove_prose(notebook: Any) -> None:
    """Keep code, headings, questions and tasks."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            paragraphs = FOLDED.sub("", cell.source).split("\n\n")
            cell.source = "\n\n".join(p for p in paragraphs if p.startswith(KEPT_WHEN_CLEAN))
    notebook.cells = [cell for cell in notebook.cells if cell.source]


def _insert_solutions(notebook: Any) -> None:
    """Unfold all answers, and replace each stub by the solution in the cell below it."""
    exercise = None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            exercise = cell if "minnet.exercises.check(" in cell.source else None
            continue
        if exercise is not None and (solution := SOLUTION.search(cell.source)):
            _, check = exercise.source.split("\ntry:\n")
            exercise.source = f"{solution[1]}\n\ntry:\n{check}"
        cell.source = cell.source.replace("<details>", "<details open>")


def _execute(notebook: Any, path: Path) -> None:
    """Run the cells with this Python, in the folder of the notebook."""
    client, manager = _require("nbclient"), _require("jupyter_client")
    _require("ipykernel")
    # Without folders of kernels, the kernel "python3" is that of the running Python.
    specs = manager.kernelspec.KernelSpecManager(kernel_dirs=[])
    kernel = manager.AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
    run = client.NotebookClient(
        notebook,
        km=kernel,
        resources={"metadata": {"path": str(path.absolute().parent)}},
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
    )
    try:
        run.execute(cleanup_kc=True)
    except client.exceptions.CellExecutionError as error:
        raise ValueError(
            f"lectures: expected the cells of {path.stem} to run, got {error.ename}: "
            f"{error.evalue}; run the script {path.stem}.py to see where"
        ) from None


def _describe_figures(notebook: Any) -> None:
    """Give each figure its description, as alternative text and in place of its repr."""
    for cell in notebook.cells:
        described = FIGURE.match(cell.source)
        for output in cell.get("outputs", []):
            if described and "image/png" in output.get("data", {}):
                text = described[1].replace("\n# ", " ")
                output.data["text/plain"] = text
                output.metadata["image/png"] = {"alt": text}
