"""The networks of the articles, described in one way for all libraries.

They are corrected as in minnet's experiments: logits with softmax cross-entropy, an output layer
for the third network, and no bias before a BatchNorm. Rows and labels are random. The learning rate
is far below that of the articles, so that a network hardly changes during the timed steps. In a
network that converges, Adam's means would become subnormal numbers, which slow some processors
down, and a faster candidate would reach that state sooner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Network:
    """Dense layers with an activation between them, and the settings of their training.

    With batchnorm, a BatchNorm precedes each activation. ``sizes`` starts with the number of
    features and ends with the number of classes.
    """

    sizes: tuple[int, ...]
    batch: int
    activation: str = "relu"
    batchnorm: bool = False
    optimizer: str = "adam"
    momentum: float = 0.0
    lr: float = 1e-6

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(self.sizes))  # JSON has lists only

    @property
    def dense(self) -> list[tuple[int, int]]:
        """In and out features of each dense layer."""
        return list(zip(self.sizes, self.sizes[1:], strict=False))

    def __str__(self) -> str:
        return f"{'-'.join(map(str, self.sizes))}, batch {self.batch}"

    def data(self) -> tuple[Any, Any]:
        """Return one batch: rows (batch, features) in float32, and labels (batch,)."""
        rng = np.random.default_rng(0)
        x = rng.random((self.batch, self.sizes[0]), dtype=np.float32)
        return x, rng.integers(0, self.sizes[-1], self.batch)


NETWORKS = {
    "iris": Network((4, 64, 32, 16, 3), batch=120),
    "vanishing": Network(
        (784, *[1000] * 5, 10), batch=100, activation="sigmoid", optimizer="sgd", momentum=0.9
    ),
    "initializers": Network((784, 512, 256, 128, 64, 10), batch=32),
    "batchnorm": Network((784, 128, 64, 10), batch=128, batchnorm=True),
}


def networks(quick: bool) -> dict[str, Network]:
    """Return all networks, or the two small ones."""
    return {name: NETWORKS[name] for name in (("iris", "batchnorm") if quick else NETWORKS)}
