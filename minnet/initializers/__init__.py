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

from minnet.initializers.recommendation import DEEP as DEEP
from minnet.initializers.recommendation import Recommendation as Recommendation
from minnet.initializers.recommendation import recommend as recommend
from minnet.initializers.rules import Initializer as Initializer
from minnet.initializers.rules import constant as constant
from minnet.initializers.rules import get as get
from minnet.initializers.rules import glorot_normal as glorot_normal
from minnet.initializers.rules import glorot_uniform as glorot_uniform
from minnet.initializers.rules import he_normal as he_normal
from minnet.initializers.rules import he_uniform as he_uniform
from minnet.initializers.rules import kaiming_normal as kaiming_normal
from minnet.initializers.rules import kaiming_uniform as kaiming_uniform
from minnet.initializers.rules import lecun_normal as lecun_normal
from minnet.initializers.rules import lecun_uniform as lecun_uniform
from minnet.initializers.rules import normal as normal
from minnet.initializers.rules import orthogonal as orthogonal
from minnet.initializers.rules import uniform as uniform
from minnet.initializers.rules import xavier_normal as xavier_normal
from minnet.initializers.rules import xavier_uniform as xavier_uniform
from minnet.initializers.rules import zeros as zeros
from minnet.initializers.unit_variance import lsuv as lsuv
