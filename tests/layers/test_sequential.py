"""What the network promises: one theta, names, widths that fit, errors that find their layer."""

import copy
import pickle

import numpy as np
import pytest

from minnet import (
    BatchNorm,
    Dense,
    Dropout,
    GroupNorm,
    Layer,
    LayerNorm,
    Param,
    PReLU,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from minnet.checks import check_layer

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def everything(rng=0, dtype=np.float32):
    return Sequential(
        [
            Dense(4, 6), BatchNorm(6), PReLU(),
            Residual(Dense(6, 6, bias=False), LayerNorm(6), Tanh()),
            GroupNorm(2, 6), Dropout(0.2), Dense(6, 3), Softmax(),
        ],
        rng=rng,
        dtype=dtype,
    )  # fmt: skip


def step(net, x=X):
    net.forward(x, training=True)
    net.backward(np.ones((len(x), net.out_features)))
    return net


def views_hold(net):
    """Every parameter and gradient is a view into theta and grad, in order and without a gap."""
    start = 0
    for param in net.params.values():
        stop = start + param.value.size
        for array, whole in ((param.value, net.theta), (param.grad, net.grad)):
            assert array.ctypes.data == whole[start:].ctypes.data
            np.testing.assert_array_equal(array.ravel(), whole[start:stop])
            assert array.flags.c_contiguous
            assert array.dtype == net.dtype
        start = stop
    assert start == net.theta.size == net.grad.size


# Gradients.


@pytest.mark.parametrize("n", [2, 3, 8, 32])
def test_backward_is_the_derivative_of_the_whole_network(n, slopes):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        net = Sequential(
            [Dense(3, 4), BatchNorm(4, eps=0.1), Tanh(), Residual(Dense(4, 4)), Dense(4, 2)],
            rng=rng,
            dtype=np.float64,
        )
        x, dy = rng.normal(size=(n, 3)), rng.normal(size=(n, 2))

        def value(net=net, x=x, dy=dy):
            return np.sum(net.forward(x, training=True) * dy)

        value()
        dx = net.backward(dy).copy()
        expected = slopes(value, net.theta)
        assert np.abs(net.grad - expected).max() <= 1e-6 * np.abs(expected).max()
        expected = slopes(value, x)
        assert np.abs(dx - expected).max() <= (1e-4 if n == 2 else 1e-6) * np.abs(expected).max()


def test_a_network_of_every_kind_passes_the_public_check():
    errors = check_layer(everything(), (5, 4))
    assert {"dx", "prelu1.slope", "residual1.layernorm1.gamma", "groupnorm1.beta"} <= set(errors)


# theta and grad.


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
    with pytest.raises(ValueError, match="broadcast"):
        net.theta = np.zeros(7)


def test_what_is_done_to_a_parameter_is_done_to_theta_and_the_other_way():
    net = everything()
    net["dense1"].weight.value = 5
    net["dense2"].bias.value[1] = 7
    assert (net.theta[:24] == 5).all()
    assert net.theta[-2] == 7
    net.theta *= 2
    assert net["dense2"].bias.value[1] == 14
    views_hold(net)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_has_views_of_its_own_and_no_buffers(twin):
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
    with pytest.raises(RuntimeError, match="no forward"):
        other.backward(np.ones((6, 3)))
    np.testing.assert_array_equal(
        step(net).grad,
        step(other).grad,
        "after the copy both must go on alike",
    )
    other.theta = 0.0
    assert np.abs(net.theta).max() > 0


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


def test_building_a_network_anew_keeps_its_views():
    net = step(everything())
    theta = net.theta.copy()
    net.forward(X, training=True)
    net.build(dtype=np.float64)
    with pytest.raises(RuntimeError, match="no forward that waits"):
        net.backward(np.ones((6, 3)))
    assert all(layer.y is None for _, layer in net.walk())
    assert net.theta.dtype == np.float64
    np.testing.assert_array_equal(net.theta, theta)
    views_hold(step(net))


# Names.


def test_layers_are_named_by_kind_and_count_unless_by_hand():
    layers = [Dense(4, 4), ReLU(), ("mine", Dense(4, 4)), ReLU(), Dense(4, 4)]
    net = Sequential(layers)
    assert [layer.name for layer in net.layers] == ["dense1", "relu1", "mine", "relu2", "dense3"]
    assert [layer.position for layer in net.layers] == [1, 2, 3, 4, 5]
    assert net["mine"] is layers[2][1]
    assert str(net["mine"]) == "layer 3 'mine' Dense(4→4)"


def test_an_unknown_name_lists_the_names_there_are():
    with pytest.raises(KeyError) as caught:
        everything()["dense9"]
    assert "no layer 'dense9'; there are dense1, batchnorm1, prelu1, residual1," in str(
        caught.value
    )
    assert "residual1.dense1" in str(caught.value)


@pytest.mark.parametrize("name", ["dense1", "a.b", "a\0b"])
def test_names_that_are_there_twice_or_hold_a_dot_are_refused(name):
    with pytest.raises(ValueError, match="names must differ and hold no dot"):
        Sequential([Dense(2, 2), (name, Dense(2, 2))])


# What is refused at construction.


def test_widths_that_do_not_fit_name_the_layer_and_the_one_before():
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Sequential([Dense(784, 128), ReLU(), BatchNorm(64)])
    assert str(caught.value) == (
        "layer 3 'batchnorm1' BatchNorm(64): expected input (n, 64), got (n, 128); "
        "the Dense before it has out_features=128"
    )


def test_widths_are_those_of_the_first_and_last_layer_that_has_one():
    net = Sequential([ReLU(), Dense(3, 5), Tanh()])
    assert (net.in_features, net.out_features) == (3, 5)
    assert Sequential([ReLU()]).in_features is None


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "expected a list of layers, at least one"),
        (Dense(2, 2), "expected a list of layers"),
        (None, "expected a list of layers"),
        ([Dense(2, 2), "relu"], "item 2 must be a Layer, got 'relu'$"),
        ([Dense], r"item 1 must be a Layer.*make one of it: Dense\(\.\.\.\)"),
        ([Sequential([Dense(2, 2)])], r"item 1 is a whole network, Sequential.*list the layers"),
    ],
)
def test_what_is_no_list_of_layers_is_refused(layers, message):
    with pytest.raises(TypeError, match=f"Sequential: {message}"):
        Sequential(layers)


def test_a_layer_that_is_in_use_is_refused():
    dense = Dense(2, 2)
    net = Sequential([dense])
    theta = net.theta.copy()
    for again in ([dense], [Residual(dense)] if not dense.bound else [ReLU(), dense]):
        with pytest.raises(ValueError, match=r"Dense\(2→2\), is in use already; make a new one"):
            Sequential(again)
    with pytest.raises(ValueError, match=r"item 2, .* is in use already"):
        Sequential([shared := ReLU(), shared])
    np.testing.assert_array_equal(net.theta, theta)
    views_hold(net)


@pytest.mark.parametrize(
    "refused",
    [
        lambda layer: Sequential([layer, Dense(9, 9)]),
        lambda layer: Sequential([layer], dtype=int),
        lambda layer: Sequential([layer], rng="seed"),
        Residual,
        lambda layer: Sequential([layer, Sequential([Dense(8, 8)])]),
        lambda layer: Sequential([layer, ("dense1", Dense(8, 8))]),
    ],
)
def test_a_layer_of_a_refused_network_is_as_good_as_new(refused):
    layer = Dense(4, 8)
    with pytest.raises((TypeError, ValueError)):
        refused(layer)
    net = Sequential([Dense(4, 4), layer], rng=0)
    assert [layer.name for layer in net.layers] == ["dense1", "dense2"]


# Steps.


def test_backward_needs_a_training_forward_of_its_own():
    net, dy = everything(), np.ones((6, 3))
    message = r"no forward that waits for this backward; call forward\(x, training=True\)"
    with pytest.raises(RuntimeError, match=message):
        net.backward(dy)
    net.forward(X, training=False)
    with pytest.raises(RuntimeError, match=message):
        net.backward(dy)
    net.forward(X, training=True)
    net.predict(X)
    net.backward(dy)
    with pytest.raises(RuntimeError, match=message):
        net.backward(dy)


@pytest.mark.parametrize("layers", [[Dense(4, 3)], [Dense(4, 4), ReLU(), Dense(4, 3)]])
def test_dy_of_another_shape_is_refused_and_the_right_one_still_taken(layers):
    net = Sequential(layers, rng=0)
    net.forward(X, training=True)
    for shape in ((5, 3), (6, 2), (6, 4)):
        with pytest.raises(ValueError, match=r"expected dy of y's shape \(6, 3\)"):
            net.backward(np.ones(shape))
    with pytest.raises(TypeError, match="the gradient dy of the network: expected an array"):
        net.backward(None)
    assert net.backward(np.ones((6, 3))).shape == (6, 4)


def test_after_a_forward_that_failed_midway_there_is_no_backward():
    net = Sequential([Dense(4, 3), BatchNorm(3), Dense(3, 2)], rng=0)
    net.forward(X, training=True)
    with pytest.raises(ValueError, match=r"'batchnorm1' .*at least 2 rows"):
        net.forward(X[:1], training=True)
    with pytest.raises(RuntimeError, match="no forward that waits"):
        net.backward(np.ones((6, 2)))
    step(net)


def test_without_an_input_gradient_the_first_dense_alone_leaves_it_out():
    whole, part = everything(), everything()
    for net in (whole, part):
        net.forward(X, training=True)
    dy = np.ones((6, 3))
    assert whole.backward(dy).shape == (6, 4)
    assert part.backward(dy, input_gradient=False).shape == (0, 4)
    np.testing.assert_array_equal(whole.grad, part.grad)
    np.testing.assert_array_equal(whole["batchnorm1"].dx, part["batchnorm1"].dx)
    net = Sequential([Tanh(), Dense(4, 3)], rng=0)
    net.forward(X, training=True)
    assert net.backward(dy, input_gradient=False).shape == (6, 4)


def test_predicting_in_batches_is_predicting_at_once():
    net, x = everything(), np.random.default_rng(1).normal(size=(37, 4))
    expected = net.forward(x, training=False)
    for batch_size in (1, 5, 37, 1000):
        y = net.predict(x, batch_size=batch_size)
        np.testing.assert_allclose(y, expected, rtol=1e-6)
    with pytest.raises(ValueError, match="predict: batch_size must be at least 1, got 0"):
        net.predict(x, batch_size=0)


def test_predict_converts_what_it_is_given_once_for_all_batches():
    net, x = everything(), np.arange(20, dtype=np.uint8).reshape(5, 4)
    expected = net.predict(x.astype(np.float32), batch_size=2)
    np.testing.assert_array_equal(net.predict(x.tolist(), batch_size=2), expected)
    with pytest.warns(UserWarning, match=r"uint8.*x / 255") as caught:
        np.testing.assert_array_equal(net.predict(x, batch_size=2), expected)
    assert len(caught) == 1
    with pytest.raises(TypeError, match="expected an array, got None"):
        net.predict(None)


# Numbers that are not finite.


def test_float32_overflow_names_the_layer_where_it_arose():
    for training in (True, False):
        net = Sequential([Dense(4, 3), ("big", Dense(3, 3)), ReLU(), Dense(3, 2)], rng=0)
        net["dense1"].weight.value = net["big"].weight.value = 1e20
        with pytest.raises(FloatingPointError) as caught:
            net.forward(np.abs(X), training=training)
        assert str(caught.value).startswith(
            "layer 2 'big' Dense(3→3): its output holds infinity, too large for float32"
        )


def test_an_overflow_before_a_batchnorm_names_the_layer_where_it_arose():
    net = Sequential([Dense(4, 3), BatchNorm(3)], rng=0)
    net["dense1"].weight.value = 3e38
    with pytest.raises(FloatingPointError, match=r"'dense1' .*its output holds"):
        net.forward(np.abs(X), training=True)
    assert net["batchnorm1"].running_var.tolist() == [1, 1, 1]


def test_an_overflow_of_training_alone_is_told_as_well():
    net = Sequential([Dropout(0.9)], rng=0)
    x = np.full((6, 4), 3e38, np.float32)
    np.testing.assert_array_equal(net.predict(x), x)
    with pytest.raises(FloatingPointError, match=r"'dropout1' Dropout\(0\.9\): its output holds"):
        net.forward(x, training=True)


def test_telling_where_a_prediction_overflowed_leaves_the_last_step_alone():
    net = step(everything())
    kept = {name: layer.y.copy() for name, layer in net.walk()}
    net["dense1"].weight.value = 3e38
    with pytest.raises(FloatingPointError, match="'dense1' "):
        net.predict(np.abs(X) * 1e5)
    for name, layer in net.walk():
        np.testing.assert_array_equal(layer.y, kept[name])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_parameter_that_is_not_finite_is_named(bad):
    net = Sequential([Dense(4, 3), Tanh(), ("last", Dense(3, 2))], rng=0)
    net["last"].bias.value[1] = bad
    word = "NaN" if np.isnan(bad) else "infinity"
    with pytest.raises(FloatingPointError, match=f"layer 3 'last' .*: its bias holds {word}"):
        net.predict(X)


def test_a_gradient_that_is_not_finite_is_told_by_its_layer_or_as_the_callers_own():
    net = Sequential([Dense(4, 3), Tanh(), ("big", Dense(3, 3)), Dense(3, 2)], rng=0)
    for row in (0, 3):
        net.forward(X, training=True)
        dy = np.ones((6, 2), np.float32)
        dy[row, 1] = np.nan
        with pytest.raises(FloatingPointError, match="dy given to the network holds NaN"):
            net.backward(dy)
    net["big"].weight.value = 1e10
    net.forward(X * 0, training=True)
    with pytest.raises(FloatingPointError, match=r"'big' .*gradient that it passes on holds infin"):
        net.backward(np.full((6, 2), 1e35))


def test_an_overflow_of_the_first_layers_gradient_warns_of_nothing():
    net = Sequential([Dense(4, 3), Dense(3, 2)], rng=0)
    net.forward(X * 1e10, training=True)
    net.backward(np.full((6, 2), 1e30))
    assert not np.isfinite(net["dense1"].weight.grad).all()


def test_a_students_layer_counts_as_any_other():
    class Half(Layer):
        def forward(self, x, *, training):
            return x / 2

        def backward(self, dy):
            return dy / 2

    net = Sequential([Dense(4, 3), Half(), Half(), Dense(3, 2)], rng=0)
    assert net["half2"].position == 3
    step(net)
    np.testing.assert_array_equal(net["half2"].y, net["dense1"].y / 4)
    np.testing.assert_array_equal(net["dense1"].dy, net["dense2"].dx / 4)


def test_its_description_is_its_layers():
    net = Sequential([Dense(4, 3), Residual(Dense(3, 3)), ReLU()])
    assert repr(net) == "Sequential([Dense(4→3), Residual(Dense(3→3)), ReLU()])"


# What must not go wrong in silence.


def test_a_shallow_copy_is_a_whole_copy_and_leaves_the_original_alone():
    net = Sequential([Dense(4, 3)], rng=0)
    best = copy.copy(net)
    assert np.shares_memory(net["dense1"].weight.value, net.theta)
    net.theta = 0.0
    assert best.theta.any()


def test_a_parameter_is_assigned_by_its_numbers_alone():
    net = Sequential([Dense(4, 3)], rng=0)
    with pytest.raises(AttributeError, match=r"'dense1'.*layer\.weight\.value = \.\.\."):
        net["dense1"].weight = np.zeros((4, 3))
    with pytest.raises(ValueError, match="there is a 'weight' already"):
        net["dense1"].params["weight"] = Param(np.zeros((4, 3)))
    with pytest.raises(TypeError, match="must be a Param"):
        net["dense1"].params["other"] = np.zeros(3)


def test_layers_cannot_be_exchanged_behind_the_networks_back():
    net = Sequential([Dense(4, 3)], rng=0)
    with pytest.raises(TypeError):
        net.layers[0] = Dense(4, 3)


def test_a_parameter_that_would_not_be_trained_is_refused():
    class Forgetful(Layer):
        def __init__(self):
            self.gain = Param(np.ones(3))

    with pytest.raises(TypeError, match=r"self\.gain is a Param.*self\.params\['gain'\]"):
        Sequential([Dense(4, 3), Forgetful()])


@pytest.mark.parametrize("value", [np.zeros((4, 4)), np.full((4, 3), np.nan)])
def test_an_initializer_that_gives_the_wrong_array_is_refused(value):
    with pytest.raises(ValueError, match=r"Dense\(4→3\).*finite numbers of shape \(4, 3\)"):
        Sequential([Dense(4, 3, init=lambda shape, *, rng, dtype: value)])


def test_running_statistics_are_assigned_by_their_numbers():
    batchnorm = BatchNorm(3)
    held = batchnorm.running_mean
    batchnorm.running_mean = [1, 2, 3]
    assert held.tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="broadcast"):
        batchnorm.running_var = np.zeros(2)


@pytest.mark.parametrize("activation", [ReLU, Sigmoid, Tanh])
@pytest.mark.parametrize("training", [True, False])
def test_an_overflow_that_the_next_layer_would_hide_is_named(activation, training):
    net = Sequential([Dense(4, 3), activation(), Dense(3, 2)], rng=0)
    net["dense1"].weight.value = -3e38
    with pytest.raises(FloatingPointError, match=r"layer 1 'dense1'.*output holds infinity"):
        net.forward(np.full((2, 4), 10.0), training=training)


def test_a_layer_that_once_passed_its_input_through_never_writes_into_it():
    class Switch(Layer):
        on = False

        def forward(self, x, *, training):
            if not self.on:
                return x
            x, y = self.begin_forward(x, training)
            y[...] = 0
            return y

    switch = Switch()
    net = Sequential([switch])
    x = np.ones((3, 2), np.float32)
    net.forward(x, training=True)
    switch.on = True
    net.forward(np.ones((3, 2), np.float32), training=True)
    assert (x == 1).all()


def test_predict_counts_the_bad_row_from_the_beginning():
    x = np.zeros((3000, 4))
    x[1500, 2] = np.nan
    with pytest.raises(FloatingPointError, match="row 1500, column 2"):
        Sequential([Dense(4, 3)]).predict(x)


def test_a_layer_within_a_residual_is_called_by_its_whole_name():
    net = Sequential([Dense(4, 3), Residual(Dense(3, 3))])
    assert str(net["residual1.dense1"]) == "layer 1 'residual1.dense1' Dense(3→3)"


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: Sequential(Dense(4, 3), ReLU()), TypeError, "one list"),
        (lambda: Sequential([(3, Dense(4, 3))]), TypeError, "names must be strings"),
        (lambda: Sequential([Dense(4, 3)])(np.zeros((1, 4))), TypeError, r"predict\(x\)"),
        (lambda: Sequential([Dense(4, 3)])[0], KeyError, r"net\.layers\[0\]"),
    ],
)
def test_the_habits_of_other_frameworks_are_answered_with_ours(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()
