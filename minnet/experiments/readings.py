"""What is read off trials: numbers by layer and seed, gradients, and what theory has for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from minnet.experiments.trial import Snapshot, Trial

TINY = 1e-38  # float32 has no smaller number with all its digits; what is 0 there counts as this


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


def stages(trials: Sequence[Trial]) -> dict[str, list[Snapshot]]:
    """Return the networks before training and, of those that did not break off, after it."""
    return {
        "before training": [trial.start for trial in trials if trial.start is not None],
        "after training": [trial.end for trial in trials if trial.end is not None],
    }


def by_layer(networks: Iterable[Snapshot], kind: str, number: str) -> list[list[float]]:
    """Return a number of the "hidden" or the "dense" layers: over layers, lists over networks."""
    return [
        [float(row[number]) for row in rows]
        for rows in zip(*(network[kind] for network in networks), strict=True)
    ]


def weight_gradients(network: Snapshot) -> list[float]:
    """Return the RMS of the gradient of each weight, from the first layer to the last."""
    return [max(row["weight_grad_rms"], TINY) for row in network["dense"]]


def last_over_first(network: Snapshot) -> float:
    """Return how many times as large the last layer's weight gradient is as the first's."""
    rms = weight_gradients(network)
    return rms[-1] / rms[0]


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
    >>> [round(factor, 3) for factor in attenuation({"dense": rows}, 0.25)]
    [0.144]
    """
    above = network["dense"][1:]
    return [float(slope * np.sqrt(row["fan_out"]) * row["weight_rms"]) for row in above]
