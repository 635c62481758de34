"""Summary statistics equal those of SciPy, and every value is drawn or counted."""

import numpy as np
import pytest
from scipy import stats

from minnet.recording.statistics import (
    Sample,
    bin_edges,
    bulk_range,
    cumulative,
    dead_units,
    describe,
    histogram,
    kernel_density,
    split_zeros,
)

RNG = np.random.default_rng(0)
RELU = np.maximum(RNG.normal(size=5000), 0)

# describe


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200, 2.0**-1000])
@pytest.mark.parametrize("draw", [RNG.normal, RNG.exponential, RNG.uniform])
def test_describe_gives_the_moments_of_scipy_at_any_scale(draw, scale):
    values = draw(size=2000)
    found = describe(values * scale)
    assert found.mean == pytest.approx(values.mean() * scale, rel=1e-12)
    assert found.std == pytest.approx(values.std() * scale, rel=1e-12)
    assert found.skewness == pytest.approx(stats.skew(values), rel=1e-10, abs=1e-12)
    assert found.kurtosis == pytest.approx(stats.kurtosis(values), rel=1e-10, abs=1e-12)
    assert (found.minimum, found.maximum) == (values.min() * scale, values.max() * scale)


def test_describe_computes_float32_in_float64():
    values = (1e4 + RNG.normal(size=(300, 200))).astype(np.float32)
    assert describe(values).std == pytest.approx(values.astype(np.float64).std(), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.uint8, np.bool_])
def test_describe_takes_any_real_dtype_and_shape_and_counts_exact_zeros(dtype):
    found = describe(np.array([[[0, 1], [1, 0]], [[0, 0], [0, 0]]], dtype))
    assert (found.count, found.zeros, found.mean) == (8, 0.75, 0.25)
    assert all(type(value) in (int, float) for value in vars(found).values())


@pytest.mark.parametrize("value", [0.0, 0.1, -1e-300, 3e38])
def test_constant_values_have_std_zero_and_neither_skewness_nor_kurtosis(value):
    found = describe(np.full(1000, value))
    assert (found.mean, found.std, found.minimum, found.maximum) == (value, 0, value, value)
    assert np.isnan(found.skewness)
    assert np.isnan(found.kurtosis)
    assert found.zeros == (value == 0)


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        ([], ValueError, r"at least one value, got shape \(0,\)"),
        ([1.0, np.nan, np.inf], FloatingPointError, "got 2 of 3 that are NaN or infinity"),
        (["a"], TypeError, "real numbers"),
        (None, TypeError, "got None"),
    ],
)
def test_describe_raises_for_arrays_without_moments(array, error, message):
    with pytest.raises(error, match=message):
        describe(array)


def test_the_given_array_is_not_changed():
    values = RELU.reshape(100, 50)
    kept = values.copy()
    values.flags.writeable = False
    describe(values), dead_units(values), cumulative(split_zeros(values)), split_zeros(values)
    np.testing.assert_array_equal(values, kept)


# dead_units


def test_dead_units_are_those_that_never_change():
    y = RNG.normal(size=(50, 4)).astype(np.float32)
    y[:, 1], y[:, 3] = 0, 0.7
    y[:-1, 2] = 0  # inactive on all rows but one
    np.testing.assert_array_equal(dead_units(y), [False, True, False, True])


def test_a_unit_whose_range_overflows_is_not_dead():
    assert dead_units(np.array([[1e308, 1.0], [-1e308, 1.0]])).tolist() == [False, True]


def test_dead_units_up_to_a_tolerance():
    y = np.array([[0.0, 0.0], [1e-3, 1e-2]])
    assert dead_units(y, tolerance=1e-3).tolist() == [True, False]
    assert not dead_units(y).any()


@pytest.mark.parametrize("shape", [(1, 3), (6,), (2, 3, 4)])
def test_dead_units_requires_two_rows(shape):
    with pytest.raises(ValueError, match="at least 2 rows"):
        dead_units(np.ones(shape))


def test_a_negative_tolerance_raises():
    with pytest.raises(ValueError, match="tolerance"):
        dead_units(np.ones((2, 2)), tolerance=-1.0)


# split_zeros


def test_split_zeros_keeps_everything_but_exact_zeros():
    sample = split_zeros([[0.0, -0.0], [5e-324, -2.0]])
    assert sample.values.tolist() == [5e-324, -2.0]
    assert (sample.count, sample.zeros) == (4, 0.5)


def test_split_zeros_in_powers_of_ten():
    sample = split_zeros([0.0, -1e-7, 1e3], log=True)
    np.testing.assert_allclose(sample.values, [-7, 3])
    assert sample.zeros == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("values", "point"), [([0.3, 0.3, 0.0], 0.3), ([0.0, 0.0], 0.0), ([1.0, 2.0], None)]
)
def test_point_is_the_common_value_of_a_sample(values, point):
    assert split_zeros(values).point == point


# bulk_range


def test_the_range_covers_all_values_if_none_is_distant():
    normal = RNG.normal(size=10_000)
    assert bulk_range([split_zeros(normal)]) == (normal.min(), normal.max())


@pytest.mark.parametrize("n", [30, 480, 100_000])
def test_one_distant_value_does_not_widen_the_range(n):
    values = np.append(RNG.uniform(-1, 1, n), [1e6])
    low, high = bulk_range([split_zeros(values)])
    assert -1 <= low < -0.8
    assert 0.8 < high <= 1


def test_a_mode_with_one_value_in_twenty_is_inside_the_range():
    values = np.append(RNG.uniform(-1, 1, 950), np.full(50, 1000.0))
    assert bulk_range([split_zeros(values)])[1] == 1000
    assert bulk_range([split_zeros(-values)])[0] == -1000


def test_values_within_five_interquartile_ranges_are_inside_the_range():
    values = np.linspace(0, 1, 999)  # quartiles 0.25 and 0.75
    assert bulk_range([Sample(np.append(values, 3.2), 1000)]) == (0.0, 3.2)
    assert bulk_range([Sample(np.append(values, 3.3), 1000)]) == (0.0, 1.0)


def test_two_in_a_hundred_values_at_each_end_may_be_outside_of_the_range():
    for far, inside in ((15, False), (25, True)):  # of 1,000 values
        values = np.append(np.linspace(0, 1, 1000 - far), np.full(far, -100.0))
        assert (bulk_range([Sample(values, 1000)])[0] == -100) == inside


def test_range_of_values_that_differ_only_by_rounding_is_that_of_one_value():
    low, high = bulk_range([Sample(np.array([2.0, 2.0 + 1e-12]), 2)])
    assert (low, high) == pytest.approx((1.0, 3.0))


def test_range_covers_every_sample_and_zero_where_there_are_zeros():
    samples = [split_zeros([3.0, 4.0]), split_zeros([0.0, 7.0])]
    assert bulk_range(samples) == (0.0, 7.0)
    assert bulk_range(samples[:1]) == (3.0, 4.0)


@pytest.mark.parametrize("value", [0.0, 0.3, -1e-9, 1e30])
def test_range_of_one_value_has_a_width_and_the_value_inside(value):
    low, high = bulk_range([split_zeros([value, value])])
    assert low < value < high


# bin_edges and histogram


@pytest.mark.parametrize("bins", [1, 2, 7, 50])
@pytest.mark.parametrize(
    ("low", "high"),
    [(-1, 1), (-0.01, 5), (-3, 1e-3), (0, 2), (1, 2), *np.sort(RNG.normal(size=(20, 2))).tolist()],
)
def test_bins_cover_the_range_and_none_straddles_zero(low, high, bins):
    edges = bin_edges(low, high, bins)
    assert len(edges) == bins + 1
    assert edges[0] <= low
    assert edges[-1] >= high
    np.testing.assert_allclose(np.diff(edges), (edges[-1] - edges[0]) / bins)
    if bins > 1 and low < 0 < high:
        assert 0 in edges


def test_bars_zeros_and_values_beyond_sum_to_one():
    values = np.concatenate([RELU, [50.0, -80.0]])
    sample = split_zeros(values)
    edges = bin_edges(0, 4, 40)
    density, beyond = histogram(sample, edges)
    assert beyond == 2
    total = (density * np.diff(edges)).sum() + sample.zeros + beyond / sample.count
    assert total == pytest.approx(1, abs=1e-12)
    assert density.max() == pytest.approx(stats.norm.pdf(0), rel=0.15)  # no pile of zeros in it


def test_zero_bins_raise():
    with pytest.raises(ValueError, match="expected bins to be at least 1"):
        bin_edges(0, 1, 0)


# cumulative


def test_cumulative_is_the_share_of_values_up_to_each():
    values = np.round(RNG.normal(size=500), 1)
    at, share = cumulative(split_zeros(values))
    np.testing.assert_array_equal(at, np.unique(values))
    np.testing.assert_allclose(share, [(values <= v).mean() for v in at], rtol=1e-14)
    assert share[-1] == 1.0


def test_cumulative_of_many_values_keeps_exact_heights_the_ends_and_the_jump_at_zero():
    values = np.append(np.where(RNG.random(20_000) < 0.4, 0, RNG.normal(size=20_000)), 1e9)
    at, share = cumulative(split_zeros(values))
    assert len(at) <= 2003
    assert (at[0], at[-1], share[-1]) == (values.min(), 1e9, 1.0)
    zero = at.tolist().index(0.0)
    assert share[zero] - share[zero - 1] == pytest.approx((values == 0).mean(), abs=1e-12)
    for index in range(0, len(at), 97):
        assert share[index] == pytest.approx((values <= at[index]).mean(), abs=1e-12)


def test_cumulative_of_magnitudes_starts_above_the_share_of_zeros():
    at, share = cumulative(split_zeros([0.0, 0.0, 10.0, -100.0], log=True))
    assert at.tolist() == [1, 2]
    assert share.tolist() == [0.75, 1.0]


def test_cumulative_of_zeros_alone_is_one_step():
    at, share = cumulative(split_zeros(np.zeros(9)))
    assert (at.tolist(), share.tolist()) == ([0], [1])


# kernel_density


@pytest.mark.parametrize("n", [400, 50_000])
def test_density_of_normal_values_is_near_the_normal_density(n):
    at = np.linspace(-3, 3, 61)
    found = kernel_density(Sample(RNG.normal(size=n), n), at)
    np.testing.assert_allclose(found, stats.norm.pdf(at), atol=0.06 if n < 1000 else 0.02)


def test_the_bandwidth_is_silvermans():
    values, at = RNG.normal(size=300), np.linspace(-2, 2, 9)
    width = 0.9 * min(values.std(ddof=1), stats.iqr(values) / 1.34) * 300**-0.2
    expected = stats.norm.pdf((at[:, None] - values) / width).mean(axis=1) / width
    np.testing.assert_allclose(kernel_density(Sample(values, 300), at), expected, rtol=1e-9)


def test_density_after_relu_has_area_one_minus_zeros_and_does_not_fall_at_zero():
    at = np.linspace(0, 6, 2001)
    sample = split_zeros(RELU)
    found = kernel_density(sample, at)
    assert np.trapezoid(found, at) == pytest.approx(1 - sample.zeros, rel=1e-3)
    assert found[0] == pytest.approx(stats.norm.pdf(0), rel=0.2)


def test_distant_values_do_not_flatten_the_density():
    values = np.append(RNG.normal(size=1000), [1e6, -1e6])
    assert kernel_density(Sample(values, 1002), np.zeros(1))[0] == pytest.approx(0.4, rel=0.15)
