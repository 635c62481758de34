"""Data sets: exact values, reproducible splits, standardized rows."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_mnist import write

from minnet import datasets

REAL_DATA = os.environ.get("MINNET_DATA")

pytestmark = pytest.mark.usefixtures("downloads", "mirrors")


# --- iris and digits ---


@pytest.mark.parametrize(
    ("load", "n_train", "n_test", "features", "low", "high"),
    [(datasets.iris, 120, 30, 4, 0.1, 7.9), (datasets.digits, 1437, 360, 64, 0.0, 1.0)],
)
def test_small_sets_have_the_documented_shapes_dtypes_and_range(
    load, n_train, n_test, features, low, high
):
    (x_train, y_train), (x_test, y_test) = load()
    assert x_train.shape == (n_train, features)
    assert x_test.shape == (n_test, features)
    assert y_train.shape == (n_train,)
    assert y_test.shape == (n_test,)
    assert x_train.dtype == x_test.dtype == np.float32
    assert y_train.dtype == y_test.dtype == np.int64
    assert x_train.flags.c_contiguous
    assert x_test.flags.c_contiguous
    both = np.concatenate([x_train, x_test])
    assert both.min() == np.float32(low)
    assert both.max() == np.float32(high)


def test_every_flower_is_in_exactly_one_part_with_its_label():
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    (x_train, y_train), (x_test, y_test) = datasets.iris(dtype=np.float64)
    got = np.column_stack([np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])])
    assert sorted(map(tuple, got)) == sorted(map(tuple, np.column_stack([x, y])))


def test_digits_are_multiples_of_one_sixteenth():
    (x_train, _), (x_test, _) = datasets.digits()
    for x in (x_train, x_test):
        np.testing.assert_array_equal(x * 16, np.round(x * 16))


@pytest.mark.parametrize("load", [datasets.iris, datasets.digits])
def test_the_split_is_stratified(load):
    (_, y_train), (_, y_test) = load(test_size=0.3)
    share = np.bincount(y_test) / (np.bincount(y_train) + np.bincount(y_test))
    np.testing.assert_allclose(share, 0.3, atol=0.01)


def test_the_split_depends_on_rng_and_not_on_the_global_state_of_numpy():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (datasets.iris(rng=rng)[0][0] for rng in (42, 42, 43))
    generator = np.random.default_rng(42)
    drawn, next_drawn = datasets.iris(rng=generator)[0][0], datasets.iris(rng=generator)[0][0]
    free, freer = datasets.iris(rng=None)[0][0], datasets.iris(rng=None)[0][0]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(drawn, next_drawn)
    assert not np.array_equal(free, freer)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_an_int_is_the_random_state_of_scikit_learn():
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    x, y = load_iris(return_X_y=True)
    expected = train_test_split(x, y, test_size=0.2, stratify=y, random_state=42)
    (x_train, y_train), (x_test, y_test) = datasets.iris(dtype=np.float64)
    for got, due in zip((x_train, x_test, y_train, y_test), expected, strict=True):
        np.testing.assert_array_equal(got, due)


@pytest.mark.parametrize("test_size", [0.0, 1.0, -0.1, 1.5, float("nan"), 0.001])
def test_a_test_size_that_leaves_a_class_empty_raises(test_size):
    with pytest.raises(ValueError, match="test_size"):
        datasets.iris(test_size=test_size)


# --- every set ---


@pytest.mark.parametrize("load", [datasets.iris, datasets.digits])
def test_arrays_are_fresh_at_each_call(load):
    first = load()[0]
    kept = first[0].copy(), first[1].copy()
    first[0][:] = 9
    first[1][:] = 9
    again = load()[0]
    np.testing.assert_array_equal(again[0], kept[0])
    np.testing.assert_array_equal(again[1], kept[1])


@pytest.mark.parametrize("load", [datasets.iris, datasets.digits, datasets.mnist])
def test_rows_are_float32_or_float64_and_nothing_else(load, tiny, downloads):
    write(downloads / "mnist")
    assert load(dtype=np.float64)[0][0].dtype == np.float64
    with pytest.raises(ValueError, match="expected float32 or float64, got int32"):
        load(dtype=np.int32)


def test_importing_the_module_loads_no_heavy_library():
    code = (
        "import sys, minnet.datasets;"
        "print({'sklearn', 'pooch', 'requests', 'tqdm', 'platformdirs'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


# --- the real MNIST ---


@pytest.mark.skipif(
    not (REAL_DATA and Path(REAL_DATA, "mnist").is_dir()),
    reason="the real MNIST: needs MINNET_DATA with a folder mnist",
)
def test_the_real_mnist_has_its_published_numbers():
    (x_train, y_train), (x_test, y_test) = datasets.mnist(REAL_DATA)
    assert x_train.shape == (60000, 784)
    assert x_test.shape == (10000, 784)
    assert x_train.dtype == np.float32
    assert x_train.min() == 0
    assert x_train.max() == 1
    assert x_train.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert x_train.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    per_digit = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y_train).tolist() == per_digit
    per_digit = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(y_test).tolist() == per_digit


# --- standardize ---


def test_standardize_uses_only_the_training_rows():
    x_train = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0]])
    x_test = np.array([[7.0, 40.0]])
    kept = x_train.copy(), x_test.copy()
    z_train, z_test = datasets.standardize(x_train, x_test)
    np.testing.assert_allclose(z_train.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(z_train.std(axis=0), 1, rtol=1e-15)
    np.testing.assert_allclose(z_test, [[4 / math.sqrt(8 / 3), 20 / math.sqrt(200 / 3)]])
    np.testing.assert_array_equal(x_train, kept[0])
    np.testing.assert_array_equal(x_test, kept[1])


def test_standardize_does_not_depend_on_the_byte_order():
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    for given in (x.astype(">f4"), x.astype("<f4")):
        for found in datasets.standardize(given, given):
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, datasets.standardize(x, x)[0])


def test_standardize_only_shifts_a_constant_feature():
    x = np.full((7, 1), 0.1, dtype=np.float32)
    z, shifted = datasets.standardize(x, x + np.float32(2))
    np.testing.assert_array_equal(z, 0)
    np.testing.assert_allclose(shifted, 2, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_standardize_keeps_the_dtype_and_returns_contiguous_rows(dtype):
    x = np.asfortranarray(np.arange(12).reshape(4, 3), dtype=dtype)
    (z,) = datasets.standardize(x)
    assert z.dtype == dtype
    assert z.flags.c_contiguous


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        (([1.0, 2.0],), ValueError, r"array 0: expected .* \(n, features\), got shape \(2,\)"),
        ((np.ones((0, 3)),), ValueError, r"array 0: .*got shape \(0, 3\)"),
        ((np.ones((2, 3)), np.ones((2, 4))), ValueError, r"array 1: .*3 features, .*\(2, 4\)"),
        ((np.ones((2, 3)), 1.0), ValueError, r"array 1: .*got shape \(\)"),
        ((1.0,), ValueError, r"array 0: .*got shape \(\)"),
        (([["a"]],), TypeError, "array 0: expected .* real numbers, got dtype <U1"),
        ((None,), TypeError, "array 0: expected .* got None"),
        (([[1j]],), TypeError, "array 0: expected .* real numbers, got dtype complex128"),
        (([[1, 2], [3, np.nan]],), FloatingPointError, r"array 0: .*got nan at row 1, column 1"),
        (([[1, 2]], [[-np.inf, 2]]), FloatingPointError, r"array 1: .*got -inf at row 0, column 0"),
    ],
)
def test_standardize_raises_for_invalid_arrays(arrays, error, message):
    with pytest.raises(error, match=message):
        datasets.standardize(*arrays)


@pytest.mark.parametrize("size", [1.7e308, 1e200, 1e-200, 1e-320])
def test_standardize_scales_very_large_and_very_small_features(size):
    values, others = datasets.standardize([[size, size], [-size, size]], [[0.0, size]])
    np.testing.assert_allclose(values, [[1, 0], [-1, 0]], rtol=1e-3)
    np.testing.assert_allclose(others, [[0, 0]])


def test_standardize_scales_values_near_the_ends_of_float32():
    (z,) = datasets.standardize(np.float32([[3e38], [-3e38], [-3e38]]))
    np.testing.assert_allclose(z, [[2**0.5], [-(0.5**0.5)], [-(0.5**0.5)]], rtol=1e-6)
    assert z.dtype == np.float32


def test_standardize_names_the_result_that_overflows():
    tiny = np.array([[1e-300], [-1e-300]])
    for others in np.ones((1, 1), np.float32), np.full((1, 1), 1e10):
        with pytest.raises(FloatingPointError, match=r"standardize: result 1: .*got inf at row 0"):
            datasets.standardize(tiny, others)
    np.testing.assert_allclose(datasets.standardize(tiny, [[1.0]])[1], 1e300)


def test_standardize_shifts_large_values_by_a_tiny_constant():
    z, others = datasets.standardize([[1e-300], [1e-300]], [[1e10]])
    np.testing.assert_array_equal(z, 0)
    np.testing.assert_array_equal(others, 1e10)


def test_download_is_a_flag(tmp_path):
    with pytest.raises(TypeError, match="download as True or False"):
        datasets.mnist(tmp_path, download="no")
