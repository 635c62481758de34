"""Evaluation of a network: loss, accuracy, and metrics of scikit-learn."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minnet.layers.activations import Sigmoid, Softmax
from minnet.layers.sequential import Sequential
from minnet.losses import Loss
from minnet.validation import Array, check_instance, is_number, shown

Metrics = Mapping[str, Callable[..., Any]] | None


def evaluate(
    net: Sequential,
    x: Any,
    y: Any,
    loss: Loss,
    *,
    metrics: Metrics = None,
    probability_metrics: Metrics = None,
    sample_weight: Any = None,
) -> dict[str, float]:
    """Return the loss, the accuracy and further metrics of the network on x and y.

    The network is used in evaluation mode. Its buffers and those of the loss do not change.

    Parameters
    ----------
    net : Sequential
        The network.
    x : array_like, shape (n, in_features)
        Rows to evaluate.
    y : array_like
        Targets of the rows, in a form that the loss accepts.
    loss : Loss
        Loss of the training. It determines how outputs become labels and probabilities.
    metrics : dict of str to callable, optional
        Functions ``f(y_true, y_pred)`` such as those of `sklearn.metrics`. They receive labels (n,)
        with `SoftmaxCrossEntropy` and `CrossEntropy`, answers 0 or 1 with
        `SigmoidBinaryCrossEntropy`, and targets and outputs with other losses. Answers, targets and
        outputs have shape (n, outputs), or (n,) if there is one output.
    probability_metrics : dict of str to callable, optional
        Functions ``f(y_true, probabilities)``, such as ``log_loss`` and ``roc_auc_score``. The
        probabilities have shape (n, classes). As in scikit-learn, they are those of class 1, shape
        (n,), if there are two classes.
    sample_weight : array_like, shape (n,), optional
        Weights of the rows in the loss and in the accuracy. Every function receives them too, as
        ``sample_weight=``.

    Returns
    -------
    dict of str to float
        ``loss``; ``accuracy``, if the targets are classes; and each metric under its name. The
        accuracy is the share of rows in which the largest output belongs to the largest target. For
        `SigmoidBinaryCrossEntropy` it is the share of entries, over all rows and outputs, in which
        the more probable answer is right, as Keras's BinaryAccuracy.

    Raises
    ------
    TypeError, ValueError
        If metrics is not a dict of functions, a name is used twice, a metric does not return a
        number, or the loss gives no probabilities or does not fit the last layer.

    Examples
    --------
    >>> from sklearn.metrics import f1_score
    >>> from minnet import Dense, SoftmaxCrossEntropy
    >>> net = Sequential([Dense(2, 2, init="zeros")])
    >>> x, y, loss = [[1.0, 2.0], [3.0, 4.0]], [0, 1], SoftmaxCrossEntropy()
    >>> results = evaluate(net, x, y, loss, metrics={"f1": f1_score})
    >>> results["accuracy"], results["f1"]
    (0.5, 0.0)
    """
    check_loss(net, loss, "evaluate")
    _check_metrics(metrics, probability_metrics)
    if probability_metrics and not loss.classifies:
        raise TypeError(f"evaluate: {loss} gives no probabilities; use metrics={{name: f}}")
    loss = copy.deepcopy(loss)
    output = net.predict(x)
    results = {"loss": loss.forward(output, y, sample_weight=sample_weight)}
    true, predicted = loss.target, output
    if loss.classifies:
        true, predicted = labels_of(output, loss)
        results["accuracy"] = float(np.mean((true == predicted) * loss.row_weights[:, None]))
    results |= _scores(metrics, true, predicted, sample_weight)
    if probability_metrics:
        if loss.takes_logits:
            output = net.predict_proba(x, multilabel=loss.multilabel)
        if output.shape[1] == 2 and not loss.multilabel:
            output = output[:, 1:]
        results |= _scores(probability_metrics, true, output, sample_weight)
    return results


def check_loss(net: Any, loss: Any, where: str) -> None:
    """Raise TypeError or ValueError unless loss fits the last layer of the network."""
    check_instance(net, Sequential, where)
    check_instance(loss, Loss, where)
    if loss.takes_logits and isinstance(net.layers[-1], (Softmax, Sigmoid)):
        raise ValueError(
            f"{where}: {loss} takes logits, but the network ends in {net.layers[-1]}, which would "
            "be applied twice; remove that layer"
        )


def labels_of(output: Array, loss: Loss) -> tuple[Array, Array]:
    """Return true and predicted labels (n, 1), or 0/1 answers (n, outputs) of a multilabel loss."""
    if loss.multilabel:
        threshold = 0.0 if loss.takes_logits else 0.5
        return (loss.target > 0.5).astype(int), (output > threshold).astype(int)
    return loss.target.argmax(axis=1, keepdims=True), output.argmax(axis=1, keepdims=True)


def _check_metrics(*given: Metrics) -> None:
    """Raise TypeError or ValueError unless each is a dict of functions, with names of its own."""
    names = ["loss", "accuracy"]
    for metrics in given:
        if not isinstance(metrics, Mapping | None) or not all(
            map(callable, (metrics or {}).values())
        ):
            raise TypeError(
                f"evaluate: expected metrics as a dict of name -> function, got {shown(metrics)}"
            )
        names += metrics or {}
    if len(set(names)) < len(names):
        raise ValueError(f"evaluate: expected different names of metrics, got {names}; rename some")


def _scores(metrics: Metrics, true: Array, predicted: Array, weights: Any) -> dict[str, float]:
    """Return the value of each metric."""
    rows = [array[:, 0] if array.shape[1] == 1 else array for array in (true, predicted)]
    options = {} if weights is None else {"sample_weight": weights}
    values = {name: metric(*rows, **options) for name, metric in (metrics or {}).items()}
    for name, value in values.items():
        if not is_number(value):
            raise TypeError(
                f"evaluate: expected a number from the metric {name!r}, got {shown(value)}"
            )
    return {name: float(value) for name, value in values.items()}
