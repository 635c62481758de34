"""Parameters of a network: one theta and one grad, views into them, copies and seeds."""

import copy
import pickle

import numpy as np
import pytest
from helpers.networks import X, everything, step, views_hold

from minnet import BatchNorm, Dense, Param, Sequential

# In place.


def test_theta_and_grad_hold_every_parameter_in_order():
    net = step(everything())
    views_hold(net)
    assert list(net.params) == [
        "dense1.weight", "dense1.bias", "batchnorm1.gamma", "batchnorm1.beta", "prelu1.slope",
        "residual1.dense1.weight", "residual1.layernorm1.gamma", "residual1.layernorm1.beta",
        "groupnorm1.gamma", "groupnorm1.beta", "dense2.weight", "dense2.bias",
    ]  # fmt: skip
    assert net.theta.shape == net.grad.shape == (24 + 6 + 12 + 1 + 36 + 12 + 12 + 18 + 3,)
    assert list(net.state) == ["batchnorm1.running_mean", "batchnorm1.running_var"]


def test_assigning_theta_and_grad_copies_into_them():
    net = everything()
    theta, grad = net.theta, net.grad
    net.theta, net.grad = np.arange(theta.size), 2.0
    assert net.theta is theta
    assert net.grad is grad
    assert net["dense1"].weight.value[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert net["dense2"].bias.grad.tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match=r"expected theta of shape \(.*got \(7,\)"):
        net.theta = np.zeros(7)


def test_a_change_of_a_parameter_changes_theta_and_the_reverse():
    net = everything()
    net["dense1"].weight.value = 5
    net["dense2"].bias.value[1] = 7
    assert (net.theta[:24] == 5).all()
    assert net.theta[-2] == 7
    net.theta *= 2
    assert net["dense2"].bias.value[1] == 14
    views_hold(net)


def test_parameters_and_state_set_by_hand_before_the_network_survive():
    dense, batchnorm = Dense(2, 2), BatchNorm(2)
    dense.weight.value = [[1, 2], [3, 4]]
    dense.bias.value = [5, 6]
    batchnorm.running_mean[:] = [7, 8]
    net = Sequential([dense, batchnorm], rng=0, dtype=np.float64)
    assert net.theta[:6].tolist() == [1, 2, 3, 4, 5, 6]
    assert net.state["batchnorm1.running_mean"].tolist() == [7, 8]
    assert net["dense1"].weight is dense.weight
    views_hold(net)


def test_only_the_value_of_a_parameter_can_be_assigned():
    net = Sequential([Dense(4, 3)], rng=0)
    with pytest.raises(
        AttributeError, match=r"'dense1'.*: weight cannot be replaced; assign layer\.weight\.value"
    ):
        net["dense1"].weight = np.zeros((4, 3))
    with pytest.raises(
        ValueError, match=r"params\['weight'\] exists already; assign params\['weight'\]\.value"
    ):
        net["dense1"].params["weight"] = Param(np.zeros((4, 3)))
    with pytest.raises(
        TypeError, match=r"params\['other'\]: expected a Param, got .*; use Param\(array\)"
    ):
        net["dense1"].params["other"] = np.zeros(3)


def test_assigning_running_statistics_copies_into_them():
    batchnorm = BatchNorm(3)
    held = batchnorm.running_mean
    batchnorm.running_mean = [1, 2, 3]
    assert held.tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match=r"expected running_var of shape \(3,\)"):
        batchnorm.running_var = np.zeros(2)


def test_a_layer_of_a_network_cannot_be_built():
    net = everything()
    before = net.theta.copy()
    for _, layer in net.walk():
        with pytest.raises(
            ValueError,
            match="this layer belongs to a network, which builds it; create a new layer",
        ):
            layer.build(rng=1)
    np.testing.assert_array_equal(net.theta, before)
    views_hold(net)
    copy.deepcopy(net["dense1"]).build(rng=1)  # a copy is in no network


def test_building_a_network_again_keeps_the_views_into_theta():
    net = step(everything())
    theta = net.theta.copy()
    net.forward(X, training=True)
    net.build(dtype=np.float64)
    with pytest.raises(RuntimeError, match="before this backward, got none"):
        net.backward(np.ones((6, 3)))
    assert all(layer.y is None for _, layer in net.walk())
    assert net.theta.dtype == np.float64
    np.testing.assert_array_equal(net.theta, theta)
    views_hold(step(net))


# Copies.


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_has_separate_arrays_and_no_buffers(twin):
    net = step(everything())
    expected = net.predict(X)
    other = twin(net)
    views_hold(other)
    views_hold(net)
    assert not np.shares_memory(net.theta, other.theta)
    np.testing.assert_array_equal(other.theta, net.theta)
    np.testing.assert_array_equal(other.predict(X), expected)
    for _, layer in other.walk():
        assert layer.x is layer.y is layer.dy is layer.dx is None
    with pytest.raises(RuntimeError, match="expected forward"):
        other.backward(np.ones((6, 3)))
    np.testing.assert_array_equal(
        step(net).grad,
        step(other).grad,
        "original and copy must continue alike",
    )
    other.theta = 0.0
    assert np.abs(net.theta).max() > 0


def test_a_pickle_of_a_trained_network_contains_no_buffers():
    trained, untrained = everything(), everything()
    step(trained, np.random.default_rng(0).normal(size=(2000, 4)))
    assert trained["dropout1"].mask.shape == (2000, 6)
    pickled = pickle.dumps(trained)
    assert len(pickled) < len(pickle.dumps(untrained)) + 200
    loaded = pickle.loads(pickled)
    for layer in (loaded, *dict(loaded.walk()).values()):
        assert layer.x is layer.y is layer.dy is layer.dx is None
    assert loaded["dropout1"].mask is None
    for layer in (loaded["groupnorm1"], loaded["residual1.layernorm1"]):
        assert layer.mean is layer.rstd is None
    np.testing.assert_array_equal(step(loaded).grad, step(pickle.loads(pickled)).grad)


def test_a_shallow_copy_is_a_deep_copy_and_leaves_the_original_alone():
    net = Sequential([Dense(4, 3)], rng=0)
    best = copy.copy(net)
    assert np.shares_memory(net["dense1"].weight.value, net.theta)
    net.theta = 0.0
    assert best.theta.any()


# Seeds.


def test_one_seed_gives_one_theta():
    np.testing.assert_array_equal(everything(rng=3).theta, everything(rng=3).theta)
    generator = everything(rng=np.random.default_rng(3))
    np.testing.assert_array_equal(generator.theta, everything(rng=3).theta)
    assert (everything(rng=3).theta != everything(rng=4).theta).any()
    assert (everything(rng=None).theta != everything(rng=None).theta).any()


def test_float32_and_float64_networks_of_one_seed_agree_to_rounding():
    single, double = everything(dtype=np.float32), everything(dtype="float64")
    assert (single.theta.dtype, double.theta.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(single.theta, double.theta, rtol=1e-7)
    np.testing.assert_allclose(single.predict(X), double.predict(X), rtol=1e-5)


def test_two_runs_from_one_seed_are_the_same_to_the_bit():
    runs = [step(step(everything(rng=5))) for _ in range(2)]
    for key in ("theta", "grad", "y", "dx"):
        np.testing.assert_array_equal(getattr(runs[0], key), getattr(runs[1], key))
