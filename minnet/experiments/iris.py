"""The Iris experiment: a small network whose hidden layers are looked at before and after training.

The article promises a softmax and trains a linear output with squared error, standardises the data
before it splits them, and looks once, after training, with no accuracy told. Here each choice is
mended, and ``--as-article`` brings the article's own back for comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.measures import chained
from minnet.experiments.setup import Setup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORK = Setup(data="iris", hidden=(64, 32, 16), batch_size=120, epochs=500)
VARIANTS = {"iris": NETWORK}
ARTICLE = {"iris": NETWORK.but(data="iris_article", loss="squared_error", init="torch")}
LAYERS = ("relu1", "relu2", "relu3")
BEFORE, AFTER = "before training", "after training"


def draw(results: Results) -> dict[str, Figure]:
    """Return histograms of the hidden layers before and after, and the learning curves.

    As the article has it, also what its code drew, beside what the network computes.
    """
    from minnet import plot

    (record,) = results.records.values()
    (trials,) = results.trials.values()
    stages: dict[str, Any] = {BEFORE: record.before(), AFTER: record.after()}
    figures = {
        "histograms": plot.histograms(stages, layers=LAYERS),
        "learning_curves": plot.learning_curves([trial.history() for trial in trials]),
    }
    if results.as_article and record.net is not None:
        drawn = dict(zip(LAYERS, chained(record.net, record.after().x), strict=True))
        both = {
            "as the article's code chains it": drawn,
            "what the network computes": stages[AFTER],
        }
        figures["extractors"] = plot.histograms(both, layers=LAYERS)
    return figures


def tell(results: Results) -> str:
    """Return the losses and accuracies, and the distributions of the first seed's layers."""
    (record,) = results.records.values()
    return "\n\n".join(
        [
            report.outcome_table(results.trials),
            "Outputs of each layer of the first seed's network on the test rows, before training:",
            report.verbatim(report.distribution_table(report.distributions(record.before()))),
            "and after:",
            report.verbatim(report.distribution_table(report.distributions(record.after()))),
        ]
    )


CAPTIONS = {
    "histograms": "What each hidden layer puts out, before training and after it. The stem at 0 is "
    "as high as exact zeros are of all values.",
    "learning_curves": "The loss by epoch: on training rows dashed, on test rows solid.",
    "extractors": "What the article drew, which leaves out the ReLUs, and what the network "
    "computes.",
}
EXPERIMENT = Experiment(
    name="iris",
    summary="A 4-64-32-16-3 network on Iris, full batch; histograms of its hidden layers.",
    variants=VARIANTS,
    article=ARTICLE,
    quick={"epochs": 100},
    draw=draw,
    captions=CAPTIONS,
    tell=tell,
)
