"""Optimizers.

``step()`` reads ``net.grad`` and updates ``net.theta`` in one pass. Settings such as ``lr`` may be
assigned between steps, as a schedule does. Parameters with ``trainable`` False and their
optimizer state do not change.
"""

import math
from typing import Any

import numpy as np

from minnet.history import History
from minnet.kernels import optimizers as kernels
from minnet.kernels.finiteness import exceeds
from minnet.layers.sequential import Sequential
from minnet.memory import writable, zeros_like
from minnet.param import Param, parts
from minnet.regularization import largest_gradient
from minnet.validation import (
    FLOAT32,
    FLOAT64,
    Array,
    as_flag,
    check_instance,
    fraction,
    non_negative,
    positive,
    setting,
    shown,
)

# Largest sum of squared gradients, and largest gradient, such that one more square can be added.
MOST = {dtype: float(np.finfo(dtype).max) / 2 for dtype in (FLOAT32, FLOAT64)}
LARGEST = {dtype: math.sqrt(most) for dtype, most in MOST.items()}


class Optimizer:
    """Base class of the optimizers; a subclass defines `update`.

    `minnet.save` keeps lr, steps and all attributes that are arrays. Other numbers are settings,
    which `minnet.load` compares. So a counter of a subclass must be an array, such as zeros(()).

    Parameters
    ----------
    net : Sequential
        The network to train.
    lr : float
        Learning rate, not negative. The attribute ``lr`` may be set at any time.

    Attributes
    ----------
    steps : int
        Number of steps taken, which `minnet.fit` passes to the schedule and to the probes.
    history : History or None
        History that the next `minnet.fit` with this optimizer continues.
    """

    lr: float = setting(non_negative)
    weight_decay: float = 0.0
    decay_bias: bool = True
    frozen_steps: Array | None = None

    def __init__(self, net: Sequential, lr: float) -> None:
        check_instance(net, Sequential, type(self).__name__)
        self.net, self.dtype = net, net.dtype
        self._largest = LARGEST[self.dtype]
        self.lr, self.steps = lr, 0
        self.history: History | None = None
        # For each trainable part of theta: whether it decays, and the number of its frozen steps.
        self._parts: list[tuple[slice, bool, int]] = []
        self._parts_for: tuple[int, bool] | None = None  # what _parts was computed for
        self._any_frozen = False
        self._part_steps = 1  # steps of the part that is updated, with the present one
        # These numbers differ after every backward pass or assignment of a gradient. Before the
        # first backward pass there is no gradient to use.
        self._used: tuple[int, int] | None = None
        if net.gradients == 0:
            self._used = net.gradients, Param.assigned

    @property
    def settings(self) -> dict[str, float]:
        """Settings other than lr, by name of the attribute: all attributes that are numbers."""
        numbers = {k: v for k, v in vars(self).items() if isinstance(v, int | float)}
        return {
            k: v for k, v in numbers.items() if not k.startswith("_") and k not in ("lr", "steps")
        }

    @property
    def state(self) -> dict[str, Array]:
        """State arrays by name of the attribute; not copies."""
        return {name: v for name, v in vars(self).items() if isinstance(v, np.ndarray)}

    def step(self) -> None:
        """Update theta once, with the gradient of the last backward pass in ``net.grad``.

        Raises
        ------
        RuntimeError
            If there is no gradient since the last step, or the dtype of the network has changed.
        FloatingPointError
            If an entry of the gradient is not finite, or its square or its product with lr is too
            large for the dtype. The error names the parameter; parameters and state are unchanged.
        """
        net = self.net
        if self._parts_for != (Param.changes, self.decay_bias):
            self._find_parts()
        if self._used == (net.gradients, Param.assigned):
            raise RuntimeError(
                f"{self}: expected net.backward(dy) before each step, got no gradient since the "
                "last one; to use your own, assign net.grad or the grad of a parameter"
            )
        limit = self._largest if self.lr <= self._largest else self._largest**2 / self.lr
        if exceeds(net.grad, limit):
            self._check_gradient(limit)
        for part, decays, frozen in self._parts:
            self._part_steps = max(self.steps + 1 - frozen, 1)
            self.update(part, self.weight_decay if decays else 0.0)
        if self._any_frozen and self.frozen_steps is not None:
            self.frozen_steps += [not param.trainable for param in net.params.values()]
        self.steps += 1
        self._used = net.gradients, Param.assigned

    def resume(self, lr: float, steps: int, history: History | None) -> None:
        """Continue a training after these steps, with the current state arrays."""
        self.lr, self.steps, self.history, self._parts_for = lr, steps, history, None

    def update(self, part: slice, decay: float) -> None:
        """Apply the rule to this part of theta, with this weight decay; a subclass defines it.

        The part is all of theta unless parameters are frozen or left out of the weight decay.
        """
        raise TypeError(f"{self}: expected it to define update(self, part, decay)")

    def _group(self, param: Param) -> tuple[bool, int] | None:
        """Return whether weight decay applies and the number of frozen steps; None if frozen."""
        if not param.trainable:
            return None
        frozen = 0
        if self.frozen_steps is not None:
            frozen = int(self.frozen_steps[[*self.net.params.values()].index(param)])
        return self.decay_bias or param.value.ndim == 2, frozen

    def _find_parts(self) -> None:
        """Find the trainable parts of theta; raise RuntimeError if its dtype has changed."""
        if self.net.dtype != self.dtype:
            raise RuntimeError(
                f"{self}: expected a network of {self.dtype}, got {self.net.dtype}; create a new "
                "optimizer after net.build"
            )
        found = parts(self.net.params.values(), self._group)
        self._parts = [(part, *group) for part, group in found if group]
        self._any_frozen = len(self._parts) < len(found)
        self._parts_for = Param.changes, self.decay_bias

    def _check_gradient(self, limit: float) -> None:
        """Raise the error for the largest gradient of a trainable parameter, if above limit."""
        if not any(exceeds(self.net.grad[part], limit) for part, _, _ in self._parts):
            return
        name, largest = largest_gradient(self.net)
        repair = "clip it with clip_norm" if np.isfinite(largest) else "lower the learning rate"
        raise FloatingPointError(
            f"{self}: expected gradients up to {limit:.1e}, whose square and product with lr are "
            f"finite in {self.dtype}, got {largest:.3g} for {name}; {repair}, or scale the data"
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(writable(state))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(lr={self.lr:g})"


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

    v = μ v + g and θ = θ - lr v; with Nesterov momentum θ = θ - lr (g + μ v).

    Parameters
    ----------
    net, lr
        As in `Optimizer`. v does not include the factor lr.
    momentum : float, default 0.0
        μ, in [0, 1).
    nesterov : bool, default False
        Use Nesterov momentum; requires a positive momentum.
    weight_decay : float, default 0.0
        λ. The gradient of every parameter is increased by λ θ, as in PyTorch.
    decay_bias : bool, default True
        With False, only weights decay, the parameters with two dimensions; biases, γ and β do not.

    References
    ----------
    Sutskever, Martens, Dahl & Hinton (2013), On the importance of initialization and momentum in
    deep learning, ICML.
    """

    momentum: float = setting(fraction)
    nesterov: bool = setting(as_flag)
    weight_decay: float = setting(non_negative)
    decay_bias: bool = setting(as_flag)

    def __init__(
        self,
        net: Sequential,
        lr: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        decay_bias: bool = True,
    ) -> None:
        super().__init__(net, lr)
        self.momentum, self.nesterov = momentum, nesterov
        self.weight_decay, self.decay_bias = weight_decay, decay_bias
        if self.nesterov and self.momentum == 0:
            raise ValueError("SGD: expected a momentum above 0 for nesterov=True, got 0; use 0.9")
        self.velocity = zeros_like(net.theta) if self.momentum else None

    def update(self, part: slice, decay: float) -> None:
        grad, theta = self.net.grad[part], self.net.theta[part]
        if not self.momentum:
            kernels.plain_sgd(grad, self.lr, decay, theta)
            return
        if self.velocity is None:  # momentum was assigned after the first steps
            self.velocity = zeros_like(self.net.theta)
        settings = self.lr, self.momentum, self.nesterov, decay
        kernels.sgd(grad, *settings, self.velocity[part], theta)


class RMSProp(Optimizer):
    """Divide the gradient by a running root mean square of past gradients.

    s = ρ s + (1 - ρ) g² and θ = θ - lr g / (√s + ε).

    Parameters
    ----------
    net, lr
        As in `Optimizer`.
    rho : float, default 0.9
        ρ, the weight of past gradients, in [0, 1). PyTorch calls it alpha.
    eps : float, default 1e-8
        ε, outside the root.

    References
    ----------
    Tieleman & Hinton (2012), Lecture 6.5, Coursera: neural networks for machine learning.
    """

    rho: float = setting(fraction)
    eps: float = setting(positive)

    def __init__(
        self, net: Sequential, lr: float = 1e-3, rho: float = 0.9, eps: float = 1e-8
    ) -> None:
        super().__init__(net, lr)
        self.rho, self.eps, self.square = rho, eps, zeros_like(net.theta)

    def update(self, part: slice, decay: float) -> None:
        grad, square, theta = self.net.grad[part], self.square[part], self.net.theta[part]
        kernels.rmsprop(grad, self.lr, self.rho, self.eps, square, theta)


class Adagrad(Optimizer):
    """Divide the gradient by the root of the sum of its squares over all steps.

    s = s + g² and θ = θ - lr g / (√s + ε).

    Parameters
    ----------
    net, lr
        As in `Optimizer`.
    eps : float, default 1e-10
        ε, outside the root.

    References
    ----------
    Duchi, Hazan & Singer (2011), Adaptive subgradient methods, JMLR 12.
    """

    eps: float = setting(positive)

    def __init__(self, net: Sequential, lr: float = 1e-2, eps: float = 1e-10) -> None:
        super().__init__(net, lr)
        self.eps, self.square = eps, zeros_like(net.theta)

    def update(self, part: slice, decay: float) -> None:
        grad, square, theta = self.net.grad[part], self.square[part], self.net.theta[part]
        if exceeds(square, MOST[self.dtype]):
            raise FloatingPointError(
                f"{self}: expected sums of squared gradients up to {MOST[self.dtype]:.1e} in "
                f"{self.dtype}, got {square.max():.3g}; create a new optimizer, and clip gradients"
            )
        kernels.adagrad(grad, self.lr, self.eps, square, theta)


class Adam(Optimizer):
    """Adaptive moments: the running mean of the gradient over its running root mean square.

    m = β₁ m + (1 - β₁) g and s = β₂ s + (1 - β₂) g²; then, at step t = 1, 2, ..., with
    m̂ = m / (1 - β₁ᵗ) and ŝ = s / (1 - β₂ᵗ), θ = θ - lr m̂ / (√ŝ + ε). Steps in which a parameter is
    frozen do not count in its t.

    Parameters
    ----------
    net, lr
        As in `Optimizer`. lr is approximately the size of the update of each parameter.
    betas : (float, float), default (0.9, 0.999)
        β₁ and β₂, each in [0, 1); the attributes are beta1 and beta2.
    eps : float, default 1e-8
        ε, outside the root.

    References
    ----------
    Kingma & Ba (2015), Adam: a method for stochastic optimization, ICLR.
    """

    beta1: float = setting(fraction)
    beta2: float = setting(fraction)
    eps: float = setting(positive)

    def __init__(
        self,
        net: Sequential,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(net, lr)
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise TypeError(
                f"{self}: expected betas as a pair such as (0.9, 0.999), got {shown(betas)}"
            )
        (self.beta1, self.beta2), self.eps = betas, eps
        self.mean, self.square = zeros_like(net.theta), zeros_like(net.theta)
        self.frozen_steps = np.zeros(len(net.params), np.int64)

    def update(self, part: slice, decay: float) -> None:
        kernels.adam(
            self.net.grad[part], self.lr, self.beta1, self.beta2, self.eps, decay,
            self._part_steps, self.mean[part], self.square[part], self.net.theta[part],
        )  # fmt: skip


class AdamW(Adam):
    """Adam with decoupled weight decay, applied to the parameters and not to the gradient.

    Before Adam's update, θ = (1 - lr λ) θ, for all parameters as in PyTorch or for weights only.

    Parameters
    ----------
    net, lr, betas, eps
        As in `Adam`.
    weight_decay : float, default 1e-2
        λ, not negative.
    decay_bias
        As in `SGD`.

    References
    ----------
    Loshchilov & Hutter (2019), Decoupled weight decay regularization, ICLR.
    """

    weight_decay: float = setting(non_negative)
    decay_bias: bool = setting(as_flag)

    def __init__(
        self,
        net: Sequential,
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        decay_bias: bool = True,
    ) -> None:
        super().__init__(net, lr, betas, eps)
        self.weight_decay, self.decay_bias = weight_decay, decay_bias
