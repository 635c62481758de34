"""Exercise 14, clipping the gradient by its norm.

The long gradient has arrays above and below max_norm, so that each cut alone differs from all cut
together; its longest array is neither the first nor the last. Of the short one the sum of norms is
above max_norm, but the norm itself is below; and the last one is zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minnet import regularization
from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Mistake, ResultError, Results, returned
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.layers.sequential import Sequential
from minnet.optimizers import SGD
from minnet.validation import Array

SHAPES = {"dbias": (3,), "dweight": (4, 3), "dgamma": (3,)}
LONG, SHORT, ZEROS = "", " of a short gradient", " of a gradient of zeros"


def inputs(rng: np.random.Generator) -> Case:
    """Draw directions at random, and lengths that lie where they should."""
    lengths = {"dweight": rng.uniform(3, 4), "dbias": rng.uniform(1, 1.5), "dgamma": 0.4}
    case = Case(max_norm=rng.uniform(0.6, 0.8))
    for name, shape in SHAPES.items():
        direction = rng.normal(size=shape)
        long = direction * lengths[name] / np.sqrt(np.sum(direction**2))
        setattr(case, name, long)
        setattr(case, f"short_{name}", long[::-1] * 0.3 / lengths[name])
    return case


def _gradients(case: Case) -> dict[str, list[Array]]:
    """The three gradients, by how the names of their results end."""
    long = [getattr(case, name) for name in SHAPES]
    short = [getattr(case, f"short_{name}") for name in SHAPES]
    return {LONG: long, SHORT: short, ZEROS: [np.zeros(shape) for shape in SHAPES.values()]}


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """A long gradient, a short one, and zeros."""
    for ending, grads in _gradients(case).items():
        outcome = answer(grads, case.max_norm)
        clipped, norm = (value for _, value in returned(outcome, "the list of arrays", "norm"))
        if not isinstance(clipped, list | tuple) or len(clipped) != len(grads):
            raise ResultError("it should return a list of as many arrays as came, and the norm.")
        yield f"norm{ending}", norm
        yield from _named(ending, clipped).items()


def specification(case: Case) -> Results:
    """minnet's own, on a network that has the gradients of all arrays in one."""
    net = Sequential([Dense(sum(map(np.prod, SHAPES.values())), 1, bias=False)], dtype=np.float64)
    results: Results = {}
    for ending, grads in _gradients(case).items():
        net.grad = np.concatenate([grad.ravel() for grad in grads])
        results[f"norm{ending}"] = regularization.clip_grad_norm(net, case.max_norm)
        ends = np.cumsum([grad.size for grad in grads])[:-1]
        clipped = np.split(net.grad.copy(), ends)
        results |= _named(
            ending, [part.reshape(grad.shape) for part, grad in zip(clipped, grads, strict=True)]
        )
    return results


def _named(ending: str, grads: Any) -> Results:
    return {f"{name}{ending}": grad for name, grad in zip(SHAPES, grads, strict=True)}


def _length(grad: Array) -> float:
    return float(np.sqrt(np.sum(grad**2)))


def _measured(case: Case, measure: Callable[[list[Array]], Any]) -> Results:
    """All results, when something else is taken for the norm."""
    results: Results = {}
    for ending, grads in _gradients(case).items():
        norm = measure(grads)
        scale = case.max_norm / norm if norm > case.max_norm else 1.0
        results[f"norm{ending}"] = norm
        results |= _named(ending, [grad * scale for grad in grads])
    return results


def _long(case: Case, right: Results, change: Callable[[Array, float], Array]) -> Results:
    """The long gradient, when each array is changed so, with the norm of all."""
    return {name: change(getattr(case, name), right["norm"]) for name in SHAPES}


def _lengthened(case: Case, right: Results) -> Results:
    """The short gradient, brought to max_norm."""
    factor = case.max_norm / right[f"norm{SHORT}"]
    return {f"{name}{SHORT}": right[f"{name}{SHORT}"] * factor for name in SHAPES}


MISTAKES = (
    Mistake(
        "norm_squared",
        "norm is the sum of the squares: the square root is missing.",
        "How long is the vector (3, 4)?",
        lambda case, right: _measured(case, lambda grads: sum(_length(g) ** 2 for g in grads)),
    ),
    Mistake(
        "sum_of_norms",
        "norm is the sum of the norms of the arrays, which is longer than that of all together.",
        "The vector (3, 4) has parts of length 3 and 4. Is it 7 long?",
        lambda case, right: _measured(case, lambda grads: sum(map(_length, grads))),
    ),
    Mistake(
        "sum_of_magnitudes",
        "norm is the sum of |g|, not the root of the sum of squares.",
        "How long is the vector (3, 4)?",
        lambda case, right: _measured(case, lambda grads: sum(np.abs(g).sum() for g in grads)),
    ),
    Mistake(
        "largest_entry",
        "norm is the largest |g|: all other entries count for nothing.",
        "How long is the vector (3, 4)?",
        lambda case, right: _measured(case, lambda grads: max(np.abs(g).max() for g in grads)),
    ),
    Mistake(
        "root_of_mean",
        "norm is the root of the mean of the squares, not of their sum.",
        "Is the vector (3, 4, 0, 0) shorter than (3, 4)?",
        lambda case, right: _measured(
            case,
            lambda grads: float(np.sqrt(np.mean(np.concatenate([g.ravel() for g in grads]) ** 2))),
        ),
    ),
    Mistake(
        "largest_norm",
        "norm is the largest of the norms of the arrays: all other arrays count for nothing.",
        "The vector (3, 4) has parts of length 3 and 4. Is it 4 long?",
        lambda case, right: _measured(case, lambda grads: max(map(_length, grads))),
    ),
    Mistake(
        "first_array_only",
        "norm is that of the first array alone.",
        "Does your loop see the other arrays before the norm is used?",
        lambda case, right: _measured(case, lambda grads: _length(grads[0])),
    ),
    Mistake(
        "last_array_only",
        "norm is that of the last array alone: each one takes the place of the one before.",
        "Do you add up the squares over all arrays, or set them anew?",
        lambda case, right: _measured(case, lambda grads: _length(grads[-1])),
    ),
    Mistake(
        "norm_after_clipping",
        "norm is measured after clipping; the norm before shows whether gradients explode.",
        "Of which arrays do you take the norm that you return?",
        lambda case, right: {"norm": case.max_norm},
    ),
    Mistake(
        "each_array_alone",
        "each array is clipped by a norm of its own, so that the whole gradient is turned.",
        "With how many different factors do you scale the arrays?",
        lambda case, right: _long(
            case, right, lambda grad, norm: grad * min(1.0, case.max_norm / _length(grad))
        ),
    ),
    Mistake(
        "by_value",
        "each entry is cut to [-max_norm, max_norm]: that is clipping by value, not by norm.",
        "Does the gradient still point in the same direction?",
        lambda case, right: _long(
            case, right, lambda grad, norm: np.clip(grad, -case.max_norm, case.max_norm)
        ),
    ),
    Mistake(
        "max_norm_left_out",
        "the clipped gradient has length 1 rather than max_norm.",
        "How long is g / ‖g‖?",
        lambda case, right: _long(case, right, lambda grad, norm: grad / norm),
    ),
    Mistake(
        "upside_down",
        "the gradient is scaled by ‖g‖ / max_norm, which makes a long one longer.",
        "Should the factor be above or below 1?",
        lambda case, right: _long(case, right, lambda grad, norm: grad * norm / case.max_norm),
    ),
    Mistake(
        "scaled_up",
        "a short gradient is scaled up to max_norm, but should stay as it is.",
        "What should happen to a gradient that is shorter than max_norm?",
        _lengthened,
    ),
    Mistake(
        "comparison_reversed",
        "a long gradient stays as it is, and a short one is scaled up: the comparison is reversed.",
        "For which gradients should your factor be other than 1?",
        lambda case, right: _long(case, right, lambda grad, norm: grad) | _lengthened(case, right),
    ),
    Mistake(
        "divide_by_zero",
        "a gradient of zeros has the norm 0, and something is divided by it.",
        "Is the division done even where nothing is to be clipped?",
    ),
    Mistake(
        "invalid_value",
        "a gradient of zeros has the norm 0, and 0 / 0 is not a number.",
        "Is the division done even where nothing is to be clipped?",
    ),
    Mistake(
        "input_changed",
        "it writes into the arrays that it was given; return new ones.",
        "Which of your lines use *= or out= or [...] = on an array of grads?",
    ),
)


class Clipped(SGD):
    """Gradient descent whose gradient goes through the answer first."""

    def __init__(self, net: Sequential, answer: Any) -> None:
        super().__init__(net, lr=0.1, momentum=0.9)
        self.answer = answer

    def step(self) -> None:
        """Clip the gradients of all parameters together."""
        params = list(self.net.params.values())
        clipped, _ = self.answer([param.grad.copy() for param in params], 0.5)
        for param, grad in zip(params, clipped, strict=True):
            param.grad = grad
        super().step()


EXERCISE = Exercise(
    number=14,
    name="clipping",
    title="Clipping the gradient",
    minutes=15,
    answer="clipping",
    inputs=inputs,
    run=run,
    specification=specification,
    mistakes=MISTAKES,
    forward="norm",
    train=lambda answer: network.train(
        [Dense(64, 16), Tanh(), Dense(16, 10)],
        optimizer=lambda net: Clipped(net, answer),
        epochs=3,
    ),
)
