"""minnet: neural networks from scratch, with every activation and gradient in plain sight."""

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
    MeanSquaredError,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
)
from minnet.optimizers import SGD, Adagrad, Adam, AdamW, RMSProp
