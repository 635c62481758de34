"""Causes in the data: scales of inputs and targets, constant columns, contradicting labels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from minnet.doctor.case import USUAL, Case, Suspicion
from minnet.doctor.remedies import (
    ACTIONS,
    NORMALIZATIONS,
    constant_columns,
    remedy,
    standardization,
)
from minnet.doctor.training import answers_of, labels_in, step_seconds
from minnet.validation import Array

NEIGHBOURS = 10
LEAST = 40  # rows whose labels are compared
MOST = 1000  # rows that are compared with each other
RANDOM = 0.9  # share of contradicting labels, relative to the share for random labels
SURE = 0.1  # share of wrong rows among the surest ones that shows noise without validation rows
INDEPENDENT = 0.55  # the same, relative to the share of all rows; 1 for labels drawn at random


def unscaled_inputs(case: Case) -> Suspicion | None:
    """Input columns far from mean 0 and standard deviation 1, or of very different scales.

    The curvature of the loss along a weight grows with the square of the column, so one learning
    rate cannot suit columns of different scales. LeCun et al. (1998), Efficient BackProp, 4.3.
    """
    x = case.training.x
    mean, std = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    varies = std > 1e-6 * np.abs(mean)
    if isinstance(case.training.net.layers[0], NORMALIZATIONS) or not varies.any():
        return None
    mean, std = mean[varies], std[varies]
    size = float(np.sqrt(np.mean(mean**2 + std**2)))
    low, typical, largest = (max(float(np.quantile(std, q)), 1e-12) for q in (0.1, 0.5, 0.9))
    offset = float(np.median(np.abs(mean) / std))
    signs = max(
        abs(math.log(max(size, 1e-12), 4)),
        math.log(max(offset, 1e-12), 4),
        math.log(largest / typical, 8),
    )
    if signs < 1:
        return None
    return Suspicion(
        min(0.6 + 0.12 * signs, 0.9),
        f"The RMS of the inputs is {size:.3g}; the standard deviations of their columns range over "
        f"a factor of {largest / low:.3g}, and a typical mean is {offset:.2g} standard deviations "
        "from 0. No single learning rate suits the weights of all columns.",
        [remedy("scale_inputs")],
        {"input_rms": size, "scale_ratio": largest / low, "offset": offset},
    )


def unscaled_targets(case: Case) -> Suspicion | None:
    """Regression targets far from mean 0 and standard deviation 1.

    Outputs and gradients must grow to the scale of the targets first; the gradient of the squared
    error is proportional to it. Bishop (1995), Neural Networks for Pattern Recognition, 8.2.
    """
    y = case.training.y
    if case.labels is not None or case.training.loss.classifies:
        return None
    std = float(y.std(axis=0, dtype=np.float64).mean())
    mean = float(np.abs(y.mean(axis=0, dtype=np.float64)).max())
    if not std or (0.1 <= std <= 10 and mean < 5 * max(std, 1.0)):
        return None
    return Suspicion(
        0.85,
        f"The targets have a standard deviation of {std:.3g} and a mean of {mean:.3g}, while the "
        "outputs of a new network are near 1. The first errors and gradients have the scale of "
        "the targets, so training is slow or unstable.",
        [remedy("scale_targets")],
        {"target_std": std, "target_mean": mean},
    )


def constant_features(case: Case) -> Suspicion | None:
    """Input columns with one value other than 0, which act as additional biases.

    Their weights carry no information, but each adds c² to the curvature along one direction, which
    limits the learning rate of all others. LeCun et al. (1998), Efficient BackProp, 4.3.
    """
    x = case.training.x
    constant = constant_columns(x)
    if not np.ptp(x, axis=0).any():
        return Suspicion(
            0.9,
            "All rows of the input are equal, so the network cannot distinguish them, and its best "
            "output is a constant. Check how the inputs were read and scaled.",
            [remedy("drop_constant_features")],
            {"columns": x.shape[1]},
            certain=True,
        )
    if not constant.any():
        return None
    powers = np.square(x, dtype=np.float64).mean(axis=0)
    weight = float(powers[constant].sum() / powers.sum())
    size = float(np.abs(x[0, constant]).max())
    return Suspicion(
        0.5 + 0.42 * weight,
        f"{int(constant.sum())} of {x.shape[1]} input columns have the same value in every row, up "
        f"to {size:.3g}, and account for {weight:.0%} of the input's mean square. They carry no "
        "information, but their weights receive large gradients.",
        [remedy("drop_constant_features"), remedy("scale_inputs")],
        {"columns": constant.sum(), "largest": size, "share_of_power": weight},
        needed=0.01 if weight > 0.5 else 0.02 if weight > 0.2 else 0.04,
    )


def label_noise(case: Case) -> Suspicion | None:
    """Training labels that contradict those of the nearest rows.

    A row contradicts if its label differs from the most frequent one of its nearest rows. Classes
    that overlap contradict at their borders, in training and validation rows alike; wrong labels
    contradict also where the neighbours agree with each other. Labels are called noisy if such rows
    contradict, and

    1. more training rows contradict than validation rows, or
    2. nearly as many contradict as for random labels, and the network only guesses, or
    3. there are no validation rows, and contradictions do not depend on the neighbours' agreement.

    In cases 2 and 3 a network trained on half of the rows must not predict the labels of the other
    half better than their neighbours do.
    Brodley & Friedl (1999), Identifying mislabeled training data, JAIR 11.
    """
    labels, x, pair = case.labels, case.training.x, case.training.validation
    if labels is None or len(labels) < LEAST or not np.ptp(x, axis=0).any():
        return None
    wrong, agreement = contradictions(x, labels, x, labels)
    clear, share, held = surest(wrong, agreement), float(wrong.mean()), math.nan
    independent, excess = clear >= max(SURE, INDEPENDENT * share), 0.0
    held_labels = None if pair is None else labels_in(pair[1])
    if pair is not None and held_labels is not None:
        others, _ = contradictions(x, labels, pair[0], held_labels)
        held, both = float(others.mean()), float(np.concatenate([wrong, others]).mean())
        error = math.sqrt(both * (1 - both) * (1 / len(wrong) + 1 / len(others)))
        excess = (share - held) / max(1.5 * error if independent else 3 * error, 0.06)
    if clear < 0.06 or excess < 1:
        chance = 1 - np.bincount(labels).max() / len(labels)
        guessing = case.end.points < case.constant + 3 * case.score_error
        suspicious = share >= RANDOM * chance and guessing
        suspicious |= math.isnan(held) and independent
        if not suspicious or is_predictable(case, labels, share):
            return None
    return Suspicion(
        min(0.5 + share, 0.92),
        f"{share:.0%} of the training labels differ from the most frequent label of the "
        f"{NEIGHBOURS} nearest rows; in the quarter of the rows whose neighbours agree best, "
        f"{clear:.0%}"
        + ("." if math.isnan(held) else f". Of the validation labels {held:.0%} differ."),
        [remedy("check_labels")],
        {"contradicting": clear, "all_rows": share, "validation_rows": held},
        certain=True,
    )


def surest(wrong: Array, confidence: Array) -> float:
    """Return the share of wrong rows in the quarter with the largest confidence."""
    order = np.argsort(confidence, kind="stable")
    return float(wrong[order[-max(len(order) // 4, 1) :]].mean())


def is_predictable(case: Case, labels: Array, share: float) -> bool:
    """Return whether a copy trained on half of the rows predicts the labels of the others.

    It must be wrong less often than the neighbours, whose share of wrong rows is given, and less
    often where its output is confident. If the network did not move, its steps are enlarged.
    """
    training = case.training.copy()
    if case.update < USUAL and case.train_end < case.constant + 0.05:
        training = ACTIONS["set_lr"](training, case.lr * USUAL / max(case.update, 1e-9))
    order = np.random.default_rng(0).permutation(len(labels))
    known, others = order[: len(order) // 2], order[len(order) // 2 :][:MOST]
    training = replace(
        training, x=training.x[known], y=training.y[known], weights=None,
        steps=max(training.steps // 2, 1), batch_size=min(training.batch_size, len(known)),
    )  # fmt: skip
    case.spent += training.steps * step_seconds(training)
    try:
        for _ in training.run():
            pass
        output = training.net.predict(case.training.x[others])
    except (FloatingPointError, ValueError):
        return False
    wrong = answers_of(output, labels, training.loss) != labels[others]
    confidence = np.abs(output[:, 0])
    if output.shape[1] > 1:
        confidence = np.diff(np.sort(output, axis=1)[:, -2:])[:, 0]
    error = math.sqrt(share * (1 - share) / len(wrong))
    if wrong.mean() > share - 2 * error:
        return False
    return surest(wrong, confidence) < max(SURE, INDEPENDENT * float(wrong.mean()))


def contradictions(
    x: Array, labels: Array, others: Array, other_labels: Array
) -> tuple[Array, Array]:
    """Return whether others contradict the nearest rows of x, and how many of those agree.

    Columns are standardized by x. At most `MOST` rows of each are used. If x is passed as others,
    its rows are compared with each other.
    """
    rows, convert = np.random.default_rng(0).permutation(len(x))[:MOST], standardization(x)
    known, y = convert(x[rows]), labels[rows]
    queried, answers = convert(others[:MOST]), other_labels[:MOST]
    if others is x:
        queried, answers = known, y
    distances = np.square(known).sum(axis=1) - 2 * queried @ known.T
    if others is x:
        np.fill_diagonal(distances, np.inf)
    k = min(NEIGHBOURS, len(rows) - 2)
    near = y[np.argpartition(distances, k, axis=1)[:, :k]]
    counts = np.stack([(near == c).sum(axis=1) for c in range(int(labels.max()) + 1)], axis=1)
    return counts.argmax(axis=1) != answers, counts.max(axis=1)


CAUSES = constant_features, unscaled_inputs, unscaled_targets, label_noise
