"""Planted faults: small changes of the source, each of which a test must catch.

Every group names a file, the tests to run, and pairs of a text and its replacement. A text must
occur exactly once in the file, so that a fault that no longer fits the source is noticed.
"""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """Faults in one file, and the tests that must catch them."""

    part: str
    file: str
    tests: str
    changes: tuple[tuple[str, str], ...]


GROUPS = (
    Group(
        "kernels",
        "kernels/activations.py",
        "tests/kernels/test_activations.py",
        (
            ("y[k] = one / (one + exp(-x[k]))", "y[k] = one / (one + exp(x[k]))"),
            (
                "dx[k] = dy[k] * y[k] * (one - y[k])",
                "dx[k] = dy[k] * (one - y[k])",
            ),
            (
                "dx[k] = dy[k] * (one - y[k] * y[k])",
                "dx[k] = dy[k] * (one - y[k])",
            ),
            ("zero if x[k] < zero else x[k]", "x[k] if x[k] > zero else zero"),
            (
                "dx[k] = dy[k] if y[k] > zero else zero",
                "dx[k] = dy[k] if y[k] >= zero else zero",
            ),
            (
                "y[k] = x[k] if x[k] > zero else a * x[k]",
                "y[k] = x[k] if x[k] > a else a * x[k]",
            ),
            (
                "dx[k] = dy[k] if x[k] > zero else a * dy[k]",
                "dx[k] = dy[k] if x[k] >= zero else a * dy[k]",
            ),
            ("if not x[k] > 0:", "if x[k] > 0:"),
            ("a * math.expm1(x[k])", "a * (math.exp(x[k]) - 1)"),
            ("else dy[k] * a * exp(x[k])", "else dy[k] * exp(x[k])"),
            ("(one + x[k] * (one - s))", "(one - x[k] * (one - s))"),
            ("math.exp(-0.5 * x[k] * x[k])", "math.exp(-x[k] * x[k])"),
            ("y[i, j] = exp(x[i, j] - highest)", "y[i, j] = exp(x[i, j])"),
            ("dx[i, j] = y[i, j] * (dy[i, j] - inner)", "dx[i, j] = y[i, j] * dy[i, j] - inner"),
        ),
    ),
    Group(
        "kernels",
        "kernels/normalization.py",
        "tests/kernels/test_normalization.py minnet/kernels/normalization.py",
        (
            (
                "scale[j] = gamma[j] / math.sqrt(var[j] + eps)",
                "scale[j] = gamma[j] / (math.sqrt(var[j]) + eps)",
            ),
            ("shift[j] = beta[j] - (mean[j] - centre[j]) * scale[j]", "shift[j] = beta[j]"),
            ("var[j] /= n\n", "var[j] /= n - 1\n"),
            ("unbiased = x.dtype.type(var[j] / (n - 1))", "unbiased = var[j] / (n - 1)"),
            ("unbias = n / (n - 1)", "unbias = 1.0"),
            (
                "momentum * running_mean[j] + (1.0 - momentum) * mean[j]",
                "(1.0 - momentum) * running_mean[j] + momentum * mean[j]",
            ),
            (
                "sum_dy_x_hat = (sum_dy_x[j] - rest * sum_dy[j]) * rstd",
                "sum_dy_x_hat = sum_dy_x[j] * rstd",
            ),
            ("slope[j] = sum_dy_x_hat * rstd / n", "slope[j] = sum_dy_x_hat * rstd / (n - 1)"),
            ("shift[j] = sum_dy[j] / n - rest * sum_dy_x_hat * rstd / n", "shift[j] = 0.0"),
            ("dbeta[j] = sum_dy[j]\n        scale", "dbeta[j] = sum_dy[j] / n\n        scale"),
            ("mean_g - x_hat * mean_g_x_hat)", "mean_g)"),
            (
                "sum_g_x_hat += gamma[g, j] * dy[i, g, j] * x_hat",
                "sum_g_x_hat += dy[i, g, j] * x_hat",
            ),
            ("(mean - centre) * rstd", "0.0"),
        ),
    ),
    Group(
        "kernels",
        "kernels/losses.py",
        "tests/kernels/test_losses.py tests/test_losses.py",
        (
            (
                "if labels[i] < 0 or labels[i] >= classes:",
                "if labels[i] < 0 or labels[i] > classes:",
            ),
            ("rows[i, j] = 0\n", "pass\n"),
            ("valid &= rows[i, j] >= 0", "valid &= rows[i, j] >= -1"),
            ("if not 0 <= rows[i, j] <= 1:", "if not 0 <= rows[i, j] < 1:"),
            (
                "distance = log_total - (np.float64(logits[i, j]) - highest)",
                "distance = log_total - np.float64(logits[i, j])",
            ),
            (
                "dx[i, j] = (probabilities[i, j] * total - target[i, j]) * share",
                "dx[i, j] = (probabilities[i, j] - total * target[i, j]) * share",
            ),
            ("math.log(lowest if p < lowest else p)", "math.log(p)"),
            (
                "dx[i, j] = -target[i, j] / ((lowest if p < lowest else p) * n)",
                "dx[i, j] = -target[i, j] / (lowest if p < lowest else p)",
            ),
            ("math.log1p(math.exp(-abs(z)))", "math.log1p(math.exp(z))"),
            (
                "(one / (one + exp(-z[k])) - t[k]) * share",
                "(one / (one + exp(-z[k])) + t[k]) * share",
            ),
            ("y.dtype.type(2.0 / y.size)", "y.dtype.type(2.0 / len(output))"),
            ("if output[i, j] > output[i, best]:", "if output[i, j] >= output[i, best]:"),
        ),
    ),
    Group(
        "kernels",
        "kernels/optimizers.py",
        "tests/kernels/test_optimizers.py tests/test_optimizers.py",
        (
            ("theta[k] -= rate * (g + mu * velocity[k])", "theta[k] -= rate * (mu * velocity[k])"),
            ("mu * velocity[k] + (grad[k] + decay * theta[k])", "mu * velocity[k] + grad[k]"),
            (
                "theta[k] -= rate * (grad[k] + decay * theta[k])",
                "theta[k] -= rate * grad[k] + decay * theta[k]",
            ),
            (
                "square[k] = raise_subnormal(keep * square[k] + fresh * g * g)",
                "square[k] = keep * square[k] + fresh * g * g",
            ),
            ("square[k] += g * g", "square[k] = g * g"),
            ("rate = dtype(lr / (1.0 - beta1**t))", "rate = dtype(lr)"),
            (
                "unbias = dtype(1.0 / math.sqrt(1.0 - beta2**t))",
                "unbias = dtype(1.0 / (1.0 - beta2**t))",
            ),
            ("dtype(eps), dtype(1.0 - lr * weight_decay)", "dtype(eps), dtype(1.0 - weight_decay)"),
            (
                "mean[k] = flush_subnormal(keep1 * mean[k] + fresh1 * g)",
                "mean[k] = keep1 * mean[k] + fresh1 * g",
            ),
        ),
    ),
    Group(
        "kernels",
        "kernels/exponential.py",
        "tests/kernels/test_activations.py tests/kernels/test_exponential.py",
        (
            (
                "LOWEST, HIGHEST = np.float32(-87.3), np.float32(88.3)",
                "LOWEST, HIGHEST = np.float32(-80.0), np.float32(88.3)",
            ),
            ("result = INFINITY", "pass"),
        ),
    ),
    Group(
        "kernels",
        "kernels/dense.py",
        "tests/kernels tests/layers/test_dense.py",
        (
            ("bad |= v - v != 0", "bad = v - v != 0"),
            ("db[j] = total[j]", "db[j] += total[j]"),
        ),
    ),
    Group(
        "kernels",
        "kernels/histograms.py",
        "tests/kernels/test_histograms.py tests/recording/test_histogram_probe.py",
        (
            ("for j in range(whole, width):", "for j in range(whole, width - 1):"),
            ("counts[0, place] -= 1", "pass"),
            ("start = offset % stride", "start = 0"),
            ("counts[k, c, start + j] = 0", "pass"),
        ),
    ),
    Group(
        "kernels",
        "kernels/moments.py",
        "tests/kernels tests/recording/test_statistics.py tests/recording/test_statistics_probe.py",
        (
            ("third[k] += square * d", "third[k] += square"),
            ("for k in range(x.size - whole):", "for k in range(x.size - whole - 1):"),
            ("m3 / m2**1.5", "m3 / m2"),
            ("m4 / m2**2 - 3", "m4 / m2**2"),
            ("centre += x[k] / min(n, LANES)", "pass"),
            ("outside += (x[k] < low) | (x[k] > high)", "outside += x[k] > high"),
            ("elif y[0, j] == last[j]:", "elif True:"),
        ),
    ),
    Group(
        "layers",
        "layers/dense.py",
        "tests/layers/test_dense.py tests/test_parity.py",
        (
            ("dot(self.x.T, dy, out=weight.grad)", "weight.grad += dot(self.x.T, dy)"),
            ("column_sum(dy, self.bias.grad)", "self.bias.grad = dy.mean(axis=0)"),
            ("if len(dx):", "if len(dx) > 1:"),
        ),
    ),
    Group(
        "layers",
        "layers/dropout.py",
        "tests/layers/test_dropout.py",
        (
            (
                "np.greater_equal(self.mask, self.p, out=self.mask)",
                "np.less(self.mask, self.p, out=self.mask)",
            ),
            ("self.mask /= 1.0 - self.p", "self.mask /= self.p"),
            ("np.multiply(dy, self.mask, out=dx)", "dx[...] = dy"),
        ),
    ),
    Group(
        "layers",
        "layers/residual.py",
        "tests/layers/test_residual.py",
        (
            (
                "np.add(dy, self.backward_layers(dy), out=dx)",
                "np.copyto(dx, self.backward_layers(dy))",
            ),
            (
                "np.add(x, self.forward_layers(x, training), out=y)",
                "np.copyto(y, self.forward_layers(x, training))",
            ),
        ),
    ),
    Group(
        "layers",
        "layers/normalization.py",
        "tests/layers/test_normalization.py tests/test_parity.py",
        (
            (
                "self.running_mean, self.running_var, mean, var, self.momentum, len(x)",
                "self.running_mean, self.running_var, mean, var, 0.5, len(x)",
            ),
            (
                "super().__init__(1, num_features, eps=eps)",
                "super().__init__(num_features, num_features, eps=eps)",
            ),
            ("rows_to_train = 2", "rows_to_train = 1"),
        ),
    ),
    Group(
        "layers",
        "layers/activations.py",
        "tests/layers/test_activations.py tests/test_parity.py",
        (
            (
                "self.slope.grad[0] = kernels.negative_part_dot(self.x, dy)",
                "self.slope.grad[0] += kernels.negative_part_dot(self.x, dy)",
            ),
            (
                "kernels.elu_backward(self.x, dy, self.alpha, dx)",
                "kernels.elu_backward(self.y, dy, self.alpha, dx)",
            ),
        ),
    ),
    Group(
        "layers",
        "layer.py",
        "tests/test_layer.py tests/test_own_layers.py tests/layers",
        (
            ('self._apart(x, "_y", "_dx")', "x"),
            ('self._apart(dy, "_dx")', "dy"),
            ("array[...] = before", "pass"),
            ("if self.can_skip_dx and not input_gradient:", "if False:"),
            ("y = np.empty((len(x),", "y = self._y = grown(self._y, (len(x),"),
            ("elif len(x) != len(self.y):", "elif False:"),
        ),
    ),
    Group(
        "layers",
        "layers/sequential.py",
        "tests/layers tests/test_layer.py tests/test_evaluation.py",
        (
            (
                "for layer in reversed(self.layers[1:]):",
                "for layer in self.layers[:0:-1]:\n"
                "            if len(self.layers) > 3 and layer is self.layers[1]:\n"
                "                continue",
            ),
            ("range(0, max(len(x), 1), batch_size)", "range(0, len(x), batch_size)"),
            ("if multilabel or output.shape[1] == 1", "if multilabel"),
        ),
    ),
    Group(
        "losses",
        "losses.py",
        "tests/test_losses.py",
        (
            ("lowest = _smallest_normal(output)", "lowest = 1e-7"),
            ("return float(np.finfo(array.dtype).tiny)", "return float(np.finfo(np.float64).tiny)"),
            ("row = kernels.first_outside_unit(output)", "row = -1"),
            ("row = kernels.first_outside_unit(rows)", "row = -1"),
            ("1.0 / dx.size, out=dx", "1.0 / len(dx), out=dx"),
            ("(d - 0.5 * squared)", "(d - squared)"),
            ("np.clip(d, -self.delta, self.delta)", "np.clip(d, -1, 1)"),
        ),
    ),
    Group(
        "losses",
        "loss.py",
        "tests/test_losses.py tests/test_own_layers.py",
        (
            ("scaled * (len(scaled) / float(scaled.sum()))", "scaled / float(scaled.sum())"),
            ("dx[self.row_weights == 0] = 0", "pass"),
            ('dtype.kind == "f" and dtype.itemsize >= 8', "dtype == FLOAT64"),
            ("if not math.isfinite(value):", "if False:"),
        ),
    ),
    Group(
        "optimizers",
        "optimizers.py",
        "tests/test_optimizers.py tests/test_continuing.py tests/test_regularization.py",
        (
            ("if exceeds(net.grad, limit):", "if False:"),
            ("if self._used == (net.gradients, Param.assigned):", "if False:"),
            ("if self.net.dtype != self.dtype:", "if False:"),
            (
                "self.decay_bias or param.value.ndim == 2",
                "self.decay_bias or param.value.ndim == 1",
            ),
            (
                "if not param.trainable:\n            return None",
                "if False:\n            return None",
            ),
            ("max(self.steps + 1 - frozen, 1)", "self.steps + 1"),
            (
                "self.velocity = zeros_like(net.theta) if self.momentum else None",
                "self.velocity = net.grad.copy() if self.momentum else None",
            ),
        ),
    ),
    Group(
        "regularization",
        "regularization.py",
        "tests/test_regularization.py",
        (
            ("weight.dtype.type(2.0 * self.strength)", "weight.dtype.type(self.strength)"),
            (
                "np.sign(weight) * weight.dtype.type(self.strength)",
                "np.where(weight >= 0, 1, -1) * weight.dtype.type(self.strength)",
            ),
            ("if param.value.ndim == 2]", "if param.value.ndim >= 1]"),
            ("weight.grad[...] += self.gradient", "weight.grad[...] = self.gradient"),
            ("if lost:", "if False:"),
            ("if any(map(math.isnan, largest)):", "if False:"),
        ),
    ),
    Group(
        "schedules",
        "schedules.py",
        "tests/test_schedules.py minnet/schedules.py",
        (
            (
                "lr * factor ** (_check_step(step) // every)",
                "lr * factor ** (_check_step(step) / every)",
            ),
            ("at = min(_check_step(step), knots[-1][0])", "at = _check_step(step)"),
            ("* (step + 1) / (steps + 1)\n", "* step / steps\n"),
            ("return schedule(step - steps)", "return schedule(step)"),
            (
                "(pct_start * steps - 1, max_lr)",
                "(pct_start * steps, max_lr)",
            ),
            ("(1.0 + math.cos(math.pi * share)) / 2.0", "(1.0 - share)"),
        ),
    ),
    Group(
        "initializers",
        "initializers.py",
        "tests/test_initializers.py tests/test_initializers_lsuv.py minnet/initializers.py",
        (
            ("std=math.sqrt(2 / sum(_fans(shape)))", "std=math.sqrt(1 / sum(_fans(shape)))"),
            ("limit=math.sqrt(6 / sum(_fans(shape)))", "limit=math.sqrt(2 / sum(_fans(shape)))"),
            ("std=math.sqrt(2 / _fans(shape)[0])", "std=math.sqrt(2 / _fans(shape)[1])"),
            ("limit=math.sqrt(6 / _fans(shape)[0])", "limit=math.sqrt(3 / _fans(shape)[0])"),
            ("limit=math.sqrt(3 / _fans(shape)[0])", "limit=math.sqrt(1 / _fans(shape)[0])"),
            ("q *= np.where(np.diag(r) < 0, -gain, gain)", "q *= gain"),
            ("weight /= math.sqrt(variance)", "weight /= variance"),
            ("net.theta[...] = theta\n        raise", "raise"),
        ),
    ),
    Group(
        "initializers",
        "recommendation.py",
        "tests/test_initializers_recommendation.py minnet/recommendation.py",
        (
            ("DEEP = 10", "DEEP = 11"),
            (
                '_HALVING = ("relu", "leakyrelu", "prelu", "elu", "silu", "swish", "gelu")',
                '_HALVING = ("relu", "leakyrelu", "prelu", "elu", "silu", "swish")',
            ),
        ),
    ),
    Group(
        "training",
        "training.py",
        "tests/test_training.py tests/test_continuing.py tests/test_history.py "
        "tests/test_stopping.py",
        (
            (
                "total + value * weight, total_weight + weight",
                "total + value, total_weight + 1",
            ),
            (
                "generator.permutation(len(x)) if shuffle",
                "generator.permutation(len(x) - 1) if shuffle",
            ),
            (
                "optimizer.lr = schedule(optimizer.steps)",
                "optimizer.lr = schedule(optimizer.steps + 1)",
            ),
            (
                'metrics["accuracy"] = correct / rows',
                'metrics["accuracy"] = correct / (rows + 1)',
            ),
            ("history is None or history.steps > optimizer.steps", "history is None"),
        ),
    ),
    Group(
        "training",
        "arguments.py",
        "tests/test_training.py tests/test_continuing.py",
        (
            ("self.rows = n - n % self.size if drop_last else n", "self.rows = n"),
            (
                "self.per_epoch = -(-self.rows // self.size)",
                "self.per_epoch = self.rows // self.size",
            ),
            ("if not 1e-38 <= weights.max() <= 1e38:", "if False:"),
        ),
    ),
    Group(
        "training",
        "evaluation.py",
        "tests/test_evaluation.py",
        (
            ("threshold = 0.0 if loss.takes_logits else 0.5", "threshold = 0.5"),
            ("(true == predicted) * loss.row_weights[:, None]", "true == predicted"),
        ),
    ),
    Group(
        "training",
        "stopping.py",
        "tests/test_stopping.py",
        (
            ("value < self._improved - self.min_delta", "value < self._improved"),
            ('sign = -1.0 if "accuracy" in self.monitor else 1.0', "sign = 1.0"),
            ("return self._waited >= self.patience", "return self._waited > self.patience"),
        ),
    ),
    Group(
        "training",
        "memory.py",
        "tests/test_memory.py",
        (
            (
                "if allocated_here and start + size <= memory.nbytes:",
                "if allocated_here and size <= memory.nbytes:",
            ),
            ("start % PAGE", "0"),
        ),
    ),
    Group(
        "training",
        "interruptions.py",
        "tests/test_training.py",
        (
            ("if self.delaying and not self.pending:", "if self.delaying:"),
            (
                "self.owner.pending = False\n            self.owner.previous(signal.SIGINT, None)",
                "self.owner.pending = False",
            ),
        ),
    ),
    Group(
        "checks",
        "checks.py",
        "tests/test_checks.py minnet/checks.py",
        (
            ("noise / tolerance, float(np.finfo(np.float64).tiny)", "noise / tolerance, 1.0"),
            ("h = step * max(1.0, abs(value))", "h = step"),
            (
                "float((values[1] - values[0]) / (ends[1] - ends[0]))",
                "float((values[1] - values[0]) / (high - low) / 2)",
            ),
            ("if not refined <= allowed:", "if not refined <= 10 * allowed:"),
            ("ends = [(-1.0, 1.0), (-1.0, 0.0), (0.0, 1.0)]", "ends = [(-1.0, 1.0)]"),
        ),
    ),
    Group(
        "validation",
        "validation.py",
        "tests/test_validation.py tests/test_losses.py tests/test_training.py",
        (
            ('v >= 0, "non-negative and finite"', 'v > 0, "non-negative and finite"'),
            ("lambda v: 0 <= v < 1", "lambda v: 0 <= v <= 1"),
            ("if not least <= value <= most:", "if not least - 1 <= value <= most:"),
            ("if abs(rounded) < SMALLEST[dtype]:", "if abs(rounded) < 0:"),
            ("not is_whole(value)", "not isinstance(value, int | np.integer)"),
            (
                "array.dtype == dtype and flags.c_contiguous and flags.aligned",
                "array.dtype == dtype and flags.c_contiguous",
            ),
        ),
    ),
    Group(
        "validation",
        "kernels/losses.py",
        "tests/test_validation.py tests/test_losses.py",
        (("abs(total - 1.0) < 1e-3", "abs(total - 1.0) < 1e-1"),),
    ),
    Group(
        "recording",
        "recording/taps.py",
        "tests/recording",
        (
            (
                "-(-len(x) // max(most // x.shape[1], 1))",
                "len(x) // max(most // x.shape[1], 1)",
            ),
            ("np.subtract(now, rows, out=rows)", "np.subtract(rows, now, out=rows)"),
        ),
    ),
    Group(
        "recording",
        "recording/series.py",
        "tests/recording",
        (
            ("self.span *= 2", "self.span += 1"),
            ("rows[pairs] = rows[-1]", "pass"),
        ),
    ),
    Group(
        "recording",
        "recording/counts.py",
        "tests/recording/test_histogram_probe.py",
        (("if self._pending + view.size > MOST_PENDING:", "if False:"),),
    ),
    Group(
        "recording",
        "recording/histogram_probe.py",
        "tests/recording/test_histogram_probe.py",
        (
            (
                "np.clip(np.ceil(shares * upto[-1]), 1, upto[-1])",
                "np.clip(np.floor(shares * upto[-1]), 1, upto[-1])",
            ),
            ('side="right")', 'side="left")'),
            ("ZERO = slice(SIGN - 1, SIGN + 1)", "ZERO = slice(SIGN, SIGN + 1)"),
        ),
    ),
    Group(
        "recording",
        "recording/statistics_probe.py",
        "tests/recording/test_statistics_probe.py",
        (
            ('"maximum": np.fmax', '"maximum": np.fmin'),
            ("min(self.window, self.observed + 1)", "self.window"),
            ("math.sqrt(grad.size) * float(out[RMS])", "float(out[RMS])"),
            (
                "summarize(values, out)[RMS] for values, out in arrays",
                "summarize(values, out)[1] for values, out in arrays",
            ),
        ),
    ),
    Group(
        "recording",
        "recording/capture.py",
        "tests/recording/test_capture.py",
        (
            ("net = copy.deepcopy(net)", "pass"),
            ("read_only(np.array(array)) for", "read_only(array) for"),
        ),
    ),
    Group(
        "statistics",
        "recording/statistics.py",
        "tests/recording/test_statistics.py minnet/recording/statistics.py "
        "tests/plot/test_distributions.py",
        (
            ('0.02, method="higher"', '0.1, method="higher"'),
            ("reach = 5 *", "reach = 4 *"),
            ("bw_method=0.9 * spread", "bw_method=1.06 * spread"),
            ("if half > 1e-9 * abs(middle):", "if half > 0:"),
            ("runs.std(axis=0, ddof=1)", "runs.std(axis=0)"),
            ("below = zeros if sample.log else 0", "below = 0"),
            (
                "numbers.max(axis=0) - numbers.min(axis=0) <= tolerance",
                "numbers.max(axis=0) - numbers.min(axis=0) < tolerance",
            ),
            ("width = max(-low / below, high / (bins - below))", "width = (high - low) / bins"),
        ),
    ),
    Group(
        "serialization",
        "serialization.py",
        "tests/test_serialization.py tests/test_continuing.py",
        (
            (
                "for name in states.keys() & generators.keys():\n        generators[name]",
                "for name in ():\n        generators[name]",
            ),
            ("net.forget_buffers()", "pass"),
            ("optimizer.resume(lr, int(steps), history)", "optimizer.resume(lr, 0, history)"),
        ),
    ),
    Group(
        "serialization",
        "files.py",
        "tests/test_serialization.py tests/test_files.py",
        (
            ("os.replace(temporary, path)", "path.write_bytes(temporary.read_bytes())"),
            ("if declared > most:", "if False:"),
            ('order="F" if fortran_order else "C"', 'order="C"'),
            ("> HOUR:", "> -1:"),
        ),
    ),
    Group(
        "serialization",
        "layers/exchange.py",
        "tests/layers/test_exchange.py",
        (("np.isfinite(", "np.ones_like("),),
    ),
    Group(
        "data",
        "datasets.py",
        "tests/test_datasets.py",
        (
            ("x / 16, y, test_size", "x / 15, y, test_size"),
            ("StandardScaler().fit(arrays[0])", "StandardScaler().fit(arrays[-1])"),
        ),
    ),
)
