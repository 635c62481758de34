"""The exercises: complete, with distinguishable mistakes, and without solutions in the package."""

import inspect
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import minnet.exercises
from minnet.exercises import catalog, check, devcheck, files, find
from minnet.exercises.catalog import names
from minnet.exercises.diagnosis import WrongAnswer

SOLUTIONS = Path(__file__).parent / "solutions"
EACH = pytest.mark.parametrize("exercise", catalog(), ids=names(), scope="module")


@pytest.fixture(autouse=True)
def _seeds_of_mutants(monkeypatch, request):
    """Compare wrong answers with the mutants of the seed that other tests use; for e08 of two."""
    seeds = (0, 1) if "[e08" in request.node.name else (0,)
    monkeypatch.setattr(devcheck, "MUTANT_SEEDS", seeds)


def _right(name):
    return devcheck.load_solutions(find(name), SOLUTIONS).RIGHT[0]


@EACH
def test_the_stub_is_not_implemented_and_there_are_three_hints(exercise):
    assert list(devcheck.file_problems(exercise)) == []


@EACH
def test_forms_are_equal_and_known_mistakes_are_recognized(exercise):
    assert list(devcheck.reference_problems(exercise)) == []


@EACH
def test_right_answers_pass_and_wrong_ones_are_diagnosed_over_20_seeds(exercise):
    solutions = devcheck.load_solutions(exercise, SOLUTIONS)
    assert list(devcheck.solution_problems(exercise, solutions)) == []
    check(exercise, solutions.RIGHT[0])


def test_exercises_are_numbered_and_named_like_their_modules():
    assert [exercise.number for exercise in catalog()] == list(range(1, 17))
    assert [exercise.file for exercise in catalog()] == list(names())


@EACH
def test_nothing_in_the_package_passes_as_an_answer(exercise):
    module = import_module(f"minnet.exercises.catalog.{exercise.file}")
    own = [
        value
        for value in vars(module).values()
        if callable(value) and getattr(value, "__module__", "") == module.__name__
    ]
    assert exercise.inputs in own
    for value in own:
        assert devcheck.find_wrong(exercise, value, 0) is not None, value


@EACH
def test_the_stub_leaves_every_body_to_be_written(exercise):
    answer = files.answer_in(exercise, files.stub(exercise), exercise.file)
    bodies = [answer] if inspect.isfunction(answer) else [
        method
        for name, method in vars(answer).items()
        if inspect.isfunction(method) and name != "__init__"
    ]  # fmt: skip
    for body in bodies:
        assert body.__code__.co_names.count("NotImplementedError") == 1


def test_the_package_holds_no_solutions():
    package = Path(minnet.exercises.__file__).parent
    kinds = {path.suffix for path in package.rglob("*") if path.is_file()} - {".pyc"}
    assert kinds == {".py", ".txt", ".md"}
    for path in package.rglob("*"):
        assert "solution" not in path.name
        if path.suffix in (".py", ".txt"):
            assert "RIGHT =" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "requested", [1, np.int8(1), "1", "01", "e1", "e01", "E01", "dense", "e01_dense", " dense "]
)
def test_an_exercise_is_found_by_number_or_name(requested):
    assert find(requested).name == "dense"


class Unfriendly:
    def __repr__(self):
        raise RuntimeError

    __str__ = __repr__


@pytest.mark.parametrize("requested", [0, 99, True, 1.0, "densest", "", None, Unfriendly()])
def test_an_unknown_exercise_is_rejected_with_a_list(requested):
    with pytest.raises(ValueError, match=r"there is no exercise .* e01_dense, "):
        find(requested)


def _one_maximum(logits, labels):
    """Softmax with one maximum for all rows, which divides 0 by 0 in rows far below it."""
    p = np.exp(logits - logits.max())
    p /= p.sum(axis=1, keepdims=True)
    one_hot = np.eye(logits.shape[1])[labels]
    loss = np.where(one_hot == 1, logits - np.logaddexp.reduce(logits, axis=1)[:, None], 0)
    return -loss.sum() / len(labels), (p - one_hot) / len(labels)


def _not_finite_hidden(logits, labels):
    loss, dlogits = _one_maximum(logits, labels)
    return loss, np.nan_to_num(dlogits, nan=1.0)


def _limited(logits, labels):
    """Clip with another limit than the one in the catalog."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    one_hot = np.eye(logits.shape[1])[labels]
    loss = -np.log(np.clip(p[one_hot == 1], 1e-8, 1)).mean()
    return loss, (p - one_hot) / len(labels)


def _weights_replaced(x, weights, deviations, activation):
    results = _right("variance_propagation")(x, weights, deviations, activation)
    weights[0] = weights[0] / 2
    return results


def _weight_written(x, weights, deviations, activation):
    weights[0] *= 2
    return _right("variance_propagation")(x, weights, deviations, activation)


def _norm_deleted(log, bins):
    del log[0]["norm"]
    return _right("vanishing_gradients")(log, bins)


def _clipped_written(log, bins):
    log[1]["clipped"][0] *= 2
    return _right("vanishing_gradients")(log, bins)


@pytest.mark.parametrize(
    ("name", "answer", "message"),
    [
        ("e03", _one_maximum, "one maximum is subtracted from all rows"),
        ("e03", _not_finite_hidden, "common and large logits together"),
        ("e03", _limited, "loss stops growing"),
        ("e05", _weights_replaced, "weights: the list or an array in it"),
        ("e05", _weight_written, "weights: the list or an array in it"),
        ("e06", _norm_deleted, "it changes the log"),
        ("e06", _clipped_written, "it changes the log"),
    ],
)
def test_a_mistake_is_recognized_in_another_implementation(name, answer, message):
    with pytest.raises(WrongAnswer, match=message):
        check(name, answer)


@EACH
def test_inputs_depend_on_the_seed_alone(exercise):
    first, second = (exercise.case(1) for _ in range(2))
    other = exercise.case(2)
    assert repr(vars(first)) == repr(vars(second)) != repr(vars(other))
    for value in vars(first).values():
        assert isinstance(value, np.ndarray | int | float | str)
