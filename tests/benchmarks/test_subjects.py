"""Subjects: candidates, reports, and that the timed work is the documented one."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minnet as m
from benchmarks import (
    alignment,
    batchnorm,
    comparison,
    measuring,
    recording,
    scaling,
    startup,
    step,
    tables,
)
from benchmarks.__main__ import SUBJECTS, main
from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import Report, Result, Spread
from benchmarks.networks import NETWORKS, Network, networks
from benchmarks.peers import floor, programs
from benchmarks.peers import minnet as mine

ROOT = Path(__file__).parents[2]
SMALL = networks(quick=True)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Output and JSON of `python -m benchmarks step --quick` for minnet and the floor."""
    out = tmp_path_factory.mktemp("benchmarks")
    arguments = ["step", "--quick", "--only", "minnet", "floor", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    return done.stdout, json.loads((out / "step.json").read_text("utf-8"))


def test_step_reports_every_network_with_its_ratio_to_the_floor(quick):
    text, _ = quick
    for name, network in SMALL.items():
        assert f"{name}: {network}" in text
    assert text.count("\nminnet over the floor: ") == len(SMALL)
    assert text.count("geometric mean, minnet over the floor: ") == 1
    assert "load before the start: " in text
    assert "threads of minnet" in text


def test_step_writes_every_round_with_versions_and_threads(quick):
    _, written = quick
    assert written["plan"]["rounds"] == 2
    assert written["surroundings"]["installed"]["numpy"] == np.__version__
    assert list(written["contests"]) == list(SMALL)
    for results in written["contests"].values():
        names = [result["name"] for result in results]
        assert names == ["minnet", "minnet calls alone", "minnet optimizer alone", "floor"]
        for result in results:
            assert result["trouble"] is None
            assert len(result["seconds"]) == 2
            assert min(result["seconds"]) > 0
            assert result["facts"]["threads"]
    ours, _, _, bare = (result["seconds"] for result in written["contests"]["iris"])
    over = written["figures"]["iris: minnet over the floor"]
    each = [a / b for a, b in zip(ours, bare, strict=True)]
    assert over == {
        "median": pytest.approx(np.median(each)), "lowest": min(each), "highest": max(each)
    }  # fmt: skip


def test_the_calls_alone_do_all_work_of_batch_normalization(monkeypatch):
    layers = []

    class Kept(m.BatchNorm):
        def __init__(self, *args):
            super().__init__(*args)
            layers.append(self)

    monkeypatch.setattr(m, "BatchNorm", Kept)
    make_calls = mine.batchnorm_calls_alone(6, 4)
    (layer,) = layers
    y, dx = layer.y.copy(), layer.dx.copy()
    layer.y[:], layer.dx[:], layer.gamma.grad[:] = 0, 0, 0
    make_calls()
    np.testing.assert_array_equal(layer.y, y)
    np.testing.assert_array_equal(layer.dx, dx)
    assert layer.gamma.grad.all()


def test_counting_alone_repeats_the_counting_calls_of_one_step(monkeypatch):
    noted = []
    monkeypatch.setattr(mine, "_repeat", lambda calls: lambda: noted.append(calls))
    mine.counting_alone(Network((4, 8, 3), batch=16), 5, kinds=["y", "dy"])()
    assert len(noted) == 5
    counted = [array for call in noted[0] for array in flat(call.args) if array.dtype == np.float32]
    values = [array.size for array in counted if array.shape[1] in (8, 3)]
    assert sum(values) >= 2 * 16 * (8 + 8 + 3)
    assert {call.func.__module__ for call in noted[0]} == {"minnet.kernels.histograms"}


def flat(args):
    """Return the arrays among arguments and inside tuples of them."""
    for arg in args:
        if isinstance(arg, tuple):
            yield from flat(arg)
        elif isinstance(arg, np.ndarray):
            yield arg


@pytest.mark.parametrize("name", SMALL)
def test_the_calls_alone_update_the_weights_like_a_step(name, monkeypatch):
    networks = []

    class Kept(m.Sequential):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            networks.append(self)

    monkeypatch.setattr(m, "Sequential", Kept)
    network = dataclasses.replace(SMALL[name], optimizer="sgd")  # Adam's call has the step's number
    take_step, make_calls = mine.step(network), mine.calls_alone(network)
    for act in (take_step, take_step, take_step, take_step, make_calls, make_calls):
        act()  # noting the calls took two steps
    stepped, called = networks
    assert stepped.theta.tobytes() == called.theta.tobytes()


def test_missing_peers_are_reported_in_the_table(monkeypatch, capsys):
    monkeypatch.setattr(measuring, "find_spec", lambda name: None)
    assert main(["step", "--quick", "--only", "torch", "jax", "keras"]) == 0
    output = capsys.readouterr().out
    for library in ("torch", "jax", "keras"):
        assert f"missing: {library} not installed" in output
    assert "over minnet" not in output


def test_step_has_every_variant_of_every_peer():
    libraries = [c.library for c in step.candidates(NETWORKS["iris"])]
    assert libraries == [*["minnet"] * 3, "floor", *["torch"] * 4, "jax", "keras"]
    assert step.FIRST in [c.name for c in step.candidates(NETWORKS["iris"])]


def test_the_best_peer_is_the_same_for_all_rounds_and_not_minnet_or_the_floor():
    def result(name, *seconds):
        needs = () if name in ("minnet", "floor") else (name,)
        return Result(Candidate(name, "x:y", needs=needs), list(seconds))

    results = [
        result("minnet", 1, 1, 1), result("floor", 0.1, 0.1, 0.1), result("torch", 2, 9, 9),
        result("jax", 4, 4, 4), result("keras"),
    ]  # fmt: skip
    assert step.fastest_peer(results) == "jax"
    assert step.fastest_peer(results[:2]) == ""


def test_the_networks_are_those_of_the_articles():
    sizes = {name: (network.sizes, network.batch) for name, network in NETWORKS.items()}
    assert sizes == {
        "iris": ((4, 64, 32, 16, 3), 120),
        "vanishing": ((784, 1000, 1000, 1000, 1000, 1000, 10), 100),
        "initializers": ((784, 512, 256, 128, 64, 10), 32),
        "batchnorm": ((784, 128, 64, 10), 128),
    }
    x, y = NETWORKS["iris"].data()
    assert (x.shape, x.dtype, y.shape, y.max()) == ((120, 4), np.float32, (120,), 2)


@pytest.mark.parametrize("batchnorm", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_minnet_and_pytorch_train_the_same_network(batchnorm, optimizer):
    pytest.importorskip("torch")
    from benchmarks.peers import torch as peer

    network = Network((4, 8, 3), batch=16, batchnorm=batchnorm, optimizer=optimizer, lr=0.05)
    modules = list(peer._layers(network))
    layers = mine._layers(network)
    kinds = {"Linear": "Dense", "BatchNorm1d": "BatchNorm", "ReLU": "ReLU"}
    assert [kinds[type(module).__name__] for module in modules] == [
        type(i).__name__ for i in layers
    ]
    hidden = 4 * 8 + (2 * 8 if batchnorm else 8)  # gamma and beta replace the bias
    assert sum(p.numel() for module in modules for p in module.parameters()) == hidden + 8 * 3 + 3
    for train in (mine.step(network), peer.step(network), peer.step(network, optimizer="fused")):
        losses = [train() for _ in range(100)]
        assert losses[0] == pytest.approx(np.log(3), abs=0.6)
        assert losses[-1] < losses[0]


@pytest.mark.parametrize("batchnorm", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_minnet_and_jax_have_the_same_losses(batchnorm, optimizer):
    pytest.importorskip("jax")
    from benchmarks.peers import jax as peer

    network = Network(
        (6, 8, 7, 3), batch=16, activation="sigmoid", batchnorm=batchnorm, optimizer=optimizer,
        momentum=0.9, lr=0.01,
    )  # fmt: skip
    net = m.Sequential(mine._layers(network))
    dense = [layer for layer in net.layers if isinstance(layer, m.Dense)]
    for layer, params in zip(dense, peer._initial(network)[0], strict=True):
        layer.weight.value = params["weight"]
    rule = m.Adam(net, lr=0.01) if optimizer == "adam" else m.SGD(net, lr=0.01, momentum=0.9)
    x, y = network.data()
    loss, theirs = m.SoftmaxCrossEntropy(), peer.step(network)
    for _ in range(30):
        assert theirs() == pytest.approx(m.train_step(net, x, y, loss=loss, optimizer=rule), 1e-4)


@pytest.mark.parametrize("batchnorm", [False, True])
def test_keras_trains_the_network(batchnorm, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax" if measuring.find_spec("jax") else "torch")
    pytest.importorskip("keras")
    from benchmarks.peers import keras as peer

    train = peer.step(Network((4, 8, 3), batch=16, batchnorm=batchnorm, lr=0.05))
    losses = [train() for _ in range(50)]
    assert losses[-1] < losses[0] < 2


def test_recording_in_pytorch_takes_a_histogram_of_every_tensor():
    torch = pytest.importorskip("torch")
    from benchmarks.peers import torch as peer

    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    watch = peer.Watch(model, recording.ALL)
    model(torch.randn(5, 4)).sum().backward()
    assert len(watch.histograms) == 3 + 3  # y and dy of three layers
    watch.before_update()
    assert len(watch.histograms) == 6 + 2 * 2  # two weights and their gradients
    assert watch.histograms[0].sum() == 5 * 8


def test_the_floor_computes_only_the_products_of_a_step(monkeypatch):
    shapes = []

    def dot(a, b, out):
        shapes.append((a.shape, b.shape, out.shape))

    monkeypatch.setattr(floor.np, "dot", dot)
    floor.step(Network((4, 8, 3), batch=5))()
    assert shapes == [
        ((5, 4), (4, 8), (5, 8)), ((5, 8), (8, 3), (5, 3)),  # forward
        ((8, 5), (5, 3), (8, 3)), ((5, 3), (3, 8), (5, 8)), ((4, 5), (5, 8), (4, 8)),
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(6, 4), (7, 4)])
def test_the_floor_of_batch_normalization_copies_the_bytes_of_nine_passes(shape, monkeypatch):
    copied = []
    monkeypatch.setattr(floor.np, "copyto", lambda to, a: copied.append(to.nbytes + a.nbytes))
    floor.batchnorm(*shape)()
    once = 4 * shape[0] * shape[1]
    assert sum(copied) in (9 * once, 9 * once - 4 * shape[1])  # an odd row has no half


def test_batch_normalization_is_compared_with_its_bounds_and_peers():
    names = [c.name for c in batchnorm.candidates(4, 3)]
    assert names == [
        "minnet", "minnet calls alone", "floor", "torch BatchNorm1d", "torch compile", "jax jit"
    ]  # fmt: skip
    plan = Plan(quick=True, rounds=2, seconds=0.01, only=frozenset(["minnet", "floor"]))
    figures = batchnorm.run(plan).figures
    assert set(figures) == {
        f"{shape}: {label} over floor"
        for shape in batchnorm.SHAPES[:2]
        for label in ("minnet", "minnet calls alone")
    }


def test_a_recording_is_warmed_up_by_one_step_and_timed_over_all_steps():
    network, observed = NETWORKS["iris"], []
    work = mine.steps(network, 7, probe="histograms", kinds=["y"])
    original = m.HistogramProbe.observe

    def observe(self, step, net):
        observed.append(step)
        original(self, step, net)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(m.HistogramProbe, "observe", observe)
        work.warm_up()
        work()
        work()
    assert observed == [0, *range(7), *range(7)]  # a new recording each time


def test_a_measured_step_reports_the_bytes_that_it_keeps():
    network = Network((256, 256, 256, 10), batch=64)
    kept = mine.MeasuredStep(network).facts["bytes"]
    parameters = 2 * (256 * 256 + 256) + 256 * 10 + 10
    buffers = 64 * (6 * 256 + 10)  # x of the network, y and dx of four layers, the logits
    assert 4 * (4 * parameters + buffers) < kept < 1.5 * 4 * (4 * parameters + buffers)


def test_recorded_steps_are_compared_with_bare_steps_of_the_same_library():
    candidates = recording.candidates(NETWORKS["iris"], 10)
    assert [c.name for c in candidates if "kinds" not in c.arguments] == [
        "minnet",
        "torch eager, fused",
    ]
    assert {c.library for c in candidates} == {"minnet", "torch"}


def test_a_program_has_its_own_cache_and_reports_its_failure(tmp_path):
    log = tmp_path / "log"
    code = f"import os; print(os.environ['MINNET_CACHE_DIR'], file=open({str(log)!r}, 'a'))"
    for cache, folders in (("kept", 1), ("none", 2)):
        work = programs.Program(code, cache=cache)
        work()
        work()
        assert len(set(log.read_text().split())) == folders
        work.place.cleanup()
        log.unlink()
    bad = programs.Program("raise ValueError('reason')")
    with pytest.raises(RuntimeError, match=r"^ValueError: reason$"):
        bad()
    bad.place.cleanup()


def test_startup_runs_complete_programs_and_the_bare_interpreter():
    names = {name: [c.name for c in entrants] for name, entrants in startup.contests().items()}
    assert names["import"] == ["python alone", "numpy", "minnet", "torch", "jax", "keras"]
    assert names["iris, end to end"] == [startup.RUN, startup.SCRIPT, startup.BOTH]
    uncached = startup.contests()["first step (iris)"][1]
    assert (uncached.name, uncached.arguments["cache"]) == (startup.UNCACHED, "none")


def test_the_exponent_is_fitted_to_the_larger_half():
    sizes = [1, 2, 4, 8, 16, 32]
    assert scaling.exponent(sizes, [7, 7, 7, *(3 * s**1.5 for s in sizes[3:])]) == pytest.approx(
        1.5
    )
    assert np.isnan(scaling.exponent([4], [1.0]))


def test_the_figure_of_scaling_has_time_above_and_memory_below():
    pytest.importorskip("matplotlib")
    report = Report({}, "")
    for axis in ("width", "depth", "batch"):
        report.contests[axis] = [
            Result(scaling._candidate(library, axis, size, network), [1e-3 * size], {"bytes": size})
            for size, network in scaling.networks(axis).items()
            for library in scaling.LIBRARIES
        ]
    figure = scaling.draw(report)
    above, below = figure.axes[:3], figure.axes[3:]
    assert [len(ax.lines) for ax in above] == [2, 2, 2]
    assert [ax.get_xlabel() for ax in below] == ["width", "depth", "batch"]
    assert below[0].lines[0].get_ydata()[0] == 64 / 1e6
    assert above[0].lines[0].get_ydata()[0] == pytest.approx(64)


def test_a_table_shows_the_reason_in_place_of_a_missing_ratio():
    good = Result(Candidate("minnet", "x:y"), [1e-3, 1e-3])
    slow = Result(Candidate("torch eager", "x:y", needs=["torch"]), [2e-3, 3e-3])
    gone = Result(Candidate("jax jit", "x:y", needs=["jax"]), trouble="missing: jax not installed")
    assert tables.contest([good, slow, gone], to="minnet").splitlines()[1:] == [
        "minnet       1.00 ms",
        "torch eager  2.50 ms  2.50x (2.00 to 3.00) of minnet",
        "jax jit            -  missing: jax not installed",
    ]
    assert tables.times(Spread(1.5, 1.0, 2.0)) == "1.50x (1.00 to 2.00)"


@pytest.mark.parametrize(
    "arguments", [["--rounds", "0"], ["--seconds", "-1"], ["speed"], ["step", "speed"]]
)
def test_the_command_rejects_invalid_arguments(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert "error" in capsys.readouterr().err


def test_alignment_compares_the_same_step_with_plain_buffers():
    network = dataclasses.replace(SMALL["iris"], optimizer="sgd")
    take_step, plain = mine.step(network), mine.plain_step(network)
    take_step()  # plain_step has taken one step
    assert [take_step() for _ in range(3)] == [plain() for _ in range(3)]
    plan = Plan(quick=True, rounds=2, seconds=0.01)
    figures = alignment.run(plan).figures
    assert set(figures) == {f"{name}: numpy.empty over aligned" for name in SMALL}


def test_plain_steps_allocate_with_numpy_and_restore_the_aligned_allocation(monkeypatch):
    from minnet import memory

    before, networks = memory.empty, []

    class Kept(m.Sequential):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            networks.append(self)

    monkeypatch.setattr(m, "Sequential", Kept)
    for make in (mine.step, mine.plain_step):
        make(SMALL["iris"])()
    assert memory.empty is before
    aligned, plain = networks
    assert aligned.theta.base is not None
    assert plain.theta.base is None


def test_two_source_trees_are_compared_by_the_ratio_of_medians():
    plan = Plan(quick=True, rounds=2, warm=0.0, seconds=0.01, only=frozenset(["minnet"]))
    candidates = {"iris": step.contests(quick=True)["iris"]}
    report = comparison.run(candidates, plan, ROOT)
    names = [result.candidate.name for result in report.contests["iris"]]
    assert names[:2] == ["minnet", "minnet (other tree)"]
    ours, theirs = report.contests["iris"][:2]
    ratio = np.median(ours.seconds) / np.median(theirs.seconds)
    assert report.figures["iris: minnet, ratio of medians"] == pytest.approx(ratio)
    assert f"{ratio:.3f}" in report.text


def test_a_folder_without_minnet_cannot_be_compared(tmp_path, capsys):
    assert main(["step", "--quick", "--against", str(tmp_path)]) == 1
    assert "expected a folder with the package minnet, got" in capsys.readouterr().err


def test_several_subjects_are_measured_in_one_call(monkeypatch, capsys):
    measured = []
    for name, subject in SUBJECTS.items():
        monkeypatch.setattr(
            subject, "run", lambda plan, name=name: measured.append(name) or Report(text=name)
        )
    assert main(["startup", "step", "--quick"]) == 0
    assert measured == ["startup", "step"]
    assert main(["--quick"]) == 0
    assert measured[2:] == list(SUBJECTS)
