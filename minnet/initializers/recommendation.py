"""Which initializer for which activation: the guideline of the articles, with its reasons."""

from typing import NamedTuple

from minnet.validation import count

# From how many weight layers on `recommend` calls a network deep. Measured on tanh layers 100 wide:
# the largest singular value of the Jacobian stands above the 26th by a factor of 5 after 5 Gaussian
# layers, 14 after 10 and 80 after 20; after orthogonal layers by 1.6 even then.
DEEP = 10


class Recommendation(NamedTuple):
    """What `recommend` answers: the initializer's name, as `get` takes it, and why."""

    name: str
    reason: str


_HE_KIN = ("relu", "leakyrelu", "prelu", "elu", "silu", "swish", "gelu")
_UNBENT = "nothing bends the sums themselves, and Xavier keeps signal and gradient near one size"
_XAVIER_KIN = {
    "sigmoid": "it saturates where its input is large, which Xavier avoids; as its slope is "
    "at most 1/4, gradients fade from layer to layer all the same",
    "tanh": "near 0 it is about the identity, so Xavier keeps signal and gradient at one size",
    **dict.fromkeys(("softmax", "linear", "identity"), _UNBENT),
}


def recommend(activation: object, depth: int | None = None) -> Recommendation:
    """Recommend an initializer for Dense layers followed by this activation.

    The guideline: He for ReLU and its kin; Xavier (or LeCun) for sigmoid, tanh, softmax and no
    activation at all; orthogonal for any network of `DEEP` or more weight layers; zeros never. It
    is where to begin: try others, and watch the distribution of the activations.

    The second moment that f passes on, E[f(z)²] for z ~ N(0, 1), is 0.50 for ReLU, 0.43 for GELU,
    0.36 for SiLU and 0.64 for ELU: each nearer to the half that He assumes than to 1.

    Parameters
    ----------
    activation : str, class or layer
        A name such as "relu" or "leaky_relu" (case does not matter), a layer class or a layer.
    depth : int, optional
        The number of weight layers; without it the network is taken as shallow.

    Raises
    ------
    ValueError
        If the activation is not known or `depth` is less than 1.
    TypeError
        If `depth` is not an int.

    >>> recommend("tanh").name
    'glorot_normal'
    >>> name, reason = recommend("relu", depth=50)
    >>> name
    'orthogonal'
    >>> print(reason)
    through 50 layers ... Use functools.partial(orthogonal, gain=2**0.5) for relu: ...
    """
    kind = activation if isinstance(activation, type) else type(activation)
    name = activation if isinstance(activation, str) else kind.__name__
    key = name.lower().replace("_", "").replace(" ", "")
    known = (*_HE_KIN, *_XAVIER_KIN)
    if key not in known:
        raise ValueError(f"unknown activation {name!r}; known: {', '.join(known)}")
    halves = key in _HE_KIN
    if depth is not None and count(depth, "recommend", "depth") >= DEEP:
        reason = (
            f"through {depth} layers Gaussian weights stretch some directions ever more and shrink "
            f"others; orthogonal weights stretch all alike"
        )
        if halves:
            reason += (
                f". Use functools.partial(orthogonal, gain=2**0.5) for {key}: with gain 1 the "
                f"signal fades by a factor of about {2 ** (depth / 2):.0e}"
            )
        return Recommendation("orthogonal", reason)
    if halves:
        return Recommendation(
            "he_normal",
            f"{key}: it passes on about half of the second moment of its input, and the 2 in "
            f"√(2/fan_in) makes up for it; with Xavier the signal would fade from layer to layer",
        )
    return Recommendation(
        "glorot_normal",
        f"{key}: {_XAVIER_KIN[key]}; lecun_normal, made for the signal alone, is as good a choice",
    )
