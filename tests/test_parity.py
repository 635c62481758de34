"""minnet against PyTorch, number by number: what both compute must agree to rounding.

float64 agrees to 1e-10 of the largest value, float32 to 1e-5.
"""

import numpy as np
import pytest

import minnet
from minnet.layers.sequential import Sequential
from minnet.regularization import clip_grad_norm, clip_grad_value

torch = pytest.importorskip("torch")
nn = torch.nn


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Arrays this small are slower in several threads, and much slower beside other work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
BOTH = pytest.mark.parametrize("dtype", TOLERANCE)

LAYERS = {
    "Dense": (lambda: minnet.Dense(6, 4), lambda: nn.Linear(6, 4)),
    "Dense without bias": (
        lambda: minnet.Dense(6, 9, bias=False),
        lambda: nn.Linear(6, 9, bias=False),
    ),
    "Sigmoid": (minnet.Sigmoid, nn.Sigmoid),
    "Tanh": (minnet.Tanh, nn.Tanh),
    "ReLU": (minnet.ReLU, nn.ReLU),
    "LeakyReLU": (lambda: minnet.LeakyReLU(0.2), lambda: nn.LeakyReLU(0.2)),
    "PReLU": (minnet.PReLU, nn.PReLU),
    "ELU": (lambda: minnet.ELU(0.7), lambda: nn.ELU(0.7)),
    "SiLU": (minnet.SiLU, nn.SiLU),
    "GELU": (minnet.GELU, nn.GELU),
    "Softmax": (minnet.Softmax, lambda: nn.Softmax(dim=1)),
    "BatchNorm": (
        lambda: minnet.BatchNorm(6, eps=1e-2),
        lambda: nn.BatchNorm1d(6, eps=1e-2, momentum=0.1),
    ),
    "LayerNorm": (lambda: minnet.LayerNorm(6, eps=1e-2), lambda: nn.LayerNorm(6, eps=1e-2)),
    "GroupNorm": (lambda: minnet.GroupNorm(2, 6, eps=1e-2), lambda: nn.GroupNorm(2, 6, eps=1e-2)),
}

OPTIMIZERS = {
    "SGD": (lambda net: minnet.SGD(net, lr=0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (
        lambda net: minnet.SGD(net, lr=0.05, momentum=0.9),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    ),
    "nesterov": (
        lambda net: minnet.SGD(net, lr=0.05, momentum=0.8, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True),
    ),
    "plain decay": (
        lambda net: minnet.SGD(net, lr=0.1, weight_decay=0.02),
        lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.02),
    ),
    "nesterov decay": (
        lambda net: minnet.SGD(net, lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.02),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.02),
    ),
    "momentum decay": (
        lambda net: minnet.SGD(net, lr=0.05, momentum=0.9, weight_decay=0.02),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.02),
    ),
    "RMSProp": (
        lambda net: minnet.RMSProp(net, lr=0.01, rho=0.95, eps=1e-3),
        lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.95, eps=1e-3),
    ),
    "Adagrad": (
        lambda net: minnet.Adagrad(net, lr=0.1, eps=1e-3),
        lambda p: torch.optim.Adagrad(p, lr=0.1, eps=1e-3),
    ),
    "Adam": (
        lambda net: minnet.Adam(net, lr=0.01, betas=(0.8, 0.99), eps=1e-3),
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-3),
    ),
    "AdamW": (
        lambda net: minnet.AdamW(net, lr=0.01, weight_decay=0.3, betas=(0.8, 0.99), eps=1e-3),
        lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.3, betas=(0.8, 0.99), eps=1e-3),
    ),
}
DEFAULTS = {
    "SGD": (minnet.SGD, lambda p: torch.optim.SGD(p, lr=0.01)),
    "RMSProp": (minnet.RMSProp, lambda p: torch.optim.RMSprop(p, lr=1e-3, alpha=0.9)),
    "Adagrad": (minnet.Adagrad, torch.optim.Adagrad),
    "Adam": (minnet.Adam, torch.optim.Adam),
    "AdamW": (minnet.AdamW, torch.optim.AdamW),
}


def agree(found, expected, tolerance):
    expected = expected.detach().numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def with_same_parameters(ours, theirs, rng):
    """Give both the same random parameters; PyTorch's weight is the transpose of ours."""
    for param, peer in zip(ours.params.values(), theirs.parameters(), strict=True):
        param.value = rng.normal(0.5, 0.5, param.value.shape)
        peer.data = torch.from_numpy(param.value.T.copy())
    return ours, theirs


def parameters_agree(ours, theirs, tolerance):
    for param, peer in zip(ours.params.values(), theirs.parameters(), strict=True):
        agree(param.value.T, peer, tolerance)


@BOTH
@pytest.mark.parametrize("pair", LAYERS.values(), ids=LAYERS)
def test_a_layer_gives_pytorchs_output_and_gradients(pair, dtype):
    rng = np.random.default_rng(0)
    ours, theirs = pair[0]().build(dtype=dtype), pair[1]().to(getattr(torch, dtype))
    with_same_parameters(ours, theirs, rng)
    x = rng.normal(0.0, 2.0, (32, 6)).astype(dtype)
    leaf = torch.from_numpy(x).requires_grad_()
    y, peer = ours.forward(x, training=True), theirs(leaf)
    dy = rng.normal(size=y.shape).astype(dtype)
    dx = ours.backward(dy)
    peer.backward(torch.from_numpy(dy))

    tolerance = TOLERANCE[dtype]
    agree(y, peer, tolerance)
    agree(dx, leaf.grad, tolerance)
    for param, peer in zip(ours.params.values(), theirs.parameters(), strict=True):
        agree(param.grad.T, peer.grad, tolerance)
    agree(ours.forward(x, training=False), theirs.eval()(leaf), tolerance)


@BOTH
def test_batchnorms_running_statistics_are_pytorchs_after_several_batches(dtype):
    rng = np.random.default_rng(1)
    ours = minnet.BatchNorm(3, momentum=0.7).build(dtype=dtype)
    theirs = nn.BatchNorm1d(3, momentum=0.3, dtype=getattr(torch, dtype))
    for n in (2, 5, 8, 3, 32):
        x = rng.normal([1.0, -5.0, 30.0], [1.0, 0.1, 4.0], (n, 3)).astype(dtype)
        ours.forward(x, training=True)
        theirs(torch.from_numpy(x))
    agree(ours.running_mean, theirs.running_mean, TOLERANCE[dtype])
    agree(ours.running_var, theirs.running_var, TOLERANCE[dtype])


def cross_entropy_of_probabilities(output, target):
    if target.ndim == 1:
        return nn.functional.nll_loss(output.log(), target)
    return -(target * output.log()).sum(1).mean()


LOSSES = {
    "SoftmaxCrossEntropy": (minnet.SoftmaxCrossEntropy, nn.functional.cross_entropy),
    "CrossEntropy": (minnet.CrossEntropy, cross_entropy_of_probabilities),
    "SigmoidBinaryCrossEntropy": (
        minnet.SigmoidBinaryCrossEntropy,
        nn.functional.binary_cross_entropy_with_logits,
    ),
    "MeanSquaredError": (minnet.MeanSquaredError, nn.functional.mse_loss),
    "MeanAbsoluteError": (minnet.MeanAbsoluteError, nn.functional.l1_loss),
    "Huber": (lambda: minnet.Huber(0.7), lambda y, t: nn.functional.huber_loss(y, t, delta=0.7)),
}


@BOTH
@pytest.mark.parametrize(
    ("name", "targets"),
    [*((name, "rows") for name in LOSSES), *((name, "labels") for name in list(LOSSES)[:2])],
)
def test_a_loss_gives_pytorchs_value_and_gradient(name, targets, dtype):
    rng = np.random.default_rng(2)
    make, peer = LOSSES[name]
    loss = make()
    output = rng.normal(0.0, 3.0, (32, 5)).astype(dtype)
    if name == "CrossEntropy":
        output = rng.dirichlet(np.ones(5), 32).astype(dtype)
    target = rng.dirichlet(np.ones(5), 32).astype(dtype)
    if targets == "labels":
        target = rng.integers(0, 5, 32)
    leaf = torch.from_numpy(output).requires_grad_()
    expected = peer(leaf, torch.from_numpy(target))
    expected.backward()
    assert loss.forward(output, target) == pytest.approx(
        expected.item(), rel=TOLERANCE[dtype], abs=0
    )
    agree(loss.backward(), leaf.grad, TOLERANCE[dtype])


@BOTH
def test_weights_by_class_give_pytorchs_weighted_cross_entropy(dtype):
    rng = np.random.default_rng(3)
    output, labels = rng.normal(0.0, 3.0, (32, 5)).astype(dtype), rng.integers(0, 5, 32)
    weights, loss = rng.uniform(0.1, 4.0, 5).astype(dtype), minnet.SoftmaxCrossEntropy()
    leaf = torch.from_numpy(output).requires_grad_()
    peer = nn.functional.cross_entropy
    expected = peer(leaf, torch.from_numpy(labels), weight=torch.from_numpy(weights))
    expected.backward()
    value = loss.forward(output, labels, sample_weight=weights[labels])
    assert value == pytest.approx(expected.item(), rel=TOLERANCE[dtype], abs=0)
    agree(loss.backward(), leaf.grad, TOLERANCE[dtype])


def little_networks(rng, dtype="float64"):
    ours = Sequential([minnet.Dense(5, 7), minnet.Tanh(), minnet.Dense(7, 3)], dtype=dtype)
    theirs = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).to(getattr(torch, dtype))
    return with_same_parameters(ours, theirs, rng)


def train_both(ours, theirs, optimizer, peer, *, steps, rng):
    x, labels = rng.normal(size=(60, 5)).astype(ours.dtype), rng.integers(0, 3, 60)
    loss = minnet.SoftmaxCrossEntropy()
    for step in range(steps):
        rows = rng.permutation(60)[: 20 + step % 3]
        value = loss.forward(ours.forward(x[rows], training=True), labels[rows])
        ours.backward(loss.backward())
        optimizer.step()
        peer.zero_grad()
        output = theirs(torch.from_numpy(x[rows]))
        expected = nn.functional.cross_entropy(output, torch.from_numpy(labels[rows]))
        expected.backward()
        peer.step()
        assert value == pytest.approx(expected.item(), rel=1e-10)


@pytest.mark.parametrize("pair", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_100_steps_of_an_optimizer_end_where_pytorchs_end(pair):
    rng = np.random.default_rng(3)
    ours, theirs = little_networks(rng)
    start = ours.theta.copy()
    train_both(ours, theirs, pair[0](ours), pair[1](theirs.parameters()), steps=100, rng=rng)
    parameters_agree(ours, theirs, 1e-10)
    assert np.abs(ours.theta - start).max() > 0.1


@pytest.mark.parametrize("pair", DEFAULTS.values(), ids=DEFAULTS)
def test_the_defaults_of_an_optimizer_are_pytorchs(pair):
    rng = np.random.default_rng(4)
    ours, theirs = little_networks(rng)
    train_both(ours, theirs, pair[0](ours), pair[1](theirs.parameters()), steps=20, rng=rng)
    parameters_agree(ours, theirs, 1e-10)


@pytest.mark.parametrize("pair", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_100_steps_of_an_optimizer_on_given_gradients_agree_in_float32(pair):
    rng = np.random.default_rng(5)
    ours, theirs = little_networks(rng, "float32")
    optimizer, peer = pair[0](ours), pair[1](theirs.parameters())
    for _ in range(100):
        for param, twin in zip(ours.params.values(), theirs.parameters(), strict=True):
            param.grad = rng.normal(size=param.grad.shape)
            twin.grad = torch.from_numpy(param.grad.T.copy())
        optimizer.step()
        peer.step()
    parameters_agree(ours, theirs, 1e-5)


def with_same_gradients(rng):
    ours, theirs = little_networks(rng)
    for param, peer in zip(ours.params.values(), theirs.parameters(), strict=True):
        param.grad = rng.normal(size=param.grad.shape)
        peer.grad = torch.from_numpy(param.grad.T.copy())
    return ours, theirs


@pytest.mark.parametrize("max_norm", [0.5, 1e3])
def test_clip_grad_norm_clips_as_pytorch_does(max_norm):
    ours, theirs = with_same_gradients(np.random.default_rng(6))
    norm = clip_grad_norm(ours, max_norm)
    expected = nn.utils.clip_grad_norm_(theirs.parameters(), max_norm).item()
    assert norm == pytest.approx(expected, rel=1e-12)
    # PyTorch divides by norm + 1e-6, and so ends that much below max_norm; minnet ends on it.
    pytorchs_share = norm / (norm + 1e-6) if norm > max_norm else 1.0
    for param, peer in zip(ours.params.values(), theirs.parameters(), strict=True):
        agree(param.grad.T * pytorchs_share, peer.grad, 1e-10)


def test_clip_grad_value_clips_as_pytorch_does():
    ours, theirs = with_same_gradients(np.random.default_rng(7))
    clip_grad_value(ours, 0.4)
    nn.utils.clip_grad_value_(theirs.parameters(), 0.4)
    for param, peer in zip(ours.params.values(), theirs.parameters(), strict=True):
        agree(param.grad.T, peer.grad, 1e-10)


class Skip(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.branch = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.branch(x)


@pytest.mark.parametrize("rule", ["nesterov", "Adam"])
def test_a_whole_network_trains_100_steps_as_pytorchs_does(rule):
    rng = np.random.default_rng(8)
    ours = Sequential(
        [
            minnet.Dense(5, 8, bias=False), minnet.BatchNorm(8), minnet.ReLU(),
            minnet.Residual(minnet.Dense(8, 6), minnet.Tanh(), minnet.Dense(6, 8)),
            minnet.Dense(8, 3),
        ],
        dtype=np.float64,
    )  # fmt: skip
    theirs = nn.Sequential(
        nn.Linear(5, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(),
        Skip(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 8)),
        nn.Linear(8, 3),
    ).double()  # fmt: skip
    with_same_parameters(ours, theirs, rng)
    make, peer = OPTIMIZERS[rule]
    train_both(ours, theirs, make(ours), peer(theirs.parameters()), steps=100, rng=rng)
    parameters_agree(ours, theirs, 1e-10)
    batchnorm = ours["batchnorm1"]
    agree(batchnorm.running_mean, theirs[1].running_mean, 1e-10)
    agree(batchnorm.running_var, theirs[1].running_var, 1e-10)
    x = rng.normal(size=(9, 5))
    agree(ours.predict(x), theirs.eval()(torch.from_numpy(x)), 1e-10)
