"""Initial weights: what each rule makes of the activations of a ReLU network, layer by layer.

The article gives the network no output layer, feeds it bytes from 0 to 255, cuts its picture at 1
and looks only after training. Here pixels lie in [0, 1], ten logits follow the last hidden layer,
and the layers are seen before training, where the initializer alone decides, and after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import mean
from minnet.experiments.measures import rms
from minnet.experiments.pictures import LEARNING
from minnet.experiments.setup import Setup
from minnet.experiments.trial import SEEN, Trial, load_data
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
# ReLU lets half of the second moment through; He's rule makes up for it, as this does.
VARIANTS["orthogonal"] = VARIANTS["orthogonal"].but(weight_scale=math.sqrt(2))
ARTICLE = {
    label: TAPERING.but(init=init, scaling="bytes", output=False)
    for label, init in INITIALIZERS.items()
    if label != "orthogonal"  # named by the article and not tried
}
LAYERS = ("relu1", "relu2", "relu3", "relu4")
VARIANCES: dict[str, Callable[[int, int], float]] = {
    "zeros": lambda fan_in, fan_out: 0.0,
    "normal": lambda fan_in, fan_out: 0.01**2,
    "glorot_normal": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "he_normal": lambda fan_in, fan_out: 2 / fan_in,
    "lecun_normal": lambda fan_in, fan_out: 1 / fan_in,
    "orthogonal": lambda fan_in, fan_out: 1 / max(fan_in, fan_out),
}  # of one weight, by fan_in and fan_out
SQUARE = (-1.0, 1.0), (0.0, 4.0)  # the x and y axes of the article's picture
ROWS_OF_PANELS = 3  # in one figure, so that it can be read from afar
CLASSES = 10
Number = Callable[[Mapping[str, Any]], float]  # of what a trial tells of one layer


def predicted_rms(setup: Setup) -> list[float]:
    """Return which RMS theory predicts for the output of each ReLU before training.

    A weight W (n, units) that is drawn independently of what comes in, x (rows, n), with mean 0,
    makes sums whose sign is a coin's toss. So a ReLU lets half of their second moment through::

        E[y²] = ½ n Var(W) E[x²]

    Under He, Var(W) = 2/n, the second moment is kept from layer to layer; Xavier keeps
    n_in/(n_in + n_out) of it, LeCun one half. The first E[x²] is that of the test rows that a trial
    looks at. Biases are 0, the mean is over draws of W, and nothing is said of a single unit.

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
    x = load_data(setup).x_test[:SEEN]
    predicted, second_moment, fan_in = [], rms(x) ** 2, x.shape[1]
    for units in setup.hidden:
        variance = setup.weight_scale**2 * VARIANCES[setup.init](fan_in, units)
        second_moment *= fan_in * variance / 2
        predicted.append(math.sqrt(second_moment))
        fan_in = units
    return predicted


def measured_rms(row: Mapping[str, Any]) -> float:
    """Return √E[y²] of a layer of which a trial tells mean and std."""
    return math.hypot(row["mean"], row["std"])


def by_layer(
    trials: Mapping[str, Sequence[Trial]], when: str, number: Number
) -> dict[str, list[list[float]]]:
    """Return label -> layer -> seed: a number of each hidden layer at the "start" or the "end".

    A training that broke off has nan at its end.
    """
    table = {}
    for label, runs in trials.items():
        layers = range(len(runs[0].setup.hidden))
        seen = [getattr(trial, when) for trial in runs]
        table[label] = [
            [number(its["hidden"][layer]) if its else float("nan") for its in seen]
            for layer in layers
        ]
    return table


def draw(results: Results) -> dict[str, Figure]:
    """Return the first seed's activations, and the RMS by layer and the learning curves of all.

    The RMS rather than the std is drawn, because it is what theory predicts. As the article has
    it, ``as_the_article_cuts_it`` shows the trained networks on the article's axes.
    """
    from minnet import plot

    before = {label: record.before() for label, record in results.records.items()}
    after = _after(results)
    figures = {}
    for when, captures in (("before", before), ("after", after)):
        rows = list(captures.items())
        for part, first in enumerate(range(0, len(rows), ROWS_OF_PANELS), start=1):
            some = dict(rows[first : first + ROWS_OF_PANELS])
            figures[f"activations_{when}_{part}"] = plot.histograms(some, layers=LAYERS)
    figures |= _rms_figures(results)
    figures |= _learning_curves(results.trials)
    if results.as_article and after:
        figures["as_the_article_cuts_it"] = _cut(after)
    return figures


def _after(results: Results) -> dict[str, Capture]:
    return {
        label: record.after() for label, record in results.records.items() if record.net is not None
    }


def _rms_figures(results: Results) -> dict[str, Figure]:
    from minnet.experiments import charts

    first = {label: runs[0].setup for label, runs in results.trials.items()}
    theory = {
        label: predicted_rms(setup) for label, setup in first.items() if setup.init != "zeros"
    }  # 0 has no place on a log axis
    start, end = (by_layer(results.trials, when, measured_rms) for when in ("start", "end"))
    return {
        "rms_before": charts.by_layer(
            start, ylabel="RMS of activations before training", log=True, theory=theory
        ),
        "rms_after": charts.by_layer(end, ylabel="RMS of activations after training", log=True),
    }


def _learning_curves(trials: Mapping[str, Sequence[Trial]]) -> dict[str, Figure]:
    """Draw the curves on an axis of those that live; the flat lines of the dead are told below."""
    from minnet import plot

    ended = {label: [run for run in runs if not run.stopped] for label, runs in trials.items()}
    ended = {label: runs for label, runs in ended.items() if runs}
    zeros = by_layer(ended, "end", itemgetter("zeros"))
    dead = [label for label in ended if min(zeros[label][-1]) == 1]
    figures = {}
    for metric in ("accuracy", "loss") if ended else ():
        curves = {label: [trial.history() for trial in runs] for label, runs in ended.items()}
        figures[metric] = plot.learning_curves(curves, metric=metric)
        alive = [
            value
            for label in ended.keys() - set(dead)
            for trial in ended[label]
            for which in ("train", "val")
            for value in trial.curves[f"{which}_{metric}"]
        ]
        if dead and alive:
            margin = 0.05 * (max(alive) - min(alive)) or 0.05
            (ax,) = figures[metric].axes
            ax.set_ylim(min(alive) - margin, max(alive) + margin)
            lines = ["epoch"]
            for label in dead:
                level = mean(trial.last(f"val_{metric}") for trial in ended[label]).value
                lines.append(f"{label}, dead, ends at {level:.3g}")
            ax.set_xlabel("\n".join(lines))
    return figures


def _cut(captures: Mapping[str, Capture]) -> Figure:
    """Draw densities on the article's axes; the legends tell which share these leave out."""
    from minnet import plot
    from minnet.experiments import charts

    figure, panels = charts.side_by_side(list(captures))
    for captured, ax in zip(captures.values(), panels, strict=True):
        plot.density(captured, layers=LAYERS, ax=ax)
        for name, line in zip(LAYERS, ax.lines, strict=True):
            peak = float(np.max(line.get_ydata()))
            note = f", peak {peak:.2g}" if peak > SQUARE[1][1] else ""
            line.set_label(f"{name}: {beyond(captured[name]['y']):.0%} cut{note}")
        ax.set(xlim=SQUARE[0], ylim=SQUARE[1])
        ax.set_xticks([-1, -0.5, 0, 0.5, 1])
        ax.xaxis.label.set_text("activation y, cut at ±1")
        ax.legend(loc="upper right", fontsize=13, frameon=False, handlelength=1.0)
    figure.set_size_inches(14.0, 3.8 * -(-len(panels) // 3))
    return figure


def beyond(y: Array) -> float:
    """Return the share of values that the article's x axis leaves out.

    >>> beyond(np.array([0.0, 0.5, 1.0, 20.0]))
    0.25
    """
    low, high = SQUARE[0]
    return float(((y < low) | (y > high)).mean())


def tell(results: Results) -> str:
    """Return how each network ended, its layers before and after, and what follows from them."""
    trials = results.trials
    predicted = {label: predicted_rms(runs[0].setup) for label, runs in trials.items()}
    seen = len(load_data(next(iter(trials.values()))[0].setup).x_test[:SEEN])
    parts = [
        report.outcome_table(trials),
        f"Outputs of the hidden layers on {seen} test rows. Their RMS before training, and in "
        "brackets what theory predicts, E[y²] = ½ n Var(W) E[x²]:",
        _layer_table(trials, "{:.3g} ({:.3g})", means(trials, "start", measured_rms), predicted),
    ]
    for what, name, text in (
        ("Their std, before training → after it:", "std", "{:.3g} → {:.3g}"),
        ("The share of exact zeros:", "zeros", "{:.0%} → {:.0%}"),
        ("How many units put out the same in every row, dead ones:", "dead", "{:.3g} → {:.3g}"),
    ):
        start, end = (means(trials, when, itemgetter(name)) for when in ("start", "end"))
        parts += [what, _layer_table(trials, text, start, end)]
    parts.append("\n".join(f"- {sentence}" for sentence in findings(trials)))
    if results.as_article:
        parts += _faults(results)
    return "\n\n".join(parts)


def means(
    trials: Mapping[str, Sequence[Trial]], when: str, number: Number
) -> dict[str, list[float]]:
    """Return label -> layer: the means of `by_layer` over the seeds."""
    table = by_layer(trials, when, number)
    return {label: [mean(seeds).value for seeds in layers] for label, layers in table.items()}


def _layer_table(
    trials: Mapping[str, Sequence[Trial]],
    text: str,
    one: Mapping[str, Sequence[float]],
    other: Mapping[str, Sequence[float]],
) -> str:
    rows = [
        [label, *(text.format(*pair) for pair in zip(one[label], other[label], strict=True))]
        for label in one
    ]
    return report.table(_header(trials), rows)


def _header(trials: Mapping[str, Sequence[Trial]]) -> list[str]:
    hidden = next(iter(trials.values()))[0].setup.hidden
    return ["", *(f"layer {number}, {units} units" for number, units in enumerate(hidden, 1))]


def findings(trials: Mapping[str, Sequence[Trial]]) -> list[str]:
    """Return in sentences what the article says of the initializers, with this run's numbers."""
    std = means(trials, "start", itemgetter("std"))
    kept = {label: its[-1] / its[0] for label, its in std.items() if its[0]}
    even = min(kept, key=lambda label: abs(math.log(kept[label])))
    measured = means(trials, "start", measured_rms)
    off = max(
        abs(number / predicted - 1)
        for label in kept
        for number, predicted in zip(
            measured[label], predicted_rms(trials[label][0].setup), strict=True
        )
    )
    zeros = min(means(trials, "end", itemgetter("zeros"))["zero"])
    accuracy = mean(trial.last("val_accuracy") for trial in trials["zero"])
    return [
        f"Before training the RMS of each layer lies within {off:.0%} of theory.",
        "The std of the last layer over that of the first, before training: "
        + ", ".join(f"{label} {ratio:.2g}" for label, ratio in kept.items())
        + f". The most even is {even}.",
        "Xavier's std over random normal's before training, layer by layer: "
        + f"{_ratios(std['Xavier'], std['random normal'])}; LeCun's over Xavier's: "
        + f"{_ratios(std['LeCun'], std['Xavier'])}.",
        f"Weights of zero: after training no hidden layer has less than {zeros:.0%} exact zeros, "
        f"and the test accuracy is {accuracy}. Where all is 0, so is ReLU's slope: the network is "
        "dead, not merely symmetric.",
    ]


def _ratios(these: Sequence[float], those: Sequence[float]) -> str:
    return ", ".join(f"{one / other:.3g}" for one, other in zip(these, those, strict=True))


def _faults(results: Results) -> list[str]:
    """Return what the article's choices do to its picture and to its network."""
    rows = []
    for label, captured in _after(results).items():
        digits = captured[LAYERS[-1]]["y"][:, :CLASSES]
        silent = int((digits == 0).all(axis=0).sum())
        cut = (f"{beyond(captured[name]['y']):.0%}" for name in LAYERS)
        rows.append([label, *cut, f"{silent} of {CLASSES}"])
    return [
        "The article's axis ends at 1. The share of values beyond it after training, of the first "
        "seed; and, with no output layer, how many of the last hidden units that stand for the "
        "digits put out 0 whatever they are shown:",
        report.table([*_header(results.trials), "silent digits"], rows),
    ]


PANELS = "The stem at 0 is as high as exact zeros are of all values."
CAPTIONS = {
    "activations_before_1": f"What each hidden layer puts out before training. {PANELS}",
    "activations_before_2": "The same for the other initializers.",
    "activations_after_1": f"What each hidden layer puts out after training. {PANELS}",
    "activations_after_2": "The same for the other initializers.",
    "rms_before": "The size of the activations by layer before training, where the initializer "
    "alone decides: a flat line keeps it. Dashes are theory.",
    "rms_after": "The same after training, which evens out what it can.",
    **LEARNING,
    "as_the_article_cuts_it": "What the article drew, on its axes. The legends tell how much of "
    "each layer they leave out.",
}
EXPERIMENT = Experiment(
    name="initializers",
    summary="A ReLU network that narrows from layer to layer; its activations by initializer.",
    variants=VARIANTS,
    article=ARTICLE,
    quick={"rows": 20_000, "epochs": 3},
    draw=draw,
    captions=CAPTIONS,
    tell=tell,
)
