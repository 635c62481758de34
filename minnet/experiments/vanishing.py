"""The vanishing gradient: a deep sigmoid network on MNIST, and what heals it.

The article pools all gradients of the last batch into one histogram from -1 to 1, in which nearly
all of them fall into two bins and no layer can be told from another. Here every layer is seen, at
every moment, on a logarithmic scale, and beside it the same network with one remedy at a time.
"""

from __future__ import annotations

from minnet.experiments.setup import Setup

SICK = Setup(
    scaling="centred", hidden=(1000,) * 5, activation="sigmoid", init="torch",
    optimizer="sgd", lr=0.01, momentum=0.9, batch_size=100, epochs=10,
)  # fmt: skip
VARIANTS = {
    "sigmoid": SICK,
    "Xavier + tanh": SICK.but(activation="tanh", init="glorot_uniform"),
    "ReLU + He": SICK.but(activation="relu", init="he_uniform"),
    "Swish": SICK.but(activation="swish", init="he_uniform"),
    "BatchNorm": SICK.but(batchnorm=True),
    "Residual": SICK.but(residual=True),
}
