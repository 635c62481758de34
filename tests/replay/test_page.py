"""The page as a file: safety, limits, vendored files, arguments, command and notebook form."""

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minnet
from minnet.__main__ import main
from minnet.replay import page as page_module
from minnet.replay.packing import pack

REPLAY = Path(page_module.__file__).parent
# SHA-256 of the files as published on npm.
D3 = {
    "d3-array": "468f7b9ed38d6322083da4d5ae9fa57d47784f964f16dcff96e413d16cc8f9d9",
    "d3-axis": "3e2b821c13b93ccdb8f14e52494682ab94794cd2e29e3fc3fc56fac03b3478cd",
    "d3-color": "41ebabc615acf63e5af87a1d565f16c3ce73f00c1394772a624780f7c6c7244b",
    "d3-format": "1322666da5c4c006a4ea248d7f03afc861fbfb4b1692ee695e4192b76328dceb",
    "d3-interpolate": "09b66887d084b49bf14c93867522e366ce846bee53b9f632c1c3a5e2b00f891a",
    "d3-path": "36dda9df886369e3343fc53e4ec9e9d74250f8edaace324240f26ca15654c55e",
    "d3-scale": "d76988731b337e1fdd130912f4e8363b3d7895d83f0b7685c86d87ece50712e9",
    "d3-selection": "1dcd563b613b841dbe5a536df5289b0ac64c233a21bc1e954651cbe2a4809877",
    "d3-shape": "aff7509747a1df82e41e16fd70868bf029de6032f7d5ab211ad415599b2b15df",
    "d3-time": "0ca660b9dedd9ff16964146d792f2204927f8e72d6933a46199b41929cb539cc",
    "d3-time-format": "93b3b6ff5438723409c6540ae7abe4ab975be11e7d3a78f0b7c0bf28491f7145",
}


def tiny(layers=None, **arguments):
    """Return the replay of one step."""
    net = minnet.Sequential(layers or [minnet.Dense(3, 2)], rng=0)
    probe = minnet.HistogramProbe(["y", "dy"])
    x = np.random.default_rng(0).normal(size=(4, 3))
    loss = minnet.MeanSquaredError()
    minnet.train_step(net, x, x[:, :2], loss=loss, optimizer=minnet.SGD(net), probes=[probe])
    return minnet.replay(probe, **arguments)


def test_vendored_files_are_those_of_npm():
    files = {path.name: path for path in (REPLAY / "d3").glob("*.js")}
    assert (
        {name.removesuffix(".min.js") for name in files}
        == set(D3)
        == {f"d3-{name}" for name in page_module.D3}
    )
    for name, digest in D3.items():
        assert hashlib.sha256(files[f"{name}.min.js"].read_bytes()).hexdigest() == digest
    for name in ("LICENSE", "LICENSE-path"):
        text = (REPLAY / "d3" / name).read_text("utf-8")
        assert "Mike Bostock" in text
        assert "Permission to use, copy, modify, and/or distribute" in text


def test_the_policy_allows_the_scripts_of_the_page_and_nothing_else(page):
    text = page("healthy").html
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    for kind, tag in (("script-src", "script"), ("style-src", "style")):
        bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        sums = [
            base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in bodies
        ]
        assert rules[kind].split() == [f"'sha256-{digest}'" for digest in sums]
    assert not re.search(r"""(src|href)\s*=\s*["'](https?:)?//""", text)
    assert " style=" not in text  # the policy would ignore it


@pytest.mark.parametrize(
    "name", ["</script><b>", "<!--<script>", "a&b\"'", "\u4e2d\u6587", "\ud800x"]
)
def test_titles_and_names_cannot_end_the_script(name):
    text = tiny([(name, minnet.Dense(3, 2))], title=name).html
    inside = text.split('<script id="text" type="application/json">')[1].split("</script>")[0]
    assert "<" not in inside
    assert name in eval_names(inside)
    assert text.count("<script") == 4
    text.encode()


def eval_names(text):
    return [layer["name"] for layer in json.loads(text)["value"]["runs"][0]["layers"]]


def test_numbers_outside_the_arrays_are_finite():
    with pytest.raises(ValueError, match="JSON"):
        pack({"value": float("nan")})
    net = minnet.Sequential([minnet.Dense(3, 2)], rng=0)
    probe = minnet.HistogramProbe(["y"])
    net.forward(np.ones((4, 3)), training=True)
    net.y[...] = [np.inf, np.nan]
    probe.observe(0, net)
    assert "NaN" not in minnet.replay(probe).html.split('id="text"')[1].split("</script>")[0]


def test_equal_recordings_give_equal_pages(recorded):
    first, second = (minnet.replay(*recorded("healthy"), title="a") for _ in range(2))
    assert first.html == second.html


def test_pages_stay_small(page):
    assert len(page("two").html) < 2e6
    assert len(page("long").html) < 1e6


def test_a_page_that_is_too_large_is_an_error_with_advice(recorded, monkeypatch, tmp_path):
    monkeypatch.setattr(page_module, "MOST_BYTES", 100_000)
    with pytest.raises(ValueError, match=r"at most 100,000 bytes, got .*layers=\[\.\.\.\]"):
        minnet.replay(*recorded("healthy")).save(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_save_writes_the_page(tmp_path):
    page = tiny(title="a")
    page.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text("utf-8") == page.html
    with pytest.raises(FileNotFoundError, match="no such folder"):
        page.save(tmp_path / "nothing" / "page.html")


def test_the_inline_form_is_a_sandboxed_frame_and_a_line_of_text():
    page = tiny(title='a "quoted" title')
    inline = page._repr_html_()
    frame = re.search(
        r'<iframe title="([^"]*)" sandbox="allow-scripts"[^>]*srcdoc="([^"]*)"', inline
    )
    assert html.unescape(frame[1]) == 'Replay: a "quoted" title'
    assert html.unescape(frame[2]) == page.html
    assert "trust this notebook" in inline


def test_findings_are_in_the_page(recorded):
    finding = SimpleNamespace(
        cause="dead_units", layer="relu2", step=np.int64(12), confidence=np.float32(0.5),
        explanation="Half of the units are dead.", remedies=[],
    )  # fmt: skip
    diagnosis = SimpleNamespace(findings=[finding])
    text = minnet.replay(*recorded("healthy"), diagnosis=diagnosis).html
    assert '"cause": "dead_units", "layer": "relu2", "step": 12, "confidence": 0.5' in text


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"histograms": 3}, TypeError, "expected histograms as HistogramProbe, got int"),
    ({"statistics": 3}, TypeError, "expected statistics as StatisticsProbe, got int"),
    ({"history": 3}, TypeError, "expected history as History, got int"),
    ({"other": 3}, TypeError, "expected other as Replay, got int"),
    ({"title": 3}, TypeError, "expected title as str, got int"),
    ({}, ValueError, "expected a recording of at least one step"),
    ({"histograms": minnet.HistogramProbe()}, ValueError, r"probes=\[histograms\]"),
])  # fmt: skip
def test_wrong_arguments_are_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        minnet.replay(**arguments)


def test_a_page_shows_at_most_two_trainings():
    two = tiny(other=tiny())
    assert repr(two) == "Replay('first run and second run'; 1 and 1 layers)"
    with pytest.raises(ValueError, match="the replay of one training"):
        tiny(other=two)


def test_the_second_training_can_be_given_by_its_recordings(recorded):
    parts = recorded("short")
    given, replayed = (
        minnet.replay(*recorded("healthy"), other=other) for other in (parts, minnet.replay(*parts))
    )
    assert given.html == replayed.html


def test_a_recording_without_gradients_or_outputs_is_shown(recorded):
    _, statistics, _ = recorded("healthy")
    assert "relu1" in minnet.replay(statistics=statistics).html
    net = minnet.Sequential([minnet.Dense(3, 2)], rng=0)
    probe = minnet.HistogramProbe(["weight"])
    net.forward(np.ones((4, 3)), training=True)
    probe.observe(0, net)
    with pytest.raises(ValueError, match="y or dy"):
        minnet.replay(probe)


def test_a_recording_can_continue_after_its_replay(recorded):
    histograms, _, _ = recorded("one step")
    before = histograms.counts("dense1", "y").copy()
    minnet.replay(histograms)
    np.testing.assert_array_equal(histograms.counts("dense1", "y"), before)


# The command.


@pytest.fixture(scope="module")
def files(recorded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for name in ("healthy", "short"):
        histograms, statistics, _ = recorded(name)
        histograms.save(folder / f"{name}.npz")
        statistics.save(folder / f"{name}.statistics.npz")
    return folder


def test_the_command_writes_a_page(files, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main(["replay", str(files / "healthy.npz"), "-o", str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: ")
    assert "<h1>healthy</h1>" in out.read_text("utf-8")


def test_the_command_compares_two_trainings_with_their_statistics(files, tmp_path, recorded):
    out = tmp_path / "page.html"
    names = ("healthy.npz", "short.npz", "healthy.statistics.npz", "short.statistics.npz")
    arguments = [str(files / name) for name in names]
    assert main(["replay", *arguments, "-o", str(out), "--title", "first", "second"]) == 0
    text = out.read_text("utf-8")
    assert "<h1>first and second</h1>" in text
    loaded = [
        (minnet.HistogramProbe.load(files / f"{name}.npz"),
         minnet.StatisticsProbe.load(files / f"{name}.statistics.npz"))
        for name in ("healthy", "short")
    ]  # fmt: skip
    other = minnet.replay(*loaded[1], title="second")
    assert text == minnet.replay(*loaded[0], title="first", other=other).html


@pytest.mark.parametrize(("names", "message"), [
    (["nothing.npz"], "no such file"),
    (["healthy.npz"] * 3, "3 files of histograms and 0 of statistics"),
    (["healthy.npz", "short.npz", "short.statistics.npz"], "2 files of histograms and 1 of stat"),
    (["net.npz"], "expected a file of HistogramProbe.save or StatisticsProbe.save"),
])  # fmt: skip
def test_the_command_reports_wrong_files(files, tmp_path, capsys, names, message):
    minnet.save(minnet.Sequential([minnet.Dense(2, 2)], rng=0), files / "net.npz")
    arguments = [str(files / name) for name in names]
    assert main(["replay", *arguments, "-o", str(tmp_path / "page.html")]) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
