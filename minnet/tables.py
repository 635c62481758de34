"""Tables in CSV files, as arrays for training."""

import csv
import re
import warnings
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Collection
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from minnet.files import AnyPath, as_path, open_file
from minnet.layer import Rng
from minnet.validation import as_float_dtype, as_rng, fraction, is_whole, one_of, shown

Rows: TypeAlias = NDArray[np.floating[Any]]
Labels: TypeAlias = NDArray[np.int64]
Name: TypeAlias = str | int | np.integer[Any]
Names: TypeAlias = Name | Collection[Name]
LINE_OPTIONS = {"encoding", "compression", "skiprows", "comment"}  # determine the first line
NAME = (str, int, np.integer)
LARGEST = float(np.finfo(np.float32).max)


class Table(NamedTuple):
    """Result of `from_csv`: (x, y) of the training and of the test rows, transformer, classes.

    x has shape (n, features). y holds labels (n,) of a classification, whose ``classes`` are the
    values of the target by label, or targets (n, 1) of a regression, whose ``classes`` are None.
    ``transformer.transform(frame)`` returns x of new rows, with the columns of the frame in any
    order; read them by `read_csv`, or by ``pandas.read_csv`` with the options that it needs.
    ``transformer.get_feature_names_out()`` names the features.
    """

    train: tuple[Rows, Any]
    test: tuple[Rows, Any]
    transformer: Any
    classes: NDArray[Any] | None


def from_csv(
    path: AnyPath,
    target: Name,
    *,
    task: Literal["classification", "regression"] | None = None,
    drop: Names = (),
    categorical: Names = (),
    test_size: float = 0.2,
    rng: Rng = 42,
    dtype: DTypeLike = np.float32,
    **options: Any,
) -> Table:
    r"""Read a CSV file, split its rows, and convert its columns to features.

    Columns of numbers are standardized to mean 0 and standard deviation 1; a missing number is
    replaced by the mean. Columns of text have one feature for each category, which is 1 in the rows
    of that category and 0 elsewhere; a missing text is a category. Means, standard deviations and
    categories are those of the training rows. In a row with another category, all are 0.

    Parameters
    ----------
    path : str or path
        The file, as `read_csv` reads it.
    target : str or int
        Column of the target; 0, 1, 2, ... in a file that is read with ``header=None``.
    task : {"classification", "regression"}, optional
        By default "classification" for a target of text, and "regression" for one of numbers.
    drop, categorical : column name, or collection of column names
        Columns to leave out, such as identifiers, and columns of numbers to treat as text.
    test_size, rng, dtype
        As in `minnet.datasets.iris`; each class has the same share of test rows.
    **options
        Options of `read_csv`.

    Raises
    ------
    ImportError
        If pandas is not installed.
    OSError, TypeError, ValueError
        If the file cannot be read, an argument is of a wrong kind, a column is unknown, mixes
        numbers and text or has too many categories, or a row has no target.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "table.csv")
    ...     _ = path.write_text("size,colour,kind\n1,red,a\n3,blue,b\n2,red,a\n4,blue,b\n")
    ...     table = from_csv(path, "kind", test_size=0.5)
    >>> table.transformer.get_feature_names_out()
    array(['size', 'colour_blue', 'colour_red'], dtype=object)
    """
    from minnet.columns import to_features

    if not isinstance(target, NAME):
        raise TypeError(f"from_csv: expected target as the name of a column, got {shown(target)}")
    if task is not None:
        one_of(task, ("classification", "regression"), "from_csv", "task")
    dtype, frame = as_float_dtype(dtype), read_csv(path, **options)
    categorical = _names(categorical, "categorical")
    columns, unused = [*frame.columns], [str(target), *_names(drop, "drop")]
    unknown = [name for name in (*unused, *categorical) if name not in columns]
    problem = f"at least 2 rows, got {len(frame)} rows" if len(frame) < 2 else ""
    if set(columns) == set(unused):
        problem = f"a column besides the target, got {columns}"
    if unknown:
        problem = f"names among the columns {columns}, got unknown names {unknown}"
    if problem:
        raise ValueError(
            f"from_csv: expected {problem}; check sep, and for a file without header use "
            "header=None and the names 0, 1, 2, ..."
        )
    y, classes = _targets(frame[str(target)], task, dtype)
    frame = frame.drop(columns=unused)
    text = [name for name in frame if name in categorical or not _is_number(frame[name])]
    for name in (name for name in text if name not in categorical):
        _check_text(frame[name])
        if (count := frame[name].nunique()) > max(20, frame[name].count() / 2):
            raise ValueError(
                f"from_csv: column {name!r}: expected categories, got {count} different texts in "
                f"{frame[name].count()} rows; leave it out with drop=[{name!r}], or keep it with "
                f"categorical=[{name!r}]"
            )
    numbers = [name for name in frame if name not in text]
    for name in numbers:
        _check_numbers(frame[name])
    transformer = to_features(numbers, text)
    train, test, y_train, y_test = split(frame, y, test_size, rng, stratify=classes is not None)
    x_train = np.ascontiguousarray(transformer.fit_transform(train), dtype)
    x_test = np.ascontiguousarray(transformer.transform(test), dtype)
    return Table((x_train, y_train), (x_test, y_test), transformer, classes)


def read_csv(path: AnyPath, **options: Any) -> Any:
    """Return the rows of a CSV file as a DataFrame, whose columns are named by strings.

    The separator is a tab or semicolon if the first line has one outside of quotes, else a comma.
    Spaces after a separator are skipped, and "?" is a missing value.

    Parameters
    ----------
    path : str or path
        The file: UTF-8, with a header row.
    **options
        Options of ``pandas.read_csv``: ``header=None``, ``encoding``, ``sep``, ``decimal``, ...,
        but not ``chunksize`` and ``iterator``.
        With ``header=None`` the columns are named "0", "1", ...

    Raises
    ------
    ImportError, OSError, ValueError
        If pandas is not installed, or the file cannot be read.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "read_csv needs pandas; install it with `pip install pandas`, or read the file with "
            "numpy.loadtxt and use minnet.datasets.standardize"
        ) from error
    settings: dict[str, Any] = {
        "skipinitialspace": True, "index_col": False, "na_values": ["?"], "low_memory": False,
    } | options  # fmt: skip
    if parts := {"chunksize", "iterator"} & options.keys():
        raise ValueError(f"read_csv: expected options that give one table, got {parts}; omit them")
    path = as_path(path, "read_csv")
    with open_file(path, "read_csv") as file:  # raises for a pipe, a device or a folder
        encoding = "utf-16" if file.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE) else "cp1252"
    line = {name: options[name] for name in LINE_OPTIONS & options.keys()}
    line |= {"header": None, "nrows": 1, "quoting": csv.QUOTE_NONE, "keep_default_na": False}
    try:
        first = pandas.read_csv(path, sep="\x1f", dtype=str, **line).iat[0, 0]
        unquoted = re.sub('"[^"]*"', "", first)
        guess = next((sep for sep in "\t;" if sep in unquoted), ",")
        sep = settings["sep"] = settings.pop("delimiter", None) or options.get("sep", guess)
        if sep and len(sep) == 1 and not {"header", "names"} & options.keys():
            header = next(csv.reader([first], delimiter=sep, skipinitialspace=True))
            if repeated := {name for name in header if name and header.count(name) > 1}:
                raise ValueError(f"expected unique names of columns, got {repeated} more than once")
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)  # a row that is too long
            frame = pandas.read_csv(path, **settings)
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # pandas raises errors of many kinds for a damaged file
        raise ValueError(
            f"read_csv: cannot read the path {path}: {error}; correct it, or pass the options of "
            f"pandas.read_csv that it needs, such as encoding={encoding!r} or sep='|'"
        ) from error
    return frame.set_axis([str(name) for name in frame], axis=1)


def split(x: Any, y: Any, test_size: float, rng: Rng, *, stratify: bool = True) -> list[Any]:
    """Return x_train, x_test, y_train, y_test."""
    from sklearn.model_selection import train_test_split

    try:
        # scikit-learn accepts no Generator, and None would use NumPy's global state.
        seed: Any = rng
        if not (is_whole(rng) and 0 <= rng < 2**32):
            seed = as_rng(rng, "rng").integers(2**32)
        options: dict[str, Any] = {
            "test_size": fraction(test_size, "split", "test_size"),
            "stratify": y if stratify else None,
        }
        parts: list[Any] = train_test_split(x, y, random_state=int(seed), **options)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(
            "expected a seed rng >= 0, and test_size as a share that leaves rows of each class on "
            f"both sides, got rng={shown(rng)} and test_size={shown(test_size)} for {len(y)} rows "
            f"({error})"
        ) from error
    return parts


def _names(given: Names, argument: str) -> list[str]:
    names = [given] if isinstance(given, NAME) else given
    collected = isinstance(names, Collection) and getattr(names, "ndim", 1) == 1
    if not collected or not all(isinstance(name, NAME) for name in names):
        raise TypeError(f"from_csv: expected {argument} as names of columns, got {shown(given)}")
    return [str(name) for name in names]


def _is_number(column: Any) -> bool:
    return str(column.dtype.kind) in "iuf"


def _check_numbers(column: Any) -> None:
    """Raise ValueError for infinity, and for numbers whose squares overflow."""
    wrong = column[column.abs() > LARGEST]
    if len(wrong):
        raise ValueError(
            f"from_csv: column {column.name!r}: expected finite numbers up to {LARGEST:.1e}, got "
            f"{wrong.iloc[0]}; correct it, or use na_values=['{wrong.iloc[0]}'] for a missing value"
        )


def _targets(column: Any, task: str | None, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return labels and classes of a classification, or targets and None of a regression."""
    missing = np.flatnonzero(column.isna())
    if len(missing):
        raise ValueError(
            f"from_csv: expected a target in each row, got none in {len(missing)} rows, first in "
            f"row {missing[0]} of the data; remove these rows, or use keep_default_na=False if "
            "'NA' or 'None' is a class"
        )
    if _is_number(column) and task in (None, "regression"):
        _check_numbers(column)
        return column.to_numpy(dtype)[:, None], None
    if task not in (None, "classification"):
        raise ValueError(
            f"from_csv: expected a target of numbers with task='regression', got {column.dtype}; "
            "use task='classification'"
        )
    if task is None:
        _check_text(column)
    classes, labels = np.unique(column.to_numpy(), return_inverse=True)
    if len(rare := classes[np.bincount(labels) < 2]):
        raise ValueError(
            f"from_csv: expected at least 2 rows of each class, got one of {rare.tolist()}; remove "
            "these rows, or use task='regression' if the target is a number"
        )
    return labels.astype(np.int64), classes


def _check_text(column: Any) -> None:
    """Raise ValueError if a column of text is mostly numbers, with texts or commas among them."""
    values = column.dropna().astype(str).str.strip()
    pattern = r"[-+]?([\d,]*\d\.?\d*|\.\d+|[\d.]*,\d+)(e[-+]?\d+)?"
    numbers = values.str.fullmatch(pattern, case=False)
    odd = values[values.str.contains(",") if numbers.all() else ~numbers]
    if len(odd) and numbers.mean() >= 0.9:
        raise ValueError(
            f"from_csv: column {column.name!r}: expected only numbers or only text, got "
            f"{odd.iloc[0]!r} among numbers; correct it, or use na_values=[{odd.iloc[0]!r}] for a "
            "missing value, decimal=',' for 2,5, thousands=',' for 1,000, header=None for a file "
            "without header"
        )
