"""Vanishing gradients: a deep sigmoid network on MNIST, and the same network with remedies.

The article pools all gradients of the last batch into one histogram from -1 to 1. Nearly all of
them fall into two bins, and the layers cannot be distinguished. This experiment shows every layer
over the whole training on a logarithmic scale, and the network with one remedy at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import geometric_mean, mean
from minnet.experiments.measures import rms
from minnet.experiments.readings import (
    attenuation,
    by_layer,
    gradient_limits,
    last_over_first,
    predicted_gradients,
    stages,
    start,
)
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Record, Trial, first_batch_gradients, load_data
from minnet.recording import SATURATION, Capture
from minnet.validation import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BASELINE = Setup(
    scaling="centred", hidden=(1000,) * 5, activation="sigmoid", init="torch",
    optimizer="sgd", lr=0.01, momentum=0.9, batch_size=100, epochs=10,
)  # fmt: skip
SICK = BASELINE
VARIANTS = {
    "sigmoid": BASELINE,
    "Xavier + tanh": BASELINE.but(activation="tanh", init="glorot_uniform"),
    "ReLU + He": BASELINE.but(activation="relu", init="he_uniform"),
    "Swish": BASELINE.but(activation="swish", init="he_uniform"),
    "BatchNorm": BASELINE.but(batchnorm=True),
    "LayerNorm": BASELINE.but(layernorm=True),
    "Residual": BASELINE.but(residual=True),
}
ARTICLE = {"sigmoid": BASELINE}

SLOPE, MIDDLE = 0.25, 0.5  # slope and value of the sigmoid at 0
BINS, RANGE = 100, (-1.0, 1.0)  # of the article's histogram


def predicted(trial: Trial, last: float) -> list[float]:
    """Return the predicted RMS of each layer's weight gradient, given that of the last layer.

    dW = xᵀ dy, so the size of x matters besides dy: about ½ for all layers but the first, whose x
    are the pixels.
    """
    found = predicted_gradients(trial, SLOPE, last)
    found[0] *= rms(load_data(trial.setup).x) / MIDDLE
    return found


def pooled(captured: Capture) -> tuple[Array, float]:
    """Return the counts of the article's histogram, (bins,), and the share in the two bins at 0.

    The share is of all gradients, including those outside the histogram.
    """
    kinds = ("weight_grad", "bias_grad")
    arrays = [array for kind in kinds for array in captured.kind(kind).values()]
    counts: Array = np.sum([np.histogram(array, BINS, RANGE)[0] for array in arrays], axis=0)
    middle = counts[BINS // 2 - 1 : BINS // 2 + 1].sum()
    return counts, float(middle / sum(array.size for array in arrays))


def trained_gradients(record: Record) -> Capture:
    """Return the gradients of the trained network on the first training batch."""
    return first_batch_gradients(record.setup, record.trained(), load_data(record.setup))


def draw(results: Results) -> report.Figures:
    """Return the gradients of the baseline, those of all networks, and learning curves.

    With the article's settings also the article's histogram.
    """
    from minnet.experiments import charts

    figures = draw_baseline(results) | draw_all(results) | report.learning_curves(results.trials)
    record = results.records["sigmoid"]
    if results.as_article and record.net is not None:
        counts, share = pooled(trained_gradients(record))
        figure, (ax,) = charts.side_by_side([f"Gradients, {BINS} bins"])
        ax.stairs(counts, np.linspace(*RANGE, BINS + 1), fill=True, baseline=0.5)
        ax.set(xlabel="gradient, of all weights and biases", ylabel="count", yscale="log")
        ax.set(xlim=RANGE)
        figures["article_histogram"] = (
            figure,
            "The article's histogram of all gradients after training. The two bins at 0 hold "
            f"{100 * share:.3f}% of them. The layers cannot be distinguished.",
        )
    return figures


def draw_baseline(results: Results) -> report.Figures:
    """Return the gradients and updates of the sigmoid network."""
    from minnet import plot

    record, trial = results.records["sigmoid"], results.trials["sigmoid"][0]
    probe = record.statistics
    layers = probe.layers_of("weight_grad")
    _, last = probe.series(layers[-1], "weight_grad", "rms")
    theory = dict(zip(layers, predicted(trial, float(last[0])), strict=True))
    before = first_batch_gradients(record.setup, record.setup.build(), load_data(record.setup))
    ratio = f"{last_over_first(start(trial)):,.0f}"
    return {
        "gradient_lines": (
            plot.gradient_flow(probe, lines=True, theory=theory),
            "RMS of each layer's weight gradient over training steps, in the sigmoid network. "
            f"Before training the first layer's gradient is {ratio} times smaller than the last "
            "layer's. Diamonds are predictions for the first step.",
        ),
        "first_layer": (
            plot.heatmap(record.histograms, layers[0], kind="weight_grad"),
            "Distribution of the first layer's weight gradients over training steps. The axis is "
            "logarithmic on both sides of 0.",
        ),
        "update_ratio": (
            plot.update_ratio(probe),
            "RMS of each update over the RMS of the weight, in the sigmoid network. In the green "
            "band a layer learns at a usual rate. Far below it the weight hardly changes.",
        ),
        "gradient_densities": (
            plot.density(before, kind="weight_grad", layers=layers, log=True),
            "Density of the magnitudes of each layer's weight gradients before training, in the "
            "sigmoid network. The layers are decades apart, which a histogram from -1 to 1 cannot "
            "show.",
        ),
    }


def draw_all(results: Results) -> report.Figures:
    """Return the gradients of all networks by layer and over the steps."""
    from minnet import plot
    from minnet.experiments import charts

    figures = {}
    for when in ("before training", "after training"):
        values = {
            label: by_layer(stages(trials)[when], "dense", "weight_grad_rms")
            for label, trials in results.trials.items()
        }
        values = {label: layers for label, layers in values.items() if layers}
        theory, caption = {}, "The same after training, on the same axis."
        if when == "before training":
            last = geometric_mean(values["sigmoid"][-1]).value
            theory["sigmoid"] = predicted(results.trials["sigmoid"][0], last)
            caption = (
                "RMS of each layer's weight gradient before training, for all networks. The "
                "flatter a line, the more of the gradient reaches the first layer. The dashed line "
                "is the prediction. With several seeds, bands are 95% intervals of the mean."
            )
        if values:
            figure = charts.by_layer(
                values, ylabel=f"RMS of gradient of weight\n{when}", log=True, theory=theory
            )
            figures[f"by_layer_{when.split()[0]}"] = figure, caption
    drawn = [figure.axes[0] for figure, _ in figures.values()]
    ends = [end for ax in drawn for end in ax.get_ylim()]
    for ax in drawn:
        ax.set_ylim(min(ends), max(ends))
    limits = gradient_limits(record.statistics for record in results.records.values())
    maps, panels = charts.side_by_side(list(results.records), share_y=False)
    maps.set_figwidth(5.4 * min(3, len(panels)))  # each panel has a colour bar
    for record, ax in zip(results.records.values(), panels, strict=True):
        plot.gradient_flow(record.statistics, limits=limits, ax=ax)
        number_rows(ax)
    caption = "RMS of each layer's weight gradient over training steps, with one colour scale."
    return figures | {"gradient_maps": (maps, caption)}


def number_rows(ax: Axes) -> None:
    """Replace the names of the layers, which differ between networks, by numbers."""
    rows = ax.get_yticks()
    ax.set_yticks(rows, [f"{row + 1:.0f}" for row in rows])
    ax.set_ylabel("layer", fontsize=ax.xaxis.label.get_fontsize())
    ax.locator_params(axis="x", nbins=3)


def summarize(results: Results) -> str:
    """Return the outcomes, the baseline's gradients by layer, and the ratios of all networks."""
    baseline, record = results.trials["sigmoid"], results.records["sigmoid"]
    classes = load_data(record.setup).classes
    parts = [
        report.outcome_table(results.trials),
        attenuation_table(baseline),
        attenuation_text(baseline),
        "RMS of the last layer's weight gradient over that of the first layer's:",
        ratio_table(results.trials),
        f"The loss of {classes} equal probabilities is ln {classes} = {np.log(classes):.3f}.",
    ]
    if results.as_article and record.net is not None:
        _, share = pooled(trained_gradients(record))
        parts.append(
            f"In the article's histogram, {BINS} bins from {RANGE[0]:g} to {RANGE[1]:g}, the two "
            f"bins at 0 hold {100 * share:.3f}% of all gradients."
        )
    return "\n\n".join(parts)


def attenuation_table(trials: Sequence[Trial]) -> str:
    """Return by layer the weight gradients, and dy over dy of the layer above before training."""
    network = start(trials[0])
    columns = {}
    for when, networks in stages(trials).items():
        if networks:
            layers = by_layer(networks, "dense", "weight_grad_rms")
            columns[f"RMS of dW {when}"] = [f"{geometric_mean(rms).value:.2e}" for rms in layers]
    columns["dy over dy above"] = [*(str(geometric_mean(rms)) for rms in measured(trials)), ""]
    columns["theory"] = [*(f"{factor:.4g}" for factor in attenuation(network, SLOPE)), ""]
    names = [row["name"] for row in network["dense"]]
    rows = [list(row) for row in zip(names, *columns.values(), strict=True)]
    return report.table(["sigmoid", *columns], rows)


def measured(trials: Sequence[Trial]) -> list[list[float]]:
    """Return RMS(dy) of each layer over that of the layer above, before training, by seed."""
    layers = by_layer(stages(trials)["before training"], "dense", "dy_rms")
    return [
        [below / above for below, above in zip(*pair, strict=True)] for pair in pairwise(layers)
    ]


def attenuation_text(trials: Sequence[Trial]) -> str:
    """Return the factor of the gradient between hidden layers, and the share of saturated units."""
    between = [geometric_mean(factors).value for factors in measured(trials)[:-1]]
    theory = attenuation(start(trials[0]), SLOPE)[:-1]
    ratio = geometric_mean(map(last_over_first, stages(trials)["before training"]))
    hidden = [row for trial in trials for row in start(trial)["hidden"]]
    saturated = mean(row["saturated"] for row in hidden).value
    middle = mean(row["mean"] for row in hidden).value
    low, high = SATURATION["Sigmoid"]
    return (
        f"Before training the gradient of the sigmoid network's last weight is {ratio.value:.3g} "
        "times as large as that of its first. From one hidden layer to the one below, RMS(dy) is "
        f"multiplied by {span(between)}. For units that are not saturated, theory predicts "
        f"¼·√(n·Var W) = {span(theory)}. Of the hidden outputs, {100 * saturated:.2g}% are "
        f"saturated (outside {low:g} to {high:g}); their mean is {middle:.3f}."
    )


def span(numbers: Sequence[float]) -> str:
    """Return the smallest and the largest number as text, or one if both are equal.

    >>> span([0.1443, 0.1442]), span([0.136, 0.142])
    ('0.144', '0.136 to 0.142')
    """
    return " to ".join(dict.fromkeys(f"{end(numbers):.3f}" for end in (min, max)))


def ratio_table(trials: report.Trials) -> str:
    """Return the last layer's gradient over the first layer's for each network."""

    def ratio(when: str, runs: Sequence[Trial]) -> str:
        networks = stages(runs)[when]
        return str(geometric_mean(map(last_over_first, networks))) if networks else "diverged"

    columns = {when: partial(ratio, when) for when in ("before training", "after training")}
    return report.label_table(trials, columns)


EXPERIMENT = Experiment(
    name="vanishing",
    summary="A deep sigmoid network whose first layers receive very small gradients, and the same "
    "network with one remedy at a time (except with the settings of the article).",
    variants=VARIANTS,
    article=ARTICLE,
    quick={"rows": 6000, "epochs": 2},
    draw=draw,
    summarize=summarize,
)
