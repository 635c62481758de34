"""safetensors files: complete or not at all, and the same as PyTorch's."""

import sys

import numpy as np
import pytest

from minnet import BatchNorm, Dense, ReLU, Sequential
from minnet.safetensors import load_safetensors, save_safetensors


def network(rng=0, dtype=np.float32):
    net = Sequential([Dense(4, 4), BatchNorm(4), ReLU(), Dense(4, 3)], rng=rng, dtype=dtype)
    net["batchnorm1"].running_var = np.random.default_rng(rng).uniform(0.5, 2, 4)
    return net


X = np.random.default_rng(1).normal(size=(10, 4)).astype(np.float32)


@pytest.fixture
def library():
    return pytest.importorskip("safetensors.numpy")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_saved_network_comes_back_equal(library, tmp_path, dtype):
    net, path = network(dtype=dtype), tmp_path / "net.safetensors"
    save_safetensors(net, path)
    twin = load_safetensors(network(1, dtype), str(path))
    np.testing.assert_array_equal(twin.theta, net.theta)
    np.testing.assert_array_equal(twin.predict(X), net.predict(X))
    arrays = library.load_file(path)
    assert arrays.keys() == net.to_torch_state_dict().keys()
    assert {array.dtype for array in arrays.values()} == {np.dtype(dtype)}
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]


def test_pytorch_reads_the_file_and_minnet_reads_the_one_of_pytorch(library, tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_model, save_model

    nn = torch.nn
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)).eval()
    save_model(module, tmp_path / "module.safetensors")
    net = load_safetensors(network(), tmp_path / "module.safetensors")
    with torch.no_grad():
        expected = module(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-6, atol=1e-6)

    other = network(2)
    save_safetensors(other, tmp_path / "net.safetensors")
    load_model(module, tmp_path / "net.safetensors")
    with torch.no_grad():
        got = module(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(got, other.predict(X), rtol=1e-6, atol=1e-6)


def test_a_damaged_or_wrong_file_changes_nothing(library, tmp_path):
    net, path = network(), tmp_path / "net.safetensors"
    kept = net.theta.copy()
    save_safetensors(network(1), path)
    data = path.read_bytes()
    for content in (data[:-4], b"", b"text" * 10):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"expected a safetensors file .*net.safetensors"):
            load_safetensors(net, path)
    library.save_file({"0.weight": np.ones((4, 4), np.float32)}, path)
    with pytest.raises(
        ValueError, match=r"(?s)^load_safetensors: .*missing: 0.bias \(here dense1.bias\)"
    ):
        load_safetensors(net, path)
    np.testing.assert_array_equal(net.theta, kept)


def test_files_and_folders_that_do_not_exist_are_errors(library, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"net\.safetensors"):
        load_safetensors(network(), tmp_path / "net.safetensors")
    with pytest.raises(FileNotFoundError, match="save_safetensors: no such folder"):
        save_safetensors(network(), tmp_path / "none" / "net.safetensors")


@pytest.mark.parametrize("function", [save_safetensors, load_safetensors])
def test_only_a_network_is_accepted(function, tmp_path):
    with pytest.raises(TypeError, match=rf"^{function.__name__}: expected .*, got Dense"):
        function(Dense(4, 3), tmp_path / "net.safetensors")


def test_a_file_of_bfloat16_is_refused_with_the_repair(library, tmp_path):
    header = b'{"0.weight":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    path = tmp_path / "net.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(ValueError, match=r"BF16.*float32 instead of bfloat16"):
        load_safetensors(network(), path)


def test_a_network_with_nan_is_not_saved(library, tmp_path):
    net = network()
    net["dense2"].bias.value[...] = np.nan
    with pytest.raises(FloatingPointError, match=r"NaN or infinity in 3.bias"):
        save_safetensors(net, tmp_path / "net.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_the_error_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match="`pip install safetensors`"):
        save_safetensors(network(), tmp_path / "net.safetensors")
