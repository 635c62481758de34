"""The Iris experiment: the hidden layers of a small network before and after training.

The article announces a softmax, but trains a linear output with squared error. It standardizes the
data before the split, and it draws the layers only after training, without an accuracy. The
experiment corrects these choices; ``--as-article`` reproduces them.
"""

from __future__ import annotations

from typing import Any

from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.measures import chained
from minnet.experiments.setup import Setup

NETWORK = Setup(data="iris", hidden=(64, 32, 16), batch_size=120, epochs=500)
VARIANTS = {"iris": NETWORK}
ARTICLE = {"iris": NETWORK.but(data="iris_article", loss="squared_error", init="torch")}
LAYERS = ("relu1", "relu2", "relu3")


def draw(results: Results) -> report.Figures:
    """Return histograms of the hidden layers before and after training, and learning curves.

    With the article's settings also a histogram of what its code drew.
    """
    from minnet import plot

    (record,) = results.records.values()
    stages: dict[str, Any] = {"before training": record.before(), "after training": record.after()}
    figures = {
        "histograms": (
            plot.histograms(stages, layers=LAYERS),
            "Outputs of each hidden layer on the test rows, before and after training. The height "
            "of the stem at 0 is the share of exact zeros.",
        ),
        "learning_curves": report.learning_curves(results.trials)["loss"],
    }
    if results.as_article:
        drawn = dict(zip(LAYERS, chained(record.trained(), record.after().x), strict=True))
        both = {"drawn by the article's code": drawn, "network": record.after()}
        figures["extractors"] = (
            plot.histograms(both, layers=LAYERS),
            "Values that the article drew, and outputs of the network. The article's code leaves "
            "out the ReLUs.",
        )
    return figures


def summarize(results: Results) -> str:
    """Return losses and accuracies, and the distributions of the first seed's layers."""
    (record,) = results.records.values()
    return "\n\n".join(
        [
            report.outcome_table(results.trials),
            "Outputs of each layer of the first seed's network on the test rows, before training:",
            report.distribution_table(record.before()),
            "and after training:",
            report.distribution_table(record.after()),
        ]
    )


EXPERIMENT = Experiment(
    name="iris",
    summary="A 4-64-32-16-3 network on Iris, full batch; histograms of its hidden layers.",
    variants=VARIANTS,
    article=ARTICLE,
    quick={"epochs": 100},
    draw=draw,
    summarize=summarize,
)
