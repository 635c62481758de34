"""Aligned allocation, and buffers that grow."""

import pickle

import numpy as np
import pytest

import minnet
from minnet import Adam, Dense, ReLU, Sequential
from minnet.memory import empty, grown, zeros_like

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_start_on_cache_lines_at_different_offsets_within_a_page(dtype: type) -> None:
    arrays = [empty((3, 5), dtype) for _ in range(8)]
    assert all(array.shape == (3, 5) and array.dtype == dtype for array in arrays)
    assert all(array.flags.carray for array in arrays)
    starts = [array.ctypes.data % 4096 for array in arrays]
    assert all(start % 64 == 0 for start in starts)
    assert len(set(starts)) == 8


def test_arrays_do_not_overlap() -> None:
    arrays = [empty((1000,), np.float64) for _ in range(20)]
    for number, array in enumerate(arrays):
        array[:] = number
    assert all((array == number).all() for number, array in enumerate(arrays))
    assert (zeros_like(arrays[3]) == 0).all()


def test_parameters_buffers_and_optimizer_state_start_on_a_cache_line() -> None:
    net = Sequential([Dense(3, 5), ReLU()], rng=0)
    optimizer = Adam(net)
    net.backward(net.forward(np.ones((2, 3)), training=True))
    relu = net["relu1"]
    arrays = (net.theta, net.grad, optimizer.mean, optimizer.square, relu.y, relu.dx)
    assert all(array.ctypes.data % 64 == 0 for array in arrays)


def test_grown_never_writes_into_memory_of_other_arrays() -> None:
    base = np.zeros(20, np.float32)
    grown(base[5:10], (12,), FLOAT32)[:] = 1
    grown(np.frombuffer(bytearray(40), np.float32), (3,), FLOAT32)[:] = 1
    frozen = grown(None, (4, 4), FLOAT32)
    frozen.base.flags.writeable = False
    grown(frozen, (2, 4), FLOAT32)[:] = 1
    assert (base == 0).all()


def test_a_buffer_shrinks_and_grows_back_within_its_memory() -> None:
    buffer = grown(None, (10, 4), FLOAT32)
    assert grown(buffer, (10, 4), FLOAT32) is buffer
    fewer = grown(buffer, (3, 4), FLOAT32)
    again = grown(fewer, (10, 4), FLOAT32)
    assert fewer.shape == (3, 4)
    assert again.shape == (10, 4)
    assert np.shares_memory(fewer[0], buffer[0])
    assert again.ctypes.data == buffer.ctypes.data
    again[:] = np.arange(40).reshape(10, 4)
    assert (buffer == again).all()


@pytest.mark.parametrize(
    ("shape", "dtype"), [((2000, 4), FLOAT32), ((10, 4), FLOAT64), ((2, 4), FLOAT64)]
)
def test_a_larger_shape_or_another_dtype_gets_new_memory(
    shape: tuple[int, int], dtype: np.dtype
) -> None:
    buffer = grown(None, (10, 4), FLOAT32)
    other = grown(buffer, shape, dtype)
    assert (other.shape, other.dtype) == (shape, dtype)
    assert not np.shares_memory(other, buffer)


def test_a_shape_that_fits_only_from_the_start_of_the_memory_is_allocated() -> None:
    for _ in range(16):  # buffers start at different places of their memory
        buffer = grown(None, (8,), FLOAT32)
        assert buffer.base is not None
        most = buffer.base.nbytes // 4
        assert grown(buffer, (most,), FLOAT32).shape == (most,)


def test_an_array_that_was_not_allocated_by_grown_is_replaced() -> None:
    assert grown(np.zeros((2, 3), np.float32), (5, 3), FLOAT32).shape == (5, 3)


@pytest.mark.parametrize("kind", ["adam", "batchnorm", "dense", "probe"])
def test_an_object_with_read_only_arrays_trains_on(kind):
    # As in a process of joblib, which maps large arrays into memory.
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(8, 3)), np.arange(8) % 2
    net = minnet.Sequential([minnet.Dense(3, 4), minnet.BatchNorm(4), minnet.Dense(4, 2)], rng=0)
    optimizer, probe = minnet.Adam(net), minnet.HistogramProbe()
    layers = {"batchnorm": minnet.BatchNorm(3).build(), "dense": minnet.Dense(3, 3).build(rng=0)}

    def again(net, optimizer, probe):
        minnet.fit(
            net, x, labels, loss=minnet.SoftmaxCrossEntropy(), optimizer=optimizer, epochs=1,
            batch_size=4, rng=0, probes=[probe],
        )  # fmt: skip
        return net.theta

    again(net, optimizer, probe)
    objects = layers.get(kind, (net, optimizer, probe))
    buffers = []
    data = pickle.dumps(objects, protocol=5, buffer_callback=buffers.append)
    copies = pickle.loads(data, buffers=[bytes(buffer) for buffer in buffers])
    if kind in layers:
        for layer in (objects, copies):
            layer.forward(x, training=True)
            layer.backward(x)
        np.testing.assert_array_equal(copies.dx, objects.dx)
    else:
        np.testing.assert_array_equal(again(*copies), again(*objects))
