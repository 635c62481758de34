"""Normalization over the rows of a batch, or over the features of each row.

All layers compute y = γ x̂ + β, where x̂ has mean 0 and variance 1 over the batch (`BatchNorm`), over
a group of features (`GroupNorm`) or over all features of a row (`LayerNorm`). The kernels, with
the formulas in plain NumPy, are in `minnet.kernels.normalization`.
"""

from typing import Any

import numpy as np

from minnet.kernels import normalization as kernels
from minnet.layer import Layer, Param, parameter
from minnet.memory import grown
from minnet.validation import FLOAT64, Array, count, fill, fraction, positive, setting

DEFAULT_EPS = 1e-5


class _Normalization(Layer):
    """Base class with a scale γ, initially 1, and a shift β, initially 0, for each feature."""

    in_features: int
    out_features: int
    eps: float = setting(positive)

    def __init__(self, num_features: int, eps: float) -> None:
        name = type(self).__name__
        self.in_features = self.out_features = count(num_features, name, "num_features")
        self.eps = eps

    def draw_params(self, rng: np.random.Generator) -> dict[str, Param]:
        gamma, beta = np.ones(self.in_features, self.dtype), np.zeros(self.in_features, self.dtype)
        return {"gamma": Param(gamma), "beta": Param(beta)}

    def describe(self) -> str:
        eps = "" if self.eps == DEFAULT_EPS else f", eps={self.eps:g}"
        return f"{type(self).__name__}({self._sizes()}{eps})"

    def _sizes(self) -> str:
        return str(self.in_features)

    gamma, beta = parameter("gamma"), parameter("beta")


def _running(name: str) -> Any:
    """Return a property of a running statistic; an assignment copies into the array."""

    def assign(layer: Any, numbers: Any) -> None:
        values = layer.state[name].copy()
        fill(values, numbers, layer, name)
        if name == "running_var" and values.min() < 0:
            raise ValueError(f"{layer}: expected running_var >= 0, got {values.min():g}")
        layer.state[name][...] = values

    return property(lambda layer: layer.state[name], assign)


class BatchNorm(_Normalization):
    """Batch normalization, y = γ x̂ + β with x̂ = (x - μ) / sqrt(σ² + ε).

    In training, μ and σ² are the mean and the biased variance (1/n) of each column over the batch,
    and the running statistics are updated. In evaluation the running statistics replace μ and σ²,
    so that the output of a row does not depend on other rows. The gradient takes into account that
    μ and σ² depend on x: with g = dy γ / sqrt(σ² + ε),

        dx = g - mean(g) - x̂ mean(g x̂),   dγ = Σ dy x̂,   dβ = Σ dy.

    Parameters
    ----------
    num_features : int
        Width of x and y, both (n, num_features).
    eps : float, default 1e-5
        ε, added to the variance inside the root.
    momentum : float, default 0.9
        Weight of the previous value: running = momentum running + (1 - momentum) batch. Keras uses
        the same convention; PyTorch's momentum of 0.1 corresponds to 0.9 here.

    Attributes
    ----------
    gamma, beta : Param
        γ and β, shape (num_features,).
    running_mean, running_var : ndarray
        Running statistics, shape (num_features,), initially 0 and 1. As in Algorithm 2 of the paper
        and in PyTorch, running_var is updated with the unbiased variance, σ² n / (n - 1).
    mean, var : ndarray
        μ and σ² of the last training batch, shape (num_features,), float64.

    Raises
    ------
    ValueError
        If eps or momentum is out of range, or a training batch has a single row.
    FloatingPointError
        If the variance of a column is not finite; the running statistics are then unchanged.

    References
    ----------
    Ioffe & Szegedy (2015), Batch normalization: accelerating deep network training by reducing
    internal covariate shift, ICML.

    Examples
    --------
    >>> batchnorm = BatchNorm(1, eps=1e-12)
    >>> batchnorm.forward([[1.0], [3.0]], training=True)
    array([[-1.],
           [ 1.]], dtype=float32)
    >>> batchnorm.running_mean, batchnorm.running_var
    (array([0.2], dtype=float32), array([1.1], dtype=float32))
    """

    rows_to_train = 2
    momentum: float = setting(fraction)

    def __init__(
        self, num_features: int, *, eps: float = DEFAULT_EPS, momentum: float = 0.9
    ) -> None:
        super().__init__(num_features, eps)
        self.momentum = momentum
        self._state = {
            "running_mean": np.zeros(self.in_features, self.dtype),
            "running_var": np.ones(self.in_features, self.dtype),
        }
        self.mean = np.zeros(self.in_features)
        self.var = np.ones(self.in_features)

    def build_parts(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        super().build_parts(rng, dtype)
        self._state = {name: array.astype(dtype) for name, array in self._state.items()}

    @property
    def state(self) -> dict[str, Array]:
        return self._state

    running_mean, running_var = _running("running_mean"), _running("running_var")

    def compute(self, x: Array, y: Array, training: bool) -> None:
        mean, var = self.mean, self.var
        if training:
            column = kernels.column_statistics(x, mean, var)
            if column >= 0:
                raise FloatingPointError(
                    f"{self}: column {column} of the input has variance {var[column]:.3g}; look "
                    f"for NaN, infinity or numbers too large for {self.dtype}"
                )
            kernels.update_running_statistics(
                self.running_mean, self.running_var, mean, var, self.momentum, len(x)
            )
        else:
            mean, var = self.running_mean.astype(FLOAT64), self.running_var.astype(FLOAT64)
        kernels.normalize_columns(x, self.gamma.value, self.beta.value, self.eps, mean, var, y)

    def differentiate(self, dy: Array, dx: Array) -> None:
        kernels.batchnorm_backward(
            self.x, dy, self.gamma.value, self.eps, self.mean, self.var,
            self.gamma.grad, self.beta.grad, dx,
        )  # fmt: skip


class GroupNorm(_Normalization):
    """Group normalization: each row is normalized over groups of consecutive features.

    y = γ x̂ + β with x̂ = (x - μ) / sqrt(σ² + ε), where μ and the biased variance σ² are computed
    over the features of a group in one row. Training and evaluation are the same. With g = γ dy,

        dx = (g - mean(g) - x̂ mean(g x̂)) / sqrt(σ² + ε),   dγ = Σ dy x̂,   dβ = Σ dy,

    with means over the group and sums over the rows.

    Parameters
    ----------
    num_groups : int
        Number of groups, all of the same width.
    num_features : int
        Width of x and y, both (n, num_features).
    eps : float, default 1e-5
        ε, added to the variance inside the root.

    Attributes
    ----------
    gamma, beta : Param
        γ and β, shape (num_features,).
    mean, rstd : ndarray
        μ and 1 / sqrt(σ² + ε) of the last training batch, shape (n, num_groups), float64.

    Raises
    ------
    ValueError
        If num_features is not a multiple of num_groups, a group has a single feature, or eps is
        out of range.
    FloatingPointError
        If the variance of a group is not finite.

    References
    ----------
    Wu & He (2018), Group normalization, ECCV.

    Examples
    --------
    >>> GroupNorm(2, 4, eps=1e-12).forward([[1.0, 3.0, 10.0, 20.0]], training=True)
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    mean: Array = None  # type: ignore[assignment]  # before the first training step
    rstd: Array = None  # type: ignore[assignment]
    buffers = (*Layer.buffers, "mean", "rstd")

    def __init__(self, num_groups: int, num_features: int, *, eps: float = DEFAULT_EPS) -> None:
        super().__init__(num_features, eps)
        name = type(self).__name__
        self.num_groups = count(num_groups, name, "num_groups")
        if self.in_features % self.num_groups:
            raise ValueError(
                f"{name}: expected num_features to be a multiple of num_groups, got "
                f"{self.in_features} features in {self.num_groups} groups"
            )
        if self.in_features == self.num_groups:
            raise ValueError(
                f"{name}: expected at least 2 features in a group, got 1; normalized alone, every "
                "value becomes 0"
            )

    def compute(self, x: Array, y: Array, training: bool) -> None:
        shape = len(x), self.num_groups
        mean = grown(self.mean if training else None, shape, FLOAT64)
        rstd = grown(self.rstd if training else None, shape, FLOAT64)
        gamma, beta = self.gamma.value, self.beta.value
        row = kernels.groupnorm_forward(x, gamma, beta, self.eps, mean, rstd, y)
        if row >= 0:
            raise FloatingPointError(
                f"{self}: the variance of row {row} of the input is not finite; look for NaN, "
                f"infinity or numbers too large for {self.dtype}"
            )
        if training:
            self.mean, self.rstd = mean, rstd

    def differentiate(self, dy: Array, dx: Array) -> None:
        kernels.groupnorm_backward(
            self.x, dy, self.gamma.value, self.mean, self.rstd,
            self.gamma.grad, self.beta.grad, dx,
        )  # fmt: skip

    def _sizes(self) -> str:
        return f"{self.num_groups}, {self.in_features}"


class LayerNorm(GroupNorm):
    """Layer normalization: each row is normalized over all features, `GroupNorm` with one group.

    Parameters
    ----------
    num_features : int
        Width of x and y, both (n, num_features).
    eps : float, default 1e-5
        ε, added to the variance inside the root.

    References
    ----------
    Ba, Kiros & Hinton (2016), Layer normalization, arXiv:1607.06450.

    Examples
    --------
    >>> LayerNorm(2, eps=1e-12).forward([[1.0, 3.0], [10.0, 20.0]], training=True)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(self, num_features: int, *, eps: float = DEFAULT_EPS) -> None:
        super().__init__(1, num_features, eps=eps)

    def _sizes(self) -> str:
        return str(self.in_features)
