"""Copies of the buffers of all layers for one batch.

`capture` works on a copy of the network, so the parameters, gradients, buffers, running statistics
and dropout generators of the network itself do not change.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from minnet.differentiable import read_only
from minnet.evaluation import check_loss
from minnet.layers.sequential import Sequential
from minnet.losses import Loss
from minnet.recording.statistics import Statistics, describe
from minnet.recording.taps import in_order, layer_taps
from minnet.validation import Array, as_rows, check_instance, shown


class Capture(dict[str, dict[str, Array]]):
    """Buffers of one batch: layer name -> kind -> array, in the order of computation.

    The arrays are read-only copies. The kinds are ``y`` and the parameters, such as ``weight``. A
    training batch also has ``dy``, ``dx`` and the gradients, such as ``weight_grad``. ``x`` is the
    input of the network, (n, in_features), and ``loss`` the loss of the batch or None.

    Examples
    --------
    >>> from minnet import Dense, ReLU
    >>> net = Sequential([Dense(4, 8), ReLU(), Dense(8, 3)], rng=0)
    >>> captured = capture(net, np.ones((5, 4)))
    >>> captured
    Capture of 5 rows
      dense1  y (5, 8), weight (4, 8), bias (8,)
      relu1   y (5, 8)
      dense2  y (5, 3), weight (8, 3), bias (3,)
    >>> list(captured.kind("weight"))
    ['dense1', 'dense2']
    >>> captured["relu1"]["y"].min() >= 0
    np.True_
    """

    def __init__(
        self, buffers: Mapping[str, Mapping[str, Array]], x: Array, loss: float | None = None
    ) -> None:
        for name, kinds in buffers.items():
            self[name] = {kind: read_only(np.array(array)) for kind, array in kinds.items()}
        self.x, self.loss = read_only(np.array(x)), loss

    def __getitem__(self, name: str) -> dict[str, Array]:
        if not isinstance(name, str) or name not in self:
            raise KeyError(f"Capture: expected a layer among {', '.join(self)}, got {shown(name)}")
        return super().__getitem__(name)

    def kind(self, kind: str) -> dict[str, Array]:
        """Return layer name -> array for the layers that have this kind, at least one."""
        known = isinstance(kind, str)
        found = {name: kinds[kind] for name, kinds in self.items() if known and kind in kinds}
        if not found:
            kinds = dict.fromkeys(kind for kinds in self.values() for kind in kinds)
            repair = "" if "dy" in kinds else "; for gradients, use capture(net, x, y, loss)"
            raise ValueError(
                f"Capture: expected a kind among {', '.join(kinds)}, got {shown(kind)}{repair}"
            )
        return found

    def statistics(self, kind: str = "y") -> dict[str, Statistics]:
        """Return layer name -> summary statistics of this kind, as in `describe`."""
        return {name: describe(array) for name, array in self.kind(kind).items()}

    def __repr__(self) -> str:
        width = max(map(len, self), default=0)
        lines = [
            f"  {name:{width}}  " + ", ".join(f"{k} {array.shape}" for k, array in kinds.items())
            for name, kinds in self.items()
        ]
        loss = "" if self.loss is None else f", loss {self.loss:.6g}"
        return "\n".join([f"Capture of {len(self.x)} rows{loss}", *lines])


def capture(net: Sequential, x: Any, y: Any = None, loss: Loss | None = None) -> Capture:
    """Copy the buffers of every layer for the rows x, without changing the network.

    With x alone, the buffers are those of a forward pass for evaluation, as in ``predict``. With
    targets y and a loss, they are those of a training step without the update: normalization uses
    batch statistics, dropout is active, and every layer has gradients.

    Parameters
    ----------
    net : Sequential
        The network. Layers inside a `Residual` have dotted names, such as ``residual1.dense1``.
    x : array_like
        Rows, (n, in_features), at least one.
    y : array_like, optional
        Targets, as the loss requires them.
    loss : Loss, optional
        Required with y. A copy of it is used, so the loss itself does not change.

    Raises
    ------
    TypeError, ValueError
        If net is not a Sequential, only one of y and loss is given, or x is not (n, in_features)
        with at least one row.
    FloatingPointError
        If an output or a gradient is not finite; the message names the layer.

    Examples
    --------
    >>> from minnet import Dense, SoftmaxCrossEntropy
    >>> net = Sequential([Dense(4, 2)], rng=0)
    >>> captured = capture(net, np.ones((6, 4)), [0, 1, 0, 1, 0, 1], SoftmaxCrossEntropy())
    >>> captured["dense1"]["weight_grad"].shape
    (4, 2)
    """
    check_instance(net, Sequential, "capture")
    if (y is None) != (loss is None):
        given = "only the loss" if y is None else "only y"
        raise ValueError(
            f"capture: expected targets y and a loss together, got {given}; use "
            "capture(net, x, y, loss) for gradients, or capture(net, x) for evaluation"
        )
    if loss is not None:
        check_loss(net, loss, "capture")
    net = copy.deepcopy(net)
    x = as_rows(x, net.dtype, net.layers[0])
    if not len(x):
        raise ValueError(f"capture: expected at least one row, got shape {x.shape}")
    output, value = net.forward(x, training=loss is not None), None
    if loss is not None:
        loss = copy.deepcopy(loss)
        value = loss.forward(output, y)
        net.backward(loss.backward())
    buffers: dict[str, dict[str, Any]] = {}
    for name, layer, result in in_order(net.layers, x if loss is None else None):
        buffers[name] = {"y": result}
        for kind, tap in layer_taps(name, layer).items():
            recorded = kind in layer.params if loss is None else kind != "update"
            if recorded and tap.array is not None:
                buffers[name][kind] = tap.array
    return Capture(buffers, x, value)
