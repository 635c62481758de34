"""Every claim is judged and drawn from trainings, small ones: the rules meet what trials are."""

import math
from functools import cache

import pytest

from minnet.experiments.claims.claim import FAILS, HOLDS
from minnet.experiments.claims.ledger import CLAIMS
from minnet.experiments.data import IMAGES
from minnet.experiments.trial import train


@cache
def trained(setup):
    return train(setup)[0]


def small(setup, seed):
    """A setup for a fraction of a second, of a network that can still tell ten digits."""
    if setup.data not in IMAGES:
        return setup.but(epochs=5, seed=seed)
    hidden = tuple(max(units // 16, 10) for units in setup.hidden)
    return setup.but(data="digits", rows=400, hidden=hidden, epochs=min(setup.epochs, 1), seed=seed)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"claim{claim.number}")
def test_a_claim_judges_and_draws_what_was_really_trained(claim):
    trials = {
        label: [trained(small(setup, seed)) for seed in range(2)]
        for label, setup in claim.setups.items()
    }
    finding = claim.judge(trials)
    assert finding.verdict in (HOLDS, FAILS) or finding.verdict.startswith("holds only if ")
    assert math.isfinite(finding.number.value)
    assert finding.number.n == 2
    assert "nan" not in finding.because
    figure = claim.draw(trials)
    figure.canvas.draw()
    assert all(ax.get_xlabel() or ax.get_ylabel() for ax in figure.axes)
