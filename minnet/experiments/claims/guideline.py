"""Claims 14 and 15, on the last hidden layer and on choosing an initializer (article 002).

The article attributes the zeros of the last hidden layer to its 64 nodes; a second cause is tested
beside it, the missing output layer. The article's guideline is tested on a grid of activations,
initializers and depths.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from minnet.experiments import charts
from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.figures import Panel, draw_rows
from minnet.experiments.claims.quantities import accuracy, means, named, paired
from minnet.experiments.claims.text import listed, percent, points
from minnet.experiments.claims.verdicts import Outcome, above, all_of, verdict
from minnet.experiments.initializers import VARIANTS
from minnet.experiments.intervals import Interval, geometric_mean, mean
from minnet.experiments.readings import TINY, after
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# 14. The last hidden layer is at 0 because it has 64 nodes.

WITH, WITHOUT = OUTPUTS = "with an output layer", "without an output layer"
FEW, MANY = 64, 256
LAST_LAYER = {
    f"{nodes} nodes, {output}": VARIANTS["He"].but(
        hidden=(512, 256, 128, nodes), output=output == WITH
    )
    for output in OUTPUTS
    for nodes in (FEW, MANY)
}
VISIBLE = 0.1  # of a layer; a smaller change in zeros is hardly visible in a histogram


def judge_last_layer(trials: Trials) -> Finding:
    """Judge claim 14: fewer nodes in the last hidden layer raise its share of zeros."""
    runs = dict(zip(product(OUTPUTS, ("few", "many")), trials.values(), strict=True))
    few, many = (runs[WITH, word][0].setup.hidden[-1] for word in ("few", "many"))
    width = {output: paired(runs[output, "few"], runs[output, "many"], zeros) for output in OUTPUTS}
    effect = {
        nodes: paired(runs[WITHOUT, word], runs[WITH, word], zeros)
        for word, nodes in (("few", few), ("many", many))
    }
    full = [out for out in OUTPUTS if above(mean(map(zeros, runs[out, "many"])), 1 - VISIBLE)]
    parts = {output: above(width[output], VISIBLE) for output in OUTPUTS if output not in full}
    shown = WITH if full == [WITHOUT] else WITHOUT
    nodes = by_nodes(trials)
    shares = {label: share.within(0, 1) for label, share in means(nodes, zeros).items()}
    dead_units = {label: share.within(0, 1) for label, share in means(nodes, dead).items()}
    return Finding(
        verdict=verdict(parts, "the network is trained {}"),
        result=f"share of zeros, {few} minus {many} nodes, {shown}",
        reason=f"With {few} instead of {many} nodes the share of zeros "
        f"{after(runs[WITH, 'few'][0].setup)} changes by {points(width[WITH])} with an output "
        f"layer and {points(width[WITHOUT])} without. Without the output layer it changes by "
        f"{points(effect[few])} for {few} nodes and {points(effect[many])} for {many}."
        + "".join(f" {out.capitalize()} {many} nodes are at 0 too." for out in full),
        numbers=named("share of zeros", shares)
        | named("share of dead units", dead_units)
        | named(f"share of zeros, {few} minus {many} nodes", width)
        | {
            f"share of zeros, without minus with an output layer, {n} nodes": effect[n]
            for n in effect
        },
        parts=parts,
    )


def by_nodes(trials: Trials) -> Trials:
    """Return the trials by labels with the number of nodes that were trained."""
    return {
        f"{runs[0].setup.hidden[-1]} nodes, {label.partition(', ')[2]}": runs
        for label, runs in trials.items()
    }


def zeros(trial: Trial) -> float:
    """Return the share of exact zeros in the last hidden layer; 1 if the training diverged."""
    return float(trial.end["hidden"][-1]["zeros"]) if trial.end is not None else 1.0


def dead(trial: Trial) -> float:
    """Return the share of dead units in the last hidden layer; 1 if the training diverged."""
    if trial.end is None:
        return 1.0
    row = trial.end["hidden"][-1]
    return float(row["dead"] / row["units"])


def draw_last_layer(trials: Trials) -> Figure:
    """Draw zeros and dead units of the last hidden layer, a row a network."""
    panels = [
        Panel("Exact zeros", zeros, "share of the last\nhidden layer's outputs"),
        Panel("Dead units", dead, "share of the last\nhidden layer's units"),
    ]
    return draw_rows(by_nodes(trials), panels)


# 15. Which initializer suits which activation and depth.

ACTIVATIONS = {"sigmoid": "sigmoid", "tanh": "tanh", "ReLU": "relu"}
RULES = {
    "Xavier": "glorot_normal", "LeCun": "lecun_normal", "He": "he_normal",
    "orthogonal": "orthogonal",
}  # fmt: skip
DEPTHS, UNITS = (3, 10, 30), 128
SHALLOW, DEEPEST = f"in {DEPTHS[0]} layers", DEPTHS[-1]  # in shallow ones the choice may not matter
GRID_SETUP = Setup(hidden=(), optimizer="sgd", lr=0.01, momentum=0.9, batch_size=128, epochs=1)
GRID = {
    f"{name}, {rule}, {depth} layers": GRID_SETUP.but(
        hidden=(UNITS,) * depth,
        activation=activation,
        init=init,
        # ReLU halves the second moment; He's rule compensates for it, as this factor does.
        weight_scale=math.sqrt(2) if (name, rule) == ("ReLU", "orthogonal") else 1.0,
    )
    for name, activation in ACTIVATIONS.items()
    for rule, init in RULES.items()
    for depth in DEPTHS
}
AS_DRAWN = f"ReLU, orthogonal as drawn, {DEEPEST} layers"
GRID[AS_DRAWN] = GRID_SETUP.but(hidden=(UNITS,) * DEEPEST, activation="relu", init="orthogonal")
WORTHWHILE = 0.01  # of accuracy; a smaller lead is no reason to choose another initializer
CHANCE = 0.2  # twice the accuracy of guessing: below it nothing was learned


class Advice(NamedTuple):
    """A part of the guideline in one case: labels of the recommended networks and their rivals."""

    part: str
    case: str
    recommended: list[str]
    rivals: list[str]


def _advice(part: str, case: str, cell: str, rules: str, rivals: str) -> Advice:
    labels = ([cell.format(rule) for rule in names.split()] for names in (rules, rivals))
    return Advice(part, case, *labels)


GUIDELINE = [
    _advice(
        f"{rules.replace(' ', ' and ')} with {name}", f"in {depth} layers",
        f"{name}, {{}}, {depth} layers", rules, rivals,
    )
    for name, rules, rivals in (
        ("sigmoid", "Xavier LeCun", "He"),
        ("tanh", "Xavier LeCun", "He"),
        ("ReLU", "He", "Xavier LeCun"),
    )
    for depth in DEPTHS
] + [
    _advice(
        f"orthogonal in {DEEPEST} layers", f"with {name}{' (times √2)' if name == 'ReLU' else ''}",
        f"{name}, {{}}, {DEEPEST} layers", "orthogonal", "Xavier LeCun He",
    )
    for name in ACTIVATIONS
]  # fmt: skip


def judge_guideline(trials: Trials) -> Finding:
    """Judge claim 15: the lead of the recommended initializers over their rivals in accuracy."""
    accuracies = means(trials, accuracy)
    parts: dict[tuple[str, str], Outcome] = {}
    least: dict[str, Interval] = {}
    untestable = []
    for advice in GUIDELINE:
        leads = [
            paired(trials[best], trials[rival], accuracy)
            for best, rival in product(advice.recommended, advice.rivals)
        ]
        place = f"{advice.part} {advice.case}"
        least[place] = min(leads, key=lambda lead: lead.low if lead.n > 1 else lead.value)
        if not any(above(accuracies[c], CHANCE) for c in advice.recommended + advice.rivals):
            untestable.append(place)
        elif advice.case != SHALLOW:
            parts[advice.part, advice.case] = all_of(above(lead, WORTHWHILE) for lead in leads)
    kept = {label: geometric_mean(map(std_kept, runs)) for label, runs in trials.items()}
    return Finding(
        verdict=verdict(parts, "the statement is restricted to {}"),
        result=f"lead over the best rival in test accuracy, He with ReLU in {DEEPEST} layers",
        reason=f"With ReLU in {DEEPEST} layers orthogonal weights as drawn, not times √2, reach "
        f"{percent(accuracies[AS_DRAWN])}."
        + (f" Not testable after so short a training: {listed(untestable)}." if untestable else ""),
        numbers=named("lead over the best rival in test accuracy", least)
        | named("test accuracy", accuracies)
        | named("std kept", kept),
        parts=parts,
    )


def std_kept(trial: Trial) -> float:
    """Return the std of the last hidden layer over the first's, before training."""
    if trial.start is None:
        return math.nan
    first, last = (max(trial.start["hidden"][place]["std"], TINY) for place in (0, -1))
    return float(last / first)


def draw_guideline(trials: Trials) -> Figure:
    """Draw the grid of each activation: the std kept, and below it the accuracy."""
    rows = (("std kept", std_kept, geometric_mean, True), ("test accuracy", accuracy, mean, False))
    figure, axes = charts.side_by_side(
        [f"{name}: {row[0]}" for row in rows for name in ACTIVATIONS]
    )
    for ax, ((_, quantity, average, log), name) in zip(
        axes, product(rows, ACTIVATIONS), strict=True
    ):
        cells = {
            rule: {
                depth: average(map(quantity, trials[f"{name}, {rule}, {depth} layers"])).value
                for depth in DEPTHS
            }
            for rule in RULES
        }
        charts.matrix(
            cells, xlabel="hidden layers", ylabel="", log=log, ax=ax,
            label="last over first" if log else "share", limits=(1e-5, 1e1) if log else (0.1, 1.0),
        )  # fmt: skip
    return figure


CLAIMS = (
    Claim(
        number=14,
        article="002",
        statement="The last hidden layer is at 0; one factor may be the number of its nodes (64).",
        measured="Share of exact zeros, and of dead units, in the last hidden layer on the test "
        f"rows {after(VARIANTS['He'])} with He's weights; with {FEW} and {MANY} nodes, with an "
        "output layer and, as in the article, without.",
        rule=f"Two parts: with {FEW} instead of {MANY} nodes the share of zeros rises by more than "
        f"{100 * VISIBLE:g} points, with an output layer and without. A part does not count if the "
        f"share with {MANY} nodes is above {100 * (1 - VISIBLE):g}%, where it cannot rise so much. "
        "A diverged training counts as all zeros.",
        setups=LAST_LAYER,
        judge=judge_last_layer,
        draw=draw_last_layer,
    ),
    Claim(
        number=15,
        article="002",
        statement="Xavier or LeCun suits sigmoid and tanh, He suits ReLU, orthogonal suits deep "
        "networks; shallow ones may not be sensitive to the choice.",
        measured=f"Test accuracy {after(GRID_SETUP)} of SGD (lr {GRID_SETUP.lr:g}, momentum "
        f"{GRID_SETUP.momentum:g}), and before training the std of the last hidden layer over that "
        f"of the first, for {listed(list(map(str, DEPTHS)))} hidden layers of {UNITS}. With ReLU "
        "orthogonal weights are multiplied by √2, as He's are √2 times LeCun's; in "
        f"{DEEPEST} layers they are also reported as drawn.",
        rule="A part for each recommendation and depth: each recommended initializer leads each "
        f"rival by more than {100 * WORTHWHILE:g} point of accuracy. Xavier and LeCun against He "
        "with sigmoid and with tanh, and He against both with ReLU, in "
        f"{listed(list(map(str, DEPTHS[1:])))} layers; orthogonal against all others in {DEEPEST}. "
        f"{DEPTHS[0]} layers are reported and do not count. Nor does a case in which no compared "
        f"initializer is shown to be above {CHANCE:.0%}: it is not testable.",
        setups=GRID,
        judge=judge_guideline,
        draw=draw_guideline,
    ),
)
