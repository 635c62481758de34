"""Summary statistics and distributions of activations, gradients or weights, in float64.

Exact zeros are separate from the other values, because the zeros of a ReLU layer are a point mass,
which has no density. The range of an axis covers the bulk of the values, so that a few distant
values do not compress the others. Values outside the range are counted.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from minnet.kernels.moments import summarize_values
from minnet.validation import Array, as_array, count, non_negative

_POINTS = 2000  # enough for a curve on any screen
_MOST = 1e100  # squares of numbers up to this one, and of their reciprocals, are finite and not 0
Name = TypeVar("Name")


@dataclass(frozen=True)
class Statistics:
    """Summary statistics of an array, as `describe` returns them."""

    count: int
    mean: float
    std: float
    skewness: float
    kurtosis: float
    minimum: float
    maximum: float
    zeros: float


@dataclass(frozen=True)
class Sample:
    """Values of an array that are not 0, and the number of all values."""

    values: Array  # or log10 of their magnitudes, (values,)
    count: int  # number of all values, zeros included
    log: bool = False  # whether values are log10 of magnitudes

    @property
    def zeros(self) -> float:
        """Share of values that are exactly 0."""
        return 1 - self.values.size / self.count

    @property
    def point(self) -> float | None:
        """Common value of all entries that are not 0, or None if they differ."""
        if not self.values.size:
            return None if self.log else 0.0
        low, high = float(self.values.min()), float(self.values.max())
        return low if high - low <= 1e-12 * max(abs(low), abs(high)) else None


def as_numbers(array: Any, where: str) -> Array:
    """Return array in float64; raise as `describe` does, with messages that begin with where."""
    if getattr(array, "dtype", None) == np.uint8:  # plain numbers, not an unscaled image
        array = np.asarray(array, dtype=np.float64)
    numbers = as_array(array, np.dtype(np.float64), where)
    if not numbers.size:
        raise ValueError(f"{where}: expected at least one value, got shape {numbers.shape}")
    finite = int(np.isfinite(numbers).sum())
    if finite < numbers.size:
        raise FloatingPointError(
            f"{where}: expected finite values, got {numbers.size - finite} of {numbers.size} that "
            "are NaN or infinity; keep the others with array[numpy.isfinite(array)]"
        )
    return numbers


def describe(array: Any) -> Statistics:
    """Return count, moments, extremes and the share of exact zeros of an array of any shape.

    With m_k = mean((v - mean)^k): std = √m₂, skewness = m₃ / m₂^1.5, and kurtosis = m₄ / m₂² - 3,
    the excess over that of a normal distribution. All means divide by n, not n - 1. If all values
    are equal, std is 0, and skewness and kurtosis are undefined and therefore nan.

    Raises
    ------
    TypeError, ValueError, FloatingPointError
        If array does not hold real numbers, is empty, or holds NaN or infinity.

    Examples
    --------
    >>> values = describe([[0.0, 0.0], [0.0, 4.0]])
    >>> values.count, values.mean, values.std, values.zeros
    (4, 1.0, 1.7320508075688772, 0.75)
    >>> round(values.skewness, 4), round(values.kurtosis, 4)
    (1.1547, -0.6667)
    """
    values = as_numbers(array, "describe").ravel()
    mean, std, skewness, kurtosis, low, high, _, zeros, _ = summarize(values, np.empty(9)).tolist()
    return Statistics(values.size, mean, std, skewness, kurtosis, low, high, zeros)


def summarize(values: Array, out: Array) -> Array:
    """Fill out (9,) with the statistics of float values (size,), and return it.

    They are mean, std, skewness, kurtosis, minimum, maximum and RMS of the finite values, the share
    of exact zeros, and the number of NaN and infinities.
    """
    summarize_values(values, out)
    if not out[8]:
        return out
    finite = values[np.isfinite(values)]
    if finite.size == values.size:
        # Powers of very large or small values over- or underflow. Scaling by powers of 2 is exact.
        exponent = np.frexp(np.abs(values).max())[1]
        summarize_values(np.ldexp(values, -exponent), out)
        out[[0, 1, 4, 5, 6]] = np.ldexp(out[[0, 1, 4, 5, 6]], exponent)
        return out
    if finite.size:
        summarize(finite, out)
        out[7] *= finite.size / values.size
    else:
        out[:8] = *[np.nan] * 7, 0.0
    out[8] = values.size - finite.size
    return out


def dead_units(y: Any, *, tolerance: float = 0.0) -> Array:
    """Return a mask of the units that have the same output for every input, (units,).

    A unit is dead if max - min of its column of y, (n, units), is at most the tolerance. The
    output of a dead ReLU unit is usually 0 in every row. A unit that is 0 only in some rows is
    inactive there, but not dead. A unit that is dead for these rows may be active for others.

    Raises
    ------
    TypeError, ValueError, FloatingPointError
        As `describe`, and if y is not (n, units) with at least two rows.

    Examples
    --------
    >>> dead_units([[0.0, 1.0, 5.0], [0.0, 2.0, 5.0]])
    array([ True, False,  True])
    """
    numbers = as_numbers(y, "dead_units")
    if numbers.ndim != 2 or len(numbers) < 2:
        raise ValueError(
            f"dead_units: expected y (n, units) with at least 2 rows, got shape {numbers.shape}; "
            "a unit that never changes cannot be found in one row"
        )
    tolerance = non_negative(tolerance, "dead_units", "tolerance")
    with np.errstate(over="ignore"):  # an infinite range is larger than the tolerance
        return np.asarray(numbers.max(axis=0) - numbers.min(axis=0) <= tolerance)


def split_zeros(array: Any, *, log: bool = False, where: str = "split_zeros") -> Sample:
    """Separate the exact zeros of an array; ``log`` replaces the rest by log10 of magnitudes.

    >>> split_zeros([0.0, -100.0, 10.0, 0.0], log=True)
    Sample(values=array([2., 1.]), count=4, log=True)
    """
    numbers = as_numbers(array, where)
    values = numbers[numbers != 0]
    return Sample(np.log10(np.abs(values)) if log else values, numbers.size, log)


def bulk_range(samples: Iterable[Sample]) -> tuple[float, float]:
    """Return the ends of an axis, low < high, that covers the bulk of every sample.

    It covers exact zeros, the inner 96% of each sample, and all values within 5 interquartile
    ranges of the quartiles: nearly all values of a normal or an exponential distribution.

    >>> bulk_range([Sample(np.append(np.linspace(-1, 1, 99), 1e6), 100)])
    (-1.0, 1.0)
    """
    ends = []
    for sample in samples:
        if sample.values.size:
            bulk = _bulk(sample.values)
            ends += [float(bulk.min()), float(bulk.max())]
        if sample.zeros and not sample.log:
            ends.append(0.0)
    low, high = min(ends, default=-1.0), max(ends, default=1.0)
    middle, half = (low + high) / 2, (high - low) / 2
    if half > 1e-9 * abs(middle):
        return low, high
    half = abs(middle) / 2 or 1.0
    return middle - half, middle + half


def in_common_unit(samples: Mapping[Name, Sample]) -> tuple[dict[Name, Sample], int]:
    """Return the samples in a unit of 10^exponent, and the exponent, usually 0.

    The unit differs from 1 if the bulk of the values lies near the ends of float64, where powers
    and differences of the values over- or underflow. Magnitudes beyond 1e100 units become 1e100.

    >>> in_common_unit({"dy": Sample(np.array([2e-300, 3e-300]), 2)})
    ({'dy': Sample(values=array([2., 3.]), count=2, log=False)}, -300)
    """

    def divided(exponent: int) -> dict[Name, Sample]:
        half = -exponent // 2  # two steps, because 10^-exponent may overflow
        with np.errstate(over="ignore", under="ignore"):
            return {
                name: replace(s, values=s.values * 10.0**half * 10.0 ** (-exponent - half))
                for name, s in samples.items()
            }

    exponent = 0
    largest = max((np.abs(s.values).max(initial=0.0) for s in samples.values()), default=0.0)
    for _ in range(2):  # the second time with the range of the bulk, without distant values
        if not any(s.log for s in samples.values()) and not 1 / _MOST < largest < _MOST and largest:
            exponent += max(math.floor(math.log10(largest)), -323 - exponent)
        largest = max(map(abs, bulk_range(divided(exponent).values())))
    return {
        name: replace(s, values=np.clip(s.values, -_MOST, _MOST))
        for name, s in (divided(exponent) if exponent else samples).items()
    }, exponent


def _bulk(values: Array) -> Array:
    if values.size < 10:
        return values
    quarter, three_quarters = np.quantile(values, [0.25, 0.75])
    reach = 5 * (three_quarters - quarter)
    # Without interpolation, which overflows between numbers near both ends of float64.
    low = min(np.quantile(values, 0.02, method="higher"), quarter - reach)
    high = max(np.quantile(values, 0.98, method="lower"), three_quarters + reach)
    bulk: Array = values[(values >= low) & (values <= high)]
    return bulk


def half_interval(runs: Array) -> Array:
    """Return half the width of the 95% confidence interval of the mean over the first axis.

    The interval is that of Student's t. It is nan for fewer than two runs.

    >>> half_interval(np.array([1.0, 2.0, 3.0])).round(3)
    np.float64(2.484)
    """
    n = len(runs)
    if n < 2:
        return np.full(np.shape(runs)[1:], np.nan)
    from scipy.stats import t

    return np.asarray(t.ppf(0.975, n - 1) * runs.std(axis=0, ddof=1) / np.sqrt(n))[()]


def bin_edges(low: float, high: float, bins: int) -> Array:
    """Return bins + 1 equidistant edges that cover low..high.

    If low < 0 < high and there are two bins or more, 0 is an edge, so that no bin contains both
    negative and positive values.

    >>> bin_edges(-1.0, 4.0, 5)
    array([-1.,  0.,  1.,  2.,  3.,  4.])
    """
    bins = count(bins, "histogram", "bins")
    if bins == 1 or not low < 0 < high:
        return np.linspace(low, high, bins + 1)
    below = min(max(round(-low / (high - low) * bins), 1), bins - 1)
    width = max(-low / below, high / (bins - below))
    edges = width * (np.arange(bins + 1) - below)
    edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)  # cover them despite rounding
    return edges


def histogram(sample: Sample, edges: Array) -> tuple[Array, int]:
    """Return the density in each bin, (bins,), and the number of values beyond the edges.

    Bars, zeros and values beyond the edges sum to 1: Σ density · width + zeros + beyond / n = 1.

    >>> histogram(split_zeros([0.0, 0.0, 1.5, 9.0]), np.array([0.0, 1.0, 2.0]))
    (array([0.  , 0.25]), 1)
    """
    counts, _ = np.histogram(sample.values, edges)
    return counts / (sample.count * np.diff(edges)), int(sample.values.size - counts.sum())


def cumulative(sample: Sample) -> tuple[Array, Array]:
    """Return distinct values in ascending order, and the share of all values <= each of them.

    At most about 2000 values are returned, each with its exact share. The last share is 1. For
    log10 of magnitudes, zeros count as smaller than every value.

    >>> cumulative(split_zeros([3.0, 0.0, 3.0, 0.0, -1.0]))
    (array([-1.,  0.,  3.]), array([0.2, 0.6, 1. ]))
    """
    zeros = sample.count - sample.values.size
    below = zeros if sample.log else 0
    values = np.append(sample.values, np.zeros(zeros - below))
    values, counts = np.unique(values, return_counts=True)
    kept = np.linspace(0, values.size - 1, min(_POINTS, values.size)).round().astype(int)
    if zeros > below:  # so that the step at 0 has its exact height
        index = int(np.searchsorted(values, 0.0))
        kept = np.unique([*kept, max(index - 1, 0), index])
    return values[kept], ((below + np.cumsum(counts)) / sample.count)[kept]


@np.errstate(under="ignore")
def kernel_density(sample: Sample, at: Array) -> Array:
    """Return the Gaussian kernel density estimate at each point; its area is 1 - zeros.

    The bandwidth is Silverman's rule of thumb (1986, Density estimation for statistics and data
    analysis, section 3.4.2), 0.9 min(std, IQR / 1.34) n^(-1/5). A few distant values do not widen
    it. More than 2000 values are replaced by 2000 of their quantiles. If there are zeros and all
    other values have the same sign, as after a ReLU, the density beyond 0 is reflected at 0.
    """
    from scipy.stats import gaussian_kde

    values = sample.values
    if values.size > _POINTS:
        values = np.quantile(values, np.linspace(0, 1, _POINTS))
    quarter, three_quarters = np.quantile(values, [0.25, 0.75])
    std = values.std(ddof=1)
    spread = (three_quarters - quarter) / 1.34
    if not 1 / _MOST < spread / std < 1:  # or powers of spread may underflow
        spread = std
    kernel = gaussian_kde(values, bw_method=0.9 * spread / std * sample.values.size**-0.2)
    ends_at_zero = sample.zeros and not sample.log and values.min() * values.max() > 0
    return np.asarray((1 - sample.zeros) * (kernel(at) + (kernel(-at) if ends_at_zero else 0)))
