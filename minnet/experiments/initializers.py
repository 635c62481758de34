"""Initial weights: effect of each initializer on the activations of a ReLU network, by layer.

The article's network has no output layer. Its inputs are bytes from 0 to 255. Its figure ends at 1
and shows the trained network only. Here pixels are in [0, 1], ten logits follow the last hidden
layer, and the layers are shown before training, where the initializer alone matters, and after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import mean
from minnet.experiments.measures import rms
from minnet.experiments.setup import Setup
from minnet.experiments.trial import TEST_ROWS, load_data
from minnet.recording import Capture
from minnet.validation import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
Number = Callable[[Mapping[str, Any]], float]  # of the measures of one layer


def predicted_rms(setup: Setup) -> list[float]:
    """Return the predicted RMS of the output of each ReLU before training.

    A weight W (n, units) that is independent of its input x (rows, n) and has mean 0 gives sums
    with a symmetric distribution. So a ReLU keeps half of their second moment::

        E[y²] = ½ n Var(W) E[x²]

    He's Var(W) = 2/n keeps the second moment from layer to layer. Xavier keeps n_in/(n_in + n_out)
    of it, LeCun one half. The first E[x²] is that of the test rows that a trial measures. Biases
    are 0. The expectation is over draws of W, and not a statement on a single unit.

    Returns
    -------
    list of float
        √E[y²] for each hidden layer.

    References
    ----------
    He, Zhang, Ren & Sun (2015), "Delving deep into rectifiers", section 2.2.

    Examples
    --------
    >>> small = Setup(data="digits", hidden=(32, 16), init="he_normal")
    >>> [round(number, 3) for number in predicted_rms(small)]
    [0.482, 0.482]
    """
    x = load_data(setup).x_test[:TEST_ROWS]
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


def by_layer(trials: report.Trials, when: str, number: Number) -> dict[str, list[list[float]]]:
    """Return label -> layer -> seed: a number of each hidden layer at the "start" or the "end".

    The end of a training that diverged is nan.
    """
    table = {}
    for label, runs in trials.items():
        networks = [getattr(trial, when) for trial in runs]
        table[label] = [
            [number(network["hidden"][layer]) if network else float("nan") for network in networks]
            for layer in range(len(runs[0].setup.hidden))
        ]
    return table


def draw(results: Results) -> report.Figures:
    """Return the first seed's activations, and the RMS by layer and learning curves of all seeds.

    The figures show the RMS and not the std because theory predicts the RMS. With the article's
    settings, ``article_axes`` shows the trained networks on the article's axes.
    """
    from minnet import plot

    after = trained_layers(results)
    stages = {"before": {label: record.before() for label, record in results.records.items()}}
    stages["after"] = after
    figures: report.Figures = {}
    for when, captures in stages.items():
        rows = list(captures.items())
        for part, first in enumerate(range(0, len(rows), ROWS_OF_PANELS), start=1):
            some = dict(rows[first : first + ROWS_OF_PANELS])
            figures[f"activations_{when}_{part}"] = (
                plot.histograms(some, layers=LAYERS),
                f"Outputs of each hidden layer on the test rows {when} training: "
                f"{', '.join(some)}. The height of the stem at 0 is the share of exact zeros.",
            )
    figures |= draw_rms(results.trials)
    figures |= draw_curves(results.trials)
    if results.as_article and after:
        figures["article_axes"] = (
            draw_article_axes(after),
            "Density of each hidden layer's outputs after training, within the article's axes. The "
            "table of values beyond the axis has the share that is not visible.",
        )
    return figures


def trained_layers(results: Results) -> dict[str, Capture]:
    """Return the outputs of the layers after training, for networks that did not diverge."""
    return {
        label: record.after() for label, record in results.records.items() if record.net is not None
    }


def draw_rms(trials: report.Trials) -> report.Figures:
    """Return the RMS of the activations by layer, before and after training."""
    from minnet.experiments import charts

    setups = {label: runs[0].setup for label, runs in trials.items()}
    theory = {
        label: predicted_rms(setup) for label, setup in setups.items() if setup.init != "zeros"
    }  # a logarithmic axis has no 0
    start, end = (by_layer(trials, when, measured_rms) for when in ("start", "end"))
    ylabel = "RMS of activations {} training".format
    return {
        "rms_before": (
            charts.by_layer(start, ylabel=ylabel("before"), log=True, theory=theory),
            "RMS of the activations by layer before training. A horizontal line means that the "
            "initializer keeps their size. Dashed lines are predictions.",
        ),
        "rms_after": (
            charts.by_layer(end, ylabel=ylabel("after"), log=True),
            "RMS of the activations by layer after training.",
        ),
    }


def draw_curves(trials: report.Trials) -> report.Figures:
    """Return learning curves without weights of zero, whose accuracy is far below the others."""
    zero = mean(run.last("val_accuracy") for run in trials["zero"]).value
    note = f"Without weights of zero: that network is dead, with a test accuracy of {zero:.3g}."
    return {
        metric: (figure, f"{caption} {note}")
        for metric, (figure, caption) in report.learning_curves(trials, omit=("zero",)).items()
    }


def draw_article_axes(captures: Mapping[str, Capture]) -> Figure:
    """Return densities of the layers within the article's axes."""
    from minnet import plot
    from minnet.experiments import charts

    figure, panels = charts.side_by_side(list(captures))
    figure.set_figwidth(7.6 * min(3, len(panels)))  # each panel has a legend
    for captured, ax in zip(captures.values(), panels, strict=True):
        plot.density(captured, layers=LAYERS, ax=ax)
        ax.set(xlim=SQUARE[0], ylim=SQUARE[1])
    return figure


def beyond(y: Array) -> float:
    """Return the share of values outside the article's x axis.

    >>> import numpy as np
    >>> beyond(np.array([0.0, 0.5, 1.0, 20.0]))
    0.25
    """
    low, high = SQUARE[0]
    return float(((y < low) | (y > high)).mean())


def summarize(results: Results) -> str:
    """Return the outcomes, the layers before and after training, and the article's statements."""
    trials = results.trials
    setups = {label: runs[0].setup for label, runs in trials.items()}
    predicted = {label: predicted_rms(setup) for label, setup in setups.items()}
    rows = len(load_data(next(iter(setups.values()))).x_test[:TEST_ROWS])
    measured = means(trials, "start", measured_rms)
    parts = [
        report.outcome_table(trials),
        f"Outputs of the hidden layers on {rows} test rows. Their RMS before training, and in "
        "parentheses the prediction from E[y²] = ½ n Var(W) E[x²]:",
        layer_table(trials, "{:.3g} ({:.3g})", measured, predicted),
    ]
    for title, name, text in (
        ("Std, before → after training:", "std", "{:.3g} → {:.3g}"),
        ("Share of exact zeros, before → after training:", "zeros", "{:.0%} → {:.0%}"),
        ("Dead units (same output in every row), before → after:", "dead", "{:.3g} → {:.3g}"),
    ):
        start, end = (means(trials, when, itemgetter(name)) for when in ("start", "end"))
        parts += [title, layer_table(trials, text, start, end)]
    parts.append("\n".join(f"- {sentence}" for sentence in findings(trials)))
    return "\n\n".join(parts + (article_errors(results) if results.as_article else []))


def means(trials: report.Trials, when: str, number: Number) -> dict[str, list[float]]:
    """Return label -> layer: the means of `by_layer` over the seeds."""
    table = by_layer(trials, when, number)
    return {label: [mean(seeds).value for seeds in layers] for label, layers in table.items()}


def layer_table(
    trials: report.Trials,
    text: str,
    one: Mapping[str, Sequence[float]],
    other: Mapping[str, Sequence[float]],
) -> str:
    """Return a table with two numbers of each label and layer, formatted by text."""
    rows = [
        [label, *(text.format(*pair) for pair in zip(one[label], other[label], strict=True))]
        for label in one
    ]
    return report.table(header(trials), rows)


def header(trials: report.Trials) -> list[str]:
    """Return the header of a table by layer."""
    hidden = next(iter(trials.values()))[0].setup.hidden
    return ["", *(f"layer {number}, {units} units" for number, units in enumerate(hidden, 1))]


def findings(trials: report.Trials) -> list[str]:
    """Return sentences on the article's statements with the numbers of this run."""
    std = means(trials, "start", itemgetter("std"))
    kept = {label: layers[-1] / layers[0] for label, layers in std.items() if layers[0]}
    even = min(kept, key=lambda label: abs(math.log(kept[label])))
    measured = means(trials, "start", measured_rms)
    predicted = {label: predicted_rms(trials[label][0].setup) for label in kept}
    off = max(
        abs(number / theory - 1)
        for label in kept
        for number, theory in zip(measured[label], predicted[label], strict=True)
    )
    zeros = min(means(trials, "end", itemgetter("zeros"))["zero"])
    accuracy = mean(trial.last("val_accuracy") for trial in trials["zero"])
    return [
        f"Before training the RMS of each layer is within {off:.0%} of the prediction.",
        "Std of the last layer over std of the first, before training: "
        + ", ".join(f"{label} {ratio:.2g}" for label, ratio in kept.items())
        + f". The most even is {even}.",
        "Std of Xavier over std of random normal before training, by layer: "
        + f"{ratios(std['Xavier'], std['random normal'])}. LeCun over Xavier: "
        + f"{ratios(std['LeCun'], std['Xavier'])}.",
        f"Weights of zero: after training the smallest share of exact zeros of a hidden layer is "
        f"{zeros:.0%}, and the test accuracy is {accuracy}. If the input of a ReLU is 0, so is its "
        "slope: the network is dead and not only symmetric.",
    ]


def ratios(these: Sequence[float], those: Sequence[float]) -> str:
    """Return the ratios of two lists of numbers as text."""
    return ", ".join(f"{one / other:.3g}" for one, other in zip(these, those, strict=True))


def article_errors(results: Results) -> list[str]:
    """Return the effect of the article's settings on its figure and its network."""
    rows = []
    for label, captured in trained_layers(results).items():
        digits = captured[LAYERS[-1]]["y"][:, :CLASSES]
        silent = int((digits == 0).all(axis=0).sum())
        cut = (f"{beyond(captured[name]['y']):.0%}" for name in LAYERS)
        rows.append([label, *cut, f"{silent} of {CLASSES}"])
    return [
        "The article's axis ends at 1. The table has the share of values beyond it after training, "
        "for the first seed. Without an output layer, the first ten units of the last hidden layer "
        "stand for the digits. The last column counts those whose output is 0 in every row:",
        report.table([*header(results.trials), "silent digits"], rows),
    ]


EXPERIMENT = Experiment(
    name="initializers",
    summary="A ReLU network that narrows from layer to layer; its activations by initializer.",
    variants=VARIANTS,
    article=ARTICLE,
    quick={"rows": 20_000, "epochs": 3},
    draw=draw,
    summarize=summarize,
)
