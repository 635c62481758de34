"""Initial weights: what a network is before it has learnt anything.

Every initializer is a plain function ``f(shape, *, rng, dtype) -> array``. All the rules have one
aim: a signal should neither die out nor blow up on its way through the layers, forward or backward.

Shared by all of them:

- A weight has the shape (in_features, out_features): fan_in = shape[0], fan_out = shape[1]. A bias
  has no fans, so the rules that need them refuse any shape but a 2-D one.
- `rng` is an int, a numpy Generator (which advances) or None; numpy's global state is left alone.
- `dtype` is float32 or float64. Values are drawn in float64 and rounded, so that one seed gives one
  network in both (4.8 million values take 54 ms; drawn directly in float32 they take 42 ms).
- Options are bound with functools.partial: ``Dense(784, 100, init=partial(normal, std=1.0))``.
- The normal rules draw from the whole normal distribution, as PyTorch does; Keras cuts the tails
  off at two standard deviations.
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
