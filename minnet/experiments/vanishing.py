"""Vanishing gradients: a deep sigmoid network on MNIST, and the same network with remedies.

The article pools all gradients of the last batch into one histogram from -1 to 1. Nearly all of
them fall into two bins, and the layers cannot be distinguished. This experiment shows every layer
over the whole training on a logarithmic scale, and the network with one remedy at a time.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes

from minnet import plot
from minnet.experiments import charts, readings, report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import geometric_mean, mean
from minnet.experiments.measures import rms
from minnet.experiments.readings import BEFORE, STAGES, by_layer, gradient_ratio, networks
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Record, Trial, first_batch_gradients
from minnet.recording import SATURATION
from minnet.validation import Array

BASELINE = Setup(
    scaling="centred", hidden=(1000,) * 5, activation="sigmoid", init="torch",
    optimizer="sgd", lr=0.01, momentum=0.9, batch_size=100, epochs=10,
)  # fmt: skip
VARIANTS = {
    "sigmoid": BASELINE,
    "Xavier + tanh": BASELINE.but(activation="tanh", init="glorot_uniform"),
    "ReLU + He": BASELINE.but(activation="relu", init="he_uniform"),
    "Swish": BASELINE.but(activation="swish", init="he_uniform"),
    "BatchNorm": BASELINE.but(batchnorm=True),
    "LayerNorm": BASELINE.but(layernorm=True),
    "Residual": BASELINE.but(residual=True),
}
WEIGHT_GRADIENT = "dense", "weight_grad_rms"  # in the layers of a snapshot
SLOPE, MIDDLE = 0.25, 0.5  # slope and value of the sigmoid at 0
BINS, RANGE = 100, (-1.0, 1.0)  # of the article's histogram


def predicted(trials: Sequence[Trial], last: float) -> list[float]:
    """Return the predicted RMS of each layer's weight gradient, given that of the last layer.

    Because dW = xᵀ dy, it depends on the size of x as well. The RMS of x is about ½ for all layers
    but the first, whose x are the pixels.
    """
    gradients = readings.predicted_gradients(networks(trials, BEFORE)[0], SLOPE, last)
    gradients[0] *= rms(trials[0].setup.load().x) / MIDDLE
    return gradients


def pooled(record: Record) -> tuple[Array, float]:
    """Return the counts of the article's histogram, (bins,), and the share in the two bins at 0.

    The gradients are those of the trained network on the first training batch. The share is of all
    gradients, including those outside the histogram.
    """
    captured = first_batch_gradients(record.setup, record.trained())
    kinds = ("weight_grad", "bias_grad")
    arrays = [array for kind in kinds for array in captured.kind(kind).values()]
    counts: Array = np.sum([np.histogram(array, BINS, RANGE)[0] for array in arrays], axis=0)
    middle = counts[BINS // 2 - 1 : BINS // 2 + 1].sum()
    return counts, float(middle / sum(array.size for array in arrays))


def draw(results: Results) -> report.Figures:
    """Return figures of the gradients of the baseline and of all networks.

    With the article's settings, add the article's histogram.
    """
    figures = draw_baseline(results) | draw_networks(results)
    record = results.records["sigmoid"]
    if results.as_article and record.net is not None:
        counts, share = pooled(record)
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
    """Return figures of the gradients and updates of the sigmoid network."""
    record, trials = results.records["sigmoid"], results.trials["sigmoid"]
    probe = record.statistics
    layers = probe.layers_of("weight_grad")
    _, last = probe.series(layers[-1], "weight_grad", "rms")
    ratio = gradient_ratio(BEFORE, trials).value
    updates = {name: float(probe.series(name, "update", "ratio")[1][-1]) for name in layers}
    theory = dict(zip(layers, predicted(trials, float(last[0])), strict=True))
    untrained = first_batch_gradients(record.setup, record.setup.build())
    return {
        "gradient_lines": (
            plot.gradient_flow(probe, lines=True, theory=theory),
            "RMS of each layer's weight gradient over training steps, in the sigmoid network. "
            f"Before training the first layer's gradient is {ratio:,.0f} times smaller than the "
            "last layer's. Diamonds are predictions for the first step.",
        ),
        "update_ratio": (
            plot.update_ratio(probe),
            "RMS of each update over the RMS of the weight, in the sigmoid network. The green band "
            "marks usual ratios. Far below it, the weight hardly changes. In the last recorded "
            f"step the ratio is {report.span(updates, '.1e')}.",
        ),
        "gradient_densities": (
            plot.density(untrained, kind="weight_grad", layers=layers, log=True),
            "Density of the magnitudes of each layer's weight gradients before training, in the "
            f"sigmoid network. The RMS of the last layer is {ratio:,.0f} times that of the first. "
            "A histogram from -1 to 1 cannot show this difference.",
        ),
    }


def draw_networks(results: Results) -> report.Figures:
    """Return figures of all networks' gradients: by layer, and over the steps."""

    def draw_map(label: str, ax: Axes) -> None:
        plot.gradient_flow(results.records[label].statistics, limits=limits, ax=ax)
        report.number_rows(ax)

    limits = readings.gradient_limits(record.statistics for record in results.records.values())
    trials = results.trials
    last = geometric_mean(by_layer(trials["sigmoid"], BEFORE, *WEIGHT_GRADIENT)[-1]).value
    theory = {"sigmoid": predicted(trials["sigmoid"], last)}
    before, after = (
        report.span({label: gradient_ratio(stage, runs).value for label, runs in trials.items()})
        for stage in STAGES
    )
    return {
        "by_layer": (
            report.stage_panels(trials, *WEIGHT_GRADIENT, "RMS of gradient of weight", theory),
            "RMS of each layer's weight gradient, for all networks. The flatter a line, the more "
            "of the gradient reaches the first layer. The ratio of the last layer to the first is "
            f"{before} before training, and {after} after it. Dashed lines are predictions. With "
            "several seeds, bands are 95% intervals of the mean.",
        ),
        "gradient_maps": (
            report.panels(results.records, draw_map, color_bars=True),
            "RMS of each layer's weight gradient over training steps. All panels have one colour "
            f"scale, from 10^{limits[0]:.0f} to 10^{limits[1]:.0f}.",
        ),
    }


def summarize(results: Results) -> list[str]:
    """Return a table of the baseline's gradients by layer, and the ratios of all networks."""
    baseline, record = results.trials["sigmoid"], results.records["sigmoid"]
    classes = record.setup.load().classes
    ratios = {stage: partial(gradient_ratio, stage) for stage in STAGES}
    parts = [
        attenuation_table(baseline),
        attenuation_text(baseline),
        "RMS of the last layer's weight gradient over that of the first layer's:",
        report.label_table(results.trials, ratios),
        f"The loss of {classes} equal probabilities is ln {classes} = {np.log(classes):.3f}.",
    ]
    if results.as_article and record.net is not None:
        _, share = pooled(record)
        parts.append(
            f"In the article's histogram, {BINS} bins from {RANGE[0]:g} to {RANGE[1]:g}, the two "
            f"bins at 0 hold {100 * share:.3f}% of all gradients."
        )
    return parts


def attenuation_table(trials: Sequence[Trial]) -> str:
    """Return a table by layer: gradients of the weights, and ratios of RMS(dy) before training."""
    network = networks(trials, BEFORE)[0]
    columns = {"sigmoid": [str(row["name"]) for row in network["dense"]]}
    for stage in STAGES:
        if networks(trials, stage):
            layers = by_layer(trials, stage, *WEIGHT_GRADIENT)
            columns[f"RMS of dW {stage}"] = [f"{geometric_mean(rms).value:.2e}" for rms in layers]
    ratios = [str(geometric_mean(rms)) for rms in measured(trials)]
    columns["RMS(dy) over that of the next layer"] = [*ratios, ""]
    columns["theory"] = [*(f"{factor:.4g}" for factor in readings.attenuation(network, SLOPE)), ""]
    return report.table([*columns], [*zip(*columns.values(), strict=True)])


def measured(trials: Sequence[Trial]) -> list[list[float]]:
    """Return RMS(dy) of each layer over that of the layer above, before training, by seed."""
    layers = pairwise(by_layer(trials, BEFORE, "dense", "dy_rms"))
    return [[below / above for below, above in zip(*pair, strict=True)] for pair in layers]


def attenuation_text(trials: Sequence[Trial]) -> str:
    """Return the factor of the gradient between hidden layers, and the share of saturated units."""
    between = [geometric_mean(factors).value for factors in measured(trials)[:-1]]
    theory = geometric_mean(readings.attenuation(networks(trials, BEFORE)[0], SLOPE)[:-1]).value
    saturated, middle = (
        mean(np.ravel(by_layer(trials, BEFORE, "hidden", name)).tolist()).value
        for name in ("saturated", "mean")
    )
    low, high = SATURATION["Sigmoid"]
    return (
        "Before training, from one hidden layer of the sigmoid network to the one below, RMS(dy) "
        f"is multiplied by {min(between):.3f} to {max(between):.3f}. For units that are not "
        f"saturated, theory predicts ¼·√(n·Var W) = {theory:.3f}. Of the hidden outputs, "
        f"{100 * saturated:.2g}% are saturated (outside {low:g} to {high:g}); their mean is "
        f"{middle:.3f}."
    )


EXPERIMENT = Experiment(
    name="vanishing",
    summary="A deep sigmoid network whose first layers receive very small gradients, and the same "
    "network with one remedy at a time (except with the settings of the article).",
    variants=VARIANTS,
    article={"sigmoid": BASELINE},
    quick={"rows": 6000, "epochs": 2},
    draw=draw,
    summarize=summarize,
)
