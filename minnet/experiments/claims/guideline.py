"""Claims 14 and 15, on the last hidden layer and on choosing an initializer (article 002).

The article attributes the zeros of the last hidden layer to its 64 nodes; a second possible cause
is tested as well, the missing output layer. The article's guideline is tested on a grid of
activations, initializers and depths.
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

from minnet.experiments.claims.claim import Claim, Finding, lines, named, rows
from minnet.experiments.claims.verdicts import Outcome, above, all_of, listed, percent, points
from minnet.experiments.initializers import VARIANTS
from minnet.experiments.intervals import Interval
from minnet.experiments.readings import AFTER, accuracy, after, difference, means, of_network
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trials

_claim = partial(Claim, article="002")
WITH, WITHOUT = OUTPUTS = "with an output layer", "without an output layer"
FEW, MANY = "few nodes", "many nodes"
NODES = {FEW: 64, MANY: 256}
LAST_LAYER = {
    f"{nodes}, {output}": VARIANTS["He"].but(
        hidden=(512, 256, 128, NODES[nodes]), output=output == WITH
    )
    for output in OUTPUTS
    for nodes in NODES
}
VISIBLE = 0.1  # of a layer; a smaller change in zeros is hardly visible in a histogram
zeros = of_network(AFTER, lambda network: network["hidden"][-1]["zeros"], diverged=1.0)


@partial(
    _claim,
    number=14,
    statement="The last hidden layer is at 0; one factor may be the number of its nodes (64).",
    measured="Share of exact zeros in the last hidden layer on the test rows "
    f"{after(VARIANTS['He'])} with He's weights; with few ({NODES[FEW]}) and many "
    f"({NODES[MANY]}) nodes, with an output layer and, as in the article, without.",
    rule="Two parts: with few instead of many nodes the share of zeros rises by more than "
    f"{100 * VISIBLE:g} points, with an output layer and without. A part does not count if the "
    f"share with many nodes is above {100 * (1 - VISIBLE):g}%, because it cannot rise that much. "
    "A diverged training counts as all zeros.",
    setups=LAST_LAYER,
    panels=[rows("", zeros, "share of exact zeros in the\nlast hidden layer's outputs")],
)
def last_layer(trials: Trials) -> Finding:
    """Compare the share of zeros by width, with and without an output layer."""
    shares = means(trials, zeros)
    width = {o: difference(trials, f"{FEW}, {o}", f"{MANY}, {o}", zeros) for o in OUTPUTS}
    effect = {n: difference(trials, f"{n}, {WITHOUT}", f"{n}, {WITH}", zeros) for n in NODES}
    full = [output for output in OUTPUTS if above(shares[f"{MANY}, {output}"], 1 - VISIBLE)]
    setup = trials[f"{FEW}, {WITH}"][0].setup
    few, many = (trials[f"{nodes}, {WITH}"][0].setup.hidden[-1] for nodes in NODES)
    return Finding(
        result=f"share of zeros, few minus many nodes, {WITH if full == [WITHOUT] else WITHOUT}",
        reason=f"{after(setup).capitalize()}, the share of zeros with {few} nodes minus that with "
        f"{many} nodes is {points(width[WITH])} with an output layer and {points(width[WITHOUT])} "
        "without. The share of zeros without an output layer minus that with one is "
        f"{points(effect[FEW])} for {few} nodes and {points(effect[MANY])} for {many} nodes."
        + "".join(f" {text.capitalize()}, {many} nodes are at 0 too." for text in full),
        numbers=named("share of zeros", {k: share.within(0, 1) for k, share in shares.items()})
        | named("share of zeros, few minus many nodes", width)
        | named("share of zeros, without minus with an output layer", effect),
        parts={output: above(width[output], VISIBLE) for output in OUTPUTS if output not in full},
        condition="the network is trained {}",
    )


RULES = {
    "Xavier": "glorot_normal", "LeCun": "lecun_normal", "He": "he_normal",
    "orthogonal": "orthogonal",
}  # fmt: skip
RECOMMENDED = {"sigmoid": ("Xavier", "LeCun"), "tanh": ("Xavier", "LeCun"), "ReLU": ("He",)}
DEPTHS, UNITS = (3, 10, 30), 128
SHALLOW, DEEPEST = f"in {DEPTHS[0]} layers", DEPTHS[-1]  # may not be sensitive to the choice
GRID_SETUP = Setup(hidden=(), optimizer="sgd", lr=0.01, momentum=0.9, batch_size=128, epochs=1)
BY_DEPTH: dict[tuple[str, str], dict[float, str]] = {
    (name, rule): {depth: f"{name}, {rule}, {depth} layers" for depth in DEPTHS}
    for name, rule in product(RECOMMENDED, RULES)
}
GRID = {
    label: GRID_SETUP.but(
        hidden=(UNITS,) * int(depth),
        activation=name.lower(),
        init=RULES[rule],
        # ReLU halves the second moment; He's rule compensates for it, as this factor does.
        weight_scale=math.sqrt(2) if (name, rule) == ("ReLU", "orthogonal") else 1.0,
    )
    for (name, rule), labels in BY_DEPTH.items()
    for depth, label in labels.items()
}
AS_DRAWN = f"ReLU, orthogonal as drawn, {DEEPEST} layers"
GRID[AS_DRAWN] = GRID_SETUP.but(hidden=(UNITS,) * DEEPEST, activation="relu", init="orthogonal")
WORTHWHILE = 0.01  # of accuracy; a smaller lead is no reason to choose another initializer
CHANCE = 0.2  # twice the accuracy of guessing: below it nothing was learned


class Advice(NamedTuple):
    """A part of the guideline in one case: labels of the recommended networks and the rivals."""

    part: str
    case: str
    recommended: list[str]
    rivals: list[str]


def _advice(part: str, case: str, name: str, depth: int, best: Sequence[str]) -> Advice:
    rivals = [rule for rule in RULES if rule not in {*best, "orthogonal"}]
    labels = ([BY_DEPTH[name, rule][depth] for rule in rules] for rules in (best, rivals))
    return Advice(part, case, *labels)


GUIDELINE = [
    _advice(f"{' and '.join(best)} with {name}", f"in {depth} layers", name, depth, best)
    for name, best in RECOMMENDED.items()
    for depth in DEPTHS
]
GUIDELINE += [
    _advice(f"orthogonal in {DEEPEST} layers", f"with {name}{times}", name, DEEPEST, ["orthogonal"])
    for name, times in (("sigmoid", ""), ("tanh", ""), ("ReLU", " (times √2)"))
]


@partial(
    _claim,
    number=15,
    statement="Xavier or LeCun suits sigmoid and tanh, He suits ReLU, orthogonal suits deep "
    "networks; shallow ones may not be sensitive to the choice.",
    measured=f"Test accuracy {after(GRID_SETUP)} of SGD (lr {GRID_SETUP.lr:g}, momentum "
    f"{GRID_SETUP.momentum:g}) for {listed(list(map(str, DEPTHS)))} hidden layers of {UNITS} "
    "units. With ReLU, orthogonal weights are multiplied by √2, because He's are √2 times LeCun's; "
    f"in {DEEPEST} layers they are also reported as drawn.",
    rule="A part for each recommendation and depth: each recommended initializer leads each rival "
    f"by more than {100 * WORTHWHILE:g} point of accuracy. With sigmoid and with tanh Xavier and "
    "LeCun are compared with He, with ReLU He is compared with both, in "
    f"{listed(list(map(str, DEPTHS[1:])))} layers. Orthogonal is compared with all others in "
    f"{DEEPEST} layers. Networks of {DEPTHS[0]} layers are reported and do not count. A case in "
    f"which no compared initializer is shown to be above {CHANCE:.0%} is not testable and does not "
    "count either.",
    setups=GRID,
    panels=[
        lines(
            name, accuracy, {rule: BY_DEPTH[name, rule] for rule in RULES}, xlabel="hidden layers",
            ylabel="test accuracy", limits={"ylim": (0, 1)},
        )
        for name in RECOMMENDED
    ],
)  # fmt: skip
def guideline(trials: Trials) -> Finding:
    """Measure the lead of the recommended initializers over their rivals in accuracy."""
    accuracies = means(trials, accuracy)
    parts: dict[tuple[str, str], Outcome] = {}
    least: dict[str, Interval] = {}
    untestable = []
    for advice in GUIDELINE:
        leads = [
            difference(trials, best, rival, accuracy)
            for best, rival in product(advice.recommended, advice.rivals)
        ]
        case = f"{advice.part} {advice.case}"
        least[case] = min(leads, key=lambda lead: lead.low if lead.n > 1 else lead.value)
        if not any(above(accuracies[c], CHANCE) for c in advice.recommended + advice.rivals):
            untestable.append(case)
        elif advice.case != SHALLOW:
            parts[advice.part, advice.case] = all_of(above(lead, WORTHWHILE) for lead in leads)
    return Finding(
        result=f"lead over the best rival in test accuracy, He with ReLU in {DEEPEST} layers",
        reason=f"With ReLU in {DEEPEST} layers, orthogonal weights as drawn, not times √2, reach "
        f"{percent(accuracies[AS_DRAWN])}."
        + (f" Not testable after so short a training: {listed(untestable)}." if untestable else ""),
        numbers=named("lead over the best rival in test accuracy", least)
        | named("test accuracy", accuracies),
        parts=parts,
    )


CLAIMS = (last_layer, guideline)
