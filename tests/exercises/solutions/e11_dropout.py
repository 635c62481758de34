"""Exercise 11: right answers in different styles, and known mistakes as students write them."""

from functools import partial

import numpy as np

import minnet


class Dropout:
    """Plain implementation, with a switch for each mistake."""

    mask = None

    def __init__(self, p, rng, mistake=None):
        self.p, self.rng, self.mistake = p, rng, mistake
        if mistake == "one_mask_for_all_layers":
            self.rng = np.random.default_rng(42)

    def draw(self, shape):
        mistake, p = self.mistake, self.p
        if mistake == "one_mask_for_all_batches" and self.mask is not None:
            return self.mask
        rng = np.random.default_rng() if mistake == "second_run_differs" else self.rng
        if mistake == "one_mask_for_all_rows":
            shape = (1, shape[1])
        if mistake == "one_mask_for_all_columns":
            shape = (shape[0], 1)
        keep = rng.random(shape) < p if mistake == "keep_for_drop" else rng.random(shape) >= p
        return keep / {
            "not_scaled": 1,
            "scaled_in_evaluation": 1,
            "scaled_by_1_over_p": p,
            "scaled_by_1_minus_p": 1 / (1 - p),
        }.get(mistake, 1 - p)

    def forward(self, x, training):
        mistake = self.mistake
        if mistake == "upside_down":
            training = not training
        if not training and mistake != "active_in_evaluation":
            return x * (1 - self.p) if mistake == "scaled_in_evaluation" else x
        if mistake == "never_active":
            return x
        self.mask = self.draw(x.shape)
        if mistake == "input_changed":
            x *= self.mask
            return x
        return x * self.mask

    def backward(self, dy):
        mistake = self.mistake
        if mistake in ("mask_forgotten_in_backward", "never_active", "upside_down"):
            return dy
        if mistake == "new_mask_in_backward":
            return dy * self.draw(dy.shape)
        return dy * (self.mask != 0) if mistake == "dx_not_scaled" else dy * self.mask


class UpsideDownWithMask(Dropout):
    """Backward requires the mask that forward did not draw in training."""

    def forward(self, x, training):
        return super().forward(x, not training)


class Loops(Dropout):
    def forward(self, x, training):
        y = x.copy()
        if not training:
            return y
        self.factor = 1 / (1 - self.p)
        self.left_out = []
        for r in range(len(x)):
            for j in range(x.shape[1]):
                if self.rng.random() < self.p:
                    y[r, j] = 0
                    self.left_out.append((r, j))
                else:
                    y[r, j] *= self.factor
        return y

    def backward(self, dy):
        dx = dy * self.factor
        for r, j in self.left_out:
            dx[r, j] = 0
        return dx


class Binomial(Dropout):
    """Another way of drawing, and another order of scaling."""

    def forward(self, x, training):
        if not training:
            return x.copy()
        self.keep = self.rng.binomial(1, 1 - self.p, size=x.shape)
        return np.einsum("rj,rj->rj", x / (1 - self.p), self.keep)

    def backward(self, dy):
        return np.einsum("rj,rj->rj", dy, self.keep) / (1 - self.p)


class Chosen(Dropout):
    """In float64, by choice and by where."""

    def forward(self, x, training):
        x = np.asarray(x, np.float64)
        if not training:
            return x
        self.keep = self.rng.choice([False, True], size=x.shape, p=[self.p, 1 - self.p])
        return np.where(self.keep, x / (1 - self.p), 0)

    def backward(self, dy):
        return np.where(self.keep, dy / (1 - self.p), 0)


class OwnOfMinnet(Dropout):
    def forward(self, x, training):
        if self.mask is None:
            self.mask = minnet.Dropout(self.p).build(rng=self.rng, dtype=x.dtype)
        return self.mask.forward(x, training=training)

    def backward(self, dy):
        return self.mask.backward(dy)


class MaskGuessedFromY(Dropout):
    def forward(self, x, training):
        y = super().forward(x, training)
        if training:
            self.y = y
        return y

    def backward(self, dy):
        return np.where(self.y == 0, 0, dy / (1 - self.p))


class MaskOfEvaluation(Dropout):
    def forward(self, x, training):
        if training:
            return super().forward(x, training)
        self.mask = np.ones_like(x)
        return x


class ExactCount(Dropout):
    """Drops the same number of entries in every batch."""

    def draw(self, shape):
        keep = np.arange(np.prod(shape)) >= round(self.p * np.prod(shape))
        return self.rng.permutation(keep).reshape(shape) / (1 - self.p)


class WholeBatches(Dropout):
    def draw(self, shape):
        return np.full(shape, self.rng.random() >= self.p) / (1 - self.p)


class Constant(Dropout):
    """Return the example of the stub."""

    def forward(self, x, training):
        return np.repeat([[0.0, 2.0]], 200, axis=0) if training else np.array([[1.0, 2.0]])


RIGHT = (Dropout, Loops, Binomial, Chosen, OwnOfMinnet)
HARD_CODED = (Constant,)
WRONG = {
    mistake: partial(Dropout, mistake=mistake)
    for mistake in (
        "not_scaled",
        "scaled_by_1_over_p",
        "scaled_by_1_minus_p",
        "scaled_in_evaluation",
        "keep_for_drop",
        "active_in_evaluation",
        "never_active",
        "one_mask_for_all_rows",
        "one_mask_for_all_columns",
        "one_mask_for_all_batches",
        "one_mask_for_all_layers",
        "new_mask_in_backward",
        "mask_forgotten_in_backward",
        "dx_not_scaled",
        "second_run_differs",
        "input_changed",
    )
} | {
    "upside_down": UpsideDownWithMask,
    "mask_guessed_from_y": MaskGuessedFromY,
    "mask_of_evaluation": MaskOfEvaluation,
    "exact_count": ExactCount,
    "whole_batches": WholeBatches,
}
