"""The vanishing gradient: a deep sigmoid network on MNIST, and what heals it.

The article pools all gradients of the last batch into one histogram from -1 to 1, in which nearly
all of them fall into two bins and no layer can be told from another. Here every layer is seen, at
every moment, on a logarithmic scale, and beside it the same network with one remedy at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import geometric_mean, mean
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Record, Snapshot, Trial, load_data, rms
from minnet.probes import SATURATION, Capture, StatisticsProbe, capture
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
    "Residual": SICK.but(residual=True),
}
ARTICLE = {"sigmoid": SICK}

SLOPE, MIDDLE = 0.25, 0.5  # of the sigmoid at 0, where it is steepest, and its value there
BINS, RANGE = 100, (-1.0, 1.0)  # of the article's histogram


def attenuation(network: Snapshot, slope: float) -> list[float]:
    """Return by which factor theory has the gradient shrink from each layer to the one below it.

    dy of layer k is (W dy) σ'(z), with W and dy of the layer above, which has n units: a sum of n
    terms whose signs are independent. So RMS(dy) is multiplied by σ' √(n Var W).

    Parameters
    ----------
    network : dict
        A trial's ``start``: from it n and Var W.
    slope : float
        The RMS of σ': 1/4 for a sigmoid that is not saturated, √½ for a ReLU.

    Returns
    -------
    list of float
        One number less than there are layers; the first is that from layer 2 to layer 1.

    Examples
    --------
    >>> rows = [{"fan_out": 1000, "weight_rms": (3 * fan_in) ** -0.5} for fan_in in (784, 1000)]
    >>> [round(factor, 3) for factor in attenuation({"dense": rows}, SLOPE)]
    [0.144]
    """
    above = network["dense"][1:]
    return [float(slope * np.sqrt(row["fan_out"]) * row["weight_rms"]) for row in above]


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


def by_layer(networks: Iterable[Snapshot | None], number: str) -> list[list[float]]:
    """Return a number of the dense layers, a list over layers of lists over seeds.

    A network that has no gradients, because its training broke off, is left out.
    """
    rows = [network["dense"] for network in networks if network is not None]
    return [[float(row[number]) for row in layer] for layer in zip(*rows, strict=True)]


def moments(trials: Sequence[Trial]) -> dict[str, list[Snapshot | None]]:
    """Return the networks of these trials before training, and after it."""
    return {
        "before training": [trial.start for trial in trials],
        "after training": [trial.end for trial in trials],
    }


def last_over_first(networks: Iterable[Snapshot | None]) -> list[float]:
    """Return for each seed how many times larger the last layer's gradient is than the first's."""
    layers = by_layer(networks, "weight_grad_rms")
    return [last / first for first, last in zip(layers[0], layers[-1], strict=True)]


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
        from minnet.plot.pooled import pooled_histogram

        counts, _ = pooled(gradients(record, trained=True))
        figures["article_histogram"] = pooled_histogram(
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
        "gradient_densities": plot.density(
            gradients(record), kind="weight_grad", layers=layers, log=True
        ),
    }


def draw_all(results: Results) -> dict[str, Figure]:
    """Return all networks' gradients by layer and over the steps, and their learning curves."""
    from minnet import plot

    figures = {}
    for when in ("before training", "after training"):
        values = {
            label: by_layer(moments(trials)[when], "weight_grad_rms")
            for label, trials in results.trials.items()
        }
        values = {label: layers for label, layers in values.items() if layers}
        theory = {}
        if when == "before training":
            last = geometric_mean(values["sigmoid"][-1]).value
            theory["sigmoid"] = predicted(results.trials["sigmoid"][0], last)
        if values:
            figures[f"by_layer_{when.split()[0]}"] = plot.by_layer(
                values, ylabel=f"RMS of gradient of weight\n{when}", log=True, theory=theory
            )
    share_y(list(figures.values()))
    limits = decades(record.statistics for record in results.records.values())
    figures["gradient_maps"], panels = plot.side_by_side(list(results.records), share_y=False)
    for record, ax in zip(results.records.values(), panels, strict=True):
        plot.gradient_flow(record.statistics, limits=limits, ax=ax)
        number_rows(ax)
    return figures | learning_curves(results.trials)


def share_y(figures: Sequence[Figure]) -> None:
    """Give the first axes of all figures one y axis."""
    ends = [ax.get_ylim() for ax in (figure.axes[0] for figure in figures)]
    for figure in figures:
        figure.axes[0].set_ylim(min(low for low, _ in ends), max(high for _, high in ends))


def number_rows(ax: Axes) -> None:
    """Count the layers of a map, whose names are long and differ between networks."""
    rows = ax.get_yticks()
    ax.set_yticks(rows, [f"{row + 1:.0f}" for row in rows])
    ax.set_ylabel("layer", fontsize=ax.xaxis.label.get_fontsize())
    ax.locator_params(axis="x", nbins=3)


def decades(probes: Iterable[StatisticsProbe]) -> tuple[float, float]:
    """Return from where to where the RMS of all these weight gradients goes, in whole log10."""
    found = np.concatenate(
        [
            probe.series(layer, "weight_grad", "rms")[1]
            for probe in probes
            for layer in probe.layers_of("weight_grad")
        ]
    )
    logs = np.log10(found[(found > 0) & np.isfinite(found)])
    return float(np.floor(logs.min())), float(np.ceil(logs.max()))


def learning_curves(trials: Mapping[str, Sequence[Trial]]) -> dict[str, Figure]:
    """Return accuracy and loss by epoch of the trainings that came to their end.

    How many did not stands in the legend, also where none did and there is nothing to draw.
    """
    from minnet import plot

    curves = {}
    for label, runs in trials.items():
        ended = [trial.history() for trial in runs if trial.stopped is None]
        broke = len(runs) - len(ended)
        note = f" ({broke} of {len(runs)} broke off)" if broke else ""
        missing = [float("nan")] * runs[0].setup.epochs
        nothing = SimpleNamespace(loss=missing, accuracy=missing)
        curves[label + note] = ended or [nothing]
    return {metric: plot.learning_curves(curves, metric=metric) for metric in ("accuracy", "loss")}


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
            (when, by_layer(its, "weight_grad_rms")) for when, its in moments(trials).items()
        )
        if layers
    }
    columns["dy over dy above"] = [*map(str, map(geometric_mean, measured(trials))), ""]
    columns["theory"] = [*(f"{factor:.4g}" for factor in attenuation(network, SLOPE)), ""]
    names = [row["name"] for row in network["dense"]]
    header = [f"RMS of dW {name}" if name in moments(trials) else name for name in columns]
    rows = [list(row) for row in zip(names, *columns.values(), strict=True)]
    return report.table(["sigmoid", *header], rows)


def measured(trials: Sequence[Trial]) -> list[list[float]]:
    """Return RMS(dy) of each layer over that of the layer above, before training, by seed."""
    layers = by_layer(moments(trials)["before training"], "dy_rms")
    return [
        [below / above for below, above in zip(*pair, strict=True)] for pair in pairwise(layers)
    ]


def told_of_attenuation(trials: Sequence[Trial]) -> str:
    """Return how much the gradient shrinks between hidden layers, and whether units saturate."""
    between = [geometric_mean(factors).value for factors in measured(trials)[:-1]]
    theory = attenuation(start(trials[0]), SLOPE)[:-1]
    ratio = geometric_mean(last_over_first(moments(trials)["before training"]))
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
                str(geometric_mean(last_over_first(its))) if any(its) else "broke off"
                for its in moments(runs).values()
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


def start(trial: Trial) -> Snapshot:
    """Return the network before training.

    Raises
    ------
    ValueError
        If its outputs or gradients were not finite.
    """
    if trial.start is None:
        raise ValueError(f"this network was not finite before training: {trial.setup}")
    return trial.start


EXPERIMENT = Experiment(
    name="vanishing",
    summary="A 784-1000x5-10 sigmoid network on MNIST, whose early layers get next to no gradient, "
    "and the same with one remedy each.",
    variants=VARIANTS,
    article=ARTICLE,
    quick={"rows": 6000, "epochs": 2},
    draw=draw,
    tell=tell,
)
