"""Promises of `minnet.Doctor` and `minnet.diagnose`."""

import contextlib
import copy
import json
import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import make_classification

import minnet
from minnet import (
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Dense,
    Doctor,
    Layer,
    MeanSquaredError,
    Param,
    ReLU,
    Residual,
    RMSProp,
    Sequential,
    Sigmoid,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
    Tanh,
)
from minnet.doctor import CAUSES
from minnet.doctor.remedies import ACTIONS
from minnet.doctor.steps import overfitting
from minnet.doctor.training import Score
from minnet.initializers import constant

(DIGITS_X, DIGITS_Y), DIGITS_TEST = minnet.datasets.digits()
RNG = np.random.default_rng(0)
CURVE_X = RNG.uniform(-3, 3, (300, 2))
CURVE_Y = (np.sin(2 * CURVE_X[:, :1]) + 0.5 * CURVE_X[:, 1:] ** 2).astype(np.float32)
CURVE = (CURVE_X[:200], CURVE_Y[:200]), (CURVE_X[200:], CURVE_Y[200:])


def observed(net, train, test, *, loss=None, lr=0.1, optimizer=None, epochs=6, batch_size=32, **kw):
    """Train under a doctor and return it; a training that diverges ends early."""
    doctor = Doctor(test)
    optimizer = optimizer or SGD(net, lr=lr)
    with contextlib.suppress(FloatingPointError):
        minnet.fit(
            net, *train, loss=loss or SoftmaxCrossEntropy(), optimizer=optimizer, epochs=epochs,
            batch_size=batch_size, probes=[doctor], rng=0, **kw,
        )  # fmt: skip
    return doctor


def digits(net, **options):
    """Return the diagnosis of a training on digits."""
    return observed(net, (DIGITS_X, DIGITS_Y), DIGITS_TEST, **options).diagnosis()


def healthy_net(**options):
    return Sequential(
        [Dense(64, 32, init="he_normal"), ReLU(), Dense(32, 32, init="he_normal"), ReLU(),
         Dense(32, 10)], rng=0, **options,
    )  # fmt: skip


class Gain(Layer):
    """y = x g, with a wrong sign in dx if ``wrong``."""

    wrong = False

    def __init__(self, features):
        self.in_features = self.out_features = features
        self.params["gain"] = Param(np.ones(features))

    def compute(self, x, y, training):
        y[...] = x * self.params["gain"].value

    def differentiate(self, dy, dx):
        self.params["gain"].grad = (dy * self.x).sum(axis=0)
        dx[...] = (-dy if self.wrong else dy) * self.params["gain"].value


def with_gain(wrong):
    gain = Gain(32)
    gain.wrong = wrong
    return Sequential([Dense(64, 32), ReLU(), gain, Dense(32, 32), ReLU(), Dense(32, 10)], rng=0)


def test_there_are_twenty_one_causes():
    assert len(CAUSES) == len(set(CAUSES)) == 21


def test_a_healthy_training_is_healthy_and_the_report_states_what_was_checked():
    diagnosis = digits(healthy_net(), epochs=10)
    assert diagnosis.healthy
    assert diagnosis.findings == []
    text = str(diagnosis)
    assert "healthy" in text
    assert "gradient" in text
    assert "learning rate" in text


def test_training_is_bitwise_equal_with_a_doctor():
    plain, probed = healthy_net(), healthy_net()
    options = {"loss": SoftmaxCrossEntropy(), "epochs": 2, "batch_size": 32, "rng": 0}
    first = minnet.fit(plain, DIGITS_X, DIGITS_Y, optimizer=Adam(plain), **options)
    doctor = Doctor(DIGITS_TEST)
    second = minnet.fit(
        probed, DIGITS_X, DIGITS_Y, optimizer=Adam(probed), probes=[doctor], **options
    )
    assert np.array_equal(plain.theta, probed.theta)
    assert first.step_loss == second.step_loss
    doctor.diagnosis()
    assert np.array_equal(plain.theta, probed.theta)


@pytest.mark.parametrize("init", ["he_normal", "zeros"])
def test_two_diagnoses_of_one_training_are_equal(init):
    net = Sequential([Dense(64, 32, init=init), ReLU(), Dense(32, 10)], rng=0)
    doctor = observed(net, (DIGITS_X, DIGITS_Y), DIGITS_TEST, lr=1e-4)
    assert doctor.diagnosis().to_dict() == doctor.diagnosis().to_dict()


@pytest.mark.parametrize(
    ("cause", "layer", "layers", "options"),
    [
        ("symmetry", "dense1",
         lambda: [Dense(64, 16, init="zeros"), ReLU(), Dense(16, 10)], {}),
        ("no_output_layer", "relu2",
         lambda: [Dense(64, 32), ReLU(), Dense(32, 24), ReLU()], {}),
        ("output_loss_mismatch", "tanh1",
         lambda: [Dense(64, 32), ReLU(), Dense(32, 10), Tanh()], {}),
        ("lr_too_low", None, lambda: [Dense(64, 32), ReLU(), Dense(32, 10)], {"lr": 1e-4}),
        ("lr_too_high", None, lambda: [Dense(64, 32), ReLU(), Dense(32, 10)], {"lr": 30.0}),
    ],
)  # fmt: skip
def test_a_fault_is_found_with_cause_and_layer(cause, layer, layers, options):
    diagnosis = digits(Sequential(layers(), rng=0), **options)
    first = diagnosis.findings[0]
    assert (first.cause, first.layer) == (cause, layer)
    assert 0 <= first.confidence <= 1
    assert first.remedies
    assert first.evidence
    assert cause in str(diagnosis)
    assert all(remedy.action and remedy.text for remedy in first.remedies)


def test_a_wrong_gradient_is_found_and_a_right_one_is_not():
    first = digits(with_gain(wrong=True)).findings[0]
    assert (first.cause, first.layer) == ("wrong_gradient", "gain1")
    assert (first.remedies[0].action, first.remedies[0].arguments) == (
        "fix_backward", {"layer": "gain1"},
    )  # fmt: skip
    assert digits(with_gain(wrong=False), epochs=10).healthy


def test_a_missing_nonlinearity_is_found():
    net = Sequential([Dense(2, 32), Dense(32, 32), Dense(32, 1)], rng=0)
    doctor = observed(net, *CURVE, loss=MeanSquaredError(), lr=0.02, epochs=40)
    first = doctor.diagnosis().findings[0]
    assert (first.cause, first.layer) == ("missing_nonlinearity", "dense1")
    assert first.remedies[0].action == "insert_activation"


def test_unscaled_targets_are_found():
    (x, y), (x_test, y_test) = CURVE
    net = Sequential([Dense(2, 32), Tanh(), Dense(32, 1)], rng=0)
    train, test = (x, 1000 * y + 500), (x_test, 1000 * y_test + 500)
    doctor = observed(net, train, test, loss=MeanSquaredError(), optimizer=Adam(net, lr=0.01),
                      epochs=20)  # fmt: skip
    first = doctor.diagnosis().findings[0]
    assert (first.cause, first.remedies[0].action) == ("unscaled_targets", "scale_targets")


def test_frozen_weights_are_found_if_training_them_helps():
    net = Sequential([Dense(2, 6), Tanh(), Dense(6, 6), Tanh(), Dense(6, 1)], rng=0)
    net["dense1"].trainable = False
    doctor = observed(net, *CURVE, loss=MeanSquaredError(), optimizer=Adam(net, lr=0.02), epochs=60)
    first = doctor.diagnosis().findings[0]
    assert (first.cause, first.layer) == ("frozen_layer", "dense1")


def test_a_tried_remedy_states_the_steps_and_the_result():
    remedy = digits(healthy_net(), lr=1e-4).findings[0].remedies[0]
    assert remedy.action == "set_lr"
    assert remedy.arguments["value"] > 1e-4
    assert "steps: accuracy" in remedy.text


def test_without_trials_no_remedy_is_tried():
    net = Sequential([Dense(64, 16, init="zeros"), ReLU(), Dense(16, 10)], rng=0)
    doctor = Doctor(DIGITS_TEST, trials=False)
    minnet.fit(net, DIGITS_X, DIGITS_Y, loss=SoftmaxCrossEntropy(), optimizer=SGD(net, lr=0.1),
               epochs=2, batch_size=32, probes=[doctor])  # fmt: skip
    first = doctor.diagnosis().findings[0]
    assert first.cause == "symmetry"
    assert "tried" not in first.remedies[0].text


def test_diagnose_changes_nothing():
    net = Sequential([Dense(64, 16), BatchNorm(16), ReLU(), Dense(16, 10)], rng=0)
    optimizer = Adam(net)
    before = net.theta.copy(), {k: v.copy() for k, v in (net.state | optimizer.state).items()}
    diagnosis = minnet.diagnose(
        net, DIGITS_X, DIGITS_Y, loss=SoftmaxCrossEntropy(), optimizer=optimizer, batch_size=32,
        validation_data=DIGITS_TEST,
    )  # fmt: skip
    assert diagnosis.checked
    assert np.array_equal(net.theta, before[0])
    assert all(np.array_equal(v, before[1][k]) for k, v in (net.state | optimizer.state).items())
    assert (optimizer.steps, optimizer.history, net.history) == (0, None, None)
    assert net["dense1"].x is None


def test_diagnose_validates_its_arguments():
    net = healthy_net()
    with pytest.raises(ValueError, match="steps to be at least 1"):
        minnet.diagnose(net, DIGITS_X, DIGITS_Y, loss=SoftmaxCrossEntropy(), optimizer=SGD(net),
                        batch_size=32, steps=0)  # fmt: skip


def test_too_little_observed():
    diagnosis = Doctor().diagnosis()
    assert not diagnosis.healthy
    assert diagnosis.findings == []
    assert "not enough observed" in str(diagnosis)


def test_a_network_that_cannot_be_copied_trains_and_is_not_diagnosed():
    class Locked(Gain):
        def __deepcopy__(self, memo):
            raise TypeError("locked")

    net = Sequential([Dense(64, 32), Locked(32), ReLU(), Dense(32, 10)], rng=0)
    diagnosis = digits(net, epochs=1)
    assert "cannot be copied" in diagnosis.problem
    assert net.history.steps == -(-len(DIGITS_X) // 32)


def test_a_diagnosis_becomes_json_and_escaped_html():
    diagnosis = digits(healthy_net(), lr=1e-4)
    assert json.loads(json.dumps(diagnosis.to_dict()))["findings"][0]["cause"] == "lr_too_low"
    diagnosis.findings[0].explanation = "a < b"
    assert "a &lt; b" in diagnosis._repr_html_()


@pytest.mark.parametrize("trials", [True, False])
@pytest.mark.parametrize(
    ("layers", "loss", "y", "options"),
    [
        ([Dense(3, 4), ReLU(), Dense(4, 2)], SoftmaxCrossEntropy(), np.arange(20) % 2, {}),
        ([Dense(3, 4), ReLU(), Dense(4, 2)], SoftmaxCrossEntropy(), np.zeros(20, int), {}),
        ([Dense(3, 1)], MeanSquaredError(), np.full((20, 1), 2.0), {}),
        ([Dense(3, 4), Tanh(), Dense(4, 2)], MeanSquaredError(), np.ones((20, 2)), {}),
        ([Dense(3, 4), Sigmoid(), Dense(4, 1)], SigmoidBinaryCrossEntropy(),
         (np.arange(20) % 2)[:, None], {}),
        ([Dense(3, 4), Sigmoid(), Dense(4, 3)], SigmoidBinaryCrossEntropy(),
         np.arange(60).reshape(20, 3) % 2, {}),
        ([Dense(3, 4), BatchNorm(4), ReLU(), Residual(Dense(4, 4), ReLU()), Dense(4, 2)],
         SoftmaxCrossEntropy(), np.arange(20) % 2, {"batch_size": 2}),
        ([Dense(3, 4), ReLU(), Dense(4, 2)], SoftmaxCrossEntropy(), np.arange(20) % 2,
         {"lr": 1e30}),
        ([Dense(3, 4), ReLU(), Dense(4, 2)], SoftmaxCrossEntropy(), np.arange(20) % 2,
         {"schedule": minnet.schedules.cosine(0.1, steps=40), "sample_weight": np.ones(20)}),
        ([ReLU()], MeanSquaredError(), np.ones((20, 3)), {}),
    ],
)  # fmt: skip
def test_every_training_gets_a_diagnosis(layers, loss, y, options, trials):
    x = np.random.default_rng(0).standard_normal((20, 3))
    for epochs in (1, 3):
        net = Sequential(copy.deepcopy(layers), rng=0)
        doctor = observed(net, (x, y), (x[:9], y[:9]), loss=loss,
                          **{"batch_size": 5, "epochs": epochs} | options)  # fmt: skip
        doctor.trials = trials
        diagnosis = doctor.diagnosis()
        assert str(diagnosis)
        assert diagnosis.checked


def test_the_optimizer_of_a_copy_has_the_state_of_its_network():
    net = Sequential([Dense(1, 1)], rng=0)  # as many parameters as entries
    doctor = Doctor()
    minnet.fit(net, np.ones((4, 1)), np.ones((4, 1)), loss=MeanSquaredError(), optimizer=Adam(net),
               epochs=1, batch_size=2, probes=[doctor])  # fmt: skip
    larger = doctor._case.training.with_net(Sequential([Dense(1, 3), Dense(3, 1)], rng=0))
    assert larger.optimizer.net is larger.net
    shapes = {name: array.shape for name, array in larger.optimizer.state.items()}
    assert shapes == {"mean": (10,), "square": (10,), "frozen_steps": (4,)}


def test_the_step_that_diverged_is_observed():
    net = healthy_net()
    doctor = observed(net, (DIGITS_X, DIGITS_Y), DIGITS_TEST, lr=1e4)
    first = doctor.diagnosis().findings[0]
    assert first.cause == "lr_too_high"
    assert first.remedies[0].arguments["value"] < 1e4


def test_ctrl_c_during_trials_leaves_everything_as_it_was(monkeypatch):
    net = healthy_net()
    doctor = observed(net, (DIGITS_X, DIGITS_Y), DIGITS_TEST, lr=1e-4)
    theta = net.theta.copy()

    def interrupt(training, **arguments):
        training.net.theta[...] = 0
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(ACTIONS, "set_lr", interrupt)
        with pytest.raises(KeyboardInterrupt):
            doctor.diagnosis()
    assert np.array_equal(net.theta, theta)
    assert doctor.diagnosis().findings[0].cause == "lr_too_low"


def test_the_validation_data_of_the_doctor_is_validated_by_fit():
    net = healthy_net()
    with pytest.raises(ValueError, match="validation x"):
        minnet.fit(net, DIGITS_X, DIGITS_Y, loss=SoftmaxCrossEntropy(), optimizer=SGD(net),
                   epochs=1, batch_size=32,
                   probes=[Doctor((DIGITS_X[:, :3], DIGITS_Y))])  # fmt: skip


def test_a_training_that_diverged_has_a_finding_even_if_no_remedy_helps():
    net = healthy_net()
    net.theta *= 1e12
    diagnosis = observed(net, (DIGITS_X, DIGITS_Y), DIGITS_TEST, lr=1e30, epochs=1).diagnosis()
    assert diagnosis.findings
    assert not any(text.startswith("not ") for text in diagnosis.checked)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_rows_that_are_all_equal_are_the_cause_and_do_not_contradict_their_labels(value):
    x, y = np.full((60, 4), value), RNG.integers(0, 2, 60)
    net = Sequential([Dense(4, 8), ReLU(), Dense(8, 2)], rng=0)
    found = observed(net, (x, y), (x, y)).diagnosis().findings
    causes = [finding.cause for finding in found]
    assert causes[0] == "constant_features"
    assert "label_noise" not in causes


@pytest.mark.parametrize("wrong", ["training labels", "all labels", "other rows"])
@pytest.mark.parametrize("validated", [False, True])
def test_labels_of_other_rows_are_found_with_and_without_validation_rows(wrong, validated):
    x_test, y_test = DIGITS_TEST
    rng = np.random.default_rng(0)
    labels = np.roll(DIGITS_Y, 1) if wrong == "other rows" else rng.permutation(DIGITS_Y)
    test = (x_test, rng.permutation(y_test) if wrong == "all labels" else y_test)
    doctor = observed(healthy_net(), (DIGITS_X, labels), test if validated else None)
    assert doctor.diagnosis().findings[0].cause == "label_noise"


@pytest.mark.parametrize(("n", "share", "expected"), [(300, 0.3, True), (80, 0.0, False)])
def test_noisy_labels_are_told_from_few_rows_by_the_validation_rows(n, share, expected):
    rng, rows = np.random.default_rng(0), slice(n)
    labels = DIGITS_Y[rows].copy()
    noisy = rng.random(len(labels)) < share
    labels[noisy] = rng.integers(0, 10, noisy.sum())
    x_test, y_test = DIGITS_TEST
    test = np.concatenate([x_test, DIGITS_X[n:]]), np.concatenate([y_test, DIGITS_Y[n:]])
    net = Sequential([Dense(64, 32), ReLU(), Dense(32, 10)], rng=0)
    found = observed(
        net, (DIGITS_X[rows], labels), test, optimizer=Adam(net), epochs=30
    ).diagnosis()
    assert ("label_noise" in [finding.cause for finding in found.findings]) == expected


def test_a_remedy_that_only_reaches_a_constant_output_does_not_help():
    x = np.random.default_rng(1).standard_normal((400, 4))
    y = np.random.default_rng(2).integers(0, 2, 400)  # without relation to x
    net = Sequential([Dense(4, 8), Tanh(), Dense(8, 2)], rng=0)
    doctor = observed(net, (x[:300], y[:300]), (x[300:], y[300:]), lr=0.5)
    assert "lr_too_high" not in [finding.cause for finding in doctor.diagnosis().findings]


@pytest.mark.parametrize("optimizer", [SGD, AdamW, RMSProp])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_units_that_stay_equal_are_certain_for_every_optimizer(optimizer, value):
    init = partial(constant, value=value)
    net = Sequential([Dense(64, 16, init=init), ReLU(), Dense(16, 10, init="zeros")], rng=0)
    found = digits(net, optimizer=optimizer(net, lr=0.001), epochs=3).findings
    assert (found[0].cause, found[0].layer) == ("symmetry", "dense1")
    assert found[0].evidence["spread_at_end"] < 1e-5
    assert found[0].confidence > 0.9


@pytest.mark.parametrize("scale", [1.8, 2.0])
def test_growth_over_depth_is_found_whether_or_not_the_training_diverges(scale):
    layers = [la for _ in range(6) for la in (Dense(32, 32, init="he_normal"), ReLU())]
    net = Sequential([Dense(64, 32, init="he_normal"), ReLU(), *layers, Dense(32, 10)], rng=0)
    for k in range(1, 8):
        net[f"dense{k}"].params["weight"].value *= scale
    assert digits(net, lr=0.05).findings[0].cause == "explosion"


@pytest.mark.parametrize(("loss", "gap", "expected"), [(1.0, 0.2, False), (1.5, 0.2, True)])
def test_overfitting_needs_a_rising_validation_loss(loss, gap, expected):
    case = SimpleNamespace(
        points_name="accuracy",
        training=SimpleNamespace(validation=CURVE), fits=True, gap=gap, train_end=0.95,
        score_error=0.01, end=Score(0.95 - gap, loss),
        scores=[(0, Score(0.1, 2.0)), (50, Score(0.7, 0.98)), (100, Score(0.95 - gap, loss))],
    )  # fmt: skip
    assert (overfitting(case) is not None) == expected


@pytest.mark.parametrize("lr", [1e-5, 0.1])
@pytest.mark.parametrize("labels", ["overlap", "parity"])
def test_labels_that_near_rows_do_not_predict_are_not_called_noisy(labels, lr):
    if labels == "overlap":
        x, y = make_classification(800, 20, n_informative=6, n_classes=3, random_state=1)
    else:
        x = np.random.default_rng(1).choice([-1.0, 1.0], (1000, 20))
        y = (x[:, 0] * x[:, 1] > 0).astype(int)
    net = Sequential([Dense(20, 64), ReLU(), Dense(64, 3)], rng=0)
    found = observed(net, (x, y), None, lr=lr, epochs=30).diagnosis().findings
    assert "label_noise" not in [finding.cause for finding in found]


def test_noisy_labels_of_overlapping_classes_are_found_without_validation_rows():
    x, y = make_classification(800, 20, n_informative=6, n_classes=3, random_state=1)
    noisy = RNG.random(len(y)) < 0.5
    y[noisy] = RNG.integers(0, 3, noisy.sum())
    net = Sequential([Dense(20, 64), ReLU(), Dense(64, 3)], rng=0)
    found = observed(net, (x, y), None, epochs=10).diagnosis().findings
    assert "label_noise" in [finding.cause for finding in found]


def test_trials_take_at_most_as_many_steps_as_the_training():
    doctor = observed(healthy_net(), (DIGITS_X, DIGITS_Y), DIGITS_TEST, lr=0.002, epochs=30)
    texts = doctor.diagnosis().checked
    tried = [int(m[1]) for m in (re.search(r"tried for (\d+) steps", t) for t in texts) if m]
    assert tried
    assert sum(tried) <= doctor._case.training.steps


def test_the_time_of_trials_leaves_time_for_the_examination_of_many_layers():
    layers = [la for _ in range(9) for la in (Dense(16, 16, init="he_normal"), ReLU())]
    net = Sequential([Dense(64, 16, init="he_normal"), ReLU(), *layers, Dense(16, 10)], rng=0)
    for k in range(1, 11):
        net[f"dense{k}"].params["weight"].value *= 2
    doctor = observed(net, (DIGITS_X, DIGITS_Y), DIGITS_TEST, lr=0.05, epochs=25)
    diagnosis, training = doctor.diagnosis(), doctor._case.training
    assert diagnosis.findings[0].cause == "explosion"
    tried = [int(m[1]) for m in (re.search(r"for (\d+) steps", t) for t in diagnosis.checked) if m]
    assert 0 < sum(tried) < 0.8 * training.steps


def test_units_that_are_active_for_few_rows_are_dead():
    net = Sequential([Dense(64, 64), ReLU(), Dense(64, 10)], rng=0)
    net["dense1"].params["bias"].value = -3.5
    found = digits(net, lr=0.05).findings
    assert (found[0].cause, found[0].layer) == ("dead_units", "dense1")


def test_a_learning_rate_far_too_large_for_rmsprop_gets_one_that_trains():
    net = healthy_net()
    found = digits(net, optimizer=RMSProp(net, lr=0.3), epochs=8).findings
    assert found[0].cause == "lr_too_high"
    assert 5e-4 < found[0].remedies[0].arguments["value"] < 0.02


def dying():
    """Return the diagnosis of a training whose units die, although the loss falls steadily."""
    layers = [la for _ in range(2) for la in (Dense(128, 128, init="he_normal"), ReLU())]
    net = Sequential([Dense(64, 128, init="he_normal"), ReLU(), *layers, Dense(128, 10)], rng=0)
    return digits(net, optimizer=Adam(net, lr=0.05), epochs=3, batch_size=100)


def test_units_that_die_during_training_are_dead():
    first = dying().findings[0]
    assert (first.cause, first.layer) == ("dead_units", "dense1")
    assert 0 < first.step < 45
    assert first.evidence["dead"] > 0.5
    assert first.remedies[0].arguments["value"] < 0.05


def test_units_that_die_in_a_training_that_fails_follow_from_the_learning_rate():
    assert digits(healthy_net(), lr=2.0).findings[0].cause == "lr_too_high"


def test_a_remedy_of_two_causes_is_tried_once():
    diagnosis = dying()
    causes = [finding.cause for finding in diagnosis.findings]
    assert causes == ["dead_units", "lr_too_high"]
    first, second = (finding.remedies[0].text for finding in diagnosis.findings)
    assert first == second
    assert diagnosis.checked.count(first) == 1
