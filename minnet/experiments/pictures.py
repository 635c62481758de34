"""Pictures that several experiments draw of their trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from minnet.experiments.trial import Trial
from minnet.recording import StatisticsProbe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEARNING = {
    "accuracy": "The share of rows whose class was found, at the end of each epoch: on training "
    "rows dashed, on test rows, by which training is validated, solid.",
    "loss": "The loss at the end of each epoch: on training rows dashed, on test rows solid.",
}  # captions of the two that are drawn here


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


def share_y(figures: Sequence[Figure]) -> None:
    """Give the first axes of all figures one y axis."""
    ends = [ax.get_ylim() for ax in (figure.axes[0] for figure in figures)]
    for figure in figures:
        figure.axes[0].set_ylim(min(low for low, _ in ends), max(high for _, high in ends))


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
