"""Exercise 12: right answers in different styles, and known mistakes as students write them."""

from functools import partial

import numpy as np

import minnet


class Momentum:
    """Plain implementation, with a switch for each mistake."""

    def __init__(self, momentum, l1, l2, mistake=None):
        self.momentum, self.l1, self.l2, self.mistake = momentum, l1, l2, mistake
        self.weight_velocity = self.bias_velocity = 0.0

    def penalty(self, weight):
        size = weight if self.mistake == "l1_not_absolute" else np.abs(weight)
        half = 0.5 if self.mistake == "l2_halved" else 1.0
        return self.l1 * size.sum() + half * self.l2 * (weight**2).sum()

    def slope(self, weight):
        """The gradient of the penalties."""
        two = 1 if self.mistake in ("l2_halved", "l2_without_2") else 2
        return self.l1 * self.sign(weight) + two * self.l2 * weight

    def sign(self, weight):
        mistake = self.mistake
        if mistake == "invalid_value":
            return weight / np.abs(weight)
        if mistake == "sign_of_zero_is_1":
            return np.where(weight >= 0, 1.0, -1.0)
        if mistake == "sign_of_zero_is_minus_1":
            return np.where(weight > 0, 1.0, -1.0)
        if mistake == "l1_without_sign":
            return np.ones_like(weight)
        return np.sign(weight)

    def faster(self, velocity, gradient, lr):
        mistake, momentum = self.mistake, self.momentum
        if mistake == "velocity_not_kept":
            velocity = 0.0
        if mistake == "first_gradient_twice" and np.ndim(velocity) == 0:
            velocity = gradient
        if mistake == "averaged":
            return momentum * velocity + (1 - momentum) * gradient
        if mistake in ("lr_in_velocity", "nesterov_with_lr_in_velocity"):
            gradient = lr * gradient
        return momentum * velocity + gradient

    def step(self, weight, bias, dweight, dbias, lr):
        mistake = self.mistake
        slope = self.slope(weight)
        by_size = 2 * self.l2 * weight
        if mistake == "l2_outside_velocity":
            dweight = dweight + slope - by_size
        elif mistake == "l1_outside_velocity":
            dweight = dweight + by_size
        elif mistake not in ("penalty_left_out", "penalty_outside_velocity"):
            dweight = dweight + slope
        earlier = self.weight_velocity, self.bias_velocity
        if mistake == "bias_penalised":
            dbias = dbias + self.slope(bias)
        if mistake == "bias_penalised_by_l2":
            dbias = dbias + 2 * self.l2 * bias
        self.weight_velocity = self.faster(self.weight_velocity, dweight, lr)
        self.bias_velocity = self.faster(self.bias_velocity, dbias, lr)
        by_weight, by_bias = self.weight_velocity, self.bias_velocity
        if mistake == "nesterov":
            by_weight = dweight + self.momentum * by_weight
            by_bias = dbias + self.momentum * by_bias
        if mistake == "penalty_outside_velocity":
            by_weight = by_weight + slope
        if mistake == "l2_outside_velocity":
            by_weight = by_weight + by_size
        if mistake == "l1_outside_velocity":
            by_weight = by_weight + slope - by_size
        if mistake == "step_of_earlier_velocity":
            by_weight, by_bias = earlier
        if mistake == "input_changed":
            weight -= lr * by_weight
            return weight, bias - lr * by_bias
        if mistake == "nesterov_with_lr_in_velocity":
            by_weight = lr * dweight + self.momentum * by_weight
            by_bias = lr * dbias + self.momentum * by_bias
        if mistake in ("lr_in_velocity", "nesterov_with_lr_in_velocity"):
            lr = 1.0
        sign = -1 if mistake == "uphill" else 1
        return weight - sign * lr * by_weight, bias - sign * lr * by_bias


class Loops(Momentum):
    velocity = None

    def penalty(self, weight):
        return sum(self.l1 * abs(w) + self.l2 * w * w for w in weight.ravel())

    def step(self, weight, bias, dweight, dbias, lr):
        if self.velocity is None:
            self.velocity = np.zeros((len(weight) + 1, len(bias)), weight.dtype)
        new_weight, new_bias = weight.copy(), bias.copy()
        for i, j in np.ndindex(self.velocity.shape):
            if i == len(weight):
                g = dbias[j]
            else:
                w = weight[i, j]
                g = dweight[i, j] + 2 * self.l2 * w
                g += self.l1 if w > 0 else -self.l1 if w < 0 else 0
            v = self.velocity[i, j] = self.momentum * self.velocity[i, j] + g
            if i == len(weight):
                new_bias[j] -= lr * v
            else:
                new_weight[i, j] -= lr * v
        return new_weight, new_bias


class History(Momentum):
    """Keeps all gradients and weighs them anew in every step, in float64."""

    def __init__(self, momentum, l1, l2):
        super().__init__(momentum, l1, l2)
        self.gradients = []

    def penalty(self, weight):
        return self.l1 * np.linalg.norm(weight.ravel(), 1) + self.l2 * np.vdot(weight, weight)

    def step(self, weight, bias, dweight, dbias, lr):
        weight, bias = np.asarray(weight, np.float64), np.asarray(bias, np.float64)
        sign = (weight > 0).astype(float) - (weight < 0)
        g = dweight + self.l1 * sign + self.l2 * (weight + weight)
        self.gradients.append(np.vstack([g, dbias]))
        shares = self.momentum ** np.arange(len(self.gradients))[::-1]
        v = np.einsum("t,tij->ij", shares, self.gradients)
        return weight - lr * v[:-1], bias - lr * v[-1]


class Negative(Momentum):
    """The velocity points downhill, and is added."""

    def step(self, weight, bias, dweight, dbias, lr):
        self.weight_velocity = (
            self.momentum * self.weight_velocity
            - dweight
            - np.copysign(self.l1, weight) * (weight != 0)
            - 2 * self.l2 * weight
        )
        self.bias_velocity = self.momentum * self.bias_velocity - dbias
        return weight + lr * self.weight_velocity, bias + lr * self.bias_velocity


class OwnOfMinnet(Momentum):
    net = None

    def penalty(self, weight):
        return minnet.L1(self.l1).of(weight) + minnet.L2(self.l2).of(weight)

    def step(self, weight, bias, dweight, dbias, lr):
        if self.net is None:
            self.net = minnet.Sequential([minnet.Dense(*weight.shape)], dtype=weight.dtype)
            self.sgd = minnet.SGD(self.net, momentum=self.momentum)
        params = self.net.params.values()
        for param, value, grad in zip(params, (weight, bias), (dweight, dbias), strict=True):
            param.value, param.grad = value, grad
        minnet.L1(self.l1).add_gradient(self.net)
        minnet.L2(self.l2).add_gradient(self.net)
        self.sgd.lr = lr
        self.sgd.step()
        return tuple(param.value.copy() for param in params)


class VelocityShared(Momentum):
    """One velocity; broadcasting hides that it has the shape of the weight."""

    velocity = 0.0

    def step(self, weight, bias, dweight, dbias, lr):
        self.velocity = self.faster(self.velocity, dweight + self.slope(weight), lr)
        weight = weight - lr * self.velocity
        self.velocity = self.faster(self.velocity, dbias, lr)
        return weight, bias - lr * self.velocity


class Constant(Momentum):
    """Return the example of the stub."""

    def penalty(self, weight):
        return 4.0

    def step(self, weight, bias, dweight, dbias, lr):
        return np.array([[0.0]]), np.array([0.5])


RIGHT = (Momentum, Loops, History, Negative, OwnOfMinnet)
HARD_CODED = (Constant,)
WRONG = {
    mistake: partial(Momentum, mistake=mistake)
    for mistake in (
        "l1_not_absolute",
        "penalty_left_out",
        "l1_without_sign",
        "sign_of_zero_is_1",
        "sign_of_zero_is_minus_1",
        "invalid_value",
        "l2_without_2",
        "l2_halved",
        "bias_penalised",
        "bias_penalised_by_l2",
        "uphill",
        "lr_in_velocity",
        "averaged",
        "nesterov",
        "nesterov_with_lr_in_velocity",
        "velocity_not_kept",
        "first_gradient_twice",
        "penalty_outside_velocity",
        "l2_outside_velocity",
        "l1_outside_velocity",
        "step_of_earlier_velocity",
        "input_changed",
    )
} | {"velocity_shared": VelocityShared}
