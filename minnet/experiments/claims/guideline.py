"""What the article on initial weights concludes: why the last layer is at 0, and what to choose.

It holds the last hidden layer's 64 nodes for one reason, maybe, that so much of it is 0, and closes
with a guideline: an initializer for each activation, and one for deep networks. The reason is held
against another, that the article's network has no output layer, and the guideline is tried as a
grid.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.verdicts import (
    above,
    accuracy,
    confined,
    every,
    listed,
    paired,
    percent,
    points,
    sided,
    unsettled,
    verdict_of_parts,
)
from minnet.experiments.initializers import VARIANTS
from minnet.experiments.intervals import Interval, geometric_mean, mean
from minnet.experiments.readings import TINY, after
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OUTPUTS = {True: "an output layer after it", False: "nothing after it"}
NODES = {"few": 64, "many": 256}
LAST_LAYER = {
    f"{many} nodes, {text}": VARIANTS["He"].but(hidden=(512, 256, 128, nodes), output=output)
    for output, text in OUTPUTS.items()
    for many, nodes in NODES.items()
}

ACTIVATIONS = {"sigmoid": "sigmoid", "tanh": "tanh", "ReLU": "relu"}
RULES = {
    "Xavier": "glorot_normal", "LeCun": "lecun_normal", "He": "he_normal",
    "orthogonal": "orthogonal",
}  # fmt: skip
DEPTHS, UNITS = (3, 10, 30), 128
DEEP = Setup(hidden=(), optimizer="sgd", lr=0.01, momentum=0.9, batch_size=128, epochs=1)
GRID = {
    f"{name}, {rule}, {depth} layers": DEEP.but(
        hidden=(UNITS,) * depth,
        activation=activation,
        init=init,
        # ReLU lets half of the second moment through; He's rule makes up for it, as this does.
        weight_scale=math.sqrt(2) if (name, rule) == ("ReLU", "orthogonal") else 1.0,
    )
    for name, activation in ACTIVATIONS.items()
    for rule, init in RULES.items()
    for depth in DEPTHS
}
AS_DRAWN = f"ReLU, orthogonal as drawn, {DEPTHS[-1]} layers"  # told beside the one times √2
GRID[AS_DRAWN] = DEEP.but(hidden=(UNITS,) * DEPTHS[-1], activation="relu", init="orthogonal")


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
        f"orthogonal in {DEEPEST}", f"with {name}{' (times √2)' if name == 'ReLU' else ''}",
        name, DEPTHS[-1], ("orthogonal",),
        (*SATURATING, "He"),
    )
    for name in ACTIVATIONS
]  # fmt: skip
SHALLOW = DEPTHS[0]  # of such networks the article says that the choice may not matter

SEEN = 0.1  # a tenth of a layer more or less at 0 is hard to see in a histogram
WORTH = 0.01  # a point of accuracy: for less nobody would choose another initializer
CHANCE = 0.2  # twice what guessing reaches of ten digits: below it nothing was learned to compare
NOT_TESTABLE = "holds only if a longer training shows it"
ALL_AT_0 = "holds only if a network with less at 0 shows it"


def judge_last_layer(trials: Trials) -> Finding:
    """Judge claim 14: the last hidden layer is at 0, maybe because it has 64 nodes."""
    runs = {key: trials[f"{key[0]} nodes, {OUTPUTS[key[1]]}"] for key in product(NODES, OUTPUTS)}
    width = {output: paired(runs["few", output], runs["many", output], zeros) for output in OUTPUTS}
    output = {many: paired(runs[many, False], runs[many, True], zeros) for many in NODES}
    full = [has for has in OUTPUTS if above(mean(map(zeros, runs["many", has])), 1 - SEEN)]
    parts = {text: sided(width[has], SEEN) for has, text in OUTPUTS.items() if has not in full}
    shown = full == [False]  # the article's network has none, unless nothing can be told of it
    few, many = (runs[word, True][0].setup.hidden[-1] for word in NODES)
    numbers = {
        f"{what}, {label}": mean(map(number, its)).within(0, 1)
        for what, number in (("zeros", zeros), ("dead units", dead))
        for label, its in _counted(trials).items()
    }
    numbers |= {f"zeros, {few} less {many} nodes, {OUTPUTS[has]}": n for has, n in width.items()}
    numbers |= {
        f"zeros, without less with an output layer, {nodes} nodes": output[word]
        for word, nodes in (("few", few), ("many", many))
    }
    told = (
        f"{label}: {percent(numbers[f'zeros, {label}'])} of the entries are 0, "
        f"{percent(numbers[f'dead units, {label}'])} of the units dead"
        for label in _counted(trials)
    )
    return Finding(
        verdict=verdict_of_parts(parts, "the last hidden layer has", "or") if parts else ALL_AT_0,
        number=width[shown],
        what=f"share of zeros in a last hidden layer of {few} nodes less that in one of {many}, "
        f"{OUTPUTS[shown]}",
        because=f"{after(runs['few', True][0].setup).capitalize()}, {'; '.join(told)}. With {few} "
        f"nodes in place of {many} the share of zeros changes by {points(width[True])} under an "
        f"output layer and {points(width[False])} without; leaving out the output layer changes it "
        f"by {points(output['few'])} with {few} nodes and {points(output['many'])} with {many}."
        + "".join(f" With {OUTPUTS[has]} nothing can be told: {many} are at 0 too." for has in full)
        + unsettled(parts),
        numbers=numbers,
    )


def _counted(trials: Trials) -> Trials:
    """Return the trials of claim 14 by labels that tell how many nodes they really have."""
    return {
        f"{runs[0].setup.hidden[-1]} nodes, {OUTPUTS[runs[0].setup.output]}": runs
        for runs in trials.values()
    }


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
    from minnet.experiments import charts

    figure, axes = charts.side_by_side(["Exact zeros", "Dead units"])
    for ax, number, xlabel in (
        (axes[0], zeros, "share of the last\nhidden layer's outputs"),
        (axes[1], dead, "share of the last\nhidden layer's units"),
    ):
        values = {label: list(map(number, runs)) for label, runs in _counted(trials).items()}
        charts.by_label(values, xlabel=xlabel, ax=ax)
    return figure


def judge_guideline(trials: Trials) -> Finding:
    """Judge claim 15: which initializer suits which activation, and deep networks."""
    parts: dict[str, dict[str, bool | None]] = {}
    leads = {advice: all_leads(trials, advice) for advice in GUIDELINE}
    untestable = [advice for advice in GUIDELINE if not learned(trials, advice)]
    for advice, its in leads.items():
        if advice.depth != SHALLOW and advice not in untestable:
            shown = every(sided(lead, WORTH) for lead in its)
            parts.setdefault(advice.part, {})[advice.where] = shown
    least = {f"{advice.part} {advice.where}": _least(its) for advice, its in leads.items()}
    flat = {f"{part} {where}": side for part, its in parts.items() for where, side in its.items()}
    epoch = after(next(iter(trials.values()))[0].setup)
    places = [f"{advice.part} {advice.where}" for advice in untestable]
    kept = {label: geometric_mean(map(std_kept, runs)) for label, runs in trials.items()}
    drawn = mean(map(accuracy, trials[AS_DRAWN]))
    return Finding(
        verdict=confined(parts) if parts else NOT_TESTABLE,
        number=least[f"He with ReLU in {DEEPEST}"],
        what=f"test accuracy {epoch}, ReLU in {DEEPEST}: He less the better of Xavier and LeCun",
        because=f"Test accuracy {epoch}, ahead of the best rival: "
        + "; ".join(f"{place} {points(lead)}" for place, lead in least.items())
        + f". Of the first layer's std the last of {DEEPEST} has, before training: {_deep(kept)}. "
        f"Orthogonal weights as they are drawn, not times √2, reach {percent(drawn)} with ReLU and "
        f"{kept[AS_DRAWN].value:.2g} of the std."
        + (f" Not testable with this budget: {listed(places)}." if places else "")
        + unsettled(flat),
        numbers={f"lead, {place}": lead for place, lead in least.items()}
        | {f"test accuracy, {key}": mean(map(accuracy, runs)) for key, runs in trials.items()}
        | {f"std kept, {label}": number for label, number in kept.items()},
    )


def learned(trials: Trials, advice: Advice) -> bool:
    """Tell whether one of the initializers that are compared is shown to be above chance."""
    return any(
        above(mean(map(accuracy, trials[_cell(advice, rule)])), CHANCE)
        for rule in (*advice.chosen, *advice.rivals)
    )


def all_leads(trials: Trials, advice: Advice) -> list[Interval]:
    """Return by how much each of what is recommended is ahead of each rival."""
    return [
        paired(trials[_cell(advice, chosen)], trials[_cell(advice, rival)], accuracy)
        for chosen, rival in product(advice.chosen, advice.rivals)
    ]


def _least(leads: list[Interval]) -> Interval:
    return min(leads, key=lambda lead: lead.low if lead.n > 1 else lead.value)


def _cell(advice: Advice, rule: str) -> str:
    return f"{advice.activation}, {rule}, {advice.depth} layers"


def _deep(kept: dict[str, Interval]) -> str:
    return "; ".join(
        f"{activation} "
        + ", ".join(
            f"{kept[f'{activation}, {rule}, {DEEPEST}'].value:.2g} ({rule})" for rule in RULES
        )
        for activation in ACTIVATIONS
    )


def std_kept(trial: Trial) -> float:
    """Return the std of the last hidden layer over the first's, before training."""
    if trial.start is None:
        return float("nan")
    first, last = (max(trial.start["hidden"][place]["std"], TINY) for place in (0, -1))
    return float(last / first)


def draw_guideline(trials: Trials) -> Figure:
    """Draw the grid of each activation: the std kept, and below it the accuracy."""
    from minnet.experiments import charts

    titles = [f"{name}: {what}" for what in ("std kept", "test accuracy") for name in ACTIVATIONS]
    figure, axes = charts.side_by_side(titles)
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
        charts.matrix(
            cells, xlabel="hidden layers", ylabel="", log=log, ax=ax,
            label="last over first" if log else "share", limits=(1e-5, 1e1) if log else (0.1, 1.0),
        )  # fmt: skip
    return figure


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=14,
        article="002",
        says="The last hidden layer is at 0; one factor may be the number of its nodes (64).",
        measured="Share of exact zeros, and of dead units, in the last hidden layer on the test "
        f"rows {after(VARIANTS['He'])} from He's weights; with {NODES['few']} and with "
        f"{NODES['many']} nodes there, with an output layer after it and, as the article has it, "
        "without.",
        rule=f"That it may be a factor holds if {NODES['few']} nodes in place of {NODES['many']} "
        f"raise the share of zeros by more than {100 * SEEN:g} points, with the whole 95% interval "
        "of the difference paired by seed, with an output layer and without; holds only if there "
        "is one, or is none, if that is so in one of the two cases; fails if in both the whole "
        "interval lies below that; else more seeds are needed. A case in which "
        f"{NODES['many']} nodes have more than {100 * (1 - SEEN):g}% zeros, with the whole "
        "interval, counts neither way, for fewer nodes cannot have so much more. A training that "
        "broke off counts as all zeros.",
        setups=LAST_LAYER,
        judge=judge_last_layer,
        draw=draw_last_layer,
    ),
    Claim(
        number=15,
        article="002",
        says="Xavier or LeCun suits sigmoid and tanh, He suits ReLU, orthogonal suits deep "
        "networks; shallow ones may not be sensitive to the choice.",
        measured=f"Test accuracy {after(DEEP)} of SGD (lr {DEEP.lr:g}, momentum {DEEP.momentum:g}, "
        f"batches of {DEEP.batch_size}), and before training the std of the last hidden layer, "
        f"over units and rows, over that of the first; {len(ACTIVATIONS)} activations, "
        f"{len(RULES)} initializers, {listed(list(map(str, DEPTHS)))} hidden layers of {UNITS}. "
        "With ReLU orthogonal weights are multiplied by √2, as He's are √2 times LeCun's; in "
        f"{DEPTHS[-1]} layers they are also tried as they are drawn, which is told and has no part "
        "in the verdict.",
        rule="An initializer suits where it is ahead of its rivals in accuracy by more than "
        f"{100 * WORTH:g} point, with the whole 95% interval of each difference paired by seed; it "
        "does not if the whole interval of one lies below that; else it is not settled. Xavier and "
        "LeCun each are to be ahead of He with sigmoid and with tanh, and He ahead of both with "
        f"ReLU, in {listed(list(map(str, DEPTHS[1:])))} layers; orthogonal ahead of all others in "
        f"{DEPTHS[-1]}, with every activation. {SHALLOW} layers are told and drawn and have no "
        "part in the verdict. Nor has a case in which none of those compared has its whole "
        f"interval above {CHANCE:.0%}: it is not testable with this budget and counts neither way; "
        "without any other, a longer training is needed. Of the rest: holds if all is so; holds "
        "only if confined to what is; if nothing is, fails if none is left unsettled, and else "
        "more seeds are needed. A training that broke off counts as guessing.",
        setups=GRID,
        judge=judge_guideline,
        draw=draw_guideline,
    ),
)
