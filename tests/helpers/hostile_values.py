"""Hostile values: arguments that a careless or unlucky caller may pass.

A value has a label, which is a Python expression for the report, and traits, from which the oracle
decides whether a parameter may accept it. Some values have a twin: a plain value that must give the
same result, such as 1 for np.uint8(1), or the C-contiguous copy of a reversed view.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from minnet import SGD, Dense, Sequential

NOTHING = object()


@dataclass(frozen=True)
class Hostile:
    """A value, the expression that makes it, its traits, and the plain value that it equals."""

    label: str
    make: Callable[[], Any]
    traits: frozenset[str] = frozenset()
    twin: Callable[[], Any] | None = None


def _value(label: str, value: Any, traits: str = "", twin: Any = NOTHING) -> Hostile:
    twin_of = None if twin is NOTHING else (lambda: twin)
    return Hostile(label, lambda: value, frozenset(traits.split()), twin_of)


@cache
def scalars() -> tuple[Hostile, ...]:
    """Return hostile values for parameters of every kind.

    Traits: ``real`` is a finite number, ``whole`` an integer, ``flag`` a boolean, ``text`` a str,
    ``none`` None, ``huge`` a number beyond float64 or int64, ``call`` a callable.
    """
    one = "real whole"
    return (
        _value("None", None, "none"),
        _value("float('nan')", float("nan"), "nonfinite"),
        _value("float('inf')", float("inf"), "nonfinite"),
        _value("-float('inf')", -float("inf"), "nonfinite"),
        _value("np.float32('nan')", np.float32("nan"), "nonfinite"),
        _value("10**400", 10**400, "whole huge"),
        _value("-10**400", -(10**400), "whole huge"),
        _value("2**63", 2**63, "real whole huge"),
        _value("-2**63", -(2**63), "real whole"),
        _value("-1", -1, one),
        _value("0", 0, one),
        _value("1", 1, one),
        _value("1.5", 1.5, "real"),
        _value("-0.0", -0.0, "real"),
        _value("1e-320", 1e-320, "real"),
        _value("1e-40", 1e-40, "real"),
        _value("1e39", 1e39, "real"),
        _value("1e308", 1e308, "real"),
        _value("True", True, "flag"),
        _value("np.True_", np.True_, "flag"),
        _value("'no'", "no", "text"),
        _value("'False'", "False", "text"),
        _value("''", "", "text"),
        _value("'1'", "1", "text"),
        _value("'\\0'", "\0", "text"),
        _value("'\\udcff'", "\udcff", "text"),
        _value("'$\\\\frac$'", "$\\frac$", "text"),
        _value("b'x'", b"x"),
        _value("np.uint8(1)", np.uint8(1), one, 1),
        _value("np.int8(1)", np.int8(1), one, 1),
        _value("np.uint8(200)", np.uint8(200), one, 200),
        _value("np.int8(100)", np.int8(100), one, 100),
        _value("np.uint64(2**64 - 1)", np.uint64(2**64 - 1), "real whole huge"),
        _value("np.float16(0.5)", np.float16(0.5), "real", 0.5),
        _value("np.float32(0.5)", np.float32(0.5), "real", 0.5),
        _value("np.longdouble(0.5)", np.longdouble(0.5), "real", 0.5),
        _value("np.longdouble('1e4000')", np.longdouble("1e4000"), "huge"),
        _value("1j", 1j),
        _value("np.array(0.5)", np.array(0.5), "array0"),
        _value("np.array([0.5])", np.array([0.5])),
        _value("np.datetime64('2020-01-01')", np.datetime64("2020-01-01")),
        _value("np.timedelta64(1, 's')", np.timedelta64(1, "s")),
        _value("np.str_('no')", np.str_("no"), "text"),
        _value("Fraction(1, 2)", Fraction(1, 2), "number"),
        _value("Decimal('0.5')", decimal.Decimal("0.5"), "number"),
        _value("datetime.date(2020, 1, 1)", datetime.date(2020, 1, 1)),
        _value("object()", object()),
        _value("[]", []),
        _value("[1, [2]]", [1, [2]]),
        _value("(1, 2, 3)", (1, 2, 3)),
        _value("(pd.NA, 1)", (pd.NA, 1)),
        _value("(nan, 1.0)", (float("nan"), 1.0)),
        _value("('a', 'b')", ("a", "b")),
        _value("{}", {}),
        _value("{'a': 1}", {"a": 1}),
        _value("{1, 2}", {1, 2}),
        Hostile("(i for i in [1])", lambda: (i for i in [1])),
        _value("lambda *args, **kwargs: None", _returns_none, "call"),
        _value("Sequential", Sequential, "call"),
        _value("SGD", SGD, "call"),
        _value("int", int, "call"),
        Hostile("Dense(3, 2)", lambda: Dense(3, 2).build(rng=0)),
        _value("np.random", np.random),
        _value("...", ...),
        _value("np.ma.masked", np.ma.masked),
        _value("pd.NA", pd.NA),
        _value("slice(None)", slice(None)),
        _value("Number.ONE", Number.ONE, one, 1),
        _value("np.complex64(1)", np.complex64(1)),
        _value("np.bytes_(b'x')", np.bytes_(b"x")),
        _value("np.ma.masked_array(0.5, True)", np.ma.masked_array(0.5, True)),
        _value("{'a': 1}.keys()", {"a": 1}.keys()),
        _value("Unfriendly()", Unfriendly()),
    )


class Number(enum.IntEnum):
    """An enumeration whose members are integers."""

    ONE = 1


class Unfriendly:
    """An object whose methods raise."""

    def _raise(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("unfriendly")

    __repr__ = __len__ = __iter__ = __bool__ = __float__ = __array__ = _raise


class Tensor:
    """An array of another library, which NumPy can convert."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array.astype(dtype or self.array.dtype)


class Subclass(np.ndarray):
    """An array of a class derived from ndarray."""


def _returns_none(*args: Any, **kwargs: Any) -> None:
    return None


def _unaligned(x: np.ndarray) -> np.ndarray:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def _strided(x: np.ndarray) -> np.ndarray:
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]


def _read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


def _with(x: np.ndarray, value: Any, dtype: Any = None) -> np.ndarray:
    changed = np.array(x, dtype or x.dtype)
    changed.reshape(-1)[-1:] = value
    return changed


def _table(x: np.ndarray) -> Any:
    return pd.DataFrame(x) if x.ndim == 2 else pd.Series(x)


def _with_text(x: np.ndarray) -> Any:
    return pd.DataFrame(x).assign(name="a")


def arrays(x: np.ndarray, start: str = "x") -> list[Hostile]:
    """Return variants of a valid array x: layouts with a twin, other dtypes, values and shapes.

    Traits: ``wrong`` must be refused, ``nonfinite`` must be refused, ``finite`` is an array of
    finite numbers of the right shape.
    """

    def variant(label: str, make: Callable[[np.ndarray], Any], traits: str = "") -> Hostile:
        return Hostile(label.replace("x", start, 1), lambda: make(x), frozenset(traits.split()))

    def layout(label: str, make: Callable[[np.ndarray], Any], plain: Any = None) -> Hostile:
        twin = (lambda: plain(x)) if plain else x.copy
        return Hostile(label.replace("x", start, 1), lambda: make(x), frozenset({"finite"}), twin)

    swapped = x.dtype.newbyteorder()
    real = x.dtype.kind == "f"
    found = [
        layout("x.copy(order='F')", lambda x: x.copy(order="F")),
        layout("x[::-1].copy()[::-1]", lambda x: x[::-1].copy()[::-1]),
        layout("read_only(x)", _read_only),
        layout("unaligned(x)", _unaligned),
        layout("strided(x)", _strided),
        layout(f"x.astype({swapped.str!r})", lambda x: x.astype(swapped)),
        layout("x.tolist()", lambda x: x.tolist()),
        layout("pd.DataFrame(x)", _table),
        layout("Tensor(x)", Tensor),
        layout("x.view(Subclass)", lambda x: x.copy().view(Subclass)),
        layout("np.array([x])[0]", lambda x: np.array([x])[0]),
        variant("list of masked rows", lambda x: [np.ma.masked_array(r, True) for r in x], "wrong"),
        variant("x.astype(object)", lambda x: x.astype(object), "wrong"),
        variant("np.zeros(x.shape, 'm8[s]')", lambda x: np.zeros(x.shape, "m8[s]"), "wrong"),
        variant("np.zeros(x.shape, 'V4')", lambda x: np.zeros(x.shape, "V4"), "wrong"),
        variant("np.ma.masked_array(x, mask=True)", lambda x: np.ma.masked_array(x, True), "wrong"),
        variant("x.astype(complex)", lambda x: x.astype(complex), "wrong"),
        variant("x.astype(str)", lambda x: x.astype(str), "wrong"),
        variant("x.astype(bytes)", lambda x: x.astype(bytes), "wrong"),
        variant("np.zeros(x.shape, 'M8[s]')", lambda x: np.zeros(x.shape, "M8[s]"), "wrong"),
        variant("np.full(x.shape, None)", lambda x: np.full(x.shape, None), "wrong"),
        variant("np.full(x.shape, 10**400)", lambda x: np.full(x.shape, 10**400), "wrong"),
        variant("x[None]", lambda x: x[None]),
        variant("x.ravel()[0]", lambda x: x.ravel()[0]),
        variant("x[:0]", lambda x: x[:0]),
        variant("x[..., :0]", lambda x: x[..., :0]),
        variant("x[:-1]", lambda x: x[:-1]),
        variant("np.concatenate([x, x])", lambda x: np.concatenate([x, x])),
        variant("iter(x)", iter, "wrong"),
        variant("dict(enumerate(x))", lambda x: dict(enumerate(x)), "wrong"),
        variant("type(x)", type, "wrong"),
        variant("[x.tolist(), [1]]", lambda x: [x.tolist(), [1]], "wrong"),
        variant("memoryview(x)", lambda x: memoryview(np.ascontiguousarray(x))),
        variant("np.zeros(x.shape, bool)", lambda x: np.zeros(x.shape, bool)),
        variant("np.ones(x.shape, np.uint8)", lambda x: np.ones(x.shape, np.uint8)),
        variant("np.full(x.shape, 2**62)", lambda x: np.full(x.shape, 2**62)),
        variant("np.full(x.shape, 2**64 - 1, np.uint64)", lambda x: np.full(x.shape, 2**64 - 1)),
        variant("np.zeros(x.shape, 'i1,f4')", lambda x: np.zeros(x.shape, "i1,f4"), "wrong"),
    ]
    if x.ndim == 2:
        found += [
            variant("sp.csr_array(x)", sp.csr_array, "wrong"),
            variant("sp.coo_matrix(x)", sp.coo_matrix, "wrong"),
            variant("pd.DataFrame(x).assign(name='a')", _with_text, "wrong"),
            variant("pd.DataFrame(x).astype('category')", lambda x: _table(x).astype("category")),
        ]
    if real:
        found += [
            layout("x.astype(np.float16)", lambda x: x.astype(np.float16), _through(np.float16)),
            layout("x.astype(np.longdouble)", lambda x: x.astype(np.longdouble)),
            variant("x.astype(np.float64)", lambda x: x.astype(np.float64), "finite"),
            variant("with_last(x, nan)", lambda x: _with(x, np.nan), "nonfinite"),
            variant("with_last(x, inf)", lambda x: _with(x, np.inf), "nonfinite"),
            variant("with_last(x, -inf)", lambda x: _with(x, -np.inf), "nonfinite"),
            variant("with_last(x, 1e39)", lambda x: _with(x, 1e39, np.float64), "finite"),
            variant("with_last(x, 1e38)", lambda x: _with(x, 1e38), "finite"),
            variant("with_last(x, 1e308)", lambda x: _with(x, 1e308, np.float64), "finite"),
            variant("with_last(x, 1e-320)", lambda x: _with(x, 1e-320, np.float64), "finite"),
            variant("with_last(x, 1e-40)", lambda x: _with(x, 1e-40), "finite"),
            variant("x * 1e300", lambda x: x.astype(np.float64) * 1e300, "finite"),
            variant("x * 1e19", lambda x: x * x.dtype.type(1e19), "finite"),
            variant("x * 1e-300", lambda x: x.astype(np.float64) * 1e-300, "finite"),
            variant("x * 0", lambda x: x * x.dtype.type(0), "finite"),
            variant("np.full(x.shape, np.longdouble('1e4000'))", _beyond_double),
        ]
    else:
        found += [
            variant("with_last(x, -1)", lambda x: _with(x, -1)),
            variant("with_last(x, 10**9)", lambda x: _with(x, 10**9)),
            variant("x.astype(float)", lambda x: x.astype(float)),
            variant("x.astype(np.uint64)", lambda x: x.astype(np.uint64)),
            variant("x.astype(np.int8)", lambda x: x.astype(np.int8)),
        ]
    return found


def _beyond_double(x: np.ndarray) -> np.ndarray:
    return np.full(x.shape, np.longdouble("1e4000"))


def _through(dtype: Any) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: x.astype(dtype).astype(x.dtype)


def paths(folder: Path) -> list[Hostile]:
    """Return hostile paths: folders, special files, impossible names and files of other formats."""
    fifo, garbage, empty = folder / "fifo", folder / "garbage", folder / "empty"
    if not fifo.exists():
        if hasattr(os, "mkfifo"):
            os.mkfifo(fifo)
        else:
            fifo.mkdir()
        garbage.write_bytes(b"PK\x03\x04" + bytes(range(256)))
        empty.write_bytes(b"")
    return [
        _value("folder", folder),
        _value("str(folder)", str(folder)),
        _value("fifo", fifo),
        _value("fifo / 'x'", fifo / "x"),
        _value("garbage", garbage),
        _value("empty", empty),
        _value("folder / 'missing' / 'x'", folder / "missing" / "x"),
        _value("'~/missing/x'", "~/missing/x"),
        _value("'~nobody-of-this-name/x'", "~nobody-of-this-name/x"),
        _value("'/dev/null'", "/dev/null"),
        _value("'\\0'", "\0"),
        _value("'a' * 5000", "a" * 5000),
        _value("folder / 'a' * 300", folder / ("a" * 300)),
        _value("'\\ud800'", "\ud800"),
        _value("b'name'", os.fsencode(folder / "name")),
        _value("5", 5),
        _value("-1", -1),
        _value("True", True),
        _value("None", None),
        _value("''", ""),
        _value("'.'", "."),
        _value("object()", object()),
        _value("['a']", ["a"]),
        _value("1.5", 1.5),
        _value("Path", Path),
    ]


def snapshot(value: Any) -> Any:
    """Return the bytes of an argument, to find out later whether it has changed."""
    if isinstance(value, Tensor):
        value = value.array
    if isinstance(value, np.ma.MaskedArray):
        return value.shape, str(value)
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, pd.DataFrame | pd.Series):
        return value.to_numpy().tobytes() if value.to_numpy().dtype.kind in "fiu" else str(value)
    if sp.issparse(value):
        return value.data.tobytes() if hasattr(value, "data") else None
    if isinstance(value, list | tuple | dict):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return repr(value)
    return None
