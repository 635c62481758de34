"""Estimators for scikit-learn: `MLPClassifier` and `MLPRegressor`, trained by `minnet.fit`.

Parameters shared with scikit-learn's MLP have the same meaning: with equal ``random_state`` both
libraries start from equal weights, and with ``shuffle=False`` their losses agree up to rounding.
The trained network is ``network_``, a `minnet.Sequential`; a classifier's ends with logits, a
regressor's with predictions.

``import minnet`` does not import this package, because it imports scikit-learn.
"""

from minnet.sklearn.estimators import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
