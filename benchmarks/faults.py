"""Faults by force: kills, full disks, special files, Ctrl-C, damaged caches and forks.

``python -m benchmarks faults`` runs all trials and prints n of m for each part, ``--only PART``
those of one part, ``--quick`` a few of each. Every trial is a child process or two: a process that
is killed, or cannot write, must leave old files whole and new ones absent; a refusal is one line
without a traceback; nothing blocks.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECONDS = 120
MEMORY = 8 * 2**30  # address space of a child process, in bytes

SETUP = """
import os, sys, numpy as np, minnet
from minnet import *
rng = np.random.default_rng(0)
x, y = rng.normal(size=(64, 4)), np.arange(64) % 3
def network():
    return Sequential([Dense(4, 64), BatchNorm(64), ReLU(), Dropout(0.1), Dense(64, 3)], rng=0)
net = network()
optimizer, loss, probe = Adam(net), SoftmaxCrossEntropy(), HistogramProbe()
def train(net=net, optimizer=optimizer, probes=()):
    return fit(net, x, y, loss=loss, optimizer=optimizer, epochs=2, batch_size=16, rng=0,
               probes=probes)
"""
SAVE_FOREVER = (
    SETUP
    + """
train(); path = sys.argv[1]; values = [net.theta.copy(), -net.theta]
print("ready", flush=True)
for k in range(10**9):
    net.theta = values[k % 2]
    save(net, path, optimizer=optimizer)
"""
)
CHECK_SAVED = (
    SETUP
    + """
train(); theta = net.theta.copy()
twin = load(network(), sys.argv[1])
assert np.array_equal(twin.theta, theta) or np.array_equal(twin.theta, -theta)
"""
)
FIRST_STEP = (
    SETUP
    + """
history = train()
print(repr(float(history.loss[-1])), repr(float(net.theta.sum())))
"""
)


@dataclass(frozen=True)
class Result:
    """Exit code, output and time of a child process; a code of None stands for a timeout."""

    code: int | None
    out: str
    err: str
    seconds: float

    @property
    def one_line(self) -> bool:
        """Whether the errors are at most one line, without a traceback."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        return "Traceback" not in self.err and len(lines) <= 1

    def __str__(self) -> str:
        return f"exit code {self.code}: {self.err.strip()[-300:]!r}"


def environment(**changes: str | None) -> dict[str, str]:
    """Return the environment of child processes, with some variables changed or removed."""
    found = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    for name, value in changes.items():
        found.pop(name, None)
        if value is not None:
            found[name] = value
    return found


def child(
    *arguments: str | Path,
    cwd: Path,
    size: int | None = None,
    seconds: float = SECONDS,
    variables: dict[str, str | None] | None = None,
) -> Result:
    """Run Python with these arguments; ``size`` limits the size of the files that it writes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        if size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=environment(**variables or {}),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=limit,  # noqa: PLW1509 - no thread is running
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        return Result(None, out, err, seconds)
    return Result(process.returncode, out, err, time.monotonic() - began)


def command(*arguments: str | Path, cwd: Path, **options: object) -> Result:
    """Run the command ``minnet`` with these arguments."""
    return child("-m", "minnet", *arguments, cwd=cwd, **options)  # type: ignore[arg-type]


Trial = tuple[str, Callable[[Path], str]]  # name, and function that returns what went wrong


# Kills.


def kill_in_save(folder: Path, moment: float) -> str:
    """Kill a process that saves again and again, and load the file."""
    path = folder / "net.npz"
    process = subprocess.Popen(
        [sys.executable, "-c", SAVE_FOREVER, str(path)], env=environment(), text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    for _ in range(int(SECONDS / 0.01)):
        if path.exists():
            break
        time.sleep(0.01)
    time.sleep(moment)
    process.kill()
    process.communicate()
    found = child("-c", CHECK_SAVED, path, cwd=folder)
    return "" if found.code == 0 else str(found)


RUN = ("run", "iris", "--quick", "--jobs", "1", "--out", "out")


def kill_in_run(folder: Path, moment: float) -> str:
    """Kill a run, look for files that are half-written, and continue it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "minnet", *RUN], cwd=folder, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if damaged := damaged_files(folder):
        return f"half-written: {damaged}"
    again = command(*RUN, cwd=folder)
    return "" if again.code == 0 and (folder / "out" / "report.md").exists() else str(again)


def damaged_files(folder: Path) -> list[str]:
    """Return the files that are empty or incomplete; temporary files do not count."""
    import json
    import zipfile

    bad = []
    for path in folder.rglob("*"):
        if not path.is_file() or path.name.startswith("."):
            continue
        data = path.read_bytes()
        whole = bool(data)
        if path.suffix == ".json":
            try:
                json.loads(data)
            except ValueError:
                whole = False
        elif path.suffix == ".png":
            whole = data.endswith(b"IEND\xaeB`\x82")
        elif path.suffix == ".svg":
            whole = data.rstrip().endswith(b"</svg>")
        elif path.suffix == ".npz":
            whole = zipfile.is_zipfile(path)
        if not whole:
            bad.append(str(path.relative_to(folder)))
    return bad


# Full disks.

WRITERS = {
    "save": "save(net, 'a.npz')",
    "save with optimizer": "train(); save(net, 'a.npz', optimizer=optimizer)",
    "save_safetensors": "save_safetensors(net, 'a.safetensors')",
    "recording": "train(probes=[probe]); probe.save('a.npz')",
}


def full_disk(folder: Path, statement: str, size: int) -> str:
    """Write a file twice, the second time onto a full disk; the first must be whole."""
    first = child("-c", SETUP + statement, cwd=folder)
    kept = {path: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}
    if first.code or not kept:
        return str(first)
    size = min(size, max(map(len, kept.values())) // 2)  # a smaller file would fit
    code = f"{SETUP}\ntry:\n    net.theta *= 2; {statement}\nexcept OSError as error:\n"
    second = child("-c", f"{code}    print(error)\n", cwd=folder, size=size)
    left = {path: path.read_bytes() for path in folder.iterdir()}
    if left != kept:
        return f"files changed: {sorted(path.name for path in left)}; {second}"
    if second.code != 0 or not any(path.name in second.out for path in kept):
        return f"expected an OSError that names the file, got {second.out!r}, {second}"
    return ""


COMMANDS: dict[str, tuple[str, ...]] = {
    "run": RUN,
    "exercises init": ("exercises", "init", "homework"),
    "exercises grade": ("exercises", "grade", "submitted", "--only", "3", "--out", "out"),
}


def full_disk_in_command(folder: Path, arguments: Sequence[str], size: int) -> str:
    """Run a command on a full disk: one line that names a file, and no file half-written."""
    _submit(folder)
    found = command(*arguments, cwd=folder, size=size)
    if found.code not in (0, 1) or not found.one_line:
        return str(found)
    if damaged := damaged_files(folder):
        return f"half-written: {damaged}; {found}"
    again = command(*arguments, cwd=folder)
    return "" if again.code == 0 and not damaged_files(folder) else f"second run: {again}"


def _submit(folder: Path) -> None:
    from helpers.submissions import FILE, STUDENT

    for name in ("ada", "bob"):
        (folder / "submitted" / name).mkdir(parents=True, exist_ok=True)
        (folder / "submitted" / name / FILE).write_text(STUDENT)


# Special files.

READERS = {
    "load": "load(net, path)",
    "HistogramProbe.load": "HistogramProbe.load(path)",
    "StatisticsProbe.load": "StatisticsProbe.load(path)",
    "load_safetensors": "load_safetensors(net, path)",
    "from_csv": "datasets.from_csv(path, target='a')",
    "read_csv": "datasets.read_csv(path)",
    "mnist": "datasets.mnist(path)",
    "save": "save(net, path)",
    "save_safetensors": "save_safetensors(net, path)",
    "probe.save": "train(probes=[probe]); probe.save(path)",
    "fetch": "datasets.fetch('mnist', path)",
}
ERRORS = "(OSError, ValueError, TypeError)"


def special_file(folder: Path, statement: str, kind: str) -> str:
    """Pass a path that is no regular file; it must be refused at once."""
    path = _special(folder, kind)
    code = f"{SETUP}\npath = {str(path)!r}\ntry:\n    {statement}\nexcept {ERRORS} as error:\n"
    code += "    from pathlib import Path\n    print(type(error).__name__, error)\n"
    code += "    import traceback\n"
    code += "    print(traceback.extract_tb(error.__traceback__)[-1].filename)\n"
    found = child("-c", code + "else:\n    print('accepted')\n", cwd=folder, seconds=60)
    if found.code is None:
        return "it blocks"
    if found.code or "accepted" in found.out:
        return f"expected a refusal, got {found.out!r}, {found}"
    if kind not in ("device", "missing") and not path.exists():
        return "the path was replaced"
    *message, last = found.out.strip().splitlines()
    return "" if f"{os.sep}minnet{os.sep}" in last else f"raw message of {last}: {message}"


def _special(folder: Path, kind: str) -> Path:
    path = folder / "special"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        here = Path.cwd()
        os.chdir(folder)  # the path of a socket is short
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("special")
        os.chdir(here)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("/dev/zero")
    return Path("/dev/zero") if kind == "device" else path


def special_in_command(folder: Path, arguments: Sequence[str], kind: str) -> str:
    """Pass such a path to a command; it must be refused in one line."""
    _submit(folder)
    path = str(_special(folder, kind))
    found = command(*[path if each == "PATH" else each for each in arguments],
                    cwd=folder, seconds=90)  # fmt: skip
    if found.code is None:
        return "it blocks"
    return "" if found.code in (1, 2) and found.one_line else str(found)


PATH_COMMANDS = {
    "run --csv": ("run", "vanishing", "--quick", "--csv", "PATH", "--target", "a"),
    "run --out": ("run", "iris", "--quick", "--out", "PATH"),
    "exercises init": ("exercises", "init", "PATH"),
    "exercises grade": ("exercises", "grade", "PATH", "--only", "3"),
    "exercises grade --out": ("exercises", "grade", "submitted", "--only", "3", "--out", "PATH"),
    "data --home": ("data", "mnist", "--home", "PATH"),
}


# Ctrl-C.


def interrupted(folder: Path, arguments: Sequence[str], moment: float, fresh: bool) -> str:
    """Send SIGINT to a command: one line, exit code 130, and nothing half-written."""
    variables = {"MINNET_CACHE_DIR": str(folder / "cache")} if fresh else {}
    reset = "import signal, runpy, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = reset + "sys.argv[0] = 'minnet'; runpy.run_module('minnet', run_name='__main__')"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=folder, env=environment(**variables),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"Ctrl-C after {moment:.2f} s: it does not end"
    found = Result(process.returncode, "", err, moment)
    if "Traceback" in err and "minnet" not in err:
        return ""  # in the start of Python, before minnet is imported
    lines = [line for line in err.splitlines() if line.strip() and "\r" not in line]
    # Python restores the default action of signals while it exits. A shell reports 130 then, too.
    stopped = found.code in (130, -signal.SIGINT)
    if found.code == 0 or (stopped and "Traceback" not in err and len(lines) <= 1):
        damaged = damaged_files(folder / "out") if (folder / "out").exists() else []
        return f"half-written: {damaged}" if damaged else ""
    return f"Ctrl-C after {moment:.2f} s: {found}"


# The cache of compiled kernels, and surroundings.


def expected(folder: Path) -> str:
    """Return what FIRST_STEP prints."""
    return child("-c", FIRST_STEP, cwd=folder).out


def same_as(folder: Path, found: Result, reference: str) -> str:
    """Return what is wrong unless the numbers are right, with at most one warning."""
    if found.code != 0 or found.out != reference:
        return f"expected {reference!r}, got {found.out!r}, {found}"
    count = found.err.count("Warning")
    return "" if count <= 1 and "Traceback" not in found.err else str(found)


def damaged_cache(folder: Path, damage: str) -> str:
    """Damage every file of the cache, and train."""
    cache = {"MINNET_CACHE_DIR": str(folder / "cache")}
    reference = child("-c", FIRST_STEP, cwd=folder, variables=dict(cache))
    if reference.code:
        return str(reference)
    for path in list((folder / "cache").rglob("*.nb*")):
        data = path.read_bytes()
        if damage == "truncated":
            path.write_bytes(data[: len(data) // 2])
        elif damage == "empty":
            path.write_bytes(b"")
        elif damage == "noise":
            path.write_bytes(random.Random(0).randbytes(len(data)))
        elif damage == "missing data" and path.suffix == ".nbc":
            path.unlink()
        elif damage == "folder":
            path.unlink()
            path.mkdir()
        elif damage == "fifo":
            path.unlink()
            os.mkfifo(path)
    found = child("-c", FIRST_STEP, cwd=folder, variables=dict(cache))
    return same_as(folder, found, reference.out)


def without(folder: Path, **variables: str | None) -> str:
    """Train in an environment without a home or a cache."""
    return same_as(folder, child("-c", FIRST_STEP, cwd=folder, variables=variables),
                   expected(folder))  # fmt: skip


def full_cache(folder: Path, size: int) -> str:
    """Train with an empty cache on a full disk."""
    cache = {"MINNET_CACHE_DIR": str(folder / "cache")}
    return same_as(folder, child("-c", FIRST_STEP, cwd=folder, size=size, variables=dict(cache)),
                   expected(folder))  # fmt: skip


def cold_start(folder: Path, number: int) -> str:
    """Start processes at once with an empty cache."""
    variables = environment(MINNET_CACHE_DIR=str(folder / "cache"))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_STEP],
            cwd=folder,
            env=variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(number)
    ]
    printed = [process.communicate(timeout=300) for process in processes]
    codes = [process.returncode for process in processes]
    if any(codes) or len(set(printed)) > 1 or printed[0][1]:
        return f"exit codes {codes}, output {printed}"
    return "" if printed[0][0] == expected(folder) else f"wrong numbers: {printed[0][0]}"


PRINT = (
    SETUP
    + """
history = train(probes=[probe])
for item in (net, net["dense1"], net.summary(), history, probe, optimizer, loss, capture(net, x),
             Residual(Dense(3, 3)), net.params, initializers.recommend("relu", 50), stopping):
    print(item)
"""
)


def console(folder: Path, encoding: str) -> str:
    """Print objects on a console that has few characters, such as that of Windows."""
    code = PRINT.replace("stopping)", "EarlyStopping())")
    found = child("-c", code, cwd=folder, variables={"PYTHONIOENCODING": encoding})
    return "" if found.code == 0 else str(found)


PARALLEL = """
def work(seed=0):
    net = network()
    train(net, Adam(net))
    return float(net.theta.sum())
if __name__ == "__main__":
    METHOD
"""
METHODS = {
    "fork before use": "import multiprocessing as m\n"
    "    with m.get_context('fork').Pool(2) as pool: found = pool.map(work, range(4))\n"
    "    assert set(found) == {work()}, found",
    "fork after use": "import multiprocessing as m; first = work()\n"
    "    with m.get_context('fork').Pool(2) as pool: found = pool.map(work, range(4))\n"
    "    assert set(found) == {first}, found",
    "spawn": "import multiprocessing as m\n"
    "    with m.get_context('spawn').Pool(2) as pool: found = pool.map(work, range(2))\n"
    "    assert set(found) == {work()}, found",
    "forkserver": "import multiprocessing as m\n"
    "    with m.get_context('forkserver').Pool(2) as pool: found = pool.map(work, range(2))\n"
    "    assert set(found) == {work()}, found",
    "loky": "from joblib import Parallel, delayed; first = work()\n"
    "    found = Parallel(2)(delayed(work)(k) for k in range(2))\n"
    "    assert set(found) == {first}, found",
    "threads": "from concurrent.futures import ThreadPoolExecutor\n"
    "    with ThreadPoolExecutor(4) as pool: found = list(pool.map(work, range(8)))\n"
    "    assert set(found) == {work()}, found",
    "fork while threads train": "import multiprocessing as m, threading\n"
    "    threads = [threading.Thread(target=work) for _ in range(2)]\n"
    "    [t.start() for t in threads]\n"
    "    with m.get_context('fork').Pool(2) as pool: found = pool.map(work, range(2))\n"
    "    [t.join() for t in threads]\n"
    "    assert set(found) == {work()}, found",
}


def parallel(folder: Path, method: str) -> str:
    """Train in several processes or threads, and compare the numbers."""
    script = folder / "script.py"
    setup = SETUP.replace("loss = ", "made = ").replace("loss=loss", "loss=SoftmaxCrossEntropy()")
    setup = setup.replace("optimizer, loss, probe =", "optimizer, made, probe =")
    script.write_text(setup + PARALLEL.replace("METHOD", METHODS[method]))
    found = child(script, cwd=folder)
    return "" if found.code == 0 else str(found)


# Hostile submissions.


def graded(folder: Path) -> str:
    """Grade hostile submissions; each must have a row, within the timeout."""
    import json

    from helpers.submissions import ENDLESS, FILE, SUBMISSIONS

    wrong = []
    (folder / "endless" / "pipe").mkdir(parents=True)
    os.mkfifo(folder / "endless" / "pipe" / FILE)
    for group, submissions, seconds in (("a", SUBMISSIONS, 120), ("endless", ENDLESS, 2)):
        for name, (source, _, _) in submissions.items():
            path = folder / group / name / FILE
            path.parent.mkdir(parents=True)
            if callable(source):
                source(path)
            elif source is not None:
                path.write_bytes(source if isinstance(source, bytes) else source.encode())
        options = ("--only", "3", "--timeout", str(seconds), "--jobs", "2", "--out", f"out-{group}")
        found = command("exercises", "grade", group, *options, cwd=folder, seconds=900)
        if found.code != 0:
            return str(found)
        rows = json.loads((folder / f"out-{group}" / "grades.json").read_text())["rows"]
        results = {row["submission"]: row["mistake"] for row in rows}
        wrong += [
            f"{name}: expected {mistake}, got {results.get(name, 'no row')}"
            for name, (_, mistake, _) in submissions.items()
            if results.get(name, "no row") != mistake
        ]
    return "; ".join(wrong)


def trials(quick: bool) -> dict[str, list[Trial]]:
    """Return the trials of each part."""
    draw = random.Random(1)

    def moments(number: int, most: float) -> Iterator[float]:
        return (draw.uniform(0, most) for _ in range(number))

    few = 1 if quick else None
    kinds = ("fifo", "device") if quick else ("fifo", "device", "link", "socket", "folder")
    sizes = (1000,) if quick else (0, 1000, 20_000)
    parts: dict[str, list[Trial]] = {
        "kill": [
            (f"save, {m:.3f} s", lambda f, m=m: kill_in_save(f, m))
            for m in moments(2 if quick else 50, 0.2)
        ] + [
            (f"run, {m:.1f} s", lambda f, m=m: kill_in_run(f, m))
            for m in moments(0 if quick else 10, 12)
        ],
        "disk": [
            (f"{name}, {size} bytes", lambda f, s=s, z=size: full_disk(f, s, z))
            for name, s in list(WRITERS.items())[:few]
            for size in sizes
        ] + [
            (f"{name}, {size} bytes", lambda f, a=a, z=size: full_disk_in_command(f, a, z))
            for name, a in list(COMMANDS.items())[: 0 if quick else None]
            for size in sizes
        ],
        "paths": [
            (f"{name}, {kind}", lambda f, s=s, k=kind: special_file(f, s, k))
            for name, s in list(READERS.items())[:few]
            for kind in kinds
        ] + [
            (f"{name}, {kind}", lambda f, a=a, k=kind: special_in_command(f, a, k))
            for name, a in list(PATH_COMMANDS.items())[: 0 if quick else None]
            for kind in kinds
            if kind != "folder"
        ],
        "interrupt": [
            (f"{' '.join(a[:2])}, {m:.2f} s", lambda f, a=a, m=m: interrupted(f, a, m, False))
            for a in (RUN, ("claims", "--quick", "--only", "2", "--out", "out"))[:few]
            for m in moments(1 if quick else 15, 8)
        ] + [
            (f"compile, {m:.2f} s", lambda f, m=m: interrupted(f, RUN, m, True))
            for m in moments(0 if quick else 10, 15)
        ],
        "cache": [
            (damage, lambda f, d=damage: damaged_cache(f, d))
            for damage in ("truncated", "empty", "noise", "missing data", "folder", "fifo")[:few]
        ] + ([] if quick else [
            ("no HOME", lambda f: without(f, HOME=None, XDG_CACHE_HOME=None)),
            ("HOME missing", lambda f: without(f, HOME="/nonexistent", XDG_CACHE_HOME=None)),
            ("HOME a device", lambda f: without(f, HOME="/dev/null", XDG_CACHE_HOME=None)),
            ("cache relative", lambda f: without(f, MINNET_CACHE_DIR="cache")),
            ("cache a file", lambda f: without(f, MINNET_CACHE_DIR=__file__)),
            ("cache full", lambda f: full_cache(f, 100)),
            ("cache nearly full", lambda f: full_cache(f, 70_000)),
            ("console cp1252", lambda f: console(f, "cp1252")),
            ("console ASCII", lambda f: console(f, "ascii")),
            ("cold start of 2", lambda f: cold_start(f, 2)),
            ("cold start of 4", lambda f: cold_start(f, 4)),
        ]),
        "processes": [
            (method, lambda f, m=method: parallel(f, m)) for method in list(METHODS)[:few]
        ],
        "grading": [] if quick else [("hostile submissions", graded)],
    }  # fmt: skip
    return parts


def run(part: str, selected: Sequence[Trial]) -> Iterator[tuple[str, str]]:
    """Yield the name of each trial of a part, and what went wrong."""
    for name, trial in selected:
        folder = Path(tempfile.mkdtemp(prefix="minnet-faults-"))
        try:
            yield f"{part}: {name}", trial(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials, print n of m for each part, and return 0 if nothing went wrong."""
    sys.path.insert(0, str(ROOT / "tests"))
    parser = argparse.ArgumentParser(prog="python -m benchmarks faults", description=__doc__)
    names = list(trials(True))
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PART",
                        help=", ".join(names))  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a few trials of each part")
    options = parser.parse_args(arguments)
    failed = 0
    for part in options.only:
        selected, right = trials(options.quick)[part], 0
        for name, problem in run(part, selected):
            right += not problem
            if problem:
                print(f"{name}: {problem}", flush=True)
        failed += len(selected) - right
        print(f"{part}: {right} of {len(selected)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
