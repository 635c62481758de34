"""Optimizers: the rule of each docstring, step by step, on all of theta."""

import copy
import pickle

import numpy as np
import pytest

from minnet import (
    L2,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    BatchNorm,
    Dense,
    PReLU,
    ReLU,
    RMSProp,
    Sequential,
    SoftmaxCrossEntropy,
    datasets,
    fit,
    load,
    save,
)
from minnet.optimizers import Optimizer

OPTIMIZERS = {
    "SGD": SGD,
    "momentum": lambda net: SGD(net, lr=0.02, momentum=0.9),
    "nesterov": lambda net: SGD(net, lr=0.02, momentum=0.9, nesterov=True),
    "decay": lambda net: SGD(net, lr=0.02, weight_decay=0.1),
    "weights decay": lambda net: SGD(net, 0.02, 0.9, weight_decay=0.1, decay_bias=False),
    "RMSProp": RMSProp,
    "Adagrad": Adagrad,
    "Adam": Adam,
    "AdamW": AdamW,
}
ALL = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)


def network(dtype=np.float64):
    return Sequential([Dense(3, 4), Dense(4, 2)], rng=0, dtype=dtype)


# The rules as generators that receive a gradient and yield the new theta.


def sgd(theta, lr, momentum=0.0, nesterov=False, decay=0.0):
    v = 0
    while True:
        g = (yield theta) + decay * theta
        v = momentum * v + g
        theta = theta - lr * (g + momentum * v if nesterov else v)


def rmsprop(theta, lr, rho, eps):
    s = 0
    while True:
        g = yield theta
        s = rho * s + (1 - rho) * g**2
        theta = theta - lr * g / (np.sqrt(s) + eps)


def adagrad(theta, lr, eps):
    s = 0
    while True:
        g = yield theta
        s = s + g**2
        theta = theta - lr * g / (np.sqrt(s) + eps)


def adam(theta, lr, beta1, beta2, eps, decay=0.0):
    m = s = t = 0
    while True:
        g = yield theta
        t += 1
        m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g**2
        theta = theta - lr * decay * theta
        theta = theta - lr * m / (1 - beta1**t) / (np.sqrt(s / (1 - beta2**t)) + eps)


RULES = {
    "SGD": (SGD, lambda p: sgd(p, 0.01)),
    "SGD plain decay": (
        lambda net: SGD(net, 0.1, weight_decay=0.3),
        lambda p: sgd(p, 0.1, decay=0.3),
    ),
    "SGD momentum decay": (
        lambda net: SGD(net, 0.1, 0.7, weight_decay=0.3),
        lambda p: sgd(p, 0.1, 0.7, decay=0.3),
    ),
    "SGD nesterov decay": (
        lambda net: SGD(net, 0.1, 0.7, True, 0.3),
        lambda p: sgd(p, 0.1, 0.7, True, 0.3),
    ),
    "RMSProp": (RMSProp, lambda p: rmsprop(p, 1e-3, 0.9, 1e-8)),
    "RMSProp by hand": (
        lambda net: RMSProp(net, 0.2, 0.6, 0.1),
        lambda p: rmsprop(p, 0.2, 0.6, 0.1),
    ),
    "Adagrad": (Adagrad, lambda p: adagrad(p, 1e-2, 1e-10)),
    "Adagrad by hand": (lambda net: Adagrad(net, 0.2, 0.1), lambda p: adagrad(p, 0.2, 0.1)),
    "Adam": (Adam, lambda p: adam(p, 1e-3, 0.9, 0.999, 1e-8)),
    "Adam by hand": (
        lambda net: Adam(net, 0.2, (0.5, 0.8), 0.1),
        lambda p: adam(p, 0.2, 0.5, 0.8, 0.1),
    ),
    "AdamW": (AdamW, lambda p: adam(p, 1e-3, 0.9, 0.999, 1e-8, 1e-2)),
    "AdamW by hand": (
        lambda net: AdamW(net, 0.2, 0.4, (0.5, 0.8), 0.1),
        lambda p: adam(p, 0.2, 0.5, 0.8, 0.1, 0.4),
    ),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 1e-5)])
@pytest.mark.parametrize("pair", RULES.values(), ids=RULES)
def test_every_step_follows_the_rule(pair, dtype, tolerance):
    rng = np.random.default_rng(0)
    net = network(dtype)
    optimizer, rule = pair[0](net), pair[1](net.theta.astype(float))
    next(rule)
    for _ in range(30):
        net.grad = rng.normal(size=net.grad.size)
        optimizer.step()
        expected = rule.send(net.grad.astype(float))
        np.testing.assert_allclose(net.theta, expected, rtol=tolerance, atol=tolerance)


@ALL
def test_a_step_updates_theta_in_place_and_does_not_change_the_gradient(make):
    net = network(np.float32)
    theta, grad = net.theta, net.grad
    optimizer = make(net)
    net.grad = 1.0
    before = theta.copy()
    optimizer.step()
    assert net.theta is theta
    assert net.grad is grad
    assert (grad == 1).all()
    assert (theta < before).all()
    assert theta.dtype == np.float32


@ALL
def test_a_zero_gradient_changes_theta_only_by_weight_decay(make):
    net = network()
    before = net.theta.copy()
    optimizer = make(net)
    for _ in range(3):
        net.grad = 0.0
        optimizer.step()
    assert np.isfinite(net.theta).all()
    if getattr(optimizer, "weight_decay", 0) == 0:
        np.testing.assert_array_equal(net.theta, before)
    else:
        assert (np.abs(net.theta[before != 0]) < np.abs(before[before != 0])).all()


@ALL
def test_a_learning_rate_set_between_steps_applies_from_the_next_step(make):
    net = network()
    optimizer = make(net)
    net.grad = 1.0
    optimizer.lr = 0.0
    before = net.theta.copy()
    optimizer.step()
    np.testing.assert_array_equal(net.theta, before)
    optimizer.lr = np.float32(0.5)
    assert optimizer.lr == 0.5
    net.grad = 1.0
    optimizer.step()
    assert (net.theta < before).all()


@ALL
@pytest.mark.parametrize("twin", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_of_network_and_optimizer_takes_the_same_steps(make, twin):
    net = network()
    optimizer = make(net)
    pairs = [(net, optimizer)]
    for step in range(6):
        if step == 3:
            pairs.append(twin(pairs[0]))
            assert pairs[1][1].net is pairs[1][0]
        for some_net, some_optimizer in pairs:
            some_net.grad = np.sin(np.arange(net.grad.size) + step)
            some_optimizer.step()
    np.testing.assert_array_equal(pairs[0][0].theta, pairs[1][0].theta)
    assert not np.shares_memory(pairs[0][0].theta, pairs[1][0].theta)


def test_the_first_update_of_adam_has_size_lr_for_every_parameter():
    net = network()
    before = net.theta.copy()
    net.grad = np.geomspace(1e-3, 1e3, net.grad.size) * np.resize([1, -1], net.grad.size)
    Adam(net, lr=0.01, eps=1e-12).step()
    np.testing.assert_allclose(before - net.theta, 0.01 * np.sign(net.grad), rtol=1e-6)


def test_weight_decay_applies_to_biases_as_in_pytorch():
    net = network()
    net["dense1"].bias.value = 1.0
    net.grad = 0.0
    SGD(net, lr=0.1, weight_decay=0.5).step()
    np.testing.assert_allclose(net["dense1"].bias.value, 0.95, rtol=1e-15)
    AdamW(net, lr=0.1, weight_decay=0.5).step()
    np.testing.assert_allclose(net["dense1"].bias.value, 0.95**2, rtol=1e-15)


@pytest.mark.parametrize("make", [SGD, AdamW])
def test_with_decay_bias_false_only_the_parameters_with_two_dimensions_decay(make):
    def stepped(**options):
        net = Sequential([Dense(3, 4), BatchNorm(4), PReLU(), Dense(4, 2)], rng=0, dtype=float)
        net.theta = np.random.default_rng(1).normal(size=net.theta.size)
        optimizer = make(net, lr=0.1, **options)
        for step in range(5):
            net.grad = np.sin(np.arange(net.grad.size) + step)
            optimizer.step()
        return {name: param.value for name, param in net.params.items()}

    everything = stepped(weight_decay=0.3)
    weights = stepped(weight_decay=0.3, decay_bias=False)
    nothing = stepped(weight_decay=0.0)
    for name, value in weights.items():
        same, other = (everything, nothing) if value.ndim == 2 else (nothing, everything)
        np.testing.assert_allclose(value, same[name], rtol=1e-13)
        assert np.abs(value - other[name]).max() > 1e-3


# Frozen parameters.


@ALL
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_frozen_parameter_and_its_state_keep_every_bit_and_the_others_take_the_same_steps(
    make, dtype
):
    def stepped(*frozen):
        net = network(dtype)
        optimizer = make(net)
        for step in range(9):
            for name, param in net.params.items():
                param.trainable = name not in frozen or not 3 <= step < 6
            before = net.theta.copy(), {k: v.copy() for k, v in optimizer.state.items()}
            net.grad = np.sin(np.arange(net.grad.size) + step)
            optimizer.step()
            if step in (3, 5):
                unchanged = [net.theta == before[0]]
                unchanged += [array == before[1][name] for name, array in optimizer.state.items()]
                start = 0
                for name, param in net.params.items():
                    part = slice(start, start := start + param.value.size)
                    for same in (same for same in unchanged if same.shape == net.theta.shape):
                        assert same[part].all() if name in frozen else not same[part].all()
        return net

    free = stepped()
    tolerance = 20 * np.finfo(dtype).eps
    for frozen in (["dense1.weight"], ["dense1.bias", "dense2.weight"], list(free.params)):
        net = stepped(*frozen)
        for name, param in net.params.items():
            if name not in frozen:
                np.testing.assert_allclose(
                    param.value, free.params[name].value, rtol=tolerance, atol=tolerance
                )


@ALL
def test_a_frozen_parameter_keeps_every_bit_in_a_training(make):
    (x, y), _ = datasets.iris()
    layers = [Dense(4, 8), BatchNorm(8), ReLU(), Dense(8, 3)]
    net = Sequential(layers, rng=0)
    optimizer = make(net)
    options = {"loss": SoftmaxCrossEntropy(), "optimizer": optimizer, "batch_size": 30, "rng": 0}
    fit(net, x, y, epochs=1, **options)
    for layer in ("dense1", "batchnorm1"):
        net[layer].trainable = False
    before = {name: param.value.copy() for name, param in net.params.items()}
    fit(net, x, y, epochs=2, regularizer=L2(0.1), clip_norm=0.5, **options)
    for name, param in net.params.items():
        assert np.array_equal(param.value, before[name]) == (not name.startswith("dense2"))


@pytest.mark.parametrize("through_a_file", [False, True])
@pytest.mark.parametrize("make", [Adam, AdamW])
def test_adam_does_not_count_frozen_steps_of_a_parameter(make, through_a_file, tmp_path):
    """The first update of each parameter has size lr, however late it is unfrozen."""
    net = Sequential([Dense(4, 8), ReLU(), Dense(8, 3)], rng=0)
    optimizer = make(net, lr=0.01)
    net["dense1"].trainable = net["dense2"].bias.trainable = False
    for step in range(50):
        if step == 20:
            net["dense2"].bias.trainable = True
        net.grad = np.cos(np.arange(net.grad.size) + step)
        optimizer.step()
    if through_a_file:
        save(net, tmp_path / "net", optimizer=optimizer)
        net = Sequential([Dense(4, 8), ReLU(), Dense(8, 3)], rng=1)
        optimizer = make(net, lr=0.5)
        net.grad = 0.0
        optimizer.step()  # without frozen parameters
        load(net, tmp_path / "net", optimizer=optimizer)
    assert optimizer.frozen_steps.tolist() == [50, 50, 0, 20]
    net["dense1"].trainable = True
    before = {name: param.value.copy() for name, param in net.params.items()}
    net.grad = 3.0
    optimizer.step()
    for name in ("dense1.weight", "dense1.bias"):
        expected = before[name] * (1 - optimizer.lr * optimizer.weight_decay) - 0.01
        np.testing.assert_allclose(net.params[name].value, expected, rtol=1e-5, atol=1e-6)


def test_an_adam_that_is_loaded_continues_the_frozen_steps_of_its_file(tmp_path):
    net = network()
    optimizer, twin = Adam(net), network()
    for frozen in (True, False):
        net["dense2"].trainable = not frozen
        for _ in range(5):
            net.grad = 1.0
            optimizer.step()
    loaded = Adam(twin)
    twin.grad = 0.0
    loaded.step()  # without frozen parameters
    save(net, tmp_path / "net", optimizer=optimizer)
    load(twin, tmp_path / "net", optimizer=loaded)
    for each, rule in ((net, optimizer), (twin, loaded)):
        each.grad = 2.0
        rule.step()
    np.testing.assert_array_equal(twin.theta, net.theta)


def test_trainable_is_a_bool_and_is_set_for_all_parameters_of_a_layer():
    net = network()
    assert net.trainable
    net["dense1"].trainable = False
    assert [param.trainable for param in net.params.values()] == [False, False, True, True]
    assert (net["dense1"].trainable, net["dense2"].trainable, net.trainable) == (False, True, False)
    assert repr(net["dense1"].bias).endswith(", trainable=False)")
    assert "trainable" not in repr(net["dense2"].bias)
    with pytest.raises(TypeError, match=r"dense1.*: expected trainable as True or False, got .no"):
        net["dense1"].trainable = "no"


def test_whether_a_parameter_is_trainable_is_copied_with_the_network():
    net = network()
    net["dense1"].weight.trainable = False
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert [param.trainable for param in twin.params.values()] == [False, True, True, True]


def test_an_optimizer_of_ones_own_defines_update():
    class Sign(Optimizer):
        def update(self, part, decay):
            self.net.theta[part] -= self.lr * np.sign(self.net.grad[part])

    net = network()
    net["dense1"].bias.trainable = False
    before, optimizer = net.theta.copy(), Sign(net, 0.5)
    net.grad = 2.0
    optimizer.step()
    moved = np.ones(net.theta.size)
    moved[12:16] = 0  # the bias of dense1
    np.testing.assert_allclose(before - net.theta, 0.5 * moved, rtol=1e-12)
    assert optimizer.steps == 1


def test_every_optimizer_minimizes_a_quadratic():
    for name, make in OPTIMIZERS.items():
        net = network()
        net.theta = 1.0
        optimizer = make(net)
        optimizer.lr = 0.05
        for _ in range(300):
            net.grad = net.theta
            optimizer.step()
        assert np.abs(net.theta).max() < 0.2, name


# Gradients that no step can use.


@ALL
@pytest.mark.parametrize(
    ("dtype", "value"),
    [(np.float32, 1e20), (np.float32, np.inf), (np.float64, 1e155), (np.float64, np.nan)],
)
def test_a_gradient_too_large_for_a_step_is_refused_before_anything_moves(make, dtype, value):
    net = network(dtype)
    optimizer = make(net)
    net.grad = 1.0
    optimizer.step()
    net["dense2"].bias.grad[1] = value
    assert net.grad.size  # counts as a new gradient
    before = [array.copy() for array in (net.theta, *optimizer.state.values())]
    with pytest.raises(
        FloatingPointError, match=r": expected gradients up to .* for dense2\.bias;"
    ):
        optimizer.step()
    for old, new in zip(before, (net.theta, *optimizer.state.values()), strict=True):
        np.testing.assert_array_equal(new, old)
    assert optimizer.steps == 1
    net["dense2"].bias.trainable = False
    optimizer.step()  # the gradient of a frozen parameter is not used
    assert np.isfinite(net.theta).all()


@pytest.mark.parametrize("make", [RMSProp, Adagrad, Adam, AdamW])
def test_the_largest_gradients_that_are_accepted_give_the_steps_of_float64(make):
    thetas = []
    for dtype in (np.float32, np.float64):
        net = Sequential([Dense(1, 1, bias=False)], rng=0, dtype=dtype)
        net.theta = [1.0]
        optimizer = make(net, lr=0.1)
        for gradient in (1.3e19, *[1.0] * 500):
            net.grad = [gradient]
            optimizer.step()
        thetas.append(float(net.theta[0]))
    assert thetas[0] == pytest.approx(thetas[1], rel=1e-4)


def test_a_learning_rate_that_would_make_a_parameter_infinite_is_refused():
    net = Sequential([Dense(2, 1)], rng=0)
    optimizer, before = SGD(net, lr=1e30), net.theta.copy()
    net.grad = [1e10, 0, 0]
    with pytest.raises(
        FloatingPointError, match=r"product with lr .* got 1e\+10 for dense1\.weigh"
    ):
        optimizer.step()
    np.testing.assert_array_equal(net.theta, before)
    net.grad = [1e7, 0, 0]
    optimizer.step()
    assert np.isfinite(net.theta).all()


def test_adagrad_refuses_a_sum_of_squares_that_has_no_room_for_another():
    net = Sequential([Dense(1, 1, bias=False)], rng=0)
    optimizer = Adagrad(net)
    for _ in range(2):
        net.grad = [1.3e19]
        optimizer.step()
    theta, square = net.theta.copy(), optimizer.square.copy()
    net.grad = [1.0]
    with pytest.raises(FloatingPointError, match=r"Adagrad.*: expected sums of squared gradients"):
        optimizer.step()
    assert (net.theta, optimizer.square, optimizer.steps) == (theta, square, 2)


def test_a_step_needs_a_gradient_since_the_last_one():
    x, y = np.ones((4, 4)), np.array([0, 1, 2, 0])
    net, loss = Sequential([Dense(4, 3)], rng=0), SoftmaxCrossEntropy()
    optimizer = Adam(net)
    with pytest.raises(RuntimeError, match=r"Adam\(lr=0.001\): expected net.backward\(dy\) before"):
        optimizer.step()
    for _ in range(2):
        loss.forward(net.forward(x, training=True), y)
        net.backward(loss.backward())
        optimizer.step()
        theta = net.theta.copy()
        with pytest.raises(RuntimeError, match="got no gradient since the last one"):
            optimizer.step()
        np.testing.assert_array_equal(net.theta, theta)
    for assign in (
        lambda: setattr(net, "grad", 1.0),
        lambda: net.grad.fill(1.0),
        lambda: setattr(net["dense1"].bias, "grad", 1.0),
    ):
        assign()
        optimizer.step()
    assert optimizer.steps == 5
    other = SGD(net)  # a gradient can be used by more than one optimizer
    other.step()


# Input validation.

NOT_IN_RANGE = [
    (lambda net, v: SGD(net, lr=v), [-0.1, np.nan, np.inf], "SGD: expected lr to be non-negative"),
    (lambda net, v: SGD(net, momentum=v), [-0.1, 1, np.nan], "SGD: expected momentum"),
    (lambda net, v: SGD(net, weight_decay=v), [-1, np.inf], "SGD: expected weight_decay"),
    (lambda net, v: RMSProp(net, rho=v), [-0.1, 1.0], r"RMSProp: expected rho to be in \[0, 1\)"),
    (lambda net, v: RMSProp(net, eps=v), [0, -1e-8], "RMSProp: expected eps to be positive"),
    (lambda net, v: Adagrad(net, eps=v), [0, np.nan], "Adagrad: expected eps to be positive"),
    (lambda net, v: Adam(net, betas=(v, 0.9)), [1, -0.1], "Adam: expected beta[12]"),
    (lambda net, v: Adam(net, betas=(0.9, v)), [1.0, np.nan], "Adam: expected beta[12]"),
    (lambda net, v: Adam(net, eps=v), [0, -1], "Adam: expected eps to be positive"),
    (lambda net, v: AdamW(net, weight_decay=v), [-0.1, np.nan], "AdamW: expected weight_decay"),
    (lambda net, v: AdamW(net, eps=v), [0], "AdamW: expected eps to be positive"),
]


@pytest.mark.parametrize(("make", "values", "message"), NOT_IN_RANGE)
def test_a_setting_out_of_range_raises_with_its_name(make, values, message):
    for value in values:
        with pytest.raises(ValueError, match=message):
            make(network(), value)
    with pytest.raises(TypeError, match="to be a number"):
        make(network(), "0.1")


@ALL
def test_setting_an_invalid_learning_rate_raises_and_keeps_the_old_one(make):
    optimizer = make(network())
    lr = optimizer.lr
    for value in (-1.0, np.nan):
        with pytest.raises(ValueError, match="expected lr to be non-negative and finite"):
            optimizer.lr = value
    assert optimizer.lr == lr


def test_nesterov_without_momentum_raises():
    with pytest.raises(ValueError, match="expected a momentum above 0 for nesterov=True"):
        SGD(network(), nesterov=True)


@ALL
def test_an_argument_that_is_not_a_network_raises(make):
    for wrong in (None, Dense(2, 2), [np.zeros(3)]):
        with pytest.raises(TypeError, match="expected a Sequential, got"):
            make(wrong)


def test_an_optimizer_without_update_raises():
    net = network()
    optimizer, net.grad = Optimizer(net, 0.1), 1.0
    with pytest.raises(
        TypeError, match=r"Optimizer.*: expected it to define update\(self, part, d"
    ):
        optimizer.step()


@ALL
def test_an_optimizer_that_is_created_after_the_backward_pass_takes_the_first_step(make):
    early, late = network(), network()
    optimizer = make(early)
    for net in (early, late):
        net.forward(np.ones((5, 3)), training=True)
        net.backward(np.ones((5, 2)))
    other = make(late)
    optimizer.step()
    other.step()
    np.testing.assert_array_equal(late.theta, early.theta)
    for name, array in other.state.items():
        np.testing.assert_array_equal(array, optimizer.state[name], err_msg=name)
    with pytest.raises(RuntimeError, match="backward"):
        other.step()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [RMSProp, Adagrad, Adam, AdamW])
def test_eps_is_at_least_the_smallest_normal_number_of_the_dtype(kind, dtype):
    net, tiny = network(dtype), float(np.finfo(dtype).tiny)
    assert kind(net, eps=tiny).eps == tiny
    for eps in (tiny / 2, 0.0, -tiny):
        with pytest.raises(ValueError, match=f"{kind.__name__}: expected eps"):
            kind(net, eps=eps)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("momentum", "velocity"), ("nesterov", "velocity"), ("RMSProp", "square"),
     ("Adagrad", "square"), ("Adam", "mean"), ("Adam", "square"), ("AdamW", "square")],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_state_array_of_another_size_is_refused_before_anything_moves(kind, name, dtype):
    net = network(dtype)
    opt, before = OPTIMIZERS[kind](net), net.theta.copy()
    setattr(opt, name, np.zeros(3, dtype))
    net.grad = np.ones_like(net.theta)
    with pytest.raises(ValueError, match="expected state arrays of theta's size"):
        opt.step()
    np.testing.assert_array_equal(net.theta, before)


def test_an_optimizer_of_another_dtype_raises_and_changes_nothing():
    net = Sequential([Dense(3, 2)], rng=0)
    optimizer = SGD(net, lr=0.1)
    net.build(rng=0, dtype=np.float64)
    net.forward(np.ones((4, 3)), training=True)
    net.backward(np.ones((4, 2)))
    before = net.theta.copy()
    with pytest.raises(RuntimeError, match="expected a network of float32, got float64; create"):
        optimizer.step()
    np.testing.assert_array_equal(net.theta, before)
