"""Normalization layers: outputs with mean 0 and variance 1, and exact gradients."""

import numpy as np
import pytest

from minnet import BatchNorm, Dense, GroupNorm, LayerNorm, Sequential

LAYERS = {
    "BatchNorm": lambda eps: BatchNorm(4, eps=eps),
    "LayerNorm": lambda eps: LayerNorm(4, eps=eps),
    "GroupNorm 2": lambda eps: GroupNorm(2, 4, eps=eps),
    "GroupNorm 1": lambda eps: GroupNorm(1, 4, eps=eps),
}
ALL = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@ALL
@pytest.mark.parametrize("n", [2, 3, 8, 32])
def test_backward_is_the_derivative_of_forward(make, n, layer_errors):
    for seed in range(20):
        eps = (0.1, 0.03, 0.01)[seed % 3]
        errors = layer_errors(lambda eps=eps: make(eps), n, 4, seed)
        assert max(errors.values()) <= (1e-4 if n == 2 else 1e-6)


def batchnorm_twin(x, dy, gamma, beta, eps):
    """The textbook's chain through mean and variance, one link at a time, in float64."""
    n = len(x)
    distance = x - x.mean(axis=0)
    std = np.sqrt((distance**2).mean(axis=0) + eps)
    dx_hat = dy * gamma
    dvar = (dx_hat * distance).sum(axis=0) * -0.5 / std**3
    dmean = -dx_hat.sum(axis=0) / std - 2 * dvar * distance.mean(axis=0)
    dx = dx_hat / std + 2 * dvar * distance / n + dmean / n
    return gamma * distance / std + beta, dx, (dy * distance / std).sum(axis=0), dy.sum(axis=0)


@BOTH
def test_batchnorm_is_the_textbooks_chain(dtype):
    rng = np.random.default_rng(0)
    batchnorm = BatchNorm(5, eps=0.02).build(dtype=dtype)
    batchnorm.gamma.value, batchnorm.beta.value = rng.normal(size=(2, 5))
    x, dy = rng.normal(3, 2, (17, 5)).astype(dtype), rng.normal(size=(17, 5)).astype(dtype)
    y = batchnorm.forward(x, training=True)
    dx = batchnorm.backward(dy)
    found = (y, dx, batchnorm.gamma.grad, batchnorm.beta.grad)
    gamma, beta = batchnorm.gamma.value, batchnorm.beta.value
    tolerance = 100 * np.finfo(dtype).eps
    for array, twin in zip(
        found, batchnorm_twin(*(a.astype(float) for a in (x, dy, gamma, beta)), 0.02), strict=True
    ):
        np.testing.assert_allclose(array, twin, rtol=tolerance, atol=tolerance * np.abs(twin).max())


def test_the_running_statistics_keep_momentum_of_the_past_and_the_unbiased_variance():
    batchnorm = BatchNorm(2, momentum=0.75).build(dtype=np.float64)
    assert batchnorm.running_mean.tolist() == [0, 0]
    assert batchnorm.running_var.tolist() == [1, 1]
    x = np.array([[1.0, 10.0], [3.0, 10.0], [5.0, 40.0]])
    batchnorm.forward(x, training=True)
    np.testing.assert_allclose(batchnorm.mean, [3, 20], rtol=1e-15)
    np.testing.assert_allclose(batchnorm.var, [8 / 3, 200], rtol=1e-15)
    np.testing.assert_allclose(batchnorm.running_mean, [0.75, 5], rtol=1e-15)
    np.testing.assert_allclose(batchnorm.running_var, [0.75 + 1, 0.75 + 75], rtol=1e-15)
    batchnorm.forward(x, training=True)
    np.testing.assert_allclose(batchnorm.running_mean, [0.75**2 + 0.75, 0.75 * 5 + 5], rtol=1e-15)


def test_prediction_uses_the_running_statistics_and_no_neighbour():
    batchnorm = BatchNorm(2, eps=0.5).build(dtype=np.float64)
    batchnorm.running_mean[:], batchnorm.running_var[:] = [1, -1], [3.5, 8.5]
    batchnorm.gamma.value, batchnorm.beta.value = [2, 3], [10, 20]
    y = batchnorm.forward([[1.0, -1.0], [3.0, 5.0]], training=False)
    np.testing.assert_allclose(y, [[10, 20], [12, 26]], rtol=1e-15)
    np.testing.assert_array_equal(batchnorm.forward([[3.0, 5.0]], training=False), y[1:])
    assert batchnorm.running_mean.tolist() == [1, -1]
    assert batchnorm.running_var.tolist() == [3.5, 8.5]


@pytest.mark.parametrize("offset", [0.0, 1.0, -1e4])
def test_at_a_large_offset_float32_still_has_mean_zero_and_std_one(offset):
    # The float32 numbers themselves are the truth here, rounded as they are at that offset.
    rng = np.random.default_rng(1)
    x = (offset + rng.normal(size=(60000, 3))).astype(np.float32)
    exact = x.astype(np.float64)
    batchnorm = BatchNorm(3, eps=1e-12)
    y = batchnorm.forward(x, training=True).astype(np.float64)
    np.testing.assert_allclose(batchnorm.mean, exact.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(batchnorm.var, exact.var(axis=0), rtol=1e-6)
    assert np.abs(y.mean(axis=0)).max() <= 1e-3
    np.testing.assert_allclose(y.std(axis=0), 1, atol=1e-3)


def test_at_a_large_offset_float32_still_has_the_right_gradient():
    rng = np.random.default_rng(2)
    x = (1e4 + rng.normal(size=(500, 3))).astype(np.float32)
    dy = (1 + rng.normal(size=(500, 3))).astype(np.float32)
    batchnorm = BatchNorm(3, eps=1e-3)
    batchnorm.forward(x, training=True)
    dx = batchnorm.backward(dy)
    _, expected, dgamma, dbeta = batchnorm_twin(x.astype(float), dy.astype(float), 1, 0, 1e-3)
    assert np.abs(dx - expected).max() <= 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(batchnorm.gamma.grad, dgamma, rtol=1e-5)
    np.testing.assert_allclose(batchnorm.beta.grad, dbeta, rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e4, 1e-40, 16777217 / 3, -1e30 / 7])
def test_a_constant_feature_becomes_exactly_beta_with_finite_gradients(value):
    x = np.random.default_rng(3).normal(size=(7, 3)).astype(np.float32)
    x[:, 1] = value
    batchnorm, layernorm = BatchNorm(3), LayerNorm(3)
    for layer, rows, columns in ((batchnorm, x, [1]), (layernorm, np.full_like(x, value), [0, 2])):
        layer.beta.value = [0.5, 0.25, -1]
        y = layer.forward(rows, training=True)
        np.testing.assert_array_equal(y[:, columns] - layer.beta.value[columns], 0)
        assert np.isfinite(layer.backward(np.ones((7, 3)))).all()
        assert all(np.isfinite(param.grad).all() for param in layer.params.values())


def test_in_float64_a_constant_feature_becomes_beta_to_rounding():
    # The mean of 7 equal float64 numbers may be off by one bit, which 1 / sqrt(eps) enlarges.
    batchnorm = BatchNorm(1, eps=1e-4).build(dtype=np.float64)
    y = batchnorm.forward(np.full((7, 1), 0.1), training=True)
    np.testing.assert_allclose(y, 0, atol=100 * 1e-16)


def test_the_gradient_of_the_whole_batch_added_up_is_zero():
    # Moving all rows together moves nothing, so the columns of dx sum to 0.
    rng = np.random.default_rng(4)
    batchnorm = BatchNorm(3).build(dtype=np.float64)
    batchnorm.forward(rng.normal(5, 3, (9, 3)), training=True)
    np.testing.assert_allclose(
        batchnorm.backward(rng.normal(size=(9, 3))).sum(axis=0), 0, atol=1e-14
    )


@BOTH
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_groupnorm_normalizes_each_group_of_each_row(groups, dtype):
    rng = np.random.default_rng(5)
    layer = GroupNorm(groups, 6, eps=0.1).build(dtype=dtype)
    layer.gamma.value, layer.beta.value = rng.normal(size=(2, 6))
    x = rng.normal(4, 2, (5, 6)).astype(dtype)
    cut = x.astype(float).reshape(5, groups, -1)
    hat = (cut - cut.mean(2, keepdims=True)) / np.sqrt(cut.var(2, keepdims=True) + 0.1)
    expected = hat.reshape(5, 6) * layer.gamma.value + layer.beta.value
    for training in (True, False):
        y = layer.forward(x, training=training)
        np.testing.assert_allclose(y, expected, rtol=0, atol=10 * np.finfo(dtype).eps)
    np.testing.assert_allclose(layer.mean, cut.mean(axis=2), rtol=1e-6)
    np.testing.assert_allclose(layer.rstd, 1 / np.sqrt(cut.var(axis=2) + 0.1), rtol=1e-5)


def test_layernorm_is_groupnorm_with_one_group():
    x = np.random.default_rng(6).normal(size=(4, 6))
    np.testing.assert_array_equal(
        LayerNorm(6).forward(x, training=True), GroupNorm(1, 6).forward(x, training=True)
    )


def test_predicting_leaves_groupnorms_statistics_of_the_training_step():
    layer = LayerNorm(3)
    layer.forward([[1.0, 2.0, 3.0]], training=True)
    mean, rstd = layer.mean.copy(), layer.rstd.copy()
    layer.forward([[7.0, 8.0, 1.0], [1.0, 5.0, 5.0]], training=False)
    np.testing.assert_array_equal(layer.mean, mean)
    np.testing.assert_array_equal(layer.rstd, rstd)


def test_groupnorms_statistics_are_buffers_that_only_grow():
    layer = GroupNorm(2, 4)
    layer.forward(np.ones((6, 4)), training=True)
    places = layer.mean.ctypes.data, layer.rstd.ctypes.data
    layer.forward(np.ones((3, 4)), training=True)
    assert layer.mean.shape == layer.rstd.shape == (3, 2)
    assert (layer.mean.ctypes.data, layer.rstd.ctypes.data) == places


def test_batchnorm_refuses_to_train_on_one_row_but_predicts_it():
    batchnorm = BatchNorm(3)
    with pytest.raises(
        ValueError, match=r"BatchNorm\(3\): expected a training batch of at least 2 rows, got 1"
    ):
        batchnorm.forward(np.ones((1, 3)), training=True)
    assert batchnorm.running_mean.tolist() == [0, 0, 0]
    assert batchnorm.forward(np.ones((1, 3)), training=False).shape == (1, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_batchnorm_keeps_its_running_statistics_from_a_column_without_a_variance(bad):
    batchnorm = BatchNorm(3).build(dtype=np.float64)
    batchnorm.forward(np.random.default_rng(7).normal(size=(4, 3)), training=True)
    kept = batchnorm.running_mean.copy(), batchnorm.running_var.copy()
    x = np.ones((4, 3))
    x[2, 1] = bad
    with pytest.raises(FloatingPointError, match=r"BatchNorm\(3\): column 1"):
        batchnorm.forward(x, training=True)
    np.testing.assert_array_equal((batchnorm.running_mean, batchnorm.running_var), kept)
    with pytest.raises(RuntimeError, match="before this backward, got none"):
        batchnorm.backward(np.ones((4, 3)))


@pytest.mark.parametrize(("scale", "dtype"), [(1e20, np.float32), (1e160, np.float64)])
def test_a_variance_too_large_for_the_dtype_raises_and_keeps_the_running_variance(scale, dtype):
    layer = BatchNorm(2).build(dtype=dtype)
    layer.forward(np.random.default_rng(0).normal(size=(5, 2)), training=True)
    layer.backward(np.ones((5, 2)))
    before = [array.copy() for array in layer.state.values()]
    # Half of the largest number is a variance that fits, but not times n / (n - 1) = 2.
    edge = np.sqrt(np.finfo(dtype).max * 0.7)
    for rows in ([[0, 1], [1, -1], [2, 0]], [[0, 1], [0, -1]]):
        x = np.array(rows) * (scale if len(rows) == 3 else edge)
        with pytest.raises(
            FloatingPointError, match=rf"column . of the input has variance .*{np.dtype(dtype)}"
        ):
            layer.forward(x, training=True)
        for array, kept in zip(layer.state.values(), before, strict=True):
            np.testing.assert_array_equal(array, kept)


@pytest.mark.parametrize("eps", [0, -1e-5, np.nan, np.inf])
def test_eps_out_of_range_is_refused(eps):
    for make in (BatchNorm, LayerNorm):
        with pytest.raises(ValueError, match=f"{make.__name__}: expected eps to be positive"):
            make(3, eps=eps)
    with pytest.raises(ValueError, match="GroupNorm: expected eps to be positive"):
        GroupNorm(1, 3, eps=eps)


@pytest.mark.parametrize("momentum", [-0.1, 1, 1.5, np.nan])
def test_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(ValueError, match=r"BatchNorm: expected momentum to be in \[0, 1\)"):
        BatchNorm(3, momentum=momentum)


def test_groups_that_do_not_divide_the_features_are_refused():
    with pytest.raises(ValueError, match="multiple of num_groups, got 5 features in 2 groups"):
        GroupNorm(2, 5)
    with pytest.raises(ValueError, match="GroupNorm: expected num_groups to be at least 1"):
        GroupNorm(0, 4)


def test_state_is_the_running_statistics_themselves():
    batchnorm = BatchNorm(2).build(dtype=np.float64)
    assert batchnorm.state["running_mean"] is batchnorm.running_mean
    assert batchnorm.state["running_var"] is batchnorm.running_var
    assert batchnorm.running_var.dtype == np.float64
    assert LayerNorm(2).state == {}


def test_descriptions_show_the_widths_and_an_eps_that_is_not_the_default():
    layers = BatchNorm(64), LayerNorm(8), GroupNorm(2, 8)
    assert [repr(layer) for layer in layers] == ["BatchNorm(64)", "LayerNorm(8)", "GroupNorm(2, 8)"]
    assert repr(BatchNorm(64, eps=0.01)) == "BatchNorm(64, eps=0.01)"
    assert repr(GroupNorm(2, 8, eps=1e-3)) == "GroupNorm(2, 8, eps=0.001)"


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make", [lambda: LayerNorm(4), lambda: GroupNorm(2, 4)])
def test_numbers_whose_squares_overflow_are_refused_by_row(make, training):
    x = np.array([[1.0, 2.0, 3.0, 4.0], [1e200, -1e200, 0.0, 5e199]])
    layer = make().build(dtype=np.float64)
    message = r"the variance of row 1 of the input is not finite; .* too large for float64"
    with pytest.raises(FloatingPointError, match=message):
        layer.forward(x, training=training)
    y = layer.forward(x / 1e60, training=training)
    np.testing.assert_allclose(y[1], make().build(dtype=np.float64).forward(
        x[1:] / 1e200, training=training)[0], rtol=1e-4)  # fmt: skip


def test_a_group_of_a_single_feature_is_refused():
    for make in (lambda: LayerNorm(1), lambda: GroupNorm(4, 4), lambda: GroupNorm(1, 1)):
        with pytest.raises(ValueError, match="expected at least 2 features in a group, got 1"):
            make()


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
def test_running_statistics_are_validated_when_they_are_assigned(name):
    net = Sequential([Dense(3, 2), BatchNorm(2)], rng=0)
    batchnorm = net["batchnorm1"]
    before = getattr(batchnorm, name).copy()
    masked = np.ma.masked_array([1.0, 2.0], [True, False])
    cases = [([np.nan, 1], FloatingPointError), ([1e39, 1], FloatingPointError),
             ([1.0], ValueError), ("x", TypeError), (None, TypeError), (masked, TypeError),
             ([1j, 1], TypeError)]  # fmt: skip
    cases += [([-1, 1], ValueError)] * (name == "running_var")
    for value, error in cases:
        with pytest.raises(error, match=f"'batchnorm1' .*{name}"):
            setattr(batchnorm, name, value)
        np.testing.assert_array_equal(getattr(batchnorm, name), before)
    setattr(batchnorm, name, [2, 3])
    assert getattr(batchnorm, name).tolist() == [2, 3]
