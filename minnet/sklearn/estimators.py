"""Classifier and regressor with the interface of scikit-learn, trained by `minnet.fit`."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any, Self

import numpy as np
from scipy import sparse, special
from sklearn import base, metrics
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

import minnet
from minnet.layers.dense import Init
from minnet.sklearn import objective
from minnet.sklearn.objective import Objective, Rows
from minnet.training import Probe
from minnet.validation import (
    Array,
    as_flag,
    as_float_dtype,
    as_sample_weight,
    check_instance,
    count,
    fraction,
    in_range,
    is_number,
    is_whole,
    missing_labels,
    one_of,
    shown,
    to_numpy,
)

ACTIVATIONS: dict[str, Callable[[], minnet.Layer] | None] = {
    "identity": None, "logistic": minnet.Sigmoid, "tanh": minnet.Tanh, "relu": minnet.ReLU,
    "leaky_relu": minnet.LeakyReLU, "prelu": minnet.PReLU, "elu": minnet.ELU,
    "silu": minnet.SiLU, "gelu": minnet.GELU,
}  # fmt: skip
FLAGS = ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping", "batch_norm")


@dataclass(eq=False, repr=False)
class _MLP(base.BaseEstimator):
    """Parameters and training of both estimators; see `MLPClassifier`."""

    hidden_layer_sizes: int | Sequence[int] = (100,)
    activation: str = "relu"
    _: KW_ONLY
    solver: str = "adam"
    alpha: float = 1e-4
    batch_size: int | str = "auto"
    learning_rate_init: float = 1e-3
    max_iter: int = 200
    shuffle: bool = True
    random_state: int | np.random.RandomState | None = None
    tol: float = 1e-4
    verbose: bool = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: float = 10
    batch_norm: bool = False
    dropout: float = 0.0
    init: Init | None = None
    l1: float = 0.0
    clip_norm: float | None = None
    schedule: Callable[[int], float] | None = None
    probes: Sequence[Probe] = ()
    dtype: str | None = None

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network, or the present one with ``warm_start``, for at most max_iter epochs.

        A sparse X is converted to a dense array. sample_weight holds weights w_i >= 0 of the rows
        (n,); the loss of a batch is Σ w_i l_i / Σ w_i. Data or parameters that do not fit raise
        ValueError or TypeError, and then the estimator has not changed. A training that diverges
        raises FloatingPointError.
        """
        return self._train(X, y, sample_weight)

    def _train(
        self, X: Any, y: Any, weights: Any, *, partial: bool = False, classes: Any = None
    ) -> Self:
        if partial and self.early_stopping:
            raise ValueError("partial_fit: expected early_stopping=False, got True; use fit")
        draft = copy.copy(self)  # so that an error before the first step changes nothing
        rows, held_out = draft._prepare(X, y, weights, partial, classes)
        steps = draft._optimizer.steps
        try:
            epochs = 1 if partial else count(self.max_iter, "fit", "max_iter")
            stopped = draft._run(rows, held_out, epochs)
        finally:
            if draft._optimizer.steps > steps:
                self.__dict__ = draft.__dict__
        if not (partial or stopped):
            warnings.warn(
                f"fit: no convergence in max_iter={self.max_iter} epochs; increase max_iter or "
                "learning_rate_init",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def _prepare(
        self, X: Any, y: Any, weights: Any, partial: bool, classes: Any
    ) -> tuple[Rows, Rows | None]:
        """Set attributes, network and optimizer; return training rows and validation rows."""
        for name in FLAGS:
            as_flag(getattr(self, name), "fit", name)
        verbose: Any = self.verbose
        if not isinstance(verbose, bool | np.bool_):
            count(verbose, "fit", "verbose", least=0)
        new = not hasattr(self, "network_") or not (partial or self.warm_start)
        dtype = [np.float64, np.float32] if self.dtype is None else as_float_dtype(self.dtype)
        X, y = _checked(X, "fit", "X"), _checked(y, "fit", "y")
        with np.errstate(over="ignore", invalid="ignore"):  # infinity raises
            X, y = validate_data(
                self, X, y, accept_sparse="csr", dtype=dtype, multi_output=True,
                y_numeric=base.is_regressor(self), reset=new,
            )  # fmt: skip
        X, y = _dense(X), column_or_1d(y, warn=True) if y.shape[1:] == (1,) else y
        targets = self._targets(y, new, partial, classes)
        if weights is not None:
            weights = as_sample_weight(weights, len(y), "fit")
        rows, held_out = Rows(X, targets, self._weights(y, weights)), None
        random_state = self._generator()
        if new:
            self._start(rows, random_state)
        if self.early_stopping:
            rows, held_out = self._split(rows, random_state)
        if not partial or not hasattr(self, "_optimizer"):
            self._optimizer, self.probes_ = self._new_optimizer(), self.probes
            if isinstance(self.probes, list | tuple):  # `minnet.fit` refuses other types
                self.probes_ = copy.deepcopy(self.probes)
        return rows, held_out

    def _generator(self) -> np.random.RandomState:
        """Return the generator of random_state."""
        seed = self.random_state
        if not is_whole(seed):
            check_instance(
                seed, np.random.RandomState | ModuleType | None, "fit",
                "random_state as an int, a RandomState or None",
            )  # fmt: skip
        elif not 0 <= seed < 2**32:
            raise ValueError(f"fit: expected random_state from 0 to 2**32 - 1, got {seed}")
        generator: np.random.RandomState = check_random_state(seed)
        return generator

    def _weights(self, y: Array, weights: Array | None) -> Array | None:
        """Return the weights of the rows, multiplied by those of their classes, or None."""
        return weights

    def _split(self, rows: Rows, random_state: Any) -> tuple[Rows, Rows]:
        """Return training rows and validation rows."""
        share = in_range(
            self.validation_fraction, "fit", "validation_fraction", lambda v: 0 < v < 1, "in (0, 1)"
        )
        binary = base.is_classifier(self) and rows.targets.shape[1] == 1
        parts = train_test_split(
            *(array for array in rows if array is not None), test_size=share,
            random_state=random_state, stratify=rows.targets if binary else None,
        )  # fmt: skip
        held_out = Rows(*parts[1::2])
        if len(held_out.x) < 2 or (held_out.weights is not None and not held_out.weights.any()):
            raise ValueError(
                "fit: expected at least 2 validation rows and a positive weight among them, got "
                f"{len(held_out.x)} rows; increase validation_fraction"
            )
        return Rows(*parts[::2]), held_out

    def _start(self, rows: Rows, random_state: Any) -> None:
        """Create the network and empty the records of earlier training runs."""
        # The seed is drawn from a copy, so that random_state draws the weights first, as in
        # scikit-learn.
        source = copy.deepcopy(random_state) if self.init is None else random_state
        seed = source.randint(np.iinfo(np.int32).max)
        self._rng = np.random.default_rng(seed)  # also of the shuffling, in this and later calls
        hidden = self.hidden_layer_sizes
        hidden = [*hidden] if isinstance(hidden, Sequence | np.ndarray) else [hidden]
        layers = self._layers([rows.x.shape[1], *hidden, rows.targets.shape[1]])
        net = self.network_ = minnet.Sequential(layers, rng=self._rng, dtype=rows.x.dtype)
        for layer in net if self.init is None else ():
            if isinstance(layer, minnet.Dense):
                numerator = 2.0 if self.activation == "logistic" else 6.0
                limit = math.sqrt(numerator / (layer.in_features + layer.out_features))
                for param in layer.params.values():
                    param.value = random_state.uniform(-limit, limit, param.value.shape)
        self.loss_curve_: list[float] = []
        self.validation_scores_: list[float] = []
        self.best_loss_, self.best_validation_score_, self._unimproved = math.inf, -math.inf, 0

    def _layers(self, sizes: Sequence[int]) -> list[minnet.Layer]:
        activation = ACTIVATIONS[one_of(self.activation, ACTIVATIONS, "fit", "activation")]
        layers = list[minnet.Layer]()
        init = "glorot_uniform" if self.init is None else self.init
        dropout = fraction(self.dropout, "fit", "dropout")
        for fan_in, fan_out in pairwise(sizes[:-1]):
            layers.append(minnet.Dense(fan_in, fan_out, bias=not self.batch_norm, init=init))
            layers += [minnet.BatchNorm(fan_out)] if self.batch_norm else []
            layers += [activation()] if activation else []
            layers += [minnet.Dropout(dropout)] if dropout else []
        return [*layers, minnet.Dense(sizes[-2], sizes[-1], init=init)]

    def _new_optimizer(self) -> minnet.Optimizer:
        net, lr = self.network_, self.learning_rate_init
        if one_of(self.solver, ("adam", "sgd"), "fit", "solver") == "adam":
            return objective.EpsilonAdam(net, lr, (self.beta_1, self.beta_2), self.epsilon)
        nesterov = bool(self.nesterovs_momentum and self.momentum)
        return minnet.SGD(net, lr, self.momentum, nesterov)

    def _run(self, rows: Rows, held_out: Rows | None, epochs: int) -> bool:
        """Train on the rows; return whether training stopped before the last epoch."""
        x, targets, weights = rows
        loss = self._objective()
        monitor = objective.Monitor(self, loss, held_out)
        size = 200
        if not isinstance(self.batch_size, str):
            size = count(self.batch_size, "fit", "batch_size")
        elif self.batch_size != "auto":
            raise ValueError(
                f'fit: expected batch_size as "auto" or a number, got {shown(self.batch_size)}'
            )
        size = min(size, len(x))
        self.n_iter_ = 0
        try:
            minnet.fit(
                self.network_, x, targets, loss=loss, optimizer=self._optimizer, epochs=epochs,
                batch_size=size, drop_last=bool(self.batch_norm) and len(x) % size == 1,
                sample_weight=weights, regularizer=monitor, clip_norm=self.clip_norm,
                schedule=self.schedule, shuffle=self.shuffle, probes=self.probes_,
                callbacks=[monitor], rng=self._rng,
            )  # fmt: skip
        except FloatingPointError as error:
            text = str(error).removesuffix("; net.history holds the completed epochs")
            raise FloatingPointError(
                f"fit: {text}; the parameters are learning_rate_init and clip_norm"
            ) from error
        finally:
            self.history_ = self.network_.history
            if held_out is not None:
                monitor.best.restore(self.network_)
        return monitor.stopped

    def _output(self, X: Any) -> Array:
        """Return the output of the network, (n, outputs)."""
        check_is_fitted(self, "network_")
        dtype = self.network_.dtype
        X = _checked(X, "predict", "X")
        with np.errstate(over="ignore", invalid="ignore"):  # infinity raises
            X = validate_data(self, X, accept_sparse="csr", dtype=dtype, reset=False)
        output: Array = self.network_.predict(_dense(X))
        return output

    def _score_of(self, rows: Rows) -> float:
        """Return the score of validation rows."""
        true = self._decode(rows.targets, 0.5)
        predicted = self._decode(self.network_.predict(rows.x))
        return float(self._metric(true, predicted, sample_weight=rows.weights))

    def predict(self, X: Any) -> Any:
        """Return the prediction for each row, in the form of the y passed to fit."""
        return self._decode(self._output(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


@dataclass(eq=False, repr=False)
class MLPClassifier(base.ClassifierMixin, _MLP):
    """Multi-layer perceptron for classification, with the interface of scikit-learn's.

    It minimizes the cross-entropy of softmax for three or more classes, and the binary
    cross-entropy of a sigmoid for two classes or for each label of 0/1 rows (n, labels).

    Parameters and attributes that are not listed here are documented in
    `sklearn.neural_network.MLPClassifier`.

    Parameters
    ----------
    activation, solver : str, default "relu" and "adam"
        As in scikit-learn, and also "leaky_relu", "prelu", "elu", "silu", "gelu"; not "lbfgs".
    alpha, l1 : float, default 1e-4 and 0
        Strengths α and λ of the penalty (α/2 Σ w² + λ Σ |w|) / n, added to the loss of each batch.
        The sums are over all weights and no biases. n is the number of rows of the batch, or the
        sum of their sample weights.
    batch_norm, dropout : bool and float, default False and 0
        Whether to put a `minnet.BatchNorm` before each activation, and probability of a
        `minnet.Dropout` after it. Batch statistics do not use sample weights. With batch_norm, a
        last batch of one row is left out.
    init : str, callable or None
        Initializer of the weights, see `minnet.initializers`; biases are then 0. None draws weights
        and biases as scikit-learn does.
    clip_norm, schedule
        As in `minnet.fit`.
    probes : sequence of Probe, default ()
        Probes; copies of them, in ``probes_``, record the training.
    dtype : {"float32", "float64", None}
        Type of the network; None means that of X, or float64 if X does not hold floats. float32 is
        faster.
    class_weight : dict, "balanced" or None
        Weights of the classes, see `sklearn.utils.class_weight.compute_sample_weight`.

    Attributes
    ----------
    network_, history_, probes_ : Sequential, History, sequence of Probe
        The network, and what `minnet.fit` recorded; losses in history_ are without penalties.
    best_loss_, validation_scores_ : float, list of float
        Lowest loss with penalties, also with early_stopping. Scores use the sample and class
        weights of the validation rows.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_wine(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), MLPClassifier(32, max_iter=500, random_state=0))
    >>> model.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.95
    True
    """

    _: KW_ONLY
    class_weight: Mapping[Any, float] | str | None = None
    _metric = staticmethod(metrics.accuracy_score)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Continue the training for one epoch on these rows; see `fit`.

        The first call requires ``classes``, the classes of all calls.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"partial_fit: expected class_weight as a dict, got {self.class_weight!r}; use "
                "dict(zip(classes, sklearn.utils.class_weight.compute_class_weight('balanced', "
                "classes=classes, y=all_labels)))"
            )
        return self._train(X, y, sample_weight, partial=True, classes=classes)

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class (n, classes), or of each label (n, labels)."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of `predict_proba`, finite also where a probability rounds to 0."""
        logits = self._output(X)
        if self._objective is objective.SoftmaxLoss:
            return special.log_softmax(logits, axis=1)
        binary = len(self.classes_) == 2 and logits.shape[1] == 1
        return special.log_expit(np.hstack([-logits, logits]) if binary else logits)

    def _decode(self, logits: Array, threshold: float = 0.0) -> Any:
        return self._binarizer.inverse_transform(logits, threshold=threshold)

    @np.errstate(invalid="ignore")  # scikit-learn casts numbers beyond int64, then refuses them
    def _targets(self, y: Array, new: bool, partial: bool, classes: Any) -> Any:
        """Return 0/1 targets (n, outputs), with a single output for two classes."""
        check_classification_targets(y)
        if new and partial and classes is None:
            raise ValueError(
                "partial_fit: expected classes in the first call, got None; use "
                "classes=numpy.unique(labels)"
            )
        if new:
            if classes is not None:
                to_numpy(classes, "partial_fit", "classes")
            own = classes is None or type_of_target(y).startswith("multilabel")
            self._binarizer = LabelBinarizer().fit(y if own else classes)
            self.classes_ = self._binarizer.classes_
            classes = None
        known = set(self.classes_)
        for labels, complete in ((y, not partial), (classes, True)):
            found = known if labels is None else set(unique_labels(labels))
            if not found <= known or (complete and found < known):
                raise ValueError(
                    f"{'partial_fit' if partial else 'fit'}: expected the classes of the first "
                    f"call, {self.classes_}, got "
                    f"{unique_labels(labels)}; create a new estimator for other classes"
                )
        return self._binarizer.transform(y)

    def _weights(self, y: Array, weights: Array | None) -> Array | None:
        given, rows = self.class_weight, y
        if given is None:
            return weights
        if y.ndim == 1 and not isinstance(given, str):
            numbers = isinstance(given, Mapping) and all(map(is_number, given.values()))
            if not numbers or not set(given) <= set(self.classes_):
                raise ValueError(
                    'fit: expected class_weight as "balanced" or as a dict from the classes '
                    f"{self.classes_} to weights, got {shown(given)}"
                )
            rows = np.concatenate([y, self.classes_])  # rows of a partial_fit can lack classes
        factors: Array = compute_sample_weight(given, rows)[: len(y)]
        return factors if weights is None else weights * factors

    @property
    def _objective(self) -> type[Objective]:
        multiclass = self._binarizer.y_type_ == "multiclass"
        return objective.SoftmaxLoss if multiclass else objective.SigmoidLoss

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(base.RegressorMixin, base.MultiOutputMixin, _MLP):
    """Multi-layer perceptron for regression, with the interface of scikit-learn's.

    It minimizes half the squared error, and has the parameters of `MLPClassifier` except
    class_weight. scikit-learn's first parameter, loss, is missing, so hidden_layer_sizes is the
    first. Targets far from variance 1 need `sklearn.compose.TransformedTargetRegressor`.

    Examples
    --------
    >>> x = np.linspace(-3, 3, 200)
    >>> model = MLPRegressor(32, learning_rate_init=0.02, max_iter=500, random_state=0)
    >>> model.fit(x[:, None], np.sin(x)).score(x[:, None], np.sin(x)) > 0.99
    True
    """

    _metric, _objective = staticmethod(metrics.r2_score), objective.SquaredLoss

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Continue the training for one epoch on these rows; see `fit`."""
        return self._train(X, y, sample_weight, partial=True)

    def _decode(self, output: Array, threshold: float = 0.0) -> Array:
        return output.ravel() if output.shape[1] == 1 else output

    def _targets(self, y: Array, new: bool, partial: bool, classes: Any) -> Array:
        return y.reshape(len(y), -1)


def _checked(array: Any, where: str, name: str) -> Any:
    """Return array; raise TypeError for masked rows, and for an X of text or dates."""
    if array is not None and not sparse.issparse(array):  # scikit-learn reports None
        values = to_numpy(array, where, name)
        if values.ndim == 0 and name == "y":
            raise TypeError(f"{where}: expected y as an array, got {shown(array)}")
        if values.dtype == object and name == "y" and (missing := missing_labels(values)).any():
            raise ValueError(
                f"{where}: expected y without missing values, got one in row {missing.argmax()}; "
                "remove the rows without a target"
            )
    if name == "X" and isinstance(array, np.ndarray) and array.dtype.kind in "SUMm":
        raise TypeError(
            f"{where}: expected X as an array of numbers, got text or dates; use X.astype(float)"
        )
    return array


def _dense(X: Any) -> Any:
    return X.toarray() if sparse.issparse(X) else X
