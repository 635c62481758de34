"""Diagnosis of answers: known mistakes, faults, constant factors, shapes, the worst entry."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from minnet.exercises import WrongAnswer, check, files, find, network, relations
from minnet.exercises.compare import relative_error
from minnet.exercises.diagnosis import diagnose, diagnose_answer
from minnet.exercises.exercise import Case, Exercise, returned
from minnet.exercises.observation import Observation, observe


def double(x, dy):
    """Right answer to the exercise of these tests: y = 2x with dx = 2dy."""
    return 2 * x, 2 * dy


TEXT = """
double(x, dy) -> y, dx
    y = 2 * x     # y
    dx = 2 * dy   # dx
mistake tripled
    y is tripled.
    Why?
    y = 3 * x
mistake both_tripled
    all is tripled.
    Why?
    y = 3 * x
    dx = 3 * dy
mistake dx_squared
    dx is squared.
    Why?
    dx = dy ** 2
"""


def exercise(**changes):
    settings = {
        "number": 7,
        "name": "double",
        "title": "Double it",
        "minutes": 5,
        "answer": "double",
        "inputs": lambda rng: Case(x=rng.normal(size=(6, 5)), dy=rng.normal(size=(6, 5))),
        "run": lambda answer, case: returned(answer(case.x, case.dy), "y", "dx"),
        "text": TEXT,
        "derivatives": {"dx": "x"},
    }  # fmt: skip
    return Exercise(**(settings | changes))


def diagnosis(answer, **changes):
    """Return the message without exercise and hint, and the id of the mistake."""
    with pytest.raises(WrongAnswer) as wrong:
        check(exercise(**changes), answer, seed=3)
    message = str(wrong.value)
    assert message.startswith("e07 double: ")
    assert message.endswith(" Hint: minnet exercises hint 7")
    return message[12:-30], wrong.value.mistake


def test_a_right_answer_returns_none():
    assert check(exercise(), double) is None


def test_a_known_mistake_is_reported_with_its_message():
    assert diagnosis(lambda x, dy: (3 * x, 2 * dy)) == ("y is tripled.", "tripled")
    assert diagnosis(lambda x, dy: (3 * x, 3 * dy)) == ("all is tripled.", "both_tripled")
    assert diagnosis(lambda x, dy: (2 * x, dy**2)) == ("dx is squared.", "dx_squared")


def test_the_first_of_two_mistakes_is_reported():
    assert diagnosis(lambda x, dy: (3 * x, dy**2))[1] == "tripled"


def relation(found, right=None, **inputs):
    """Return the description of a wrong result that no mutant explains."""
    case = Case(x=np.random.default_rng(0).normal(size=(6, 5)), **inputs)
    right = 2 * case.x if right is None else right
    return relations.describe(case, {"y": right}, {"y": np.asarray(found(right))}, ["y"])


FACTORS = pytest.mark.parametrize(
    ("factor", "text"),
    [(6, "N = 6"), (1 / 6, "1/N = 1/6"), (5, "C = 5"), (1 / 5, "1/C = 1/5"), (2, "2"), (-1, "-1")],
)


@FACTORS
def test_a_constant_factor_is_reported(factor, text):
    assert relation(lambda right: factor * right) == f"y is {text} times what it should be."


@FACTORS
def test_only_common_factors_are_reported_for_a_single_number(factor, text):
    right = np.float64(3.7)
    assert relation(lambda right: factor * right, right) == f"y is {text} times what it should be."
    message = relation(lambda right: 0.3 * factor * right, right)
    assert message.startswith("y is ")
    assert ", but should be 3.7 " in message


def test_n_and_c_are_rows_and_columns_of_the_batch():
    weight = np.ones((4, 3))
    message = relation(lambda right: 3 * right, weight=weight)
    assert message == "y is 3 times what it should be."
    message = relation(lambda right: 6 * right, weight=weight)
    assert message == "y is N = 6 times what it should be."


def _in_row(right, row):
    found = right.copy()
    found[row] = 7.5
    return found


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (lambda right: 3.7 * right + 1, "y is 3.7 times what it should be, plus 1."),
        (lambda right: right + 1, "y is what it should be plus 1 in every entry."),
        (lambda right: 0 * right + 4, "y is the number 4 in every entry."),
        (np.abs, "y is right except for the sign of some entries."),
        (lambda right: right[::-1], "y is right except for the order of the entries."),
        (lambda right: _in_row(right, 2), "; only row 2 is wrong, where it is the number 7.5 in"),
        (lambda right: _in_row(right, [2, 4]), "; only rows 2, 4 are wrong"),
        (lambda right: _in_row(right.T, 1).T, "; only column 1 is wrong"),
        (lambda right: np.where(right < 0, 0.1 * right, right),
         "; the wrong entries are those where x is negative, where it is 0.1 times what"),
        (lambda right: np.minimum(right, 1.5), "y is limited to values of at most 1.5."),
        (lambda right: np.clip(right, -1, 1), "limited to values of at least -1 and at most 1."),
        (lambda right: right * np.arange(2, 7), "; each column has a factor of its own, such as 2"),
        (lambda right: right + np.arange(2, 8)[:, None], "; each row is shifted by a number"),
        (lambda right: right * (2 + np.cos(right)), "; all entries are too "),
        (lambda right: right.round(3), ": right to about 3 digits, as if rounded"),
    ],
)  # fmt: skip
def test_the_relation_to_the_right_result_is_described(found, message):
    assert message in relation(found)


def test_a_single_right_entry_gives_no_bound_of_an_input():
    message = relation(lambda right: np.where(right == right.max(), right, np.cos(right)))
    assert "where" not in message
    assert message.endswith("97% of the entries are wrong.")


def test_the_right_results_are_listed_the_most_similar_first():
    def found(x, dy):
        return 2 * x, dy * (2 + np.cos(dy))

    assert diagnosis(found)[0].endswith(". Right: y.")


def test_a_right_derivative_of_a_wrong_forward_is_reported():
    message, _ = diagnosis(lambda x, dy: (x**3, 3 * x**2 * dy))
    assert message.startswith("the backward is the right derivative of a wrong forward: y[")
    message, _ = diagnosis(lambda x, dy: (x**3, 2 * dy))
    assert message.startswith("y[")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x, dy: (np.zeros((6, 5)), dy), "y is all zeros."),
        (lambda x, dy: (x.copy(), dy), "y: in y and dx, 2 is missing as a factor."),
        (lambda x, dy: (2 * x, 2 * x), "dx: x is used where dy belongs."),
        (lambda x, dy: (2 * x.T, dy), "y: it is transposed."),
        (lambda x, dy: (2 * x[:5], dy), "y: the last row is left out."),
        (lambda x, dy: (2 * x[:4], dy), "y has shape (4, 5), but should have (6, 5)."),
        (lambda x, dy: (2 * x[0], dy), "y has shape (5,), but should have (6, 5)."),
        (lambda x, dy: (2.3, dy), "y has shape (), but should have (6, 5)."),
        (lambda x, dy: ((2 * x).astype("f4"), dy), "y is float32, but should be float64"),
        (lambda x, dy: (x.astype("f4"), 2 * dy), "y: 2 is missing as a factor."),
        (lambda x, dy: (2.0002 * x, 2 * dy), ": right to about 3 digits. Right: dx"),
        (lambda x, dy: (x > 0, dy), "y holds True and False, but should hold numbers."),
        (
            lambda x, dy: None,
            "it should return y, dx, but returned None; is a return missing?",
        ),
        (
            lambda x, dy: [2 * x, 2 * dy],
            "it should return y, dx, but returned a list; write `return y, dx`.",
        ),
        (lambda x, dy: x, "it should return y, dx, but returned ndarray."),
        (lambda x, dy: (x, dy, x), "it should return y, dx, but returned 3 values."),
        (lambda x, dy: (None, dy), "y is None; is a return missing?"),
        (
            lambda x, dy: ((2 * x).tolist(), dy),
            "y should be a NumPy array, but it is of type list.",
        ),
        (lambda x, dy: (np.ma.array(2 * x), dy), "type MaskedArray."),
        (lambda x, dy: (x.astype(str), dy), "y should hold numbers, but its dtype is <U32."),
        (lambda x, dy: (x * np.nan, dy), "y holds NaN."),
        (lambda x, dy: (x + np.inf, dy), "y holds infinity."),
    ],
)
def test_wrong_types_shapes_and_simple_relations_are_reported(answer, message):
    assert message in diagnosis(answer)[0]


def test_a_transposed_square_matrix_is_reported():
    def square(rng):
        return Case(x=rng.normal(size=(5, 5)), dy=rng.normal(size=(5, 5)))

    assert diagnosis(lambda x, dy: (2 * x.T, dy), inputs=square)[0] == "y: it is transposed."


def test_the_worst_entry_is_reported_with_both_values():
    def off(x, dy):
        y = 2 * x
        y[4, 1] += 1
        return y, 2 * dy

    x = exercise().inputs(np.random.default_rng(3)).x
    message, mistake = diagnosis(off, derivatives={})
    assert mistake is None
    assert message.startswith(
        f"y[4, 1] is {2 * x[4, 1] + 1:.6g}, but should be {2 * x[4, 1]:.6g} (relative error "
    )


def test_an_exception_is_reported_with_the_line_of_the_answer():
    def fails(x, dy):
        return x @ dy, dy

    message, mistake = diagnosis(fails)
    assert "ValueError in line " in message
    assert "`return x @ dy, dy`: matmul: Input operand" in message
    assert mistake == "error"


def test_system_exit_is_reported_as_an_exception():
    def leaves(x, dy):
        raise SystemExit(3)

    assert "SystemExit in line" in diagnosis(leaves)[0]


def test_not_implemented_names_the_last_right_result():
    def stub(x, dy):
        raise NotImplementedError

    def half(answer, case):
        yield "y", 2 * case.x
        yield "dx", answer(case.x, case.dy)

    assert diagnosis(stub) == ("not implemented yet.", "not_implemented")
    message = "y is right; what comes after it is not implemented yet."
    assert diagnosis(stub, run=half) == (message, "not_implemented")


@pytest.mark.parametrize("name", ["dweight", "dbias"])
def test_a_gradient_that_was_never_set_is_reported(name):
    source = (
        "class Dense:\n"
        "    def __init__(self, weight, bias):\n        self.weight, self.bias = weight, bias\n"
        "    def forward(self, x):\n        self.x = x\n"
        "        return x @ self.weight + self.bias\n"
        "    def backward(self, dy):\n        self.dweight = self.x.T @ dy\n"
        "        self.dbias = dy.sum(axis=0)\n        return dy @ self.weight.T\n"
    ).replace(f"self.{name}", "unused")
    dense = files.answer_in(find("dense"), source, "e01_dense.py")
    with pytest.raises(WrongAnswer, match=rf"e01 dense: backward should set self\.{name}\. Hint"):
        check("dense", dense)


def test_a_wrong_result_before_a_fault_is_reported_first():
    def run(answer, case):
        yield "y", answer(case.x, 0 * case.dy)[0]
        yield "dx", answer(case.x, case.dy)[1]

    def fails(x, dy):
        if dy.any():
            raise KeyError
        return 3 * x, dy

    assert diagnosis(fails, run=run) == ("y is tripled.", "tripled")


@pytest.mark.parametrize("name", ["x", "dy"])
def test_writing_to_an_input_is_reported(name):
    def writes(x, dy):
        {"x": x, "dy": dy}[name][0, 0] += 1e-9
        return 2 * x, 2 * dy

    message, mistake = diagnosis(writes)
    assert message == f"it writes into its argument {name}; work on a copy of it."
    assert mistake == "input_changed"


def test_a_second_run_that_differs_is_reported():
    calls = []

    def counts(x, dy):
        calls.append(x)
        return 2 * x + 1e-3 * (len(calls) - 1), 2 * dy

    message, mistake = diagnosis(counts)
    assert message.startswith("y differs in a second run with the same inputs")
    assert mistake == "second_run_differs"


@pytest.mark.parametrize(
    ("expression", "mistake"),
    [
        (lambda x: np.exp(x * 0 + 1e4), "overflow"),
        (lambda x: np.log(x * 0), "divide_by_zero"),
        (lambda x: (x * 0) / (x * 0), "invalid_value"),
        (lambda x: 1 / 0, "divide_by_zero"),
        (lambda x: 10.0**400, "overflow"),
    ],
)
def test_floating_point_faults_have_an_id(expression, mistake):
    assert diagnosis(lambda x, dy: (2 * x + 0 * expression(x), 2 * dy))[1] == mistake


@pytest.mark.parametrize("mode", ["ignore", "raise"])
def test_the_errstate_of_the_caller_has_no_effect(mode):
    def train(answer):
        answer(np.array([1e-300]), np.array([1e-300]))
        np.exp(np.array([1e4, -1e4]))
        logits = np.zeros((360, 10))
        logits[np.arange(360), network.digits()[1][1]] = 1
        return logits

    def overflows(x, dy):
        return 2 * x + 0 * np.exp(-np.exp(x * 0 + 1e4)), 2 * dy

    def underflows(x, dy):
        return 2 * x + x * 1e-200 * 1e-200, 2 * dy

    with np.errstate(all=mode):
        assert diagnosis(overflows)[1] == "overflow"
        assert check(exercise(train=train), underflows) is None


def test_an_overflow_cannot_be_silenced_by_errstate():
    def silenced(x, dy):
        with np.errstate(all="ignore"):
            return 2 * x + 1 / np.exp(x * 0 + 1e4), 2 * dy

    def raised(x, dy):
        with np.errstate(over="raise", divide="ignore"):
            return 2 * x + 0 * np.exp(-(1 / np.abs(x * 0))), 2 * dy

    assert diagnosis(silenced)[1] == "overflow"
    assert check(exercise(), raised) is None


def test_a_numpy_warning_is_reported_with_the_line():
    message, _ = diagnosis(lambda x, dy: (2 * x + 1 / np.exp(x * 0 + 1e4), 2 * dy))
    assert message.startswith("NumPy warns of 'overflow encountered in exp' in line ")


def test_spurious_floating_point_flags_of_blas_are_ignored():
    def spurious(x, dy):
        warnings.warn("divide by zero encountered in matmul", RuntimeWarning, stacklevel=1)
        return double(x, dy)

    assert check(exercise(), spurious) is None


def test_an_answer_that_equals_everything_does_not_pass():
    class EqualsAll:
        def __eq__(self, other):
            return True

        __hash__ = None

    assert "type EqualsAll" in diagnosis(lambda x, dy: (EqualsAll(), EqualsAll()))[0]


def test_a_patched_allclose_has_no_effect(monkeypatch):
    monkeypatch.setattr(np, "allclose", lambda *_, **__: True)
    monkeypatch.setattr(np.testing, "assert_allclose", lambda *_, **__: None)
    assert diagnosis(lambda x, dy: (3 * x, 2 * dy))[1] == "tripled"


def test_missing_results_are_reported():
    case = exercise().inputs(np.random.default_rng(0))
    wrong = diagnose(exercise(), case, Observation({"y": 2 * case.x}))
    assert "there is no dx" in str(wrong)


def test_the_score_counts_right_results():
    case = exercise().inputs(np.random.default_rng(0))

    def score(answer):
        return diagnose(exercise(), case, observe(exercise(), answer, case, False)).score

    assert diagnose(exercise(), case, observe(exercise(), double, case, False)) is None
    assert score(lambda x, dy: (2 * x, dy)) == 1 / 3
    assert score(lambda x, dy: (x, dy)) == 0


def test_the_network_is_the_last_check():
    logits = np.zeros((360, 10))
    assert diagnosis(double, train=lambda answer: logits)[1] == "network"

    def fails(answer):
        raise TypeError("no dx")

    message, mistake = diagnosis(double, train=fails)
    assert message.startswith(
        "alone it works, but in a network on the digits it stops with TypeError in line "
    )
    assert message.endswith(": no dx.")
    assert mistake == "network"


def test_no_network_is_trained_if_the_answer_is_wrong():
    def train(answer):
        raise AssertionError("too early")

    with pytest.raises(WrongAnswer, match="tripled"):
        check(exercise(train=train), lambda x, dy: (3 * x, 2 * dy))


def test_the_answer_must_be_callable():
    with pytest.raises(TypeError, match="e07 double: expected the double of the stub, got 3"):
        check(exercise(), 3)


def test_a_notebook_shows_only_the_message():
    assert WrongAnswer("e01 dense: no.", "x")._render_traceback_() == ["e01 dense: no."]


def test_check_prints_one_line_for_a_right_answer_and_folds_its_output(capsys):
    path = Path(__file__).parent / "solutions" / "e14_clipping.py"
    clip = files.answer_in(find(14), path.read_bytes(), str(path))

    def talkative(*arguments):
        print("called")
        return clip(*arguments)

    check(14, clip)
    assert capsys.readouterr().out == "e14 clipping: right, and a network trains with it\n"
    check(14, talkative)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:8] == ["called"] * 8
    assert lines[8].startswith("... ")
    assert lines[8].endswith(" more lines")
    assert lines[-1] == "e14 clipping: right, and a network trains with it"


def test_relative_error_is_relative_to_the_largest_magnitude_but_at_least_1e_6():
    assert relative_error(np.array([0.0, 1.0]), np.array([0.0, 2.0])) == 0.5
    assert relative_error(np.array([1e-3]), np.array([2e-3])) == 0.5
    assert relative_error(np.array([1e-17]), np.array([0.0])) < 1e-10
    assert relative_error(np.array([np.nan]), np.array([1.0])) == np.inf
    assert relative_error(np.zeros((0, 3)), np.zeros((0, 3))) == 0.0


def test_a_file_saved_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "e14_clipping.py"
    path.write_text("def clipping(grads, max_norm):\n    return 7\n", encoding="utf-8-sig")
    answer = files.answer_in(find(14), files.read_source(path), str(path))
    assert answer([], 1.0) == 7


def test_an_endless_loop_is_reported_with_its_line(monkeypatch):
    def endless(x, dy):
        while True:
            pass

    monkeypatch.setattr("minnet.exercises.diagnosis.SECONDS", 0.1)
    wrong = diagnose_answer(exercise(), endless, 0, train=False)
    assert re.search(r"TimeoutError in line \d+, .*; look for an endless loop", str(wrong))
