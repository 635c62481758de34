"""What comparisons are drawn of, checked: numbers over seeds by label, by layer, by setting."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from minnet.validation import Array


def checked(values: Any, who: str, where: str, log: bool) -> Array:
    """Return one place's numbers, (seeds,), or refuse.

    Raises
    ------
    TypeError
        If values are not a list of numbers.
    ValueError
        If there are none, or with ``log`` one is negative.
    """
    expected = f"{who}: {where}: expected a list of numbers, one a seed, got"
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{expected} {values!r}; write a single number as [number]")
    try:
        column = np.array(list(values), dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{expected} {values!r}") from None
    if column.ndim != 1 or not column.size:
        raise ValueError(f"{expected} shape {column.shape}")
    if log and (column < 0).any():
        raise ValueError(
            f"{who}: {where}: {column[column < 0][0]:g} has no place on a log axis; draw it with "
            "log off, or its magnitude"
        )
    return column


def labelled(values: Any, who: str) -> Mapping[Any, Any]:
    """Return values if they are a dict that holds something.

    Raises
    ------
    TypeError, ValueError
        If they are no dict, or an empty one.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"{who}: expected a dict with labels, got {type(values).__name__}")
    if not values:
        raise ValueError(f"{who}: expected at least one label, got an empty dict")
    return values


def layers_of(layers: Any, label: str, log: bool) -> list[Array]:
    """Return the seeds of each layer of a label, or refuse."""
    if not isinstance(layers, Sequence | np.ndarray) or isinstance(layers, str) or not len(layers):
        raise ValueError(
            f"by_layer: {label!r}: expected a list over layers of lists over seeds, got {layers!r}"
        )
    columns = [
        checked(seeds, "by_layer", f"{label!r}, layer {number}", log)
        for number, seeds in enumerate(layers, start=1)
    ]
    sizes = [column.size for column in columns]
    if len(set(sizes)) > 1:
        raise ValueError(
            f"by_layer: the layers of {label!r} have {sizes} seeds; expected equally many, with "
            "nan for a seed that broke off"
        )
    return columns


def settings_of(numbers: Any, label: str, log_x: bool, log_y: bool) -> dict[float, Array]:
    """Return the seeds at each number of a label in rising order, or refuse."""
    if not isinstance(numbers, Mapping) or not numbers:
        raise ValueError(
            f"by_setting: {label!r}: expected a dict of number -> list over seeds, got {numbers!r}"
        )
    for number in numbers:
        if not isinstance(number, Real) or not np.isfinite(float(number)):
            raise TypeError(f"by_setting: {label!r}: expected a number to set, got {number!r}")
        if log_x and number <= 0:
            raise ValueError(
                f"by_setting: {label!r}: {number:g} has no place on a log axis; leave it out or "
                "give log_x=False"
            )
    return {
        float(number): checked(numbers[number], "by_setting", f"{label!r} at {number:g}", log_y)
        for number in sorted(numbers)
    }


def theory_of(
    theory: Mapping[str, Sequence[float]], columns: Mapping[str, list[Array]], log: bool
) -> dict[str, Array]:
    """Return theory's numbers, (layers,) for each label, or refuse."""
    found = {}
    for label, its in theory.items():
        numbers = np.array(its, dtype=np.float64)
        if numbers.ndim != 1 or not numbers.size:
            raise ValueError(
                f"by_layer: theory of {label!r}: expected a list over layers, got {its!r}"
            )
        if label in columns and len(numbers) != len(columns[label]):
            raise ValueError(
                f"by_layer: theory of {label!r} has {len(numbers)} layers, its values have "
                f"{len(columns[label])}"
            )
        if np.isinf(numbers).any() or (log and (numbers <= 0).any()):
            axis = "a log axis" if log else "the axis"
            raise ValueError(
                f"by_layer: theory of {label!r}, {numbers.tolist()}, has numbers with no place on "
                f"{axis}; put nan there"
            )
        found[label] = numbers
    return found


def references_of(reference: Mapping[str, float], log: bool) -> Mapping[str, float]:
    """Return the references if all have a place on the axis, or refuse."""
    for text, number in reference.items():
        if not np.isfinite(number) or (log and number <= 0):
            axis = "a log axis" if log else "the axis"
            raise ValueError(f"by_label: reference {text!r}: {number:g} has no place on {axis}")
    return reference
