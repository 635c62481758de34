"""Layers and optimizers as a user would write them, right and with typical faults."""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet import SGD, Adam, Layer, Param


class OwnScale(Layer):
    """y = x g + c, with a factor and an offset for each feature."""

    fault = ""

    def __init__(self, features: int) -> None:
        self.in_features = self.out_features = features
        self.params["gain"] = Param(np.ones(features))
        self.params["offset"] = Param(np.zeros(features))

    def compute(self, x: Any, y: Any, training: bool) -> None:
        if training and getattr(self, "kept", None) is None:
            self.kept = x.copy()
        y[...] = x * self.params["gain"].value + self.params["offset"].value

    def differentiate(self, dy: Any, dx: Any) -> None:
        gain, offset, x = self.params["gain"], self.params["offset"], self.x
        if self.fault == "stale" and len(self.kept) >= len(x):
            x = self.kept[: len(x)]
        d_gain = (dy * x).sum(axis=0)
        if self.fault == "accumulates":
            self.total = d_gain = d_gain + getattr(self, "total", 0.0)
        gain.grad = d_gain
        offset.grad = dy.sum(axis=0)
        dx[...] = dy * gain.value
        if self.fault == "sign":
            dx[...] = -dx
        if self.fault == "zero":
            dx[...] = 0


class OwnTanh(Layer):
    """y = tanh(x), dx = dy (1 - y²)."""

    fault = ""

    def compute(self, x: Any, y: Any, training: bool) -> None:
        y[...] = np.tanh(x)

    def differentiate(self, dy: Any, dx: Any) -> None:
        dx[...] = dy * (1 - self.y**2)
        if self.fault == "sign":
            dx[...] = -dy * (1 - self.y**2)
        if self.fault == "input":
            dx[...] = dy * (1 - self.x**2)
        if self.fault == "square":
            dx[...] = dy * self.y**2


class OwnDense(Layer):
    """y = x W + b."""

    fault = ""

    def __init__(self, n: int, m: int) -> None:
        self.in_features, self.out_features = n, m

    def draw_params(self, rng: np.random.Generator) -> dict[str, Param]:
        n, m = self.in_features or 1, self.out_features or 1
        scale = np.sqrt(2 / n)
        return {
            "weight": Param((scale * rng.standard_normal((n, m))).astype(self.dtype)),
            "bias": Param(np.zeros(m, self.dtype)),
        }

    def compute(self, x: Any, y: Any, training: bool) -> None:
        y[...] = x @ self.params["weight"].value + self.params["bias"].value

    def differentiate(self, dy: Any, dx: Any) -> None:
        weight, bias = self.params["weight"], self.params["bias"]
        gradient = self.x.T @ dy
        if self.fault == "sign":
            gradient = -gradient
        if self.fault == "mean":
            gradient = gradient / len(dy)
        if self.fault == "shuffled":
            gradient = gradient[::-1]
        if self.fault == "accumulates":
            self.total = gradient = gradient + getattr(self, "total", 0.0)
        weight.grad = gradient
        bias.grad = dy.sum(axis=0)
        dx[...] = dy @ weight.value.T
        if self.fault == "zero":
            dx[...] = 0
        if self.fault == "abs":
            dx[...] = np.abs(dx)


class PlainDense(Layer):
    """A dense layer whose weights are plain arrays, which no optimizer changes."""

    def __init__(self, n: int, m: int, seed: int = 0) -> None:
        self.in_features, self.out_features = n, m
        rng = np.random.default_rng(seed)
        self.w = (np.sqrt(2 / n) * rng.standard_normal((n, m))).astype(np.float32)
        self.b = np.zeros(m, np.float32)

    def compute(self, x: Any, y: Any, training: bool) -> None:
        y[...] = x @ self.w + self.b

    def differentiate(self, dy: Any, dx: Any) -> None:
        dx[...] = dy @ self.w.T


class SkippingSGD(SGD):
    """SGD that does not update the first ``skip`` parameters."""

    skip = 0

    def update(self, part: slice, decay: float) -> None:
        kept = self.net.theta[: self.skip].copy()
        super().update(part, decay)
        self.net.theta[: self.skip] = kept


class SkippingAdam(Adam):
    """Adam that does not update the first weights."""

    skip = 0

    def update(self, part: slice, decay: float) -> None:
        kept = self.net.theta[: self.skip].copy()
        super().update(part, decay)
        self.net.theta[: self.skip] = kept
