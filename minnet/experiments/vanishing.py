"""The vanishing gradient: a deep sigmoid network on MNIST, and what heals it.

The article pools all gradients of the last batch into one histogram from -1 to 1, in which nearly
all of them fall into two bins and no layer can be told from another. Here every layer is seen, at
every moment, on a logarithmic scale, and beside it the same network with one remedy at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import geometric_mean, mean
from minnet.experiments.measures import rms
from minnet.experiments.pictures import LEARNING, decades, learning_curves, share_y
from minnet.experiments.readings import attenuation, by_layer, last_over_first, stages, start
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Record, Trial, load_data
from minnet.recording import SATURATION, Capture, capture
from minnet.validation import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SICK = Setup(
    scaling="centred", hidden=(1000,) * 5, activation="sigmoid", init="torch",
    optimizer="sgd", lr=0.01, momentum=0.9, batch_size=100, epochs=10,
)  # fmt: skip
VARIANTS = {
    "sigmoid": SICK,
    "Xavier + tanh": SICK.but(activation="tanh", init="glorot_uniform"),
    "ReLU + He": SICK.but(activation="relu", init="he_uniform"),
    "Swish": SICK.but(activation="swish", init="he_uniform"),
    "BatchNorm": SICK.but(batchnorm=True),
    "LayerNorm": SICK.but(layernorm=True),
    "Residual": SICK.but(residual=True),
}
ARTICLE = {"sigmoid": SICK}

SLOPE, MIDDLE = 0.25, 0.5  # of the sigmoid at 0, where it is steepest, and its value there
BINS, RANGE = 100, (-1.0, 1.0)  # of the article's histogram


def predicted(trial: Trial, last: float) -> list[float]:
    """Return the RMS of each layer's weight gradient as theory has it, given that of the last.

    dW = xᵀ dy, so besides dy the size of x counts: about ½ for all layers but the first, which
    sees the pixels.
    """
    found = [last]
    for factor in reversed(attenuation(start(trial), SLOPE)):
        found.insert(0, found[0] * factor)
    found[0] *= rms(load_data(trial.setup).x) / MIDDLE
    return found


def gradients(record: Record, *, trained: bool = False) -> Capture:
    """Return what a training step on the first rows sees, of the network before or after training.

    Raises
    ------
    ValueError
        If NaN or infinity put an end to the training.
    """
    setup, data = record.setup, load_data(record.setup)
    net = record.net if trained else setup.build()
    if net is None:
        raise ValueError(f"this training has no end to be looked at: {setup}")
    batch = min(setup.batch_size, len(data.x))
    return capture(net, data.x[:batch], data.labels[:batch], setup.make_loss())


def pooled(captured: Capture) -> tuple[Array, float]:
    """Return the article's counts of all gradients, (bins,), and the share in the two bins at 0.

    The share is of all gradients, also of those that the histogram leaves out.
    """
    kinds = ("weight_grad", "bias_grad")
    arrays = [array for kind in kinds for array in captured.kind(kind).values()]
    counts: Array = np.sum([np.histogram(array, BINS, RANGE)[0] for array in arrays], axis=0)
    middle = counts[BINS // 2 - 1 : BINS // 2 + 1].sum()
    return counts, float(middle / sum(array.size for array in arrays))


def draw(results: Results) -> dict[str, Figure]:
    """Return the sick network's gradients, all networks' side by side, and how they learned.

    As the article has it, its own picture too.
    """
    figures = {**draw_sick(results), **draw_all(results)}
    record = results.records["sigmoid"]
    if results.as_article and record.net is not None:
        from minnet.experiments import charts

        counts, _ = pooled(gradients(record, trained=True))
        figures["article_histogram"] = charts.pooled_histogram(
            counts, np.linspace(*RANGE, BINS + 1), xlabel="gradient, of all weights and biases"
        )
    return figures


def draw_sick(results: Results) -> dict[str, Figure]:
    """Return the sigmoid network's gradients: over the steps, and as densities before training."""
    from minnet import plot

    record, trial = results.records["sigmoid"], results.trials["sigmoid"][0]
    probe = record.statistics
    layers = probe.layers_of("weight_grad")
    _, last = probe.series(layers[-1], "weight_grad", "rms")
    theory = dict(zip(layers, predicted(trial, float(last[0])), strict=True))
    return {
        "gradient_map": plot.gradient_flow(probe),
        "gradient_lines": plot.gradient_flow(probe, lines=True, theory=theory),
        "first_layer": plot.heatmap(record.histograms, layers[0], kind="weight_grad"),
        "update_ratio": plot.update_ratio(probe),
        "gradient_densities": plot.density(
            gradients(record), kind="weight_grad", layers=layers, log=True
        ),
    }


def draw_all(results: Results) -> dict[str, Figure]:
    """Return all networks' gradients by layer and over the steps, and their learning curves."""
    from minnet import plot
    from minnet.experiments import charts

    figures = {}
    for when in ("before training", "after training"):
        values = {
            label: by_layer(stages(trials)[when], "dense", "weight_grad_rms")
            for label, trials in results.trials.items()
        }
        values = {label: layers for label, layers in values.items() if layers}
        theory = {}
        if when == "before training":
            last = geometric_mean(values["sigmoid"][-1]).value
            theory["sigmoid"] = predicted(results.trials["sigmoid"][0], last)
        if values:
            figures[f"by_layer_{when.split()[0]}"] = charts.by_layer(
                values, ylabel=f"RMS of gradient of weight\n{when}", log=True, theory=theory
            )
    share_y(list(figures.values()))
    limits = decades(record.statistics for record in results.records.values())
    figures["gradient_maps"], panels = charts.side_by_side(list(results.records), share_y=False)
    for record, ax in zip(results.records.values(), panels, strict=True):
        plot.gradient_flow(record.statistics, limits=limits, ax=ax)
        number_rows(ax)
    return figures | learning_curves(results.trials)


def number_rows(ax: Axes) -> None:
    """Count the layers of a map, whose names are long and differ between networks."""
    rows = ax.get_yticks()
    ax.set_yticks(rows, [f"{row + 1:.0f}" for row in rows])
    ax.set_ylabel("layer", fontsize=ax.xaxis.label.get_fontsize())
    ax.locator_params(axis="x", nbins=3)


def tell(results: Results) -> str:
    """Return how each network ended, the sick one's gradients by layer, and all networks' ratio."""
    sick = results.trials["sigmoid"]
    parts = [
        report.outcome_table(results.trials),
        attenuation_table(sick),
        told_of_attenuation(sick),
        ratio_table(results.trials),
        told_of_learning(results.trials),
    ]
    record = results.records["sigmoid"]
    if results.as_article and record.net is not None:
        _, share = pooled(gradients(record, trained=True))
        parts.append(
            f"In the article's histogram, {BINS} bins from {RANGE[0]:g} to {RANGE[1]:g}, the two "
            f"bins at 0 hold {100 * share:.3f}% of all gradients."
        )
    return "\n\n".join(parts)


def attenuation_table(trials: Sequence[Trial]) -> str:
    """Return by layer the gradients before and after training, and the factor to the layer above.

    The factor is that of the gradients dy before training.
    """
    network = start(trials[0])
    columns = {
        when: [f"{geometric_mean(seeds).value:.2e}" for seeds in layers]
        for when, layers in (
            (when, by_layer(its, "dense", "weight_grad_rms"))
            for when, its in stages(trials).items()
        )
        if layers
    }
    columns["dy over dy above"] = [*map(str, map(geometric_mean, measured(trials))), ""]
    columns["theory"] = [*(f"{factor:.4g}" for factor in attenuation(network, SLOPE)), ""]
    names = [row["name"] for row in network["dense"]]
    header = [f"RMS of dW {name}" if name in stages(trials) else name for name in columns]
    rows = [list(row) for row in zip(names, *columns.values(), strict=True)]
    return report.table(["sigmoid", *header], rows)


def measured(trials: Sequence[Trial]) -> list[list[float]]:
    """Return RMS(dy) of each layer over that of the layer above, before training, by seed."""
    layers = by_layer(stages(trials)["before training"], "dense", "dy_rms")
    return [
        [below / above for below, above in zip(*pair, strict=True)] for pair in pairwise(layers)
    ]


def told_of_attenuation(trials: Sequence[Trial]) -> str:
    """Return how much the gradient shrinks between hidden layers, and whether units saturate."""
    between = [geometric_mean(factors).value for factors in measured(trials)[:-1]]
    theory = attenuation(start(trials[0]), SLOPE)[:-1]
    ratio = geometric_mean(map(last_over_first, stages(trials)["before training"]))
    hidden = [row for trial in trials for row in start(trial)["hidden"]]
    saturated = mean(row["saturated"] for row in hidden).value
    middle = mean(row["mean"] for row in hidden).value
    low, high = SATURATION["Sigmoid"]
    return (
        f"Before training the sigmoid network's last weight has a gradient {ratio.value:.3g} times "
        f"as large as its first. From one hidden layer to the one below, dy shrinks to "
        f"{span(between)} of its size; ¼·√(n·Var W), for units that are not saturated, is "
        f"{span(theory)}. Saturated, outside of {low:g} to {high:g}, are {100 * saturated:.2g}% of "
        f"the hidden outputs, whose mean is {middle:.3f}."
    )


def span(numbers: Sequence[float]) -> str:
    """Write the least and the largest number, or the one that both are.

    >>> span([0.1443, 0.1442]), span([0.136, 0.142])
    ('0.144', '0.136 to 0.142')
    """
    return " to ".join(dict.fromkeys(f"{end(numbers):.3f}" for end in (min, max)))


def ratio_table(trials: Mapping[str, Sequence[Trial]]) -> str:
    """Return how many times larger the last layer's gradient is than the first's, by network."""
    rows = [
        [
            label,
            *(
                str(geometric_mean(map(last_over_first, its))) if its else "broke off"
                for its in stages(runs).values()
            ),
        ]
        for label, runs in trials.items()
    ]
    return report.table(["dW of the last layer over the first's", "before", "after"], rows)


def told_of_learning(trials: Mapping[str, Sequence[Trial]]) -> str:
    """Return the sick network's accuracy and loss after training, and the others' accuracies."""
    accuracies = {
        label: mean(run.last("val_accuracy") for run in runs).value
        for label, runs in trials.items()
    }
    sick, loss = accuracies.pop("sigmoid"), mean(t.last("train_loss") for t in trials["sigmoid"])
    classes = start(trials["sigmoid"][0])["dense"][-1]["fan_out"]
    text = (
        f"After training the sigmoid network's test accuracy is {100 * sick:.1f}%, and its loss on "
        f"training rows {loss.value:.3f}, where {classes} equal guesses have "
        f"ln {classes} = {np.log(classes):.3f}."
    )
    if not accuracies:
        return text
    told = ", ".join(f"{label} {100 * accuracy:.1f}%" for label, accuracy in accuracies.items())
    return f"{text} With a remedy it is: {told}."


CAPTIONS = {
    "gradient_map": "The sigmoid network: the colour is how large the gradient of each layer's "
    "weight is, over the steps. Vanishing is pale at the top and dark at the bottom.",
    "gradient_lines": "The same as lines, a layer a line: where one layer's gradient is ten times "
    "another's, their lines are 1 apart. Diamonds are what theory says of the first step.",
    "first_layer": "The first weight's gradients over the steps: how many of them are of which "
    "size, on an axis that is logarithmic on both sides of 0.",
    "update_ratio": "How large an update of the sigmoid network is beside the weight that it "
    "changes. In the band a layer learns at a healthy pace; far below it stands still, far above "
    "it takes steps too large to be small corrections.",
    "gradient_densities": "How the sizes of each weight's gradients are spread before training: "
    "every layer is a hill of its own, which one histogram from -1 to 1 can't show.",
    "by_layer_before": "All networks before training: a flat line is a gradient that arrives. "
    "Dashes are theory; with several seeds bands are 95% intervals of the mean.",
    "by_layer_after": "The same after training, on the same axis.",
    "gradient_maps": "The map of the first picture for every network, with one scale of colours.",
    "article_histogram": "What the article drew: all gradients in one histogram. The two bins at 0 "
    "hold nearly all of them, and no layer can be told from another.",
    **LEARNING,
}
EXPERIMENT = Experiment(
    name="vanishing",
    summary="A deep sigmoid network whose early layers get next to no gradient; and, except as the "
    "article has it, the same with one remedy each.",
    variants=VARIANTS,
    article=ARTICLE,
    quick={"rows": 6000, "epochs": 2},
    draw=draw,
    captions=CAPTIONS,
    tell=tell,
)
