"""Exercise 5, how variance travels through a network: predicted by theory, and measured.

The weights are given, so that all numbers are exact. The inputs are never negative, as pixels are,
so that their variance is far from the mean of their squares; widths go down, up and down again, so
that fan_in is not fan_out. Without an activation in between there is less that can go wrong, so
that network comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from minnet.exercises.exercise import Case, Exercise, Mistake, Results, returned
from minnet.layer import Layer
from minnet.layers.activations import ReLU
from minnet.layers.dense import Dense
from minnet.layers.sequential import Sequential
from minnet.validation import Array

N, WIDTHS = 40, (30, 24, 36, 20)
CHANGE = "change of the list of weights"
FAN_IN, FAN_OUT = np.array(WIDTHS[:-1]), np.array(WIDTHS[1:])


def inputs(rng: np.random.Generator) -> Case:
    """Draw the inputs and three weights, whose deviations lie around √(2 / fan_in)."""
    deviations = rng.uniform(0.8, 1.2, size=3) * np.sqrt(2 / FAN_IN)
    return Case(
        x=rng.uniform(size=(N, WIDTHS[0])),
        deviations=deviations,
        weight1=rng.normal(0, deviations[0], size=WIDTHS[0:2]),
        weight2=rng.normal(0, deviations[1], size=WIDTHS[1:3]),
        weight3=rng.normal(0, deviations[2], size=WIDTHS[2:4]),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Predict and measure without an activation in between, then with ReLU."""
    changed = False
    for activation in ("linear", "relu"):
        weights = [case.weight1, case.weight2, case.weight3]
        before = list(map(id, weights))
        values = answer(case.x, weights, case.deviations, activation)
        yield from returned(values, f"predicted with {activation}", f"measured with {activation}")
        changed |= list(map(id, weights)) != before
    yield CHANGE, float(changed)


def specification(case: Case) -> Results:
    """The formula, and the buffers of one of minnet's networks."""
    growth = np.cumprod(FAN_IN * case.deviations**2)
    predicted = np.square(case.x).mean() * growth
    return {
        "predicted with linear": predicted,
        "measured with linear": np.array([z.var() for z in _outputs(case, "linear", Dense)]),
        "predicted with relu": predicted / 2 ** np.arange(3),
        "measured with relu": np.array([z.var() for z in _outputs(case, "relu", Dense)]),
        CHANGE: 0.0,
    }


def _outputs(case: Case, activation: str, kind: type[Layer]) -> list[Array]:
    """What the layers of that kind give in one of minnet's networks with those weights."""
    layers: list[Layer] = []
    for fan_in, fan_out in pairwise(WIDTHS):
        layers.append(Dense(fan_in, fan_out, bias=False))
        if activation == "relu":
            layers.append(ReLU())
    net = Sequential(layers, dtype=np.float64)
    for number in (1, 2, 3):
        net.params[f"dense{number}.weight"].value = getattr(case, f"weight{number}")
    net.forward(case.x, training=True)
    return [layer.y for layer in layers if isinstance(layer, kind)]


def _predicted(right: Results, factors: Any) -> Results:
    """Both predictions, off by a factor for each layer."""
    names = ("predicted with linear", "predicted with relu")
    return {name: right[name] * factors for name in names}


def _from_x_each_time(case: Case, right: Results) -> Results:
    linear = np.square(case.x).mean() * FAN_IN * case.deviations**2
    return {"predicted with linear": linear, "predicted with relu": linear * [1, 0.5, 0.5]}


def _by_unit(case: Case, right: Results) -> Results:
    return {
        f"measured with {activation}": np.array(
            [z.var(axis=0).mean() for z in _outputs(case, activation, Dense)]
        )
        for activation in ("linear", "relu")
    }


MISTAKES = (
    Mistake(
        "variance_of_x",
        "predicted starts from the variance of x, where the mean of x² belongs.",
        "If every pixel were 0.5, x would have no variance. Would z = xW have none, either?",
        lambda case, right: _predicted(right, case.x.var() / np.square(case.x).mean()),
    ),
    Mistake(
        "fan_out",
        "predicted counts the outputs of each layer (fan_out), but a sum runs over its inputs.",
        "How many products are added up to make one entry of z?",
        lambda case, right: _predicted(right, np.cumprod(FAN_OUT / FAN_IN)),
    ),
    Mistake(
        "fan_in_left_out",
        "predicted matches the answer without fan_in.",
        "z is a sum. What is the variance of a sum of 100 independent terms?",
        lambda case, right: _predicted(right, 1 / np.cumprod(FAN_IN)),
    ),
    Mistake(
        "deviation_not_squared",
        "predicted multiplies by the deviation of the weights, where their variance belongs.",
        "How do you get a variance from a standard deviation?",
        lambda case, right: _predicted(right, 1 / np.cumprod(case.deviations)),
    ),
    Mistake(
        "every_layer_from_x",
        "predicted starts from x in every layer: each should start from the layer before.",
        "What are the inputs of layer 2?",
        _from_x_each_time,
    ),
    Mistake(
        "relu_half_missing",
        "predicted with relu matches the answer without the ½ that ReLU brings.",
        "ReLU sets half of a symmetric z to 0. What is left of the mean of the squares?",
        lambda case, right: {"predicted with relu": right["predicted with linear"]},
    ),
    Mistake(
        "relu_half_too_often",
        "predicted with relu is ½ of what it should be in every layer: it is the value after ReLU, "
        "or x is halved as well.",
        "Has x gone through a ReLU? And is z before the ReLU, or after it?",
        lambda case, right: {"predicted with relu": right["predicted with relu"] / 2},
    ),
    Mistake(
        "variance_after_relu",
        "predicted with relu goes on with the variance after ReLU, ½ - 1/(2π) of the one before; "
        "the next layer needs the mean of the squares, not the variance.",
        "After ReLU the mean is no longer 0. What does that do to Var(h) and E[h²]?",
        lambda case, right: {
            "predicted with relu": right["predicted with relu"] * (1 - 1 / np.pi) ** np.arange(3)
        },
    ),
    Mistake(
        "measured_after_relu",
        "measured with relu is the variance after the activation, not before it.",
        "Which is z, the result of h W or that of ReLU?",
        lambda case, right: {
            "measured with relu": np.array([h.var() for h in _outputs(case, "relu", ReLU)])
        },
    ),
    Mistake(
        "measured_unit_by_unit",
        "measured is the variance of each unit alone, averaged over the units; it should be one "
        "variance over all entries of z.",
        "What does axis=0 do in z.var(axis=0)?",
        _by_unit,
    ),
    Mistake(
        "input_changed",
        "it changes x, deviations, or weights: the list or an array in it; work on copies.",
        "Which of your lines use *=, .pop(), .clear() or [...] = on what came in?",
        lambda case, right: {CHANGE: 1.0},
    ),
)


EXERCISE = Exercise(
    number=5,
    name="variance_propagation",
    title="How variance travels",
    minutes=25,
    answer="variance_propagation",
    inputs=inputs,
    run=run,
    specification=specification,
    mistakes=MISTAKES,
)
