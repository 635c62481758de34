"""Exercise 12, an optimizer with momentum and two penalties.

L1 and L2 are first used alone, without momentum, so that each mistake shows where it is made; then
momentum alone, then all three. The learning rate changes from step to step: with a constant one, a
velocity that holds the learning rate moves the weights in the same way. Two weights are exactly 0,
where sign(0) shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Mistake, Results, returned
from minnet.layers.dense import Dense
from minnet.layers.sequential import Sequential
from minnet.optimizers import SGD, Optimizer
from minnet.regularization import L1, L2
from minnet.validation import Array

IN, OUT, STEPS = 5, 4, 3
ALONE = "momentum alone"
TOGETHER = "all three"


def inputs(rng: np.random.Generator) -> Case:
    """Draw a layer with two weights at 0, the gradients and learning rates of three steps."""
    weight = rng.normal(size=(IN, OUT))
    weight[1, 2] = weight[4, 0] = 0.0
    return Case(
        weight=weight,
        bias=rng.normal(size=OUT),
        dweight=rng.normal(size=(STEPS, IN, OUT)),
        dbias=rng.normal(size=(STEPS, OUT)),
        lr=np.array([0.2, 0.4, 0.1]) * rng.uniform(0.9, 1.1, STEPS),
        momentum=float(rng.uniform(0.6, 0.9)),
        l1=float(rng.uniform(0.2, 0.4)),
        l2=float(rng.uniform(0.2, 0.4)),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """L1, then L2, then momentum, then all together."""
    for what, steps, arguments in _plans(case):
        optimizer = answer(*arguments)
        weight, bias = case.weight, case.bias
        if what != ALONE:
            yield f"penalty with {what}", optimizer.penalty(weight)
        for step in range(steps):
            lr = float(case.lr[step])
            values = optimizer.step(weight, bias, case.dweight[step], case.dbias[step], lr)
            weight, bias = dict(returned(values, "the new weight", "the new bias")).values()
            yield from zip(_names(what, step), (weight, bias), strict=True)


def _plans(case: Case) -> tuple[tuple[str, int, tuple[float, float, float]], ...]:
    """What is tried: its name, how many steps, and momentum, l1 and l2."""
    return (
        ("L1", 1, (0.0, case.l1, 0.0)),
        ("L2", 1, (0.0, 0.0, case.l2)),
        (ALONE, STEPS, (case.momentum, 0.0, 0.0)),
        (TOGETHER, 2, (case.momentum, case.l1, case.l2)),
    )


def _names(what: str, step: int) -> tuple[str, str]:
    return f"weight after step {step + 1} with {what}", f"bias after step {step + 1} with {what}"


def specification(case: Case) -> Results:
    """minnet's own optimizer and penalties."""
    results: Results = {}
    for what, steps, (momentum, l1, l2) in _plans(case):
        dense = Dense(IN, OUT)
        net = Sequential([dense], dtype=np.float64)
        weight, bias = dense.params["weight"], dense.params["bias"]
        weight.value, bias.value = case.weight, case.bias
        optimizer, penalties = SGD(net, momentum=momentum), (L1(l1), L2(l2))
        if what != ALONE:
            results[f"penalty with {what}"] = sum(each.penalty(net) for each in penalties)
        for step in range(steps):
            weight.grad, bias.grad = case.dweight[step], case.dbias[step]
            for penalty in penalties:
                penalty.add_gradient(net)
            optimizer.lr = float(case.lr[step])
            optimizer.step()
            for name, param in zip(_names(what, step), (weight, bias), strict=True):
                results[name] = param.value.copy()
    return results


W_L1, B_L1 = _names("L1", 0)
W_L2, B_L2 = _names("L2", 0)
W_TOGETHER = _names(TOGETHER, 1)[0]


def _pulled(case: Case, right: Results, pulls: Results) -> Results:
    """The results of these names if one more gradient had pulled in the first step."""
    return {name: right[name] - case.lr[0] * pull for name, pull in pulls.items()}


def _l1(case: Case, values: Array) -> Array:
    slope: Array = case.l1 * np.sign(values)
    return slope


def _l2(case: Case, values: Array) -> Array:
    slope: Array = 2 * case.l2 * values
    return slope


def _uphill(case: Case, right: Results) -> Results:
    return {
        name: 2 * getattr(case, name.split()[0]) - right[name] for name in (W_L1, B_L1, W_L2, B_L2)
    }


def _velocity_shared(case: Case, right: Results) -> Results:
    return {name: np.broadcast_to(right[name], (IN, OUT)) for name in (B_L1, B_L2)}


def _penalty_outside(case: Case, right: Results) -> Results:
    first = _l1(case, case.weight) + _l2(case, case.weight)
    return {W_TOGETHER: right[W_TOGETHER] + case.lr[1] * case.momentum * first}


def _moved(
    moves: Callable[[Case, Array, Array], Any],
) -> Callable[[Case, Results], Results]:
    """Results of momentum alone with other moves.

    ``moves(case, pulls, steps)`` gives what is taken off in the three steps; ``pulls`` is lr
    times the gradient of each step, ``steps`` is what is rightly taken off.
    """

    def results(case: Case, right: Results) -> Results:
        changed: Results = {}
        names = zip(*(_names(ALONE, step) for step in range(STEPS)), strict=True)
        for of, name in zip(("weight", "bias"), names, strict=True):
            start, gradients = getattr(case, of), getattr(case, f"d{of}")
            pulls = np.array([lr * g for lr, g in zip(case.lr, gradients, strict=True)])
            steps = -np.diff([start, *(right[each] for each in name)], axis=0)
            taken = np.cumsum(moves(case, pulls, steps), axis=0)
            changed |= dict(zip(name, start - taken, strict=True))
        return changed

    return results


def _remembered(case: Case, pulls: Array) -> Array:
    """Each pull with all before it, the older the weaker."""
    age = np.subtract.outer(np.arange(STEPS), np.arange(STEPS))
    return np.tensordot(np.tril(case.momentum ** np.abs(age)), pulls, axes=1)


MISTAKES = (
    Mistake(
        "l1_not_absolute",
        "the penalty of L1 is l1 times the sum of the weights; their absolute values are missing.",
        "What does your penalty give for the weights 1 and -1?",
        lambda case, right: {"penalty with L1": case.l1 * case.weight.sum()},
    ),
    Mistake(
        "penalty_left_out",
        "the step is that of dweight alone: the gradients of the penalties are not added.",
        "The loss has grown by the penalties. Of what does the optimizer follow the gradient?",
        lambda case, right: _pulled(
            case, right, {W_L1: -_l1(case, case.weight), W_L2: -_l2(case, case.weight)}
        ),
    ),
    Mistake(
        "l1_without_sign",
        "the gradient of L1 is l1 for every weight, as if all weights were positive.",
        "How does |w| change if w is negative and grows?",
        lambda case, right: _pulled(case, right, {W_L1: case.l1 - _l1(case, case.weight)}),
    ),
    Mistake(
        "sign_of_zero_is_1",
        "L1 pulls a weight that is exactly 0 as if it were positive; here sign(0) is 0.",
        "Which of your comparisons holds for w = 0?",
        lambda case, right: _pulled(case, right, {W_L1: case.l1 * (case.weight == 0)}),
    ),
    Mistake(
        "sign_of_zero_is_minus_1",
        "L1 pulls a weight that is exactly 0 as if it were negative; here sign(0) is 0.",
        "What does your code do with a weight that is neither above nor below 0?",
        lambda case, right: _pulled(case, right, {W_L1: -case.l1 * (case.weight == 0)}),
    ),
    Mistake(
        "invalid_value",
        "it divides 0 by 0, as w / |w| does where a weight is 0.",
        "Which function of NumPy gives the sign of a number, and 0 for 0?",
    ),
    Mistake(
        "l2_without_2",
        "the gradient of L2 is l2 w, but the penalty is l2 Σ w²: a factor 2 is missing.",
        "What is the derivative of w²?",
        lambda case, right: _pulled(case, right, {W_L2: -_l2(case, case.weight) / 2}),
    ),
    Mistake(
        "l2_halved",
        "the penalty of L2 is l2/2 Σ w²; many books have it so, but here it is l2 Σ w².",
        "Compare your penalty with the formula in the stub.",
        lambda case, right: (
            {"penalty with L2": right["penalty with L2"] / 2}
            | _pulled(case, right, {W_L2: -_l2(case, case.weight) / 2})
        ),
    ),
    Mistake(
        "bias_penalised",
        "the bias is pulled towards 0 by the penalties; they are meant for weights alone.",
        "To which of the two gradients do you add something?",
        lambda case, right: _pulled(
            case, right, {B_L1: _l1(case, case.bias), B_L2: _l2(case, case.bias)}
        ),
    ),
    Mistake(
        "uphill",
        "the parameters move along the gradient, not against it: a sign is wrong.",
        "Does the loss fall or rise along its gradient?",
        _uphill,
    ),
    Mistake(
        "velocity_shared",
        "weight and bias share one velocity; each needs its own.",
        "Which shape has the velocity of the bias?",
        _velocity_shared,
    ),
    Mistake(
        "lr_in_velocity",
        "the learning rate is folded into the velocity, v = momentum v + lr g; a new lr then comes "
        "too late.",
        "If lr becomes 0, where does the very next step go?",
        _moved(lambda case, pulls, steps: _remembered(case, pulls)),
    ),
    Mistake(
        "averaged",
        "the velocity is an average, v = momentum v + (1 - momentum) g; here the gradient is added "
        "as it is.",
        "How large is v after the first step?",
        _moved(lambda case, pulls, steps: (1 - case.momentum) * steps),
    ),
    Mistake(
        "nesterov",
        "the step is lr (g + momentum v), which is Nesterov's momentum.",
        "Is momentum applied once in a step, or twice?",
        _moved(lambda case, pulls, steps: pulls + case.momentum * steps),
    ),
    Mistake(
        "nesterov_with_lr_in_velocity",
        "the step is Nesterov's, and its velocity holds the learning rate; here v = momentum v + g"
        " and the step is lr v.",
        "Compare both of your lines with the two formulas in the stub.",
        _moved(lambda case, pulls, steps: pulls + case.momentum * _remembered(case, pulls)),
    ),
    Mistake(
        "first_gradient_twice",
        "the velocity begins with the first gradient, which then counts twice, and not with 0.",
        "What is v after the first step, if it was 0 before?",
        _moved(
            lambda case, pulls, steps: [
                steps[now] + case.momentum ** (now + 1) * case.lr[now] / case.lr[0] * pulls[0]
                for now in range(STEPS)
            ]
        ),
    ),
    Mistake(
        "velocity_not_kept",
        "the second step knows nothing of the first: the velocity is not kept.",
        "Where does v live between two calls of step?",
        _moved(lambda case, pulls, steps: pulls),
    ),
    Mistake(
        "penalty_outside_velocity",
        "the gradients of the penalties are not part of the velocity; here they belong to g.",
        "When do you add the penalties: before v is computed, or after?",
        _penalty_outside,
    ),
    Mistake(
        "input_changed",
        "it writes into an array that it was given; weight -= ... changes the caller's array.",
        "How do you make a new array instead?",
    ),
)


class Adapted(Optimizer):
    """The student's optimizer as one of minnet's, for a network of a single dense layer."""

    def __init__(self, net: Sequential, answer: Any) -> None:
        super().__init__(net, lr=0.1)
        self.optimizer = answer(0.9, 1e-4, 1e-4)

    def step(self) -> None:
        """Take the new weight and bias over."""
        weight, bias = self.net.params.values()
        weight.value, bias.value = self.optimizer.step(
            weight.value, bias.value, weight.grad, bias.grad, self.lr
        )


EXERCISE = Exercise(
    number=12,
    name="momentum",
    title="L1, L2 and momentum",
    minutes=30,
    answer="Momentum",
    inputs=inputs,
    run=run,
    specification=specification,
    mistakes=MISTAKES,
    train=lambda answer: network.train(
        [Dense(64, 10)], optimizer=lambda net: Adapted(net, answer), epochs=2
    ),
)
