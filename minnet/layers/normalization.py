"""Normalization: over the batch (a column at a time), or over the features of one row.

All three layers end with y = γ x̂ + β, where x̂ has mean 0 and variance 1 over what they average.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minnet.kernels import normalization as kernels
from minnet.layer import Layer, Param, Rng, parameter
from minnet.memory import grown
from minnet.validation import Array, count, fraction, positive

DEFAULT_EPS = 1e-5


class _Normalization(Layer):
    """What the layers share: γ (ones) and β (zeros), one of each for every feature."""

    in_features: int
    out_features: int

    def __init__(self, num_features: int, eps: float) -> None:
        kind = type(self).__name__
        self.in_features = self.out_features = count(num_features, kind, "num_features")
        self.eps = positive(eps, kind, "eps")

    def draw_params(self, rng: np.random.Generator) -> dict[str, Param]:
        gamma, beta = np.ones(self.in_features, self.dtype), np.zeros(self.in_features, self.dtype)
        return {"gamma": Param(gamma), "beta": Param(beta)}

    def describe(self) -> str:
        eps = "" if self.eps == DEFAULT_EPS else f", eps={self.eps:g}"
        return f"{type(self).__name__}({self._sizes()}{eps})"

    def _sizes(self) -> str:
        return str(self.in_features)

    gamma, beta = parameter("gamma"), parameter("beta")


class BatchNorm(_Normalization):
    """Batch normalization, y = γ x̂ + β with x̂ = (x - μ) / sqrt(σ² + ε).

    While training, μ and σ² are each column's mean and biased variance (1/n) over this batch, and
    the running statistics take in a share of them. Otherwise the running statistics take their
    place, and a row no longer depends on its neighbours. Backward lets the gradient through μ and
    σ² as well: with g = dy γ / sqrt(σ² + ε),

        dx = g - mean(g) - x̂ mean(g x̂),   dγ = Σ dy x̂,   dβ = Σ dy.

    Parameters
    ----------
    num_features : int
        Width of x and y, both (n, num_features).
    eps : float, default 1e-5
        ε, added to the variance inside the root.
    momentum : float, default 0.9
        The share of the past that is kept: running = momentum running + (1 - momentum) batch.
        This is Keras's direction; PyTorch's momentum of 0.1 is 0.9 here.

    Attributes
    ----------
    gamma, beta : Param
        γ and β, shape (num_features,).
    running_mean, running_var : ndarray
        Begin at 0 and 1. As in the paper's Algorithm 2 and in PyTorch, running_var takes in the
        unbiased variance (n / (n - 1)).
    mean, var : ndarray
        μ and σ² of the last training batch, float64.

    Raises
    ------
    ValueError
        If eps or momentum is out of range; in training, if the batch has one row only.
    FloatingPointError
        If a column of a training batch has no finite variance; the running statistics stay.

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

    def __init__(
        self, num_features: int, *, eps: float = DEFAULT_EPS, momentum: float = 0.9
    ) -> None:
        super().__init__(num_features, eps)
        self.momentum = fraction(momentum, "BatchNorm", "momentum")
        self._state = {
            "running_mean": np.zeros(self.in_features, self.dtype),
            "running_var": np.ones(self.in_features, self.dtype),
        }
        self.mean = np.zeros(self.in_features)
        self.var = np.ones(self.in_features)

    def build(self, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> "BatchNorm":
        super().build(rng=rng, dtype=dtype)
        self._state = {name: array.astype(self.dtype) for name, array in self._state.items()}
        return self

    @property
    def state(self) -> dict[str, Array]:
        return self._state

    @property
    def running_mean(self) -> Array:
        return self._state["running_mean"]

    @running_mean.setter
    def running_mean(self, mean: Any) -> None:
        self._state["running_mean"][...] = mean

    @property
    def running_var(self) -> Array:
        return self._state["running_var"]

    @running_var.setter
    def running_var(self, var: Any) -> None:
        self._state["running_var"][...] = var

    def forward(self, x: Any, *, training: bool) -> Array:
        x, y = self.begin_forward(x, training)
        gamma, beta = self.gamma.value, self.beta.value
        if not training:
            mean, var = self.running_mean.astype(np.float64), self.running_var.astype(np.float64)
            kernels.normalize_columns(x, gamma, beta, self.eps, mean, var, y)
            return y
        bad = kernels.batchnorm_forward(x, gamma, beta, self.eps, self.mean, self.var, y)
        if bad < 0:
            kernels.update_running_statistics(
                self.running_mean, self.running_var, self.mean, self.var, self.momentum, len(x)
            )
        else:
            self._awaits_backward = False
            raise FloatingPointError(
                f"{self}: column {bad} of the input has variance {self.var[bad]:.3g}; look for "
                f"NaN, infinity or numbers too large for {self.dtype}"
            )
        return y

    def backward(self, dy: Any) -> Array:
        dy, dx = self.begin_backward(dy)
        kernels.batchnorm_backward(
            self.x, dy, self.gamma.value, self.eps, self.mean, self.var,
            self.gamma.grad, self.beta.grad, dx,
        )  # fmt: skip
        return dx


class GroupNorm(_Normalization):
    """Group normalization: mean and variance of each row over groups of neighbouring features.

    y = γ x̂ + β with x̂ = (x - μ) / sqrt(σ² + ε), μ and σ² (biased) taken over the features of one
    group in one row, so that training and prediction are the same. With g = γ dy,

        dx = (g - mean(g) - x̂ mean(g x̂)) / sqrt(σ² + ε),   dγ = Σ dy x̂,   dβ = Σ dy,

    the means over the group, the sums over the rows.

    Parameters
    ----------
    num_groups : int
        In how many groups of equal width the features fall.
    num_features : int
        Width of x and y, both (n, num_features).
    eps : float, default 1e-5
        ε, added to the variance inside the root.

    Attributes
    ----------
    gamma, beta : Param
        γ and β, shape (num_features,).
    mean, rstd : ndarray or None
        μ and 1 / sqrt(σ² + ε) of the last training batch, (n, num_groups), float64.

    Raises
    ------
    ValueError
        If num_features is no multiple of num_groups, or eps is out of range.

    References
    ----------
    Wu & He (2018), Group normalization, ECCV.

    Examples
    --------
    >>> GroupNorm(2, 4, eps=1e-12).forward([[1.0, 3.0, 10.0, 20.0]], training=True)
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    mean: Array | None = None
    rstd: Array | None = None

    def __init__(self, num_groups: int, num_features: int, *, eps: float = DEFAULT_EPS) -> None:
        super().__init__(num_features, eps)
        kind = type(self).__name__
        self.num_groups = count(num_groups, kind, "num_groups")
        if self.in_features % self.num_groups:
            raise ValueError(
                f"{kind}: num_features must be a multiple of num_groups, "
                f"got {self.in_features} features in {self.num_groups} groups"
            )

    def forward(self, x: Any, *, training: bool) -> Array:
        x, y = self.begin_forward(x, training)
        shape, double = (len(x), self.num_groups), np.dtype(np.float64)
        mean = grown(self.mean if training else None, shape, double)
        rstd = grown(self.rstd if training else None, shape, double)
        kernels.groupnorm_forward(x, self.gamma.value, self.beta.value, self.eps, mean, rstd, y)
        if training:
            self.mean, self.rstd = mean, rstd
        return y

    def backward(self, dy: Any) -> Array:
        dy, dx = self.begin_backward(dy)
        kernels.groupnorm_backward(
            self.x, dy, self.gamma.value, self.mean, self.rstd,
            self.gamma.grad, self.beta.grad, dx,
        )  # fmt: skip
        return dx

    def _sizes(self) -> str:
        return f"{self.num_groups}, {self.in_features}"


class LayerNorm(GroupNorm):
    """Layer normalization: mean and variance of each row over all its features, one group.

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
