"""Losses: the mean over the batch, the gradient, and validation of outputs and targets."""

import copy
import re

import numpy as np
import pytest

from minnet import (
    CrossEntropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
)
from minnet.checks import check_loss
from minnet.losses import Loss

LOSSES = [
    SoftmaxCrossEntropy,
    CrossEntropy,
    SigmoidBinaryCrossEntropy,
    MeanSquaredError,
    MeanAbsoluteError,
    Huber,
]
ALL = pytest.mark.parametrize("make", LOSSES)
OF_CLASSES = pytest.mark.parametrize("make", LOSSES[:2])
BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def problem(make, n=4, width=3, seed=0, labels=False, dtype=np.float64):
    rng = np.random.default_rng(seed)
    output = rng.normal(0, 2, (n, width))
    if make is CrossEntropy:
        output = rng.dirichlet(np.ones(width), n) * 0.9 + 0.01
    target = rng.dirichlet(np.ones(width), n).astype(dtype)
    return output.astype(dtype), rng.integers(0, width, n) if labels else target


def named(make):
    """A pattern for the beginning of the error messages of a loss."""
    return re.escape(repr(make()))


def twin(make, output, target):
    """The formula of each docstring, with labels as one-hot rows, in float64."""
    output = output.astype(float)
    if target.ndim == 1:
        target = np.eye(output.shape[1])[target]
    n, target = len(output), target.astype(float)
    if make is SoftmaxCrossEntropy:
        return -(target * np.log(np.exp(output) / np.exp(output).sum(1)[:, None])).sum() / n
    if make is CrossEntropy:
        return -(target * np.log(output)).sum() / n
    if make is MeanSquaredError:
        return ((output - target) ** 2).mean()
    distance = np.abs(output - target)
    if make is MeanAbsoluteError:
        return distance.mean()
    if make is Huber:
        return np.where(distance <= 1, distance**2 / 2, distance - 0.5).mean()
    p = 1 / (1 + np.exp(-output))
    return -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()


CASES = [*((make, False) for make in LOSSES), *((make, True) for make in LOSSES[:2])]


@pytest.mark.parametrize("n", [1, 2, 3, 8, 32])
@pytest.mark.parametrize(("make", "labels"), CASES)
def test_backward_is_the_derivative_of_forward(make, labels, n, slopes):
    for seed in range(20):
        output, target = problem(make, n, seed=seed, labels=labels)
        loss = make()
        loss.forward(output, target)
        dx = loss.backward().copy()

        def value(loss=loss, output=output, target=target):
            return loss.forward(output, target)

        # Steps small beside the smallest probability, 0.01, and large beside rounding.
        expected = slopes(value, output, 1e-6)
        assert np.abs(dx - expected).max() <= 1e-6 * np.abs(expected).max()


@BOTH
@pytest.mark.parametrize(("make", "labels"), CASES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (7, 1), (5, 3), (32, 10)])
def test_forward_is_the_formula(make, labels, shape, dtype):
    output, target = problem(make, *shape, labels=labels, dtype=dtype)
    value = make().forward(output, target)
    assert type(value) is float
    eps = float(np.finfo(dtype).eps)
    assert value == pytest.approx(twin(make, output, target), rel=16 * eps, abs=eps)


@OF_CLASSES
def test_labels_and_their_one_hot_rows_are_the_same_target(make):
    output, labels = problem(make, 6, labels=True)
    by_label, by_row = make(), make()
    assert by_label.forward(output, labels) == by_row.forward(output, np.eye(3)[labels])
    np.testing.assert_array_equal(by_label.target, np.eye(3)[labels])
    np.testing.assert_array_equal(by_label.backward(), by_row.backward())


# Large logits, and probabilities at the limits.


@BOTH
def test_softmax_cross_entropy_is_finite_and_exact_at_logits_of_ten_thousand(dtype):
    z = np.array([[1e4, -1e4, 0], [-1e4, -1e4, 1e4], [1e4, 1e4, -1e4]], dtype)
    loss = SoftmaxCrossEntropy()
    expected = (0 + 2e4 + np.log(2)) / 3
    assert loss.forward(z, [0, 0, 0]) == pytest.approx(expected, rel=1e-7)
    rows = np.array([[0, 0, 0], [-1, 0, 1], [-0.5, 0.5, 0]]) / 3
    np.testing.assert_allclose(loss.backward(), rows, rtol=1e-6)


@BOTH
def test_a_logit_of_minus_infinity_is_a_class_of_probability_zero(dtype):
    z = np.array([[0, -np.inf, 0], [-np.inf, -np.inf, 2]], dtype)
    loss = SoftmaxCrossEntropy()
    assert loss.forward(z, [0, 2]) == pytest.approx(np.log(2) / 2, rel=1e-7)
    np.testing.assert_allclose(loss.probabilities, [[0.5, 0, 0.5], [0, 0, 1]])
    np.testing.assert_allclose(loss.backward(), [[-0.25, 0, 0.25], [0, 0, 0]])


@BOTH
def test_sigmoid_binary_cross_entropy_is_finite_and_exact_at_logits_of_ten_thousand(dtype):
    z = np.array([[1e4, -1e4, 1e4, -1e4]], dtype)
    loss = SigmoidBinaryCrossEntropy()
    assert loss.forward(z, [[1, 0, 0, 1]]) == pytest.approx(5e3, rel=1e-12)
    np.testing.assert_allclose(loss.backward(), [[0, 0, 0.25, -0.25]])


def test_a_loss_from_logits_is_accurate_where_one_minus_p_rounds_to_zero():
    # 1 - σ(40) is 4e-18, which 1 - p would round to 0.
    value = SigmoidBinaryCrossEntropy().forward(np.array([[40.0]]), [[1]])
    assert value == pytest.approx(np.exp(-40), rel=1e-12, abs=0)


@BOTH
def test_a_probability_of_zero_for_the_label_is_a_finite_loss(dtype):
    loss = CrossEntropy()
    p = np.array([[0.0, 1.0], [1.0, 0.0]], dtype)
    lowest = float(np.finfo(dtype).tiny)
    assert loss.forward(p, [0, 0]) == pytest.approx(-np.log(lowest) / 2)
    dx = loss.backward()
    assert np.isfinite(dx).all()
    np.testing.assert_allclose(dx, [[-1 / (2 * lowest), 0], [-0.5, 0]], rtol=1e-6)


@BOTH
@ALL
def test_the_mean_of_many_rows_is_accurate(make, dtype):
    output, target = problem(make, 20000, 2, dtype=dtype)
    expected = twin(make, output, target)
    assert make().forward(output, target) == pytest.approx(expected, rel=1e-6)


@ALL
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_output_that_is_not_finite_is_refused_with_its_row(make, bad):
    output, target = problem(make)
    output[1, 2] = bad
    loss, error = make(), FloatingPointError
    message = rf"{loss!r}: output: expected finite values, got {bad} at row 1, column 2;"
    message = message.replace("(", r"\(", 1).replace(")", r"\)", 1)
    if make is CrossEntropy:
        error, message = ValueError, r"probabilities in \[0, 1\], got .* at row 1"
    elif loss.takes_logits and bad == -np.inf:
        target = 1.0 - np.isinf(output) if loss.multilabel else np.zeros(len(output), int)
        assert np.isfinite(loss.forward(output, target))
        target = np.isinf(output) * 1.0 if loss.multilabel else np.full(len(output), 2)
        message = "expected a finite loss, got inf; the logit -inf in row 1 gives a target the"
    with pytest.raises(error, match=message):
        loss.forward(output, target)
    with pytest.raises(RuntimeError, match="before this backward, got none since the last one"):
        loss.backward()


# Targets.


@OF_CLASSES
@pytest.mark.parametrize("label", [3, -1, 2**40])
def test_a_label_out_of_range_is_refused_with_its_row(make, label):
    output, labels = problem(make, labels=True)
    labels[2] = label
    with pytest.raises(ValueError, match=rf"expected labels in 0\.\.2, got label {label} at row 2"):
        make().forward(output, labels)


@OF_CLASSES
def test_labels_counted_from_1_are_refused_with_the_repair(make):
    output, labels = problem(make, labels=True)
    labels[:3] = 3, 1, 2
    labels[3:] = 1
    with pytest.raises(
        ValueError, match=r"got label 3 at row 0; classes are counted from 0: use labels - 1$"
    ):
        make().forward(output, labels)


@OF_CLASSES
@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (
            [0.0, 1.0, 2.0, 0.0],
            TypeError,
            r"expected integer labels, got dtype float64; use labels\.astype\(int\)",
        ),
        ([True, False, True, True], TypeError, "expected integer labels, got dtype bool"),
        (
            ["a", "b", "c", "a"],
            TypeError,
            "expected integer labels, got dtype <U1; .*numpy.unique.* for names",
        ),
        (
            [0, 1, 2],
            ValueError,
            r"a target of 4 labels .*one for each row of the output, got shape \(3,\)",
        ),
        (np.zeros((5, 3)), ValueError, r"a target of 4 labels .*got shape \(5, 3\)"),
        (np.zeros((4, 3, 1)), ValueError, r"a target of 4 labels .*got shape \(4, 3, 1\)"),
        (1, ValueError, r"a target of 4 labels .*got shape \(\)"),
        (None, TypeError, "expected target as an array, got None"),
        (
            np.eye(4),
            ValueError,
            "expected target rows of width 3, one entry for each class, got width 4$",
        ),
        (
            np.zeros((4, 1), int),
            ValueError,
            r"rows of width 3, .* got width 1; use target\.ravel\(\)\.astype\(int\) for labels",
        ),
        (
            np.ones((4, 3)),
            ValueError,
            r"target rows of probabilities with sum 1, got \[1.* with sum 3 at row 0",
        ),
        (
            np.full((4, 3), np.nan),
            ValueError,
            r"expected target rows of probabilities with sum 1, got \[nan.* at row 0",
        ),
        (
            [[1, 0, 0], [0, 1, 0], [2, -1, 0], [0, 0, 1]],
            ValueError,
            "expected target rows of probabilities with sum 1, got .* at row 2",
        ),
        (
            np.ones((4, 3), complex),
            TypeError,
            "expected target as real numbers, got dtype complex128",
        ),
    ],
)
def test_an_invalid_target_of_classes_is_refused(make, target, error, message):
    output, _ = problem(make)
    with pytest.raises(error, match=message):
        make().forward(output, target)


@OF_CLASSES
def test_an_error_for_a_ragged_target_names_the_loss(make):
    output, _ = problem(make)
    with pytest.raises(
        TypeError, match=rf"{named(make)}: expected target as an array of numbers, got list"
    ):
        make().forward(output, [[1, 0, 0], [0, 1], [1], [0, 0, 1]])


@pytest.mark.parametrize("make", LOSSES[2:])
@pytest.mark.parametrize("shape", [(4,), (4, 1), (3, 3), (4, 3, 1)])
def test_a_target_of_another_shape_is_refused(make, shape):
    output, _ = problem(make)
    with pytest.raises(
        ValueError,
        match=rf"{named(make)}: expected a target of the shape of the output \(4, 3\), got "
        + re.escape(str(shape)),
    ):
        make().forward(output, np.zeros(shape))


@pytest.mark.parametrize("make", LOSSES[2:])
@pytest.mark.parametrize(
    ("width", "repair"),
    [
        (1, "target[:, None] makes a column of it"),
        (3, "numpy.eye(3)[target] makes one-hot rows of labels"),
    ],
)
def test_a_target_of_one_number_for_each_row_is_refused_with_the_repair(make, width, repair):
    output, labels = problem(make, width=width, labels=True)
    with pytest.raises(ValueError, match=rf"of the output .*, got \(4,\); {re.escape(repair)}$"):
        make().forward(output, labels)


@pytest.mark.parametrize("make", LOSSES[2:])
def test_numbers_for_several_outputs_are_refused_without_advice_for_labels(make):
    output, _ = problem(make, width=3)
    with pytest.raises(ValueError, match=r"use a network with 1 output, .* target\[:, None\]$"):
        make().forward(output, np.linspace(0, 1, 4))


@pytest.mark.parametrize("make", LOSSES[2:])
@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64])
def test_targets_0_and_1_of_any_dtype_are_used_as_they_are_without_a_warning(make, dtype):
    output, target = problem(make)
    target = target > 0.5
    given = target.astype(dtype)
    assert make().forward(output, given) == make().forward(output, target.astype(output.dtype))
    np.testing.assert_array_equal(given, target)


@pytest.mark.parametrize("bad", [-0.1, 1.1])
def test_binary_targets_outside_zero_and_one_are_refused_with_their_row(bad):
    output, target = problem(SigmoidBinaryCrossEntropy)
    target[3, 1] = bad
    with pytest.raises(
        ValueError, match=r"expected targets in \[0, 1\], got .* at row 3; for labels"
    ):
        SigmoidBinaryCrossEntropy().forward(output, target)


@pytest.mark.parametrize("bad", [-0.1, 1.1])
def test_outputs_that_are_not_probabilities_are_refused_with_their_row(bad):
    output, target = problem(CrossEntropy)
    output[2, 0] = bad
    with pytest.raises(
        ValueError, match=r"expected probabilities in .* at row 2; end the network with Softmax\(\)"
    ):
        CrossEntropy().forward(output, target)


@ALL
@pytest.mark.parametrize(
    ("output", "error", "message"),
    [
        (None, TypeError, "expected output as an array, got None"),
        (np.zeros((0, 3)), ValueError, r"expected at least one row and column, got \(0, 3\)"),
        (np.zeros((4, 0)), ValueError, r"expected at least one row and column, got \(4, 0\)"),
        (np.zeros(4), ValueError, r"expected output as rows \(n, features\), got shape \(4,\)"),
        (
            np.zeros((4, 3), complex),
            TypeError,
            "expected output as real numbers, got dtype complex128",
        ),
    ],
)
def test_an_output_that_is_not_rows_of_numbers_is_refused(make, output, error, message):
    with pytest.raises(error, match=rf"{named(make)}: {message}"):
        make().forward(output, np.zeros((4, 3)))


# Differences at kinks, and large ones.


@BOTH
def test_the_derivatives_at_kinks(dtype):
    zero, ends = np.zeros((1, 4), dtype), np.array([[-2, -0.0, 0.0, 2]], dtype)
    absolute, huber = MeanAbsoluteError(), Huber(delta=2)
    assert absolute.forward(ends, zero) == 1.0
    assert absolute.backward().tolist() == [[-0.25, 0, 0, 0.25]]
    assert huber.forward(ends, zero) == 1.0
    assert huber.backward().tolist() == [[-0.5, 0, 0, 0.5]]


@pytest.mark.parametrize("delta", [0.1, 1, 3.7])
def test_huber_is_squared_below_delta_and_linear_above(delta):
    loss = Huber(delta)
    for sign in (-1, 1):
        output = np.array([[sign * delta * 0.99, sign * delta * 1.01, sign * 1e6]])
        expected = [(0.99 * delta) ** 2 / 2, 0.51 * delta**2, delta * (1e6 - delta / 2)]
        value = loss.forward(output, np.zeros((1, 3)))
        assert value == pytest.approx(np.mean(expected), rel=1e-14)
        expected = np.array([[0.99 * delta, delta, delta]]) * sign / 3
        np.testing.assert_allclose(loss.backward(), expected, rtol=1e-14)


@pytest.mark.parametrize("make", [MeanAbsoluteError, Huber])
def test_large_differences_do_not_overflow(make):
    loss = make()
    assert loss.forward(np.float32([[3e38, -3e38]]), [[-3e38, 3e38]]) == pytest.approx(6e38)
    assert loss.backward().tolist() == [[0.5, -0.5]]


@pytest.mark.parametrize("make", [MeanAbsoluteError, Huber])
def test_nan_in_the_gradient_is_refused(make):
    loss = make()
    output = np.ones((1, 2), np.float32)
    loss.forward(output, [[0.0, 0.0]])
    output[0, 0] = np.nan
    with pytest.raises(FloatingPointError, match="expected a finite gradient, got NaN"):
        loss.backward()


@pytest.mark.parametrize("delta", [0, -1, np.inf, np.nan])
def test_an_invalid_delta_is_refused(delta):
    with pytest.raises(ValueError, match="Huber: expected delta to be positive and finite"):
        Huber(delta)
    assert repr(Huber(2)) == "Huber(delta=2)"


# Weights of the rows.


class PlainSquares(Loss):
    """MeanSquaredError in plain NumPy; compute keeps a result for differentiate."""

    def compute(self, output, target):
        self.difference = output - target
        return np.square(self.difference).mean()

    def differentiate(self, output, target, dx):
        dx[...] = 2 * self.difference / output.size


WEIGHTED = pytest.mark.parametrize("make", [*LOSSES, PlainSquares])


def repeated(make, counts, dtype, labels):
    """A loss of rows with these weights, and of the same rows repeated as often."""
    output, target = problem(make, len(counts), labels=labels, dtype=dtype)
    weighted, plain = make(), make()
    values = (
        weighted.forward(output, target, sample_weight=counts),
        plain.forward(output.repeat(counts, axis=0), target.repeat(counts, axis=0)),
    )
    dx = plain.backward()
    rows = np.split(dx, np.cumsum(counts)[:-1])
    return values, (weighted.backward(), np.array([row.sum(axis=0) for row in rows]))


@BOTH
@pytest.mark.parametrize("counts", [[1, 2, 3, 0, 5], [0, 0, 4, 0, 0], [7, 7, 7, 7, 7]])
@pytest.mark.parametrize(("make", "labels"), [*CASES, (PlainSquares, False)])
def test_a_whole_weight_is_a_number_of_repetitions(make, labels, counts, dtype):
    values, gradients = repeated(make, counts, dtype, labels)
    eps = 16 * float(np.finfo(dtype).eps)
    assert values[0] == pytest.approx(values[1], rel=eps)
    largest = np.abs(gradients[1]).max()
    np.testing.assert_allclose(*gradients, rtol=eps, atol=eps * largest)


@WEIGHTED
def test_a_weighted_backward_is_the_derivative_of_a_weighted_forward(make, slopes):
    output, target = problem(make, 8)
    weights, loss = np.random.default_rng(1).uniform(0, 3, 8), make()
    loss.forward(output, target, sample_weight=weights)
    dx = loss.backward().copy()
    expected = slopes(lambda: loss.forward(output, target, sample_weight=weights), output, 1e-6)
    assert np.abs(dx - expected).max() <= 1e-6 * np.abs(expected).max()


def test_weighted_losses_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    weights = np.random.default_rng(1).uniform(0, 3, 20)
    output, target = problem(MeanSquaredError, 20)
    value = MeanSquaredError().forward(output, target, sample_weight=weights)
    assert value == pytest.approx(metrics.mean_squared_error(target, output, sample_weight=weights))
    value = MeanAbsoluteError().forward(output, target, sample_weight=weights)
    expected = metrics.mean_absolute_error(target, output, sample_weight=weights)
    assert value == pytest.approx(expected)
    p, labels = problem(CrossEntropy, 20, labels=True)
    p /= p.sum(axis=1, keepdims=True)
    value = CrossEntropy().forward(p, labels, sample_weight=weights)
    assert value == pytest.approx(metrics.log_loss(labels, p, sample_weight=weights))
    value = SoftmaxCrossEntropy().forward(np.log(p), labels, sample_weight=weights)
    assert value == pytest.approx(metrics.log_loss(labels, p, sample_weight=weights))


@WEIGHTED
def test_equal_weights_of_any_size_change_no_bit(make):
    output, target = problem(make)
    plain, weighted = make(), make()
    value = plain.forward(output, target)
    dx = plain.backward()
    for weight in (1, 5e-324, 0.3, 1e308):
        weights = np.full(4, weight)
        assert weighted.forward(output, target, sample_weight=weights) == pytest.approx(
            value, rel=0 if make in LOSSES else 1e-15
        )
        np.testing.assert_array_equal(weighted.backward(), dx)
        np.testing.assert_array_equal(weights, weight)
        np.testing.assert_array_equal(weighted.row_weights, 1)


@BOTH
@WEIGHTED
def test_weights_of_zero_give_a_loss_and_a_gradient_of_zero(make, dtype):
    output, target = problem(make, dtype=dtype)
    loss = make()
    assert loss.forward(output, target, sample_weight=np.zeros(4)) == 0.0
    np.testing.assert_array_equal(loss.backward(), np.zeros((4, 3), dtype))
    value = loss.forward(output, target)  # the next forward has no weights
    assert value == make().forward(output, target)
    assert loss.backward().all()


def test_a_row_of_weight_zero_may_have_an_infinite_loss():
    loss, z = SoftmaxCrossEntropy(), np.array([[-np.inf, 0.0], [0.0, 0.0]])
    assert loss.forward(z, [0, 0], sample_weight=[0, 1]) == pytest.approx(np.log(2))
    np.testing.assert_allclose(loss.backward(), [[0, 0], [-0.5, 0.5]])
    loss = SigmoidBinaryCrossEntropy()
    assert loss.forward([[-np.inf], [0.0]], [[1], [1]], sample_weight=[0, 1]) == np.log(2)


def test_a_row_of_weight_zero_may_have_an_infinite_gradient():
    class Reciprocal(Loss):
        def compute(self, output, target):
            with np.errstate(divide="ignore"):
                return (1 / output).mean()

        def differentiate(self, output, target, dx):
            with np.errstate(divide="ignore"):
                dx[...] = -1 / output**2 / output.size

    loss = Reciprocal()
    assert loss.forward([[0.0], [2.0]], [[0.0], [0.0]], sample_weight=[0, 3]) == 0.5
    assert loss.backward().tolist() == [[0.0], [-0.25]]


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (np.ones(3), ValueError, r"of shape \(4,\), one weight for each row, got \(3,\)$"),
        (np.ones((4, 1)), ValueError, r"got \(4, 1\); use sample_weight\.ravel\(\)$"),
        (2.0, ValueError, r"got \(\)$"),
        ([1, 1, -1, 0], ValueError, r"that are not negative, got -1\.0 at row 2; a weight of 0"),
        ([1, np.nan, 1, 0], ValueError, "expected finite weights .*, got nan at row 1"),
        ([1, 1, 1, np.inf], ValueError, "expected finite weights .*, got inf at row 3"),
        ("balanced", TypeError, "expected sample_weight as real numbers, got dtype <U8"),
    ],
)
@WEIGHTED
def test_invalid_weights_are_refused(make, weights, error, message):
    loss = make()
    with pytest.raises(error, match=rf"{named(make)}: .*{message}"):
        loss.forward(*problem(make), sample_weight=weights)
    with pytest.raises(RuntimeError, match="before this backward"):
        loss.backward()


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64, np.float16])
def test_weights_of_any_real_dtype_are_accepted(dtype):
    output, target = problem(MeanSquaredError)
    value = MeanSquaredError().forward(output, target, sample_weight=np.array([1, 0, 1, 0], dtype))
    assert value == MeanSquaredError().forward(output[::2], target[::2])


def test_a_users_loss_that_is_not_a_mean_of_rows_cannot_have_weights():
    class Total(PlainSquares):
        def compute(self, output, target):
            return super().compute(output, target) * output.size

    output, target = problem(Total)
    loss = Total()
    assert loss.forward(output, target) > 0
    with pytest.raises(
        ValueError, match=r"Total\(\): expected compute to return the mean of the losses .* got"
    ):
        loss.forward(output, target, sample_weight=[1, 2, 3, 4])


# Buffers.


@ALL
def test_output_and_target_are_never_written_and_dx_shares_no_memory_with_them(make):
    output, target = problem(make)
    kept = output.copy(), target.copy()
    loss = make()
    loss.forward(output, target)
    dx = loss.backward()
    np.testing.assert_array_equal(output, kept[0])
    np.testing.assert_array_equal(target, kept[1])
    assert loss.output is output
    assert loss.target is target
    assert loss.dx is dx
    assert not np.shares_memory(dx, output)
    assert not np.shares_memory(dx, target)


@BOTH
@ALL
def test_the_gradient_has_the_dtype_of_the_output(make, dtype):
    output, target = problem(make, dtype=dtype)
    loss = make()
    loss.forward(output, target.astype(np.float64))
    assert loss.backward().dtype == dtype


@ALL
def test_one_loss_serves_outputs_of_both_dtypes_in_turn(make):
    loss = make()
    for dtype in (np.float32, np.float64, np.float32):
        output, target = problem(make, dtype=dtype)
        value, fresh = loss.forward(output, target), make()
        assert value == fresh.forward(output, target)
        np.testing.assert_array_equal(loss.backward(), fresh.backward())
        assert loss.dx.dtype == dtype


@ALL
def test_buffers_only_grow_and_a_short_batch_is_a_slice_of_them(make):
    loss, first = make(), None
    for n in (8, 3, 8, 5):
        loss.forward(*problem(make, n))
        dx = loss.backward()
        first = dx if first is None else first
        assert dx.shape == (n, 3)
        assert dx.ctypes.data == first.ctypes.data


@ALL
def test_each_backward_requires_a_forward(make):
    loss, message = (
        make(),
        r"expected forward\(output, target\) before this backward, got none",
    )
    with pytest.raises(RuntimeError, match=message):
        loss.backward()
    loss.forward(*problem(make))
    loss.backward()
    with pytest.raises(RuntimeError, match=message):
        loss.backward()


@ALL
def test_after_a_refused_forward_backward_is_refused(make):
    # The refused labels may have overwritten the rows that the forward before it left.
    output, target = problem(make, labels=make in LOSSES[:2])
    loss = make()
    loss.forward(output, target)
    wrong = target.copy()
    wrong[3] = 7
    if not make.classifies:
        wrong = wrong[:2]
    with pytest.raises(ValueError, match=make.__name__):
        loss.forward(output, wrong)
    with pytest.raises(RuntimeError, match="before this backward"):
        loss.backward()
    loss.forward(output, target)
    assert np.isfinite(loss.backward()).all()


@ALL
def test_a_copy_is_independent(make):
    output, target = problem(make)
    loss = make()
    loss.forward(output, target)
    other = copy.deepcopy(loss)
    assert other.output is None
    with pytest.raises(RuntimeError, match="before this backward, got none"):
        other.backward()
    other.forward(output, target)
    np.testing.assert_array_equal(loss.backward(), other.backward())
    assert not np.shares_memory(loss.dx, other.dx)


def test_a_loss_without_its_methods_raises():
    with pytest.raises(TypeError, match=r"Loss\(\): expected the loss to define compute"):
        Loss().forward([[1.0]], [[1.0]])

    class ComputesOnly(Loss):
        def compute(self, output, target):
            return 0.0

    loss = ComputesOnly()
    loss.forward([[1.0]], [[1.0]])
    message = r"ComputesOnly\(\): expected the loss to define differentiate"
    with pytest.raises(TypeError, match=message):
        loss.backward()


def test_the_gradient_is_exact_for_target_rows_whose_sum_is_almost_one():
    check_loss(SoftmaxCrossEntropy(), [[0.3, -1.0], [2.0, 0.1]], [[0.9991, 0.0], [0.5, 0.5005]])


def test_infinite_logits_of_the_correct_sign_give_a_loss_of_zero():
    loss = SigmoidBinaryCrossEntropy()
    assert loss.forward([[-np.inf], [np.inf]], [[0], [1]]) == 0.0
    assert loss.backward().tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("name", ["target", "probabilities", "dx"])
def test_a_loss_accepts_its_own_buffers(name):
    rng = np.random.default_rng(0)
    output, labels = rng.normal(size=(4, 3)), np.array([0, 1, 2, 0])
    loss, twin = SoftmaxCrossEntropy(), SoftmaxCrossEntropy()
    loss.forward(output, labels)
    loss.backward()
    given = getattr(loss, name)
    copy = given.copy()
    assert loss.forward(given, labels[::-1]) == twin.forward(copy, labels[::-1])
    np.testing.assert_array_equal(loss.backward(), twin.backward())
    if name != "dx":
        loss.forward(output, labels)
        given = getattr(loss, name)
        copy = given.copy()
        assert loss.forward(-output, given) == twin.forward(-output, copy)


def test_a_gradient_too_large_for_the_dtype_is_refused():
    loss = MeanSquaredError()
    assert loss.forward([[3e38]], [[-3e38]]) == pytest.approx(3.6e77, rel=1e-6)
    with pytest.raises(FloatingPointError, match=r"MeanSquaredError.*too large for float32"):
        loss.backward()


def test_outputs_of_longdouble_are_computed_in_float64():
    output, target = np.array([[1 / 3]], np.longdouble), np.array([[0.1]])
    assert MeanSquaredError().forward(output, target) == (float(output[0, 0]) - 0.1) ** 2


@pytest.mark.parametrize("total", [0.95, 1.05, 1.002])
def test_probabilities_whose_sum_is_not_one_are_refused(total):
    target = np.array([[0.5, 0.5], [total - 0.25, 0.25]])
    with pytest.raises(ValueError, match="sum"):
        SoftmaxCrossEntropy().forward(np.zeros((2, 2)), target)
