"""Schedules: the formulas of the papers, the values of PyTorch, a constant end."""

import math
import pickle

import numpy as np
import pytest

from minnet.schedules import constant, cosine, one_cycle, step, warmup

SCHEDULES = {
    "constant": constant(0.3),
    "step": step(0.3, every=7, factor=0.4),
    "cosine": cosine(0.3, steps=50, final=0.02),
    "warmup": warmup(cosine(0.3, steps=40), steps=10),
    "one_cycle": one_cycle(0.3, steps=50),
}
ALL = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


def values(schedule, steps):
    return [schedule(t) for t in range(steps)]


# The formulas.


def test_constant_returns_lr_at_every_step():
    assert values(constant(0.3), 5) == [0.3] * 5


def test_step_multiplies_by_factor_after_each_every_steps():
    schedule = step(0.8, every=3, factor=0.5)
    assert values(schedule, 8) == [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2]
    assert step(0.8, every=3)(3) == pytest.approx(0.08, rel=1e-15)


def test_cosine_decreases_from_lr_to_final_with_their_mean_half_way():
    schedule = cosine(0.3, steps=40, final=0.02)
    assert schedule(0) == pytest.approx(0.3, rel=1e-15)
    assert schedule(20) == pytest.approx(0.16, rel=1e-15)
    assert schedule(10) == pytest.approx(0.02 + 0.28 * (1 + math.sqrt(0.5)) / 2, rel=1e-15)
    assert schedule(40) == 0.02
    assert (np.diff(values(schedule, 41)) < 0).all()


def test_warmup_increases_linearly_to_the_first_value_of_its_schedule():
    schedule = warmup(cosine(0.3, steps=40), steps=4)
    np.testing.assert_allclose(values(schedule, 5), [0.06, 0.12, 0.18, 0.24, 0.3], rtol=1e-15)


def test_warmup_then_follows_its_schedule_from_step_zero():
    inner = cosine(0.3, steps=40)
    schedule = warmup(inner, steps=4)
    assert [schedule(t + 4) for t in range(60)] == values(inner, 60)


def test_warmup_uses_a_number_as_a_constant_schedule():
    assert values(warmup(0.3, steps=4), 9) == values(warmup(constant(0.3), steps=4), 9)


def test_warmup_accepts_an_own_schedule():
    schedule = warmup(lambda t: 1 / (1 + t), steps=1)
    assert values(schedule, 4) == [0.5, 1.0, 0.5, 1 / 3]


def test_one_cycle_increases_to_max_lr_and_decreases_far_below_the_first_lr():
    schedule = one_cycle(0.5, steps=101, pct_start=21 / 101, div_factor=10, final_div_factor=100)
    assert schedule(0) == pytest.approx(0.05, rel=1e-14)
    assert schedule(10) == pytest.approx(0.275, rel=1e-14)
    assert schedule(20) == pytest.approx(0.5, rel=1e-14)
    assert schedule(60) == pytest.approx((0.5 + 0.0005) / 2, rel=1e-14)
    assert schedule(100) == pytest.approx(0.0005, rel=1e-12)
    slopes = np.diff(values(schedule, 101))
    assert (slopes[:20] > 0).all()
    assert (slopes[20:] < 0).all()


# PyTorch.


def torch_values(make, steps, lr):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    lrs = []
    for t in range(steps):
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if t < steps - 1:
            scheduler.step()
    return lrs


@pytest.mark.parametrize("factor", [0.1, 0.7, 1.0])
def test_step_equals_step_lr_of_pytorch(factor):
    expected = torch_values(lambda s, opt: s.StepLR(opt, 7, gamma=factor), 60, 0.3)
    np.testing.assert_allclose(
        values(step(0.3, every=7, factor=factor), 60), expected, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("final", [0.0, 0.01])
def test_cosine_equals_cosine_annealing_lr_of_pytorch(final):
    expected = torch_values(lambda s, opt: s.CosineAnnealingLR(opt, 57, eta_min=final), 58, 0.3)
    np.testing.assert_allclose(
        values(cosine(0.3, steps=57, final=final), 58), expected, rtol=1e-12, atol=1e-12
    )


def test_warmup_equals_linear_lr_of_pytorch():
    expected = torch_values(
        lambda s, opt: s.LinearLR(opt, start_factor=1 / 9, total_iters=8), 20, 0.3
    )
    np.testing.assert_allclose(values(warmup(0.3, steps=8), 20), expected, rtol=1e-12)


@pytest.mark.parametrize("steps", [4, 57, 1000])
@pytest.mark.parametrize(
    "options", [{}, {"pct_start": 0.45, "div_factor": 7.0, "final_div_factor": 30.0}]
)
def test_one_cycle_equals_one_cycle_lr_of_pytorch(steps, options):
    expected = torch_values(
        lambda s, opt: s.OneCycleLR(opt, 0.3, total_steps=steps, cycle_momentum=False, **options),
        steps,
        0.3,
    )
    np.testing.assert_allclose(
        values(one_cycle(0.3, steps=steps, **options), steps), expected, rtol=1e-12, atol=1e-12
    )


# Properties of every schedule.


@pytest.mark.parametrize(
    ("name", "last", "value"),
    [("cosine", 50, 0.02), ("warmup", 50, 0.0), ("one_cycle", 49, 0.3 / 25 / 1e4)],
)
def test_after_the_last_step_the_last_value_is_kept(name, last, value):
    schedule = SCHEDULES[name]
    assert schedule(last) == pytest.approx(value, rel=1e-9, abs=1e-17)
    assert schedule(last - 1) != schedule(last)
    assert {schedule(t) for t in (last + 1, 2 * last, 10**9)} == {schedule(last)}


@ALL
def test_a_value_depends_only_on_the_step(schedule):
    forwards = values(schedule, 60)
    assert [schedule(t) for t in reversed(range(60))] == forwards[::-1]


@ALL
def test_the_lr_is_a_python_float_also_for_numpy_integers(schedule):
    assert type(schedule(3)) is float
    assert type(schedule(np.int64(3))) is float
    assert schedule(np.int32(3)) == schedule(3)


@ALL
def test_a_schedule_can_be_pickled(schedule):
    assert values(pickle.loads(pickle.dumps(schedule)), 60) == values(schedule, 60)


@ALL
@pytest.mark.parametrize(
    ("wrong", "error"), [(-1, ValueError), (1.0, TypeError), (True, TypeError)]
)
def test_a_step_must_be_a_non_negative_int(schedule, wrong, error):
    with pytest.raises(error, match="schedule: expected step"):
        schedule(wrong)


@pytest.mark.parametrize("lr", [0.0, -0.1, math.nan, math.inf])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (constant, "constant: expected lr"),
        (lambda lr: step(lr, every=5), "step: expected lr"),
        (lambda lr: cosine(lr, steps=5), "cosine: expected lr"),
        (lambda lr: warmup(lr, steps=5), "warmup: expected schedule"),
        (lambda lr: one_cycle(lr, steps=5), "one_cycle: expected max_lr"),
    ],
)
def test_an_lr_must_be_positive_and_finite(make, lr, message):
    with pytest.raises(ValueError, match=f"{message} to be positive and finite"):
        make(lr)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda n: step(0.1, every=n), "step: expected every"),
        (lambda n: cosine(0.1, steps=n), "cosine: expected steps"),
        (lambda n: warmup(0.1, steps=n), "warmup: expected steps"),
        (lambda n: one_cycle(0.1, steps=n), "one_cycle: expected steps"),
    ],
)
@pytest.mark.parametrize(("wrong", "error"), [(0, ValueError), (-3, ValueError), (2.5, TypeError)])
def test_a_number_of_steps_must_be_a_positive_int(make, message, wrong, error):
    with pytest.raises(error, match=message):
        make(wrong)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: step(0.1, every=5, factor=0.0), r"step: expected factor to be in \(0, 1\]"),
        (lambda: step(0.1, every=5, factor=1.1), r"step: expected factor to be in \(0, 1\]"),
        (lambda: cosine(0.1, steps=5, final=-0.1), r"expected final to be from 0 to lr = 0.1"),
        (lambda: cosine(0.1, steps=5, final=0.2), r"expected final to be from 0 to lr = 0.1"),
        (lambda: one_cycle(0.1, steps=50, pct_start=0.0), r"expected pct_start to be in \(0, 1\)"),
        (lambda: one_cycle(0.1, steps=50, pct_start=1.0), r"expected pct_start to be in \(0, 1\)"),
        (lambda: one_cycle(0.1, steps=50, div_factor=0.5), r"expected div_factor to be at least 1"),
        (lambda: one_cycle(0.1, steps=50, final_div_factor=math.nan), "expected final_div_factor"),
        (lambda: one_cycle(0.1, steps=3), r"more than 1 / pct_start = 3.33333 steps, got 3; give"),
    ],
)
def test_an_option_out_of_range_raises(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_schedule_that_is_neither_callable_nor_a_number_raises_type_error():
    with pytest.raises(TypeError, match="warmup: expected schedule to be a number"):
        warmup("cosine", steps=5)
