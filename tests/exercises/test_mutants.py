"""Mutants of a reference: generated from its steps, and recognized in other implementations."""

import ast
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from minnet.exercises import WrongAnswer, catalog, check, devcheck, files, find, mutants, words
from minnet.exercises.exercise import Case, Exercise, Invariant, returned
from minnet.exercises.mutants import mutants_of, results_of
from minnet.exercises.program import Program
from minnet.exercises.reference import parse, read
from minnet.exercises.rules import RULES, rewritings

SOLUTIONS = Path(__file__).parent / "solutions"
EACH = pytest.mark.parametrize("exercise", catalog(), ids=str, scope="module")


@pytest.mark.parametrize(
    ("name", "right", "wrong", "message"),
    sorted([  # the mutants of an exercise are generated once
        ("e01", "dy.sum(axis=0)", "dy[-1]", "dbias: only the last row is used"),
        ("e01", "self.x.T @ dy", "self.forward(self.x).T @ dy",
         "the output is used where x belongs"),
        ("e01", "return dy @ self.weight.T", "return dy @ self.weight.T * self.x",
         "dx: it is multiplied by x once too often"),
        ("e01", "return dy @ self.weight.T", "return dy @ self.weight",
         "dx: the weight is not transposed"),
        ("e01", "dy.sum(axis=0)", "np.full(dy.shape[1], dy.sum())",
         "dbias: the reduction is over all entries"),
        ("e01", "dy.sum(axis=0)", "dy.sum(axis=0) + getattr(self, 'dbias', 0)",
         "dbias of the second batch: it adds to its earlier value"),
        ("e02", "slope * x)", "0.01 * x)", "a fixed 0.01 is used where slope belongs"),
        ("e02", "upstream * np.where(on, 1.0, below)", "np.where(on, dy, below)",
         "dx of leaky_relu: dy is missing as a factor"),
        ("e02", "else x > 0", "else dy > 0", "dx of relu: dy is used where x belongs"),
        ("e02", "1 - y**2", "1 - np.tanh(y) ** 2", "dx of tanh: tanh"),
        ("e02", "else sigmoid(x)", "else sigmoid(-x)", "y of sigmoid: the sign is wrong"),
        ("e03", "axis=1, keepdims=True)\n    log_p = shifted - np.log(np.exp(shifted).sum(axis=1",
         "axis=1, keepdims=True)\n    log_p = shifted - np.log(np.exp(shifted).sum(axis=None",
         "loss: in the sum in softmax, the reduction is over all entries"),
        ("e03", "-log_p[rows, labels].mean()", "-np.log2(np.exp(log_p))[rows, labels].mean()",
         "in the logarithm of p at the label, the logarithm has base 2"),
        ("e03", "-log_p[rows, labels].mean()", "-log_p[:, labels].mean()",
         "every row is paired with all indices, not with one of its own"),
        ("e03", "dlogits = np.exp(log_p)", "dlogits = logits.copy()",
         "dlogits: logits is used where p belongs"),
        ("e03", "dlogits / len(labels)", "dlogits / logits.shape[1]",
         "dlogits: the number of classes is used where the number of rows belongs"),
        ("e04", "2 / (fan_in + fan_out) if rule", "2 / fan_in + fan_out if rule",
         "in the deviation of xavier, the parentheses around the denominator are missing"),
        ("e04", "else 3 * variance) ** 0.5", "else 1.5 * variance) ** 0.5",
         "in the limit of xavier and the limit of he, a factor 2 is missing"),
        ("e04", "weight = rng.normal(0,", "weight = rng.normal(0.5,", "do not have the mean 0"),
        ("e04", "rng.normal(size=shape))[0]", "rng.normal(size=shape))[1]",
         "a tall orthogonal weight does not have the shape"),
        ("e04", "rng.normal(size=shape))[0]",
         "np.eye(*shape)[rng.permutation(shape[0])])[0]", "rows or columns are unit vectors"),
        ("e04", "-limit, limit, shape)", "-limit, limit, (fan_in, 1)) + np.zeros(shape)",
         "in the weight of xavier_uniform rows or columns are equal to others"),
        ("e05", "np.mean(x**2)", "np.std(x)",
         "in E[h²] of x, the standard deviation is used where a mean square belongs"),
        ("e05", "weight.shape[0] * dev", "x.shape[1] * dev",
         "in Var(z) of the prediction, the number of features is used where fan_in belongs"),
        ("e05", "z.var()", "z.var(ddof=1)",
         "measured with linear: the variance divides by n - 1, not by n"),
        ("e05", "z.var()", "(z**2).mean()", "measured with linear: the square of the mean of z"),
        ("e05", "variance / 2 if", "variance if", "the share that the activation keeps is missing"),
        ("e06", "np.histogram(g, bins)", "np.histogram(np.abs(g), bins)",
         "in the values of the histogram, the absolute value of g is used where g belongs"),
        ("e06", "np.histogram(g, bins)", "np.histogram(g, bins, density=True)",
         "a density is used where counts belong"),
        ("e06", "np.sqrt(np.mean(g**2))", "np.sqrt(np.sum(g**2)) / len(g)",
         "rms: in the root mean square, a mean is used where a sum belongs"),
        ("e06", 'batch["gradients"][layer]', 'batch["norm"] * batch["clipped"][layer]',
         "the clipped gradient times the norm is used where g belongs"),
        ("e06", "np.histogram(g, bins)", "np.histogram(g, bins, (-abs(g).max(), abs(g).max()))",
         "edges: in the lower end and the upper end, the largest absolute value is used"),
        ("e06", "for batch in log])", "for batch in log[:1]])",
         "rms: in g, only the first entry of log is used"),
        ("e07", "np.maximum(self.z, 0)", "self.z", "y: the ReLU is missing"),
        ("e07", "x + self.branch.forward", "x * self.branch.forward",
         "y: in the sum x + F(x), a product is used where a sum belongs"),
        ("e07", "(self.z > 0)", "(dy > 0)", "in the slope of the ReLU, dy is used where"),
        ("e07", "return dz + self", "return self",
         "the gradient that bypasses the branch is missing"),
        ("e07", "branch.backward(dz)", "branch.backward(dy)",
         "in the gradient through the branch, dy is used where the gradient of the sum belongs"),
        ("e07", "branch.backward(dz)", "branch.forward(dz)",
         "forward is used where backward belongs"),
        ("e08", "self.gamma * (x - mean)", "(x - mean)", "y: gamma is missing as a factor"),
        ("e08", "/ np.sqrt(var + self.eps)", "/ np.sqrt(var + 1e-5)", "a fixed 1e-05 is used"),
        ("e08", "(x - mean) / np.sqrt(var + self.eps) + self.beta",
         "(x - mean) / np.sqrt(var + self.eps)", "y: beta is missing"),
        ("e08", "m * self.running_var + (1 - m)", "(1 - m) * self.running_var + m",
         "running_var: momentum and 1 minus momentum are swapped"),
        ("e08", "x.var(axis=0, ddof=1)", "x.var(axis=0) * (len(x) - 1) / len(x)", "exchanged"),
        ("e08", "x.mean(axis=0), x.var(axis=0)", "x.mean(), x.var()",
         "in the mean of the batch and the variance that normalizes the batch, "
         "the reduction is over all entries"),
        ("e09", "centred / root\n", "centred / root**2\n", "the root"),
        ("e09", "collect(dy * into_gamma", "collect(dy * gamma * into_gamma",
         "dgamma: the gradient of xhat is used where dy belongs"),
        ("e09", "xhat * (g * xhat).mean(axis=0)\n", "(g * xhat).mean(axis=0)\n",
         "in the path through the variance, xhat is missing as a factor"),
        ("e09", "g - g.mean(axis=0) - xhat", "g - g.mean() - xhat",
         "in the path through the mean, the reduction is over all entries"),
        ("e10", "self.gamma * self.xhat + self.beta\n", "self.gamma * (self.xhat + self.beta)\n",
         "y: beta is also multiplied by gamma"),
        ("e10", "x.var(axis=axis,", "x.std(axis=axis,", "the standard deviation is used where the"),
        ("e10", "collect(dy * xhat", "collect(dy * self.root * xhat",
         "dgamma: x minus the mean is used where xhat belongs"),
        ("e10", "average(h, axis=axis, keepdims=True)", "average(h)",
         "in the path through the mean, the reduction is over all entries"),
        ("e10", "xhat * average(h", "average(h",
         "in the path through the variance, xhat is missing as a factor"),
        ("e10", '"gamma_outside_means" else dx', '"gamma_outside_means" else dx * self.gamma',
         "dx: it is multiplied by gamma once too often"),
        ("e11", ".get(mistake, 1 - p)", ".get(mistake, p)",
         "in the scaled mask, p and 1 minus p are swapped"),
        ("e11", "else rng.random(shape) >= p", "else rng.normal(size=shape) >= p",
         "in the mask, the random numbers are not uniform between 0 and 1"),
        ("e11", '"scaled_in_evaluation" else x', '"scaled_in_evaluation" else x / (1 - self.p)',
         "y in evaluation is divided by the probability of keeping an entry once too often"),
        ("e11", "else dy * self.mask", "else dy", "in dx, the scaled mask is missing as a factor"),
        ("e11", "else dy * self.mask", "else dy * (self.mask == 0) / (1 - self.p)",
         "in dx, the mask is inverted"),
        ("e12", "momentum * velocity + gradient\n", "momentum * (velocity + gradient)\n",
         "in the velocity, g is also multiplied by momentum"),
        ("e12", "= self.mistake, self.momentum", "= self.mistake, 1 - self.momentum",
         "in the velocity, momentum and 1 minus momentum are swapped"),
        ("e12", "return np.sign(weight)", "return 1.0 * (weight > 0)",
         "in the slope of L1, the sign of negative numbers counts as 0"),
        ("e12", "return np.sign(weight)", "return weight / (np.abs(weight) + 1e-8)",
         "replaces the sign; it is less than 1 for small values"),
        ("e12", "two * self.l2 * weight", "two * self.l2 * weight**2",
         "in the slope of L2, the weight is a factor twice"),
        ("e12", "self.l2 * (weight**2).sum()", "self.l2 * np.sqrt((weight**2).sum())",
         "in the L2 penalty, the root of the sum of squares is used where the sum belongs"),
        ("e13", "(1 - self.beta2) * g**2", "(1 - self.beta2) * g",
         "in the square of the gradient, the power is missing"),
        ("e13", "1 - self.beta2**self.t)\n            new", "1 - self.beta2)\n            new",
         "first weight after step 2 of adam: in the bias correction, the power is missing"),
        ("e13", "np.zeros_like(p) for p in params]\n        self.t",
         "np.ones_like(p) for p in params]\n        self.t",
         "in the s before the first step, a number is wrong: it is 1"),
        ("e13", "g / (np.sqrt(self.s[i]) + self.eps)", "g / np.sqrt(self.s[i] + self.eps)",
         "in the step of rmsprop, eps is inside of the root"),
        ("e13", "self.lr * m_hat", "self.lr * self.m[i]",
         "in the bias correction, β₁ to the power of t is missing"),
        ("e13", "                continue\n", "", "step should return a list of arrays"),
        ("e14", "np.sqrt(sum(np.sum(g**2) for g in grads))", "sum(np.sum(g**2) for g in grads)",
         "norm: the root is missing"),
        ("e14", "np.sum(g**2) for g", "np.mean(g**2) for g",
         "norm: a mean is used where a sum belongs"),
        ("e14", "max_norm / norm if", "1 / norm if",
         "clipped[0]: in the scale, the numerator max_norm is missing"),
        ("e14", "if norm > max_norm", "if norm**2 > max_norm",
         "in the comparison of norm with max_norm, the sum of squares is used"),
        ("e14", "if norm > max_norm else 1.0", "if norm > 1 else 1.0",
         "a fixed 1 is used where max_norm belongs"),
        ("e14", "return [g * factor for g in grads], norm",
         "return norm, [g * factor for g in grads]",
         "norm should be a number, not a list; the list of arrays comes first"),
        ("e15", "y.max(axis=0) - y.min(axis=0) <= tolerance", "y.std(axis=0) <= tolerance",
         "the standard deviation is used where the span belongs"),
        ("e15", "y.max(axis=0) - y.min(axis=0) <=", "abs(np.diff(y, axis=0)).max(axis=0) <=",
         "the largest change from row to row is used where the span belongs"),
        ("e15", "<= tolerance", "<= 1e-9", "a fixed 0 is used where tolerance belongs"),
        ("e15", "y.max(axis=0)", "np.maximum(y.max(axis=0), 0)",
         "the maximum starts from 0, which counts as one of the values"),
        ("e15", "np.concatenate(batches)", "np.concatenate(batches[:-1])",
         "in the output, the last entry of batches is left out"),
        ("e15", "dead, dead.mean()", "dead, 100 * dead.mean()", "100 times what it should be"),
        ("e16", "v.size - counts.sum()", "1 - counts.sum() / v.size",
         "the number of values above the last edge, a mean is used where a sum belongs"),
        ("e16", "(self.values().size * np.diff(edges))", "self.values().size * np.diff(edges)",
         "density: the widths multiplies where it should divide"),
        ("e16", "np.mean(self.values() <= p)",
         "np.sum(self.values() <= p) / (self.values().size + 1)",
         "cdf: n for the cdf plus 1 is used where n for the cdf belongs"),
        ("e16", "[np.mean(self.values() <= p) for p in points]",
         "np.searchsorted(self.values(), points, 'right') / self.values().size",
         "cdf: the values are not sorted"),
        ("e16", "return counts, v.size - counts.sum()", "return v.size - counts.sum(), counts",
         "counts is what outside should be, and the other way round"),
        ("e01", "return dy @ self.weight.T", "return dy @ self.dweight.T",
         "dx: the gradient of the weight is used where the weight belongs"),
        ("e01", "return dy @ self.weight.T", "return dy @ self.weight.T + self.bias",
         "dx: the bias is added to it"),
        ("e01", "self.x.T @ dy", "self.x[1:].T @ dy[1:]", "dweight: the first row is left out"),
        ("e01", "dy.sum(axis=0)", "np.full(dy.shape[1], dy.sum() / len(dy))",
         "the reduction is over all entries; besides, it is 1/N = 1/6 times what that gives"),
        ("e01", "self.weight, self.bias = weight, bias", "Dense.weight = weight; Dense.bias = bias",
         "two objects of the class share"),
        ("e02", "else x > 0", "else np.full(x.shape, x.mean() > 0)",
         "dx of relu: one decision is made for all entries together"),
        ("e02", "else sigmoid(x)", "else sigmoid(np.clip(x, -5, 5))",
         "y of sigmoid far out: x is limited to a fixed range"),
        ("e02", "else sigmoid(x)", "else sigmoid(np.clip(x, -1.5, 1.5))",
         "the wrong entries are those where x is above 1.27"),
        ("e08", "x.mean(axis=0), x", "x[1:].sum(axis=0) / len(x), x",
         "in the mean of the batch, the first row is left out"),
        ("e09", "collect(dy * into_gamma, axis=axis)", "np.full(x.shape[1], (dy * x).sum())",
         "dgamma: the reduction is over all entries; and x is used where xhat belongs"),
        ("e09", "g - g.mean(axis=0) - xhat * (g * xhat).mean(axis=0)",
         "g - g.mean() - xhat * (g * xhat).mean()",
         "in the path through the mean and the path through the variance, "
         "the reduction is over all entries"),
        ("e01", "dy.sum(axis=0)", "dy[:6].sum(axis=0)", "dbias of a narrow layer"),
        ("e03", "logits.max(axis=1, keepdims=True)", "logits.max(1, keepdims=True, initial=0)",
         "the largest logit starts from 0"),
        ("e03", "logits.max(axis=1, keepdims=True)", "logits[:, :1]", "overflow"),
        ("e03", "dlogits[rows, labels]", "dlogits[logits == logits[rows, labels][:, None]]",
         "dlogits[0, 0] is"),
        ("e09", "dy * gamma / root", "dy * abs(gamma) / root", "dx"),
        ("e09", "xhat * (g * xhat).mean(axis=0)\n", "xhat * (g * xhat).sum(axis=0) / 7\n",
         "dx of the second batch"),
        ("e10", "self.gamma, self.beta, self.eps,", "LayerNorm.gamma, self.beta, self.eps,",
         "y of the second batch: two objects of the class share one gamma"),
        ("e10", "self.beta, self.eps,", "self.beta, LayerNorm.eps,",
         "y of the second batch: two objects of the class share one eps"),
        ("e11", "self.p, self.rng,", "Dropout.p, self.rng,",
         "two objects of the class share one p"),
        ("e11", "self.p, self.rng,", "Dropout.p = vars(Dropout).get('p', p)\n        _, self.rng,",
         "share of x dropped by another layer: two objects of the class share one p"),
        ("e11", "self.p, self.rng,", "self.p, Dropout.rng,",
         "two objects of the class share one rng"),
        ("e12", "self.momentum, self.l1", "Momentum.momentum, self.l1",
         "two objects of the class share one momentum"),
        ("e12", "self.momentum, self.l1, self.l2,",
         "Momentum.momentum = vars(Momentum).get('momentum', momentum)\n"
         "        _, self.l1, self.l2,",
         "two objects of the class share one momentum"),
        ("e12", "return self.l1 * size.sum()", "self.kept = vars(self).get('kept', weight)\n"
         "        weight = weight if weight.shape != self.kept.shape else self.kept\n"
         "        return self.l1 * np.abs(weight).sum()", "penalty of the last weight"),
        ("e13", "self.lr, self.eps = rule", "Optimizer.lr, self.eps = rule",
         "two objects of the class share one learning rate"),
        ("e13", "self.rule, self.lr", "Optimizer.rule, self.lr",
         "two objects of the class share one rule"),
        ("e01", "return x @ self.weight + self.bias",
         "return np.vstack([x[:-1] @ self.weight, x[-1:] @ self.weight + self.bias])",
         "y: the bias is missing; only the last row is right"),
        ("e06", "np.sqrt(np.mean(g**2))",
         "np.mean(np.concatenate([b['gradients'][layer].ravel() for b in log[:-1]]) ** 2)",
         "the root is missing; and in g, the last entry of log is left out"),
        ("e09", "dy * into_gamma", "dy * (x - x.mean(axis=0))",
         "dgamma: x minus the mean is used where xhat belongs"),
        ("e13", "            new.append(p - self.lr * m_hat",
         "            self.m[i] = m_hat\n            new.append(p - self.lr * m_hat",
         "in the mean m, m̂ is used where m belongs"),
        ("e13", "            new.append(p - self.lr * m_hat",
         "            self.s[i] = s_hat\n            new.append(p - self.lr * m_hat",
         "in the mean s of adam, ŝ is used where s belongs"),
        ("e14", "max_norm / norm if", "max_norm / (norm + 1e-5) if",
         "in the scale, a small number is added to the divisor"),
        ("e15", "y.max(axis=0) - y.min(axis=0) <= tolerance",
         "2 * np.abs(y - y.mean(axis=0)).max(axis=0) <= tolerance", "dead units"),
    ], key=lambda row: row[0]),
)  # fmt: skip
def test_a_changed_line_is_described(name, right, wrong, message):
    exercise = find(name)
    source = files.answer_path(exercise, SOLUTIONS).read_text(encoding="utf-8")
    assert right in source
    changed = source.replace(right, wrong, 1)
    answer = files.answer_in(exercise, changed, f"{exercise.file}.py")
    with pytest.raises(WrongAnswer, match=re.escape(message)):
        check(exercise, answer, seed=0)


@EACH
def test_messages_hold_no_name_of_the_reference_that_the_stub_does_not_have(exercise):
    reference, stub = exercise.reference, files.stub(exercise)
    private = {step.name for step in reference.steps.values()} - set(re.findall(r"\w+", stub))
    generated = mutants_of(exercise, exercise.case(0))
    for mutant in generated.all:
        assert words.hint(mutant.words)
    # a sentence depends on the words, the changed steps, and the name of the result
    sentences = {(each.words, *each.changed): each for each in generated.all}.values()
    for mutant, name in product(sentences, generated.right):
        text = words.sentence(name, mutant, reference)
        assert not private & set(re.findall(r"\w+_\w+", text)), text


@EACH
def test_no_likely_mistake_is_accepted_unless_the_formulas_are_equal(exercise, monkeypatch):
    generated = mutants_of(exercise, exercise.case(0))
    likely = [mutant for mutant in generated.all if mutant.cost <= 1]  # no other is reported
    monkeypatch.setattr(generated, "all", likely)
    assert list(devcheck.accepted(exercise)) == []
    assert all(exercise.reference.equal.values())


def test_a_mistake_that_the_inputs_do_not_reveal_is_reported_unless_a_reason_is_stated():
    def draw(rng):
        return Case(x=np.abs(rng.normal(size=(6, 5))), w=rng.normal(size=(6, 5)), p=0.3)

    text = "small(x, w, p) -> a, b\n    a = sum(abs(x), axis=0)  # a\n    b = w  # b\n"
    found = list(devcheck.accepted(exercise_of(text, run_small, inputs=draw)))
    assert found == [
        f"a: the absolute value is {how}" for how in ("taken after the sum", "missing")
    ]
    reason = "equal a: the absolute value is missing # x is not negative\n"
    assert list(devcheck.accepted(exercise_of(text + reason, run_small, inputs=draw))) == found[:1]


@EACH
def test_a_right_answer_and_a_stub_generate_no_mutants(exercise, monkeypatch):
    monkeypatch.setattr(mutants, "Mutants", lambda *_: pytest.fail("mutants were generated"))
    check(exercise, devcheck.load_solutions(exercise, SOLUTIONS).RIGHT[0], seed=12345)
    stub = files.answer_in(exercise, files.stub(exercise), exercise.file)
    with pytest.raises(WrongAnswer, match="not implemented yet"):
        check(exercise, stub, seed=12345)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_rule_changes_an_expression_of_its_form(rule):
    letters = {"F": "sqrt", "R": "mean"}
    example = re.sub(r"(?<!\.)\b([A-Z])\b", lambda m: letters.get(m[0], m[0].lower()), rule.pattern)
    example = example.replace("**k", "axis=0")
    assert rule in [each for each, _ in rewritings(parse(example))]
    assert ast.unparse(rule.rewrite(parse(example))) != ast.unparse(parse(example))
    assert set(re.findall(r"{(.)}", rule.words)) <= set(re.findall(r"\b[A-Z]\b", rule.pattern))


def exercise_of(text, run, inputs=None, **settings):
    def draw(rng):
        return Case(x=rng.normal(size=(6, 5)), w=rng.normal(size=(6, 5)), p=0.3)

    return Exercise(
        number=7, name="small", title="Small", minutes=5, answer="small",
        inputs=inputs or draw, run=run, text=text, **settings,
    )  # fmt: skip


SMALL = """
small(x, w, p) -> a, b
    n = len(x)                              # the number of rows
    weighted = w * x                        # the weighted input
    a = sum(weighted, axis=0) / (1 - p)     # a
    b = sum(weighted ** 2, axis=0) / n      # b
"""


def run_small(answer, case):
    yield from returned(answer(case.x, case.w, case.p), "a", "b")


def message_of(answer, text=SMALL, **settings):
    with pytest.raises(WrongAnswer) as wrong:
        check(exercise_of(text, run_small, **settings), answer, seed=3)
    return str(wrong.value).removeprefix("e07 small: ").partition(" Hint: ")[0]


def small(x, w, p):
    return (w * x).sum(0) / (1 - p), ((w * x) ** 2).mean(0)


def test_a_single_change_is_named_with_the_step():
    def wrong(x, w, p):
        return x.sum(0) / (1 - p), (x**2).mean(0)

    assert message_of(wrong) == "a: in the weighted input, w is missing as a factor."


def test_the_same_change_at_all_places_is_preferred_if_it_explains_more():
    def wrong(x, w, p):
        return (w * x).sum() / (1 - p), ((w * x) ** 2).sum() / len(x)

    assert message_of(wrong) == "a: in a and b, the reduction is over all entries."


def test_two_changes_of_different_factors_are_found_as_a_pair():
    def wrong(x, w, p):
        return (w * x).sum(0) / (1 - p), -((w * x) ** 2).sum(0) / 5

    message = message_of(lambda x, w, p: ((w**2 * x).sum(0) / p, wrong(x, w, p)[1]))
    assert "w is a factor twice" in message
    assert "p and 1 minus p are swapped" in message


POWERS = """
small(x, p, q) -> a, b
    a = p * x       # a
    b = q * x ** 2  # b
"""


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x, p, q: (q * x, q * x**2), "a: q is used where p belongs."),
        (lambda x, p, q: (q * x, p * x**2), "a: in a and b, p and q are exchanged."),
    ],
)
def test_numbers_are_exchanged_only_if_both_are_used(answer, message):
    def run(answer, case):
        yield from returned(answer(case.x, case.p, case.q), "a", "b")

    def draw(rng):
        return Case(x=rng.normal(size=(6, 5)), p=0.3, q=1.7)

    with pytest.raises(WrongAnswer, match=re.escape(message)):
        check(exercise_of(POWERS, run, inputs=draw), answer, seed=3)


def test_one_statistic_agrees_only_with_a_likely_mistake():
    tolerances = {"a": 0.3}

    def wrong(factor):
        return lambda x, w, p: (factor * small(x, w, p)[0], small(x, w, p)[1])

    assert "twice" in message_of(wrong(2))
    assert "twice" not in message_of(wrong(2), tolerances=tolerances)


def test_a_known_mistake_has_its_own_words_and_hint():
    known = "mistake no_weight\n    the weight is not used.\n    Where?\n    weighted = x\n"

    def wrong(x, w, p):
        return small(x, np.ones_like(w), p)

    assert message_of(wrong, text=SMALL + known) == "the weight is not used."
    with pytest.raises(WrongAnswer) as raised:
        check(exercise_of(SMALL + known, run_small), wrong, seed=3)
    assert (raised.value.mistake, raised.value.hint) == ("no_weight", "Where?")


def test_exchanged_results_are_reported_only_if_both_are_exchanged():
    swapped = "a is what b should be, and the other way round."
    assert message_of(lambda x, w, p: small(x, w, p)[::-1]) == swapped
    assert message_of(lambda x, w, p: (small(x, w, p)[1],) * 2) == "a: b takes its place."


def test_an_invariant_is_checked_before_the_results_are_compared():
    def holds(case, results):
        return results["no such result"] >= 0

    positive = Invariant("b_negative", "b is negative.", "Why?", lambda c, r: (r["b"] >= 0).all())
    unknown = Invariant("unknown", "never.", "Why?", holds)

    def wrong(x, w, p):
        return small(x, w, p)[0], -small(x, w, p)[1]

    settings = {"invariants": (unknown, positive)}
    assert message_of(wrong, **settings) == "b is negative."
    assert message_of(wrong) == "b: it has the wrong sign."
    assert check(exercise_of(SMALL, run_small, **settings), small, seed=3) is None


def test_a_clue_need_not_be_right_but_helps_to_recognize_a_mistake():
    def run(answer, case):
        (_, a), (_, b) = returned(answer(case.x, case.w, case.p), "a", "b")
        yield "a", a
        yield "size of b", np.round(np.abs(b).max(), -2)

    settings = {"clues": frozenset({"a"})}
    doubled = exercise_of(SMALL, run, **settings)
    assert check(doubled, lambda x, w, p: (w, small(x, w, p)[1]), seed=3) is None
    with pytest.raises(WrongAnswer, match="in the weighted input, w is missing as a factor"):
        check(doubled, lambda x, w, p: (x.sum(0) / (1 - p), small(1e3 * x, w, p)[1]), seed=3)
    with pytest.raises(WrongAnswer) as wrong:
        check(doubled, lambda x, w, p: (w**3 + x, 1e3 + small(x, w, p)[1]), seed=3)
    assert "Right" not in str(wrong.value)


COUNTER = """
small(x)
    total = zeros(5)                  # the first total
add(x) -> total
    total = total + sum(x, axis=0)    # the total
"""


def run_counter(answer, case):
    counter = answer(case.x)
    yield "total", counter.add(case.x)
    yield "total after the second batch", counter.add(case.w[:4])
    yield "total of another counter", answer(case.x).add(case.w)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("self.total = x.sum(0)", "total after the second batch: total is missing"),
        ("self.total = self.total + x.sum(0) / 2", "it is half"),
        ("self.total = getattr(self, 't', self.total) + x.sum(0); self.t = 0 * self.total",
         "total after the second batch"),
        ("small.shared = self.total = small.shared + x.sum(0)", "share one state"),
    ],
)  # fmt: skip
def test_mistakes_in_the_state_are_described(body, message):
    source = (
        "import numpy as np\nclass small:\n    shared = np.zeros(5)\n"
        "    def __init__(self, x):\n        self.total = np.zeros(5)\n"
        f"    def add(self, x):\n        {body}\n        return self.total\n"
    )
    exercise = exercise_of(COUNTER, run_counter)
    answer = files.answer_in(exercise, source, "small.py")
    with pytest.raises(WrongAnswer, match=message):
        check(exercise, answer, seed=3)


def test_the_steps_of_a_loop_are_executed_for_each_item():
    reference = read(
        "small(x, weights) -> sizes\n"
        "    h = x                            # h\n"
        "    sizes = []                       # sizes\n"
        "    for w in weights\n"
        "        h = h @ w                    # the next h\n"
        "        sizes = [*sizes, sum(h)]     # the sizes so far\n"
    )
    x, w = np.ones((2, 2)), np.eye(2)
    trace = {}
    assert Program(reference, trace=trace)(x, [w, 2 * w, 3 * w]) == [4.0, 8.0, 24.0]
    assert [len(snapshots) for snapshots in trace.values()] == [1, 1, 3, 3]


def test_draws_of_a_mutant_begin_with_the_same_state_of_the_generator():
    text = "small(x, rng) -> y\n    y = x * normal(rng, 0, 2, 5)  # y"

    def run(answer, case):
        yield "y", answer(case.x, np.random.default_rng(case.seed))

    exercise = exercise_of(
        text, run, inputs=lambda rng: Case(x=rng.normal(size=5), seed=int(rng.integers(9)))
    )
    case, reference = exercise.case(0), exercise.reference
    right = results_of(exercise, Program(reference), case)["y"]
    assert np.array_equal(results_of(exercise, Program(reference, trace={}), case)["y"], right)
    with pytest.raises(WrongAnswer, match="y: x is missing as a factor"):
        check(exercise, lambda x, rng: rng.normal(0, 2, 5), seed=0)


def test_a_message_for_two_results_is_used_only_if_it_explains_both():
    both = "mistake unscaled\n    a and b are too large.\n    Why?\n    a = sum(weighted, axis=0)\n"
    text = SMALL + both + "    b = sum(weighted ** 2, axis=0)\n"

    def wrong(x, w, p, rows=6):
        return small(x, w, p)[0] * (1 - p), ((x * w)[:rows] ** 2).sum(0)

    assert message_of(wrong, text=text) == "a and b are too large."
    message = message_of(lambda x, w, p: wrong(x, w, p, rows=1), text=text)
    assert message == "a: the division by 1 minus p is missing."


LAYERS = """
small(x, widths, parts) -> a, b, c
    shifted = x - mean(x, axis=1, keepdims=True)                       # the shifted input
    a = exp(shifted) / sum(exp(shifted), axis=1, keepdims=True)        # a
    b = zeros(0)                                                       # the empty list
    for part, width in zip(parts, widths)
        n = len(part)                                                  # the number of rows
        size = sum(part ** 2) * width + n                              # the size
        b = array([*b, size])                                          # b
    joined = concatenate(parts)                                        # all rows
    root = sqrt(mean(joined ** 2, axis=0) - mean(joined, axis=0) ** 2) # the root
    c = sum(joined, axis=0) / root                                     # c
"""


def layers(x, widths, parts):
    a = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    b = np.array([(part**2).sum() * w + len(part) for part, w in zip(parts, widths, strict=True)])
    joined = np.concatenate(parts)
    return a, b, joined.sum(0) / joined.std(0)


def run_layers(answer, case):
    parts = [case.first, case.second, case.third]
    yield from returned(answer(case.x, case.widths, parts), "a", "b", "c")


def draw_layers(rng):
    first, second, third = (rng.normal(2, 1, size=(rows, 3)) for rows in (5, 7, 4))
    x, widths = rng.normal(size=(6, 4)), rng.uniform(1, 2, size=3)
    return Case(x=x, widths=widths, first=first, second=second, third=third)


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("a", lambda x, w, parts: layers(layers(x, w, parts)[0], w, parts)[0],
         "the steps from x to a are applied twice."),
        ("b", lambda x, w, parts: layers(x, np.roll(w, 1), parts)[1],
         "widths is shifted: entry k - 1 is used at place k, and the last entry at the "
         "first place."),
        ("b", lambda x, w, parts: np.array([w[i] * (np.sum(p**2) + len(p))
                                            for i, p in enumerate(parts)]),
         "in the size, the number of rows is also multiplied by width."),
        ("c", lambda x, w, parts: sum(layers(x, w, [part] * 3)[2] for part in parts) / 9,
         "it is computed for each entry of parts alone, and then averaged."),
        ("a", lambda x, w, parts: np.vstack([layers(x, w, parts)[0][:1], np.exp(
            x[1:] - x[1:].mean(axis=1, keepdims=True))]),
         "the division by the sum of the exponential of the shifted input is missing; only the "
         "first row is right."),
        ("c", lambda x, w, parts: layers(x, w, [part[:4] for part in parts])[2],
         "in all rows, each entry of parts is cut to the number of rows of the last one."),
    ],
)  # fmt: skip
def test_repeated_shifted_separate_and_bracketed_parts_are_described(name, wrong, message):
    def answer(x, widths, parts):
        results = dict(zip("abc", layers(x, widths, parts), strict=True))
        return tuple((results | {name: wrong(x, widths, parts)}).values())

    exercise = exercise_of(LAYERS, run_layers, inputs=draw_layers)
    assert check(exercise, layers, seed=3) is None
    with pytest.raises(WrongAnswer, match=re.escape(f"{name}: {message}")):
        check(exercise, answer, seed=3)


@pytest.mark.parametrize(
    ("order", "message"),
    [("bca", "the results have the order b, c, a."), ("acb", "b is what c should be, and the")],
)
def test_results_in_another_order_are_described(order, message):
    def answer(x, widths, parts):
        results = dict(zip("abc", layers(x, widths, parts), strict=True))
        return tuple(results[name] for name in order)

    with pytest.raises(WrongAnswer, match=re.escape(message)):
        check(exercise_of(LAYERS, run_layers, inputs=draw_layers), answer, seed=3)


CHAIN = """
small(x, weights) -> sizes
    h = x                            # the first h
    sizes = zeros(0)                 # the empty list
    for w in weights
        z = h @ w                    # z
        sizes = array([*sizes, sum(z ** 2)])  # the sizes
        h = z                        # h
"""


def test_a_product_of_wrong_sizes_is_explained_by_a_value_that_a_loop_does_not_update():
    def run(answer, case):
        yield "sizes", answer(case.x, [case.first, case.second])

    def draw(rng):
        return Case(**{
            name: rng.normal(size=size)
            for name, size in (("x", (6, 5)), ("first", (5, 4)), ("second", (4, 3)))
        })  # fmt: skip

    def answer(x, weights):
        return np.array([np.sum(np.dot(x, w) ** 2) for w in weights])

    exercise = exercise_of(CHAIN, run, inputs=draw)
    with pytest.raises(WrongAnswer, match="sizes: h is never updated; it stops with ValueError"):
        check(exercise, answer, seed=3)


def test_an_absolute_value_that_hides_a_negative_root_does_not_hide_the_mistake():
    text = "small(x, w, p) -> a, b\n    a = sqrt(x ** 2 + w ** 2)  # a\n    b = x + w  # b\n"

    def wrong(x, w, p):
        return np.sqrt(np.abs(x**2 - w**2)), x + w

    assert message_of(wrong, text=text) == "a: the square of w has the wrong sign."


MASKED = """
small(x)
    n = len(x)                        # the number of rows
forward(x) -> y
    mask = x > 0                      # the mask
    y = maximum(x, 0)                 # y
backward(dy) -> dx
    dx = dy * mask                    # dx
"""


def test_an_error_of_shapes_is_explained_by_a_mutant_that_stops_with_the_same_shapes():
    class Masked:
        def __init__(self, x):
            self.on = None

        def forward(self, x):
            self.on = x > 0 if self.on is None else self.on
            return np.maximum(x, 0)

        def backward(self, dy):
            return self.on * dy

    def run(answer, case):
        layer = answer(case.x)
        for which, rows in ("", 6), (" of the second batch", 4):
            yield f"y{which}", layer.forward(case.x[:rows])
            yield f"dx{which}", layer.backward(case.w[:rows])

    exercise = exercise_of(MASKED, run)
    with pytest.raises(
        WrongAnswer, match="the mask is kept from the first call; it stops"
    ) as raised:
        check(exercise, Masked, seed=3)
    assert "dx of the second batch" in str(raised.value)
    assert "could not be broadcast" in str(raised.value)
    assert raised.value.hint is not None


def test_only_steps_that_the_results_or_the_changed_steps_need_are_executed():
    reference = read(
        "small(x) -> y\n    unused = x / 0  # unused\n"
        "    double = 2 * x  # twice x\n    y = x + 1  # y\n"
    )
    public = frozenset({"y"})
    assert Program(reference, public=public)(1.0) == 2.0
    changed = {("small", 2): compile("double + 1", "", "eval")}
    assert Program(reference, changed, public=public)(1.0) == 3.0
