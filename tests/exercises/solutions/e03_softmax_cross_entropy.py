"""Exercise 3: right answers in different styles, and known mistakes as students write them."""

import math
from functools import partial

import numpy as np

import minnet


def softmax_cross_entropy(logits, labels):
    """Plain implementation."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    dlogits = np.exp(log_p)
    dlogits[rows, labels] -= 1
    return -log_p[rows, labels].mean(), dlogits / len(labels)


def by_rows(logits, labels):
    loss, dlogits = 0.0, np.zeros_like(logits)
    for i, label in enumerate(labels):
        top = max(logits[i])
        total = sum(math.exp(z - top) for z in logits[i])
        loss += math.log(total) - (logits[i, label] - top)
        for j, z in enumerate(logits[i]):
            dlogits[i, j] = (math.exp(z - top) / total - (j == label)) / len(labels)
    return loss / len(labels), dlogits


def by_logaddexp(logits, labels):
    one_hot = np.eye(logits.shape[1], dtype=logits.dtype)[labels]
    log_sum = np.logaddexp.reduce(logits, axis=1)
    p = np.exp(logits - log_sum[:, None])
    loss = np.einsum("i->", log_sum - np.einsum("ij,ij->i", logits, one_hot)) / len(labels)
    return float(loss), np.einsum("ij->ij", p - one_hot) / len(labels)


def in_float64(logits, labels):
    loss, dlogits = softmax_cross_entropy(logits.astype(np.float64), labels)
    return loss, dlogits.astype(logits.dtype)


def own_of_minnet(logits, labels):
    loss = minnet.SoftmaxCrossEntropy()
    return loss.forward(logits, labels), loss.backward()


def with_mistake(logits, labels, mistake):
    """Step by step as on the blackboard, each step with its mistake."""
    n, classes = logits.shape
    one_hot = np.eye(classes)[labels]
    if mistake == "input_changed":
        logits -= logits.max(axis=1, keepdims=True)
    axis = 0 if mistake == "softmax_over_axis_0" else 1
    shifted = logits - (0 if mistake == "overflow" else logits.max(axis=axis, keepdims=True))
    if mistake == "one_maximum_for_all_rows":
        shifted = logits - logits.max()
    log_p = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    p = np.exp(log_p)
    if mistake == "divide_by_zero":
        log_p = np.log(p)
    if mistake == "limited_logarithm":
        log_p = np.log(p + 1e-12)
    if mistake == "softmax_twice":
        log_p = np.log(np.exp(p) / np.exp(p).sum(axis=1, keepdims=True))
        p = np.exp(log_p)
    losses = -log_p[np.arange(n), labels]
    loss, dlogits = losses.mean(), (p - one_hot) / n
    if mistake in ("loss_summed", "everything_summed"):
        loss = losses.sum()
    if mistake == "likeliest_class":
        loss = -np.take_along_axis(log_p, log_p.argmax(axis=1)[:, None], axis=1).mean()
    if mistake == "slope_once_more":
        dlogits = dlogits * p * (1 - p)
    if mistake == "loss_over_all_entries":
        loss = -(one_hot * log_p).mean()
    if mistake in ("gradient_not_divided", "everything_summed"):
        dlogits = p - one_hot
    if mistake == "divided_by_nc":
        dlogits = (p - one_hot) / p.size
    if mistake == "stopped_at_dp":
        dlogits = -one_hot / p / n
    if mistake == "gradient_at_the_label_alone":
        dlogits = np.where(one_hot == 1, p - 1, 0) / n
    if mistake == "one_subtracted_everywhere":
        dlogits = (p - 1) / n
    if mistake == "labels_in_every_row":
        dlogits = (p - np.isin(np.arange(p.shape[1]), labels)) / n
    if mistake == "yes_or_no":
        others = np.log(np.maximum(1 - p, 1e-300))
        loss = -np.where(one_hot == 1, log_p, others).sum(axis=1).mean()
    return loss, dlogits


def constant(logits, labels):
    """Return the example of the stub."""
    return 0.6931471805599453, np.array([[0.5, -0.5]])


RIGHT = (softmax_cross_entropy, by_rows, by_logaddexp, in_float64, own_of_minnet)
HARD_CODED = (constant,)
WRONG = {
    mistake: partial(with_mistake, mistake=mistake)
    for mistake in (
        "softmax_over_axis_0",
        "softmax_twice",
        "everything_summed",
        "loss_summed",
        "gradient_not_divided",
        "divided_by_nc",
        "loss_over_all_entries",
        "gradient_at_the_label_alone",
        "one_subtracted_everywhere",
        "labels_in_every_row",
        "yes_or_no",
        "likeliest_class",
        "slope_once_more",
        "stopped_at_dp",
        "one_maximum_for_all_rows",
        "limited_logarithm",
        "overflow",
        "divide_by_zero",
        "input_changed",
    )
}
