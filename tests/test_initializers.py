"""Initializers: standard deviation of the formula, reproducible draws, input validation."""

import math
from functools import partial

import numpy as np
import pytest

from minnet import initializers
from minnet.initializers import get, orthogonal

# Unequal sides, so that a wrong fan cannot give the right number.
FAN_IN, FAN_OUT = SHAPE = (150, 380)
RULES = {
    "glorot": 2 / (FAN_IN + FAN_OUT),
    "he": 2 / FAN_IN,
    "lecun": 1 / FAN_IN,
}
RANDOM = [
    *(f"{rule}_{kind}" for rule in RULES for kind in ("normal", "uniform")),
    *("normal", "uniform", "orthogonal"),
]
NAMES = [*RANDOM, "zeros", "constant"]
FAN_RULES = [name for name in RANDOM if "_" in name or name == "orthogonal"]
DTYPES = [np.float32, np.float64]


# The spread. 57,000 values estimate a standard deviation to 0.3 %, so 1.5 % is five deviations.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["normal", "uniform"])
@pytest.mark.parametrize(("rule", "variance"), RULES.items())
def test_a_fan_rule_has_mean_zero_and_the_std_of_its_formula(rule, variance, kind, dtype):
    weight = get(f"{rule}_{kind}")(SHAPE, rng=0, dtype=dtype).astype(np.float64)
    assert weight.std() == pytest.approx(math.sqrt(variance), rel=0.015)
    assert abs(weight.mean()) < 5 * math.sqrt(variance / weight.size)


@pytest.mark.parametrize(("rule", "variance"), RULES.items())
def test_a_uniform_rule_reaches_its_limits_and_does_not_exceed_them(rule, variance):
    limit = math.sqrt(3 * variance)
    weight = get(f"{rule}_uniform")(SHAPE, rng=0, dtype=np.float64)
    assert 0.999 * limit < weight.max() <= limit
    assert -limit <= weight.min() < -0.999 * limit


@pytest.mark.parametrize(("rule", "variance"), RULES.items())
def test_a_normal_rule_is_not_truncated(rule, variance):
    weight = get(f"{rule}_normal")(SHAPE, rng=0, dtype=np.float64)
    beyond_two = (abs(weight) > 2 * math.sqrt(variance)).mean()
    assert beyond_two == pytest.approx(math.erfc(math.sqrt(2)), rel=0.1)  # 4.55 %


@pytest.mark.parametrize("std", [0.01, 0.3, 4.0])
def test_normal_takes_the_standard_deviation_not_the_variance(std):
    assert initializers.normal(SHAPE, rng=0, std=std).std() == pytest.approx(std, rel=0.015)


def test_uniform_takes_the_limit_not_the_standard_deviation():
    weight = initializers.uniform(SHAPE, rng=0, dtype=np.float64, limit=0.3)
    assert 0.2997 < weight.max() <= 0.3
    assert -0.3 <= weight.min() < -0.2997
    assert weight.std() == pytest.approx(0.3 / math.sqrt(3), rel=0.015)


def test_normal_uniform_and_constant_have_the_documented_defaults():
    assert initializers.normal(SHAPE, rng=0).std() == pytest.approx(0.01, rel=0.015)
    assert 0.0499 < initializers.uniform(SHAPE, rng=0).max() <= np.float32(0.05)
    assert (initializers.constant((7,)) == 1.0).all()


def test_zeros_and_constant_have_one_value_in_every_entry():
    assert (initializers.zeros(SHAPE) == 0.0).all()
    assert (initializers.constant(SHAPE, value=-0.25) == -0.25).all()


def test_std_or_limit_zero_gives_zeros():
    assert not initializers.normal((3, 4), rng=0, std=0.0).any()
    assert not initializers.uniform((3, 4), rng=0, limit=0.0).any()


# Orthogonal.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gain", [1.0, math.sqrt(2)])
@pytest.mark.parametrize("shape", [SHAPE, SHAPE[::-1], (60, 60), (1, 5), (5, 1), (1, 1)])
def test_orthogonal_has_orthonormal_columns_if_tall_and_rows_if_wide(shape, gain, dtype):
    weight = orthogonal(shape, rng=0, dtype=dtype, gain=gain)
    assert weight.shape == shape
    weight = weight.astype(np.float64)
    gram = weight.T @ weight if shape[0] >= shape[1] else weight @ weight.T
    assert np.abs(gram - gain**2 * np.eye(min(shape))).max() < 20 * np.finfo(dtype).eps


def test_orthogonal_draws_both_signs_in_every_entry():
    draws = np.array([orthogonal((3, 3), rng=seed, dtype=np.float64) for seed in range(400)])
    # An entry of a uniformly drawn 3x3 orthogonal matrix has variance 1/3: five errors of the mean.
    assert np.abs(draws.mean(axis=0)).max() < 5 * math.sqrt(1 / 3 / 400)
    trace_squared = np.trace(draws, axis1=1, axis2=2) ** 2
    assert trace_squared.mean() == pytest.approx(1.0, abs=0.4)


# Properties of every initializer.


@pytest.mark.parametrize("dtype", [*DTYPES, "float32", np.dtype("float64")])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(4, 7), (7, 4)])
def test_the_result_is_new_contiguous_and_of_the_requested_dtype(name, shape, dtype):
    weight = get(name)(shape, rng=0, dtype=dtype)
    assert type(weight) is np.ndarray
    assert weight.shape == shape
    assert weight.dtype == np.dtype(dtype)
    assert weight.flags.c_contiguous
    assert weight.flags.writeable


@pytest.mark.parametrize("name", NAMES)
def test_float32_is_the_default(name):
    assert get(name)((4, 7)).dtype == np.float32


@pytest.mark.parametrize("name", RANDOM)
def test_equal_seeds_give_equal_arrays_and_different_seeds_different_ones(name):
    init = get(name)
    np.testing.assert_array_equal(init(SHAPE, rng=3), init(SHAPE, rng=3))
    np.testing.assert_array_equal(init(SHAPE, rng=3), init(SHAPE, rng=np.random.default_rng(3)))
    assert not np.array_equal(init(SHAPE, rng=3), init(SHAPE, rng=4))
    assert not np.array_equal(init(SHAPE), init(SHAPE))


@pytest.mark.parametrize("name", RANDOM)
def test_float32_is_float64_rounded(name):
    single = get(name)(SHAPE, rng=0, dtype=np.float32)
    double = get(name)(SHAPE, rng=0, dtype=np.float64)
    np.testing.assert_array_equal(single, double.astype(np.float32))
    assert not np.array_equal(single, double)


@pytest.mark.parametrize("name", RANDOM)
def test_a_generator_advances_so_that_layers_differ(name):
    rng = np.random.default_rng(0)
    assert not np.array_equal(get(name)(SHAPE, rng=rng), get(name)(SHAPE, rng=rng))


@pytest.mark.parametrize("name", NAMES)
def test_the_global_random_state_of_numpy_is_unchanged(name):
    before = np.random.get_state()  # noqa: NPY002
    get(name)(SHAPE)
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


@pytest.mark.parametrize("name", ["zeros", "constant", "normal", "uniform"])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), [5, 2], (np.int64(5), 2)])
def test_rules_without_fans_accept_any_shape(name, shape):
    assert get(name)(shape).shape == tuple(shape)


@pytest.mark.parametrize("name", FAN_RULES)
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4)])
def test_fan_rules_raise_for_a_shape_that_is_not_2d(name, shape):
    with pytest.raises(ValueError, match=r"\(in_features, out_features\), .* got .*for a bias"):
        get(name)(shape)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("shape", "error"),
    [
        (5, TypeError),
        (None, TypeError),
        ("ab", TypeError),
        ((5.0, 2), TypeError),
        ((True, 2), TypeError),
        ((), ValueError),
        ((0, 2), ValueError),
        ((5, -2), ValueError),
    ],
)
def test_a_shape_that_is_not_a_tuple_of_positive_ints_raises(name, shape, error):
    with pytest.raises(error, match="shape: expected"):
        get(name)(shape)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.int64, np.float16, complex])
def test_another_dtype_raises_before_anything_is_drawn(name, dtype):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=f"float32 or float64, got {np.dtype(dtype)}"):
        get(name)((4, 7), rng=rng, dtype=dtype)
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize(
    ("name", "option"), [("normal", "std"), ("uniform", "limit"), ("orthogonal", "gain")]
)
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, 1e38])
def test_a_scale_must_be_non_negative_and_fit_the_dtype(name, option, value):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=f"{name}: expected {option} to be from 0 to 3e"):
        get(name)((4, 7), rng=rng, **{option: value})
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39, -1e39])
def test_a_constant_must_be_finite_in_its_dtype(value):
    with pytest.raises(ValueError, match="constant: expected value to be finite in float32"):
        initializers.constant((3,), value=value)


def test_an_option_that_is_not_a_number_raises_type_error():
    with pytest.raises(TypeError, match="expected std to be a number"):
        initializers.normal((3, 4), std="1")


# Names.


@pytest.mark.parametrize("name", NAMES)
def test_get_returns_the_function_of_that_name(name):
    assert get(name) is getattr(initializers, name)


@pytest.mark.parametrize("kind", ["normal", "uniform"])
@pytest.mark.parametrize(("alias", "rule"), [("xavier", "glorot"), ("kaiming", "he")])
def test_xavier_and_kaiming_are_the_same_functions(alias, rule, kind):
    function = getattr(initializers, f"{rule}_{kind}")
    assert getattr(initializers, f"{alias}_{kind}") is function
    assert get(f"{alias}_{kind}") is function


def test_get_returns_a_function_unchanged():
    mine = partial(initializers.normal, std=1.0)
    assert get(mine) is mine


@pytest.mark.parametrize("wrong", ["glorot_unifrom", "Glorot_Uniform", "glorot-uniform"])
def test_an_unknown_name_raises_with_the_closest_and_all_known_names(wrong):
    with pytest.raises(ValueError, match=f"got '{wrong}'; did you mean") as refusal:
        get(wrong)
    for name in [*NAMES, "xavier_normal", "xavier_uniform", "kaiming_normal", "kaiming_uniform"]:
        assert name in str(refusal.value)


def test_get_raises_type_error_for_neither_a_name_nor_a_function():
    with pytest.raises(TypeError, match=r"a name or a function .* got 0\.1; .*partial\(constant"):
        get(0.1)
