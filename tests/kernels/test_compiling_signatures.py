"""A kernel takes what its signature says, refuses the rest, and stays the function that it was."""

import copy
import pickle

import numpy as np
import pytest
from helpers.first_calls import assert_adds, unused

from minnet.kernels.compiling import kernel
from minnet.kernels.dense import add_row
from minnet.kernels.losses import count_correct


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_kernel_runs_for_both_dtypes_and_returns_what_it_returns(home, dtype):
    assert_adds(add_row, dtype)
    assert count_correct(np.eye(3, dtype=dtype), np.eye(3, dtype=dtype)[[0, 1, 1]]) == 2


def refused():
    x, row = np.zeros((2, 3), np.float32), np.zeros(3, np.float32)
    locked = x.copy()
    locked.flags.writeable = False
    swapped = x.astype(x.dtype.newbyteorder())
    yield "int32", (x.astype(np.int32), row), r"int32\[:, ::1\], float32\[::1\]"
    yield "float16", (x.astype(np.float16), row), r"float16\[:, ::1\]"
    yield "complex64", (x.astype(np.complex64), row), r"complex64\[:, ::1\]"
    yield "mixed", (x, row.astype(np.float64)), r"float32\[:, ::1\], float64\[::1\]"
    yield "bytes", (swapped, row), r"got \([<>]f4\[:, ::1\]"
    yield "fortran", (np.asfortranarray(x), row), r"got \(float32\[:, :\]"
    yield "strided", (x, np.zeros(6, np.float32)[::2]), r"float32\[:\]"
    yield "read-only", (locked, row), r"read-only float32\[:, ::1\]"
    yield "1-D", (row, row), r"got \(float32\[::1\]"
    yield "list", ([[1.0, 2.0, 3.0]], row), r"got \(list"
    yield "None", (None, row), r"got \(NoneType"
    yield "scalar", (np.float32(1), row), r"got \(float32"
    yield "few", (x,), r"got \(float32\[:, ::1\]\)"
    yield "none", (), r"got \(\)"


@pytest.mark.parametrize(("args", "got"), [pytest.param(*rest, id=i) for i, *rest in refused()])
@pytest.mark.parametrize("used", [False, True])
def test_a_wrong_dtype_or_layout_is_a_type_error_that_names_it(home, args, got, used):
    made = add_row if used else unused(add_row)
    if used:
        assert_adds(made, np.float32)
        assert_adds(made, np.float64)
    with pytest.raises(TypeError, match=got) as raised:
        made(*args)
    assert "kernel add_row expected (T[:, ::1], T[::1]) with T either" in str(raised.value)


def test_a_refused_call_changes_nothing(home):
    y = np.zeros((2, 3), np.float32)
    with pytest.raises(TypeError):
        add_row(y, np.ones(3))
    assert not y.any()


def test_a_kernel_keeps_its_name_its_docstring_and_its_function():
    assert add_row.__name__ == "add_row"
    assert add_row.__doc__ == add_row.__wrapped__.__doc__ is not None
    y = np.zeros((1, 3))
    add_row.__wrapped__(y, np.ones(3))
    assert y.sum() == 3


def test_a_kernel_is_pickled_and_copied_by_name():
    assert pickle.loads(pickle.dumps(add_row)) is add_row
    assert copy.deepcopy([add_row])[0] is add_row


@pytest.mark.parametrize(
    "fastmath", [True, "contract", {"nnan"}, {"ninf"}, {"contract", "reassoc"}, ("fast",), {"afn"}]
)
def test_dangerous_fastmath_is_refused_at_decoration(fastmath):
    with pytest.raises(ValueError, match=r"nnan and ninf delete checks for NaN.* reassoc"):
        kernel("(T[::1],)", fastmath=fastmath)


def test_a_kernel_of_whole_numbers_is_compiled_once_and_refuses_others(home, compiled):
    @kernel("(int32[::1], int64[::1])")
    def add(x, y):
        for k in range(x.size):
            y[k] += x[k]

    before, y = compiled(), np.zeros(3, np.int64)
    for _ in range(2):
        add(np.arange(3, dtype=np.int32), y)
    assert y.tolist() == [0, 2, 4]
    for other in (np.float32, np.int64):
        with pytest.raises(TypeError, match=r"expected \(int32\[::1\], int64\[::1\]\), got"):
            add(np.zeros(3, other), y)
    assert compiled() == before + 1
    assert y.tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    "signature",
    ["(float64[::1],)", "(int64, T[::1])", "(int64[::1], T[::1])", "(int8[::1],)", "T[::1]", ""],
)
def test_a_signature_must_begin_with_an_array_of_t_or_of_whole_numbers(signature):
    with pytest.raises(ValueError, match=r"first argument of a kernel must be an array of T"):
        kernel(signature)
