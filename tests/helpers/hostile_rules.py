"""Rules for calls with hostile arguments: what a refusal and a result must be like."""

from __future__ import annotations

import inspect
import linecache
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from helpers.hostile_examples import EXPECTED
from helpers.hostile_targets import Target
from helpers.hostile_values import Hostile, scalars

import minnet
from minnet import Layer, Optimizer, Sequential

PACKAGE = str(Path(minnet.__file__).parent) + os.sep
KERNELS = PACKAGE + "kernels" + os.sep
REFUSALS = (
    TypeError, ValueError, FloatingPointError, RuntimeError, KeyError, OSError,
    minnet.checks.GradientError, AttributeError,
)  # fmt: skip
ROWS = {  # arrays of numbers, which None, texts, dates, masks and objects cannot replace
    "x", "dy", "output", "target", "theta", "grad", "running_mean", "running_var", "value",
    "x_train", "others", "array", "X", "y",
}  # fmt: skip


class Hang(BaseException):
    """Raised in a call that takes too long."""


@dataclass
class Outcome:
    """Result or error of a call, and what has changed."""

    value: Any
    error: BaseException | None
    warned: list[warnings.WarningMessage]
    changed: list[str]
    moved: bool
    digest: Any
    result: Any


def problems(
    target: Target, parameter: inspect.Parameter, hostile: Hostile, outcome: Outcome
) -> Iterator[str]:
    error = outcome.error
    if isinstance(error, Hang):
        yield "hang"
        return
    for name in outcome.changed:
        yield f"argument changed: {name}"
    for warning in outcome.warned:
        if not _is_own(warning, target, parameter):
            yield f"foreign warning: {warning.category.__name__}: {str(warning.message)[:120]}"
    if error is None:
        if hostile.label == "1e308" and "lr" in (parameter.name, target.name[-4:-2]):
            return  # theta overflows, which the next forward pass reports
        if _must_refuse(target, parameter, hostile):
            yield "bad value accepted"
        elif parameter.name == "dy" and re.search(r"1e3(08|8)\)", hostile.label):
            return  # the gradients overflow, and the optimizer refuses them
        elif _is_finite(outcome.value) and not (
            _is_finite(outcome.result, target) and _is_finite(_arrays(outcome.result))
        ):
            yield "result is not finite"
        return
    if outcome.moved:
        yield f"changed by a refused call: {type(error).__name__}"
    if target.name == "numerical_gradient" and "call" in hostile.traits:
        return  # an error of the caller's function
    foreign = _foreign(target, parameter, error)
    if foreign:
        yield foreign


def _is_own(warning: warnings.WarningMessage, target: Target, parameter: inspect.Parameter) -> bool:
    """Return whether a warning names the argument or function, or is one that users need."""
    text = str(warning.message)
    if not issubclass(warning.category, UserWarning | RuntimeWarning):
        return False
    if target.name == "numerical_gradient":  # of the caller's function
        return True
    if "missing from font" in text or "Animation was deleted" in text:  # advice of Matplotlib
        return True
    named = (parameter.name, "minnet", *target.name.removesuffix(" =").split("."))
    return text.startswith("fit:") or any(word in text for word in named)


def _arrays(result: Any) -> Any:
    """Return the numbers of a layer, or those that an optimizer changes."""
    if isinstance(result, Layer):
        return [p.value for p in result.params.values()] + list(result.state.values())
    if isinstance(result, Optimizer):
        return result.net.theta
    return None


def _foreign(target: Target, parameter: inspect.Parameter, error: BaseException) -> str:
    """Return what is wrong with an error, or an empty string."""
    text = str(error).replace("\n", " ")
    shown = f"{type(error).__name__}: {text[:160]}"
    frame = _last_frame(error.__traceback__)
    if target.name.startswith(("sklearn.", "plot.learning_curves")) and "sklearn" in frame[0]:
        return ""
    if isinstance(error, AssertionError) and target.name in EXPECTED:
        return ""  # the result of the example, with a value that is not hostile here
    if not isinstance(error, REFUSALS) or isinstance(error, UnicodeError):
        return f"wrong exception type: {shown}"
    line = linecache.getline(*frame).strip()
    if not frame[0].startswith(PACKAGE) or frame[0].startswith(KERNELS + "jit"):
        return f"raw message: {shown} ({Path(frame[0]).name}:{frame[1]})"
    if not line.startswith(("raise", "_raise")):
        return f"raw message: {shown} ({Path(frame[0]).name}:{frame[1]})"
    if isinstance(error, AttributeError) and not target.name.endswith(" ="):
        return f"wrong exception type: {shown}"
    parts = target.name.removesuffix(" =").split(".")
    words = {parameter.name.lower(), *(part.lower() for part in parts)}
    named = any(re.search(rf"\b{re.escape(word)}\b", text.lower()) for word in words)
    named = named or "a layer cannot be called" in text
    if not named and not re.search(r"\w+\d\b.*\(|expected .* got ", text):
        return f"vague message: {shown}"
    return ""


def _last_frame(traceback: TracebackType | None) -> tuple[str, int]:
    assert traceback is not None
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename, traceback.tb_lineno


def _must_refuse(target: Target, parameter: inspect.Parameter, hostile: Hostile) -> bool:
    """Return whether no reading of the parameter allows this value."""
    traits, annotation = hostile.traits, _annotation(parameter)
    if target.name.startswith("sklearn.") and parameter.name in ("X", "y"):
        if re.search(r"sp\.|astype\(object\)", hostile.label):
            return False  # scikit-learn requires that sparse rows and numbers as objects are used
        labels = parameter.name == "y" and "Classifier" in target.name
        if labels and re.search(r"[mM]8|astype\(str\)", hostile.label):
            return False  # labels can be of any type with an order
    if "wrong" in traits:
        return True
    if "CrossEntropy" in target.name and "-inf" in hostile.label and parameter.name == "output":
        return False  # accepted where the target is 0
    if target.name.startswith("sklearn.") and "." not in target.name.removeprefix("sklearn."):
        return False  # scikit-learn's own validation decides
    optional = parameter.default is None or "None" in annotation
    if "none" in traits:
        return not optional and (parameter.name in ROWS or annotation in ("float", "int", "bool"))
    kind = annotation.replace("None", "").replace("|", "").strip()
    if kind == "bool":
        return "flag" not in traits
    if kind == "int":
        return "whole" not in traits and not (parameter.name == "verbose" and "flag" in traits)
    if kind == "float":
        return not traits & {"real", "array0", "number"}
    if parameter.name == "rng":
        return not traits & {"whole", "none"}
    alone = isinstance(owner_of(target), type) and issubclass(owner_of(target), Layer)
    if "nonfinite" in traits and alone and owner_of(target) is not Sequential:
        return parameter.name in ("value", "theta", "grad")  # NaN in gives NaN out
    if parameter.name in ROWS and not traits & {"finite", "real", "array0"}:
        converted = "flag" in traits or hostile.label == "(1, 2, 3)"
        alone = hostile.label in ("np.array([0.5])", "[]")
        converted |= alone and target.name in ("numerical_gradient", "Param", "recording.describe")
        return (hostile in scalars() and not converted) or "nonfinite" in traits
    return False


def owner_of(target: Target) -> Any:
    """Return the class of a method or setting of `minnet`, or None."""
    return getattr(minnet, target.name.partition(".")[0], None)


def _annotation(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    if isinstance(annotation, type):
        return annotation.__name__
    return str(annotation).replace("typing.", "").strip("'")


def _is_finite(value: Any, target: Target | None = None) -> bool:
    """Return whether all numbers in value are finite; other objects count as finite."""
    if target is not None and target.name.startswith(("recording.", "plot.", "HistogramProbe")):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "fc" or bool(np.isfinite(value).all())
    if isinstance(value, float | np.floating):
        return bool(np.isfinite(value))
    if isinstance(value, dict):
        return all(_is_finite(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_is_finite(item) for item in value)
    return True
