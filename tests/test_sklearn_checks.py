"""scikit-learn's own checks of an estimator, without exceptions."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from minnet.sklearn import MLPClassifier, MLPRegressor

FAST = {"learning_rate_init": 0.02, "max_iter": 50, "l1": 1e-5, "clip_norm": 1.0}
ESTIMATORS = [
    MLPClassifier(),
    MLPRegressor(),
    MLPClassifier((20, 10), activation="gelu", init="he_normal", **FAST),
    MLPRegressor((20, 10), activation="silu", init="lecun_normal", **FAST),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS)
def test_check_of_scikit_learn(estimator, check):
    check(estimator)
