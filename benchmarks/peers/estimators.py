"""The classifiers and regressors of minnet and of scikit-learn, with default settings."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

MODULES = {"minnet": "minnet.sklearn", "scikit-learn": "sklearn.neural_network"}
CLASSIFICATION = ("digits", "breast_cancer", "wine")
DATA = (*CLASSIFICATION, "diabetes", "friedman")


class Split(NamedTuple):
    """Standardized rows and targets for training and test."""

    x: Any
    x_test: Any
    y: Any
    y_test: Any


def split(data: str, seed: int) -> Split:
    """Return three quarters of the rows for training, drawn with this seed, and the rest."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    if data == "friedman":  # eight features, five of which matter, and 4,000 rows
        x, y = datasets.make_friedman1(4000, 8, noise=1.0, random_state=0)
    else:
        x, y = getattr(datasets, f"load_{data}")(return_X_y=True)
    stratify = y if data in CLASSIFICATION else None
    x, x_test, y, y_test = train_test_split(
        x, y, test_size=0.25, random_state=seed, stratify=stratify
    )
    scaler = StandardScaler().fit(x)
    if data not in CLASSIFICATION:
        y, y_test = ((part - y.mean()) / y.std() for part in (y, y_test))
    return Split(scaler.transform(x), scaler.transform(x_test), y, y_test)


def fitted(data: str, library: str, rows: Split, seed: int, **settings: Any) -> Any:
    """Return a trained estimator of a library."""
    kind = "MLPClassifier" if data in CLASSIFICATION else "MLPRegressor"
    estimator = getattr(import_module(MODULES[library]), kind)(random_state=seed, **settings)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)  # that max_iter was reached
        return estimator.fit(rows.x, rows.y)


def training(data: str, library: str, **settings: Any) -> Callable[[], Any]:
    """Return a training on the rows of seed 0."""
    return functools.partial(fitted, data, library, split(data, 0), 0, **settings)
