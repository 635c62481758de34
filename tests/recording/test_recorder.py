"""Both probes change nothing, keep no array of the network, and are restored from files."""

import copy
import gc
import io
import json
import pickle
import tracemalloc
import weakref
import zipfile
from weakref import WeakKeyDictionary

import numpy as np
import pytest

from minnet import (
    SGD,
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    HistogramProbe,
    Param,
    PReLU,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SoftmaxCrossEntropy,
    StatisticsProbe,
    fit,
    train_step,
)
from minnet.recording import EDGES, FINITE, recorder

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4))
LABELS = RNG.integers(0, 3, 40)
PROBES = [HistogramProbe, StatisticsProbe]
ALL = ("y", "dy", "dx", "weight", "weight_grad", "gamma", "slope_grad", "update")
both = pytest.mark.parametrize("make", PROBES)


def network(rng=0, dtype=np.float32):
    block = Residual(Dense(8, 8), PReLU())
    layers = [Dense(4, 8), BatchNorm(8), ReLU(), block, Dropout(0.2), Sigmoid(), Dense(8, 3)]
    return Sequential(layers, rng=rng, dtype=dtype)


def run(net, *probes, epochs=3):
    return fit(
        net, X, LABELS, loss=SoftmaxCrossEntropy(), optimizer=Adam(net, lr=0.01), epochs=epochs,
        batch_size=12, probes=probes, rng=1,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_are_bit_identical_with_and_without_probes(dtype):
    alone, recorded = network(dtype=dtype), network(dtype=dtype)
    run(alone)
    run(recorded, HistogramProbe(ALL), StatisticsProbe(ALL), HistogramProbe(max_values=5, every=2))
    assert recorded.theta.tobytes() == alone.theta.tobytes()
    assert recorded.grad.tobytes() == alone.grad.tobytes()
    for name, array in alone.state.items():
        np.testing.assert_array_equal(recorded.state[name], array)


@both
def test_buffers_are_neither_changed_nor_kept(make):
    net, probe = network(), make(ALL)
    run(net, probe, epochs=1)
    arrays = [net.theta, net.grad]
    arrays += [getattr(layer, kind) for _, layer in net.walk() for kind in ("x", "y", "dy", "dx")]
    before = [array.copy() for array in arrays]
    probe.observe(99, net)
    for array, copied in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copied)
    reachable, visited = [probe], set()
    while reachable:
        thing = reachable.pop()
        if id(thing) in visited or isinstance(thing, type):
            continue
        visited.add(id(thing))
        assert not isinstance(thing, Sequential)
        if isinstance(thing, WeakKeyDictionary):
            continue  # empty as soon as the network is deleted
        if isinstance(thing, np.ndarray):
            assert not any(np.shares_memory(thing, array) for array in arrays)
        elif isinstance(thing, (dict, list, tuple)):
            reachable += gc.get_referents(thing)
        else:
            reachable += [*getattr(thing, "__dict__", {}).values()]
    references = [weakref.ref(net), weakref.ref(net.theta), weakref.ref(net["dense1"])]
    del net, arrays, array
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


@both
def test_a_copy_continues_independently(make):
    net, probe = network(), make(ALL)
    run(net, probe, epochs=1)
    twin = pickle.loads(pickle.dumps(probe))
    probe.observe(99, net)
    twin.observe(99, net)
    for kind in ALL:
        assert probe.layers_of(kind) == twin.layers_of(kind)
        for layer in probe.layers_of(kind):
            steps = probe.steps(layer, kind)
            if kind == "update":  # only the original has that of the step before
                steps = steps[:-1]
            np.testing.assert_array_equal(twin.steps(layer, kind), steps)


def test_a_copy_has_the_counts_that_are_not_in_a_row_yet():
    net, probe = network(), HistogramProbe(["y"], slots=2)
    for step in range(7):  # rows of 4 steps, the second with 3 of them
        net.forward(np.full((5, 4), step, net.dtype), training=True)
        probe.observe(step, net)
    twins = [copy.deepcopy(probe), pickle.loads(pickle.dumps(probe))]
    net.forward(np.full((5, 4), 7, net.dtype), training=True)
    for each in (probe, *twins):
        each.observe(7, net)
    for twin in twins:
        for layer in probe.layers:
            np.testing.assert_array_equal(twin.counts(layer, "y"), probe.counts(layer, "y"))
            assert twin.coverage(layer, "y").tolist() == [1, 1]


@both
def test_layers_and_kinds_are_those_of_the_network(make):
    probe = make(ALL)
    run(network(), probe)
    assert probe.kinds == ALL
    assert probe.layers == (
        "dense1", "batchnorm1", "relu1", "residual1", "residual1.dense1", "residual1.prelu1",
        "dropout1", "sigmoid1", "dense2",
    )  # fmt: skip
    weights = ("dense1", "residual1.dense1", "dense2")
    assert probe.layers_of("weight") == probe.layers_of("update") == weights
    assert probe.layers_of("gamma") == ("batchnorm1",)
    assert probe.layers_of("slope_grad") == ("residual1.prelu1",)
    assert probe.layers_of("dx") == probe.layers[1:]  # that of the first layer was not computed
    np.testing.assert_array_equal(probe.steps("relu1", "y"), [[k, k] for k in range(12)])
    np.testing.assert_array_equal(probe.steps("dense1", "update"), [[k, k] for k in range(11)])


@both
def test_only_every_nth_step_is_observed_with_its_update(make):
    probe = make(["y", "update"], every=5, layers=["dense2"])
    run(network(), probe)
    assert probe.layers == ("dense2",)
    np.testing.assert_array_equal(probe.steps("dense2", "y")[:, 0], [0, 5, 10])
    np.testing.assert_array_equal(probe.steps("dense2", "update")[:, 0], [0, 5, 10])


@both
@pytest.mark.parametrize("budget", [0.02, 0.1, 0.5])
def test_recording_takes_no_more_than_its_share_of_the_time(make, budget, monkeypatch):
    now = 100.0  # seconds on a clock that only this test advances
    compiled = False

    class Slow(make):
        def _record(self, *arguments):
            nonlocal now, compiled
            now += 0.5 if compiled else 60.0
            compiled = True
            super()._record(*arguments)

    monkeypatch.setattr(recorder, "perf_counter", lambda: now)
    net, probe = network(), Slow(["y", "update"], budget=budget)
    loss, optimizer = SoftmaxCrossEntropy(), SGD(net)
    for step in range(400):
        now += 1.0
        train_step(net, X, LABELS, loss=loss, optimizer=optimizer, probes=[probe], step=step)
        if step == 200:
            # As in another process, where kernels are compiled again.
            probe, compiled = copy.deepcopy(probe), False
        if step == 300:
            now += 1e4  # a pause of the training does not increase the budget
    # Each observation took half a second, while training took 400 seconds. The first observation of
    # the probe and of its copy is not timed, and the last one of each may exceed the budget.
    affordable = min(2 * 400 * budget / (1 - budget), 396)
    assert 0.85 * affordable <= probe.observed <= affordable + 4
    steps = [probe.steps("dense1", kind)[0].tolist() for kind in ("y", "update")]
    assert steps[0] == steps[1]


@both
def test_unknown_layers_kinds_and_steps_raise_before_anything_is_recorded(make):
    net = network()
    loss, optimizer = SoftmaxCrossEntropy(), SGD(net)
    for probe, message in [
        (make(["weigth"]), r"expected kinds among y, dy, .*, got 'weigth'"),
        (make(layers=["dense7"]), r"expected layers among dense1, .*, got 'dense7'"),
    ]:
        theta = net.theta.copy()
        with pytest.raises(ValueError, match=message):
            train_step(net, X, LABELS, loss=loss, optimizer=optimizer, probes=[probe])
        np.testing.assert_array_equal(net.theta, theta)
        assert probe.layers == ()
    probe = make()
    train_step(net, X, LABELS, loss=loss, optimizer=optimizer, probes=[probe], step=3)
    with pytest.raises(ValueError, match=r"expected a step after 3, got 3; .*step="):
        train_step(net, X, LABELS, loss=loss, optimizer=optimizer, probes=[probe], step=3)
    for other in (Sequential([Dense(2, 2)]), copy.deepcopy(net)):
        with pytest.raises(ValueError, match="expected the network of the last step"):
            probe.observe(4, other)
    with pytest.raises(TypeError, match="expected a Sequential, got Dense"):
        probe.observe(4, Dense(2, 2))
    with pytest.raises(TypeError, match=r"expected step to be a whole number, got 4\.5"):
        probe.observe(4.5, net)
    assert probe.steps("dense1", "y").tolist() == [[3, 3]]
    assert probe.layers_of("update") == ()
    with pytest.raises(KeyError, match=r"expected a recorded layer \(dense1, .*\), got 'relu9'"):
        probe.steps("relu9", "y")
    with pytest.raises(
        KeyError, match=r"expected a recorded kind of 'relu1' \(y, dy\), got 'weight'"
    ):
        probe.steps("relu1", "weight")


@both
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"kinds": []}, TypeError), ({"kinds": [3]}, TypeError),
        ({"kinds": ["y", "y"]}, ValueError),
        ({"every": 0}, ValueError), ({"every": 2.0}, TypeError), ({"layers": []}, TypeError),
        ({"budget": 0}, ValueError), ({"budget": 1.0}, ValueError), ({"budget": "5%"}, TypeError),
    ],
)  # fmt: skip
def test_arguments_out_of_range_raise(make, arguments, error):
    with pytest.raises(error, match=f"{make.__name__}: expected .*{next(iter(arguments))}"):
        make(**arguments)


@both
def test_memory_is_bounded_on_a_run_of_any_length(make):
    net, probe = Sequential([Dense(1, 2)], rng=0), make(["y"])
    net.forward([[1.0]], training=True)
    sizes = {}
    for step in range(20_000):
        probe.observe(step, net)
        if step in (2_000, 19_999):
            sizes[step] = len(pickle.dumps(probe))
    assert sizes[19_999] <= sizes[2_000] * 1.1 + 40_000
    assert sizes[19_999] < 2_000_000
    ends = probe.steps("dense1", "y")
    assert (ends[0, 0], ends[-1, 1]) == (0, 19_999)
    np.testing.assert_array_equal(ends[1:, 0], ends[:-1, 1] + 1)


@pytest.mark.parametrize(("max_values", "of_rows", "of_single"), [(None, 12, 12), (6, 2, 3)])
def test_arrays_of_any_shape_and_layout_are_recorded(max_values, of_rows, of_single):
    values = np.arange(1.0, 25.0, dtype=np.float32)
    layouts = {
        "rows": values.reshape(6, 4),
        "transposed": values.reshape(4, 6).T,
        "strided": np.repeat(values, 2).reshape(6, 8)[:, ::2],
        "double": values.astype(np.float64).reshape(6, 4),
        "solid": values.reshape(6, 2, 2),
        "single": values,
    }
    layers = {name: ReLU() for name in layouts}
    layers["rows"].params["scalar"] = Param(np.float32(3.0))
    net = Sequential(list(layers.items()))
    layouts["rows"].flags.writeable = False
    probe = HistogramProbe(["y", "scalar"], max_values=max_values)
    for step in range(12):
        for name, array in layouts.items():
            net[name].y = array
        probe.observe(step, net)
    edges = [1, 2, 4, 8, 16, 32]
    once = np.histogram(values, edges)[0]
    for name in layouts:
        times = of_single if name == "single" else of_rows
        found = counts_between(probe, name, "y", edges)
        np.testing.assert_array_equal(found, times * once, name)
    assert counts_between(probe, "rows", "scalar", edges).tolist() == [0, 12, 0, 0, 0]


def counts_between(probe, layer, kind, edges):
    """Return the counts of all slots between edges that are among those of the bins."""
    total = probe.counts(layer, kind)[:, FINITE].sum(axis=0)
    return np.add.reduceat(total, np.searchsorted(EDGES, edges))[:-1]


def arrays_of(probe):
    return {name: array.copy() for name, array in probe._state().items()}


@both
def test_a_recording_is_restored_from_its_file_and_continues(make, tmp_path):
    net, probe = network(), make(ALL, every=2)
    run(net, probe)
    probe.save(tmp_path / "run.npz")
    again = make.load(tmp_path / "run.npz")
    assert repr(again) == repr(probe)
    assert (again.kinds, again.every, again.layers) == (probe.kinds, probe.every, probe.layers)
    twin = copy.deepcopy(probe)  # like the file, without the update that is not yet known
    for one in (twin, again):
        one.observe(30, net)
    old, new = arrays_of(twin), arrays_of(again)
    assert old.keys() == new.keys()
    for key, array in old.items():
        np.testing.assert_array_equal(new[key], array, str(key))
    with pytest.raises(ValueError, match="expected a step after 30, got 30"):
        again.observe(30, net)
    again.save(tmp_path / "again.npz")
    make.load(tmp_path / "run.npz").save(tmp_path / "third.npz")
    assert (tmp_path / "third.npz").read_bytes() == (tmp_path / "run.npz").read_bytes()


@both
def test_files_open_in_numpy_and_hold_no_pickle(make, tmp_path):
    probe = make()
    run(network(), probe)
    probe.save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz", allow_pickle=False) as file:
        assert len(file["steps"]) == 12


def tampered(path, change):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def set_to(*keys_and_value):
    *keys, last, value = keys_and_value

    def change(manifest):
        for key in keys:
            manifest = manifest[key]
        manifest[last] = value

    return change


@both
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_to("format", "minnet weights"), "expected format 'minnet (histograms|statistics)'"),
        (set_to("version", 1), r"expected version 3 or 4, got 1; read it with minnet \d"),
        (set_to("version", 5), "expected version 3 or 4, got 5"),
        (set_to("settings", "every", 0), "expected every to be at least 1, got 0"),
        (set_to("settings", "unknown", 3), "unknown"),
        (set_to("keys", "1", 3), "unpack"), (set_to("keys", {}), ""),
    ],
)  # fmt: skip
def test_the_error_for_a_wrong_manifest_names_the_reason(make, change, message, tmp_path):
    path, probe = tmp_path / "run.npz", make(["y"])
    run(network(), probe)
    probe.save(path)
    tampered(path, change)
    expected = rf"{make.__name__}.load: cannot read .*run.npz: .*{message}"
    with pytest.raises(ValueError, match=expected):
        make.load(path)


@both
def test_a_truncated_file_raises(make, tmp_path):
    path, probe = tmp_path / "run.npz", make(["y"], layers=["relu1"])
    run(network(), probe)
    probe.save(path)
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    for cut in rng.integers(0, len(good), 30):
        path.write_bytes(good[:cut])
        with pytest.raises(ValueError, match="cannot read"):
            make.load(path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        make.load(tmp_path / "none.npz")


def damage(path, name, change):
    """Change an array in a file whose checksums stay valid."""
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    array = np.load(io.BytesIO(members[f"{name}.npy"]))
    array = change(array.copy())
    stream = io.BytesIO()
    np.save(stream, array)
    members[f"{name}.npy"] = stream.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)


def at(index, value):
    def change(array):
        array[index] = value
        return array

    return change


COUNTS = [
    ("rows", at((0, 0, 0), 2**62)), ("rows", at((0, 0, 0), -1)),
    ("rows", lambda rows: rows + 1), ("rows", lambda rows: rows.astype(float)),
    ("rows", lambda rows: rows[:1]), ("rows", lambda rows: rows[:, :2]),
    ("blocks", lambda blocks: blocks[::-1] * 0), ("blocks", lambda blocks: blocks.astype(float)),
    ("blocks", at(0, -1)), ("blocks", at(0, 129 * 99)), ("epochs", lambda table: table[:, :2]),
    ("unit_rows", lambda rows: rows + 2**53), ("unit_rows", lambda rows: -rows),
    ("unit_rows", lambda rows: rows[:, :3]), ("unit_layers", lambda layers: layers * 9),
]  # fmt: skip
STEPS = [
    ("steps", at((1, 0, 0), 0)),
    ("steps", at((1, 0, 2), 5)),
    ("steps", at((0, 0, 2), 0)),
    ("steps", lambda steps: steps - 9),
    ("steps", lambda steps: steps * 2**60),
    ("steps", lambda steps: steps[::-1]),
    ("steps", lambda steps: steps.astype(float)),
]
NUMBERS = [
    ("rows", at((0, 1, 7), 1.5)), ("rows", at((0, 1, 8), 0.5)), ("rows", at((0, 1, 8), -1)),
    ("rows", at((0, 1, 1), -1.0)), ("rows", at((0, 1, 4), 1e9)),
    ("rows", lambda rows: rows[..., :5]),
    ("rows", lambda rows: rows.astype(np.float32)), ("unchanged.1", lambda steps: steps - 999),
    ("unchanged.1", lambda steps: steps + 0.5), ("last.1", lambda values: values[:1]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "name", "change"),
    [(HistogramProbe, *case) for case in COUNTS + STEPS]
    + [(StatisticsProbe, *case) for case in NUMBERS + STEPS],
)
def test_impossible_numbers_in_a_file_raise(make, name, change, tmp_path):
    units = {"units": True} if make is HistogramProbe else {}
    path, probe = tmp_path / "run.npz", make(["y"], layers=["relu1", "dense1"], **units)
    run(network(), probe, epochs=1)
    probe.save(path)
    damage(path, name, lambda array: array)
    make.load(path)
    damage(path, name, change)
    with pytest.raises(ValueError, match=r"cannot read .*run.npz: "):
        make.load(path)


@both
def test_a_file_cannot_demand_memory_for_rows_that_it_does_not_have(make, tmp_path):
    path, probe = tmp_path / "run.npz", make(["y"], layers=["relu1"])
    run(network(), probe, epochs=1)
    probe.save(path)
    name = "slots" if make is HistogramProbe else "points"
    tampered(path, set_to("settings", name, 2**20))
    tracemalloc.start()
    again = make.load(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    np.testing.assert_array_equal(again.steps("relu1", "y"), probe.steps("relu1", "y"))
    tampered(path, set_to("settings", name, 10**9))
    with pytest.raises(ValueError, match=f"expected {name} to be at most 1048576, got 10000000"):
        make.load(path)


@both
def test_a_file_cannot_demand_memory_for_keys_that_it_does_not_have(make, tmp_path):
    path, probe = tmp_path / "run.npz", make(["y"], layers=["relu1"])
    run(network(), probe, epochs=1)
    probe.save(path)
    tampered(path, lambda manifest: manifest["keys"].update({f"{k}": ["", k] for k in range(9999)}))
    tracemalloc.start()
    with pytest.raises(ValueError, match="cannot read"):
        make.load(path)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@both
def test_keys_that_occur_twice_raise(make, tmp_path):
    path, probe = tmp_path / "run.npz", make(["y"])
    run(network(), probe, epochs=1)
    probe.save(path)
    tampered(path, set_to("keys", "2", ["dense1", "y"]))
    with pytest.raises(ValueError, match="expected different keys"):
        make.load(path)
