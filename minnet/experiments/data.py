"""Data sets of the experiments, scaled as a setup requires."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from minnet import datasets
from minnet.validation import Array

SCALINGS = {"unit": (0.0, 1.0), "centred": (0.5, 2.0), "bytes": (0.0, 255.0)}  # (x - shift) * scale
IMAGES = ("mnist", "fashion_mnist", "digits")
DATA = (*IMAGES, "iris", "iris_article")
ARTICLE_SPLIT = 42


@dataclass(frozen=True)
class Data:
    """Training and test rows, (n, features), with their labels, (n,)."""

    x: Array
    labels: Array
    x_test: Array
    labels_test: Array

    @property
    def classes(self) -> int:
        """Number of classes in all rows, training and test."""
        return int(max(self.labels.max(), self.labels_test.max())) + 1


@lru_cache(maxsize=2)
def load(name: str, scaling: str = "unit", rows: int | None = None) -> Data:
    """Return a data set with its first ``rows`` training rows; the arrays are read-only.

    Raises
    ------
    FileNotFoundError
        If the files of MNIST are missing and cannot be downloaded.
    """
    if name == "iris_article":
        (x, labels), (x_test, labels_test) = _article_iris()
    else:
        (x, labels), (x_test, labels_test) = getattr(datasets, name)()
        if name == "iris":
            x, x_test = datasets.standardize(x, x_test)
    shift, scale = SCALINGS[scaling] if name in IMAGES else (0.0, 1.0)
    x, x_test = ((part - np.float32(shift)) * np.float32(scale) for part in (x, x_test))
    for array in (x, x_test, labels, labels_test):
        array.flags.writeable = False
    return Data(x[:rows], labels[:rows], x_test, labels_test)


def _article_iris() -> datasets.Split:
    """Return Iris as the article prepares it: standardized, then split without stratification."""
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    x, y = load_iris(return_X_y=True)
    (x,) = datasets.standardize(x)
    x_train, x_test, y_train, y_test = train_test_split(
        x.astype(np.float32), y, test_size=0.2, random_state=ARTICLE_SPLIT
    )
    return (x_train, y_train), (x_test, y_test)
