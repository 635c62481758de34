"""minnet: neural networks from scratch, with every activation and gradient in plain sight.

Everything that a lecture needs is a name of this package: layers, losses, optimizers, `fit`,
`capture`. `plot`, `datasets`, `initializers`, `schedules` and `checks` are modules of it. Importing
it is quick: numba, matplotlib and scikit-learn are loaded when they are first needed.
"""

from typing import TYPE_CHECKING, Any

from minnet import checks, datasets, initializers, schedules
from minnet.checks import check_layer, check_loss, numerical_gradient
from minnet.kernels import warmup
from minnet.layer import Layer, Param
from minnet.layers.activations import (
    ELU,
    GELU,
    LeakyReLU,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Swish,
    Tanh,
)
from minnet.layers.dense import Dense
from minnet.layers.dropout import Dropout
from minnet.layers.normalization import BatchNorm, GroupNorm, LayerNorm
from minnet.layers.residual import Residual
from minnet.layers.sequential import Sequential
from minnet.losses import (
    CrossEntropy,
    Loss,
    MeanSquaredError,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
)
from minnet.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSProp
from minnet.recording import Capture, HistogramProbe, StatisticsProbe, capture
from minnet.regularization import L1, L2, clip_grad_norm, clip_grad_value
from minnet.serialization import load, save
from minnet.training import History, evaluate, fit, train_step
from minnet.version import __version__ as __version__

if TYPE_CHECKING:
    import minnet.exercises as exercises
    import minnet.plot as plot

__all__ = [
    "ELU",
    "GELU",
    "L1",
    "L2",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "BatchNorm",
    "Capture",
    "CrossEntropy",
    "Dense",
    "Dropout",
    "GroupNorm",
    "HistogramProbe",
    "History",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Loss",
    "MeanSquaredError",
    "Optimizer",
    "PReLU",
    "Param",
    "RMSProp",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SigmoidBinaryCrossEntropy",
    "Softmax",
    "SoftmaxCrossEntropy",
    "StatisticsProbe",
    "Swish",
    "Tanh",
    "capture",
    "check_layer",
    "check_loss",
    "checks",
    "clip_grad_norm",
    "clip_grad_value",
    "datasets",
    "evaluate",
    "exercises",
    "fit",
    "initializers",
    "load",
    "numerical_gradient",
    "plot",
    "save",
    "schedules",
    "train_step",
    "warmup",
]


def __getattr__(name: str) -> Any:
    # Two modules wait until they are asked for: one imports matplotlib, the other is for homework.
    if name in ("exercises", "plot"):
        from importlib import import_module

        return import_module(f"minnet.{name}")
    raise AttributeError(f"module 'minnet' has no attribute {name!r}")
