"""Claim 19, on L1, L2 and dropout against dead neurons and uneven layers (article 000/004).

The article tests none of them. Here each is compared, on the article's small network and on one for
images, with the same network and initial weights without it, by what the article states about it.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.figures import Panel, draw_rows
from minnet.experiments.claims.quantities import Quantity, accuracy, paired
from minnet.experiments.claims.text import points
from minnet.experiments.claims.verdicts import Outcome, above, below, verdict
from minnet.experiments.initializers import TAPERING
from minnet.experiments.intervals import Interval
from minnet.experiments.iris import NETWORK
from minnet.experiments.readings import evenness
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The penalties are about a tenth to a third of the loss of an untrained network. The network for
# MNIST has two hundred times the weights.
STRENGTHS = {
    "Iris": {"none": {}, "L1": {"l1": 1e-3}, "L2": {"l2": 1e-3}, "dropout": {"dropout": 0.2}},
    "MNIST": {"none": {}, "L1": {"l1": 1e-5}, "L2": {"l2": 1e-4}, "dropout": {"dropout": 0.2}},
}
NETWORKS = {
    "Iris": NETWORK.but(measures=("extractors",)),  # shared with claims 1 to 4
    "MNIST": TAPERING.but(init="he_normal", epochs=2),
}
REGULARIZED = {
    f"{data}, {name}": NETWORKS[data].but(**strength)
    for data, strengths in STRENGTHS.items()
    for name, strength in strengths.items()
}


def dead_share(trial: Trial) -> float:
    """Return the share of dead units after the first hidden layer; 1 if the training diverged."""
    if trial.end is None:
        return 1.0
    rows = trial.end["hidden"][1:]
    return float(sum(row["dead"] for row in rows) / sum(row["units"] for row in rows))


QUANTITIES: dict[str, Quantity] = {
    "share of dead units": dead_share, "evenness": evenness, "test accuracy": accuracy,
}  # fmt: skip
# 2% of the units is one of the 48 units of the Iris network after layer 1. Histograms whose widths
# differ by less than a tenth look the same.
FEWER, MORE = -0.02, 0.1
EFFECTS = {
    "L1": ("share of dead units", FEWER),
    "L2": ("share of dead units", FEWER),
    "dropout": ("evenness", MORE),
}
COMPARISONS = len(EFFECTS) * len(NETWORKS)
BY_CHANCE = 0.025 * COMPARISONS  # a 95% interval lies above the truth in one of forty cases


def judge_regularizers(trials: Trials) -> Finding:
    """Judge claim 19: L1 and L2 leave fewer dead units, and dropout leaves more even layers."""
    numbers: dict[str, Interval] = {}
    parts: dict[tuple[str, str], Outcome] = {}
    changes = []
    for (name, (affected, least)), data in product(EFFECTS.items(), NETWORKS):
        change = {
            quantity: paired(trials[f"{data}, {name}"], trials[f"{data}, none"], measure)
            for quantity, measure in QUANTITIES.items()
        }
        numbers |= {f"{quantity}, {data}, {name} minus none": n for quantity, n in change.items()}
        beyond = above if least > 0 else below
        parts[name, f"on {data}"] = beyond(change[affected], least)
        changes.append(
            f"{name} on {data}, {points(change['share of dead units'])} and {change['evenness']}"
        )
    return Finding(
        verdict=verdict(parts, "the statement is restricted to {}"),
        result="share of dead units, MNIST, L1 minus none",
        reason="Changes in the share of dead units and in evenness against the same network "
        f"without regularization: {'; '.join(changes)}.",
        numbers=numbers,
        parts=parts,
    )


def draw_regularizers(trials: Trials) -> Figure:
    """Draw dead units and evenness, a row a network and regularizer."""
    panels = [
        Panel("Dead units", dead_share, "share of the units after layer 1"),
        Panel("Evenness", evenness, "smaller over larger std,\nfirst and last hidden layer"),
    ]
    return draw_rows(trials, panels)


CLAIMS = (
    Claim(
        number=19,
        article="000/004",
        statement="L1 and L2 reduce dead neurons, and dropout evens out the activations.",
        measured="Share of dead units in the hidden layers after the first, and evenness: the "
        "smaller over the larger std of the first and the last hidden layer. Each minus that of "
        "the same network without regularization, on Iris and on MNIST.",
        rule="A part for each regularizer and data set: with L1 and L2 the share of dead units "
        f"falls by more than {-100 * FEWER:g} points; with dropout evenness rises by "
        f"more than {MORE:g}. Of {COMPARISONS} comparisons with exactly the least "
        f"effect {BY_CHANCE:g} would be counted by chance, so an effect on one data set alone is "
        "weak evidence. A diverged training counts as all units dead and evenness 0.",
        setups=REGULARIZED,
        judge=judge_regularizers,
        draw=draw_regularizers,
        seeds=30,
    ),
)
