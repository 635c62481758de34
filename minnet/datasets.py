"""Data sets as NumPy arrays: the four of the articles, and tables in CSV files.

Iris and the small digits are part of scikit-learn and need no download. MNIST and Fashion-MNIST are
four idx files each. They are read from the first folder that has them, or downloaded once into the
user's cache, and verified.

Every loader returns ``(x_train, y_train), (x_test, y_test)``: C-contiguous rows of floats, and
int64 labels that count from 0. `from_csv` returns two further values, see `Table`; `read_csv` reads
new rows for its transformer. Each call returns new arrays, which may be modified.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from minnet import idx
from minnet.idx import Home
from minnet.layer import Rng
from minnet.tables import Labels, Rows, split
from minnet.tables import Table as Table
from minnet.tables import from_csv as from_csv
from minnet.tables import read_csv as read_csv
from minnet.validation import (
    FLOAT32,
    FLOAT64,
    as_flag,
    as_float_dtype,
    as_rows,
    check_finite,
    one_of,
    to_numpy,
)

Split: TypeAlias = tuple[tuple[Rows, Labels], tuple[Rows, Labels]]


def iris(*, test_size: float = 0.2, rng: Rng = 42, dtype: DTypeLike = np.float32) -> Split:
    """Load Iris: 150 flowers of three species, with four lengths each in centimetres.

    The features are not scaled to [0, 1]. The articles standardize them with the mean and standard
    deviation of the training rows; use `standardize`.

    Parameters
    ----------
    test_size : float
        Share of the rows in the test set, the same for each species.
    rng : int, numpy.random.Generator or None
        Determines the split. An int is scikit-learn's ``random_state``; the articles use 42.
    dtype : float32 or float64
        Dtype of the rows.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Shapes (120, 4), (120,), (30, 4), (30,) at the default `test_size`.

    Raises
    ------
    ValueError
        If `test_size` leaves a class without training rows or without test rows.

    References
    ----------
    Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics, 1936.

    Examples
    --------
    >>> (x_train, y_train), (x_test, y_test) = iris()
    >>> x_train.shape, x_test.shape, x_train.dtype
    ((120, 4), (30, 4), dtype('float32'))
    >>> np.bincount(y_test)
    array([10, 10, 10])
    """
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    return _split(x, y, test_size, rng, dtype)


def digits(*, test_size: float = 0.2, rng: Rng = 42, dtype: DTypeLike = np.float32) -> Split:
    """Load Digits: 1,797 handwritten digits of 8 by 8 pixels, scaled from 0..16 to [0, 1].

    Parameters and errors are those of `iris`.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Shapes (1437, 64), (1437,), (360, 64), (360,) at the default `test_size`; pixels in [0, 1].

    References
    ----------
    Alpaydin & Kaynak, "Cascading classifiers", Kybernetika, 1998.
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return _split(x / 16, y, test_size, rng, dtype)


def standardize(x_train: ArrayLike, *others: ArrayLike) -> tuple[Rows, ...]:
    """Shift and scale each feature to mean 0 and standard deviation 1 over the training rows.

    ``z = (x - mean) / std``. Mean and std are those of `x_train` alone, so that no information from
    the test rows is used in training. A feature that is constant in `x_train` is only shifted.

    Parameters
    ----------
    x_train, *others : array_like, (n, features)
        The arrays, which are not changed. float32 stays float32, others become float64.

    Returns
    -------
    tuple of arrays
        The standardized arrays, in the same order.

    Raises
    ------
    TypeError, ValueError
        If an array is not numeric, is empty, or has another shape than (n, features).
    FloatingPointError
        If an array holds NaN or infinity, or a result does.

    Examples
    --------
    >>> x_train, x_test = standardize([[1.0, 5.0], [3.0, 5.0]], [[2.0, 6.0]])
    >>> x_train
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> x_test
    array([[0., 1.]])
    """
    from sklearn.preprocessing import StandardScaler

    arrays: list[Rows] = []
    for i, x in enumerate((x_train, *others)):
        where = f"standardize: array {i}"
        dtype = to_numpy(x, where, "values").dtype.newbyteorder("=")
        arrays.append(as_rows(x, FLOAT32 if dtype == FLOAT32 else FLOAT64, where, "values"))
        shape, features = arrays[i].shape, arrays[0].shape[1]
        if shape[0] == 0 or shape[1] != features:
            raise ValueError(
                f"{where}: expected at least one row and {features} features, as in the first "
                f"array, got shape {shape}"
            )
        check_finite(arrays[i], where)  # StandardScaler ignores NaN as missing values
    # Very large and very small features are scaled by powers of 2, exactly, so that their squares
    # are normal numbers. Constant features, whose scale_ is 1, are scaled back.
    largest = np.abs(arrays[0]).max(axis=0).astype(np.float64)
    varies = (arrays[0] != arrays[0][0]).any(axis=0)
    powers = np.where((largest > 1e30) | ((largest < 1e-30) & varies), np.frexp(largest)[1], 0)
    with np.errstate(over="ignore", under="ignore"):
        if powers.any():
            arrays = [np.ldexp(x, -powers) for x in arrays]
            _check_results(arrays)  # x / std overflows
        scaler = StandardScaler().fit(arrays[0])
        back = np.where(scaler.scale_ == 1, powers, 0)
        arrays = [np.ldexp(scaler.transform(x), back) for x in arrays]
    _check_results(arrays)
    return tuple(np.ascontiguousarray(x) for x in arrays)


def _check_results(arrays: Sequence[Rows]) -> None:
    for i, x in enumerate(arrays):
        check_finite(x, f"standardize: result {i}")


def mnist(data_home: Home = None, *, download: bool = True, dtype: DTypeLike = np.float32) -> Split:
    """Load MNIST: 70,000 handwritten digits of 28 by 28 pixels, scaled from bytes to [0, 1].

    If `data_home` is given, the four files, packed (``.gz``) or not, are searched only in it and in
    its folder ``mnist``. Otherwise they are read from ``$MINNET_DATA/mnist`` or the user's cache,
    or downloaded into that cache. Instead of the folder ``mnist`` there may be torchvision's
    ``MNIST/raw`` or Keras's ``mnist.npz``.

    Parameters
    ----------
    data_home : path, optional
        Folder that contains the folder ``mnist``, or the folder of the files itself.
    download : bool
        Whether missing files may be downloaded; ignored if `data_home` is given.
    dtype : float32 or float64
        Dtype of the rows.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Shapes (60000, 784), (60000,), (10000, 784), (10000,); pixels in [0, 1].

    Raises
    ------
    FileNotFoundError
        If a file is missing and cannot be downloaded. The message lists the folders and sources.
    ValueError
        If a file differs from the published one. The file is not changed.

    References
    ----------
    LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document recognition",
    Proceedings of the IEEE, 1998.
    """
    return _images("mnist", data_home, download, dtype)


def fashion_mnist(
    data_home: Home = None, *, download: bool = True, dtype: DTypeLike = np.float32
) -> Split:
    """Load Fashion-MNIST: 70,000 images of ten kinds of clothes, in the format of MNIST.

    Shapes, scaling, arguments, errors and the search for files are those of `mnist`, in the folder
    ``fashion_mnist``, torchvision's ``FashionMNIST/raw`` or Keras's ``fashion-mnist``.

    References
    ----------
    Xiao, Rasul & Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms", arXiv:1708.07747, 2017.
    """
    return _images("fashion_mnist", data_home, download, dtype)


def fetch(name: str, data_home: Home = None) -> Path:
    """Download the missing files of "mnist" or "fashion_mnist", and verify all of them.

    Missing files are downloaded into ``data_home/name``, or into the user's cache. A file appears
    there only after it has been verified.

    Returns
    -------
    Path
        The folder with the four files.

    Raises
    ------
    FileNotFoundError, ValueError
        As in `mnist`; ValueError also for an unknown `name`.
    """
    one_of(name, idx.CHECKSUMS, "fetch", "name")
    folder = idx.locate(name, data_home, download=True)
    idx.read(folder, name)
    return folder


def _split(x: Rows, y: Labels, test_size: float, rng: Rng, dtype: DTypeLike) -> Split:
    x, y = x.astype(as_float_dtype(dtype)), y.astype(np.int64)
    x_train, x_test, y_train, y_test = split(x, y, test_size, rng)
    return (x_train, y_train), (x_test, y_test)


def _images(name: str, data_home: Home, download: bool, dtype: DTypeLike) -> Split:
    dtype = as_float_dtype(dtype)
    download = as_flag(download, name, "download") and data_home is None
    folder = idx.locate(name, data_home, download=download)
    contents = idx.read(folder, name)
    x_train, x_test = (np.divide(x.reshape(len(x), -1), 255, dtype=dtype) for x in contents[::2])
    y_train, y_test = (y.astype(np.int64) for y in contents[1::2])
    return (x_train, y_train), (x_test, y_test)
