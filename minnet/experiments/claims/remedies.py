"""Claims 10 and 20, on remedies against vanishing (001) and exploding gradients (000/004)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from minnet.experiments import charts
from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.figures import Panel, draw_panel
from minnet.experiments.claims.gradients import BASELINE, RATIO
from minnet.experiments.claims.quantities import GUESS, Quantity, accuracy, means, named, paired
from minnet.experiments.claims.text import percent
from minnet.experiments.claims.verdicts import above, verdict
from minnet.experiments.exploding import VARIANTS
from minnet.experiments.intervals import Interval, geometric_mean
from minnet.experiments.readings import by_layer, last_over_first, over, stages
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# 10. ReLU, Swish, skip connections, BatchNorm and Xavier can help to reduce vanishing gradients.

NONE, TOGETHER = "none", "together"
REDUCED = 10.0  # a smaller reduction hardly helps six layers
SHORT = BASELINE.but(epochs=1)
REMEDIES = {
    "ReLU": SHORT.but(activation="relu"),
    "Swish": SHORT.but(activation="swish"),
    "skip connections": SHORT.but(residual=True),
    "BatchNorm": SHORT.but(batchnorm=True),
    "Xavier": SHORT.but(init="glorot_uniform"),
}
ALL_REMEDIES = SHORT.but(activation="relu", init="he_uniform", batchnorm=True, residual=True)


def judge_remedies(trials: Trials) -> Finding:
    """Judge claim 10: how much each remedy alone reduces the ratio of the gradients."""
    ratios = {k: geometric_mean(without_nan(runs, ratio_before)) for k, runs in trials.items()}
    reductions = {
        label: factor(trials[NONE], trials[label], ratio_before) for label in (*REMEDIES, TOGETHER)
    }
    accuracies = means(trials, accuracy)
    parts = {label: above(reductions[label], REDUCED) for label in REMEDIES}
    least = min(REMEDIES, key=lambda label: reductions[label].value)
    by_remedy = "; ".join(
        f"{label} {ratios[label].value:.2g}, {percent(accuracies[label])}" for label in trials
    )
    return Finding(
        verdict=verdict(parts, "the remedy is {}", "or"),
        result=f"reduction of the {RATIO}, {least}",
        reason=f"The {RATIO} before training, and the test accuracy after training "
        f"({trials[NONE][0].setup.epochs} of the article's {BASELINE.epochs} epochs), by remedy: "
        f"{by_remedy}. {least} is the least effective remedy.",
        numbers=named(RATIO, ratios)
        | named(f"reduction of the {RATIO}", reductions)
        | named("test accuracy", accuracies),
        parts=parts,
    )


def ratio_before(trial: Trial) -> float:
    """Return the last layer's gradient over the first's before training; NaN if not finite."""
    return last_over_first(trial.start) if trial.start is not None else math.nan


def factor(ones: Sequence[Trial], others: Sequence[Trial], quantity: Quantity) -> Interval:
    """Return the ratio of a quantity between trainings of the same seed, without NaN."""
    pairs = [(quantity(one), quantity(two)) for one, two in zip(ones, others, strict=True)]
    return geometric_mean(over(*pair) for pair in pairs if not any(map(math.isnan, pair)))


def without_nan(runs: Sequence[Trial], quantity: Quantity) -> list[float]:
    """Return a quantity by seed where it is not NaN."""
    return [value for value in map(quantity, runs) if not math.isnan(value)]


def draw_remedies(trials: Trials) -> Figure:
    """Draw for each remedy the ratio of the gradients and the test accuracy."""
    figure, (left, right) = charts.side_by_side(["Gradients before training", "After training"])
    ratios = {label: without_nan(runs, ratio_before) for label, runs in trials.items()}
    mark = geometric_mean(ratios[NONE]).value / REDUCED
    marks = {f"1/{REDUCED:g} of no remedy": mark} if math.isfinite(mark) else {}
    charts.by_label(
        ratios, xlabel="last layer's / first layer's", log=True, reference=marks, ax=left
    )
    draw_panel(right, trials, ACCURACY)
    return figure


ACCURACY = Panel("", accuracy, "test accuracy", {"guessing": GUESS["accuracy"]}, (0, 1))


# 20. Clipping can help against explosions, Adam and RMSProp against vanishing gradients.

EXPLODING, CLIPPED = "not clipped", "clipped to norm 1"
EXPLOSION = {EXPLODING: VARIANTS["too large"], CLIPPED: VARIANTS["too large, clipped"]}
OPTIMIZERS = {
    "SGD": SHORT,
    "Adam": SHORT.but(optimizer="adam", lr=1e-3),
    "RMSProp": SHORT.but(optimizer="rmsprop", lr=1e-3),
}
ADAPTIVE = ("Adam", "RMSProp")
CHANCE = 0.2  # twice the accuracy of guessing: below it nothing was learned
LEARNED = 0.5  # five times that of guessing
EVENED = 10.0  # times the movement of the first layer relative to the last; no seed does that


def judge_optimizers(trials: Trials) -> Finding:
    """Judge claim 20: an explosion with and without clipping, and three optimizers."""
    accuracies = means(trials, accuracy)
    exploded = all(accuracy(trial) < CHANCE for trial in trials[EXPLODING])
    moved = {k: geometric_mean(without_nan(trials[k], movement)) for k in OPTIMIZERS}
    evened = {label: factor(trials[label], trials["SGD"], movement) for label in ADAPTIVE}
    gains = {label: paired(trials[label], trials["SGD"], accuracy) for label in ADAPTIVE}
    parts = {"clipping": above(accuracies[CLIPPED], LEARNED) if exploded else None}
    parts |= {label: above(evened[label], EVENED) for label in ADAPTIVE}
    by_optimizer = "; ".join(
        f"{label} {moved[label].value:.2g}, {percent(accuracies[label])}" for label in OPTIMIZERS
    )
    return Finding(
        verdict=verdict(parts, "the statement is restricted to {}"),
        result=f"test accuracy, {CLIPPED}",
        reason=f"The test accuracy of the exploding network is {percent(accuracies[EXPLODING])} "
        f"without and {percent(accuracies[CLIPPED])} with clipping. Movement of the first layer's "
        "weights over that of the last layer's, and test accuracy, where gradients vanish: "
        f"{by_optimizer}.",
        numbers=named("test accuracy", accuracies)
        | named("movement of the first layer over the last", moved)
        | named("movement over that with SGD", evened)
        | named("accuracy gained over SGD", gains),
        parts=parts,
    )


def movement(trial: Trial) -> float:
    """Return the movement of the first layer's weights over the last's; NaN if it diverged."""
    if trial.end is None:
        return math.nan
    first, *_, final = (float(row["moved"]) for row in trial.end["dense"])
    return over(first, final)


def draw_optimizers(trials: Trials) -> Figure:
    """Draw the accuracies of the exploding and the vanishing networks, and the movement."""
    titles = ["Exploding gradients", "Vanishing gradients", "Movement of the weights"]
    figure, panels = charts.side_by_side(titles, share_y=False)
    for ax, labels in zip(panels, (EXPLOSION, OPTIMIZERS), strict=False):
        draw_panel(ax, {label: trials[label] for label in labels}, ACCURACY)
    networks = {label: stages(trials[label])["after training"] for label in OPTIMIZERS}
    moved = {label: by_layer(nets, "dense", "moved") for label, nets in networks.items() if nets}
    if moved:
        charts.by_layer(moved, ylabel="movement / size of the weights", log=True, ax=panels[2])
    return figure


CLAIMS = (
    Claim(
        number=10,
        article="001",
        statement="ReLU, Swish, skip connections, BatchNorm and Xavier's initialization can help "
        "to reduce vanishing gradients.",
        measured="RMS of the last layer's weight gradient over the first's before training: with "
        "no remedy, with one remedy at a time, and with ReLU, He, BatchNorm and skip connections "
        "together. Test accuracy after training is reported.",
        rule=f"A part for each remedy: alone it makes the ratio more than {REDUCED:g} times "
        "smaller, whether or not the network then learns.",
        setups={NONE: SHORT, **REMEDIES, TOGETHER: ALL_REMEDIES},
        judge=judge_remedies,
        draw=draw_remedies,
    ),
    Claim(
        number=20,
        article="000/004",
        statement="Clipping can help to mitigate exploding gradients; Adam and RMSProp can help to "
        "reduce vanishing ones.",
        measured="Test accuracy after training of a network whose initial weights make gradients "
        "explode, with and without clipping to norm 1. For the sigmoid network with SGD, Adam and "
        "RMSProp: how far the first layer's weights move in training over how far the last's do, "
        "each relative to its size; accuracy is reported.",
        rule="Three parts. Clipping: without it every seed diverges or stays below "
        f"{CHANCE:.0%} accuracy, and with it accuracy is above {LEARNED:.0%}; undecided without an "
        "explosion. Adam and RMSProp: the first layer, relative to the last, moves more than "
        f"{EVENED:g} times as far as with SGD, whether or not the network then learns. The "
        "movement and the size of the weights were chosen after small trial runs.",
        setups=EXPLOSION | OPTIMIZERS,
        judge=judge_optimizers,
        draw=draw_optimizers,
    ),
)
