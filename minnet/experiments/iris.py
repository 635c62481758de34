"""The Iris experiment: the hidden layers of a small network before and after training.

The article announces a softmax, but trains a linear output with squared error. It standardizes the
data before the split, and it draws the layers only after training, without an accuracy. The
experiment corrects these choices; ``--as-article`` reproduces them.
"""

from typing import Any

from minnet import plot
from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.measures import chained
from minnet.experiments.setup import Setup

NETWORK = Setup(data="iris", hidden=(64, 32, 16), batch_size=120, epochs=500)
ARTICLE = {"iris": NETWORK.but(data="iris_article", loss="squared_error", init="torch")}
LAYERS = ("relu1", "relu2", "relu3")


def draw(results: Results) -> report.Figures:
    """Return figures with histograms of the hidden layers before and after training.

    With the article's settings, add a histogram of the values that its code drew.
    """
    (record,) = results.records.values()
    before, after = record.before(), record.after()
    zeros = [f"{(captured[LAYERS[-1]]['y'] == 0).mean():.0%}" for captured in (before, after)]
    stages: dict[str, Any] = {"before training": before, "after training": after}
    figures = {
        "histograms": (
            plot.histograms(stages, layers=LAYERS),
            "Outputs of each hidden layer on the test rows, before and after training. The stem at "
            "0 shows the share of exact zeros as a fraction of the panel's height. In the last "
            f"hidden layer this share is {zeros[0]} before training and {zeros[1]} after it.",
        )
    }
    if results.as_article:
        drawn = dict(zip(LAYERS, chained(record.trained(), after.x), strict=True))
        negative = (drawn[LAYERS[-1]] < 0).mean()
        figures["extractors"] = (
            plot.histograms(
                {"drawn by the article's code": drawn, "network": after}, layers=LAYERS
            ),
            "Values that the article drew, and outputs of the network. The article's code leaves "
            f"out the ReLUs. Of the values that it drew for the last hidden layer, {negative:.0%} "
            "are negative; the outputs of a ReLU are not.",
        )
    return figures


def summarize(results: Results) -> list[str]:
    """Return the distributions of the first seed's layers."""
    (record,) = results.records.values()
    return [
        "Outputs of each layer of the first seed's network on the test rows, before training:",
        report.distribution_table(record.before()),
        "and after training:",
        report.distribution_table(record.after()),
    ]


EXPERIMENT = Experiment(
    name="iris",
    summary="A 4-64-32-16-3 network on Iris, full batch; histograms of its hidden layers.",
    variants={"iris": NETWORK},
    article=ARTICLE,
    quick={"epochs": 100},
    draw=draw,
    summarize=summarize,
)
