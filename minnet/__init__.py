"""Neural networks from scratch, with access to every activation and gradient.

Layers, losses, optimizers, training, probes and `capture` are imported from this package itself.
Its modules include `plot`, `datasets`, `initializers`, `schedules`, `checks` and `exercises`.
Importing minnet is fast, because numba, matplotlib and scikit-learn are loaded at first use.
"""

from minnet import interruptions

if interruptions.is_command():  # before the other imports, which take a while
    interruptions.end_at_ctrl_c()

from typing import TYPE_CHECKING, Any

from minnet import checks, datasets, initializers, schedules
from minnet.checks import check_layer, check_loss, numerical_gradient
from minnet.doctor import Diagnosis, Doctor, diagnose
from minnet.evaluation import evaluate
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
from minnet.loss import Loss
from minnet.losses import (
    CrossEntropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
)
from minnet.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSProp
from minnet.recording import Capture, HistogramProbe, StatisticsProbe, capture
from minnet.regularization import L1, L2, clip_grad_norm, clip_grad_value
from minnet.replay import Replay, replay
from minnet.safetensors import load_safetensors, save_safetensors
from minnet.serialization import load, save
from minnet.stopping import EarlyStopping
from minnet.training import History, fit, train_step
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
    "Diagnosis",
    "Doctor",
    "Dropout",
    "EarlyStopping",
    "GroupNorm",
    "HistogramProbe",
    "History",
    "Huber",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Optimizer",
    "PReLU",
    "Param",
    "RMSProp",
    "ReLU",
    "Replay",
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
    "diagnose",
    "evaluate",
    "exercises",
    "fit",
    "initializers",
    "load",
    "load_safetensors",
    "numerical_gradient",
    "plot",
    "replay",
    "save",
    "save_safetensors",
    "schedules",
    "train_step",
    "warmup",
]


def __getattr__(name: str) -> Any:
    # Imported at first use: plot loads matplotlib, sklearn loads scikit-learn, and exercises is for
    # homework.
    if name in ("exercises", "plot", "sklearn"):
        from importlib import import_module

        return import_module(f"minnet.{name}")
    raise AttributeError(f"module 'minnet' has no attribute {name!r}")
