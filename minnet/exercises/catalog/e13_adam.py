"""Exercise 13, RMSProp and Adam: steps that are divided by how large the gradient has been.

At its first step Adam moves by lr · sign(g) whatever its betas are, so three steps are taken; eps
is large enough to be seen, and so is the difference between the betas. Two weights of one shape
show what flows from the state of one into the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minnet import optimizers
from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Mistake, ResultError, Results
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.layers.sequential import Sequential
from minnet.validation import Array

STEPS, SHAPE = 3, (4, 5)
RULES = ("rmsprop", "adam")


def inputs(rng: np.random.Generator) -> Case:
    """Draw two weights, and for each of them a gradient a step."""
    return Case(
        params=rng.normal(size=(2, *SHAPE)),
        grads=rng.normal(size=(STEPS, 2, *SHAPE)),
        lr=0.3,
        beta1=0.8,
        beta2=0.95,
        eps=0.05,
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Three steps by each rule."""
    for rule in RULES:
        optimizer = answer(rule, case.lr, case.beta1, case.beta2, case.eps)
        params: Any = case.params
        for grads, names in zip(case.grads, _names(rule), strict=True):
            params = optimizer.step(list(params), list(grads))
            if not isinstance(params, list | tuple) or len(params) != len(names):
                raise ResultError(
                    "step should return a list of the new parameters, as many as came."
                )
            yield from zip(names, params, strict=True)


def specification(case: Case) -> Results:
    """minnet's own optimizers, on a network that holds the two weights as one."""
    net = Sequential([Dense(case.params.size, 1, bias=False)], dtype=np.float64)
    rmsprop = optimizers.RMSProp(net, case.lr, case.beta2, case.eps)
    adam = optimizers.Adam(net, case.lr, (case.beta1, case.beta2), case.eps)
    results: Results = {}
    for rule, optimizer in zip(RULES, (rmsprop, adam), strict=True):
        net.theta = case.params.ravel()
        for grads, names in zip(case.grads, _names(rule), strict=True):
            net.grad = grads.ravel()
            optimizer.step()
            weights = net.theta.copy().reshape(case.params.shape)
            results |= dict(zip(names, weights, strict=True))
    return results


def _names(rule: str) -> list[tuple[str, str]]:
    return [
        (f"first weight after step {t} of {rule}", f"second weight after step {t} of {rule}")
        for t in range(1, STEPS + 1)
    ]


def _moved(rule: str, case: Case, moves: Array) -> Results:
    """The results of a rule whose moves, before they are times lr, are these: (steps, 2, ...)."""
    path = case.params - case.lr * np.cumsum(moves, axis=0)
    return {
        name: weight
        for names, weights in zip(_names(rule), path, strict=True)
        for name, weight in zip(names, weights, strict=True)
    }


def _mean(values: Array, kept: float, share: float, divisors: Any = None) -> Array:
    """Running means, mean = (kept · mean + share · value) / divisor, one for every value."""
    means, mean = [], np.zeros_like(values[0])
    for step, value in enumerate(values):
        mean = (kept * mean + share * value) / (1 if divisors is None else divisors[step])
        means.append(mean)
    return np.array(means)


def _moments(case: Case) -> tuple[Array, Array]:
    return (
        _mean(case.grads, case.beta1, 1 - case.beta1),
        _mean(case.grads**2, case.beta2, 1 - case.beta2),
    )


def _corrections(case: Case, t: Any = None) -> tuple[Array, Array]:
    """1 - βᵗ of both betas; t is 1, 2, 3 unless given."""
    t = np.arange(1, STEPS + 1).reshape(-1, 1, 1, 1) if t is None else np.asarray(t)
    return 1 - case.beta1**t, 1 - case.beta2**t


def _adam(case: Case, m: Array, s: Array) -> Results:
    return _moved("adam", case, m / (np.sqrt(s) + case.eps))


def _rmsprop(case: Case, s: Array) -> Results:
    return _moved("rmsprop", case, case.grads / (np.sqrt(s) + case.eps))


def _divided(case: Case, divide: Callable[[Array, Array], Array]) -> Results:
    """Both rules, with another division of g or m by s."""
    (m, s), (one, two) = _moments(case), _corrections(case)
    return _moved("rmsprop", case, divide(case.grads, s)) | _moved(
        "adam", case, divide(m / one, s / two)
    )


def _averaged(case: Case, m: Array, s: Array) -> Results:
    """Both rules, with other running means of g and g²."""
    one, two = _corrections(case)
    return _rmsprop(case, s) | _adam(case, m / one, s / two)


def _corrected_at(case: Case, t: Any) -> Results:
    (m, s), (one, two) = _moments(case), _corrections(case, t)
    return _adam(case, m / one, s / two)


def _corrected_stored(case: Case, right: Results) -> Results:
    one, two = (correction.ravel() for correction in _corrections(case))
    m = _mean(case.grads, case.beta1, 1 - case.beta1, one)
    s = _mean(case.grads**2, case.beta2, 1 - case.beta2, two)
    return _adam(case, m, s)


def _betas_swapped(case: Case, right: Results) -> Results:
    two, one = _corrections(case)
    m = _mean(case.grads, case.beta2, 1 - case.beta2)
    s = _mean(case.grads**2, case.beta1, 1 - case.beta1)
    return _adam(case, m / one, s / two)


def _shared(case: Case, right: Results) -> Results:
    """The gradients of both weights flow, one after the other, into one m and one s."""
    shape = case.grads.shape
    one_after_the_other = Case(**vars(case) | {"grads": case.grads.reshape(-1, *SHAPE)})
    m, s = (moment.reshape(shape) for moment in _moments(one_after_the_other))
    return _averaged(case, m, s)


MISTAKES = (
    Mistake(
        "no_root",
        "the weights match the answer that divides by s, without the square root.",
        "s has the units of g². What has the units of g?",
        lambda case, right: _divided(case, lambda g, s: g / (s + case.eps)),
    ),
    Mistake(
        "eps_inside_the_root",
        "the weights match g / √(s + eps): here eps is outside of the root.",
        "Which do you do first, add eps or take the root?",
        lambda case, right: _divided(case, lambda g, s: g / np.sqrt(s + case.eps)),
    ),
    Mistake(
        "eps_left_out",
        "the weights match the answer without eps.",
        "What would happen to a parameter whose gradient has always been 0?",
        lambda case, right: _divided(case, lambda g, s: g / np.sqrt(s)),
    ),
    Mistake(
        "uphill",
        "the weights move along the gradient, uphill, and not against it.",
        "In which direction does the loss fall?",
        lambda case, right: {
            name: 2 * case.params[int(name.startswith("second"))] - weight
            for name, weight in right.items()
        },
    ),
    Mistake(
        "shares_swapped",
        "the running means match β and 1 - β in each other's place.",
        "β is close to 1. Which should weigh more, the past or the newest gradient?",
        lambda case, right: _averaged(
            case,
            _mean(case.grads, 1 - case.beta1, case.beta1),
            _mean(case.grads**2, 1 - case.beta2, case.beta2),
        ),
    ),
    Mistake(
        "share_left_out",
        "the running means add the whole of g and g²: the factor 1 - β is missing.",
        "If g were 1 in every step, what should m and s come to?",
        lambda case, right: _averaged(
            case, _mean(case.grads, case.beta1, 1), _mean(case.grads**2, case.beta2, 1)
        ),
    ),
    Mistake(
        "state_shared",
        "both weights share one m and one s: each should have its own.",
        "How many arrays of state do you keep for two parameters?",
        _shared,
    ),
    Mistake(
        "state_anew",
        "the running means begin at 0 again in every step.",
        "Where do you make the zeros, and how often does that line run?",
        lambda case, right: _averaged(
            case, (1 - case.beta1) * case.grads, (1 - case.beta2) * case.grads**2
        ),
    ),
    Mistake(
        "rmsprop_by_beta1",
        "the weights after rmsprop match the answer with β₁ in place of β₂.",
        "Which of the two betas belongs to s?",
        lambda case, right: _rmsprop(case, _mean(case.grads**2, case.beta1, 1 - case.beta1)),
    ),
    Mistake(
        "rmsprop_corrected",
        "the weights after rmsprop match the answer with a bias correction, which only adam has.",
        "Which lines of the table belong to rmsprop?",
        lambda case, right: _rmsprop(case, _moments(case)[1] / _corrections(case)[1]),
    ),
    Mistake(
        "g_for_m",
        "the weights after adam match the answer that moves by g in place of m̂.",
        "Which of your running means is above the fraction bar?",
        lambda case, right: _adam(case, case.grads, _moments(case)[1] / _corrections(case)[1]),
    ),
    Mistake(
        "no_correction",
        "the weights after adam match the answer without the bias correction.",
        "m and s start at 0. How large are they after one step, against g and g²?",
        lambda case, right: _adam(case, *_moments(case)),
    ),
    Mistake(
        "only_m_corrected",
        "the weights after adam match the answer in which m is corrected, but s is not.",
        "Which of the two running means started at 0?",
        lambda case, right: _adam(
            case, _moments(case)[0] / _corrections(case)[0], _moments(case)[1]
        ),
    ),
    Mistake(
        "t_stays_1",
        "the weights after adam match the answer in which t is 1 in every step.",
        "Where does t grow, and does it outlive the call of step?",
        lambda case, right: _corrected_at(case, 1),
    ),
    Mistake(
        "t_counts_parameters",
        "the weights after adam match the answer in which t grows with every parameter.",
        "How often does your line with t + 1 run in one call of step?",
        lambda case, right: _corrected_at(case, np.arange(1, 2 * STEPS + 1).reshape(-1, 2, 1, 1)),
    ),
    Mistake(
        "corrected_stored",
        "the weights after adam match the answer that keeps m̂ and ŝ in place of m and s.",
        "Which m goes into the next step: the one with the hat or the one without?",
        _corrected_stored,
    ),
    Mistake(
        "betas_swapped",
        "the weights after adam match the answer with β₁ and β₂ in each other's place.",
        "Which beta belongs to the mean of g, and which to the mean of g²?",
        _betas_swapped,
    ),
    Mistake(
        "divide_by_zero",
        "something is divided by 0: where t is 0, the correction 1 - βᵗ is 0.",
        "What is t in the very first step?",
    ),
    Mistake(
        "input_changed",
        "it writes into an array that it was given; step should return new arrays.",
        "Which of your lines use -=, += or [...] = on params or grads?",
    ),
)


class Adapted(optimizers.Optimizer):
    """The student's optimizer as one of minnet's."""

    def __init__(self, net: Sequential, answer: Any) -> None:
        super().__init__(net, 0.02)
        self.answer = answer("adam", self.lr, 0.9, 0.999, 1e-8)

    def step(self) -> None:
        """Pass the current parameters to the answer and store the new ones."""
        params = list(self.net.params.values())
        new = self.answer.step(
            [param.value.copy() for param in params], [param.grad.copy() for param in params]
        )
        for param, value in zip(params, new, strict=True):
            param.value = value


EXERCISE = Exercise(
    number=13,
    name="adam",
    title="RMSProp and Adam",
    minutes=35,
    answer="Optimizer",
    inputs=inputs,
    run=run,
    specification=specification,
    mistakes=MISTAKES,
    train=lambda answer: network.train(
        [Dense(64, 16), Tanh(), Dense(16, 10)],
        optimizer=lambda net: Adapted(net, answer),
        epochs=3,
    ),
)
