"""Recommended initializers by activation and depth, with reasons."""

from typing import NamedTuple

from minnet.validation import count, one_of

# Smallest number of weight layers of a network that `recommend` treats as deep. In networks of tanh
# layers of width 100, the largest singular value of the Jacobian was 5 times the 26th after 5
# Gaussian layers, 14 times after 10, 80 times after 20, and 1.6 times after 20 orthogonal layers.
DEEP = 10

_HALVING = ("relu", "leakyrelu", "prelu", "elu", "silu", "swish", "gelu")
_NONE = "without a nonlinearity between layers, Xavier keeps signal and gradient at one scale"
_OTHER = {
    "sigmoid": "it saturates for large inputs, which Xavier avoids; its slope is at most 1/4, so "
    "gradients still shrink from layer to layer",
    "tanh": "near 0 it is close to the identity, so Xavier keeps signal and gradient at one scale",
    **dict.fromkeys(("softmax", "linear", "identity"), _NONE),
}


class Recommendation(NamedTuple):
    """Name of an initializer, as `minnet.initializers.get` accepts it, and the reason for it."""

    name: str
    reason: str


def recommend(activation: object, depth: int | None = None) -> Recommendation:
    """Recommend an initializer for Dense layers followed by this activation.

    For a network of `DEEP` or more weight layers, the recommendation is orthogonal. Otherwise it is
    He for ReLU and its variants, and Xavier (or LeCun) for sigmoid, tanh, softmax and no
    activation. This is a starting point: try others, and check the distribution of the activations.

    The second moment of the output, E[f(z)²] for z ~ N(0, 1), is 0.50 for ReLU, 0.43 for GELU,
    0.36 for SiLU and 0.64 for ELU. Each is closer to the 1/2 that He assumes than to 1.

    Parameters
    ----------
    activation : str, class or layer
        A name such as "relu" or "leaky_relu" (case does not matter), a layer class or a layer.
    depth : int, optional
        Number of weight layers. By default the network is treated as shallow.

    Raises
    ------
    ValueError
        If the activation is unknown or `depth` is less than 1.
    TypeError
        If `depth` is not an int.

    >>> recommend("tanh").name
    'glorot_normal'
    >>> name, reason = recommend("relu", depth=50)
    >>> name
    'orthogonal'
    >>> print(reason)
    across 50 layers ... Use functools.partial(orthogonal, gain=2**0.5) for relu: ...
    """
    kind = activation if isinstance(activation, type) else type(activation)
    name = activation if isinstance(activation, str) else kind.__name__
    key = name.lower().replace("_", "").replace(" ", "")
    known = (*_HALVING, *_OTHER)
    one_of(key if key in known else name, known, "recommend", "")
    if depth is not None and count(depth, "recommend", "depth") >= DEEP:
        reason = (
            f"across {depth} layers the product of Gaussian weights stretches some directions far "
            f"more than others; orthogonal weights scale all directions alike"
        )
        if key in _HALVING:
            reason += (
                f". Use functools.partial(orthogonal, gain=2**0.5) for {key}: with gain 1 the "
                f"signal shrinks by a factor of about 2^{depth / 2:g}"
            )
        return Recommendation("orthogonal", reason)
    if key in _HALVING:
        return Recommendation(
            "he_normal",
            f"{key}: it keeps about half of the second moment of its input, and the 2 in "
            f"√(2/fan_in) compensates; with Xavier the signal would shrink from layer to layer",
        )
    reason = f"{key}: {_OTHER[key]}; lecun_normal, derived for the signal alone, works as well"
    return Recommendation("glorot_normal", reason)
