"""Initial parameters of a network.

An initializer is a plain function ``f(shape, *, rng, dtype) -> array``. Every rule for weights has
the same aim: neither the signal nor the gradient should vanish or explode across the layers.

- A weight has the shape (in_features, out_features): fan_in = shape[0], fan_out = shape[1]. Rules
  that use the fans accept 2-d shapes only. For a bias use zeros, constant, normal or uniform.
- `rng` is an int, a NumPy Generator (which advances) or None. NumPy's global state is not used.
- `dtype` is float32 or float64. Values are drawn in float64 and rounded, so that one seed gives
  the same network in both.
- Options are bound with functools.partial: ``Dense(784, 100, init=partial(normal, std=1.0))``.
- The normal rules draw from the whole normal distribution, as PyTorch does. Keras truncates it at
  two standard deviations.
- A wrong type raises TypeError and a wrong value ValueError, before anything is drawn.
"""

from minnet.initializers.recommendation import DEEP, Recommendation, recommend
from minnet.initializers.rules import (
    Initializer,
    constant,
    get,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    kaiming_normal,
    kaiming_uniform,
    lecun_normal,
    lecun_uniform,
    normal,
    orthogonal,
    uniform,
    xavier_normal,
    xavier_uniform,
    zeros,
)
from minnet.initializers.unit_variance import lsuv

__all__ = [
    "DEEP",
    "Initializer",
    "Recommendation",
    "constant",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "lsuv",
    "normal",
    "orthogonal",
    "recommend",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]
