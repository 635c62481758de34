"""Causes that the structure of the training proves: layers, loss, gradients, frozen weights."""

from __future__ import annotations

import copy

import numpy as np

from minnet.checks import GradientError, check_loss
from minnet.doctor.case import Case, Suspicion
from minnet.doctor.remedies import is_activation, is_weighted, matrix_of, remedy
from minnet.doctor.symptoms import batch_of, find_blocks, network_at
from minnet.layer import Layer
from minnet.layers.activations import Softmax
from minnet.layers.container import Container
from minnet.losses import CrossEntropy
from minnet.validation import Array

TOLERANCE = 0.02  # relative error of a directional derivative that passes


def missing_nonlinearity(case: Case) -> Suspicion | None:
    """Two weighted layers without a nonlinear function between them.

    Without one, x W₁ W₂ = x (W₁ W₂), so both layers together compute what one layer can.
    Minsky & Papert (1969), Perceptrons.
    """
    net = case.training.net
    for container in [net, *(la for _, la in net.walk() if isinstance(la, Container))]:
        before: Layer | None = None
        linear = True  # whether all layers since the last weighted one are linear
        for layer in container.layers:
            if not is_weighted(layer):
                linear = linear and is_linear(layer)
                continue
            if before is not None and linear:
                return Suspicion(
                    0.9,
                    f"No nonlinear function separates {before.path} and {layer.path}. Together "
                    "these layers compute a linear function, which one layer can compute as well.",
                    [remedy("insert_activation", "relu"), remedy("insert_activation", "tanh")],
                    {"width": before.out_features or 0},
                    before.path,
                    certain=True,
                )
            before, linear = layer, True
    return None


def is_linear(layer: Layer) -> bool:
    """Return whether a layer is additive up to a constant, measured on random rows.

    Examples
    --------
    >>> from minnet import BatchNorm, ReLU
    >>> is_linear(ReLU()), is_linear(BatchNorm(4))
    (False, True)
    """
    if isinstance(layer, Container):
        return all(map(is_linear, layer.layers))
    a, b = 3 * np.random.default_rng(0).standard_normal((2, 16, layer.in_features or 8))
    twin = copy.deepcopy(layer)
    try:
        both, none, first, second = (
            twin.forward(rows.astype(layer.dtype), training=False) for rows in (a + b, 0 * a, a, b)
        )
    except Exception:  # a user's layer that does not accept these rows
        return False
    return bool(np.abs(both + none - first - second).max() <= 1e-4 * np.abs(first).max())


def output_loss_mismatch(case: Case) -> Suspicion | None:
    """Output and loss that do not fit each other or the targets.

    A loss on logits applies softmax or the sigmoid itself; an activation before it bounds the
    logits, so that no probability can approach 0 or 1. A bounded output cannot reach targets
    outside its range. Squared errors of labels assume an order of the classes that does not exist.
    Bishop (1995), Neural Networks for Pattern Recognition, chapter 6.
    """
    blocks, loss, width = find_blocks(case.training.net), case.training.loss, case.width
    if not blocks:
        return None
    tail = [layer for layer in blocks[-1].others if is_activation(layer) and not is_linear(layer)]
    ends = tail[-1].path if tail else blocks[-1].name
    certain, strength, needed = True, 0.9, 0.0
    evidence: dict[str, float] = {"classes": case.classes, "outputs": width}
    if loss.takes_logits and tail and not width > case.classes > 0:
        reason = (
            f"{loss} takes logits of any size, but the network ends in {ends}, which limits them. "
            "The probabilities cannot approach 0 or 1, and the slope of the activation shrinks the "
            "gradients."
        )
    elif isinstance(loss, CrossEntropy) and abs((total := sum_of_outputs(case)) - 1) > 1e-3:
        evidence = {"sum_of_outputs": total}
        reason = (
            f"{loss} takes probabilities whose sum is 1, but the outputs of {ends} sum to "
            f"{total:.3g}. The loss is smallest if every output is 1, whatever the row."
        )
    elif case.classes and not loss.classifies:
        certain, strength, needed = False, 0.4, 0.02
        if width == 1 or tail:
            strength, needed = 0.85 if case.classes > 2 else 0.7, 0.005
        reason = (
            f"The targets are {case.classes} classes, but {loss} compares them as quantities with "
            f"the {width} output{'s' if width > 1 else ''} of {ends}. It assumes an order of the "
            "labels, or has almost no gradient where a bounded output is wrong."
        )
    elif not case.classes and tail and (outside := out_of_reach(tail, case.training.y)) > 0.05:
        evidence = {"targets_out_of_range": outside}
        reason = (
            f"{outside:.0%} of the targets lie outside the range of {ends}, in which the network "
            "ends, so no weights can produce them."
        )
    else:
        return None
    target = "SoftmaxCrossEntropy" if case.classes else "MeanSquaredError"
    if case.classes == 2 and width == 1:
        target = "SigmoidBinaryCrossEntropy"
    remedies = [remedy("set_loss", target)]
    return Suspicion(strength, reason, remedies, evidence, ends, needed=needed, certain=certain)


def sum_of_outputs(case: Case) -> float:
    """Return the sum of the outputs of a row, before training and averaged over rows."""
    net = network_at(case.training, case.looks[0][1])
    return float(net.predict(batch_of(case.training)[0]).sum(axis=1).mean())


def out_of_reach(activations: list[Layer], y: Array) -> float:
    """Return the share of targets outside the range of activations, for inputs up to 100."""
    rows = np.linspace(-100, 100, 1000, dtype=activations[0].dtype).reshape(125, 8)
    try:
        for layer in activations:
            rows = copy.deepcopy(layer).forward(rows, training=False)
    except Exception:  # a user's layer that does not accept these rows
        return 0.0
    low, high = rows.min(), rows.max()
    return float(((y < low) & (low > -50) | (y > high) & (high < 50)).mean())


def no_output_layer(case: Case) -> Suspicion | None:
    """A network that ends in a hidden layer, with more outputs than there are classes.

    The activation of the hidden layer limits the logits, and the surplus outputs only take
    probability from the classes. Goodfellow, Bengio & Courville (2016), Deep Learning, section 6.2.
    """
    blocks, classes, width = find_blocks(case.training.net), case.classes, case.width
    tail = [layer for layer in blocks[-1].others if is_activation(layer)] if blocks else []
    if not tail or isinstance(tail[-1], Softmax) or not width > classes > 0:
        return None
    return Suspicion(
        0.95,
        f"The network ends in {tail[-1].path} with {width} outputs, but there are {classes} "
        "classes. A hidden layer serves as the output, so its activation limits the logits, and "
        "the surplus outputs belong to no class.",
        [remedy("add_output_layer")],
        {"outputs": width, "classes": classes},
        tail[-1].path,
        certain=True,
    )


def wrong_gradient(case: Case) -> Suspicion | None:
    """A backward pass that is not the derivative of the forward pass.

    For a direction u, the derivative Σ dx u must equal (f(x + hu) - f(x - hu)) / 2h. It is compared
    on the trained layer, for the third of three batches of the training's size, so that inputs kept
    from an earlier batch and gradients that accumulate are found too.
    Griewank & Walther (2008), Evaluating Derivatives, section 3.
    """
    errors = {
        path: gradient_error(case, path)
        for path, layer in case.training.net.walk()
        if not layer.own and not isinstance(layer, Container)
    }
    if not case.training.loss.own:
        errors[str(case.training.loss)] = loss_error(case)
    for where, error in errors.items():
        if error > TOLERANCE:
            difference = "" if where == str(case.training.loss) else f" by {error:.1%}"
            return Suspicion(
                1.0,
                f"The backward pass of {where} is not the derivative of its forward pass: it "
                f"differs from finite differences{difference}. The optimizer follows a "
                "direction other than that of the steepest descent.",
                [remedy("fix_backward", layer=where)],
                {"relative_error": error},
                where,
                certain=True,
            )
    return None


def loss_error(case: Case) -> float:
    """Return 1 if the gradient of the loss is wrong for the outputs of some rows, else 0."""
    x, y = batch_of(case.training, 8)
    try:
        output = network_at(case.training, case.looks[0][1]).predict(x)
        check_loss(case.training.loss, output, y, tolerance=TOLERANCE)
    except GradientError:
        return 1.0
    except Exception:  # another fault of a user's loss, which training has reported
        return 0.0
    return 0.0


def gradient_error(case: Case, path: str) -> float:
    """Return the largest relative error of the directional derivatives of a user's layer."""
    training, net = case.training, network_at(case.training, case.looks[-1][1])
    rng, n = np.random.default_rng(0), len(training.x)
    try:
        inputs = []
        for _ in range(3):
            rows = rng.permutation(n)[: min(training.batch_size, n, 128)]
            net.forward(training.x[rows], training=True)
            inputs.append(np.array(net[path].x, dtype=np.float64))
        layer = copy.deepcopy(net[path]).build(dtype=np.float64)
        for x in inputs:
            before = copy.deepcopy(layer)
            dy = rng.standard_normal(layer.forward(x, training=True).shape)
            layer.backward(dy)
        gradients = {"": layer.dx} | {name: p.grad for name, p in layer.params.items()}
        passes = before, x, dy
        return max(directional_error(*passes, name, grad) for name, grad in gradients.items())
    except Exception:  # another fault of a user's layer, which training has reported
        return 0.0


def directional_error(before: Layer, x: Array, dy: Array, name: str, gradient: Array) -> float:
    """Return the error of Σ gradient u for a random u, relative to the norm of the gradient.

    ``name`` is that of a parameter, or "" for the input. A copy of the layer as it was before the
    forward pass draws the same random numbers; if it does not, the error is unknown and 0.
    """
    direction = np.random.default_rng(1).standard_normal(gradient.shape)

    def value(h: float) -> float:
        layer, rows = copy.deepcopy(before), x
        if name:
            layer.params[name].value = layer.params[name].value + h * direction
        else:
            rows = x + h * direction
        return float((layer.forward(rows, training=True) * dy).sum())

    if value(0.0) != value(0.0):
        return 0.0
    slope, errors = float((gradient * direction).sum()), []
    for h in (1e-4, 1e-6):
        numerical = (value(h) - value(-h)) / (2 * h)
        noise = 1e-9 * float(np.abs(dy).sum())
        scale = max(float(np.linalg.norm(gradient)), abs(numerical), noise)
        errors.append(abs(numerical - slope) / scale)
    return min(errors)


def frozen_layer(case: Case) -> Suspicion | None:
    """Weights that training leaves exactly as they were.

    They are frozen, kept outside ``params``, or skipped by the optimizer. Features of a layer with
    random weights are useful, but less so than those of a trained one.
    Rahimi & Recht (2007), Random features for large-scale kernel machines, NeurIPS.
    """
    net, eps = case.training.net, float(np.finfo(case.training.net.dtype).eps)
    for block, later in zip(case.first.blocks, case.last.blocks, strict=True):
        weight, grad = matrix_of(block.layer)
        if weight is None or len(case.losses) < 3:
            continue
        reason = "they are a plain array outside params, which no optimizer changes"
        frozen = not net[block.name].trainable
        if grad is not None:
            after, _ = matrix_of(later.layer)
            moves = case.lr * max(block.dw, later.dw) > 10 * eps * block.w  # if it is applied
            if not moves or after is None or not np.array_equal(weight, after):
                continue
            reason = "trainable is False" if frozen else "the optimizer skips them"
        return Suspicion(
            0.9,
            f"The weights of {block.name} are exactly the same after {len(case.losses)} steps, "
            f"because {reason}. The other layers can only use the random features of this layer.",
            [remedy("unfreeze", layer=block.name)],
            {"steps": len(case.losses), "gradient_rms": block.dw},
            block.name,
            needed=0.01,
            certain=not frozen,
        )
    return None


CAUSES = (
    wrong_gradient, no_output_layer, output_loss_mismatch, missing_nonlinearity, frozen_layer,
)  # fmt: skip
