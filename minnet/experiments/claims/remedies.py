"""Claims 8 to 10 and 20: effects of vanishing gradients (001), and remedies (001, 000/004)."""

import math
from functools import partial

from minnet.experiments import readings
from minnet.experiments.claims.claim import Claim, Finding, named, rows
from minnet.experiments.claims.gradients import RATIO
from minnet.experiments.claims.verdicts import above, counted, percent, points
from minnet.experiments.exploding import VARIANTS
from minnet.experiments.intervals import mean
from minnet.experiments.readings import AFTER, BEFORE, accuracy, difference, last, means, ratio
from minnet.experiments.trial import EVALUATED, Trial, Trials
from minnet.experiments.vanishing import BASELINE

_claim = partial(Claim, article="001")
SHORT = BASELINE.but(epochs=1)
ALL_REMEDIES = SHORT.but(activation="relu", init="he_uniform", batchnorm=True, residual=True)
PLAIN, REMEDIED = "baseline", "with remedies"
COMPARED = {PLAIN: BASELINE, REMEDIED: ALL_REMEDIES}
GUESSED_LOSS = readings.guess(BASELINE, "loss")
GUESSING = {"guessing": readings.guess(BASELINE, "accuracy")}
accuracies_of = partial(rows, xlabel="accuracy", reference=GUESSING, limits={"xlim": (0, 1)})
training_loss: readings.Quantity = partial(last, curve="train_loss")
training_accuracy: readings.Quantity = partial(last, curve="train_accuracy")


def early_loss(trial: Trial) -> float:
    """Return the training loss after as many epochs as the network with remedies is trained."""
    early = trial.curves["train_loss"][: ALL_REMEDIES.epochs]
    diverged = len(early) < ALL_REMEDIES.epochs or not math.isfinite(early[-1])
    return GUESSED_LOSS if diverged else early[-1]


def epochs(trials: Trials, label: str) -> str:
    """Return the number of epochs of a network, such as "1 epoch"."""
    return counted(trials[label][0].setup.epochs, "epoch")


@partial(
    _claim,
    number=8,
    statement="With vanishing gradients training is slow and ends at a suboptimal solution.",
    measured="Training loss of the baseline minus that of the network with remedies (ReLU, He, "
    "BatchNorm, skip connections): after as many epochs as the network with remedies is trained, "
    "and after all epochs of the baseline, which are more. Test accuracies are reported.",
    rule="Two parts: the baseline's training loss is higher after equally many epochs (slow), "
    "and after all of its epochs (suboptimal).",
    setups=COMPARED,
    panels=[
        rows(
            "Training loss", training_loss, "cross-entropy",
            reference={"guessing": GUESSED_LOSS}, limits={"xlim": (0, None)},
        ),
        accuracies_of("Test accuracy", accuracy),
    ],
)  # fmt: skip
def slowness(trials: Trials) -> Finding:
    """Compare the baseline's training loss after few and after all epochs."""
    slow = difference(trials, PLAIN, REMEDIED, early_loss)
    suboptimal = difference(trials, PLAIN, REMEDIED, training_loss)
    early, losses = mean(map(early_loss, trials[PLAIN])), means(trials, training_loss)
    accuracies = means(trials, accuracy)
    name = "training loss, baseline minus with remedies"
    return Finding(
        result=f"{name}, after all epochs",
        reason=f"After {epochs(trials, REMEDIED)} the training loss of the baseline is {early} and "
        f"that with remedies {losses[REMEDIED]}; guessing gives ln 10 = {GUESSED_LOSS:.4f}. After "
        f"{epochs(trials, PLAIN)} the baseline's is {losses[PLAIN]}. Its test accuracy is then "
        f"{percent(accuracies[PLAIN])}, that with remedies {percent(accuracies[REMEDIED])}.",
        numbers=named(name, {"after equally many epochs": slow, "after all epochs": suboptimal})
        | {"training loss, baseline, after as many epochs as with remedies": early}
        | named("training loss", losses)
        | named("test accuracy", accuracies),
        parts={"training being slow": above(slow), "training being suboptimal": above(suboptimal)},
    )


def accuracy_gap(trial: Trial) -> float:
    """Return the accuracy on training rows minus that on test rows after training."""
    return training_accuracy(trial) - accuracy(trial)


@partial(
    _claim,
    number=9,
    statement="Vanishing gradients contribute to overfitting.",
    measured="The gap in accuracy of the baseline minus that of the network with remedies. A gap "
    f"is the accuracy on the first {EVALUATED} training rows minus that on the test rows. The "
    "baseline is trained for more epochs, which widens its gap in favour of the claim.",
    rule="The gap of the baseline is wider.",
    setups=COMPARED,
    panels=[
        accuracies_of("Training rows", training_accuracy),
        accuracies_of("Test rows", accuracy),
        rows("Gap", accuracy_gap, "training minus test", reference={"none": 0.0}),
    ],
)
def overfitting(trials: Trials) -> Finding:
    """Compare the gaps between training and test rows."""
    wider = difference(trials, PLAIN, REMEDIED, accuracy_gap)
    gaps, training = means(trials, accuracy_gap), means(trials, training_accuracy)
    reason = " ".join(
        f"The accuracy ({label}) after {epochs(trials, label)} is {percent(training[label])} on "
        f"training rows. Minus that on test rows it is {points(gaps[label])}."
        for label in COMPARED
    )
    if above(difference(trials, REMEDIED, PLAIN, training_accuracy)):
        reason += " The baseline underfits: its accuracy on its own training rows is lower."
    result = "gap in accuracy, training minus test, baseline minus with remedies"
    return Finding(
        result=result,
        reason=reason,
        numbers={result: wider}
        | named("gap in accuracy", gaps)
        | named("training accuracy", training),
        parts={"the gap in accuracy": above(wider)},
    )


NONE, TOGETHER = "none", "together"
REDUCED = 10.0  # a smaller reduction hardly helps six layers
REMEDIES = {
    "ReLU": SHORT.but(activation="relu"),
    "Swish": SHORT.but(activation="swish"),
    "skip connections": SHORT.but(residual=True),
    "BatchNorm": SHORT.but(batchnorm=True),
    "Xavier": SHORT.but(init="glorot_uniform"),
}
ratio_before = readings.of_network(BEFORE, readings.last_over_first)


def reduced_ratio(trials: Trials) -> dict[str, float]:
    """Return the ratio that a remedy must fall below, by its name in the figure."""
    ratio = readings.geometric_means(trials, ratio_before)[NONE].value / REDUCED
    return {f"1/{REDUCED:g} of that with no remedy": ratio} if math.isfinite(ratio) else {}


@partial(
    _claim,
    number=10,
    statement="ReLU, Swish, skip connections, BatchNorm and Xavier's initialization can help "
    "to reduce vanishing gradients.",
    measured="RMS of the last layer's weight gradient over the first's before training: with "
    "no remedy, with one remedy at a time, and with ReLU, He, BatchNorm and skip connections "
    "together. Test accuracy after training is reported.",
    rule=f"A part for each remedy: alone it makes the ratio more than {REDUCED:g} times "
    "smaller, whether or not the network then learns.",
    setups={NONE: SHORT, **REMEDIES, TOGETHER: ALL_REMEDIES},
    panels=[
        rows(
            "Gradients before training", ratio_before, "last layer's / first layer's", log=True,
            reference=reduced_ratio,
        ),
        accuracies_of("Test accuracy after training", accuracy),
    ],
)  # fmt: skip
def reduction(trials: Trials) -> Finding:
    """Measure how much each remedy alone reduces the ratio of the gradients."""
    ratios, accuracies = readings.geometric_means(trials, ratio_before), means(trials, accuracy)
    remedies = (*REMEDIES, TOGETHER)
    reductions = {label: ratio(trials, NONE, label, ratio_before) for label in remedies}
    least = min(REMEDIES, key=lambda label: reductions[label].value)
    by_remedy = "; ".join(
        f"{label} {ratios[label].value:.2g}, {percent(accuracies[label])}" for label in trials
    )
    return Finding(
        result=f"reduction of the {RATIO}, {least}",
        reason=f"The {RATIO} before training, and the test accuracy after training "
        f"({trials[NONE][0].setup.epochs} of the article's {BASELINE.epochs} epochs), by remedy: "
        f"{by_remedy}. {least} is the least effective remedy.",
        numbers=named(RATIO, ratios)
        | named(f"reduction of the {RATIO}", reductions)
        | named("test accuracy", accuracies),
        parts={label: above(reductions[label], REDUCED) for label in REMEDIES},
    )


EXPLODING, CLIPPED = "not clipped", "clipped to norm 1"
EXPLOSION = {EXPLODING: VARIANTS["too large"], CLIPPED: VARIANTS["too large, clipped"]}
OPTIMIZERS = {
    "SGD": SHORT,
    "Adam": SHORT.but(optimizer="adam", lr=1e-3),
    "RMSProp": SHORT.but(optimizer="rmsprop", lr=1e-3),
}
ADAPTIVE = ("Adam", "RMSProp")
CHANCE, LEARNED = 0.2, 0.5  # twice the accuracy of guessing: nothing was learned; five times
EVENED = 10.0  # times the movement of the first layer relative to the last; seeds differ by less
# Movement of the first layer's weights over the last's.
movement = readings.of_network(
    AFTER, lambda net: readings.over(net["dense"][0]["moved"], net["dense"][-1]["moved"])
)


@partial(
    Claim,
    number=20,
    article="000/004",
    statement="Clipping can help to mitigate exploding gradients; Adam and RMSProp can help to "
    "reduce vanishing ones.",
    measured="Test accuracy after training of a network whose initial weights make gradients "
    "explode, with and without clipping to norm 1. For the sigmoid network with SGD, Adam and "
    "RMSProp: the movement of the first layer's weights in training over that of the last layer's, "
    "each relative to its initial size; accuracy is reported.",
    rule="Three parts. Clipping: without it every seed diverges or stays below "
    f"{CHANCE:.0%} accuracy, and with it accuracy is above {LEARNED:.0%}; undecided if the "
    "gradients do not explode. Adam and RMSProp: the first layer, relative to the last, moves "
    f"more than {EVENED:g} times as far as with SGD, whether or not the network then learns. The "
    "measure of movement and the size of the weights were chosen after small trial runs.",
    setups=EXPLOSION | OPTIMIZERS,
    panels=[
        accuracies_of("Exploding gradients", accuracy, labels=EXPLOSION),
        accuracies_of("Vanishing gradients", accuracy, labels=OPTIMIZERS),
        rows(
            "Movement of the weights", movement, "first / last layer", labels=OPTIMIZERS, log=True
        ),
    ],
    share_y=False,
)
def optimizers(trials: Trials) -> Finding:
    """Compare accuracies with and without clipping, and movements with three optimizers."""
    accuracies = means(trials, accuracy)
    exploded = all(accuracy(trial) < CHANCE for trial in trials[EXPLODING])
    moved = readings.geometric_means({label: trials[label] for label in OPTIMIZERS}, movement)
    evened = {label: ratio(trials, label, "SGD", movement) for label in ADAPTIVE}
    by_optimizer = "; ".join(
        f"{label} {moved[label].value:.2g}, {percent(accuracies[label])}" for label in OPTIMIZERS
    )
    return Finding(
        result=f"test accuracy, {CLIPPED}",
        reason="The test accuracy of the network with exploding gradients is "
        f"{percent(accuracies[EXPLODING])} without and {percent(accuracies[CLIPPED])} with "
        "clipping. For the sigmoid network, the movement of the first layer's weights over that of "
        f"the last layer's, and the test accuracy: {by_optimizer}.",
        numbers=named("test accuracy", accuracies)
        | named("movement of the first layer over the last", moved)
        | named("movement over that with SGD", evened),
        parts={"clipping": above(accuracies[CLIPPED], LEARNED) if exploded else None}
        | {label: above(evened[label], EVENED) for label in ADAPTIVE},
    )


CLAIMS = (slowness, overfitting, reduction, optimizers)
