"""Causes that the structure of the training proves: layers, loss, gradients, frozen weights."""

from __future__ import annotations

import copy
from collections.abc import Callable

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
    training, labels = case.training, case.labels
    net, loss = training.net, training.loss
    blocks = find_blocks(net)
    if not blocks:
        return None
    tail = [layer for layer in blocks[-1].others if is_activation(layer) and not is_linear(layer)]
    ends = type(tail[-1]).__name__ if tail else "no activation"
    width = net.out_features or 1
    classes = 0 if labels is None else int(labels.max()) + 1
    target = "SoftmaxCrossEntropy" if classes else "MeanSquaredError"
    if classes == 2 and width == 1:
        target = "SigmoidBinaryCrossEntropy"
    remedy = Remedy(
        "set_loss", {"value": target},
        f"end the network with a Dense of {max(classes, 1)} outputs without activation, and use "
        f"{target}",
    )  # fmt: skip

    def found(reason: str, *, certain: bool, strength: float, needed: float, **numbers: float):
        return suspect(
            "output_loss_mismatch", reason, [remedy], strength=strength, needed=needed,
            layer=tail[-1].path if tail else blocks[-1].name, certain=certain, **numbers,
        )  # fmt: skip

    if loss.takes_logits and tail and not (classes and width > classes):
        return found(
            f"{loss} takes logits of any size, but the network ends in {ends}, which limits them. "
            "The probabilities cannot approach 0 or 1, and gradients through the activation shrink.",
            certain=True, strength=0.9, needed=-0.01, outputs=width,
        )  # fmt: skip
    x, y = batch_of(training)
    if isinstance(loss, CrossEntropy):
        first = network_at(training, case.observation.looks[0][1])
        try:
            sums = first.predict(x).sum(axis=1)
        except FloatingPointError:
            return None
        if np.abs(sums - 1).max() > 1e-3:
            return found(
                f"{loss} takes probabilities whose sum is 1, but the outputs of {ends} sum to "
                f"{sums.mean():.3g}. The loss is smallest if every output is 1, for every row.",
                certain=True, strength=0.9, needed=-0.01, sum_of_outputs=float(sums.mean()),
            )  # fmt: skip
        return None
    if loss.classifies:
        if loss.multilabel and classes > 2 and width == 1:
            return None
        return None
    if classes and (width == 1 or tail or case.end.points < 0.97):
        return found(
            f"The targets are {classes} classes, but the loss is {loss}, and the network ends in "
            f"{ends} with {width} output{'s' * (width > 1)}. Squared errors treat labels as "
            "quantities, and their gradient vanishes where a bounded output is confidently wrong.",
            certain=width == 1 and classes > 2, strength=0.7 if width == 1 or tail else 0.4,
            needed=0.01 if tail else 0.02,
            classes=classes, outputs=width,
        )  # fmt: skip
    if not classes and tail:
        low, high = reachable(tail)
        outside = float(((training.y < low) | (training.y > high)).mean())
        if outside > 0.05:
            return found(
                f"The network ends in {ends}, whose outputs lie between {low:.3g} and {high:.3g}, "
                f"but {outside:.0%} of the targets lie outside this range.",
                certain=True, strength=0.9, needed=-0.01, targets_out_of_range=outside,
            )  # fmt: skip
    return None


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
        except GradientError as error_:
            return suspect(
                "wrong_gradient",
                f"The backward pass of {training.loss} is not the derivative of the loss: {error_}.",
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
    worst, where = 0.0, ""
    for look in {id(s): s for s in case.observation.looks[-1:]}.values():
        net = network_at(training, look[1])
        layer = net[path]
        batch = min(training.batch_size, len(training.x), 128)
        rng = np.random.default_rng(0)
        try:
            inputs = []
            for _ in range(3):
                rows = rng.permutation(len(training.x))[:batch]
                net.forward(training.x[rows], training=True)
                inputs.append(np.array(layer.x, dtype=np.float64))
            layer = copy.deepcopy(layer).build(dtype=np.float64)
            for x in inputs:
                before = copy.deepcopy(layer)
                y = layer.forward(x, training=True)
                dy = rng.standard_normal(y.shape)
                layer.backward(dy)
            errors = _directional_errors(before, layer, inputs[-1], dy, rng)
        except Exception:  # another fault of a user's layer, which training has reported
            return 0.0, ""
        for name, error in errors.items():
            if error > worst:
                worst, where = error, name
    return worst, where


def _directional_errors(
    before: Layer, after: Layer, x: Array, dy: Array, rng: np.random.Generator
) -> dict[str, float]:
    """Return the relative error by gradient name; before is the layer ahead of the last forward."""

    def value(shift: Callable[[Layer], Array]) -> float:
        layer = copy.deepcopy(before)
        return float((layer.forward(shift(layer), training=True) * dy).sum())

    def move_param(name: str, change: Array) -> Callable[[Layer], Array]:
        def shift(layer: Layer) -> Array:
            layer.params[name].value = layer.params[name].value + change
            return x

        return shift

    gradients = {"dx": after.dx} | {name: p.grad for name, p in after.params.items()}
    errors = {}
    for name, gradient in gradients.items():
        least = np.inf
        direction = rng.standard_normal(gradient.shape)
        slope = float((gradient * direction).sum())
        size = float(np.linalg.norm(gradient))
        for h in (1e-4, 1e-6):
            ends = []
            for sign in (1, -1):
                change = sign * h * direction
                if name == "dx":
                    ends.append(value(lambda layer, change=change: x + change))
                else:
                    ends.append(value(move_param(name, change)))
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
