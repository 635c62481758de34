"""Arguments of the training functions: the same checks in all of them, and repairs that work."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from minnet import (
    L2,
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Dense,
    Dropout,
    EarlyStopping,
    Huber,
    MeanSquaredError,
    Param,
    PReLU,
    ReLU,
    RMSProp,
    Sequential,
    SigmoidBinaryCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
    capture,
    clip_grad_norm,
    clip_grad_value,
    evaluate,
    fit,
    initializers,
    schedules,
    train_step,
)
from minnet.files import as_path
from minnet.validation import as_flag, as_rng, count, one_of, positive

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 3)), np.arange(8) % 2
HUGE = 10**400


def network(*, dtype=np.float32, last=()):
    return Sequential([Dense(3, 4), ReLU(), Dense(4, 2), *last], rng=0, dtype=dtype)


# The same checks in every function.

TRAINING = {
    "fit": lambda net, x, y, loss, optimizer, **more: fit(
        net, x, y, loss=loss, optimizer=optimizer, epochs=1, batch_size=4, **more
    ),
    "train_step": lambda net, x, y, loss, optimizer, **more: train_step(
        net, x, y, loss=loss, optimizer=optimizer, **more
    ),
}
ALL = TRAINING | {
    "evaluate": lambda net, x, y, loss, optimizer: evaluate(net, x, y, loss),
    "capture": lambda net, x, y, loss, optimizer: capture(net, x, y, loss),
}


@pytest.mark.parametrize("name", ALL)
def test_loss_data_and_network_are_checked_in_every_function(name):
    call, net = ALL[name], network()
    loss, optimizer = SoftmaxCrossEntropy(), SGD(net)
    before = net.theta.copy()
    with pytest.raises(TypeError, match=rf"{name}: expected a Loss, got .*create one: Softmax"):
        call(net, X, Y, SoftmaxCrossEntropy, optimizer)
    with pytest.raises(TypeError, match="labels, got dtype <U"):
        call(net, X, Y.astype(str), loss, optimizer)
    with pytest.raises(TypeError, match="masked array"):
        call(net, X, np.ma.masked_array(Y, Y == 1), loss, optimizer)
    with pytest.raises(FloatingPointError, match=r"the input x: .* nan at row 2, column 1"):
        call(net, np.where(np.arange(24).reshape(8, 3) == 7, np.nan, X), Y, loss, optimizer)
    with pytest.raises(ValueError, match=r"got label 2 at row 0"):
        call(net, X, Y + 2, loss, optimizer)
    ended = network(last=[Softmax()])
    with pytest.raises(ValueError, match=f"{name}: .*takes logits.*remove that layer"):
        call(ended, X, Y, loss, SGD(ended))
    if name != "capture":
        with pytest.raises(TypeError, match=f"{name}: expected a Sequential, got Dense"):
            call(Dense(3, 2), X, Y, loss, optimizer)
    np.testing.assert_array_equal(net.theta, before)


@pytest.mark.parametrize("name", TRAINING)
def test_settings_of_a_step_are_checked_before_it(name):
    call, net = TRAINING[name], network()
    loss, before = SoftmaxCrossEntropy(), net.theta.copy()
    for optimizer, options, error, message in (
        (SGD(network()), {}, ValueError, "the optimizer belongs to another network"),
        (SGD, {}, TypeError, "expected an Optimizer, got .*; create one: SGD(...)"),
        (SGD(net), {"regularizer": L2}, TypeError, "expected a Regularizer such as L2(1e-4), got"),
        (SGD(net), {"clip_norm": 0}, ValueError, "expected clip_norm to be positive"),
        (SGD(net), {"clip_norm": HUGE}, ValueError, "expected clip_norm to be positive"),
        (SGD(net), {"probes": "x"}, TypeError, "expected a list of probes"),
    ):
        text = re.escape(f"{name}: ") + ".*".join(map(re.escape, message.split(".*")))
        with pytest.raises(error, match=text):
            call(net, X, Y, loss, optimizer, **options)
    np.testing.assert_array_equal(net.theta, before)
    with pytest.raises(TypeError, match=r"train_step: expected step to be a whole number, got 0.5"):
        train_step(net, X, Y, loss=loss, optimizer=SGD(net), step=0.5)


# Repairs: a call that is refused, the text of the repair, and the call with the repair.

REPAIRS = {
    "sparse": (
        lambda net: net.predict(scipy.sparse.csr_matrix(X)),
        "x.toarray()",
        lambda net: net.predict(scipy.sparse.csr_matrix(X).toarray()),
    ),
    "strings": (
        lambda net: net.predict(X.astype(str)),
        "numpy.array(x, float)",
        lambda net: net.predict(np.array(X.astype(str), float)),
    ),
    "lists of strings": (
        lambda net: net.predict(X.astype(str).tolist()),
        "numpy.array(x, float)",
        lambda net: net.predict(np.array(X.astype(str).tolist(), float)),
    ),
    "complex": (
        lambda net: net.predict(X + 0j),
        "x.real",
        lambda net: net.predict((X + 0j).real),
    ),
    "a column of text": (
        lambda net: net.predict(pd.DataFrame(X).assign(kind="a")),
        "in column 'kind'; encode or drop it: x.drop(columns=...)",
        lambda net: net.predict(pd.DataFrame(X).assign(kind="a").drop(columns="kind")),
    ),
    "masked": (
        lambda net: net.predict(np.ma.masked_array(X, X > 1)),
        "x.filled(value)",
        lambda net: net.predict(np.ma.masked_array(X, X > 1).filled(0.0)),
    ),
    "too large for float32": (
        lambda net: net.predict(X * 1e300),
        "too large for float32, at row 0, column 0; scale the values, or use dtype=np.float64",
        lambda net: network(dtype=np.float64).predict(X * 1e300),
    ),
    "labels from 1": (
        lambda net: SoftmaxCrossEntropy().forward(X, [1, 2, 3, 1, 2, 3, 1, 2]),
        "use labels - 1",
        lambda net: SoftmaxCrossEntropy().forward(X, np.array([1, 2, 3, 1, 2, 3, 1, 2]) - 1),
    ),
    "labels -1 and 1": (
        lambda net: SoftmaxCrossEntropy().forward(X, 2 * Y - 1),
        "use (labels + 1) // 2",
        lambda net: SoftmaxCrossEntropy().forward(X, (2 * Y - 1 + 1) // 2),
    ),
    "targets -1 and 1": (
        lambda net: SigmoidBinaryCrossEntropy().forward(X[:, :1], (2 * Y - 1)[:, None]),
        "use (target + 1) / 2",
        lambda net: SigmoidBinaryCrossEntropy().forward(X[:, :1], (2 * Y - 1 + 1)[:, None] / 2),
    ),
    "swapped arguments": (
        lambda net: SoftmaxCrossEntropy().forward(Y, X),
        "arguments swapped? use forward(output, target)",
        lambda net: SoftmaxCrossEntropy().forward(X, Y),
    ),
    "a class": (
        lambda net: train_step(net, X, Y, loss=SoftmaxCrossEntropy(), optimizer=SGD),
        "create one: SGD(...)",
        lambda net: train_step(net, X, Y, loss=SoftmaxCrossEntropy(), optimizer=SGD(net)),
    ),
    "part of a name": (
        lambda net: Dense(3, 2, init="he"),
        "did you mean 'he_normal'?",
        lambda net: Dense(3, 2, init="he_normal"),
    ),
    "a misspelled name": (
        lambda net: EarlyStopping("val_acuracy"),
        "did you mean 'val_accuracy'?",
        lambda net: EarlyStopping("val_accuracy"),
    ),
    "a transposed value": (
        lambda net: setattr(net["dense1"].weight, "value", np.ones((4, 3))),
        "it is the transpose, assign value.T",
        lambda net: setattr(net["dense1"].weight, "value", np.ones((4, 3)).T),
    ),
    "a second step": (
        lambda net: second_step(net, lambda: None),
        "assign net.grad or the grad of a parameter",
        lambda net: second_step(net, lambda: setattr(net, "grad", 0.1)),
    ),
    "a rebuilt network": (
        lambda net: rebuilt(SGD(net), lambda optimizer: optimizer),
        "create a new optimizer after net.build",
        lambda net: rebuilt(SGD(net), lambda optimizer: SGD(optimizer.net)),
    ),
}


def second_step(net, between):
    optimizer = SGD(net)
    train_step(net, X, Y, loss=SoftmaxCrossEntropy(), optimizer=optimizer)
    between()
    optimizer.step()


def rebuilt(optimizer, choose):
    net = optimizer.net
    for layer in net.layers:
        layer._bound = False
    net.build(dtype=np.float64)
    net.grad = 1.0
    choose(optimizer).step()


@pytest.mark.parametrize(("refused", "text", "repaired"), REPAIRS.values(), ids=REPAIRS)
def test_the_repair_in_a_message_works(refused, text, repaired):
    with pytest.raises((TypeError, ValueError, FloatingPointError, RuntimeError)) as caught:
        refused(network())
    assert text in str(caught.value)
    repaired(network())


# Settings are validated by every assignment, also to the float type of the network.

SETTINGS = [
    (lambda: SGD(network(), momentum=0.5), "lr momentum weight_decay", [-1, np.nan, 1e39, HUGE]),
    (lambda: RMSProp(network()), "rho eps", [-1, np.nan, 1e39]),
    (lambda: Adam(network()), "beta1 beta2", [-1, 1, 0.999999999, np.nan]),
    (lambda: Adam(network()), "eps", [0, 1e-50, 1e-40, np.inf]),
    (lambda: AdamW(network()), "weight_decay", [-1, np.nan, -HUGE]),
    (lambda: L2(0.1), "strength", [-1, np.nan, 1e39, HUGE]),
    (Huber, "delta", [0, -1, np.nan, HUGE]),
    (EarlyStopping, "patience", [0, -1, HUGE]),
    (EarlyStopping, "min_delta", [-1, np.nan, HUGE]),
]


@pytest.mark.parametrize(("make", "names", "values"), SETTINGS)
def test_a_setting_is_validated_by_each_assignment(make, names, values):
    owner = make()
    for name in names.split():
        before = getattr(owner, name)
        for value in values:
            with pytest.raises(ValueError, match=f"{type(owner).__name__}: expected {name}"):
                setattr(owner, name, value)
        for value in (None, "0.1", [0.1], True):
            with pytest.raises(TypeError, match=f"{type(owner).__name__}: expected {name} to be"):
                setattr(owner, name, value)
        assert getattr(owner, name) == before
        setattr(owner, name, np.float64(0.5) if isinstance(before, float) else np.uint8(3))
        assert type(getattr(owner, name)) is type(before)


def test_bounds_of_a_setting_are_those_of_the_dtype():
    net = network(dtype=np.float64)
    assert SGD(net, lr=1e39).lr == 1e39
    assert Adam(net, betas=(0.9, 0.999999999), eps=1e-50).eps == 1e-50
    with pytest.raises(ValueError, match="Adam: expected eps = 1e-310, as float64, to be positive"):
        Adam(net, eps=1e-310)


def test_settings_are_kept_by_copies_and_flags_are_bools():
    twin = pickle.loads(pickle.dumps(Huber(0.5)))
    assert twin.delta == 0.5
    with pytest.raises(ValueError, match="Huber: expected delta"):
        twin.delta = -1
    optimizer = SGD(network(), momentum=0.5)
    for owner, name in ((optimizer, "nesterov"), (optimizer, "decay_bias")):
        with pytest.raises(TypeError, match=f"SGD: expected {name} as True or False, got 'False'"):
            setattr(owner, name, "False")
    with pytest.raises(TypeError, match="EarlyStopping: expected restore_best as True or False"):
        EarlyStopping(restore_best="no")
    for name in ("shuffle", "drop_last"):
        with pytest.raises(TypeError, match=f"fit: expected {name} as True or False, got 'no'"):
            TRAINING["fit"](optimizer.net, X, Y, SoftmaxCrossEntropy(), optimizer, **{name: "no"})


def test_a_momentum_that_is_assigned_after_the_first_steps_is_used():
    late, from_the_start = network(), network()
    optimizers = [SGD(late, lr=0.1), SGD(from_the_start, lr=0.1, momentum=0.9)]
    optimizers[0].momentum = 0.9
    for optimizer in optimizers:
        for gradient in (1.0, -0.5, 0.25):
            optimizer.net.grad = gradient
            optimizer.step()
    np.testing.assert_array_equal(late.theta, from_the_start.theta)


# Arrays that are assigned.

NOT_VALUES = [
    (None, TypeError), ("0.1", TypeError), (object(), TypeError), (1j, TypeError),
    (np.zeros(3, "M8[s]"), TypeError), (np.ma.masked_array(np.ones(3), [0, 1, 0]), TypeError),
    ([7.0], ValueError), ([[1.0] * 3], ValueError), ([HUGE] * 3, TypeError),
    (np.nan, FloatingPointError), ([1.0, np.inf, 2.0], FloatingPointError),
    ([1.0, 2.0, -1e39], FloatingPointError),
]  # fmt: skip


@pytest.mark.parametrize(("value", "error"), NOT_VALUES)
def test_an_assigned_array_is_validated_and_the_old_one_kept(value, error):
    net = Sequential([Dense(3, 1, bias=False)], rng=0)
    param = Param(np.ones(3, np.float32))
    for owner, name in ((net, "theta"), (net, "grad"), (param, "value"), (param, "grad")):
        before = getattr(owner, name).copy()
        with pytest.raises(error, match=f": (expected )?{name}: expected|: expected {name} "):
            setattr(owner, name, value)
        np.testing.assert_array_equal(getattr(owner, name), before)


def test_an_assigned_number_that_is_too_large_is_reported_as_such():
    net = Sequential([Dense(3, 1, bias=False)], rng=0)
    message = r"theta: expected finite values, got 1e\+39, too large for float32, at index \(1,\)"
    with pytest.raises(FloatingPointError, match=message):
        net.theta = [0, 1e39, 0]


# Single functions.


def test_rng_is_a_seed_a_generator_or_none():
    generator = np.random.default_rng(3)
    assert as_rng(generator, "f") is generator
    assert as_rng(np.int8(3), "f").random() == np.random.default_rng(3).random()
    assert isinstance(as_rng(None, "f"), np.random.Generator)
    for wrong in (0.5, "0", True, [1], np.random, np.timedelta64(1, "s")):
        for call in (
            lambda rng: as_rng(rng, "f"),
            lambda rng: Sequential([Dense(3, 2)], rng=rng),
            lambda rng: initializers.normal((2, 2), rng=rng),
            lambda rng: initializers.lsuv(network(), X, rng=rng),
            lambda rng: TRAINING["fit"](*fit_arguments(), rng=rng),
        ):
            with pytest.raises(
                TypeError, match=r"expected rng as a seed such as 0, a numpy.random"
            ):
                call(wrong)
    with pytest.raises(ValueError, match="f: expected rng as a seed >= 0, got -1"):
        as_rng(-1, "f")


def fit_arguments():
    net = network()
    return net, X, Y, SoftmaxCrossEntropy(), SGD(net)


def test_paths_flags_and_names(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_path("~/net.npz", "save") == tmp_path / "net.npz"
    assert as_path(tmp_path, "save") == tmp_path
    for wrong in (None, 5, b"net.npz", ["a"]):
        with pytest.raises(TypeError, match=r"save: expected a path, got .* 'net.npz'"):
            as_path(wrong, "save")
    for wrong in ("", "a\0b", "\ud800"):
        with pytest.raises(ValueError, match="save: expected a path of valid"):
            as_path(wrong, "save")
    assert as_flag(np.bool_(True), "f", "g") is True
    for wrong in (0, 1, "True", None):
        with pytest.raises(TypeError, match="f: expected g as True or False, got"):
            as_flag(wrong, "f", "g")
    assert one_of("a", ["a", "b"], "f", "kind") == "a"
    for wrong in (["a"], None, 1):
        with pytest.raises(TypeError, match="f: expected kind as one of a, b, got"):
            one_of(wrong, ["a", "b"], "f", "kind")


def test_integers_too_large_for_a_float_are_refused_in_a_short_message():
    for call in (
        lambda: positive(HUGE, "f", "x"),
        lambda: count(HUGE, "f", "x"),
        lambda: count(-HUGE, "f", "x"),
        lambda: positive(10**5000, "f", "x"),
        lambda: schedules.cosine(HUGE, steps=3),
        lambda: schedules.cosine(0.1, steps=HUGE),
        lambda: schedules.cosine(0.1, steps=3)(HUGE),
        lambda: schedules.one_cycle(0.1, steps=HUGE),
        lambda: clip_grad_norm(network(), HUGE),
        lambda: clip_grad_value(network(), HUGE),
        lambda: initializers.constant((2, 2), value=HUGE),
        lambda: initializers.zeros((10**12, 10**12)),
        lambda: Dense(HUGE, 2),
        lambda: PReLU(HUGE),
        lambda: Dropout(HUGE),
        lambda: BatchNorm(3, eps=HUGE),
    ):
        with pytest.raises(ValueError, match="expected") as caught:
            call()
        assert len(str(caught.value)) < 300
    with pytest.raises(TypeError, match=r"expected an Optimizer, got an integer of \d+ bits"):
        train_step(network(), X, Y, loss=SoftmaxCrossEntropy(), optimizer=10**5000)


# NumPy's error state.


def test_underflow_does_not_raise_if_numpy_raises_floating_point_errors():
    net = Sequential([Dense(2, 1, bias=False)], rng=0)
    with np.errstate(all="raise"):
        net.grad = [1e10, 1e-36]
        clip_grad_norm(net, 1.0)
        net.theta = [1e-36, 1.0]
        L2(1e-6).add_gradient(net)
        L2(1e-300).penalty(net)
        net.theta = np.array([1e-300, 1.0])
        net.predict([[1e-44, 1.0]])
        for std in (1e-44, 1e-300):
            initializers.normal((3, 3), std=std)
            initializers.uniform((3, 3), limit=std)
            initializers.orthogonal((3, 3), gain=std)
        fit(
            net, [[1e5, 1e-35]] * 2, [[1e-300]] * 2, loss=MeanSquaredError(),
            optimizer=Adam(net, lr=1e-12), epochs=2, batch_size=1, clip_norm=1.0,
            regularizer=L2(1e-30), sample_weight=[1e-30, 1.0],
            schedule=schedules.cosine(1e-300, steps=3),
        )  # fmt: skip
    assert np.isfinite(net.theta).all()
