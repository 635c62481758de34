"""Learning-rate schedules.

Each function validates its arguments and returns a schedule, a callable ``step -> lr``. Steps count
from 0, one for each update of the parameters, as in ``fit(..., schedule=cosine(0.1, steps=1000))``.
A schedule has no state, so it can be called for any step in any order, plotted and pickled. After
its last step a schedule keeps its last value, whereas PyTorch's cosine schedule increases again,
and its one-cycle schedule raises an error.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

from minnet.validation import count, in_range, non_negative, positive

Schedule = Callable[[int], float]


def constant(lr: float) -> Schedule:
    """Return a schedule with the same lr at every step.

    >>> constant(0.1)(1000)
    0.1
    """
    return partial(_step, lr=positive(lr, "constant", "lr"), every=1, factor=1.0)


def step(lr: float, *, every: int, factor: float = 0.1) -> Schedule:
    """Multiply lr by `factor`, in (0, 1], at regular intervals: lr · factor^⌊step/every⌋.

    >>> schedule = step(0.5, every=10, factor=0.5)
    >>> [schedule(t) for t in (0, 9, 10, 20)]
    [0.5, 0.5, 0.25, 0.125]
    """
    lr, every = positive(lr, "step", "lr"), count(every, "step", "every")
    factor = in_range(factor, "step", "factor", lambda v: 0 < v <= 1, "in (0, 1]")
    return partial(_step, lr=lr, every=every, factor=factor)


def _step(step: int, *, lr: float, every: int, factor: float) -> float:
    return lr * factor ** (_check_step(step) // every)


def cosine(lr: float, *, steps: int, final: float = 0.0) -> Schedule:
    """Decrease from lr at step 0 to `final` at step `steps` along half a cosine.

    The schedule is final + (lr - final) · (1 + cos(π·step/steps)) / 2, without restarts.

    Loshchilov & Hutter (2017), "SGDR: Stochastic gradient descent with warm restarts", ICLR.

    >>> schedule = cosine(0.5, steps=100)
    >>> [round(schedule(t), 3) for t in (0, 25, 50, 100, 1000)]
    [0.5, 0.427, 0.25, 0.0, 0.0]
    """
    lr = positive(lr, "cosine", "lr")
    final = in_range(final, "cosine", "final", lambda v: 0 <= v <= lr, f"from 0 to lr = {lr:g}")
    return partial(_cosines, knots=((0, lr), (count(steps, "cosine", "steps"), final)))


def warmup(schedule: Schedule | float, *, steps: int) -> Schedule:
    """Increase linearly for `steps` steps, then follow `schedule` from its step 0.

    With top = schedule(0), the lr is top · (step + 1) / (steps + 1) while step < steps, so that no
    step has an lr of 0. A number is used as a constant schedule.

    Goyal et al. (2017), "Accurate, large minibatch SGD: training ImageNet in 1 hour", section 2.2.

    >>> schedule = warmup(0.5, steps=4)
    >>> [round(schedule(t), 3) for t in range(6)]
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.5]
    """
    if not callable(schedule):
        schedule = constant(positive(schedule, "warmup", "schedule"))
    return partial(_warmup, schedule=schedule, steps=count(steps, "warmup", "steps"))


def _warmup(step: int, *, schedule: Schedule, steps: int) -> float:
    step = _check_step(step)
    if step < steps:
        return non_negative(schedule(0), "warmup", "schedule(0)") * (step + 1) / (steps + 1)
    return schedule(step - steps)


def one_cycle(
    max_lr: float,
    *,
    steps: int,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Increase to max_lr, then decrease far below the first lr, along half cosines (1cycle).

    The lr increases from max_lr/div_factor at step 0 to max_lr at step pct_start·steps - 1. It then
    decreases to max_lr/(div_factor·final_div_factor) at the last step, steps - 1. This is PyTorch's
    OneCycleLR without the change of momentum. The schedule of the paper is linear and has three
    phases.

    Smith & Topin (2017), "Super-convergence: very fast training of neural networks using large
    learning rates", arXiv:1708.07120.

    pct_start·steps must be more than 1, so that max_lr is reached after step 0.

    >>> schedule = one_cycle(0.5, steps=100)
    >>> [round(schedule(t), 4) for t in (0, 29, 64, 99)]
    [0.02, 0.5, 0.25, 0.0]
    """
    steps = count(steps, "one_cycle", "steps")
    pct_start = in_range(pct_start, "one_cycle", "pct_start", lambda v: 0 < v < 1, "in (0, 1)")
    if pct_start * steps <= 1:
        raise ValueError(
            f"one_cycle: expected more than 1 / pct_start = {1 / pct_start:g} steps, got {steps}; "
            "give more steps or a larger pct_start"
        )
    max_lr = positive(max_lr, "one_cycle", "max_lr")
    start = max_lr / _check_divisor(div_factor, "div_factor")
    end = start / _check_divisor(final_div_factor, "final_div_factor")
    return partial(_cosines, knots=((0, start), (pct_start * steps - 1, max_lr), (steps - 1, end)))


def _cosines(step: int, *, knots: Sequence[tuple[float, float]]) -> float:
    """Return the lr at step between knots (step, lr), which half cosines join."""
    at = min(_check_step(step), knots[-1][0])
    index = next(k for k in range(1, len(knots)) if at <= knots[k][0])
    (first, start), (last, end) = knots[index - 1 : index + 1]
    share = (at - first) / (last - first)
    return end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0


def _check_divisor(value: float, name: str) -> float:
    return in_range(value, "one_cycle", name, lambda v: v >= 1, "at least 1 and finite")


def _check_step(step: int) -> int:
    return count(step, "schedule", "step", least=0)
