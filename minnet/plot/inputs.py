"""Input of the charts of distributions, and the text that describes it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from minnet.plot.style import legend_label, percent, wrapped
from minnet.recording import Capture, statistics
from minnet.recording.statistics import Sample
from minnet.validation import positive

Data = Capture | Mapping[str, Any]
_KINDS = {
    "y": "activation y",
    "dy": "gradient dy",
    "dx": "gradient dx",
    "update": "update of weight",
}


def has_labels(data: Any) -> bool:
    """Return whether data is a dict of label -> captures or dicts rather than one of them."""
    labelled = isinstance(data, Mapping) and not isinstance(data, Capture) and bool(data)
    return labelled and all(isinstance(group, Mapping) for group in data.values())


def arrays_of(data: Any, kind: str, layers: Sequence[str] | None, where: str) -> dict[str, Any]:
    """Return layer name -> array of a Capture or a dict, for the requested layers or for all."""
    if not isinstance(data, Mapping):
        raise TypeError(
            f"{where}: expected a Capture, as of capture(net, x), or a dict of layer name -> "
            f"array, got {type(data).__name__}; for one array: {{'name': array}}"
        )
    found = data.kind(kind) if isinstance(data, Capture) else dict(data)
    names = chosen_layers(found, layers, f"{where}: no layers", "to draw")
    return {name: found[name] for name in names}


def chosen_layers(
    found: Iterable[str], layers: Sequence[str] | None, what: str, action: str
) -> tuple[str, ...]:
    """Return the requested layers, or all; raise ValueError if one of them was not found."""
    found = tuple(found)
    wanted = found if layers is None else (layers,) if isinstance(layers, str) else tuple(layers)
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        raise ValueError(f"{what} {missing} {action}; there are {', '.join(found) or 'none'}")
    return wanted


def predictions(
    theory: Mapping[str, Any] | None, layers: Sequence[str], where: str
) -> dict[str, float]:
    """Return the predicted std of each layer that theory holds."""
    given = {} if theory is None else dict(theory)
    unknown = [name for name in given if name not in layers]
    if unknown:
        raise ValueError(
            f"{where}: expected a theory of layers that are drawn, got {unknown}; there are "
            f"{', '.join(layers)}"
        )
    return {name: positive(std, where, f"theory of {name!r}") for name, std in given.items()}


def samples_of(arrays: Mapping[str, Any], log: bool, where: str) -> dict[str, Sample]:
    """Return layer name -> sample: the exact zeros apart from the values or log10 magnitudes."""
    for name, array in arrays.items():
        if isinstance(array, Mapping):
            raise TypeError(
                f"{where}: {name!r} is a {type(array).__name__}, expected an array; labels such as "
                "'before' and 'after' are for histograms only, and then every entry needs one"
            )
    return {
        name: statistics.split_zeros(array, log=log, where=f"{where}: the values of {name!r}")
        for name, array in arrays.items()
    }


def name_of_kind(kind: str) -> str:
    """Return the name of a kind of buffer on an axis."""
    if kind.endswith("_grad"):
        return f"gradient of {kind.removesuffix('_grad')}"
    return _KINDS.get(kind, kind)


def quantity(data: Data, kind: str, log: bool, names: Sequence[str] = ()) -> str:
    """Return the label of the axis of the values."""
    text = name_of_kind(kind) if isinstance(data, Capture) else "value"
    if log:
        text = f"log₁₀ |{text}|"
    return f"{text} of {wrapped(names[0], 48)}" if len(names) == 1 else text


def label_of(name: str, sample: Sample, *more: str) -> str:
    """Return the legend's label of a layer: name, share of zeros, and the value of a constant."""
    notes = [f"{percent(sample.zeros)} zeros"] if sample.zeros else []
    if sample.point is not None and sample.values.size:
        notes.append(f"constant {sample.point:.3g}")
    notes += [note for note in more if note]
    return legend_label(wrapped(name) + (f" ({', '.join(notes)})" if notes else ""))
