"""Dropout: one mask for output and gradient, an unchanged mean, and reproducible masks."""

import copy

import numpy as np
import pytest

from minnet import Dense, Dropout, Sequential
from minnet.checks import check_layer

BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@BOTH
def test_training_multiplies_output_and_gradient_by_one_mask(dtype):
    rng = np.random.default_rng(0)
    dropout = Dropout(0.3).build(rng=rng, dtype=dtype)
    x, dy = rng.normal(size=(2, 20, 30)).astype(dtype)
    y = dropout.forward(x, training=True)
    np.testing.assert_array_equal(y, x * dropout.mask)
    np.testing.assert_array_equal(dropout.backward(dy), dy * dropout.mask)
    assert np.unique(dropout.mask).tolist() == [0, dtype(1 / dtype(0.7))]


@pytest.mark.parametrize("n", [2, 3, 8, 32])
def test_backward_is_the_derivative_of_forward(n):
    # Finite differences need the same mask in every forward; check_layer provides it.
    for seed in range(20):
        check_layer(Dropout(0.4), (n, 3), rng=seed, tolerance=1e-8)


@BOTH
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_share_of_p_is_dropped_and_the_mean_stays(p, dtype):
    dropout = Dropout(p).build(rng=0, dtype=dtype)
    y = dropout.forward(np.ones((300, 1000)), training=True)
    # Five standard deviations of 300,000 draws.
    assert (y == 0).mean() == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / y.size))
    assert y.mean(dtype=float) == pytest.approx(1, abs=5 * np.sqrt(p / (1 - p) / y.size))


def test_every_training_step_draws_a_new_mask():
    dropout = Dropout(0.5).build(rng=0)
    x = np.ones((10, 10))
    first = dropout.forward(x, training=True).copy()
    assert (dropout.forward(x, training=True) != first).any()


def test_prediction_leaves_x_as_it_is_and_draws_nothing():
    x = np.random.default_rng(0).normal(size=(10, 10)).astype(np.float32)
    undisturbed, disturbed = (Dropout(0.5).build(rng=1) for _ in range(2))
    y = disturbed.forward(x, training=False)
    np.testing.assert_array_equal(y, x)
    assert not np.shares_memory(y, x)
    np.testing.assert_array_equal(
        disturbed.forward(x, training=True), undisturbed.forward(x, training=True)
    )


def test_p_zero_drops_nothing():
    x = np.random.default_rng(0).normal(size=(10, 10)).astype(np.float32)
    np.testing.assert_array_equal(Dropout(0).forward(x, training=True), x)


def test_a_seed_of_the_network_fixes_the_masks_and_two_layers_differ():
    def masks(seed):
        net = Sequential([Dropout(0.5), Dense(50, 50), Dropout(0.5)], rng=seed)
        net.forward(np.ones((4, 50)), training=True)
        return net["dropout1"].mask, net["dropout2"].mask

    first, again, other = masks(1), masks(1), masks(2)
    np.testing.assert_array_equal(first, again)
    assert (first[0] != first[1]).any()
    assert (first[0] != other[0]).any()


def test_different_seeds_give_different_masks():
    masks = set()
    for seed in range(60):
        dropout = Dropout(0.5).build(rng=seed)
        dropout.forward(np.ones((1, 64)), training=True)
        masks.add(dropout.mask.tobytes())
    assert len(masks) == 60


def test_a_copy_draws_the_same_masks_as_the_original():
    dropout = Dropout(0.5).build(rng=0)
    x = np.ones((10, 10))
    dropout.forward(x, training=True)
    twin = copy.deepcopy(dropout)
    np.testing.assert_array_equal(dropout.forward(x, training=True), twin.forward(x, training=True))


def test_numpys_global_random_state_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    Dropout(0.5).forward(np.ones((3, 3)), training=True)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, np.nan])
def test_p_out_of_range_is_refused(p):
    with pytest.raises(ValueError, match=r"Dropout: expected p to be in \[0, 1\)"):
        Dropout(p)


def test_the_description_shows_p():
    assert repr(Dropout(0.25)) == "Dropout(0.25)"
