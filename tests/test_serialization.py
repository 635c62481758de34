"""Saving and loading: the same network, or an error that changes nothing.

Invalid files are made by hand: `tampered` unpacks a valid file, applies a change to its members or
its manifest, and packs it again with valid checksums of the zip.
"""

import errno
import io
import itertools
import json
import os
import pickle
import random
import resource
import signal
import stat
import struct
import sys
import tempfile
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnet import (
    SGD,
    BatchNorm,
    Dense,
    Dropout,
    Layer,
    LeakyReLU,
    PReLU,
    ReLU,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
)
from minnet.serialization import load, save

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4))
LABELS = RNG.integers(0, 3, 12)
# A child exits at once or is killed, so it does not need the threads of its parent.
forks = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


class Centre(Layer):
    """A user's layer with state: it subtracts the mean of all rows so far and counts them."""

    def __init__(self, width):
        self.in_features = self.out_features = width
        self.total = np.zeros(width)
        self.rows = np.zeros((), np.int64)

    @property
    def state(self):
        return {"total": self.total, "rows": self.rows}

    def compute(self, x, y, training):
        if training:
            self.total += x.sum(axis=0)
            self.rows += len(x)
        y[...] = x - self.total / max(int(self.rows), 1)

    def differentiate(self, dy, dx):
        dx[...] = dy


def every_kind(rng, dtype=np.float32):
    block = Residual(Dense(8, 8), BatchNorm(8), ReLU())
    layers = [Centre(4), Dense(4, 8), PReLU(), block, Dropout(0.2), ("out", Dense(8, 3))]
    return Sequential(layers, rng=rng, dtype=dtype)


def train(net, steps=3):
    loss, optimizer = SoftmaxCrossEntropy(), SGD(net, lr=0.1)
    for _ in range(steps):
        loss.forward(net.forward(X, training=True), LABELS)
        net.backward(loss.backward())
        optimizer.step()
    return net


def small(rng=1, dtype=np.float32):
    return Sequential([Dense(4, 5), ReLU(), BatchNorm(5), Dense(5, 3)], rng=rng, dtype=dtype)


def bits(net):
    """Return the saved arrays and the buffers of the last training step, as bytes."""
    arrays = {name: param.value for name, param in net.params.items()} | net.state
    buffers = {f"{name}.y": layer.y for name, layer in net.walk() if layer.y is not None}
    return {name: array.tobytes() for name, array in (arrays | buffers).items()}


def error_of(net, path, error=ValueError):
    """Return the message of the error that load raises for path without changing net."""
    before, theta = bits(net), net.theta
    with pytest.raises(error) as caught:
        load(net, path)
    assert type(caught.value) is error
    assert bits(net) == before
    assert net.theta is theta
    return str(caught.value)


def pack(path, members, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def tampered(path, change):
    """Apply change(members, manifest) to a valid file; a deleted manifest stays deleted."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    change(members, manifest)
    if "manifest.json" in members:
        members["manifest.json"] = json.dumps(manifest)
    pack(path, members)


def put(members, name, array):
    """Add an array, or replace it."""
    stream = io.BytesIO()
    np.save(stream, array)
    members[f"{name}.npy"] = stream.getvalue()


@pytest.fixture
def path(tmp_path):
    """Path of a valid file of `small`, alone in its folder."""
    save(small(), tmp_path / "net.npz")
    return tmp_path / "net.npz"


# The round trip.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loaded_network_equals_the_saved_one_bit_by_bit(tmp_path, dtype):
    net = train(every_kind(0, dtype))
    before = bits(net)
    save(net, tmp_path / "net.npz")
    assert bits(net) == before
    twin = every_kind(1, dtype)
    theta, rows = twin.theta, twin["centre1"].rows
    assert load(twin, tmp_path / "net.npz") is twin
    assert twin.theta is theta
    assert twin["centre1"].rows is rows
    assert rows == 36
    assert twin.params.keys() | twin.state.keys() < before.keys()
    assert bits(twin).items() <= before.items()
    assert not np.array_equal(twin["residual1.batchnorm1"].running_var, np.ones(8))
    np.testing.assert_array_equal(twin.predict(X), net.predict(X), strict=True)
    assert bits(train(twin)) == bits(train(net))


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_the_generator_of_dropout_continues_whatever_its_kind(tmp_path, kind):
    nets = [Sequential([Dropout(0.5)], rng=seed) for seed in (1, 2)]
    for seed, net in enumerate(nets):
        net["dropout1"].rng = np.random.Generator(getattr(np.random, kind)(seed))
    nets[0].forward(X, training=True)
    save(nets[0], tmp_path / "net")
    load(nets[1], tmp_path / "net")
    for _ in range(2):
        np.testing.assert_array_equal(*(net.forward(X, training=True) for net in nets))


def test_the_state_of_another_kind_of_generator_raises(tmp_path):
    nets = [Sequential([Dense(4, 4), Dropout(0.5)], rng=seed) for seed in (1, 2)]
    save(nets[0], tmp_path / "net")
    nets[1]["dropout1"].rng = np.random.Generator(np.random.MT19937(0))
    assert "MT19937" in error_of(nets[1], tmp_path / "net")


@settings(max_examples=30, deadline=None)
@given(widths=st.lists(st.integers(1, 9), min_size=2, max_size=5), seed=st.integers(0, 2**32))
def test_networks_of_any_shape_are_restored(widths, seed):
    def build(rng):
        layers = [Dense(a, b) for a, b in itertools.pairwise(widths)]
        return Sequential([*layers, BatchNorm(widths[-1])], rng=rng)

    net = build(seed)
    with tempfile.TemporaryDirectory() as folder:
        save(net, f"{folder}/net")
        assert bits(load(build(None), f"{folder}/net")) == bits(net)


def test_a_network_without_parameters_and_one_with_empty_state_are_restored(tmp_path):
    save(Sequential([ReLU()]), tmp_path / "relu")
    assert load(Sequential([ReLU()]), tmp_path / "relu").theta.size == 0
    nets = [Sequential([Centre(1), Dense(1, 1)]) for _ in range(2)]
    for net in nets:
        net["centre1"].total = np.zeros((0, 3))
    save(nets[0], tmp_path / "empty")
    assert bits(load(nets[1], tmp_path / "empty")) == bits(nets[0])


def test_after_load_an_optimizer_keeps_working_and_backward_requires_a_forward(path):
    net = train(small(rng=2), 0)
    optimizer = SGD(net, lr=1.0)
    dy = np.ones_like(net.forward(X, training=True))
    load(net, path)
    with pytest.raises(RuntimeError, match="forward"):
        net.backward(dy)
    assert net["dense1"].y is None
    net.forward(X, training=True)
    net.backward(dy)
    optimizer.step()
    np.testing.assert_array_equal(net.theta, small().theta - net.grad)


def test_numpy_opens_the_file_and_the_manifest_describes_it(tmp_path):
    net = train(every_kind(0))
    save(net, tmp_path / "net.npz")
    arrays = {name: param.value for name, param in net.params.items()} | net.state
    with np.load(tmp_path / "net.npz", allow_pickle=False) as file:
        manifest = json.loads(file["manifest.json"])
        assert set(file.files) == {"manifest.json", *arrays}
        for name, array in arrays.items():
            np.testing.assert_array_equal(file[name], array, strict=True)
    assert [manifest[key] for key in ("format", "version")] == ["minnet weights", 2]
    assert manifest["layers"] == {
        "centre1": "Centre(4)",
        "dense1": "Dense(4->8)",
        "prelu1": "PReLU()",
        "residual1": "Residual",
        "residual1.dense1": "Dense(8->8)",
        "residual1.batchnorm1": "BatchNorm(8)",
        "residual1.relu1": "ReLU()",
        "dropout1": "Dropout(0.2)",
        "out": "Dense(8->3)",
    }


def test_the_same_network_gives_the_same_bytes_at_another_time(path, tmp_path, monkeypatch):
    other = time.struct_time((2044, 4, 4, 4, 4, 4, 0, 95, 0))
    monkeypatch.setattr(time, "localtime", lambda *_: other)
    save(small(), tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_the_path_is_used_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(small(), "net [*] of.today")
    assert os.listdir() == ["net [*] of.today"]
    assert bits(load(small(rng=2), Path("net [*] of.today"))) == bits(small())


def test_a_link_still_points_to_the_replaced_file(path, tmp_path):
    link = tmp_path / "best"
    link.symlink_to("net.npz")
    save(small(rng=2), link)
    assert link.is_symlink()
    assert bits(load(small(), path)) == bits(small(rng=2))


def test_the_file_has_the_usual_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        save(small(), tmp_path / "net")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "net").stat().st_mode) == 0o640


# Files that load rejects.


def without(member):
    return lambda members, manifest: members.pop(member)


def holding(name, array):
    return lambda members, manifest: put(members, name, array)


def stating(**entries):
    return lambda members, manifest: manifest.update(entries)


def with_objects(members, manifest):
    stream = io.BytesIO()
    np.save(stream, np.array([print, None, 1, 2, 3], object), allow_pickle=True)
    members["dense1.bias.npy"] = stream.getvalue()


def with_a_false_header(members, manifest):
    data = members["dense1.bias.npy"]
    members["dense1.bias.npy"] = data.replace(b"(5,), }" + 11 * b" ", b"(500000000000,), }", 1)
    assert members["dense1.bias.npy"] != data


def transposed_in_the_header(members, manifest):
    members["dense1.weight.npy"] = members["dense1.weight.npy"].replace(b"(4, 5)", b"(5, 4)")


def cut_short(members, manifest):
    members["dense1.bias.npy"] = members["dense1.bias.npy"][:-4]


def with_another_kind(members, manifest):
    manifest["layers"]["relu1"] = "Tanh()"


def with_a_list_of_layers(members, manifest):
    manifest["layers"] = list(manifest["layers"])


def with_a_false_history(members, manifest):
    manifest["history"] = {"loss": [1.0]}


def ones(*shape):
    return np.ones(shape, np.float32)


DIFFERENCES = {
    "array 'dense2.bias': the file has none, the network float32 [3]": without("dense2.bias.npy"),
    "array 'dense9.weight': the file has float32 [2, 2], the network none": holding(
        "dense9.weight", ones(2, 2)
    ),
    "array 'dense1.weight': the file has float32 [2, 2], the network float32 [4, 5]": holding(
        "dense1.weight", ones(2, 2)
    ),
    "array 'dense1.weight': the file has float32 [5, 4], the network float32 [4, 5]": (
        transposed_in_the_header
    ),
    "array 'batchnorm1.running_var': holds NaN or infinity": holding(
        "batchnorm1.running_var", ones(5) * np.float32(np.nan)
    ),
    "array 'dense1.bias': holds NaN or infinity": holding(
        "dense1.bias", -ones(5) * np.float32(np.inf)
    ),
    "array '/tmp/outside': the file has float32 [5], the network none": holding(
        "/tmp/outside", ones(5)
    ),
    "layer 'relu1': the file has Tanh(), the network ReLU()": with_another_kind,
}


@pytest.mark.parametrize(("expected", "change"), DIFFERENCES.items())
def test_the_error_for_a_file_of_another_network_names_the_difference(path, expected, change):
    tampered(path, change)
    message = error_of(train(small(rng=2)), path)
    assert expected in message
    assert message.startswith(f"load: {path} does not match the network, which is unchanged:\n  ")
    assert "Build the network as it was when it was saved" in message


def test_frozen_parameters_are_saved(path):
    net = small()
    net["dense1"].trainable = False
    net["batchnorm1"].params["gamma"].trainable = False
    save(net, path)
    twin = small(rng=2)
    twin["dense2"].trainable = False
    flags = {name: param.trainable for name, param in load(twin, path).params.items()}
    frozen = ["dense1.weight", "dense1.bias", "batchnorm1.gamma"]
    assert [name for name, trainable in flags.items() if not trainable] == frozen
    loss, optimizer, before = SoftmaxCrossEntropy(), SGD(twin, lr=0.1), bits(twin)
    loss.forward(twin.forward(X, training=True), LABELS)
    twin.backward(loss.backward())
    optimizer.step()
    after = bits(twin)
    assert [name for name in frozen if before[name] != after[name]] == []
    assert before["dense2.weight"] != after["dense2.weight"]


def test_a_file_without_flags_makes_all_parameters_trainable(path):
    tampered(path, lambda members, manifest: manifest.pop("frozen"))
    twin = small(rng=2)
    twin["dense1"].trainable = False
    assert all(param.trainable for param in load(twin, path).params.values())


def test_a_negative_variance_or_number_of_steps_raises(path):
    tampered(path, lambda members, _: put(members, "batchnorm1.running_var", -np.ones(5, "f4")))
    assert "array 'batchnorm1.running_var': holds a negative variance" in error_of(small(), path)
    save(small(), path)
    tampered(path, stating(optimizer={"settings": {}, "lr": 0.1, "steps": -1}))
    assert "expected steps to be non-negative" in error_of(small(), path)


@pytest.mark.parametrize(
    ("frozen", "expected"),
    [
        (["dense9.bias"], "frozen 'dense9.bias': the network has no such parameter"),
        (5, "must be an iterable"),
        ([["dense1"]], "unhashable"),
    ],
)
def test_flags_of_other_parameters_raise_and_change_nothing(path, frozen, expected):
    tampered(path, stating(frozen=frozen))
    twin = small(rng=2)
    twin["dense1"].trainable = False
    assert expected in error_of(twin, path)
    assert not twin["dense1"].weight.trainable


def test_further_entries_of_the_manifest_are_ignored(path):
    tampered(path, lambda members, manifest: manifest.update(arrays={}, dtype="float32"))
    assert bits(load(small(rng=2), path)) == bits(small())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (with_objects, "OBJECT array"),
        (with_a_false_header, "cannot reshape array of size 5"),
        (cut_short, "cannot reshape array of size 4"),
        (without("manifest.json"), "it has no manifest.json, so minnet did not write it"),
        (stating(format="other weights"), "expected format 'minnet weights' in manifest.json"),
        (stating(version=3), "expected version 1 or 2, got 3; read it with minnet "),
        (lambda members, manifest: manifest.pop("layers"), "layers"),
        (with_a_list_of_layers, "not a mapping"),
        (with_a_false_history, "accuracy"),
    ],
)
def test_the_error_for_an_invalid_file_names_the_reason(path, change, expected):
    tampered(path, change)
    message = error_of(train(small(rng=2)), path)
    assert expected in message
    assert message.startswith(f"load: cannot read {path}: ")
    assert message.endswith("; use another copy, or create the file again")


def test_one_message_lists_every_problem(path):
    for change in DIFFERENCES.values():
        tampered(path, change)
    message = error_of(small(), path)
    assert all(f"\n  {text.split(':')[0]}: " in message for text in DIFFERENCES)


def test_the_message_for_another_network_has_one_line_for_each_layer_and_array_that_differs(path):
    other = Sequential([Dense(4, 6), LeakyReLU(), BatchNorm(6), Dense(6, 3)])
    lines = error_of(other, path).splitlines()[1:-1]
    assert "  layer 'dense1': the file has Dense(4->5), the network Dense(4->6)" in lines
    assert "  layer 'leakyrelu1': the file has none, the network LeakyReLU(0.01)" in lines
    assert len(lines) == 5 + 7  # dense2.bias alone fits


@pytest.mark.parametrize(
    ("name", "saved", "built"),
    [
        ("leakyrelu1", lambda: LeakyReLU(0.2), lambda: LeakyReLU(0.01)),
        ("batchnorm1", lambda: BatchNorm(3, eps=0.001), lambda: BatchNorm(3)),
    ],
)
def test_a_layer_with_another_setting_raises(tmp_path, name, saved, built):
    save(Sequential([saved()]), tmp_path / "net")
    message = error_of(Sequential([built()]), tmp_path / "net")
    assert f"layer '{name}': the file has {saved()}, the network {built()}" in message


def test_the_momentum_of_batchnorm_is_not_compared(tmp_path):
    save(Sequential([BatchNorm(3, momentum=0.5)]), tmp_path / "net")
    load(Sequential([BatchNorm(3)]), tmp_path / "net")


def test_the_same_layers_in_another_order_raise(tmp_path):
    save(Sequential([("a", Dense(3, 3)), ("b", Dense(3, 3))]), tmp_path / "net")
    message = error_of(Sequential([("b", Dense(3, 3)), ("a", Dense(3, 3))]), tmp_path / "net")
    assert "order of layers: the file has ['a', 'b'], the network ['b', 'a']" in message


@pytest.mark.parametrize(("here", "there"), [(np.float32, np.float64), (np.float64, np.float32)])
def test_arrays_of_another_dtype_raise(tmp_path, here, there):
    save(small(dtype=there), tmp_path / "net")
    message = error_of(small(dtype=here), tmp_path / "net")
    there, here = np.dtype(there), np.dtype(here)
    assert f"array 'dense1.bias': the file has {there} [5], the network {here} [5]" in message
    assert "dtype" in message.splitlines()[-1]


class Bomb:
    """An object that makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def compressed(path):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    pack(path, members, compression=zipfile.ZIP_DEFLATED)


def encrypted(path):
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2")
    data[entry + 8] |= 1
    path.write_bytes(data)


@pytest.mark.parametrize("make", [compressed, encrypted])
def test_a_compressed_or_encrypted_file_raises(path, make):
    make(path)
    error_of(train(small(rng=2)), path)


def packed(members):
    pack(stream := io.BytesIO(), members)
    return stream.getvalue()


def npz(**arrays):
    np.savez(stream := io.BytesIO(), **arrays)
    return stream.getvalue()


FOREIGN = {
    "a pickle": pickle.dumps(Bomb()),
    "a zip with a pickle": packed({"archive/data.pkl": pickle.dumps(Bomb())}),
    "an npz of objects": npz(weight=np.array([Bomb()], object)),
    "an npz of numpy's": npz(**{"dense1.weight": ones(4, 5)}),
    "a text": b"PK is how a zip begins\n" * 9,
    "nothing": b"",
    "an empty zip": packed({}),
    "no json": packed({"manifest.json": b"{'format': "}),
    "no unicode": packed({"manifest.json": b"\xff\xfe{}"}),
    "a bare list": packed({"manifest.json": b"[1, 2]"}),
    "deeply nested": packed({"manifest.json": b"[" * 900_000}),
}


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_save_did_not_write_raises_and_is_not_executed(path, data, monkeypatch):
    monkeypatch.chdir(path.parent)
    path.write_bytes(data)
    error_of(train(small(rng=2)), path)
    assert os.listdir() == ["net.npz"]


def squeezed(path, member):
    """Extend a member by 30 MB of zeros, compressed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    grown = members.pop(member) + bytes(30_000_000)
    pack(path, members)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, grown, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 50_000
    return "not compressed"


def claimed(path, member):
    """Declare a size of 2 GB for the member in the directory of the zip."""
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\1\2", 0, data.rindex(member.encode()))
    data[entry + 20 : entry + 28] = struct.pack("<LL", 2_000_000_000, 2_000_000_000)
    path.write_bytes(data)
    return "got 2,000,00"


def shaped(path, member):
    """Declare a shape of 2 GB in the header of an array."""
    tampered(path, with_a_false_header)
    return "cannot reshape"


@pytest.mark.parametrize("member", ["manifest.json", "dense1.bias.npy"])
@pytest.mark.parametrize("make", [squeezed, claimed, shaped])
def test_no_memory_is_allocated_for_a_declared_size(path, member, make):
    expected, net = make(path, member), small(rng=2)
    tracemalloc.start()
    try:
        message = error_of(net, path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert expected in message
    assert peak < 2_000_000


def test_a_missing_file_raises_file_not_found_error_with_the_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = error_of(small(), "net", FileNotFoundError)
    assert str(tmp_path / "net") in message
    assert "no suffix is added" in message


def test_swapped_arguments_raise_type_error(path):
    with pytest.raises(TypeError, match=r"save: expected save\(net, path\) .* got .*net.npz"):
        save(path, small())
    with pytest.raises(TypeError, match=r"load: expected load\(net, path\) .* got Dense\(4->3\)"):
        load(Dense(4, 3), path)


def test_damage_is_detected_or_changes_no_value(tmp_path):
    """200 changed bytes and 50 truncations, one at a time."""
    path, rng = tmp_path / "net.npz", random.Random(0)
    net = train(every_kind(0))
    saved = bits(net)
    save(net, path)
    whole = path.read_bytes()
    flips = [(rng.randrange(len(whole)), rng.randrange(1, 256)) for _ in range(200)]
    damaged = [whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :] for at, by in flips]
    damaged += [whole[: rng.randrange(len(whole))] for _ in range(50)]
    twin = every_kind(1)
    fresh = bits(twin)
    errors = 0
    for data in damaged:
        path.write_bytes(data)
        try:
            load(twin, path)
        except ValueError:
            errors += 1
            assert bits(twin) == fresh
        else:
            assert bits(twin).items() <= saved.items()
            twin = every_kind(1)
    assert errors >= 150


# Errors of save, and the state of the folder after them.


def test_a_network_that_is_not_finite_does_not_replace_a_valid_file(path):
    net, good = small(rng=2), path.read_bytes()
    net["dense2"].bias.value[1] = np.nan
    net["batchnorm1"].running_var[0] = np.inf
    with pytest.raises(FloatingPointError, match=r"in dense2\.bias, batchnorm1\.running_var;"):
        save(net, path)
    assert path.read_bytes() == good
    assert os.listdir(path.parent) == ["net.npz"]


def centre_with(state):
    class Wrong(Centre):
        pass

    Wrong.state = property(state)
    return Sequential([("wrong", Wrong(2))])


@pytest.mark.parametrize(
    ("state", "error", "expected"),
    [
        (lambda layer: {"total": layer.total.copy()}, ValueError, "not a copy"),
        (lambda layer: {"total": np.broadcast_to(layer.total, (2, 2))}, ValueError, "writeable"),
        (lambda layer: {"total": 0.5}, TypeError, "as an array of real numbers, got 0.5"),
        (lambda layer: {"total": np.array([None])}, TypeError, "array of real numbers"),
    ],
)
def test_save_and_load_raise_for_state_that_cannot_be_filled(path, state, error, expected):
    for function in (save, load):
        good = path.read_bytes()
        with pytest.raises(
            error, match=rf"{function.__name__}: expected state wrong\.total .*{expected}"
        ):
            function(centre_with(state), path)
        assert path.read_bytes() == good


def test_state_with_the_name_of_a_parameter_raises(tmp_path):
    class Both(PReLU):
        @property
        def state(self):
            return {"slope": self.__dict__.setdefault("kept", np.zeros(1))}

    with pytest.raises(ValueError, match=r"both1\.slope .* a name that no parameter has"):
        save(Sequential([Both()]), tmp_path / "net")
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_raises_with_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder; create it first") as caught:
        save(small(), tmp_path / "runs" / "net.npz")
    assert caught.value.filename == str(tmp_path / "runs")
    assert os.listdir(tmp_path) == []


def unchanged_after(path, error, **attributes):
    """Return whether save raises error and leaves only the unchanged old file."""
    good = path.read_bytes()
    with pytest.raises(error) as caught:
        save(small(rng=2), path)
    for name, value in attributes.items():
        assert getattr(caught.value, name) == value
    assert os.listdir(path.parent) == ["net.npz"]
    return path.read_bytes() == good


@pytest.mark.skipif(sys.platform == "win32", reason="no limit to the size of files")
@pytest.mark.parametrize("room", [0, 1, 100, 1000, 2000])
def test_the_old_file_is_unchanged_if_the_size_limit_is_reached(path, room):
    assert path.stat().st_size > 2000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        assert unchanged_after(path, OSError, errno=errno.EFBIG)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_the_old_file_is_unchanged_if_the_last_steps_fail(path, monkeypatch, function, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(os, function, fails)
    assert unchanged_after(path, type(error))


@pytest.mark.parametrize("writes", range(0, 40, 3))
def test_the_old_file_is_unchanged_if_any_write_fails(path, monkeypatch, writes):
    class Disk(io.FileIO):
        room = writes

        def write(self, data):
            self.room -= 1
            if self.room < 0:
                raise OSError(errno.ENOSPC, "disk full")
            return super().write(data)

    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, mode: Disk(path, mode) if "x" in mode else real(path, mode)
    )
    assert unchanged_after(path, OSError, errno=errno.ENOSPC)


def test_save_removes_a_file_that_a_killed_save_left_an_hour_ago_and_no_other(path):
    folder = path.parent
    old, new = (folder / f".net.npz.minnet-{number}" for number in (1, 2))
    kept = [folder / name for name in (".other.npz.minnet-1", ".net.npz", "net.npz.minnet-1")]
    for file in (old, new, *kept):
        file.write_bytes(b"half")
        os.utime(file, (0, time.time() - 4000) if file != new else None)
    save(small(), path)
    assert set(folder.iterdir()) == {path, new, *kept}


def child(work):
    """Fork a process that does work, and return its id; it exits with 0 if all went well."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


@forks
@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_no_checkpoint_is_lost_when_save_is_killed_100_times(tmp_path):
    def build(rng):
        return Sequential([Dense(200, 100), BatchNorm(100), Dense(100, 10)], rng=rng)

    path, delay = tmp_path / "net.npz", random.Random(0)
    nets = [build(1), build(2)]
    states = [bits(net) for net in nets]
    start = time.perf_counter()
    save(nets[0], path)
    longest = max(0.02, 3 * (time.perf_counter() - start))  # longer for a slow disk

    def work():
        while True:
            save(nets[1], path)
            save(nets[0], path)

    twin, found = build(3), set()
    for _ in range(100):
        pid = child(work)
        time.sleep(delay.uniform(0, longest))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        found.add(states.index(bits(load(twin, path))))
    assert found == {0, 1}
    assert len(os.listdir(tmp_path)) > 5  # saves were killed while they wrote


@forks
@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_four_concurrent_saves_to_one_path_succeed(tmp_path):
    path = tmp_path / "net.npz"
    nets = [small(rng) for rng in range(4)]
    save(nets[0], path)

    def work(net):
        for _ in range(15):
            save(net, path)
            assert bits(load(small(rng=9), path)) in states

    states = [bits(net) for net in nets]
    pids = [child(lambda net=net: work(net)) for net in nets]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    assert os.listdir(tmp_path) == ["net.npz"]


def test_a_pipe_and_a_folder_are_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(OSError, match="exists and is no file"):
            save(Sequential([Dense(2, 2)]), path)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
