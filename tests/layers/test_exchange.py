"""Exchange of parameters with PyTorch and Keras: equal outputs, and all arrays or none."""

from collections import OrderedDict

import numpy as np
import pytest

import minnet
from minnet import (
    BatchNorm,
    Dense,
    Dropout,
    GroupNorm,
    LayerNorm,
    PReLU,
    ReLU,
    Residual,
    Sequential,
    Tanh,
)  # fmt: skip


def network(rng=0, dtype=np.float32):
    """Return a network with every kind of parameter, square weights and random numbers."""
    net = Sequential(
        [
            Dense(4, 6), BatchNorm(6), ReLU(), Dropout(0.5), Dense(6, 6, bias=False), PReLU(),
            Residual(LayerNorm(6), Dense(6, 6), Tanh(), Residual(Dense(6, 6))),
            GroupNorm(2, 6), Dense(6, 3),
        ],
        rng=rng, dtype=dtype,
    )  # fmt: skip
    generator = np.random.default_rng(rng)
    for param in net.params.values():
        param.value = generator.normal(size=param.value.shape)
    net["batchnorm1"].running_mean = generator.normal(size=6)
    net["batchnorm1"].running_var = generator.uniform(0.5, 2, size=6)
    return net


def everything(net):
    return {name: p.value.copy() for name, p in net.params.items()} | {
        name: array.copy() for name, array in net.state.items()
    }


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], strict=True, err_msg=name)


X = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
TORCH_NAMES = [
    "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "4.weight",
    "5.weight", "6.0.weight", "6.0.bias", "6.1.weight", "6.1.bias", "6.3.0.weight", "6.3.0.bias",
    "7.weight", "7.bias", "8.weight", "8.bias",
]  # fmt: skip


# --- without PyTorch and Keras ---


def test_the_state_dict_has_the_names_and_layouts_of_pytorch():
    net = network()
    arrays = net.to_torch_state_dict()
    assert list(arrays) == TORCH_NAMES
    np.testing.assert_array_equal(arrays["0.weight"], net["dense1"].weight.value.T)
    square = net["residual1.dense1"].weight.value
    np.testing.assert_array_equal(arrays["6.1.weight"], square.T)
    np.testing.assert_array_equal(arrays["1.weight"], net["batchnorm1"].gamma.value)
    np.testing.assert_array_equal(arrays["1.running_var"], net["batchnorm1"].running_var)
    np.testing.assert_array_equal(arrays["5.weight"], net["prelu1"].slope.value)


def test_the_weight_list_has_the_order_and_layouts_of_keras():
    net = network()
    order = [
        "dense1.weight", "dense1.bias", "batchnorm1.gamma", "batchnorm1.beta",
        "batchnorm1.running_mean", "batchnorm1.running_var", "dense2.weight", "prelu1.slope",
        "residual1.layernorm1.gamma", "residual1.layernorm1.beta", "residual1.dense1.weight",
        "residual1.dense1.bias", "residual1.residual1.dense1.weight",
        "residual1.residual1.dense1.bias", "groupnorm1.gamma", "groupnorm1.beta",
        "dense3.weight", "dense3.bias",
    ]  # fmt: skip
    values = everything(net)
    weights = net.to_keras_weights()
    assert len(weights) == len(order)
    for name, array in zip(order, weights, strict=True):
        np.testing.assert_array_equal(array, values[name], strict=True)


def to_torch(net):
    return net.to_torch_state_dict()


def load_torch(net, arrays):
    return net.load_torch_state_dict(arrays)


def to_keras(net):
    return net.to_keras_weights()


def load_keras(net, arrays):
    return net.load_keras_weights(arrays)


BOTH = pytest.mark.parametrize(("give", "take"), [(to_torch, load_torch), (to_keras, load_keras)])


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_filled_from_another_one_is_equal(give, take, dtype):
    source, net = network(0, dtype), network(1, dtype)
    optimizer = minnet.SGD(net)
    assert take(net, give(source)) is net
    assert_same(everything(net), everything(source))
    np.testing.assert_array_equal(net.predict(X), source.predict(X))
    assert optimizer.net.theta is net.theta
    np.testing.assert_array_equal(net.theta, source.theta)


@BOTH
def test_the_arrays_are_contiguous_copies(give, take):
    net = network()
    kept, arrays = everything(net), give(net)
    arrays = list(arrays.values()) if isinstance(arrays, dict) else arrays
    for array in arrays:
        assert array.flags.c_contiguous
        assert array.flags.writeable
        array[...] = 9
    assert_same(everything(net), kept)


@BOTH
def test_the_arrays_are_converted_to_the_dtype_of_the_network(give, take):
    net = take(network(1, np.float64), give(network(0)))
    assert {array.dtype for array in everything(net).values()} == {np.dtype(np.float64)}
    np.testing.assert_array_equal(net.theta, network(0).theta)


def test_buffers_of_the_last_training_step_are_discarded():
    net = network()
    net.forward(X, training=True)
    net.load_torch_state_dict(network(1).to_torch_state_dict())
    assert net["dense1"].x is None
    with pytest.raises(RuntimeError, match="forward"):
        net.backward(np.zeros((20, 3)))


def test_layers_named_by_hand_keep_their_names():
    net = Sequential(
        [("fc1", Dense(4, 6)), ReLU(), Residual(Dense(6, 6)), ("0", Dense(6, 3, bias=False))]
    )
    names = ["fc1.weight", "fc1.bias", "2.0.weight", "2.0.bias", "3.weight"]
    assert list(net.to_torch_state_dict()) == names


def test_a_layer_of_ones_own_keeps_its_names_and_layout():
    class Gain(minnet.Layer):
        def __init__(self, features):
            self.in_features = self.out_features = features
            self.params["gamma"] = minnet.Param(np.arange(2.0 * features).reshape(2, features))

        def compute(self, x, y, training):
            y[...] = x * self.params["gamma"].value.sum(axis=0)

        def differentiate(self, dy, dx):
            raise NotImplementedError

    arrays = Sequential([Gain(3)]).to_torch_state_dict()
    np.testing.assert_array_equal(arrays["0.gamma"], [[0, 1, 2], [3, 4, 5]])


NAN = np.full(6, np.nan)
MISSING = object()
WRONG = {
    "missing": ({"0.bias": MISSING}, [r"missing: 0.bias \(here dense1.bias\) of shape \(6,\)"]),
    "unknown": ({"9.weight": np.ones(3)}, ["unknown: 9.weight"]),
    "shape": (
        {"8.bias": np.ones(4)},
        [r"8.bias \(here dense3.bias\): expected shape \(3,\), got \(4,\)"],
    ),
    "transpose": (
        {"0.weight": np.ones((4, 6))},
        [r"0.weight \(here dense1.weight\): expected shape \(6, 4\), got \(4, 6\), which is the"],
    ),
    "nan": ({"1.running_mean": NAN}, [r"1.running_mean \(here batchnorm1.running_mean\): .* NaN"]),
    "overflow": (
        {"0.bias": np.full(6, 1e300)},
        ["0.bias .*finite values, got 1e.300, too large for float32"],
    ),
    "text": ({"0.bias": np.array(["a"] * 6)}, [r"0.bias \(here dense1.bias\): .*as real numbers"]),
    "None": ({"0.bias": None}, [r"0.bias \(here dense1.bias\): .*as an array, got None"]),
    "complex": ({"0.bias": np.ones(6, complex)}, ["0.bias .*as real numbers, got dtype complex"]),
    "text and others": (
        {"0.bias": np.array(["a"] * 6), "8.bias": np.ones(2), "x": np.ones(1)},
        ["0.bias .*as real numbers", r"8.bias .*got \(2,\)", "unknown: x"],
    ),
    "several": (
        {"0.bias": MISSING, "8.bias": np.ones(2), "dense1.bias": np.ones(6)},
        ["missing: 0.bias", r"8.bias .*got \(2,\)", "unknown: dense1.bias"],
    ),
}


@pytest.mark.parametrize(("changes", "messages"), WRONG.values(), ids=WRONG)
def test_a_state_dict_that_does_not_fit_changes_nothing(changes, messages):
    net = network(1)
    kept = everything(net)
    arrays = network(0).to_torch_state_dict() | changes
    arrays = {name: array for name, array in arrays.items() if array is not MISSING}
    with pytest.raises(ValueError, match=r"^load_torch_state_dict: .* unchanged") as caught:
        net.load_torch_state_dict(arrays)
    for message in messages:
        assert caught.match(message)
    assert str(caught.value).count("\n") == len(messages)
    assert_same(everything(net), kept)


def test_a_weight_list_that_does_not_fit_changes_nothing():
    net = network(1)
    kept = everything(net)
    weights = network(0).to_keras_weights()
    weights[0], weights[1] = weights[1], weights[0]
    with pytest.raises(ValueError, match=r"^load_keras_weights: ") as caught:
        net.load_keras_weights([*weights[:-1]])
    assert r"weights[0] (here dense1.weight): expected shape (4, 6), got (6,)" in str(caught.value)
    assert "missing: weights[17] (here dense3.bias) of shape (3,)" in str(caught.value)
    with pytest.raises(ValueError, match=r"unknown: weights\[18\]"):
        net.load_keras_weights([*network(0).to_keras_weights(), np.ones(3)])
    assert_same(everything(net), kept)


@pytest.mark.parametrize("value", [[("0.weight", 1)], "net.pt", network()])
def test_only_a_mapping_is_accepted_as_a_state_dict(value):
    with pytest.raises(TypeError, match=r"expected the arrays of module.state_dict\(\), got"):
        network().load_torch_state_dict(value)


@pytest.mark.parametrize("value", [{"weight": 1}, np.ones(3), "weights.h5", None])
def test_only_a_list_of_arrays_is_accepted_as_keras_weights(value):
    with pytest.raises(TypeError, match=r"^load_keras_weights: .* model.get_weights\(\), got"):
        network().load_keras_weights(value)


def test_bytes_are_loaded_without_a_warning():
    arrays = {n: a.astype(np.uint8) for n, a in network(0).to_torch_state_dict().items()}
    assert_same(network(1).load_torch_state_dict(arrays).to_torch_state_dict(),
                {name: array.astype(np.float32) for name, array in arrays.items()})  # fmt: skip


def test_a_tensor_that_cannot_be_converted_has_a_repair():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("Got unsupported ScalarType BFloat16")

        def detach(self): ...

    arrays = network(0).to_torch_state_dict() | {"0.bias": Tensor(), "8.bias": np.ones(2)}
    message = r"(?s)0.bias .*BFloat16\); use value\.detach\(\)\.cpu\(\)\.float\(\).*8.bias"
    with pytest.raises(ValueError, match=message):
        network(1).load_torch_state_dict(arrays)


@pytest.mark.parametrize("keras", [False, True])
def test_a_negative_variance_raises_and_changes_nothing(keras):
    net = network()
    kept = everything(net)
    values = network(1).to_keras_weights() if keras else network(1).to_torch_state_dict()
    values[5 if keras else "1.running_var"][0] = -0.5
    fill = net.load_keras_weights if keras else net.load_torch_state_dict
    with pytest.raises(ValueError, match=r"batchnorm1\.running_var\): expected variances >= 0"):
        fill(values)
    assert_same(everything(net), kept)


# --- with PyTorch ---


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def torch_network(torch, dtype=np.float32):
    nn = torch.nn

    class Skip(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(6, 6, bias=False), nn.PReLU(),
        Skip(nn.LayerNorm(6), nn.Linear(6, 6), nn.Tanh(), Skip(nn.Linear(6, 6))),
        nn.GroupNorm(2, 6), nn.Linear(6, 3),
    )  # fmt: skip
    with torch.no_grad():
        for param in module.parameters():
            param.normal_()
        module(torch.randn(50, 4) * 3 + 1)  # moves the running statistics
    return module.eval().to(getattr(torch, np.dtype(dtype).name))


# Of the largest output. Both libraries differ from float64 by up to 2e-6 here, because LayerNorm
# magnifies the rounding of a row with nearly equal values.
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE)


def assert_same_outputs(torch, net, module):
    x = X.astype(net.dtype)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    tolerance = TOLERANCE[net.dtype.type] * np.abs(expected).max()
    np.testing.assert_allclose(net.predict(x), expected, rtol=0, atol=tolerance)


@DTYPES
@pytest.mark.parametrize("kind", ["tensors", "parameters", "arrays"])
def test_a_module_of_pytorch_is_loaded_with_equal_outputs(torch, kind, dtype):
    module = torch_network(torch, dtype)
    values = module.state_dict()
    if kind == "parameters":
        values = dict(module.named_parameters()) | dict(module.named_buffers())
        values = {name: value.detach() for name, value in values.items()}
    elif kind == "arrays":
        values = {name: value.numpy() for name, value in values.items()}
    net = network(1, dtype).load_torch_state_dict(values)
    assert_same_outputs(torch, net, module)


@DTYPES
def test_a_network_is_loaded_by_pytorch_with_equal_outputs(torch, dtype):
    net, module = network(1, dtype), torch_network(torch, dtype)
    arrays = {name: torch.from_numpy(a) for name, a in net.to_torch_state_dict().items()}
    module.load_state_dict(arrays, strict=True)
    assert_same_outputs(torch, net, module)


@pytest.mark.parametrize("kind", ["ReLU", "Tanh", "GELU"])
def test_a_deep_network_differs_from_pytorch_by_rounding_alone(torch, kind):
    """Outputs of 20 layers in float32 agree to 1e-6 of the largest one."""
    torch.manual_seed(0)
    layers, modules = [], []
    for fan_in in [64] + [100] * 19:
        layers += [Dense(fan_in, 100), getattr(minnet, kind)()]
        modules += [torch.nn.Linear(fan_in, 100), getattr(torch.nn, kind)()]
    module, net = torch.nn.Sequential(*modules), Sequential(layers)
    net.load_torch_state_dict(module.state_dict())
    x = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(net.predict(x), expected, rtol=0, atol=1e-6 * abs(expected).max())


def test_named_modules_of_pytorch_are_loaded_by_name(torch):
    nn = torch.nn
    module = nn.Sequential(
        OrderedDict(fc1=nn.Linear(4, 4), act=nn.Tanh(), bn=nn.BatchNorm1d(4), fc2=nn.Linear(4, 2))
    ).eval()
    net = Sequential([("fc1", Dense(4, 4)), Tanh(), ("bn", BatchNorm(4)), ("fc2", Dense(4, 2))])
    net.load_torch_state_dict(module.state_dict())
    assert_same_outputs(torch, net, module)


def test_a_tensor_that_numpy_cannot_convert_changes_nothing(torch):
    net, values = network(1), torch_network(torch).state_dict()
    kept = everything(net)
    with pytest.raises(ValueError, match=r"8.bias .* NumPy cannot convert .*float\(\)"):
        net.load_torch_state_dict(values | {"8.bias": values["8.bias"].bfloat16()})
    assert_same(everything(net), kept)


# --- with Keras ---


@pytest.fixture
def keras(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras
def test_a_model_of_keras_is_loaded_and_filled_with_equal_outputs(keras):
    k = keras.layers
    model = keras.Sequential(
        [
            k.Input((4,)), k.Dense(6), k.BatchNormalization(epsilon=1e-5), k.ReLU(),
            k.Dropout(0.5), k.Dense(6, use_bias=False), k.PReLU(shared_axes=[1]),
            k.LayerNormalization(epsilon=1e-5), k.GroupNormalization(2, epsilon=1e-5), k.Dense(3),
        ]
    )  # fmt: skip
    net = Sequential(
        [
            Dense(4, 6), BatchNorm(6), ReLU(), Dropout(0.5), Dense(6, 6, bias=False), PReLU(),
            LayerNorm(6), GroupNorm(2, 6), Dense(6, 3),
        ],
        rng=0,
    )  # fmt: skip
    rng = np.random.default_rng(2)
    weights = [rng.uniform(0.5, 2, w.shape).astype(np.float32) for w in model.get_weights()]
    model.set_weights(weights)
    net.load_keras_weights(model.get_weights())
    expected = model.predict(X, verbose=0)
    np.testing.assert_allclose(net.predict(X), expected, rtol=0, atol=1e-6 * abs(expected).max())
    model.set_weights([array * 0.5 for array in weights])
    model.set_weights(net.to_keras_weights())
    np.testing.assert_array_equal(model.predict(X, verbose=0), expected)
