"""What the article on initial weights concludes: why the last layer is at 0, and what to choose.

It takes the last hidden layer's 64 nodes for the reason that so much of it is 0, and closes with a
guideline: an initializer for each activation, and one for deep networks. The reason is held against
another, that the article's network has no output layer, and the guideline is tried as a grid.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from minnet.experiments.claims.claim import FAILS, HOLDS, Claim, Finding, Trials
from minnet.experiments.claims.regularization import confined
from minnet.experiments.claims.verdicts import above, accuracy, listed, paired, percent
from minnet.experiments.initializers import VARIANTS
from minnet.experiments.intervals import Interval, geometric_mean, mean
from minnet.experiments.readings import TINY
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OUTPUTS = {True: "ten logits after it", False: "no output layer"}
FEW, MANY = NODES = (64, 256)
LAST_LAYER = {
    f"{nodes} nodes, {text}": VARIANTS["He"].but(hidden=(512, 256, 128, nodes), output=output)
    for output, text in OUTPUTS.items()
    for nodes in NODES
}

ACTIVATIONS = {"sigmoid": "sigmoid", "tanh": "tanh", "ReLU": "relu"}
RULES = {
    "Xavier": "glorot_normal", "LeCun": "lecun_normal", "He": "he_normal",
    "orthogonal": "orthogonal",
}  # fmt: skip
DEPTHS = (3, 10, 30)
DEEP = Setup(hidden=(), optimizer="sgd", lr=0.01, momentum=0.9, batch_size=128, epochs=1)
GRID = {
    f"{name}, {rule}, {depth} layers": DEEP.but(
        hidden=(128,) * depth,
        activation=activation,
        init=init,
        # ReLU lets half of the second moment through; He's rule makes up for it, as this does.
        weight_scale=math.sqrt(2) if (name, rule) == ("ReLU", "orthogonal") else 1.0,
    )
    for name, activation in ACTIVATIONS.items()
    for rule, init in RULES.items()
    for depth in DEPTHS
}


class Advice(NamedTuple):
    """What the guideline recommends, and against what, in one circumstance."""

    part: str
    where: str
    activation: str
    depth: int
    chosen: tuple[str, ...]
    rivals: tuple[str, ...]


SATURATING, DEEPEST = ("Xavier", "LeCun"), f"{DEPTHS[-1]} layers"
BY_ACTIVATION = {
    "sigmoid": (SATURATING, ("He",)), "tanh": (SATURATING, ("He",)), "ReLU": (("He",), SATURATING),
}  # fmt: skip
GUIDELINE = [
    Advice(f"{listed(chosen)} with {name}", f"in {depth} layers", name, depth, chosen, rivals)
    for name, (chosen, rivals) in BY_ACTIVATION.items()
    for depth in DEPTHS
] + [
    Advice(
        f"orthogonal in {DEEPEST}", f"with {name}", name, DEPTHS[-1], ("orthogonal",),
        (*SATURATING, "He"),
    )
    for name in ACTIVATIONS
]  # fmt: skip

SEEN = 0.1  # a tenth of a layer more or less at 0 is hard to see in a histogram
WORTH = 0.01  # a point of accuracy: for less nobody would choose another initializer
ONLY_WITH = "holds only if an output layer comes after it"
ONLY_WITHOUT = "holds only if no output layer comes after it"


def judge_last_layer(trials: Trials) -> Finding:
    """Judge claim 14: the last hidden layer is at 0 because it has 64 nodes."""
    runs = {key: trials[f"{key[0]} nodes, {OUTPUTS[key[1]]}"] for key in product(NODES, OUTPUTS)}
    width = {output: paired(runs[FEW, output], runs[MANY, output], zeros) for output in OUTPUTS}
    output = {nodes: paired(runs[nodes, False], runs[nodes, True], zeros) for nodes in NODES}
    with_it, without = (above(width[has], SEEN) for has in (True, False))
    if with_it and without:
        verdict = HOLDS
    elif with_it or without:
        verdict = ONLY_WITH if with_it else ONLY_WITHOUT
    else:
        verdict = FAILS
    numbers = {
        f"{what}, {label}": mean(map(number, its))
        for what, number in (("zeros", zeros), ("dead units", dead))
        for label, its in trials.items()
    }
    numbers |= {f"zeros, {FEW} less {MANY} nodes, {OUTPUTS[has]}": n for has, n in width.items()}
    numbers |= {f"zeros, no output layer less logits, {n} nodes": its for n, its in output.items()}
    told = (
        f"{label}: {numbers[f'zeros, {label}'].value:.0%} of the entries are 0, "
        f"{numbers[f'dead units, {label}'].value:.0%} of the units dead"
        for label in trials
    )
    return Finding(
        verdict=verdict,
        number=width[False],
        what=f"share of zeros in a last hidden layer of {FEW} nodes less that in one of {MANY}, "
        "no output layer",
        because=f"After training, {'; '.join(told)}. With {FEW} nodes in place of {MANY} the share "
        f"of zeros changes by {percent(width[True])} under logits and {percent(width[False])} "
        f"without; leaving out the output layer changes it by {percent(output[FEW])} with {FEW} "
        f"nodes and {percent(output[MANY])} with {MANY}.",
        numbers=numbers,
    )


def zeros(trial: Trial) -> float:
    """Return the share of exact zeros in the last hidden layer; 1 if the training broke off."""
    return float(trial.end["hidden"][-1]["zeros"]) if trial.end is not None else 1.0


def dead(trial: Trial) -> float:
    """Return the share of dead units in the last hidden layer; 1 if the training broke off."""
    if trial.end is None:
        return 1.0
    row = trial.end["hidden"][-1]
    return float(row["dead"] / row["units"])


def draw_last_layer(trials: Trials) -> Figure:
    """Draw zeros and dead units of the last hidden layer, a row a network."""
    from minnet import plot

    figure, axes = plot.side_by_side(["Exact zeros", "Dead units"])
    for ax, number, xlabel in (
        (axes[0], zeros, "share of the last\nhidden layer's outputs"),
        (axes[1], dead, "share of the last\nhidden layer's units"),
    ):
        values = {label: list(map(number, runs)) for label, runs in trials.items()}
        plot.by_label(values, xlabel=xlabel, ax=ax)
    return figure


def judge_guideline(trials: Trials) -> Finding:
    """Judge claim 15: which initializer suits which activation, and deep networks."""
    parts: dict[str, dict[str, bool]] = {}
    leads: dict[str, Interval] = {}
    for advice in GUIDELINE:
        least = least_lead(trials, advice)
        leads[f"{advice.part} {advice.where}"] = least
        parts.setdefault(advice.part, {})[advice.where] = above(least, WORTH)
    told = (
        f"{part} "
        + ", ".join(f"{100 * leads[f'{part} {where}'].value:+.1f} {where}" for where in tried)
        for part, tried in parts.items()
    )
    kept = {label: geometric_mean(map(std_kept, runs)) for label, runs in trials.items()}
    deep = (
        f"{activation} "
        + ", ".join(
            f"{kept[f'{activation}, {rule}, {DEEPEST}'].value:.2g} ({rule})" for rule in RULES
        )
        for activation in ACTIVATIONS
    )
    return Finding(
        verdict=confined(parts),
        number=leads[f"He with ReLU in {DEEPEST}"],
        what=f"test accuracy after an epoch, ReLU in {DEEPEST}: He less the better of Xavier and "
        "LeCun",
        because="Points of test accuracy ahead of the best rival after an epoch: "
        f"{'; '.join(told)}. Of the first layer's std the last of {DEEPEST} has, before training: "
        f"{'; '.join(deep)}.",
        numbers={f"lead, {place}": lead for place, lead in leads.items()}
        | {f"test accuracy, {key}": mean(map(accuracy, runs)) for key, runs in trials.items()}
        | {f"std kept, {label}": number for label, number in kept.items()},
    )


def least_lead(trials: Trials, advice: Advice) -> Interval:
    """Return by how much what is recommended is ahead of its rivals, where it is the least."""
    label = f"{advice.activation}, {{}}, {advice.depth} layers".format
    leads = [
        paired(trials[label(chosen)], trials[label(rival)], accuracy)
        for chosen, rival in product(advice.chosen, advice.rivals)
    ]
    return min(leads, key=lambda lead: lead.low if lead.n > 1 else lead.value)


def std_kept(trial: Trial) -> float:
    """Return the std of the last hidden layer over the first's, before training."""
    if trial.start is None:
        return float("nan")
    first, last = (max(trial.start["hidden"][place]["std"], TINY) for place in (0, -1))
    return float(last / first)


def draw_guideline(trials: Trials) -> Figure:
    """Draw the grid of each activation: the std kept, and below it the accuracy."""
    from minnet import plot

    titles = [f"{name}: {what}" for what in ("std kept", "test accuracy") for name in ACTIVATIONS]
    figure, axes = plot.side_by_side(titles)
    rows = [(std_kept, geometric_mean, True), (accuracy, mean, False)]
    for ax, ((number, average, log), activation) in zip(
        axes, product(rows, ACTIVATIONS), strict=True
    ):
        cells = {
            rule: {
                depth: average(map(number, trials[f"{activation}, {rule}, {depth} layers"])).value
                for depth in DEPTHS
            }
            for rule in RULES
        }
        plot.matrix(
            cells, xlabel="hidden layers", ylabel="", log=log, ax=ax,
            label="last over first" if log else "share", limits=(1e-5, 1e1) if log else (0.1, 1.0),
        )  # fmt: skip
    return figure


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=14,
        article="002",
        says="The last hidden layer is at 0 because it has only 64 nodes.",
        measured="Share of exact zeros, and of dead units, in the last hidden layer on the test "
        f"rows after 5 epochs from He's weights; with {FEW} and with {MANY} nodes there, with ten "
        "logits after it and, as the article has it, without.",
        rule=f"Holds if {FEW} nodes in place of {MANY} raise the share of zeros by more than "
        f"{SEEN:.0%} of the layer, with the whole 95% interval of the difference paired by seed, "
        "with an output layer and without; holds only if there is one, or is none, if that is so "
        "in one of the two cases; else fails. A training that broke off counts as all zeros.",
        setups=LAST_LAYER,
        judge=judge_last_layer,
        draw=draw_last_layer,
    ),
    Claim(
        number=15,
        article="002",
        says="Xavier or LeCun suits sigmoid and tanh, He suits ReLU, orthogonal suits deep "
        "networks.",
        measured="Test accuracy after one epoch of SGD (lr .01, momentum .9, batches of 128), and "
        "before training the std of the last hidden layer, over units and rows, over that of the "
        "first; with 3 activations, 4 initializers, and 3, 10 and 30 hidden layers of 128.",
        rule="An initializer suits where it is ahead of its rivals in accuracy by more than "
        f"{100 * WORTH:g} point, with the whole 95% interval of the difference paired by seed: "
        "Xavier and LeCun each ahead of He with sigmoid and with tanh, and He ahead of both with "
        f"ReLU, at every depth; orthogonal ahead of all others in {DEPTHS[-1]} layers, with every "
        "activation. Holds if all is so; fails if nothing is; else holds only if confined to what "
        "is. A training that broke off counts as guessing.",
        setups=GRID,
        judge=judge_guideline,
        draw=draw_guideline,
    ),
)
