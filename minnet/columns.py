"""Transformer of the columns of a table to features; importing it imports scikit-learn."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from minnet.validation import Array


class Columns(ColumnTransformer):  # type: ignore[misc]
    """ColumnTransformer that finds columns by their names as str.

    With ``header=None``, ``pandas.read_csv`` names the columns by the numbers 0, 1, 2, ...
    """

    def transform(self, X: Any, **params: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Return the features of the rows of a DataFrame."""
        if not hasattr(X, "set_axis"):
            raise TypeError(
                f"transform: expected a DataFrame as from minnet.datasets.read_csv, got "
                f"{type(X).__name__}; use pandas.DataFrame(x, columns=names) with the names "
                f"{self.feature_names_in_.tolist()}"
            )
        try:
            return super().transform(X.set_axis([str(name) for name in X], axis=1), **params)
        except ValueError as error:
            raise ValueError(
                "transform: expected the columns of the table that was fitted, with finite numbers "
                f"where it has numbers, got other ones: {error}; correct these columns"
            ) from error


def to_features(numbers: Sequence[str], texts: Sequence[str]) -> Columns:
    """Return a transformer that standardizes columns of numbers and encodes columns of text."""
    scaled = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    as_text = FunctionTransformer(_as_text, feature_names_out="one-to-one")
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return Columns(
        [("numbers", scaled, numbers), ("texts", make_pipeline(as_text, one_hot), texts)],
        verbose_feature_names_out="{feature_name}",
    )


def _as_text(frame: Any) -> Array:
    """Return texts as str and missing ones as NaN."""
    texts = np.frompyfunc(_text, 1, 1)(frame.to_numpy(object))
    return np.where(frame.isna(), np.nan, texts)


def _text(value: Any) -> str:
    """Return a text without spaces around it; "007", "7.0" and "true" become "7" and "True".

    If all texts of new rows are of this kind, pandas reads numbers or booleans.
    """
    text = str(value).strip()
    if re.fullmatch(r"[-+]?\d+(\.\d*)?", text):
        whole, _, rest = text.partition(".")
        return re.sub(r"^\+?(-?)0*(?=\d)", r"\1", whole) + f".{rest}".rstrip("0").rstrip(".")
    return text.capitalize() if text.lower() in ("true", "false") else text
