"""Comparison of results: relative errors, equality up to rounding, and digests."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import numpy as np

from minnet.validation import Array

TOLERANCE = 1e-6
EQUAL = 1e-9  # values closer than this, relative to the largest, are equal up to rounding


def relative_error(found: Array, expected: Array) -> float:
    """Return max |found - expected| divided by the largest magnitude in both, or by 1e-6 if larger.

    >>> relative_error(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    0.5
    """
    if not expected.size:
        return 0.0
    a, b = found.astype(np.float64), expected.astype(np.float64)
    scale = max(np.abs(a).max(), np.abs(b).max(), 1e-6)
    with np.errstate(all="ignore"):
        error = float(np.abs(a - b).max() / scale)
    return error if np.isfinite(error) else float("inf")


def close(found: Array, other: Any) -> bool:
    """Return whether a value is an array of the same shape with equal values."""
    other = np.asarray(other)
    numbers = other.dtype.kind in "fiub"
    return numbers and found.shape == other.shape and relative_error(found, other) <= TOLERANCE


def same(found: Array, expected: Array, limit: float) -> bool:
    """Return whether values have the same shape and differ by at most limit."""
    if found.shape != expected.shape:
        return False
    a, b = (np.asarray(value, dtype=np.float64) for value in (found, expected))
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        return bool(np.abs(a - b).max(initial=0) <= limit)


def limit_of(found: Array, right: Array, tolerance: float = TOLERANCE) -> float:
    """Return tolerance times the largest magnitude found or right, or 1e-12 if larger."""
    sizes = (np.abs(each.astype(np.float64)).max(initial=1e-12) for each in (found, right))
    return tolerance * float(max(sizes))


def equal(one: Any, other: Any) -> bool:
    """Return whether two values are equal up to rounding."""
    lists = isinstance(one, list | tuple), isinstance(other, list | tuple)
    if any(lists):
        return all(lists) and len(one) == len(other) and all(map(equal, one, other))
    a, b = np.asarray(one), np.asarray(other)
    if a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
        return one is other or (a.shape == b.shape and bool(np.all(a == b)))
    if a.shape != b.shape:
        return False
    if not a.size:
        return True
    a, b = a.astype(np.float64), b.astype(np.float64)
    close = np.abs(a - b) <= EQUAL * max(float(np.abs(b).max()), 1e-12)
    return bool((close | (a == b) | (np.isnan(a) & np.isnan(b))).all())


def digest(values: Iterable[Any]) -> bytes:
    """Return bytes that are equal for values that are equal up to rounding."""
    parts: list[bytes] = []
    for value in values:
        if isinstance(value, list | tuple):
            parts.append(digest(value))
            continue
        array = np.asarray(value)
        if array.dtype.kind in "fiub":
            with np.errstate(all="ignore"):
                array = array.astype(np.float32) + np.float32(0)
        parts.append(f"{array.shape}".encode() + array.tobytes())
    return blake2b(b"|".join(parts), digest_size=16).digest()
