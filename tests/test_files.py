"""Writing and reading of files: complete or unchanged files, their rights, and regular files only.

`tests/test_serialization.py` has the tests of the content of files of networks.
"""

import errno
import io
import json
import os
import resource
import socket
import stat
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest

import minnet
from minnet import Adam, Dense, HistogramProbe, Sequential, StatisticsProbe, files, plot
from minnet.__main__ import main
from minnet.exercises import folder as exercises
from minnet.exercises import grading
from minnet.exercises.catalog import find
from minnet.exercises.files import read_source
from minnet.experiments import report
from minnet.files import read_bytes, replacing, write_text
from minnet.safetensors import load_safetensors, save_safetensors

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


def network():
    return Sequential([Dense(30, 20)], rng=0)


@contextmanager
def file_size(limit):
    """Limit the size of every file that this process writes, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def recording(probe):
    net = network()
    data = np.ones((4, 30)), np.zeros((4, 20))
    settings = {"loss": minnet.MeanSquaredError(), "optimizer": Adam(net), "probes": [probe]}
    minnet.fit(net, *data, epochs=1, batch_size=2, rng=0, **settings)
    return probe


def grades(message):
    row = grading.Row("ada", "e03 softmax", 1.0, 1.0, True, None, message, "", 0.1)
    return grading.Grades(seed=0, rows=[row])


# Functions that write the file `path`; each call writes another content.
WRITERS = {
    "save": lambda path, n: minnet.save(network(), path),
    "save_safetensors": lambda path, n: save_safetensors(network(), path),
    "HistogramProbe.save": lambda path, n: recording(HistogramProbe()).save(path),
    "StatisticsProbe.save": lambda path, n: recording(StatisticsProbe()).save(path),
    "savefig": lambda path, n: plot.histograms({"a": np.arange(9.0) + n}).savefig(
        path, format="png"
    ),
    "report": lambda path, n: report.write_json(path, ["a long text"] * 99),
    "text": lambda path, n: write_text(path, f"{n} texts " * 99),
}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("room", [0, 200])
def test_a_full_disk_leaves_the_old_file_and_the_error_names_it(writer, room, tmp_path):
    path = tmp_path / "file"
    writer(path, 0)
    before = contents(tmp_path)
    with file_size(room), pytest.raises(OSError, match=r"cannot write, .*; nothing has") as caught:
        writer(path, 1)
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(path)
    assert contents(tmp_path) == before
    with file_size(room), pytest.raises(OSError, match="cannot write"):
        writer(tmp_path / "new", 1)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_the_tilde_is_the_home_folder_in_every_path(writer, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    writer("~/file", 0)
    assert os.listdir(tmp_path) == ["file"]


def test_a_saved_network_is_loaded_from_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    minnet.save(network(), "~/net.npz")
    save_safetensors(network(), "~/net.safetensors")
    recording(StatisticsProbe()).save("~/statistics.npz")
    other = Sequential([Dense(30, 20)], rng=1)
    assert (minnet.load(other, "~/net.npz").theta == network().theta).all()
    assert (load_safetensors(other, "~/net.safetensors").theta == network().theta).all()
    assert StatisticsProbe.load("~/statistics.npz").observed == 2


@pytest.mark.parametrize(
    "command",
    [
        "run iris --quick --epochs 1 --jobs 1 --out results",
        "claims --quick --only 1 --jobs 1 --out results",
        "exercises init results",
        "exercises reset 3 --dir results",
    ],
)
def test_a_command_on_a_full_disk_ends_with_the_name_of_the_file(
    command, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    if "reset" in command:
        exercises.init(tmp_path / "results")
    with file_size(20):
        assert main(command.split()) == 1
    assert "cannot write, File too large; nothing has changed" in capsys.readouterr().err
    assert not [name for name, data in contents(tmp_path).items() if not data]  # no empty file
    assert main(command.split()) == 0
    complete = contents(tmp_path)
    with file_size(20):
        code = main(command.split())
    assert contents(tmp_path) == complete
    assert code == (0 if "init" in command else 1)  # init keeps the files


def test_grades_are_written_completely_or_not_at_all(tmp_path):
    grading.write(grades("right"), tmp_path)
    before = contents(tmp_path)
    with file_size(100), pytest.raises(OSError, match=r"grades\.json"):
        grading.write(grades("right " * 99), tmp_path)
    assert contents(tmp_path) == before
    assert json.loads((tmp_path / "grades.json").read_text())["rows"][0]["message"] == "right"


@pytest.mark.parametrize("mode", [0o664, 0o600, 0o640, 0o777])
def test_an_existing_file_keeps_its_mode(mode, tmp_path):
    path = tmp_path / "net.npz"
    minnet.save(network(), path)
    path.chmod(mode)
    minnet.save(network(), path)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def as_nobody(work):
    """Return what work prints in a child process without the rights of root."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(writing, str(work()).encode())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as stream:
        return stream.read()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="changes the user")
def test_a_folder_that_cannot_be_listed_can_be_written(tmp_path):
    for parent in [tmp_path, *tmp_path.parents][:-1]:
        if parent.owner() == "root" and not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    folder = tmp_path / "drop"
    folder.mkdir()
    folder.chmod(0o733)
    assert as_nobody(lambda: os.listdir(folder)).startswith("PermissionError")
    assert as_nobody(lambda: minnet.save(network(), folder / "net.npz")) == "None"
    assert os.listdir(folder) == ["net.npz"]
    assert as_nobody(lambda: minnet.save(network(), folder / "net.npz")) == "None"
    (folder / "net.npz").chmod(0o444)
    message = as_nobody(lambda: minnet.save(network(), folder / "net.npz"))
    assert "PermissionError(13, 'save: is write-protected; make it writable" in message


def test_a_name_of_the_greatest_length_can_be_written(tmp_path):
    write_text(tmp_path / ("x" * 255), "text")
    assert (tmp_path / ("x" * 255)).read_text() == "text"


def test_an_error_of_another_file_is_not_renamed(tmp_path):
    with pytest.raises(FileNotFoundError, match="other"), replacing(tmp_path / "file"):
        (tmp_path / "other").read_bytes()
    assert os.listdir(tmp_path) == []


def place(kind, path):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
    else:
        path.symlink_to(f"/dev/{kind}")


READERS = {
    "load": lambda path: minnet.load(network(), path),
    "load_safetensors": lambda path: load_safetensors(network(), path),
    "HistogramProbe.load": HistogramProbe.load,
    "StatisticsProbe.load": StatisticsProbe.load,
    "read_csv": minnet.datasets.read_csv,
    "from_csv": lambda path: minnet.datasets.from_csv(path, "kind"),
    "read_source": read_source,
    "read_bytes": lambda path: read_bytes(path, "test"),
}


def in_time(work, seconds=60):
    """Call work in a thread, so that a call that blocks fails the test; return its error."""
    errors = []

    def run():
        try:
            work()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "the call blocks"
    return errors[0]


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("kind", ["pipe", "zero", "socket", "folder"])
def test_only_regular_files_are_read(reader, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    place(kind, path := tmp_path.relative_to(tmp_path) / "odd")
    error = in_time(lambda: reader(path))
    assert isinstance(error, OSError)
    got = "a folder" if kind == "folder" else "a pipe, socket or device"
    assert f"expected a regular file, got {got}; pass the path of a file" in str(error)
    assert "odd" in str(error)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_missing_file_is_named(reader, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file") as caught:
        reader(tmp_path / "missing")
    assert caught.value.filename == str(tmp_path / "missing")


@pytest.mark.parametrize("path", [None, 5, b"net.npz", ["net.npz"]])
def test_a_path_of_a_wrong_type_is_an_error_with_an_example(path):
    for function in (*READERS.values(), lambda path: minnet.save(network(), path)):
        if function is not read_source:
            with pytest.raises(TypeError, match=r"expected a path, got .*; use a str such as"):
                function(path)


def test_the_option_of_a_pipe_as_table_does_not_block(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.csv")
    codes = []
    arguments = ["run", "vanishing", "--csv", "pipe.csv", "--target", "kind"]
    thread = threading.Thread(target=lambda: codes.append(main(arguments)), daemon=True)
    thread.start()
    thread.join(60)
    assert codes == [1]
    assert "run: expected a regular file" in capsys.readouterr().err


def test_reading_is_limited(tmp_path):
    write_text(tmp_path / "file", "x" * 100)
    assert read_bytes(tmp_path / "file", "test", 100) == b"x" * 100
    with pytest.raises(OSError, match="expected at most 99 bytes, got more; shorten"):
        read_bytes(tmp_path / "file", "test", 99)


def test_reset_keeps_the_answer_if_the_stub_cannot_be_written(tmp_path):
    exercises.init(tmp_path)
    answer = tmp_path / "e03_softmax_cross_entropy.py"
    answer.write_text("my answer")
    with file_size(20), pytest.raises(OSError, match="cannot write"):
        exercises.reset(find(3), tmp_path)
    assert answer.read_text() == "my answer"


def test_an_array_in_column_order_is_read_in_its_order():
    array, file = np.asfortranarray(np.arange(6.0).reshape(2, 3)), io.BytesIO()
    np.save(file, array)
    np.testing.assert_array_equal(files.as_array(file.getvalue()), array)
