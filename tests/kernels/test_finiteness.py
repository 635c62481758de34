"""first_nonfinite_row against np.isfinite."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minnet.kernels.finiteness import first_nonfinite_row

DTYPES = [np.float32, np.float64]


def twin(x):
    rows = np.flatnonzero(~np.isfinite(x).all(axis=1))
    return rows[0] if rows.size else -1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_non_finite_number_is_found_at_any_position(bad, dtype):
    for row, column in np.ndindex(3, 17):
        x = np.zeros((3, 17), dtype)
        x[row, column] = bad
        x[2, 16] = bad
        assert first_nonfinite_row(x) == row


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_largest_and_the_smallest_numbers_are_finite(dtype):
    info = np.finfo(dtype)
    x = np.array([[info.max, -info.max, info.tiny, info.smallest_subnormal, 0.0, -0.0]], dtype)
    assert first_nonfinite_row(x) == -1


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_empty_array_has_no_non_finite_row(shape):
    assert first_nonfinite_row(np.zeros(shape)) == -1


@settings(deadline=None, max_examples=100, derandomize=True, database=None)
@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))
    )
)
def test_first_nonfinite_row_matches_numpy(x):
    assert first_nonfinite_row(x) == twin(x)
