"""Evaluation: loss, accuracy and metrics agree with scikit-learn; probabilities of a network."""

import numpy as np
import pytest
from sklearn import metrics

import minnet
from minnet import (
    CrossEntropy,
    Dense,
    Huber,
    MeanSquaredError,
    Sequential,
    Sigmoid,
    SigmoidBinaryCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
    StatisticsProbe,
    evaluate,
    fit,
    train_step,
)

N = 40
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
WEIGHTS = RNG.uniform(0, 3, N)
WITH_AND_WITHOUT = pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def network(outputs, *more, dtype=np.float32):
    return Sequential([Dense(4, outputs), *more], rng=0, dtype=dtype)


def given(weights):
    return {} if weights is None else {"sample_weight": weights}


@BOTH
@WITH_AND_WITHOUT
@pytest.mark.parametrize("rows", ["labels", "one-hot"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("probabilities", [False, True])
def test_metrics_of_a_classifier_receive_labels_and_probabilities(
    classes, rows, weights, probabilities, dtype
):
    net = network(classes, *[Softmax()][:probabilities], dtype=dtype)
    loss = CrossEntropy() if probabilities else SoftmaxCrossEntropy()
    labels = np.arange(N) % classes
    target = labels if rows == "labels" else np.eye(classes)[labels]

    def area(true, p, **options):
        return metrics.roc_auc_score(true, p, multi_class="ovr", **options)

    results = evaluate(
        net, X, target, loss, sample_weight=weights,
        metrics={"right": metrics.accuracy_score, "kappa": metrics.cohen_kappa_score},
        probability_metrics={"log_loss": metrics.log_loss, "area": area},
    )  # fmt: skip
    output, p = net.predict(X), net.predict_proba(X)
    assert list(results) == ["loss", "accuracy", "right", "kappa", "log_loss", "area"]
    assert all(type(value) is float for value in results.values())
    assert results["accuracy"] == pytest.approx(results["right"], rel=1e-12)
    kappa = metrics.cohen_kappa_score(labels, output.argmax(axis=1), **given(weights))
    assert results["kappa"] == kappa
    assert results["log_loss"] == pytest.approx(results["loss"], rel=1e-5)
    scores = p[:, 1] if classes == 2 else p
    assert results["area"] == area(labels, scores, **given(weights))


@WITH_AND_WITHOUT
def test_metrics_of_one_yes_or_no_output_receive_answers_and_the_probability_of_yes(weights):
    net, loss, y = network(1), SigmoidBinaryCrossEntropy(), (X[:, :1] > 0.3).astype(int)
    results = evaluate(
        net, X, y, loss, sample_weight=weights,
        metrics={"right": metrics.accuracy_score, "f1": metrics.f1_score},
        probability_metrics={"log_loss": metrics.log_loss, "brier": metrics.brier_score_loss},
    )  # fmt: skip
    yes = net.predict(X)[:, 0] > 0
    assert results["accuracy"] == pytest.approx(results["right"], rel=1e-12)
    assert results["f1"] == metrics.f1_score(y[:, 0], yes, **given(weights))
    assert results["log_loss"] == pytest.approx(results["loss"], rel=1e-5)
    p = net.predict_proba(X)[:, 0]
    assert results["brier"] == metrics.brier_score_loss(y[:, 0], p, **given(weights))


def test_accuracy_of_several_yes_or_no_outputs_is_the_share_of_correct_entries():
    net, y = network(3), (X[:, :3] > 0.2).astype(float)
    loss = SigmoidBinaryCrossEntropy()
    results = evaluate(
        net, X, y, loss, metrics={"rows": metrics.accuracy_score, "off": metrics.hamming_loss},
        probability_metrics={"area": metrics.roc_auc_score},
    )  # fmt: skip
    right = (net.predict(X) > 0) == (y > 0.5)
    assert results["accuracy"] == pytest.approx(right.mean(), rel=1e-12)
    assert results["accuracy"] == pytest.approx(1 - results["off"], rel=1e-12)
    assert results["rows"] == right.all(axis=1).mean() < results["accuracy"]
    p = net.predict_proba(X, multilabel=True)
    assert results["area"] == metrics.roc_auc_score(y, p)


@WITH_AND_WITHOUT
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("loss", [MeanSquaredError(), Huber()])
def test_metrics_of_a_regression_receive_targets_and_outputs(loss, outputs, weights):
    net, y = network(outputs, dtype=np.float64), X[:, :outputs] ** 2
    results = evaluate(net, X, y, loss, metrics={"r2": metrics.r2_score}, sample_weight=weights)
    assert list(results) == ["loss", "r2"]
    assert results["r2"] == metrics.r2_score(y, net.predict(X), **given(weights))


def test_a_metric_receives_vectors_for_one_output():
    shapes = []

    def shape(true, predicted):
        shapes.extend((true.shape, predicted.shape))
        return 0

    for outputs, y, loss in (
        (3, np.zeros(N, int), SoftmaxCrossEntropy()),
        (1, np.zeros((N, 1)), SigmoidBinaryCrossEntropy()),
        (1, np.zeros((N, 1)), MeanSquaredError()),
    ):
        evaluate(network(outputs), X, y, loss, metrics={"shape": shape})
    assert shapes == [(N,)] * 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": [metrics.accuracy_score]}, "expected metrics as a dict of name -> function"),
        ({"metrics": {"f1": "f1"}}, "expected metrics as a dict of name -> function, got {'f1'"),
        (
            {"metrics": {"f1": lambda true, predicted: np.zeros(3)}},
            r"expected a number from the metric 'f1', got array\(",
        ),
        (
            {"probability_metrics": {"log_loss": metrics.log_loss}},
            r"MeanSquaredError\(\) gives no probabilities; use metrics={name: f}",
        ),
    ],
)
def test_invalid_metrics_are_refused(options, message):
    with pytest.raises(TypeError, match=rf"^evaluate: .*{message}"):
        evaluate(network(1), X, X[:, :1], MeanSquaredError(), **options)


@pytest.mark.parametrize("value", [None, "good", np.zeros(1)])
def test_a_metric_that_returns_no_number_is_refused(value):
    with pytest.raises(TypeError, match="expected a number from the metric 'f'"):
        evaluate(network(1), X, X[:, :1], MeanSquaredError(), metrics={"f": lambda *_: value})


@pytest.mark.parametrize(
    "options",
    [
        {"metrics": {"loss": metrics.accuracy_score}},
        {"probability_metrics": {"accuracy": metrics.log_loss}},
        {
            "metrics": {"score": metrics.accuracy_score},
            "probability_metrics": {"score": metrics.log_loss},
        },
    ],
)
def test_a_metric_cannot_replace_another_result(options):
    with pytest.raises(ValueError, match=r"evaluate: expected different names of metrics"):
        evaluate(network(3), X, np.zeros(N, int), SoftmaxCrossEntropy(), **options)


@pytest.mark.parametrize(
    ("net", "loss", "error", "message"),
    [
        (network(3), SoftmaxCrossEntropy, TypeError, "expected a Loss, .*SoftmaxCrossEntropy\\("),
        ("net", SoftmaxCrossEntropy(), TypeError, "expected a Sequential, got 'net'"),
        (network(3, Softmax()), SoftmaxCrossEntropy(), ValueError, "Softmax.* applied twice"),
        (network(3, Sigmoid()), SigmoidBinaryCrossEntropy(), ValueError, "applied twice"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(net, loss, error, message):
    with pytest.raises(error, match=f"^evaluate: .*{message}"):
        evaluate(net, X, np.zeros(N, int), loss)


def test_weights_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"expected sample_weight of shape \(40,\)"):
        evaluate(network(1), X, X[:, :1], MeanSquaredError(), sample_weight=[1, 2])


# Accuracy of yes-or-no outputs in training.


@pytest.mark.parametrize("outputs", [1, 3])
def test_yes_or_no_outputs_have_an_accuracy_in_history_and_metrics(outputs):
    net, loss, y = network(outputs), SigmoidBinaryCrossEntropy(), X[:, :outputs] > 0
    optimizer, probe = minnet.Adam(net, lr=0.1), StatisticsProbe()
    before = evaluate(net, X, y, loss)["accuracy"]
    train_step(net, X, y, loss=loss, optimizer=optimizer, probes=[probe])
    assert net.metrics["accuracy"] == pytest.approx(before, rel=1e-12)
    history = fit(
        net, X, y, loss=loss, optimizer=optimizer, epochs=40, batch_size=7,
        validation_data=(X[:9], y[:9]), rng=0,
    )  # fmt: skip
    assert len(history.accuracy) == len(history.val_accuracy) == 40
    assert 0.9 < history.accuracy[-1] <= 1
    assert history.val_accuracy[-1] == evaluate(net, X[:9], y[:9], loss)["accuracy"]


# Probabilities of a network.


@BOTH
def test_probabilities_are_softmax_of_several_outputs_and_sigmoid_of_one(dtype):
    net = network(3, dtype=dtype)
    z = net.predict(X).astype(float)
    p = net.predict_proba(X, batch_size=7)
    assert p.dtype == dtype
    tolerance = 16 * np.finfo(dtype).eps
    softmax = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(p, softmax, rtol=tolerance)
    independent = net.predict_proba(X, multilabel=True)
    np.testing.assert_allclose(independent, 1 / (1 + np.exp(-z)), rtol=tolerance)
    one = network(1, dtype=dtype)
    z = one.predict(X).astype(float)
    np.testing.assert_allclose(one.predict_proba(X), 1 / (1 + np.exp(-z)), rtol=tolerance)


@pytest.mark.parametrize("last", [Softmax, Sigmoid])
@pytest.mark.parametrize("multilabel", [False, True])
def test_the_output_of_softmax_or_sigmoid_is_the_probability(last, multilabel):
    net = network(3, last())
    np.testing.assert_array_equal(net.predict_proba(X, multilabel=multilabel), net.predict(X))


def test_predicting_probabilities_changes_no_buffer_and_accepts_no_rows():
    net = network(3)
    y = net.forward(X, training=True).copy()
    assert net.predict_proba(np.zeros((0, 4))).shape == (0, 3)
    net.predict_proba(X + 1)
    np.testing.assert_array_equal(net.y, y)
    net.backward(np.ones_like(y))
