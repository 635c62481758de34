"""Exercise 1: right answers in different styles, and known mistakes as students write them."""

import numpy as np

import minnet


class Dense:
    """Plain implementation."""

    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, x):
        self.x = x
        return x @ self.weight + self.bias

    def backward(self, dy):
        self.dweight = self.x.T @ dy
        self.dbias = dy.sum(axis=0)
        return dy @ self.weight.T


class Loops(Dense):
    def forward(self, x):
        self.x = x
        y = np.empty((len(x), len(self.bias)), x.dtype)
        for r, j in np.ndindex(y.shape):
            y[r, j] = self.bias[j] + sum(x[r, i] * self.weight[i, j] for i in range(x.shape[1]))
        return y

    def backward(self, dy):
        self.dweight, self.dbias = np.zeros_like(self.weight), np.zeros_like(self.bias)
        dx = np.zeros_like(self.x)
        for r, j in np.ndindex(dy.shape):
            self.dbias[j] += dy[r, j]
            for i in range(self.x.shape[1]):
                self.dweight[i, j] += self.x[r, i] * dy[r, j]
                dx[r, i] += self.weight[i, j] * dy[r, j]
        return dx


class Einsum(Dense):
    def forward(self, x):
        self.x = x.copy()
        return np.einsum("ri,ij->rj", x, self.weight) + self.bias

    def backward(self, dy):
        self.dweight = np.einsum("ri,rj->ij", self.x, dy)
        self.dbias = np.einsum("rj->j", dy)
        return np.einsum("rj,ij->ri", dy, self.weight)


class Extended(Dense):
    """The bias as one more row of the weight, and a column of ones beside x."""

    def forward(self, x):
        self.x = np.hstack([x, np.ones((len(x), 1), x.dtype)])
        return self.x @ np.vstack([self.weight, self.bias])

    def backward(self, dy):
        gradient = self.x.T @ dy
        self.dweight, self.dbias = gradient[:-1], gradient[-1]
        return (self.weight @ dy.T).T


class OwnOfMinnet(Dense):
    """minnet's own layer."""

    def forward(self, x):
        self.dense = minnet.Dense(*self.weight.shape).build(dtype=x.dtype)
        self.dense.weight.value, self.dense.bias.value = self.weight, self.bias
        return self.dense.forward(x, training=True)

    def backward(self, dy):
        dx = self.dense.backward(dy)
        self.dweight, self.dbias = self.dense.weight.grad, self.dense.bias.grad
        return dx


RIGHT = (Dense, Loops, Einsum, Extended, OwnOfMinnet)


class Constant(Dense):
    """Return the example of the stub."""

    def forward(self, x):
        return np.array([[11.0, 22.0], [13.0, 26.0]])


HARD_CODED = (Constant,)


class WeightTransposedInForward(Dense):
    def forward(self, x):
        return super().forward(x) - x @ self.weight + x @ self.weight.T


class BiasLeftOut(Dense):
    def forward(self, x):
        self.x = x
        return x @ self.weight


class WeightNotTransposedInBackward(Dense):
    def backward(self, dy):
        super().backward(dy)
        return dy @ self.weight


class DweightTransposed(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dweight = dy.T @ self.x
        return dx


class DbiasOverAxis1(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dbias = dy.sum(axis=1)
        return dx


class DbiasAveraged(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dbias = dy.mean(axis=0)
        return dx


class DweightDividedByN(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dweight = self.dweight / len(dy)
        return dx


class DividedByN(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dweight, self.dbias = self.dweight / len(dy), self.dbias / len(dy)
        return dx


class RowsCounted(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dbias = np.ones_like(dy).sum(axis=0)
        return dx


class SumsMultiplied(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dweight = np.outer(self.x.sum(axis=0), dy.sum(axis=0))
        return dx


class GradientsAddUp(Dense):
    dweight = dbias = 0

    def backward(self, dy):
        self.dweight = self.dweight + self.x.T @ dy
        self.dbias = self.dbias + dy.sum(axis=0)
        return dy @ self.weight.T


class FirstXKept(Dense):
    x = None

    def forward(self, x):
        self.x = x if self.x is None else self.x
        return x @ self.weight + self.bias


class InputChanged(Dense):
    def forward(self, x):
        y = super().forward(x)
        x += 1e-3
        return y


WRONG = {
    "weight_transposed_in_forward": WeightTransposedInForward,
    "bias_left_out": BiasLeftOut,
    "weight_not_transposed_in_backward": WeightNotTransposedInBackward,
    "dweight_transposed": DweightTransposed,
    "dbias_over_axis_1": DbiasOverAxis1,
    "dbias_averaged": DbiasAveraged,
    "dweight_divided_by_n": DweightDividedByN,
    "divided_by_n": DividedByN,
    "rows_counted": RowsCounted,
    "sums_multiplied": SumsMultiplied,
    "gradients_add_up": GradientsAddUp,
    "first_x_kept": FirstXKept,
    "input_changed": InputChanged,
}
