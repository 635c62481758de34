"""Claims 11 to 13, on zero, small, Xavier's, He's and LeCun's initial weights (article 002).

The article observes a network once, after training; it narrows from layer to layer and has no
output layer. Here an output layer follows, and the layers are measured before training, where
only the initializer matters, and after it.
"""

import math
from collections.abc import Iterable
from functools import partial

from minnet.experiments import charts, readings
from minnet.experiments.claims.claim import Claim, Finding, named, panel, rows
from minnet.experiments.claims.verdicts import Outcome, above, all_of, below
from minnet.experiments.initializers import TAPERING, VARIANTS, measured_rms, predicted_rms
from minnet.experiments.intervals import Interval, share
from minnet.experiments.readings import AFTER, BEFORE, STAGES, Number, after, by_layer, finite_mean
from minnet.experiments.trial import Trial, Trials

_claim = partial(Claim, article="002")
CONSTANT = 0.01
MEASURED = TAPERING.but(epochs=1, measures=("likeness",))
WEIGHTS = {"zero": ("zeros", 1.0), f"constant {CONSTANT}": ("constant", CONSTANT)}
SYMMETRIC = {
    f"{weights}, {name}": MEASURED.but(init=init, weight_scale=scale, activation=name.lower())
    for weights, (init, scale) in WEIGHTS.items()
    for name in ("ReLU", "sigmoid")
}
ZERO = "zero, ReLU"
MAJORITY = 0.5
# Units that are equal in exact arithmetic differ by rounding: a matrix product may sum the terms
# of two columns in different orders, which for hundreds of terms in float32 changes about 1e-5 of
# their size. Units with random weights differ by about 1.
ROUNDING = 1e-4
# Smallest share of zeros of a hidden layer.
least_zeros = readings.of_network(AFTER, lambda net: min(row["zeros"] for row in net["hidden"]))


def largest_spread(trial: Trial) -> float:
    """Return the largest spread of the units of a hidden layer; NaN if the training diverged.

    The spread is that of `minnet.experiments.measures.unit_spread`.
    """
    if trial.end is None:
        return math.nan
    return float(max(trial.measures["end"]["likeness"][: len(trial.setup.hidden)]))


@partial(
    _claim,
    number=11,
    statement="With zero weights all activations are 0, and the units of a layer stay identical.",
    measured=f"{after(MEASURED).capitalize()}: whether every hidden output on the test rows is 0, "
    "and whether the units of every hidden layer are identical. Units are identical if the RMS by "
    f"which their weights and biases differ is less than {ROUNDING:g} of the RMS of all. Zero "
    "weights with the article's ReLU decide. Zero weights with sigmoid, and weights that all equal "
    f"{CONSTANT}, are reported.",
    rule="Two parts, with zero weights and ReLU: all outputs are 0, and the units are identical, "
    f"in more than {MAJORITY:.0%} of the seeds. A diverged training counts as one with neither.",
    setups=SYMMETRIC,
    panels=[
        rows("Spread of the units", largest_spread, "relative spread,\nlargest of the layers"),
        rows("Exact zeros", least_zeros, "share of the outputs,\nsmallest of the layers"),
    ],
)
def zero_weights(trials: Trials) -> Finding:
    """Count the trainings with all outputs 0, and those with identical units."""
    zero = {label: share(least_zeros(run) == 1 for run in runs) for label, runs in trials.items()}
    identical = {
        label: share(largest_spread(run) < ROUNDING for run in runs)
        for label, runs in trials.items()
    }
    by_network = "; ".join(
        f"{label}, {zero[label].value:.0%} and {identical[label].value:.0%}" for label in trials
    )
    return Finding(
        result=f"share of trainings with identical units, {ZERO}",
        reason=f"Shares of trainings with all activations 0 and with identical units "
        f"{after(trials[ZERO][0].setup)}: {by_network}. With zero weights only the order of the "
        "rows is random. The sigmoid of 0 is 1/2, so sigmoid units can be identical but are not 0.",
        numbers=named("share of trainings with all activations 0", zero)
        | named("share of trainings with identical units", identical),
        parts={
            "all activations being 0": above(zero[ZERO], MAJORITY),
            "identical units": above(identical[ZERO], MAJORITY),
        },
    )


SMALL = "random normal"
RULES = (SMALL, "Xavier", "He", "LeCun")
NARROWING = {rule: VARIANTS[rule] for rule in RULES}
# For values with RMS r, at most a share (r/t)² lies farther from 0 than t. So an RMS below 0.1
# puts more than half of them within 0.1 √2. The article's axis of activations extends to 1.
NEAR = 0.1


def difference(ones: Iterable[float], others: Iterable[float]) -> Interval:
    """Return the mean difference by seed where neither training diverged."""
    return finite_mean(one - other for one, other in zip(ones, others, strict=True))


def hidden(
    stage: str, number: Number, trials: Trials, *, suffix: str = ""
) -> dict[str, list[list[float]]]:
    """Return a number by rule, hidden layer and seed; the labels are rules with this suffix."""
    return {
        rule: by_layer(trials[rule + suffix], stage, "hidden", number)
        for rule in RULES
        if rule + suffix in trials
    }


def theory(trials: Trials) -> dict[str, list[float]]:
    """Return the predicted RMS by layer, which applies to initial weights only."""
    return {rule: predicted_rms(runs[0].setup) for rule, runs in trials.items()}


@partial(
    _claim,
    number=12,
    statement="With random normal weights of std 0.01 most activations are near 0.",
    measured="RMS of the activations, √(mean² + std²), of each hidden layer on the test rows, "
    f"before training and {after(TAPERING)}, with random normal weights and with He's. The figure "
    "compares the RMS before training with theory, E[y²] = ½ n Var(W) E[x²].",
    rule="Two parts, before and after training: with random normal weights the RMS of every layer "
    f"is below {NEAR:g}, so that more than half of the activations lie within "
    f"±{NEAR * math.sqrt(2):.2f}, and it is below that with He's. Diverged trainings are left out.",
    setups={rule: NARROWING[rule] for rule in (SMALL, "He")},
    panels=[
        panel(
            stage.capitalize(), charts.by_layer, partial(hidden, stage, measured_rms),
            ylabel="RMS", log=True, theory=theory if stage == BEFORE else None,
        )
        for stage in STAGES
    ],
)  # fmt: skip
def small_weights(trials: Trials) -> Finding:
    """Measure the RMS of activations from random normal weights, and from He's."""
    numbers: dict[str, Interval] = {}
    parts: dict[str, Outcome] = {}
    texts = []
    for stage in STAGES:
        rms = hidden(stage, measured_rms, trials)
        sizes = [finite_mean(small) for small in rms[SMALL]]
        gaps = [difference(he, small) for he, small in zip(rms["He"], rms[SMALL], strict=True)]
        parts[stage] = all_of([*(below(size, NEAR) for size in sizes), *map(above, gaps)])
        for layer, (size, gap) in enumerate(zip(sizes, gaps, strict=True), start=1):
            numbers[f"RMS, {SMALL} {stage}, layer {layer}"] = size
            numbers[f"RMS, He minus {SMALL} {stage}, layer {layer}"] = gap
        if all(size.n for size in sizes):
            texts.append(f"{', '.join(f'{size.value:.2g}' for size in sizes)} {stage}")
    return Finding(
        result=f"RMS, {SMALL} {BEFORE}, layer {len(trials[SMALL][0].setup.hidden)}",
        reason=f"With {SMALL} weights the RMS from the first hidden layer to the last is "
        f"{' and '.join(texts)}.",
        numbers=numbers,
        parts=parts,
        condition="the layers are observed {}",
    )


WIDENING = (64, 128, 256, 512)
WIDE = {f"{rule}, widening": NARROWING[rule].but(hidden=WIDENING, epochs=0) for rule in RULES}
CASES = {  # -> end of the labels, and when the network is measured
    f"in a narrowing network {BEFORE}": ("", BEFORE),
    f"in a narrowing network {AFTER}": ("", AFTER),
    f"in a widening network {BEFORE}": (", widening", BEFORE),
}
TITLES = (f"Narrowing, {BEFORE}", f"Narrowing, {AFTER}", f"Widening, {BEFORE}")


@partial(
    _claim,
    number=13,
    statement="Xavier's std lies above random normal's, He is the most even, LeCun slightly "
    "below Xavier.",
    measured="Std of the hidden layers on the test rows, in the narrowing network before "
    f"training and {after(TAPERING)} and in a widening one ({'-'.join(map(str, WIDENING))}) "
    "before training. Evenness is the smaller over the larger std of the first and the last "
    "hidden layer.",
    rule="Three parts in each of these three cases: Xavier above random normal in every hidden "
    "layer; He more even than each of the others; LeCun below Xavier in the last hidden layer. "
    "A diverged training has evenness 0 and is otherwise left out.",
    setups={**NARROWING, **WIDE},
    panels=[
        panel(
            title, charts.by_layer, partial(hidden, stage, "std", suffix=suffix), ylabel="std",
            log=True,
        )
        for title, (suffix, stage) in zip(TITLES, CASES.values(), strict=True)
    ],
)  # fmt: skip
def relative_sizes(trials: Trials) -> Finding:
    """Compare the std of the initializers by layer, and their evenness."""
    numbers: dict[str, Interval] = {}
    parts: dict[tuple[str, str], Outcome] = {}
    texts = []
    for case, (suffix, stage) in CASES.items():
        std = hidden(stage, "std", trials, suffix=suffix)
        evenness = readings.of_network(stage, readings.evenness_of, diverged=0.0)
        even = {rule: [evenness(run) for run in trials[rule + suffix]] for rule in RULES}
        mean = {rule: finite_mean(even[rule]) for rule in RULES}
        gap = difference(std["Xavier"][-1], std["LeCun"][-1])
        leads = {rule: difference(even["He"], even[rule]) for rule in RULES if rule != "He"}
        parts[f"Xavier above {SMALL}", case] = all_of(
            above(difference(*layer)) for layer in zip(std["Xavier"], std[SMALL], strict=True)
        )
        parts["He as the most even", case] = all_of(map(above, leads.values()))
        parts["LeCun below Xavier", case] = above(gap)
        numbers[f"last std, Xavier minus LeCun, {case}"] = gap
        numbers |= {f"evenness, He minus {rule}, {case}": lead for rule, lead in leads.items()}
        numbers |= {f"evenness, {rule}, {case}": mean[rule] for rule in RULES}
        texts.append(", ".join(f"{mean[rule].value:.2g} ({rule})" for rule in RULES) + f" {case}")
    return Finding(
        result=f"evenness, He, {next(iter(CASES))}",
        reason="Evenness, the smaller over the larger std of the first and the last hidden layer, "
        f"is {'; '.join(texts)}.",
        numbers=numbers,
        parts=parts,
    )


CLAIMS = (zero_weights, small_weights, relative_sizes)
