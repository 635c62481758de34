"""Kernels of the dense layer against NumPy."""

import numpy as np
import pytest

from minnet.kernels.dense import add_row, column_sum

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPES = pytest.mark.parametrize(
    "shape", [(0, 3), (1, 1), (1, 7), (2, 3), (5, 17), (40, 8), (3, 0)]
)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 3.4e38]


def arrays(shape, dtype, count=2):
    return np.random.default_rng(0).normal(size=(count, *shape)).astype(dtype)


@DTYPES
@SHAPES
def test_add_row_adds_b_to_every_row(shape, dtype):
    (y,), b = arrays(shape, dtype, 1), arrays(shape[1:], dtype, 1)[0]
    expected, kept = y + b, b.copy()
    add_row(y, b)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(b, kept)


@DTYPES
@SHAPES
def test_column_sum_overwrites_with_the_sum_of_the_rows(shape, dtype):
    (dy,), db = arrays(shape, dtype, 1), np.full(shape[1], 77, dtype)
    kept = dy.copy()
    column_sum(dy, db)
    np.testing.assert_allclose(db, dy.sum(axis=0, dtype=float), rtol=1e-7, atol=1e-14)
    np.testing.assert_array_equal(dy, kept)


def test_column_sum_accumulates_in_float64():
    dy = np.array([[2.0**24], *([[1.0]] * 8), [-(2.0**24)]], np.float32)
    db = np.empty(1, np.float32)
    column_sum(dy, db)
    assert db.tolist() == [8]


@DTYPES
@pytest.mark.parametrize("bad", SPECIAL)
def test_nan_and_infinity_affect_their_own_row_and_column_only(bad, dtype):
    with np.errstate(over="ignore"):
        bad = np.asarray(bad).astype(dtype)
    a, b = arrays((3, 9), dtype)
    a[1, 4] = bad
    db, y = np.empty(9, dtype), a.copy()
    column_sum(a, db)
    add_row(y, b[0])
    np.testing.assert_array_equal(y, a + b[0])
    np.testing.assert_allclose(db, a.sum(axis=0, dtype=float), rtol=1e-6)


@DTYPES
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_add_row_finds_a_value_that_is_not_finite_at_any_place(bad, dtype):
    for place in range(12):
        y, b = np.ones((4, 3), dtype), np.ones(3, dtype)
        assert add_row(y, b)
        y.flat[place] = bad
        assert not add_row(y, b)
