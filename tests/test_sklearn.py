"""Parameters and attributes of the estimators that scikit-learn's MLP does not have, and errors."""

import subprocess
import sys
import warnings

import numpy as np
import pandas
import pytest
import sklearn
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning

import minnet
from minnet.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = datasets.load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)


def classifier(**settings):
    return MLPClassifier(
        **({"hidden_layer_sizes": 16, "max_iter": 5, "random_state": 0} | settings)
    )


def test_importing_minnet_does_not_import_scikit_learn():
    code = (
        "import sys, minnet; print('sklearn' in sys.modules, 'minnet.sklearn' in sys.modules); "
        "print(minnet.sklearn.MLPClassifier.__name__, 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "MLPClassifier", "True"]


# Continuing


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fits_equal_one_fit_to_the_bit(solver):
    settings = {
        "solver": solver, "batch_norm": True, "dropout": 0.2, "batch_size": 32, "clip_norm": 1.0,
        "schedule": minnet.schedules.cosine(0.1, steps=25),
    }  # fmt: skip
    whole, parts = classifier(max_iter=5, **settings).fit(X, Y), classifier(**settings)
    for _ in range(5):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    assert parts.network_.theta.tobytes() == whole.network_.theta.tobytes()
    assert parts.loss_curve_ == whole.loss_curve_
    assert (parts.n_iter_, whole.n_iter_) == (1, 5)
    assert len(parts.history_.loss) == 5
    np.testing.assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))


def test_fit_starts_again_unless_warm_start():
    again = classifier().fit(X, Y)
    curve = again.loss_curve_
    assert again.fit(X, Y).loss_curve_ == curve
    assert again.set_params(warm_start=True).fit(X, Y).loss_curve_[:5] == curve
    assert again.loss_curve_[-1] < curve[-1]
    assert len(again.loss_curve_) == 10


def test_without_a_seed_two_trainings_differ():
    for init in (None, "he_normal"):
        one, other = (classifier(random_state=None, init=init).fit(X, Y) for _ in range(2))
        assert not np.array_equal(one.network_.theta, other.network_.theta)


def test_the_seed_determines_the_shuffling():
    settings = {"init": "zeros", "hidden_layer_sizes": (), "batch_size": 10, "max_iter": 1}
    thetas = [
        classifier(random_state=seed, **settings).fit(X, Y).network_.theta for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(thetas[0], thetas[1])
    assert not np.array_equal(thetas[0], thetas[2])


def test_early_stopping_restores_the_network_with_the_best_score():
    settings = {
        "early_stopping": True, "validation_fraction": 0.3, "batch_norm": True, "batch_size": 20,
        "schedule": minnet.schedules.warmup(30.0, steps=300),  # the scores become worse
    }  # fmt: skip
    model = classifier(max_iter=60, **settings).fit(X, Y)
    scores = model.validation_scores_
    assert model.n_iter_ == len(scores) < 60
    assert model.best_validation_score_ == max(scores) > scores[-1]
    best = classifier(max_iter=scores.index(max(scores)) + 1, **settings).fit(X, Y)
    assert model.network_.theta.tobytes() == best.network_.theta.tobytes()
    for name, array in model.network_.state.items():
        np.testing.assert_array_equal(array, best.network_.state[name])


def test_max_iter_without_convergence_is_a_warning():
    with pytest.warns(ConvergenceWarning, match="no convergence in max_iter=2 epochs; increase"):
        classifier(max_iter=2).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(max_iter=2).partial_fit(X, Y, classes=[0, 1, 2])
        classifier(max_iter=50, tol=1.0, n_iter_no_change=3).fit(X, Y)


def test_verbose_prints_a_line_for_each_epoch(capsys):
    model = classifier(verbose=True, early_stopping=True, validation_fraction=0.3).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    loss, score = model.loss_curve_[1], model.validation_scores_[1]
    assert lines[1] == f"Epoch 2: loss = {loss:.8f}, validation score = {score:.6f}"


class Interrupted(minnet.StatisticsProbe):
    """Probe that stops the training at the fourth step."""

    def observe(self, step, net):
        super().observe(step, net)
        if step == 3:
            raise KeyboardInterrupt


def test_after_an_interruption_the_completed_epochs_are_kept():
    model = classifier(probes=[Interrupted()], max_iter=10)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    expected = classifier(max_iter=3).fit(X, Y)
    assert model.loss_curve_ == expected.loss_curve_
    assert model.history_.loss == expected.history_.loss
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


# Parameters of minnet


def test_layers_and_initial_weights_follow_the_parameters():
    model = classifier(
        hidden_layer_sizes=(8, 6), activation="elu", batch_norm=True, dropout=0.25, init="he_normal"
    )
    net = model.fit(X, Y).network_
    kinds = [type(layer).__name__ for layer in net]
    assert kinds == [*["Dense", "BatchNorm", "ELU", "Dropout"] * 2, "Dense"]
    assert [layer.p for layer in net if isinstance(layer, minnet.Dropout)] == [0.25, 0.25]
    assert [layer.has_bias for layer in net if isinstance(layer, minnet.Dense)] == [
        False,
        False,
        True,
    ]
    still = classifier(hidden_layer_sizes=400, init="he_normal", learning_rate_init=1e-300).fit(
        X, Y
    )
    dense = still.network_["dense1"]
    assert dense.weight.value.std() == pytest.approx(np.sqrt(2 / 4), rel=0.1)
    assert np.abs(dense.bias.value).max() < 1e-200


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_contains_both_penalties_of_the_weights(weighted):
    weights = np.random.default_rng(0).uniform(0, 2, len(X)) if weighted else None
    settings = {"learning_rate_init": 1e-300, "max_iter": 1, "init": "he_normal"}
    plain = classifier(alpha=0.0, **settings).fit(X, Y, sample_weight=weights)
    found = classifier(alpha=3.0, l1=2.0, **settings).fit(X, Y, sample_weight=weights)
    dense = [found.network_["dense1"].weight.value, found.network_["dense2"].weight.value]
    penalty = sum(1.5 * (w**2).sum() + 2.0 * np.abs(w).sum() for w in dense)
    total = weights.sum() if weighted else len(X)
    assert found.best_loss_ - plain.best_loss_ == pytest.approx(penalty / total)


def test_l1_makes_weights_of_useless_columns_small():
    x = np.hstack([X, np.random.default_rng(0).normal(size=(len(X), 4))])
    sizes = []
    for l1 in (0.0, 0.5):
        model = classifier(max_iter=300, l1=l1, alpha=0.0, learning_rate_init=0.01).fit(x, Y)
        sizes.append(np.abs(model.network_["dense1"].weight.value[4:]).mean())
    assert sizes[1] < 0.05 * sizes[0]


def test_clip_norm_and_schedule_are_those_of_fit():
    schedule = minnet.schedules.step(0.1, every=3, factor=0.5)
    model = classifier(clip_norm=1e-3, schedule=schedule, max_iter=4).fit(X, Y)
    assert list(model.history_.step_lr) == [schedule(step) for step in range(4)]
    assert min(model.history_.step_grad_norm) > 1e-3
    free = classifier(schedule=schedule, max_iter=4).fit(X, Y)
    assert not np.array_equal(free.network_.theta, model.network_.theta)


def test_probes_are_copied_and_record_the_training():
    probe = minnet.StatisticsProbe()
    model = classifier(probes=[probe], max_iter=3).fit(X, Y).fit(X, Y)
    assert model.probes == [probe]
    steps, loss = model.probes_[0].run("loss")
    assert steps.tolist() == [0, 1, 2]
    np.testing.assert_allclose(loss, model.history_.step_loss, rtol=1e-6)
    assert probe.layers == ()
    model.set_params(warm_start=True).fit(X, Y)
    np.testing.assert_allclose(model.probes_[0].run("loss")[1][0], model.loss_curve_[3], rtol=1e-3)


def test_a_single_last_row_is_left_out_with_batch_norm():
    model = classifier(batch_norm=True, batch_size=50, max_iter=1).fit(X[:101], Y[:101])
    assert model.history_.steps == 2
    assert classifier(batch_size=50, max_iter=1).fit(X[:101], Y[:101]).history_.steps == 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_overrides_that_of_the_rows(dtype):
    for x in (X, X.astype(np.float32)):
        model = classifier(dtype=dtype).fit(x, Y)
        assert model.network_.dtype == model.predict_proba(x).dtype == dtype


# Weights of classes


def test_class_weight_multiplies_sample_weight():
    weights = np.random.default_rng(0).uniform(0, 2, len(X))
    factors = {0: 3.0, 1: 0.5, 2: 1.0}
    product = weights * np.array([factors[label] for label in Y])
    found = classifier(class_weight=factors).fit(X, Y, sample_weight=weights)
    expected = classifier().fit(X, Y, sample_weight=product)
    np.testing.assert_array_equal(found.network_.theta, expected.network_.theta)


def test_balanced_classes_have_equal_total_weight():
    x, y = X[:110], np.array(["a", "b", "c"])[Y[:110]]  # 50, 50, 10
    weights = 110 / (3 * np.array([50, 50, 10]))[Y[:110]]
    found = classifier(class_weight="balanced").fit(x, y)
    expected = classifier().fit(x, y, sample_weight=weights)
    np.testing.assert_array_equal(found.network_.theta, expected.network_.theta)
    assert found.classes_.tolist() == ["a", "b", "c"]


# Predictions


def test_log_probabilities_stay_finite():
    for y in (Y, Y == 1):
        model = classifier(hidden_layer_sizes=(), max_iter=50, learning_rate_init=0.1).fit(X, y)
        logs = model.predict_log_proba(1e4 * X)
        assert np.isfinite(logs).all()
        assert logs.min() < -1000
        np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))


def test_outputs_have_the_form_of_the_targets():
    labels = np.column_stack([Y == 0, Y == 2, X[:, 0] > 0]).astype(int)
    model = classifier(max_iter=100, learning_rate_init=0.02).fit(X, labels)
    assert model.score(X, labels) > 0.9
    assert model.predict(X).shape == model.predict_proba(X).shape == (150, 3)
    for y, shape in ((X[:, 0], (150,)), (X[:, :2], (150, 2))):
        regressor = MLPRegressor(16, max_iter=300, learning_rate_init=0.02, random_state=0)
        assert regressor.fit(X, y).predict(X).shape == shape
        assert regressor.score(X, y) > 0.95


# Errors


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"activation": "selu"}, ValueError, "expected activation as one of identity, .* 'selu'"),
        ({"solver": "lbfgs"}, ValueError, "expected solver as one of adam, sgd, got 'lbfgs'"),
        ({"solver": pandas.NA}, TypeError, "expected solver as one of adam, sgd, got <NA>"),
        ({"batch_size": pandas.NA}, TypeError, "expected batch_size to be a whole"),
        (
            {"batch_size": "all"},
            ValueError,
            "expected batch_size as \"auto\" or a number, got 'all'",
        ),
        (
            {"max_iter": pandas.NA},
            TypeError,
            "expected max_iter to be a whole number, got <NA>",
        ),
        ({"verbose": pandas.NA}, TypeError, "expected verbose to be"),
        ({"random_state": np.timedelta64(1, "s")}, TypeError, "expected random_state as an int"),
        ({"n_iter_no_change": [1, [2]]}, TypeError, "expected n_iter_no_change to be"),
        (
            {"learning_rate_init": 1e308},
            FloatingPointError,
            "parameters are learning_rate_init",
        ),
        ({"n_iter_no_change": pandas.NA}, TypeError, "expected n_iter_no_change to be"),
        ({"alpha": -1.0}, ValueError, "expected alpha to be non-negative"),
        ({"l1": "much"}, TypeError, "expected l1 to be a number"),
        ({"tol": -1.0}, ValueError, "expected tol to be non-negative"),
        ({"n_iter_no_change": 2.5}, TypeError, "expected n_iter_no_change to be a whole number"),
        ({"hidden_layer_sizes": (8, 0)}, ValueError, "at least 1, got 0"),
        ({"batch_size": 0}, ValueError, "expected batch_size to be at least 1"),
        ({"max_iter": 0}, ValueError, "expected max_iter to be at least 1"),
        ({"momentum": 1.5, "solver": "sgd"}, ValueError, "expected momentum to be in"),
        ({"dropout": 1.0}, ValueError, "fit: expected dropout to be in"),
        ({"dtype": "float16"}, ValueError, "dtype: expected float32 or float64"),
        ({"init": "he"}, ValueError, "got 'he'"),
        ({"early_stopping": True, "validation_fraction": 0.001}, ValueError, "validation rows"),
        ({"probes": minnet.HistogramProbe()}, TypeError, r"expected a list of probes such as \["),
        (
            {"class_weight": dict.fromkeys(range(3), 0.0)},
            ValueError,
            r"expected the largest weight .* got 0\.0; scale the weights, or omit them",
        ),
        ({"batch_norm": True, "batch_size": 1}, ValueError, "got 1; choose a larger batch_size"),
    ],
)
def test_invalid_parameters_raise_at_fit(settings, error, message):
    model = classifier(**settings)
    with pytest.raises(error, match=message):
        model.fit(X, Y)


def test_partial_fit_requires_the_classes_of_all_calls():
    with pytest.raises(ValueError, match=r"expected classes in the first call, got None"):
        classifier().partial_fit(X, Y)
    model = classifier().partial_fit(X[:50], Y[:50], classes=[0, 1, 2])
    assert model.predict_proba(X).shape == (150, 3)
    with pytest.raises(ValueError, match=r"expected the classes .* \[0 1 2\], got \[0 1\]"):
        model.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"expected the classes .* \[0 1 2\], got \[3\]"):
        model.partial_fit(X[:50], Y[:50] + 3)
    with pytest.raises(ValueError, match="expected early_stopping=False"):
        classifier(early_stopping=True).partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="expected class_weight as a dict, got 'balanced'"):
        classifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])


def test_a_warm_start_requires_the_same_classes():
    model = classifier(warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="expected the classes of the first call"):
        model.fit(X[:100], Y[:100])


def test_sample_weights_must_fit():
    for weights, message in (
        (np.zeros(150), r"expected the largest weight .* got 0\.0; scale the weights, or omit"),
        (np.ones(149), "expected sample_weight of shape"),
        (np.full(150, -1.0), "not negative"),
    ):
        with pytest.raises(ValueError, match=message):
            classifier().fit(X, Y, sample_weight=weights)
    with pytest.raises(ValueError, match="and a positive weight among them, got 15"):
        classifier(early_stopping=True).fit(X, Y, sample_weight=np.arange(150) == 0)


def test_class_weights_of_classes_that_a_batch_lacks_are_not_used():
    model = classifier(class_weight={2: 3.0, 0: 0.5}).partial_fit(
        X[:100], Y[:100], classes=[0, 1, 2]
    )
    expected = classifier().partial_fit(
        X[:100], Y[:100], np.where(Y[:100] == 0, 0.5, 1.0), classes=[0, 1, 2]
    )
    np.testing.assert_array_equal(model.network_.theta, expected.network_.theta)
    for wrong in ({7: 1.0}, [1.0, 2.0, 3.0]):
        with pytest.raises(ValueError, match=r"a dict from the classes \[0 1 2\] to weights, got"):
            classifier(class_weight=wrong).fit(X, Y)


def test_invalid_weights_do_not_change_the_classes_of_a_fitted_estimator():
    model = classifier().fit(X, np.array(["a", "b", "c"])[Y])
    predicted = model.predict(X)
    with pytest.raises(ValueError, match="not negative"):
        model.fit(X, np.array(["x", "y", "z"])[Y], sample_weight=np.full(150, -1.0))
    np.testing.assert_array_equal(model.predict(X), predicted)


def test_class_weights_for_partial_fit_are_computed_as_the_message_advises():
    with pytest.raises(ValueError, match="expected class_weight as a dict") as caught:
        classifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])
    scope = {"sklearn": sklearn, "classes": np.unique(Y[:110]), "all_labels": Y[:110]}
    advised = eval(str(caught.value).split("; use ")[1], scope)
    model = classifier(class_weight=advised).partial_fit(X[:110], Y[:110], classes=[0, 1, 2])
    expected = classifier(class_weight="balanced", max_iter=1).fit(X[:110], Y[:110])
    assert model.loss_curve_ == expected.loss_curve_


def test_a_diverging_training_raises_and_names_the_step():
    model = MLPRegressor(16, solver="sgd", learning_rate_init=1e10, random_state=0)
    with pytest.raises(FloatingPointError, match=r"step \d+ \(epoch \d+\)") as caught:
        model.fit(X, X[:, 0])
    assert "net.history" not in str(caught.value)  # no network of the user has this name


WRONG_CALLS = {
    "rows of another width": lambda model: model.fit(X[:, :2], np.full(150, np.nan)),
    "negative weights": lambda model: model.fit(X[:, :2], Y, sample_weight=-np.ones(150)),
    "wrong layers": lambda model: model.set_params(dropout=1.0).fit(X[:, :2], Y),
    "wrong clip_norm": lambda model: model.set_params(clip_norm=-1.0).fit(X[:, :2], Y),
    "wrong probes": lambda model: model.set_params(probes=[5]).fit(X[:, :2], Y),
    "wrong batch_size": lambda model: model.set_params(batch_size=0).fit(X[:, :2], Y),
    "wrong max_iter": lambda model: model.set_params(max_iter=0).fit(X[:, :2], Y),
    "no validation rows": lambda model: model.set_params(
        early_stopping=True, validation_fraction=0.001
    ).fit(X[:, :2], Y),
    "no gradient at step 0": lambda model: model.set_params(schedule=lambda step: float("nan")).fit(
        X[:, :2], Y
    ),
    "partial_fit": lambda model: model.partial_fit(X, Y + 5),
}


@pytest.mark.parametrize("call", WRONG_CALLS.values(), ids=WRONG_CALLS)
@pytest.mark.parametrize("fitted", [False, True])
def test_an_error_before_the_first_step_changes_nothing(call, fitted):
    model = classifier()
    if fitted:
        model.fit(X, Y)
    before = vars(model).copy()
    theta = model.network_.theta.copy() if fitted else None
    with pytest.raises((ValueError, TypeError)):
        call(model)
    names = [name for name in vars(model) if name not in model.get_params()]
    assert names == [name for name in before if name not in model.get_params()]
    assert all(vars(model)[name] is before[name] for name in names)
    if fitted:
        np.testing.assert_array_equal(model.network_.theta, theta)
        assert model.predict(X).shape == (150,)


@pytest.mark.parametrize(
    "name", ["shuffle", "warm_start", "nesterovs_momentum", "early_stopping", "batch_norm"]
)
def test_flags_must_be_true_or_false(name):
    with pytest.raises(TypeError, match=f"expected {name} as True or False, got 'no'"):
        classifier(**{name: "no"}).fit(X, Y)


@pytest.mark.parametrize("share", [0, 1.0, "half", float("nan")])
def test_the_error_for_a_share_of_validation_rows_names_the_parameter(share):
    with pytest.raises((ValueError, TypeError), match="expected validation_fraction to be"):
        classifier(early_stopping=True, validation_fraction=share).fit(X, Y)


@pytest.mark.parametrize("kind", ["S", "U", "M8[s]"])
def test_rows_of_text_or_dates_are_refused(kind):
    x, y = np.zeros((20, 3)).astype(kind), np.arange(20) % 2
    with pytest.raises(
        TypeError, match=r"X as an array of numbers, got text or dates; use X.astype"
    ):
        MLPClassifier().fit(x, y)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_the_error_for_a_missing_label_names_the_row(method):
    y = pandas.Series(["a", "b", "b", pandas.NA], dtype="string")
    options = {} if method == "fit" else {"classes": ["a", "b"]}
    with pytest.raises(ValueError, match=r"expected y without missing values, got one in row 3"):
        getattr(MLPClassifier(), method)(np.zeros((4, 2)), y, **options)


def test_a_text_such_as_none_is_a_label():
    y = np.array(["None", "some", "nan"] * 4, object)
    assert set(classifier().fit(X[:12], y).classes_) == {"None", "some", "nan"}


def test_classes_beyond_int64_are_refused_without_a_warning():
    with pytest.raises(ValueError, match="Unknown label type"):
        MLPClassifier().partial_fit(np.zeros((2, 2)), [0, 1], classes=(1e300, 1.0))
