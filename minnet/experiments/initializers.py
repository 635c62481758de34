"""Initial weights: effect of each initializer on the activations of a ReLU network, by layer.

The article's network has no output layer. Its inputs are bytes from 0 to 255. Its figure ends at 1
and shows the trained network only. Here pixels are in [0, 1], ten logits follow the last hidden
layer, and the layers are shown before training, where only the initializer matters, and after it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from minnet import plot
from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import mean
from minnet.experiments.measures import rms
from minnet.experiments.readings import AFTER, BEFORE, Number, by_layer, over
from minnet.experiments.setup import Setup
from minnet.experiments.trial import TEST_ROWS, Trials
from minnet.recording import Capture
from minnet.validation import Array

TAPERING = Setup(
    hidden=(512, 256, 128, 64), activation="relu", optimizer="adam", batch_size=32, epochs=5
)
INITIALIZERS = {
    "zero": "zeros", "random normal": "normal", "Xavier": "glorot_normal", "He": "he_normal",
    "LeCun": "lecun_normal", "orthogonal": "orthogonal",
}  # fmt: skip
VARIANTS = {label: TAPERING.but(init=init) for label, init in INITIALIZERS.items()}
# ReLU halves the second moment. He's rule compensates for it, and so does this factor.
VARIANTS["orthogonal"] = VARIANTS["orthogonal"].but(weight_scale=math.sqrt(2))
ARTICLE = {
    label: TAPERING.but(init=init, scaling="bytes", output=False)
    for label, init in INITIALIZERS.items()
    if label != "orthogonal"  # named by the article but not tried
}
LAYERS = ("relu1", "relu2", "relu3", "relu4")
VARIANCES: dict[str, Callable[[int, int], float]] = {
    "zeros": lambda fan_in, fan_out: 0.0,
    "normal": lambda fan_in, fan_out: 0.01**2,
    "glorot_normal": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "he_normal": lambda fan_in, fan_out: 2 / fan_in,
    "lecun_normal": lambda fan_in, fan_out: 1 / fan_in,
    "orthogonal": lambda fan_in, fan_out: 1 / max(fan_in, fan_out),
}  # of one weight
SQUARE = (-1.0, 1.0), (0.0, 4.0)  # limits of the article's x and y axes
ROWS_OF_PANELS = 3  # in one figure
CLASSES = 10


def predicted_rms(setup: Setup) -> list[float]:
    """Return the predicted RMS of the output of each ReLU before training.

    A weight W (n, units) that is independent of its input x (rows, n) and has mean 0 gives sums
    with a symmetric distribution. So a ReLU keeps half of their second moment::

        E[y²] = ½ n Var(W) E[x²]

    He's Var(W) = 2/n keeps the second moment from layer to layer. Xavier keeps n_in/(n_in + n_out)
    of it, LeCun one half. The first E[x²] is that of the test rows that a trial measures. Biases
    are 0. The expectation is over draws of W and does not apply to a single unit. See He, Zhang,
    Ren & Sun (2015), "Delving deep into rectifiers", section 2.2.

    >>> small = Setup(data="digits", hidden=(32, 16), init="he_normal")
    >>> [round(number, 3) for number in predicted_rms(small)]
    [0.482, 0.482]
    """
    x = setup.load().x_test[:TEST_ROWS]
    predicted, second_moment, fan_in = [], rms(x) ** 2, x.shape[1]
    for units in setup.hidden:
        variance = setup.weight_scale**2 * VARIANCES[setup.init](fan_in, units)
        second_moment *= fan_in * variance / 2
        predicted.append(math.sqrt(second_moment))
        fan_in = units
    return predicted


def measured_rms(row: Mapping[str, Any]) -> float:
    """Return √E[y²] from the mean and std of a layer."""
    return math.hypot(row["mean"], row["std"])


def means(trials: Trials, stage: str, number: Number) -> dict[str, list[float]]:
    """Return label -> layer: the means of a number of the hidden layers over the seeds."""
    return {
        label: [mean(seeds).value for seeds in by_layer(runs, stage, "hidden", number)]
        for label, runs in trials.items()
    }


def draw(results: Results) -> report.Figures:
    """Return figures of the first seed's activations, and of the RMS by layer for all seeds.

    The figures show the RMS and not the std because theory predicts the RMS. With the article's
    settings, ``article_axes`` shows the trained networks on the article's axes.
    """
    before = {label: record.before() for label, record in results.records.items()}
    after = trained_layers(results)
    figures = draw_activations("before", before) | draw_activations("after", after)
    figures |= draw_rms(results.trials)
    if results.as_article and after:

        def draw_density(label: str, ax: Axes) -> None:
            plot.density(after[label], layers=LAYERS, ax=ax)
            ax.set(xlim=SQUARE[0], ylim=SQUARE[1])

        invisible = {label: beyond(captured[LAYERS[-1]]["y"]) for label, captured in after.items()}
        figures["article_axes"] = (
            report.panels(after, draw_density),
            "Density of each hidden layer's outputs after training, within the article's axes. The "
            "share of the last layer's values that is not visible is "
            f"{report.span(invisible, '.0%')}.",
        )
    return figures


def trained_layers(results: Results) -> dict[str, Capture]:
    """Return the outputs of the layers after training, for networks that did not diverge."""
    records = results.records
    return {label: record.after() for label, record in records.items() if record.net is not None}


def draw_activations(when: str, captures: Mapping[str, Capture]) -> report.Figures:
    """Return figures with histograms of the hidden layers, for a few networks each."""
    figures, labels = {}, list(captures)
    for part, first in enumerate(range(0, len(labels), ROWS_OF_PANELS), start=1):
        some = {label: captures[label] for label in labels[first : first + ROWS_OF_PANELS]}
        std = {label: float(captured[LAYERS[-1]]["y"].std()) for label, captured in some.items()}
        figures[f"activations_{when}_{part}"] = (
            plot.histograms(some, layers=LAYERS),
            f"Outputs of each hidden layer on the test rows {when} training: {', '.join(some)}. "
            "The stem at 0 shows the share of exact zeros as a fraction of the panel's height. The "
            f"std of the last layer is {report.span(std)}.",
        )
    return figures


def draw_rms(trials: Trials) -> report.Figures:
    """Return the figure of the RMS of the activations by layer, before and after training."""
    theory = {
        label: predicted_rms(runs[0].setup)
        for label, runs in trials.items()
        if runs[0].setup.init != "zeros"  # a logarithmic axis has no 0
    }
    rms = means(trials, BEFORE, measured_rms)
    kept = {label: over(layers[-1], layers[0]) for label, layers in rms.items()}
    return {
        "rms": (
            report.stage_panels(trials, "hidden", measured_rms, "RMS of activations", theory),
            "RMS of the activations by layer. A horizontal line means that the network keeps their "
            "size. Before training the RMS of the last layer over that of the first is "
            f"{report.span(kept)}. Dashed lines are predictions.",
        )
    }


def beyond(y: Array) -> float:
    """Return the share of values outside the article's x axis."""
    low, high = SQUARE[0]
    return float(((y < low) | (y > high)).mean())


def summarize(results: Results) -> list[str]:
    """Return the layers before and after training, and the article's statements."""
    trials = results.trials
    rows = len(trials["zero"][0].setup.load().x_test[:TEST_ROWS])
    rms_rows = [
        [label, *map("{:.3g} ({:.3g})".format, layers, predicted_rms(trials[label][0].setup))]
        for label, layers in means(trials, BEFORE, measured_rms).items()
    ]
    parts = [
        f"The tables describe the outputs of the hidden layers on {rows} test rows. RMS before "
        "training, and in parentheses the prediction from E[y²] = ½ n Var(W) E[x²]:",
        report.table(["", *report.layer_columns(trials, "std")], rms_rows),
    ]
    for title, name, form in (
        ("Std, before → after training:", "std", ".3g"),
        ("Share of exact zeros, before → after training:", "zeros", ".0%"),
        ("Dead units (same output in every row), before → after training:", "dead", ".3g"),
    ):
        parts += [title, report.label_table(trials, report.layer_columns(trials, name, form))]
    parts.append("\n".join(f"- {sentence}" for sentence in statements(trials)))
    return parts + (article_errors(results) if results.as_article else [])


def statements(trials: Trials) -> list[str]:
    """Return sentences on the article's statements with the numbers of this run."""
    std, measured = means(trials, BEFORE, "std"), means(trials, BEFORE, measured_rms)
    kept = {label: layers[-1] / layers[0] for label, layers in std.items() if layers[0]}
    even = min(kept, key=lambda label: abs(math.log(kept[label])))
    predicted = {label: predicted_rms(trials[label][0].setup) for label in kept}
    errors = [np.divide(measured[label], predicted[label]) - 1 for label in kept]
    zeros = min(means(trials, AFTER, "zeros")["zero"])
    accuracy = mean(trial.last("val_accuracy") for trial in trials["zero"])

    def ratios(one: str, other: str) -> str:
        return ", ".join(f"{ratio:.3g}" for ratio in np.divide(std[one], std[other]))

    return [
        "Before training the RMS of each layer differs from the prediction by at most "
        f"{math.ceil(100 * np.abs(errors).max())}%.",
        "Std of the last layer over std of the first, before training: "
        f"{', '.join(f'{label} {ratio:.2g}' for label, ratio in kept.items())}. The most even is "
        f"{even}.",
        "Std of Xavier over std of random normal before training, by layer: "
        f"{ratios('Xavier', 'random normal')}. LeCun over Xavier: {ratios('LeCun', 'Xavier')}.",
        f"Zero weights: after training, at least {zeros:.0%} of the outputs of every hidden layer "
        f"are exactly 0, and the test accuracy is {accuracy}. The slope of a ReLU at 0 is 0, so "
        "all units are dead, not only equal.",
    ]


def article_errors(results: Results) -> list[str]:
    """Return the effect of the article's settings on its figure and its network."""
    rows = []
    for label, captured in trained_layers(results).items():
        cut = (f"{beyond(captured[name]['y']):.0%}" for name in LAYERS)
        zero = int((captured[LAYERS[-1]]["y"][:, :CLASSES] == 0).all(axis=0).sum())
        rows.append([label, *cut, f"{zero} of {CLASSES}"])
    return [
        "The article's axis ends at 1. For each layer, the table has the share of values beyond it "
        "after training, for the first seed. Without an output layer, the first ten units of the "
        "last hidden layer stand for the digits. The last column counts the digits whose unit is 0 "
        "in every row:",
        report.table(["", *LAYERS, "digits whose unit is always 0"], rows),
    ]


EXPERIMENT = Experiment(
    name="initializers",
    summary="A ReLU network that narrows from layer to layer; its activations by initializer.",
    variants=VARIANTS,
    article=ARTICLE,
    quick={"rows": 20_000, "epochs": 3},
    draw=draw,
    summarize=summarize,
    omitted=("zero",),  # that network is dead, and its accuracy far below the others
)
