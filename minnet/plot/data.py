"""What the pictures of distributions are given, and what it is called on the axes."""

from collections.abc import Mapping, Sequence
from typing import Any

from minnet.plot.style import percent, wrapped
from minnet.recording import Capture, statistics
from minnet.recording.statistics import Sample
from minnet.validation import positive

Data = Capture | Mapping[str, Any]
KINDS = {
    "y": "activation y",
    "dy": "gradient dy",
    "dx": "gradient dx",
    "update": "update of weight",
}


def has_labels(data: Any) -> bool:
    """Tell whether data is a dict of label -> captures or dicts rather than one of them."""
    if isinstance(data, Capture) or not isinstance(data, Mapping) or not data:
        return False
    return all(isinstance(group, Mapping) for group in data.values())


def arrays_of(data: Any, kind: str, layers: Sequence[str] | None) -> dict[str, Any]:
    """Return layer name -> array, for these layers or all, of a Capture or a dict."""
    if not isinstance(data, Mapping):
        raise TypeError(
            "expected a Capture, as of capture(net, x), or a dict of layer name -> array, got "
            f"{type(data).__name__}; for one array: {{'name': array}}"
        )
    found = data.kind(kind) if isinstance(data, Capture) else dict(data)
    wanted = list(found) if layers is None else [layers] if isinstance(layers, str) else [*layers]
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        raise ValueError(f"no layers {missing} to draw; there are {', '.join(found) or 'none'}")
    return {name: found[name] for name in wanted}


def predictions(
    theory: Mapping[str, Any] | None, layers: Sequence[str], who: str
) -> dict[str, float]:
    """Return the predicted std of those of the layers that theory tells of."""
    given = {} if theory is None else dict(theory)
    strangers = [name for name in given if name not in layers]
    if strangers:
        raise ValueError(
            f"{who}: theory tells of {strangers}, which are not drawn; there are "
            f"{', '.join(layers)}"
        )
    return {name: positive(std, who, f"theory of {name!r}") for name, std in given.items()}


def samples_of(arrays: Mapping[str, Any], log: bool) -> dict[str, Sample]:
    """Return layer name -> its values with the exact zeros apart, or log10 of magnitudes."""
    for name, array in arrays.items():
        if isinstance(array, Mapping):
            raise TypeError(
                f"{name!r} is a {type(array).__name__}, expected an array; labels such as 'before' "
                "and 'after' are for histograms, and then for everything it is given"
            )
    return {
        name: statistics.split_zeros(array, log=log, where=f"the values of {name!r}")
        for name, array in arrays.items()
    }


def name_of_kind(kind: str) -> str:
    """Return what the axes call this kind of buffer."""
    if kind.endswith("_grad"):
        return f"gradient of {kind.removesuffix('_grad')}"
    return KINDS.get(kind, kind)


def quantity(data: Data, kind: str, log: bool, names: Sequence[str] = ()) -> str:
    """Return what the x axis says of these values."""
    text = name_of_kind(kind) if isinstance(data, Capture) else "value"
    if log:
        text = f"log₁₀ |{text}|"
    return f"{text} of {names[0]}" if len(names) == 1 else text


def label_of(name: str, sample: Sample, *more: str) -> str:
    """Return what the legend says of a layer: its name, its zeros, whether it is constant."""
    notes = [f"{percent(sample.zeros)} zeros"] if sample.zeros else []
    if sample.point is not None and sample.values.size:
        notes.append(f"constant {sample.point:.3g}")
    notes += [note for note in more if note]
    return wrapped(name) + (f" ({', '.join(notes)})" if notes else "")
