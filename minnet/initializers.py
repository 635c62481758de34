"""Initial parameters of a network.

An initializer is a plain function ``f(shape, *, rng, dtype) -> array``. Every rule for weights has
the same aim: neither the signal nor the gradient should vanish or explode across the layers.

- A weight has the shape (in_features, out_features): fan_in = shape[0], fan_out = shape[1]. Rules
  that use the fans accept 2-d shapes only. For a bias use zeros, constant, normal or uniform.
- `rng` is an int, a NumPy Generator (which advances) or None. NumPy's global state is not used.
- `dtype` is float32 or float64. Values are drawn in float64 and rounded, so that one seed gives
  the same network in both.
- Options are bound with functools.partial: ``Dense(784, 100, init=partial(normal, std=1.0))``.
- The normal rules draw from the whole normal distribution, as PyTorch does. Keras truncates it at
  two standard deviations.
- A wrong type raises TypeError and a wrong value ValueError, before anything is drawn.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from minnet.layer import Layer, Rng
from minnet.recommendation import DEEP as DEEP
from minnet.recommendation import Recommendation as Recommendation
from minnet.recommendation import recommend as recommend
from minnet.validation import (
    Array,
    as_float_dtype,
    as_rng,
    as_rows,
    check_finite,
    count,
    in_range,
    is_whole,
    non_negative,
    one_of,
    shown,
)

Shape = tuple[int, ...]
Initializer = Callable[..., Array]


def zeros(shape: Shape, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> Array:
    """Return zeros, for biases. With zero weights all units of a layer would remain identical.

    >>> zeros((2, 3))
    array([[0., 0., 0.],
           [0., 0., 0.]], dtype=float32)
    """
    return constant(shape, rng=rng, dtype=dtype, value=0.0)


def constant(
    shape: Shape, *, rng: Rng = None, dtype: DTypeLike = np.float32, value: float = 1.0
) -> Array:
    """Return an array of one finite `value`, 1 by default. `rng` is accepted and ignored.

    >>> constant((3,), value=0.1)
    array([0.1, 0.1, 0.1], dtype=float32)
    """
    shape, dtype = _check_shape(shape), as_float_dtype(dtype)
    as_rng(rng, "constant")
    most = float(np.finfo(dtype).max)
    value = in_range(value, "constant", "value", lambda v: abs(v) <= most, f"finite in {dtype}")
    return np.full(shape, value, dtype)


def normal(
    shape: Shape, *, rng: Rng = None, dtype: DTypeLike = np.float32, std: float = 0.01
) -> Array:
    """Draw from N(0, std²). `std` is the standard deviation, not the variance.

    >>> normal((2, 2), rng=0, dtype="float64", std=1.0).round(3)
    array([[ 0.126, -0.132],
           [ 0.64 ,  0.105]])
    """
    shape, dtype = _check_shape(shape), as_float_dtype(dtype)
    std = _check_scale(std, "normal", "std", dtype)
    return _rounded(std * as_rng(rng, "normal").standard_normal(shape), dtype)


def uniform(
    shape: Shape, *, rng: Rng = None, dtype: DTypeLike = np.float32, limit: float = 0.05
) -> Array:
    """Draw from U(-limit, limit), whose standard deviation is limit/√3.

    >>> uniform((2, 2), rng=0, dtype="float64", limit=1.0).round(3)
    array([[ 0.274, -0.46 ],
           [-0.918, -0.967]])
    """
    shape, dtype = _check_shape(shape), as_float_dtype(dtype)
    limit = _check_scale(limit, "uniform", "limit", dtype)
    return _rounded(limit * (2.0 * as_rng(rng, "uniform").random(shape) - 1.0), dtype)


def glorot_normal(shape: Shape, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> Array:
    """Glorot (Xavier), for sigmoid and tanh: normal with std = √(2 / (fan_in + fan_out)).

    A variance of 1/fan_in preserves the variance of the signal, and 1/fan_out that of the gradient.
    This rule is a compromise between the two.

    Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS.

    >>> print(f"{glorot_normal((150, 350), rng=0).std():.4f}, expected {(2 / 500) ** 0.5:.4f}")
    0.0633, expected 0.0632
    """
    return normal(shape, rng=rng, dtype=dtype, std=math.sqrt(2 / sum(_fans(shape))))


def glorot_uniform(shape: Shape, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> Array:
    """Glorot (Xavier): uniform with limit = √(6 / (fan_in + fan_out)). The default of Dense.

    The standard deviation is that of `glorot_normal`. Glorot & Bengio (2010), equation 16.
    """
    return uniform(shape, rng=rng, dtype=dtype, limit=math.sqrt(6 / sum(_fans(shape))))


def he_normal(shape: Shape, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> Array:
    """He (Kaiming), for ReLU: normal with std = √(2 / fan_in).

    ReLU halves the second moment of the signal. The factor 2 compensates for this.

    He, Zhang, Ren & Sun (2015), "Delving deep into rectifiers", ICCV.

    >>> print(f"{he_normal((200, 300), rng=0).std():.4f}, expected {(2 / 200) ** 0.5:.4f}")
    0.1000, expected 0.1000
    """
    return normal(shape, rng=rng, dtype=dtype, std=math.sqrt(2 / _fans(shape)[0]))


def he_uniform(shape: Shape, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> Array:
    """He (Kaiming): uniform with limit = √(6 / fan_in), and thus the std of `he_normal`."""
    return uniform(shape, rng=rng, dtype=dtype, limit=math.sqrt(6 / _fans(shape)[0]))


def lecun_normal(shape: Shape, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> Array:
    """LeCun: normal with std = √(1 / fan_in). Inputs of variance 1 give outputs of variance 1.

    LeCun, Bottou, Orr & Müller (1998), "Efficient BackProp", section 4.6.

    >>> print(f"{lecun_normal((100, 500), rng=0).std():.4f}, expected {(1 / 100) ** 0.5:.4f}")
    0.1001, expected 0.1000
    """
    return normal(shape, rng=rng, dtype=dtype, std=math.sqrt(1 / _fans(shape)[0]))


def lecun_uniform(shape: Shape, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> Array:
    """LeCun: uniform with limit = √(3 / fan_in), and thus the std of `lecun_normal`."""
    return uniform(shape, rng=rng, dtype=dtype, limit=math.sqrt(3 / _fans(shape)[0]))


def orthogonal(
    shape: Shape, *, rng: Rng = None, dtype: DTypeLike = np.float32, gain: float = 1.0
) -> Array:
    """Draw a random matrix W whose singular values all equal `gain`.

    A tall W (fan_in ≥ fan_out) has orthogonal columns, WᵀW = gain²·I. A wide W has orthogonal rows,
    WWᵀ = gain²·I. W is gain times the Q of the QR factorization of a Gaussian matrix. Each column
    of Q is multiplied by the sign of R's diagonal entry, which makes W uniform over all such
    matrices. Before ReLU use gain=√2, which compensates for the halved second moment of the signal.

    Saxe, McClelland & Ganguli (2013), "Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks", arXiv:1312.6120.

    >>> w = orthogonal((5, 2), rng=0, dtype="float64")
    >>> bool(np.allclose(w.T @ w, np.eye(2)))
    True
    """
    fan_in, fan_out = _fans(shape)
    dtype = as_float_dtype(dtype)
    gain = _check_scale(gain, "orthogonal", "gain", dtype)
    tall = max(fan_in, fan_out), min(fan_in, fan_out)
    q, r = np.linalg.qr(as_rng(rng, "orthogonal").standard_normal(tall))
    q *= np.where(np.diag(r) < 0, -gain, gain)
    return np.ascontiguousarray(_rounded(q if fan_in >= fan_out else q.T, dtype))


xavier_normal, xavier_uniform = glorot_normal, glorot_uniform
kaiming_normal, kaiming_uniform = he_normal, he_uniform

_RULES: tuple[Initializer, ...] = (
    *(zeros, constant, normal, uniform, glorot_normal, glorot_uniform),
    *(he_normal, he_uniform, lecun_normal, lecun_uniform, orthogonal),
)
_BY_NAME = {rule.__name__: rule for rule in _RULES}
_BY_NAME |= {"xavier_normal": glorot_normal, "xavier_uniform": glorot_uniform}
_BY_NAME |= {"kaiming_normal": he_normal, "kaiming_uniform": he_uniform}


def get(init: str | Initializer) -> Initializer:
    """Return the initializer with this name, or the function itself.

    Raises
    ------
    ValueError
        If no initializer has this name.
    TypeError
        If `init` is neither a string nor callable.

    >>> get("xavier_uniform") is glorot_uniform
    True
    """
    if isinstance(init, str):
        return _BY_NAME[one_of(init, _BY_NAME, "initializer", "")]
    if callable(init):
        return init
    raise TypeError(
        f"initializer: expected a name or a function f(shape, *, rng, dtype), got {shown(init)}; "
        "for a fixed value use functools.partial(constant, value=...)"
    )


def lsuv(
    net: Any, x: ArrayLike, *, tolerance: float = 0.1, max_iterations: int = 10, rng: Rng = None
) -> None:
    """Initialize `net` in place: orthogonal weights, scaled so that outputs on `x` have variance 1.

    This is layer-sequential unit variance (LSUV). For each Dense from the first to the last, draw
    an orthogonal weight and set the bias to zero. Then compute the output y for `x` and divide the
    weight by √Var(y), where Var is over all entries of y. Repeat this computation until
    |Var(y) - 1| < tolerance, at most `max_iterations` times. All layers run with training=False, so
    BatchNorm uses its running statistics and Dropout does nothing.

    Mishkin & Matas (2015), "All you need is a good init", arXiv:1511.06422.

    Parameters
    ----------
    net : Sequential
        Every `Dense`, and every other layer with a 2-d parameter ``weight``, is initialized, also
        inside a Residual. All other parameters are unchanged.
    x : array_like, shape (n, in_features)
        A batch of typical inputs, usually a few hundred rows. It is not changed.

    Raises
    ------
    ValueError
        If `x` is not a batch of rows, an option is out of range, or the output of a Dense has no
        variance on `x`; `net` is then unchanged.
    TypeError
        If `x` is not numeric.
    FloatingPointError
        If `x` or the output of a Dense is not finite; `net` is then unchanged.

    >>> from minnet import Dense, Sequential
    >>> x = np.random.default_rng(0).uniform(0, 9, (100, 4))
    >>> net = Sequential([Dense(4, 8), Dense(8, 3)], rng=0)
    >>> lsuv(net, x, tolerance=1e-3, rng=0)
    >>> f"{net.predict(x).var():.2f}"
    '1.00'
    """
    if isinstance(net, type) or not getattr(net, "is_network", False):
        raise TypeError(f"lsuv: expected a Sequential network, got {shown(net)}")
    rng = as_rng(rng, "lsuv")
    tolerance = non_negative(tolerance, "lsuv", "tolerance")
    max_iterations = count(max_iterations, "lsuv", "max_iterations")
    rows = as_rows(x, net.theta.dtype, "lsuv")
    if len(rows) == 0:
        raise ValueError(f"lsuv: expected at least one row, got an empty batch {rows.shape}")
    check_finite(rows, "lsuv", x)
    theta = net.theta.copy()
    try:
        _initialize(net.layers, rows, tolerance, max_iterations, rng)
    except BaseException:
        net.theta[...] = theta
        raise


def _initialize(
    layers: Sequence[Layer], x: Array, tolerance: float, most: int, rng: np.random.Generator
) -> None:
    for layer in layers:
        if "weight" in layer.params and layer.params["weight"].value.ndim == 2:
            _initialize_dense(layer, x, tolerance, most, rng)
        else:
            # The input of a Residual is the input of its first layer.
            _initialize(getattr(layer, "layers", ()), x, tolerance, most, rng)
        x = layer.forward(x, training=False)


def _initialize_dense(
    layer: Layer, x: Array, tolerance: float, most: int, rng: np.random.Generator
) -> None:
    weight = layer.params["weight"].value
    weight[...] = orthogonal(weight.shape, rng=rng, dtype=weight.dtype)
    if "bias" in layer.params:
        layer.params["bias"].value[...] = 0.0
    for _ in range(most):
        y = layer.forward(x, training=False)
        with np.errstate(over="ignore", invalid="ignore"):
            variance = float(y.var(dtype=np.float64))
        if not math.isfinite(variance):
            raise FloatingPointError(
                f"{layer}: lsuv: expected a finite output, got variance {variance}; scale x down"
            )
        rounding = len(weight) * float(np.finfo(y.dtype).eps * np.abs(y).max())  # of a dot product
        if variance <= rounding**2:
            raise ValueError(
                f"{layer}: lsuv: expected an output that varies, got {y.flat[0]:.3g} everywhere; "
                "give rows that differ, and look for dead units in the preceding layers"
            )
        if abs(variance - 1.0) < tolerance:
            return
        weight /= math.sqrt(variance)


def _check_shape(shape: Shape) -> Shape:
    sizes = shape if isinstance(shape, tuple | list) else (None,)
    if not all(map(is_whole, sizes)):
        raise TypeError(f"shape: expected a tuple of ints such as (784, 100), got {shown(shape)}")
    if not shape or min(shape) < 1 or math.prod(map(int, shape)) >= 2**60:
        raise ValueError(
            "shape: expected positive sizes such as (784, 100), below 2**60 in all, got "
            f"{shown(shape)}"
        )
    return tuple(int(size) for size in shape)


def _fans(shape: Shape) -> tuple[int, int]:
    shape = _check_shape(shape)
    if len(shape) != 2:
        raise ValueError(
            f"shape: expected (in_features, out_features), which defines fan_in and fan_out, got "
            f"{shown(shape)}; for a bias use zeros, constant, normal or uniform"
        )
    return shape[0], shape[1]


def _rounded(values: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(under="ignore"):
        return values.astype(dtype, copy=False)


def _check_scale(value: float, owner: str, name: str, dtype: np.dtype[Any]) -> float:
    most = float(np.finfo(dtype).max) / 10  # a normal draw is never ten deviations from the mean
    return in_range(value, owner, name, lambda v: 0 <= v <= most, f"from 0 to {most:.0e}")
