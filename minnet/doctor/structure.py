"""Causes that the structure of the training proves: layers, loss, gradients, frozen weights."""

from __future__ import annotations

import copy

import numpy as np

from minnet.checks import GradientError, check_loss
from minnet.doctor.case import Case, Suspicion, suspect
from minnet.doctor.remedies import Remedy, is_activation, is_weighted
from minnet.doctor.symptoms import batch_of, find_blocks, network_at, weight_of
from minnet.layer import Layer
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
        between: list[Layer] = []
        for layer in container.layers:
            if is_weighted(layer):
                if before is not None and all(map(is_linear, between)):
                    return suspect(
                        "missing_nonlinearity",
                        f"No nonlinear function separates {before.path} and {layer.path}. Together "
                        "the two layers compute a linear function, which one layer can compute as "
                        "well, so the network cannot represent more than without them.",
                        [
                            Remedy("insert_activation", {"value": "relu"},
                                   "insert ReLU between the weighted layers, with He's weights"),
                            Remedy("insert_activation", {"value": "tanh"},
                                   "insert tanh between the weighted layers"),
                        ],
                        strength=0.9, needed=-0.01, certain=True, layer=before.path,
                        layers_between=len(between),
                    )  # fmt: skip
                before, between = layer, []
            else:
                between.append(layer)
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
    rng = np.random.default_rng(0)
    twin = copy.deepcopy(layer)
    width = layer.in_features or 8
    a, b = 3 * rng.standard_normal((2, 16, width)).astype(layer.dtype)
    try:
        sums = [twin.forward(rows, training=False) for rows in (a + b, 0 * a, a, b)]
    except Exception:
        return False
    error = np.abs(sums[0] + sums[1] - sums[2] - sums[3]).max()
    return bool(error <= 1e-4 * max(float(np.abs(sums[2]).max()), 1e-30))


def output_loss_mismatch(case: Case) -> Suspicion | None:
    """Output and loss that do not fit each other or the targets.

    A loss on logits applies softmax or the sigmoid itself; an activation before it bounds the
    logits, so that no probability can approach 0 or 1. A bounded output cannot reach targets
    outside its range. Squared errors of labels assume an order of the classes that does not exist.
    Bishop (1995), Neural Networks for Pattern Recognition, chapter 6.
    """
    training, blocks = case.training, find_blocks(case.training.net)
    if not blocks:
        return None
    loss, width = training.loss, training.net.out_features or 1
    classes = 0 if case.labels is None else int(case.labels.max()) + 1
    tail = [layer for layer in blocks[-1].others if is_activation(layer) and not is_linear(layer)]
    ends = tail[-1].path if tail else blocks[-1].name
    certain, strength, needed = True, 0.9, 0.0
    evidence: dict[str, float] = {"classes": classes, "outputs": width}
    if loss.takes_logits and tail and not width > classes > 0:
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
    elif classes and not loss.classifies:
        certain = width == 1 and classes > 2
        strength, needed = (0.7, 0.01) if width == 1 or tail else (0.4, 0.02)
        reason = (
            f"The targets are {classes} classes, but {loss} compares them as quantities with the "
            f"{width} output{'s' if width > 1 else ''} of {ends}. It assumes an order of the "
            "labels, or has almost no gradient where a bounded output is wrong."
        )
    elif not classes and tail and (outside := out_of_reach(case, tail)) > 0.05:
        evidence = {"targets_out_of_range": outside}
        reason = (
            f"{outside:.0%} of the targets lie outside the range of {ends}, with which the network "
            "ends, so no weights can produce them."
        )
    else:
        return None
    target = "SoftmaxCrossEntropy" if classes else "MeanSquaredError"
    if classes == 2 and width == 1:
        target = "SigmoidBinaryCrossEntropy"
    outputs = classes if target == "SoftmaxCrossEntropy" else width
    text = (
        f"end the network with a Dense of {outputs} outputs, without activation, and use {target}"
    )
    return suspect(
        "output_loss_mismatch", reason, [Remedy("set_loss", {"value": target}, text)],
        strength=strength, needed=needed, certain=certain, layer=ends, **evidence,
    )  # fmt: skip


def sum_of_outputs(case: Case) -> float:
    """Return the sum of the outputs of a row, before training and averaged over rows."""
    net = network_at(case.training, case.observation.looks[0][1])
    return float(net.predict(batch_of(case.training)[0]).sum(axis=1).mean())


def out_of_reach(case: Case, layers: list[Layer]) -> float:
    """Return the share of targets outside the range of these activations."""
    low, high = reachable(layers)
    return float(((case.training.y < low) | (case.training.y > high)).mean())


def reachable(layers: list[Layer]) -> tuple[float, float]:
    """Return the range of the output of these activations, over inputs from -100 to 100."""
    rows = np.random.default_rng(0).uniform(-100, 100, (64, 16)).astype(layers[0].dtype)
    try:
        for layer in layers:
            rows = copy.deepcopy(layer).forward(rows, training=False)
    except Exception:
        return -np.inf, np.inf
    low, high = float(rows.min()), float(rows.max())
    return (low if low > -50 else -np.inf), (high if high < 50 else np.inf)


def no_output_layer(case: Case) -> Suspicion | None:
    """A network that ends in a hidden layer, with more outputs than there are classes.

    The activation of the hidden layer limits the logits, and the surplus outputs only take
    probability from the classes. Goodfellow, Bengio & Courville (2016), Deep Learning, section 6.2.
    """
    training, labels = case.training, case.labels
    blocks, width = find_blocks(training.net), training.net.out_features or 1
    if labels is None or not blocks:
        return None
    classes = int(labels.max()) + 1
    tail = [layer for layer in blocks[-1].others if is_activation(layer)]
    bounded = [layer for layer in tail if type(layer).__name__ != "Softmax"]
    if width <= max(classes, 1) or not (bounded or width >= 2 * classes + 2):
        return None
    certain = bool(bounded)
    return suspect(
        "no_output_layer",
        f"The network ends in {blocks[-1].name}{f' and {tail[-1].path}' if tail else ''} with "
        f"{width} outputs, but there are {classes} classes. A hidden layer serves as the output, "
        "so the loss is computed from its activation, and the surplus outputs belong to no class.",
        [Remedy("add_output_layer", {},
                f"append Dense({width}, {classes}) without activation, and a loss on logits")],
        strength=0.95 if certain else 0.3, needed=-0.01 if certain else 0.03, certain=certain,
        layer=tail[-1].path if tail else blocks[-1].name, outputs=width, classes=classes,
    )  # fmt: skip


def wrong_gradient(case: Case) -> Suspicion | None:
    """A backward pass that is not the derivative of the forward pass.

    For a direction u, the derivative Σ dx u must equal (f(x + hu) - f(x - hu)) / 2h. It is compared
    on the trained layer, for the third of three batches of the training's size, so that inputs kept
    from an earlier batch and gradients that accumulate are found too.
    Griewank & Walther (2008), Evaluating Derivatives, section 3.
    """
    training = case.training
    net = network_at(training, case.observation.looks[-1][1])
    for path, layer in net.walk():
        if layer.own or isinstance(layer, Container):
            continue
        error, name = gradient_error(case, path)
        if error > TOLERANCE:
            return suspect(
                "wrong_gradient",
                f"The backward pass of {path} is not the derivative of its forward pass: {name} "
                f"differs from finite differences by {error:.1%}. The optimizer follows a "
                "direction that does not reduce the loss as fast as the gradient would.",
                [Remedy("fix_backward", {"layer": path},
                        f"correct differentiate of {path}; check_layer shows the worst entry")],
                strength=1.0, needed=0.0, certain=True, layer=path, relative_error=error,
            )  # fmt: skip
    if not training.loss.own:
        x, y = batch_of(training, 8)
        try:
            output = network_at(training, case.observation.looks[0][1]).predict(x)
            check_loss(training.loss, output, y, tolerance=TOLERANCE)
        except GradientError as wrong:
            return suspect(
                "wrong_gradient",
                f"The backward pass of {training.loss} is not the derivative of the loss: {wrong}.",
                [Remedy("fix_backward", {"layer": type(training.loss).__name__},
                        "correct differentiate of the loss; check_loss shows the worst entry")],
                strength=1.0, needed=0.0, certain=True, relative_error=1.0,
            )  # fmt: skip
        except (ValueError, FloatingPointError, TypeError):
            pass
    return None


def gradient_error(case: Case, path: str) -> tuple[float, str]:
    """Return the largest relative error of the directional derivatives, and the gradient's name."""
    training = case.training
    net = network_at(training, case.observation.looks[-1][1])
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
        errors = _directional_errors(before, layer, inputs[-1], dy, rng)
    except Exception:  # another fault of a user's layer, which training has reported
        return 0.0, ""
    name = max(errors, key=errors.__getitem__)
    return errors[name], name


def _directional_errors(
    before: Layer, after: Layer, x: Array, dy: Array, rng: np.random.Generator
) -> dict[str, float]:
    """Return the relative error by gradient name; before is the layer ahead of the last forward."""

    def value(name: str, change: Array) -> float:
        layer, moved = copy.deepcopy(before), x
        if name == "dx":
            moved = x + change
        else:
            layer.params[name].value = layer.params[name].value + change
        return float((layer.forward(moved, training=True) * dy).sum())

    gradients = {"dx": after.dx} | {name: p.grad for name, p in after.params.items()}
    errors = {}
    for name, gradient in gradients.items():
        least = np.inf
        direction = rng.standard_normal(gradient.shape)
        slope = float((gradient * direction).sum())
        size = float(np.linalg.norm(gradient))
        for h in (1e-4, 1e-6):
            ends = [value(name, sign * h * direction) for sign in (1, -1)]
            numeric = (ends[0] - ends[1]) / (2 * h)
            noise = 1e-9 * float(np.abs(dy).sum())
            scale = max(size, abs(numeric), abs(slope), noise)
            least = min(least, abs(numeric - slope) / scale)
        errors[name] = least
    return errors


def frozen_layer(case: Case) -> Suspicion | None:
    """Weights that training leaves exactly as they were.

    They are frozen, kept outside ``params``, or skipped by the optimizer. Features of a layer with
    random weights are useful, but fewer than those of a trained one.
    Rahimi & Recht (2007), Random features for large-scale kernel machines.
    """
    training, looks = case.training, case.observation.looks
    start, slices = 0, {}
    for name, param in training.net.params.items():
        slices[name] = slice(start, start + param.value.size)
        start += param.value.size
    for block in case.first.blocks:
        layer = training.net[block.name]
        matrix = weight_of(layer)
        if matrix is None:
            continue
        frozen = [name for name, p in layer.params.items() if not p.trainable]
        outside = matrix[1] is None
        part = slices.get(f"{block.name}.weight")
        still = False
        if part is not None and len(looks) > 1:
            still = np.array_equal(looks[0][1].arrays[0][part], looks[-1][1].arrays[0][part])
            step = case.lr * max(block.dw, case.last.blocks[case.first.blocks.index(block)].dw)
            eps = float(np.finfo(training.net.dtype).eps)
            still = still and step > 10 * eps * block.w and case.steps > 2
        if not (outside or still):
            continue
        reason = "the optimizer skips them"
        if outside:
            reason = "they are a plain array outside params, which no optimizer changes"
        elif frozen:
            reason = "they are frozen, trainable is False"
        return suspect(
            "frozen_layer",
            f"The weights of {block.name} are exactly the same after {case.steps} steps: {reason}. "
            "The other layers must make do with the random features of this layer.",
            [Remedy("unfreeze", {"layer": block.name}, f"train the weights of {block.name}")],
            strength=0.9, needed=0.01 if frozen else 0.0, certain=not frozen, layer=block.name,
            steps=case.steps, gradient_rms=block.dw,
        )  # fmt: skip
    return None


CAUSES = (
    wrong_gradient, no_output_layer, output_loss_mismatch, missing_nonlinearity, frozen_layer,
)  # fmt: skip
