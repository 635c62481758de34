"""Equality with scikit-learn's MLP, for parameters that both have."""

import numpy as np
import pytest
from sklearn import datasets, neural_network

from minnet import sklearn as estimators

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def standardized(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def rows(kind):
    """Return rows, targets and the name of the estimator for one kind of targets."""
    if kind == "multiclass":
        x, y = datasets.load_digits(return_X_y=True)
        return x[:250] / 16, y[:250], "MLPClassifier"
    if kind == "binary":
        x, y = datasets.load_breast_cancer(return_X_y=True)
        return standardized(x)[:250], np.array(["malignant", "benign"])[y][:250], "MLPClassifier"
    if kind == "multilabel":
        x, y = datasets.make_multilabel_classification(250, 10, random_state=0)
        return x, y, "MLPClassifier"
    x, y = datasets.load_diabetes(return_X_y=True)
    x, y = standardized(x)[:250], standardized(y)[:250]
    return x, np.column_stack([y, y**2, -y]) if kind == "multioutput" else y, "MLPRegressor"


KINDS = ("multiclass", "binary", "multilabel", "regression", "multioutput")
SETTINGS = {
    "defaults": {},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5, "alpha": 0.1},
    "no momentum": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.05},
    "adam": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3, "hidden_layer_sizes": (20, 10)},
    "logistic": {"activation": "logistic", "alpha": 1.0, "hidden_layer_sizes": 30},
    "tanh": {"activation": "tanh", "batch_size": 64, "tol": 0.01, "n_iter_no_change": 3},
    "linear": {"hidden_layer_sizes": (), "learning_rate_init": 0.01},
    "plateau": {  # equal scores are an improvement by tol=0
        "early_stopping": True, "tol": 0.0, "n_iter_no_change": 1, "hidden_layer_sizes": 20,
    },
    "early stopping": {
        "activation": "identity", "early_stopping": True, "validation_fraction": 0.2,
        "n_iter_no_change": 2, "tol": 0.01,
    },
}  # fmt: skip


def pair(name, **settings):
    """Return scikit-learn's and minnet's estimator with the same parameters."""
    settings = {"max_iter": 12, "random_state": 3, "shuffle": False} | settings
    return getattr(neural_network, name)(**settings), getattr(estimators, name)(**settings)


def assert_equal_trainings(expected, found, x):
    assert found.n_iter_ == expected.n_iter_
    np.testing.assert_allclose(found.loss_curve_, expected.loss_curve_, rtol=1e-11)
    assert found.best_loss_ == min(found.loss_curve_)
    if expected.early_stopping:
        np.testing.assert_allclose(
            found.validation_scores_, expected.validation_scores_, rtol=1e-11
        )
    if not hasattr(expected, "classes_"):
        np.testing.assert_allclose(found.predict(x), expected.predict(x), rtol=1e-8, atol=1e-11)
        return
    np.testing.assert_array_equal(found.predict(x), expected.predict(x))
    np.testing.assert_array_equal(found.classes_, expected.classes_)
    np.testing.assert_allclose(
        found.predict_proba(x), expected.predict_proba(x), rtol=1e-8, atol=1e-11
    )
    # scikit-learn takes the logarithm of 1 - p, which is less accurate near p = 1.
    np.testing.assert_allclose(found.predict_log_proba(x), expected.predict_log_proba(x), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_same_seed_without_shuffling_gives_the_same_training(kind, setting):
    x, y, name = rows(kind)
    expected, found = pair(name, **SETTINGS[setting])
    assert_equal_trainings(expected.fit(x, y), found.fit(x, y), x)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_sample_weights_have_the_same_effect(kind, early_stopping):
    x, y, name = rows(kind)
    weights = np.random.default_rng(0).integers(0, 4, len(x)).astype(float)
    expected, found = pair(name, alpha=0.1, early_stopping=early_stopping)
    expected.fit(x, y, sample_weight=weights)
    assert_equal_trainings(expected, found.fit(x, y, sample_weight=weights), x)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("kind", ["multiclass", "multilabel", "regression"])
def test_a_warm_start_and_partial_fits_continue_in_the_same_way(kind, solver):
    x, y, name = rows(kind)
    both = pair(name, solver=solver, warm_start=True, max_iter=4, learning_rate_init=0.01)
    for estimator in both:
        estimator.fit(x, y).fit(x, y)
        estimator.partial_fit(x[:200], y[:200]).partial_fit(x[200:], y[200:])
    assert len(both[1].loss_curve_) == 10
    assert_equal_trainings(*both, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_the_dtype_of_the_rows_is_that_of_the_network(dtype):
    x, y, name = rows("regression")
    x = (10 * x).astype(dtype)
    expected, found = pair(name)
    assert found.fit(x, y).predict(x).dtype == expected.fit(x, y).predict(x).dtype
    tolerance = 1e-3 if dtype == np.float32 else 1e-8
    np.testing.assert_allclose(found.predict(x), expected.predict(x), rtol=tolerance, atol=1e-4)


def test_default_parameters_are_those_of_scikit_learn():
    for name in ("MLPClassifier", "MLPRegressor"):
        expected, found = (
            getattr(module, name)().get_params() for module in (neural_network, estimators)
        )
        shared = expected.keys() & found.keys()
        assert len(shared) == 20
        assert {key: found[key] for key in shared} == {key: expected[key] for key in shared}
