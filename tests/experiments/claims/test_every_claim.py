"""Every claim is judged and drawn from small trainings."""

import math
from functools import cache

import pytest

from minnet.experiments.claims.ledger import CLAIMS, NAMES
from minnet.experiments.setup import IMAGES
from minnet.experiments.trial import train


@cache
def trained(setup):
    return train(setup)[0]


def small(setup, seed):
    """A setup that trains in a fraction of a second and can still learn ten digits."""
    if setup.data not in IMAGES:
        return setup.but(epochs=5, seed=seed)
    hidden = tuple(max(units // 16, 10) for units in setup.hidden)
    return setup.but(data="digits", rows=400, hidden=hidden, epochs=min(setup.epochs, 1), seed=seed)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"claim{claim.number}")
def test_a_claim_judges_and_draws_trainings(claim):
    trials = {
        label: [trained(small(setup, seed)) for seed in range(2)]
        for label, setup in claim.setups.items()
    }
    finding = claim.judge(trials)
    result = finding.numbers[finding.result]
    assert finding.verdict.name in NAMES
    assert math.isfinite(result.value) != (claim.number == 16)  # no small training reaches the goal
    assert result.n == 2
    assert "nan" not in finding.reason
    figure = claim.draw(trials)
    figure.canvas.draw()
    assert all(ax.get_xlabel() or ax.get_ylabel() for ax in figure.axes)
