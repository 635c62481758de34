"""The four data sets of the articles, as plain NumPy arrays.

Iris and the small digits come with scikit-learn and need no network. MNIST and Fashion-MNIST are
four idx files each; they are taken from the first folder that has them, else downloaded once into
the user's cache, and verified (``idx.py``).

Every loader returns ``(x_train, y_train), (x_test, y_test)``: rows of floats, C-contiguous, fresh
at each call and so free to be changed, and int64 labels that count from 0.
"""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from minnet import idx
from minnet.idx import Home
from minnet.layer import Rng
from minnet.validation import as_float_dtype

__all__ = ["digits", "fashion_mnist", "fetch", "iris", "mnist", "standardize"]

Rows: TypeAlias = NDArray[np.floating[Any]]
Labels: TypeAlias = NDArray[np.int64]
Split: TypeAlias = tuple[tuple[Rows, Labels], tuple[Rows, Labels]]


def iris(*, test_size: float = 0.2, rng: Rng = 42, dtype: DTypeLike = np.float32) -> Split:
    """150 flowers of three species, each measured four times, in centimetres.

    The one loader whose rows are not in [0, 1]: the articles standardise the raw lengths with the
    mean and deviation of the training rows, and `standardize` does that.

    Parameters
    ----------
    test_size : float
        Share of the rows that is held out, the same for each species.
    rng : int, numpy.random.Generator or None
        Chooses the split; an int is scikit-learn's ``random_state``, so 42 is the articles' seed.
    dtype : float32 or float64
        Of the rows.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Shapes (120, 4), (120,), (30, 4), (30,) at the default `test_size`.

    Raises
    ------
    ValueError
        If `test_size` leaves a species without a row on either side.

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
    return _split(x, y, test_size=test_size, rng=rng, dtype=dtype)


def digits(*, test_size: float = 0.2, rng: Rng = 42, dtype: DTypeLike = np.float32) -> Split:
    """1,797 handwritten digits of 8 by 8 pixels, each pixel a count of ink from 0 to 16, over 16.

    Parameters
    ----------
    test_size, rng, dtype
        As for `iris`.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Shapes (1437, 64), (1437,), (360, 64), (360,) at the default `test_size`; pixels in [0, 1].

    Raises
    ------
    ValueError
        If `test_size` leaves a digit without a row on either side.

    References
    ----------
    Alpaydin & Kaynak, "Cascading classifiers", Kybernetika, 1998.

    Examples
    --------
    >>> (x_train, y_train), (x_test, y_test) = digits()
    >>> x_train.shape, x_test.shape, float(x_train.min()), float(x_train.max())
    ((1437, 64), (360, 64), 0.0, 1.0)
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return _split(x / 16, y, test_size=test_size, rng=rng, dtype=dtype)


def standardize(x_train: ArrayLike, *others: ArrayLike) -> tuple[Rows, ...]:
    """Shift and scale each feature to mean 0 and deviation 1 over the training rows.

    ``z = (x - mean) / std``, with both numbers taken from `x_train` alone, so that nothing of the
    test rows leaks into the training. A feature that is constant in `x_train` is only shifted.

    Parameters
    ----------
    x_train, *others : array_like, (n, features)
        Never written to. float32 stays float32, integers become float64.

    Returns
    -------
    tuple of arrays
        As many as were given, in the same order.

    Raises
    ------
    TypeError, ValueError
        If an array is not numeric, is empty, or has another shape than (n, features).
    FloatingPointError
        If an array holds NaN or infinity.

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

    arrays = [np.asarray(x) for x in (x_train, *others)]
    for i, x in enumerate(arrays):
        what = f"standardize: array {i}"
        if x.dtype.kind not in "fiub":
            raise TypeError(f"{what}: expected numbers, got dtype {x.dtype}; convert it first")
        if x.ndim != 2 or len(x) == 0 or x.shape[1] != arrays[0].shape[-1]:
            raise ValueError(
                f"{what}: expected shape (n, features), n > 0 and the same features everywhere, "
                f"got {x.shape}; the first array is {arrays[0].shape}"
            )
        # StandardScaler passes NaN over as a missing value.
        if not np.isfinite(x).all():
            row, column = np.argwhere(~np.isfinite(x))[0]
            raise FloatingPointError(
                f"{what}: {x[row, column]} at row {row}, column {column}; remove or fill it in"
            )
    scaler = StandardScaler().fit(arrays[0])
    return tuple(np.ascontiguousarray(scaler.transform(x)) for x in arrays)


def mnist(data_home: Home = None, *, download: bool = True, dtype: DTypeLike = np.float32) -> Split:
    """70,000 handwritten digits of 28 by 28 pixels; each pixel, a byte, over 255.

    The four files are looked for in ``data_home/mnist`` if `data_home` is given, and nowhere else;
    otherwise in ``$MINNET_DATA/mnist``, then in the user's cache, and then they are downloaded
    into that cache. They may be packed (``.gz``) or not.

    Parameters
    ----------
    data_home : path, optional
        The folder that holds the folder ``mnist``.
    download : bool
        Whether the network may be used.
    dtype : float32 or float64
        Of the rows.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Shapes (60000, 784), (60000,), (10000, 784), (10000,); pixels in [0, 1].

    Raises
    ------
    FileNotFoundError
        If a file is nowhere and cannot be downloaded; tells what to put where.
    ValueError
        If a file is there but is not the published one. It is left as it is.

    References
    ----------
    LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document recognition",
    Proceedings of the IEEE, 1998.

    Examples
    --------
    >>> (x_train, y_train), (x_test, y_test) = mnist()  # doctest: +SKIP
    """
    return _images("mnist", data_home, download=download, dtype=dtype)


def fashion_mnist(
    data_home: Home = None, *, download: bool = True, dtype: DTypeLike = np.float32
) -> Split:
    """70,000 pictures of ten kinds of clothes, made to take the place of MNIST.

    Shapes, scaling, arguments, errors and the search for files are those of `mnist`, with the
    folder ``fashion_mnist``.

    References
    ----------
    Xiao, Rasul & Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms", arXiv:1708.07747, 2017.

    Examples
    --------
    >>> (x_train, y_train), (x_test, y_test) = fashion_mnist()  # doctest: +SKIP
    """
    return _images("fashion_mnist", data_home, download=download, dtype=dtype)


def fetch(name: str, data_home: Home = None) -> Path:
    """Make sure that the files of "mnist" or "fashion_mnist" are on this machine, and sound.

    Files that are already there are only checked. Missing ones are downloaded into
    ``data_home/name``, or into the user's cache; each appears there only once it is whole.

    Returns
    -------
    Path
        The folder that holds the four files.

    Raises
    ------
    FileNotFoundError, ValueError
        As `mnist`; ValueError also for an unknown `name`.
    """
    if name not in idx.CHECKSUMS:
        raise ValueError(f"fetch: expected one of {', '.join(idx.CHECKSUMS)}, got {name!r}")
    folder = idx.locate(name, data_home, download=True)
    idx.read(folder, name)
    return folder


def _split(x: Rows, y: Labels, *, test_size: float, rng: Rng, dtype: DTypeLike) -> Split:
    from sklearn.model_selection import train_test_split

    # scikit-learn knows no Generator, and None would draw from NumPy's global state.
    seed: Any = rng
    if not isinstance(rng, int | np.integer):
        seed = np.random.default_rng(rng).integers(2**32)
    x_train, x_test, y_train, y_test = train_test_split(
        x.astype(as_float_dtype(dtype)),
        y.astype(np.int64),
        test_size=test_size,
        stratify=y,
        random_state=int(seed),
    )
    return (x_train, y_train), (x_test, y_test)


def _images(name: str, data_home: Home, *, download: bool, dtype: DTypeLike) -> Split:
    dtype = as_float_dtype(dtype)
    folder = idx.locate(name, data_home, download=download and data_home is None)
    x_train, y_train, x_test, y_test = idx.read(folder, name)

    def rows(images: NDArray[np.uint8]) -> Rows:
        return np.divide(images.reshape(len(images), -1), 255, dtype=dtype)

    return (rows(x_train), y_train.astype(np.int64)), (rows(x_test), y_test.astype(np.int64))
