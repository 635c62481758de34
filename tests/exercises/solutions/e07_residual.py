"""Exercise 7: right answers in different styles, and known mistakes as students write them."""

import numpy as np

import minnet
from minnet.exercises import network


class Residual:
    """Plain implementation."""

    def __init__(self, branch):
        self.branch = branch

    def forward(self, x):
        self.z = x + self.branch.forward(x.copy())
        return np.maximum(self.z, 0)

    def backward(self, dy):
        dz = dy * (self.z > 0)
        return dz + self.branch.backward(dz)


class Loops(Residual):
    def forward(self, x):
        f = self.branch.forward(np.array(x))
        self.y = np.empty_like(x)
        for index in np.ndindex(x.shape):
            self.y[index] = max(x[index] + f[index], 0.0)
        return self.y.copy()

    def backward(self, dy):
        dz = np.zeros_like(dy)
        for index in np.ndindex(dy.shape):
            if self.y[index] > 0:
                dz[index] = dy[index]
        dx = self.branch.backward(dz.copy())
        for index in np.ndindex(dy.shape):
            dx[index] += dz[index]
        return dx


class OtherAlgebra(Residual):
    """relu(z) = (z + |z|) / 2, and the slope as a factor of both terms."""

    def forward(self, x):
        z = np.einsum("tnj->nj", np.array([x, self.branch.forward(x.copy())]))
        self.slope = np.heaviside(z, 0.0).astype(z.dtype)
        return (z + np.abs(z)) / 2

    def backward(self, dy):
        through = self.branch.backward(np.einsum("nj,nj->nj", dy, self.slope))
        return np.where(self.slope > 0, through + dy, through)


class InFloat64(Residual):
    def forward(self, x):
        return super().forward(x.astype(np.float64)).astype(x.dtype)

    def backward(self, dy):
        return super().backward(dy.astype(np.float64)).astype(dy.dtype)


class OwnOfMinnet(Residual):
    """minnet's own layers, around the branch made a layer."""

    def forward(self, x):
        branch = network.Adapted(
            lambda x, training: self.branch.forward(x.copy()), self.branch.backward
        )
        self.layers = [minnet.Residual(branch), minnet.ReLU()]
        for layer in self.layers:
            x = layer.build(dtype=x.dtype).forward(x, training=True)
        return x

    def backward(self, dy):
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy


RIGHT = (Residual, Loops, OtherAlgebra, InFloat64, OwnOfMinnet)


class Constant(Residual):
    """Return the example of the stub."""

    def forward(self, x):
        return np.array([[3.0, 0.0]])

    def backward(self, dy):
        return np.array([[30.0, 0.0]])


HARD_CODED = (Constant,)


class ReluBeforeSum(Residual):
    def forward(self, x):
        self.f = self.branch.forward(x.copy())
        return x + np.maximum(self.f, 0)

    def backward(self, dy):
        return dy + self.branch.backward(dy * (self.f > 0))


class ReluLeftOut(Residual):
    def forward(self, x):
        return x + self.branch.forward(x.copy())

    def backward(self, dy):
        return dy + self.branch.backward(dy)


class ShortcutLeftOut(Residual):
    def forward(self, x):
        self.z = self.branch.forward(x.copy())
        return np.maximum(self.z, 0)

    def backward(self, dy):
        return self.branch.backward(dy * (self.z > 0))


class ShortcutLeftOutInBackward(Residual):
    def backward(self, dy):
        return self.branch.backward(dy * (self.z > 0))


class BranchLeftOutInBackward(Residual):
    def backward(self, dy):
        return dy * (self.z > 0)


class ShortcutAddedTwice(Residual):
    def backward(self, dy):
        dz = dy * (self.z > 0)
        dx = dz + self.branch.backward(dz)
        dx += dz
        return dx


class ReluLeftOutInBackward(Residual):
    def backward(self, dy):
        return dy + self.branch.backward(dy)


class ShortcutAroundRelu(Residual):
    def backward(self, dy):
        return dy + self.branch.backward(dy * (self.z > 0))


class BranchGetsDy(Residual):
    def backward(self, dy):
        return dy * (self.z > 0) + self.branch.backward(dy)


class ReluSlopeAtX(Residual):
    def forward(self, x):
        self.x = x
        return super().forward(x)

    def backward(self, dy):
        dz = dy * (self.x > 0)
        return dz + self.branch.backward(dz)


class ReluAfterBranch(Residual):
    def backward(self, dy):
        return (dy + self.branch.backward(dy)) * (self.z > 0)


class BranchChangesX(Residual):
    def forward(self, x):
        self.z = x + self.branch.forward(x)
        return np.maximum(self.z, 0)


class ChangedCopyAdded(Residual):
    def forward(self, x):
        own = x + 0.0
        f = self.branch.forward(own)
        self.z = f + own
        return np.maximum(self.z, 0)


class BranchCalledAgain(Residual):
    def backward(self, dy):
        self.branch.backward(dy * (self.z > 0))
        return super().backward(dy)


class InputChanged(Residual):
    def forward(self, x):
        x += self.branch.forward(x.copy())
        self.z = x
        return np.maximum(self.z, 0)


WRONG = {
    "relu_before_sum": ReluBeforeSum,
    "relu_left_out": ReluLeftOut,
    "shortcut_left_out": ShortcutLeftOut,
    "shortcut_left_out_in_backward": ShortcutLeftOutInBackward,
    "branch_left_out_in_backward": BranchLeftOutInBackward,
    "shortcut_added_twice": ShortcutAddedTwice,
    "relu_left_out_in_backward": ReluLeftOutInBackward,
    "shortcut_around_relu": ShortcutAroundRelu,
    "branch_gets_dy": BranchGetsDy,
    "relu_slope_at_x": ReluSlopeAtX,
    "relu_after_branch": ReluAfterBranch,
    "branch_changes_x": BranchChangesX,
    "changed_copy_added": ChangedCopyAdded,
    "branch_called_again": BranchCalledAgain,
    "input_changed": InputChanged,
}
