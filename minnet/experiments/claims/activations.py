"""What the article on activation distributions reads off its picture: zeros, kurtosis and range.

It reads three sentences off one picture of one training, made by code that left the ReLUs out. Here
every trained network is looked at with the ReLUs and without them, over many seeds, with the loss
that the article promises and with the one that its code has; that pair decides. A network mended in
all respects is told beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from minnet.experiments.claims.claim import FAILS, HOLDS, UNSETTLED, Claim, Finding, Trials
from minnet.experiments.claims.verdicts import every, listed, sided, unsettled
from minnet.experiments.intervals import Interval, mean, share
from minnet.experiments.iris import ARTICLE, NETWORK
from minnet.experiments.measures import BARS
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SQUARED = ARTICLE["iris"].but(measures=("extractors",))
SOFTMAX, ARTICLES = "softmax, cross-entropy", "squared error"
PAIR = (SOFTMAX, ARTICLES)  # they differ in the loss alone; the second is the article's code
NETWORKS = {
    SOFTMAX: SQUARED.but(loss="cross_entropy"),
    ARTICLES: SQUARED,
    "mended": NETWORK.but(measures=("extractors",)),  # in loss, split and first weights
}
SHARES = ("zeros", "inactive", "dead")  # of what is told, those from 0 to 1
EXTRACTORS = {"right": "after the ReLU", "article": "with the article's extractor"}
IRIS_SEEDS = 30  # a training takes a second, and shares of ten seeds have wide intervals

MOST = 0.5  # what is said of such networks must be so in more of them than not
ONLY_AFTER_RELU = "holds only if the layers are looked at after their ReLUs"
ONLY_WITHOUT_RELU = "holds only if the ReLUs are left out, as the article's code did"
ONLY_SOFTMAX = "holds only if the loss is cross-entropy on a softmax, not the code's squared error"
ONLY_SQUARED = "holds only if the loss is squared error, not cross-entropy on the promised softmax"
ONLY_ENTRIES = (
    "holds only if entries are counted rather than units: most entries are 0, most units are not"
)


def judge_mode(trials: Trials) -> Finding:
    """Judge claim 1: 0 is the most frequent value in all three layers."""
    full = {name: _shares(trials, name, _zero_is_tallest) for name in EXTRACTORS}
    shown = {name: _sides(full[name]) for name in EXTRACTORS}
    right, wrong = (every(shown[name].values()) for name in EXTRACTORS)
    if right and wrong:
        verdict = HOLDS
    elif right or wrong:
        verdict = ONLY_AFTER_RELU if right else ONLY_WITHOUT_RELU
    else:
        verdict = UNSETTLED if right is None or wrong is None else FAILS
    zeros = {name: _means(trials, name, "zeros") for name in EXTRACTORS}
    low, high = _ends(zeros["right"])
    return Finding(
        verdict=verdict,
        number=full["right"][ARTICLES],
        what="share of trainings whose tallest bar holds 0 in all three layers, article's network",
        because=f"The tallest of {BARS} bars holds 0 in all three layers in {_said(full['right'])} "
        f"of the trainings after the ReLUs, and {_said(full['article'])} with the article's "
        f"extractor. After the ReLUs {low:.0%} to {high:.0%} of a layer are exactly 0; with the "
        f"article's extractor {_ends(zeros['article'])[1]:.0%} at most.{_open(shown)}",
        numbers={
            **_told("tallest bar holds 0", full),
            **{f"exact zeros, {key}": number for key, number in _flat(zeros).items()},
        },
    )


def judge_rise(what: str, trials: Trials) -> Finding:
    """Judge claims 2 and 3: a number is larger in layer 3 than in layer 1."""
    rises = {name: _shares(trials, name, partial(_rises, what)) for name in EXTRACTORS}
    shown = {name: _sides(rises[name]) for name in EXTRACTORS}
    right = shown["right"]
    if all(right.values()):
        verdict = HOLDS
    elif any(right.values()):
        verdict = ONLY_SOFTMAX if right[SOFTMAX] else ONLY_SQUARED
    elif all(shown["article"].values()):
        verdict = ONLY_WITHOUT_RELU
    else:
        verdict = UNSETTLED if None in right.values() else FAILS
    return Finding(
        verdict=verdict,
        number=rises["right"][ARTICLES],
        what=f"share of trainings with a larger {what} in layer 3 than in layer 1, article's "
        "network after its ReLUs",
        because=f"The {what} is larger in layer 3 than in layer 1, after the ReLUs, in "
        f"{_said(rises['right'])} of the trainings; with the article's extractor in "
        f"{_said(rises['article'])}.{_open(shown)}",
        numbers=_told(f"{what} rises", rises)
        | _flat({name: _means(trials, name, what) for name in EXTRACTORS}),
    )


def judge_inactive(trials: Trials) -> Finding:
    """Judge claim 4: where 0 is most frequent, most neurons are not active."""
    dead, inactive = (_means(trials, "right", what) for what in ("dead", "inactive"))
    units, entries = (_sides(numbers) for numbers in (dead, inactive))
    of_units, of_entries = every(units.values()), every(entries.values())
    if of_units:
        verdict = HOLDS
    elif of_units is None or of_entries is None:
        verdict = UNSETTLED
    else:
        verdict = ONLY_ENTRIES if of_entries else FAILS
    spans = [_ends(numbers) for numbers in (inactive, dead)]
    return Finding(
        verdict=verdict,
        number=mean(_dead_in_all(run) for run in ended(trials[ARTICLES])),
        what="share of hidden units that no test row activates, article's network",
        because=f"{spans[0][0]:.0%} to {spans[0][1]:.0%} of a layer's entries are 0, and "
        f"{spans[1][0]:.0%} to {spans[1][1]:.0%} of its units are 0 on every test row: an entry is "
        "one neuron on one row, and another row may activate it."
        + _open({"entries": entries, "units": units}),
        numbers={f"inactive entries, {key}": number for key, number in inactive.items()}
        | {f"dead units, {key}": number for key, number in dead.items()},
    )


def ended(trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials that did not break off."""
    return [trial for trial in trials if trial.end is not None]


def draw_extracted(
    panels: Mapping[str, tuple[str, str]], ylabel: str, trials: Trials, *, log: bool = False
) -> Figure:
    """Draw numbers by layer: a panel for each title -> (extractor, number)."""
    from minnet.experiments import charts

    figure, axes = charts.side_by_side(list(panels))
    for ax, (extractor, what) in zip(axes, panels.values(), strict=True):
        values = {
            label: [[_number(run, extractor, layer, what) for run in runs] for layer in range(3)]
            for label, runs in trials.items()
        }
        charts.by_layer(values, ylabel=ylabel, log=log, ax=ax)
    return figure


def extracted(runs: Sequence[Trial], extractor: str) -> list[list[dict[str, float]]]:
    """Return a list over seeds of lists over layers of what was extracted at the end."""
    return [run.measures["end"]["extractors"][extractor] for run in ended(runs)]


def _number(trial: Trial, extractor: str, layer: int, what: str) -> float:
    told = extracted([trial], extractor)
    return told[0][layer][what] if told else float("nan")


def _zero_is_tallest(layers: list[dict[str, float]]) -> bool:
    return all(layer["tallest_bar_holds_0"] == 1 for layer in layers)


def _rises(what: str, layers: list[dict[str, float]]) -> bool:
    return layers[-1][what] > layers[0][what]


def _dead_in_all(trial: Trial) -> float:
    (layers,), units = extracted([trial], "right"), trial.setup.hidden
    return sum(row["dead"] * n for row, n in zip(layers, units, strict=True)) / sum(units)


def _shares(
    trials: Trials, extractor: str, test: Callable[[list[dict[str, float]]], bool]
) -> dict[str, Interval]:
    """Return by label the share of seeds that pass; one that broke off does not."""
    return {
        label: share([test(layers) for layers in passed] + [False] * (len(runs) - len(passed)))
        for label, runs in trials.items()
        for passed in [extracted(runs, extractor)]
    }


def _means(trials: Trials, extractor: str, what: str) -> dict[str, Interval]:
    """Return by label and layer the mean of a number over seeds."""
    limits = (0.0, 1.0) if what in SHARES else (-math.inf, math.inf)
    return {
        f"{label}, layer {layer + 1}": mean(
            run[layer][what] for run in extracted(runs, extractor)
        ).within(*limits)
        for label, runs in trials.items()
        for layer in range(3)
    }


def _flat(numbers: Mapping[str, Mapping[str, Interval]]) -> dict[str, Interval]:
    return {
        f"{key}, {EXTRACTORS[name]}": number
        for name, its in numbers.items()
        for key, number in its.items()
    }


def _told(what: str, numbers: Mapping[str, Mapping[str, Interval]]) -> dict[str, Interval]:
    return {f"{what}: share of seeds, {key}": number for key, number in _flat(numbers).items()}


def _sides(numbers: Mapping[str, Interval]) -> dict[str, bool | None]:
    """Return on which side of MOST each number of the deciding pair of networks lies."""
    return {
        label: sided(number, MOST) for label, number in numbers.items() if label.startswith(PAIR)
    }


def _open(shown: Mapping[str, Mapping[str, bool | None]]) -> str:
    """Return a sentence that names what is not settled."""
    flat = {
        f"{label} ({EXTRACTORS.get(name, name)})": side
        for name, sides in shown.items()
        for label, side in sides.items()
    }
    return unsettled(flat)


def _ends(numbers: Mapping[str, Interval]) -> tuple[float, float]:
    values = [number.value for number in numbers.values()]
    return min(values), max(values)


def _said(shares: Mapping[str, Interval]) -> str:
    return listed([f"{number.value:.0%} ({label})" for label, number in shares.items()])


def _beside(what: str) -> dict[str, tuple[str, str]]:
    return {"After the ReLUs": ("right", what), "The article's extractor": ("article", what)}


_PAIR = "The two networks that differ in the loss alone decide; the mended one is told beside them."
_SIDES = (
    f"if the whole 95% interval of the share of seeds lies above {MOST:.0%}, is shown not to if it "
    "lies below, and is not settled otherwise; a training that broke off counts against it"
)
_RISES = (
    f"{_PAIR} It rises in a network {_SIDES}. Holds if it rises in both after the ReLUs; holds "
    "only if the loss is the one with which it does, if in one; holds only if the ReLUs are left "
    "out, if in none, but in both with the article's extractor; else fails if it is shown not to "
    "in both after the ReLUs, and otherwise more seeds are needed."
)
CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=1,
        article="000/004",
        says="0 is the most frequent activation in all three hidden layers.",
        measured=f"Whether the tallest of {BARS} bars holds 0 on the test rows, and the share of "
        "exact zeros, layer by layer: after the ReLUs, and with the article's extractor, which "
        "leaves the ReLUs out.",
        rule=f"{_PAIR} A network has 0 on top in all three layers {_SIDES}. Holds if both have it "
        "with both extractors; holds only if the layers are looked at after (or without) the "
        "ReLUs, if both have it with one; else fails if with each extractor one is shown not to, "
        "and otherwise more seeds are needed.",
        setups=NETWORKS,
        judge=judge_mode,
        draw=partial(draw_extracted, _beside("zeros"), "share of exact zeros"),
        seeds=IRIS_SEEDS,
    ),
    Claim(
        number=2,
        article="000/004",
        says="The kurtosis rises from layer 1 to layer 3.",
        measured="Excess kurtosis on the test rows, layer 3 against layer 1 in the same network, "
        "after the ReLUs and with the article's extractor.",
        rule=_RISES,
        setups=NETWORKS,
        judge=partial(judge_rise, "kurtosis"),
        draw=partial(draw_extracted, _beside("kurtosis"), "excess kurtosis"),
        seeds=IRIS_SEEDS,
    ),
    Claim(
        number=3,
        article="000/004",
        says="The range of activations widens from layer 1 to layer 3.",
        measured="Largest less smallest activation on the test rows, layer 3 against layer 1 in "
        "the same network, after the ReLUs and with the article's extractor.",
        rule=_RISES,
        setups=NETWORKS,
        judge=partial(judge_rise, "range"),
        draw=partial(draw_extracted, _beside("range"), "largest less smallest", log=True),
        seeds=IRIS_SEEDS,
    ),
    Claim(
        number=4,
        article="000/004",
        says="That 0 is most frequent means that most neurons are not active.",
        measured="After the ReLUs, on the test rows: the share of entries that are 0, and the "
        "share of units that are 0 on every row.",
        rule=f"{_PAIR} A share is most if its whole 95% interval lies above {MOST:.0%}, is shown "
        "not to be if it lies below, and is not settled otherwise. Holds if in every layer of both "
        "most units are 0 on all rows. If in one they are not, holds only if entries are counted, "
        "if most of these are 0 in every layer; and fails if in one they are not. Otherwise more "
        "seeds are needed. Trainings that broke off are left out.",
        setups=NETWORKS,
        judge=judge_inactive,
        draw=partial(
            draw_extracted,
            {
                "Entries that are 0": ("right", "inactive"),
                "Units that are 0 on every row": ("right", "dead"),
            },
            "share of the layer",
        ),
        seeds=IRIS_SEEDS,
    ),
)
