"""The estimators in scikit-learn's tools, with joblib, pickle, pandas and Dask."""

import os
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.stats import loguniform
from sklearn import datasets
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import minnet
from minnet.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = datasets.load_wine(return_X_y=True)


def pipeline(**settings):
    settings = {"max_iter": 40, "learning_rate_init": 0.01, "random_state": 0} | settings
    return make_pipeline(StandardScaler(), MLPClassifier(8, **settings))


def frame():
    """Return a data frame with two numeric columns and one of names, and labels."""
    rng = np.random.default_rng(0)
    columns = {
        "length": rng.normal(10, 3, 120),
        "width": rng.normal(0, 1, 120),
        "colour": rng.choice(["red", "green", "blue"], 120),
    }
    rows = pd.DataFrame(columns)
    return rows, np.where((rows["length"] > 10) ^ (rows["colour"] == "red"), "yes", "no")


def test_columns_of_a_data_frame_are_named_in_every_step():
    rows, labels = frame()
    encode = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["length", "width"]),
            ("names", OneHotEncoder(sparse_output=False), ["colour"]),
        ],
        verbose_feature_names_out=False,
    )
    estimator = MLPClassifier(16, max_iter=200, learning_rate_init=0.02, random_state=0)
    model = Pipeline([("encode", encode), ("mlp", estimator)]).set_output(transform="pandas")
    assert model.fit(rows, labels).score(rows, labels) > 0.95
    names = ["length", "width", "colour_blue", "colour_green", "colour_red"]
    assert model["mlp"].feature_names_in_.tolist() == names
    with pytest.raises(ValueError, match="feature names should match"):
        model["mlp"].predict(model[:1].transform(rows)[names[::-1]])


def test_sparse_rows_are_used_as_dense_ones():
    rows, labels = frame()
    sparse = OneHotEncoder().fit_transform(rows[["colour"]])
    model = MLPClassifier(4, max_iter=5, random_state=0)
    expected = clone(model).fit(sparse.toarray(), labels).predict_proba(sparse.toarray())
    np.testing.assert_array_equal(model.fit(sparse, labels).predict_proba(sparse), expected)


def test_clone_has_the_same_parameters_and_no_results():
    model = pipeline(schedule=minnet.schedules.constant(0.1), probes=[minnet.HistogramProbe()])
    copied = clone(model.fit(X, Y))[1]
    assert not hasattr(copied, "network_")
    assert copied.get_params().keys() == model[1].get_params().keys()
    assert copied.probes[0] is not model[1].probes[0]


@pytest.mark.parametrize("settings", [{}, {"batch_norm": True, "dropout": 0.1, "dtype": "float32"}])
def test_a_pickle_predicts_and_continues_like_the_original(settings, tmp_path):
    model = pipeline(probes=[minnet.StatisticsProbe()], **settings).fit(X, Y)
    joblib.dump(model, tmp_path / "model.joblib")
    for copied in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(copied.predict_proba(X), model.predict_proba(X))
        assert copied[1].loss_curve_ == model[1].loss_curve_
        thetas = []
        for estimator in (copied[1], pickle.loads(pickle.dumps(model[1]))):
            estimator.partial_fit(X, Y).partial_fit(X, Y)
            thetas.append(estimator.network_.theta)
        np.testing.assert_array_equal(*thetas)


def test_the_network_is_saved_by_minnet(tmp_path):
    model = pipeline(activation="tanh").fit(X, Y)
    minnet.save(model[1].network_, tmp_path / "wine.npz")
    net = clone(model).set_params(mlpclassifier__max_iter=1).fit(X, Y)[1].network_
    assert not np.array_equal(net.theta, model[1].network_.theta)
    minnet.load(net, tmp_path / "wine.npz")
    logits = net.predict(model[:1].transform(X))
    np.testing.assert_array_equal(model.classes_[logits.argmax(axis=1)], model.predict(X))


def test_cross_validation_and_searches():
    assert cross_val_score(pipeline(), X, Y, cv=3).min() > 0.8
    grid = {"mlpclassifier__hidden_layer_sizes": [(8,), (8, 8)], "mlpclassifier__alpha": [0, 1.0]}
    search = GridSearchCV(pipeline(), grid, cv=2).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > 0.9
    distributions = {
        "mlpclassifier__learning_rate_init": loguniform(1e-3, 1e-1),
        "mlpclassifier__activation": ["relu", "silu"],
    }
    search = RandomizedSearchCV(pipeline(), distributions, n_iter=3, cv=2, random_state=0)
    assert search.fit(X, Y).best_score_ > 0.9


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_setting_that_diverges_scores_nan_in_a_search():
    grid = {"learning_rate_init": [0.01, 1e9]}
    search = GridSearchCV(MLPRegressor(8, solver="sgd", random_state=0), grid, cv=2)
    with pytest.warns(sklearn.exceptions.FitFailedWarning, match="FloatingPointError: step"):
        search.fit(StandardScaler().fit_transform(X), Y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]


def test_meta_estimators():
    calibrated = CalibratedClassifierCV(pipeline(), cv=2).fit(X, Y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    assert OneVsRestClassifier(pipeline()).fit(X, Y).score(X, Y) > 0.95
    assert permutation_importance(pipeline().fit(X, Y), X, Y, n_repeats=2).importances.max() > 0
    x, y = datasets.load_diabetes(return_X_y=True)
    regressor = make_pipeline(StandardScaler(), MLPRegressor(8, max_iter=60, random_state=0))
    scaled = TransformedTargetRegressor(regressor, transformer=StandardScaler()).fit(x, y)
    assert scaled.score(x, y) > 0.2


def test_sample_weight_is_routed_through_a_search_and_a_pipeline():
    weights = np.where(Y == 0, 1.0, 0.0)  # with these, class 0 is the only one
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = MLPClassifier(8, max_iter=30, learning_rate_init=0.05, random_state=0)
        estimator.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        model = make_pipeline(PCA(4), estimator)
        search = GridSearchCV(model, {"mlpclassifier__alpha": [0.0]}, cv=StratifiedKFold(2))
        assert set(search.fit(X, Y, sample_weight=weights).predict(X)) == {0}
    assert set(model.fit(X, Y).predict(X)) == {0, 1, 2}


PARAMETERS = {"mlpclassifier__alpha": [0.0, 0.1, 0.2]}
SEARCH = GridSearchCV(pipeline(max_iter=5), PARAMETERS, cv=2)


def test_processes_of_joblib_find_the_same_scores():
    alone = clone(SEARCH).fit(X, Y)
    with joblib.parallel_config("loky", n_jobs=2):
        together = clone(SEARCH).fit(X, Y)
    for key in ("mean_test_score", "params"):
        np.testing.assert_array_equal(together.cv_results_[key], alone.cv_results_[key])
    np.testing.assert_array_equal(together.predict_proba(X), alone.predict_proba(X))


def test_a_dask_cluster_finds_the_same_scores():
    distributed = pytest.importorskip("distributed")
    alone = clone(SEARCH).fit(X, Y)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        with distributed.get_task_stream(client) as stream, joblib.parallel_config("dask"):
            together = clone(SEARCH).fit(X, Y)
        assert len(stream.data) >= 4
        assert {task["worker"] for task in stream.data} == set(client.run(os.getpid))
    for key in ("mean_test_score", "params"):
        np.testing.assert_array_equal(together.cv_results_[key], alone.cv_results_[key])
