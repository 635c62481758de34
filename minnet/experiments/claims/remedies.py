"""Claims on what heals gradients: those that vanish (articles 001 and 000/004), and explode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.verdicts import (
    GUESS,
    accuracy,
    paired,
    percent,
    sided,
    unsettled,
    verdict_of_parts,
)
from minnet.experiments.exploding import VARIANTS
from minnet.experiments.intervals import Interval, geometric_mean, mean
from minnet.experiments.readings import by_layer, last_over_first, over, stages
from minnet.experiments.trial import Trial
from minnet.experiments.vanishing import SICK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SICK_1 = SICK.but(epochs=1)
HEALED = SICK_1.but(activation="relu", init="he_uniform", batchnorm=True, residual=True)

# 10. ReLU, Swish, skip connections, BatchNorm and Xavier can help to reduce vanishing gradients.

BASE, TOGETHER = "none", "together"
REDUCED = 10.0  # times smaller: less than that may be, and does not help six layers much
REMEDIES = {
    "ReLU": SICK_1.but(activation="relu"),
    "Swish": SICK_1.but(activation="swish"),
    "skip connections": SICK_1.but(residual=True),
    "BatchNorm": SICK_1.but(batchnorm=True),
    "Xavier": SICK_1.but(init="glorot_uniform"),
}


def judge_remedies(trials: Trials) -> Finding:
    """Judge claim 10: what each remedy alone does to the gradients; and what is learned with it."""
    ratios = {label: geometric_mean(_ratios(runs)) for label, runs in trials.items()}
    reduced = {label: _reduction(trials[BASE], trials[label]) for label in (*REMEDIES, TOGETHER)}
    accuracies = {label: mean(map(accuracy, runs)) for label, runs in trials.items()}
    parts = {label: sided(reduced[label], REDUCED) for label in REMEDIES}
    least = min(REMEDIES, key=lambda label: reduced[label].value)
    told = "; ".join(
        f"{label} {ratios[label].value:.2g}, {percent(accuracies[label])}" for label in trials
    )
    return Finding(
        verdict=verdict_of_parts(parts, "the remedy is", "or"),
        number=reduced[least],
        what=f"times that {least}, which does least, reduces the last layer's gradient over the "
        "first's",
        because="The last layer's gradient over the first's before training, and the test accuracy "
        f"after training ({trials[BASE][0].setup.epochs} of the article's {SICK.epochs} epochs), "
        f"by remedy: {told}." + unsettled(parts),
        numbers={f"last over first, {label}": ratio for label, ratio in ratios.items()}
        | {f"times reduced, {label}": times for label, times in reduced.items()}
        | {f"test accuracy, {label}": share for label, share in accuracies.items()},
    )


def _reduction(sick: Sequence[Trial], healed: Sequence[Trial]) -> Interval:
    """Return how many times smaller a remedy makes the last gradient over the first, by seed."""
    return geometric_mean(
        over(last_over_first(one.start), last_over_first(two.start))
        for one, two in zip(sick, healed, strict=True)
        if one.start is not None and two.start is not None
    )


def draw_remedies(trials: Trials) -> Figure:
    """Draw for each remedy the last layer's gradient over the first's, and the test accuracy."""
    from minnet.experiments import charts

    figure, (left, right) = charts.side_by_side(["Gradients before training", "After training"])
    ratios = {label: _ratios(runs) for label, runs in trials.items()}
    mark = geometric_mean(ratios[BASE]).value / REDUCED
    marks = {f"1/{REDUCED:g} of the sick network's": mark} if math.isfinite(mark) else {}
    charts.by_label(
        ratios, xlabel="last layer's / first layer's", log=True, reference=marks, ax=left
    )
    _draw_accuracies(trials, right)
    return figure


def _ratios(runs: Sequence[Trial]) -> list[float]:
    return [last_over_first(net) for net in stages(runs)["before training"]]


def _draw_accuracies(trials: Trials, ax: Axes) -> None:
    from minnet.experiments import charts

    values = {label: [accuracy(trial) for trial in runs] for label, runs in trials.items()}
    charts.by_label(values, xlabel="test accuracy", reference={"a guess": GUESS["accuracy"]}, ax=ax)
    ax.set_xlim(0, 1)


# 20. Clipping can help against explosions, Adam and RMSProp against vanishing gradients.

EXPLOSION = {
    "not clipped": VARIANTS["too large"],
    "clipped to norm 1": VARIANTS["too large, clipped"],
}
ADAPTIVE = {
    "Adam": SICK_1.but(optimizer="adam", lr=1e-3),
    "RMSProp": SICK_1.but(optimizer="rmsprop", lr=1e-3),
}
OPTIMIZERS = {"SGD": SICK_1} | ADAPTIVE
CHANCE = 0.2  # accuracy below which nothing was learned: twice a guess's
LEARNED = 0.5  # accuracy, five times a guess's: no network that stands still comes near it
EVENED = 10.0  # times as far that the first layer moves, measured by the last: no seed does that


def judge_optimizers(trials: Trials) -> Finding:
    """Judge claim 20: an explosion with and without clipping, vanishing with three optimizers."""
    shares = {label: mean(map(accuracy, runs)) for label, runs in trials.items()}
    broken = trials["not clipped"]
    exploded = all(accuracy(trial) < CHANCE for trial in broken)
    gains = {label: paired(trials[label], trials["SGD"], accuracy) for label in ADAPTIVE}
    moved = {label: _ways(trials[label]) for label in OPTIMIZERS}
    evened = {label: _evened(trials[label], trials["SGD"]) for label in ADAPTIVE}
    parts = {"clipping": sided(shares["clipped to norm 1"], LEARNED) if exploded else None} | {
        label: sided(evened[label], EVENED) for label in ADAPTIVE
    }
    told = "; ".join(
        f"{label} {moved[label].value:.2g}, {percent(shares[label])}" for label in OPTIMIZERS
    )
    stopped = {label: sum(trial.stopped is not None for trial in trials[label]) for label in trials}
    return Finding(
        verdict=verdict_of_parts(parts, "it is said of", "and"),
        number=shares["clipped to norm 1"],
        what="test accuracy of the exploding network after training, its gradients clipped",
        because=f"Not clipped, {stopped['not clipped']} of {len(broken)} trainings of the "
        f"exploding network break off and accuracy is {percent(shares['not clipped'])}; clipped, "
        f"{stopped['clipped to norm 1']} break off and it is "
        f"{percent(shares['clipped to norm 1'])}. How far the first layer's weights move in "
        "training, over how far the last's do, and the accuracy, where gradients vanish: "
        f"{told}." + unsettled(parts),
        numbers={f"test accuracy, {label}": share for label, share in shares.items()}
        | {f"first layer's way over the last's, {label}": way for label, way in moved.items()}
        | {f"that over SGD's, {label}": times for label, times in evened.items()}
        | {f"accuracy gained over SGD, {label}": gain for label, gain in gains.items()},
    )


def draw_optimizers(trials: Trials) -> Figure:
    """Draw what the exploding and the vanishing networks learn, and how far their weights move."""
    from minnet.experiments import charts

    figure, panels = charts.side_by_side(
        ["Exploding gradients", "Vanishing gradients", "How far weights move"], share_y=False
    )
    for ax, labels in zip(panels, (EXPLOSION, OPTIMIZERS), strict=False):
        _draw_accuracies({label: trials[label] for label in labels}, ax)
    networks = {label: stages(trials[label])["after training"] for label in OPTIMIZERS}
    moved = {label: by_layer(nets, "dense", "moved") for label, nets in networks.items() if nets}
    if moved:
        charts.by_layer(moved, ylabel="way / size of the weights", log=True, ax=panels[2])
    return figure


def _way(trial: Trial) -> float:
    """Return how far the first layer's weights went over how far the last's did; nan if nowhere."""
    if trial.end is None:
        return float("nan")
    first, *_, final = (float(row["moved"]) for row in trial.end["dense"])
    return over(first, final)


def _ways(runs: Sequence[Trial]) -> Interval:
    """Return that over the trainings that did not break off."""
    return geometric_mean(_way(trial) for trial in runs if trial.end is not None)


def _evened(runs: Sequence[Trial], others: Sequence[Trial]) -> Interval:
    """Return how many times larger that is in runs than in others, by seed."""
    return geometric_mean(
        over(_way(one), _way(two))
        for one, two in zip(runs, others, strict=True)
        if one.end is not None and two.end is not None
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=10,
        article="001",
        says="ReLU, Swish, skip connections, BatchNorm and Xavier's initialization can help to "
        "reduce vanishing gradients.",
        measured="RMS of the last layer's weight gradient over the first's before training, with "
        "one remedy at a time and all else as in the sick network, against that network; and with "
        "ReLU, He, BatchNorm and skip connections together. Test accuracy after training is told.",
        rule=f"A remedy helps if it makes the ratio more than {REDUCED:g} times smaller than the "
        "sick network's, seed by seed, with the whole 95% interval, whether or not the network "
        "then learns. Holds if all five help alone; fails if the whole interval of each lies below "
        "that; otherwise holds only of those that help, and if none is shown to, more seeds are "
        "needed.",
        setups={BASE: SICK_1, **REMEDIES, TOGETHER: HEALED},
        judge=judge_remedies,
        draw=draw_remedies,
    ),
    Claim(
        number=20,
        article="000/004",
        says="Clipping can help to mitigate exploding gradients; Adam and RMSProp can help to "
        "reduce vanishing ones.",
        measured="Test accuracy after training, of the network whose first weights make gradients "
        "explode, with and without clipping to norm 1. Of the sick sigmoid network with SGD, Adam "
        "and RMSProp, how far the first layer's weights move in training, over how far the last's "
        "do, each in its own size; its accuracy is told.",
        rule=f"Clipping helps if without it every seed breaks off or stays below {CHANCE:.0%} and "
        f"with it accuracy is above {LEARNED:.0%}; without an explosion nothing is shown of it. An "
        f"optimizer helps if the first layer moves more than {EVENED:g} times as far as with SGD, "
        "measured by the last, seed by seed, whether or not the network then learns. The whole 95% "
        "interval must lie there. Holds if all three help; fails if the whole interval of each "
        "lies below; otherwise holds only of those that help, and if none is shown to, more seeds "
        "are needed. That weights' ways are read, and the first weights' size, were chosen after "
        "small trial runs.",
        setups=EXPLOSION | OPTIMIZERS,
        judge=judge_optimizers,
        draw=draw_optimizers,
    ),
)
