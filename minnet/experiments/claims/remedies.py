"""Claims on what heals gradients: those that vanish (articles 001 and 000/004), and explode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.verdicts import (
    GUESS,
    VANISHED,
    above,
    accuracy,
    below,
    paired,
    percent,
    verdict_of_parts,
)
from minnet.experiments.exploding import VARIANTS
from minnet.experiments.intervals import Interval, geometric_mean, mean
from minnet.experiments.readings import TINY, by_layer, last_over_first, stages
from minnet.experiments.trial import Trial
from minnet.experiments.vanishing import SICK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SICK_1 = SICK.but(epochs=1)
HEALED = SICK_1.but(activation="relu", init="he_uniform", batchnorm=True, residual=True)
LEARNED = 0.5  # accuracy, five times a guess's: no network that stands still comes near it

# 10. ReLU, Swish, skip connections, BatchNorm and Xavier heal a network whose gradients vanish.

BASE, TOGETHER = "none", "together"
REMEDIES = {
    "ReLU": SICK_1.but(activation="relu"),
    "Swish": SICK_1.but(activation="swish"),
    "skip connections": SICK_1.but(residual=True),
    "BatchNorm": SICK_1.but(batchnorm=True),
    "Xavier": SICK_1.but(init="glorot_uniform"),
}


def judge_remedies(trials: Trials) -> Finding:
    """Judge claim 10: each remedy alone, by its gradients and by what is learned in an epoch."""
    ratios = {label: geometric_mean(_ratios(runs)) for label, runs in trials.items()}
    accuracies = {label: mean(map(accuracy, runs)) for label, runs in trials.items()}
    healing = [
        label
        for label in REMEDIES
        if below(ratios[label], VANISHED)
        and above(accuracies[label], LEARNED)
        and above(paired(trials[label], trials[BASE], accuracy), 0)
    ]
    told = "; ".join(
        f"{label} {ratios[label].value:.2g}, {percent(accuracies[label])}" for label in trials
    )
    return Finding(
        verdict=verdict_of_parts(healing, [*REMEDIES], "the remedy is", "or"),
        number=accuracies[TOGETHER],
        what="test accuracy after an epoch with ReLU, He, BatchNorm and skip connections together",
        because="The last layer's gradient over the first's before training, and the test accuracy "
        f"after an epoch, by remedy: {told}.",
        numbers={f"last over first, {label}": ratio for label, ratio in ratios.items()}
        | {f"test accuracy, {label}": share for label, share in accuracies.items()},
    )


def draw_remedies(trials: Trials) -> Figure:
    """Draw for each remedy the last layer's gradient over the first's, and the test accuracy."""
    from minnet import plot

    figure, (left, right) = plot.side_by_side(["Gradients before training", "After one epoch"])
    ratios = {label: _ratios(runs) for label, runs in trials.items()}
    marks = {"too small to learn by": VANISHED}
    plot.by_label(ratios, xlabel="last layer's / first layer's", log=True, reference=marks, ax=left)
    _draw_accuracies(trials, right)
    return figure


def _ratios(runs: Sequence[Trial]) -> list[float]:
    return [last_over_first(net) for net in stages(runs)["before training"]]


def _draw_accuracies(trials: Trials, ax: Axes) -> None:
    from minnet import plot

    values = {label: [accuracy(trial) for trial in runs] for label, runs in trials.items()}
    plot.by_label(values, xlabel="test accuracy", reference={"a guess": GUESS["accuracy"]}, ax=ax)
    ax.set_xlim(0, 1)


# 20. Clipping stops explosions; Adam and RMSProp soften vanishing gradients.

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
EVENED = 10.0  # times as far that the first layer moves, measured by the last: no seed does that
GAIN = 0.05  # accuracy: the network learns something that it did not with SGD


def judge_optimizers(trials: Trials) -> Finding:
    """Judge claim 20: an explosion with and without clipping, vanishing with three optimizers."""
    shares = {label: mean(map(accuracy, runs)) for label, runs in trials.items()}
    broken = trials["not clipped"]
    exploded = all(accuracy(trial) < CHANCE for trial in broken)
    holding = ["clipping"] if exploded and above(shares["clipped to norm 1"], LEARNED) else []
    gains = {label: paired(trials[label], trials["SGD"], accuracy) for label in ADAPTIVE}
    moved = {label: _ways(trials[label]) for label in OPTIMIZERS}
    evened = {label: _evened(trials[label], trials["SGD"]) for label in ADAPTIVE}
    holding += [
        label for label in ADAPTIVE if above(evened[label], EVENED) and above(gains[label], GAIN)
    ]
    told = "; ".join(
        f"{label} {moved[label].value:.2g}, {percent(shares[label])}" for label in OPTIMIZERS
    )
    stopped = {label: sum(trial.stopped is not None for trial in trials[label]) for label in trials}
    return Finding(
        verdict=verdict_of_parts(holding, ["clipping", *ADAPTIVE], "it is said of", "and"),
        number=shares["clipped to norm 1"],
        what="test accuracy after an epoch of the exploding network, its gradients clipped",
        because=f"Not clipped, {stopped['not clipped']} of {len(broken)} trainings of the "
        f"exploding network break off and accuracy is {percent(shares['not clipped'])}; clipped, "
        f"{stopped['clipped to norm 1']} break off and it is "
        f"{percent(shares['clipped to norm 1'])}. How far the first layer's weights move in an "
        "epoch, over how far the last's do, and the accuracy, where gradients vanish: "
        f"{told}.",
        numbers={f"test accuracy, {label}": share for label, share in shares.items()}
        | {f"first layer's way over the last's, {label}": way for label, way in moved.items()}
        | {f"that over SGD's, {label}": times for label, times in evened.items()}
        | {f"accuracy gained over SGD, {label}": gain for label, gain in gains.items()},
    )


def draw_optimizers(trials: Trials) -> Figure:
    """Draw what the exploding and the vanishing networks learn, and how far their weights move."""
    from minnet import plot

    figure, panels = plot.side_by_side(
        ["Exploding gradients", "Vanishing gradients", "How far weights move"], share_y=False
    )
    for ax, labels in zip(panels, (EXPLOSION, OPTIMIZERS), strict=False):
        _draw_accuracies({label: trials[label] for label in labels}, ax)
    networks = {label: stages(trials[label])["after training"] for label in OPTIMIZERS}
    moved = {label: by_layer(nets, "dense", "moved") for label, nets in networks.items() if nets}
    if moved:
        plot.by_layer(moved, ylabel="way / size of the weights", log=True, ax=panels[2])
    return figure


def _way(trial: Trial) -> float:
    """Return how far the first layer's weights went over how far the last's did; nan if nowhere."""
    if trial.end is None:
        return float("nan")
    first, *_, final = (max(row["moved"], TINY) for row in trial.end["dense"])
    return float(first / final)


def _ways(runs: Sequence[Trial]) -> Interval:
    """Return that over the trainings that did not break off."""
    return geometric_mean(_way(trial) for trial in runs if trial.end is not None)


def _evened(runs: Sequence[Trial], others: Sequence[Trial]) -> Interval:
    """Return how many times larger that is in runs than in others, by seed."""
    return geometric_mean(
        _way(one) / _way(two)
        for one, two in zip(runs, others, strict=True)
        if one.end is not None and two.end is not None
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=10,
        article="001",
        says="ReLU, Swish, skip connections, BatchNorm and Xavier's initialization heal vanishing "
        "gradients.",
        measured="RMS of the last layer's weight gradient over the first's before training, and "
        "test accuracy after an epoch, with one remedy at a time and all else as in the sick "
        "network; and with ReLU, He, BatchNorm and skip connections together.",
        rule=f"A remedy heals if the ratio is below {VANISHED:g}, test accuracy is above "
        f"{LEARNED:.0%}, and it is above the sick network's, seed by seed, each with the whole 95% "
        "interval. Holds if all five heal alone, fails if none does, and otherwise holds only of "
        "those that do.",
        setups={BASE: SICK_1, **REMEDIES, TOGETHER: HEALED},
        judge=judge_remedies,
        draw=draw_remedies,
    ),
    Claim(
        number=20,
        article="000/004",
        says="Clipping stops exploding gradients; Adam and RMSProp soften vanishing ones.",
        measured="Test accuracy after an epoch: of ten ReLU layers whose first weights are 1.5 "
        "times He's, with and without clipping to norm 1; and of the sick sigmoid network with "
        "SGD, Adam and RMSProp. Of the latter also how far the first layer's weights move, over "
        "how far the last's do, each in its own size.",
        rule=f"Clipping does it if without it every seed breaks off or stays below {CHANCE:.0%} "
        f"and with it accuracy is above {LEARNED:.0%}. An optimizer does it if against SGD the "
        f"first layer moves more than {EVENED:g} times as far, measured by the last, and accuracy "
        f"is more than {100 * GAIN:.0f} points higher; each with the whole 95% interval. Holds if "
        "all three do, fails if none does, and otherwise holds only of those that do.",
        setups=EXPLOSION | OPTIMIZERS,
        judge=judge_optimizers,
        draw=draw_optimizers,
    ),
)
