"""Validation of the values that charts draw."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from minnet.validation import Array


def labelled(values: Any, where: str) -> Mapping[Any, Any]:
    """Return values, or raise if they are no dict or an empty one."""
    if not isinstance(values, Mapping):
        raise TypeError(f"{where}: expected a dict with labels, got {type(values).__name__}")
    if not values:
        raise ValueError(f"{where}: expected at least one label, got an empty dict")
    return values


def seeds_of(values: Any, where: str, log: bool) -> Array:
    """Return the values of all seeds, (seeds,), or raise."""
    try:
        column = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        column = np.array(np.nan)
    if column.ndim != 1 or not column.size:
        raise ValueError(f"{where}: expected a list of numbers, one for each seed, got {values!r}")
    if log and (column < 0).any():
        raise ValueError(
            f"{where}: expected no negative number on a logarithmic axis, got "
            f"{column[column < 0][0]:g}; use a linear axis, or its magnitude"
        )
    return column


def layers_of(layers: Any, label: str, log: bool) -> dict[float, Array]:
    """Return the seeds of each layer by its number, or raise."""
    where = f"by_layer: {label!r}"
    if not isinstance(layers, list | tuple | np.ndarray) or not len(layers):
        raise ValueError(f"{where}: expected a list over layers, got {layers!r}")
    columns: dict[float, Array] = {
        number: seeds_of(seeds, f"{where}, layer {number}", log)
        for number, seeds in enumerate(layers, start=1)
    }
    sizes = [column.size for column in columns.values()]
    if len(set(sizes)) > 1:
        raise ValueError(
            f"{where}: expected equally many seeds in all layers, got {sizes}; use nan for a seed "
            "that diverged"
        )
    return columns


def settings_of(column: Any, label: str, log_x: bool, log_y: bool) -> dict[float, Array]:
    """Return the seeds at each setting of a label in ascending order, or raise."""
    where = f"by_setting: {label!r}"
    if not isinstance(column, Mapping) or not column:
        raise ValueError(f"{where}: expected a dict of number -> list over seeds, got {column!r}")
    for setting in column:
        if not isinstance(setting, Real):
            raise TypeError(f"{where}: expected a number as setting, got {setting!r}")
        drawable(np.array([setting]), log_x, where)
    return {
        float(setting): seeds_of(column[setting], f"{where} at {setting:g}", log_y)
        for setting in sorted(column)
    }


def theory_of(numbers: Any, label: str, layers: int | None, log: bool) -> Array:
    """Return the predictions of a label, (layers,), or raise."""
    where, found = f"by_layer: theory of {label!r}", np.array(numbers, dtype=np.float64)
    if found.ndim != 1 or not found.size or layers not in (None, found.size):
        raise ValueError(f"{where}: expected a list over {layers or ''} layers, got {numbers!r}")
    drawable(found[~np.isnan(found)], log, where)
    return found


def drawable(numbers: Array, log: bool, where: str) -> None:
    """Raise if the axis has no place for one of the numbers."""
    if not np.isfinite(numbers).all() or (log and (numbers <= 0).any()):
        kind = "positive and finite numbers on a logarithmic axis" if log else "finite numbers"
        raise ValueError(f"{where}: expected {kind}, got {numbers.tolist()}")


def usable(seeds: Array, log: bool) -> Array:
    """Return the seeds that have a place on the axis: finite, and with ``log`` not 0."""
    finite: Array = seeds[np.isfinite(seeds) & ((seeds != 0) | (not log))]
    return finite
