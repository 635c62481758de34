"""A training that is stopped after any epoch and continued equals the uninterrupted one."""

import json
import zipfile

import numpy as np
import pytest

from minnet import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    BatchNorm,
    Dense,
    Dropout,
    HistogramProbe,
    History,
    Layer,
    MeanSquaredError,
    PReLU,
    ReLU,
    Residual,
    RMSProp,
    Sequential,
    SoftmaxCrossEntropy,
    StatisticsProbe,
    datasets,
    fit,
    load,
    save,
    schedules,
    train_step,
)

EPOCHS, BATCH = 3, 25  # 5 steps for each epoch, the last one with 20 rows

OPTIMIZERS = {
    "SGD": lambda net: SGD(net, 0.05, weight_decay=0.01),
    "momentum": lambda net: SGD(net, 0.05, 0.9, weight_decay=0.01, decay_bias=False),
    "nesterov": lambda net: SGD(net, 0.05, 0.9, nesterov=True),
    "RMSProp": RMSProp,
    "Adagrad": Adagrad,
    "Adam": Adam,
    "AdamW": lambda net: AdamW(net, decay_bias=False),
}


class Noise(Layer):
    """A user's layer with a generator of its own."""

    def __init__(self):
        self.random = np.random.default_rng(7)

    def compute(self, x, y, training):
        y[...] = x + (self.random.normal(size=x.shape) if training else 0)

    def differentiate(self, dy, dx):
        dx[...] = dy


LAYERS = {
    "Dense": lambda: [Dense(4, 8), ReLU()],
    "BatchNorm": lambda: [Dense(4, 8), BatchNorm(8), PReLU()],
    "Dropout": lambda: [Dense(4, 8), ReLU(), Dropout(0.3)],
    "Residual": lambda: [Dense(4, 8), Residual(Dense(8, 8), BatchNorm(8), Dropout(0.2))],
    "own": lambda: [Noise(), Dense(4, 8)],
}

SCHEDULES = {
    "no schedule": None,
    "step": schedules.step(0.05, every=3),
    "cosine": schedules.cosine(0.05, steps=15),
    "warmup": schedules.warmup(0.05, steps=8),
    "one_cycle": schedules.one_cycle(0.05, steps=20),
}
# each optimizer with all layers and all schedules, in a Latin square
CASES = [
    (optimizer, layers, list(SCHEDULES)[(row + column) % len(SCHEDULES)])
    for row, optimizer in enumerate(OPTIMIZERS)
    for column, layers in enumerate(LAYERS)
]


@pytest.fixture(scope="module")
def iris():
    return datasets.iris()


def network(layers):
    return Sequential([*LAYERS[layers](), Dense(8, 3)], rng=1)


def train(net, optimizer, data, epochs, schedule="no schedule", **options):
    (x, y), validation = data
    options = {"rng": 0, "validation_data": validation, "batch_size": BATCH} | options
    return fit(
        net, x, y, loss=SoftmaxCrossEntropy(), optimizer=optimizer, epochs=epochs,
        schedule=SCHEDULES[schedule], **options,
    )  # fmt: skip


def bits(net, optimizer):
    """Return everything that a training changes, as comparable values."""
    values, by_step = optimizer.history.to_state()
    arrays = {"theta": net.theta, **net.state, **optimizer.state, **by_step}
    bits = {name: array.tobytes() for name, array in arrays.items()}
    return bits, values, optimizer.lr, optimizer.steps


@pytest.mark.parametrize(("optimizer", "layers", "schedule"), CASES)
def test_continued_equals_uninterrupted(optimizer, layers, schedule, iris, tmp_path):
    """In the same process, and in new objects filled from a file."""
    make, path = OPTIMIZERS[optimizer], tmp_path / "training.npz"
    net = network(layers)
    rule = make(net)
    train(net, rule, iris, EPOCHS, schedule)
    expected = bits(net, rule)
    for stop in range(1, EPOCHS):
        net = network(layers)
        rule = make(net)
        first = train(net, rule, iris, stop, schedule)
        save(net, path, optimizer=rule)
        assert train(net, rule, iris, EPOCHS - stop, schedule) is first is net.history
        assert bits(net, rule) == expected
        net = network(layers)
        rule = make(net)
        assert load(net, path, optimizer=rule) is net
        assert len(net.history.loss) == stop
        train(net, rule, iris, EPOCHS - stop, schedule)
        assert bits(net, rule) == expected


def test_a_generator_is_used_as_it_is_and_another_seed_begins_other_permutations(iris):
    def theta(*rngs):
        net = network("Dense")
        optimizer = Adam(net)
        for rng in rngs:
            train(net, optimizer, iris, 1, rng=rng)
        return net.theta.tobytes()

    order = np.random.default_rng(0)
    assert theta(order, order) == theta(0, 0) == theta(np.int64(0), 0)
    assert theta(0, np.random.default_rng(0)) != theta(0, 0)
    assert theta(0, 1) == theta(0, np.random.default_rng(1))


def test_an_rng_that_raises_leaves_the_permutations_of_the_training(iris):
    thetas = []
    for invalid in (False, True):
        net = network("Dense")
        optimizer = Adam(net)
        train(net, optimizer, iris, 1, rng=5)
        for rng in (1.5, -1) if invalid else ():
            with pytest.raises((TypeError, ValueError)):
                train(net, optimizer, iris, 1, rng=rng)
        train(net, optimizer, iris, 1, rng=5)
        thetas.append(net.theta.tobytes())
    assert thetas[0] == thetas[1]


def test_without_a_seed_the_permutations_continue_through_a_file(iris, tmp_path):
    results = []
    net = network("Dense")
    optimizer = Adam(net)
    train(net, optimizer, iris, 1, rng=None)
    save(net, tmp_path / "net", optimizer=optimizer)
    for _ in range(2):
        net = network("Dense")
        optimizer = Adam(net)
        load(net, tmp_path / "net", optimizer=optimizer)
        train(net, optimizer, iris, 2, rng=None)
        results.append(net.theta.tobytes())
    assert results[0] == results[1]


@pytest.mark.parametrize("probe", [HistogramProbe, StatisticsProbe])
def test_a_probe_records_a_continued_run_as_an_uninterrupted_one(probe, iris):
    recordings = []
    for calls in ([4], [1, 3]):
        net, recording = network("BatchNorm"), probe()
        optimizer = Adam(net)
        for epochs in calls:
            train(net, optimizer, iris, epochs, probes=[recording])
        recordings.append(recording)
    assert recordings[0].observed == recordings[1].observed == 20
    for layer in recordings[0].layers:
        steps = [recording.steps(layer, "y") for recording in recordings]
        np.testing.assert_array_equal(*steps)
        if probe is HistogramProbe:
            values = [recording.quantile(layer, "y", 0.9) for recording in recordings]
        else:
            values = [recording.series(layer, "y", "rms") for recording in recordings]
        np.testing.assert_array_equal(*values)


def test_an_optimizer_continues_its_own_history_and_a_new_one_begins_a_new_history(iris):
    net = network("Dense")
    first, second = Adam(net), SGD(net, lr=0.01)
    begun = train(net, first, iris, 1)
    assert train(net, second, iris, 1) is not begun
    assert net.history is second.history
    assert train(net, first, iris, 1) is begun is net.history
    assert (len(begun.loss), begun.steps, first.steps, second.steps) == (2, 10, 10, 5)


def test_steps_taken_without_fit_count_and_have_no_metrics(iris):
    (x, y), _ = iris
    net = network("Dense")
    optimizer, seen = SGD(net, lr=0.01), []

    class Steps:
        def observe(self, step, net):
            seen.append(step)

    loss = SoftmaxCrossEntropy()
    train_step(net, x, y, loss=loss, optimizer=optimizer)
    history = train(net, optimizer, iris, 1)
    for _ in range(2):
        train_step(net, x, y, loss=loss, optimizer=optimizer, probes=[Steps()])
    assert train(net, optimizer, iris, 1, "step", probes=[Steps()]) is history
    assert seen == list(range(6, 13))
    assert list(history.step_lr[7:]) == [SCHEDULES["step"](step) for step in range(8, 13)]
    frame = history.to_frame("step")
    assert frame.index.tolist() == list(range(1, 13))
    assert frame.index[frame["loss"].isna()].tolist() == [6, 7]
    optimizer.steps = 0  # for a new schedule
    assert train(net, optimizer, iris, 1) is not history


def test_an_optimizer_that_overrides_step_is_counted(iris):
    class Own(SGD):
        def step(self):
            self.net.theta -= np.float32(self.lr) * self.net.grad

    net = network("Dense")
    optimizer = Own(net, lr=0.1)
    train(net, optimizer, iris, 2, "cosine")
    assert optimizer.steps == net.history.steps == 10
    assert optimizer.lr == SCHEDULES["cosine"](9)


def test_after_an_error_the_next_call_continues_with_a_new_epoch(iris):
    class Fail:
        def observe(self, step, net):
            if step == 7:
                raise RuntimeError("the probe failed")

    net = network("Dense")
    optimizer = Adam(net)
    with pytest.raises(RuntimeError, match="the probe failed"):
        train(net, optimizer, iris, 4, probes=[Fail()])
    history = net.history
    assert history.steps == optimizer.steps == len(history.step_loss) == 7
    assert len(history.loss) == 1
    assert train(net, optimizer, iris, 1) is history
    assert (len(history.loss), history.steps) == (2, 12)


# Files.


def test_load_without_an_optimizer_reads_the_network_and_the_history(iris, tmp_path):
    net = network("Dropout")
    optimizer = Adam(net)
    history = train(net, optimizer, iris, 2)
    save(net, tmp_path / "net", optimizer=optimizer)
    twin = load(network("Dropout"), tmp_path / "net")
    assert twin.theta.tobytes() == net.theta.tobytes()
    assert twin.history == history
    assert twin.history is not history
    save(net, tmp_path / "net", history=history)
    assert load(network("Dropout"), tmp_path / "net").history == history
    save(net, tmp_path / "net")
    assert load(network("Dropout"), tmp_path / "net").history is None


def test_missing_metrics_stay_nan_through_a_file(iris, tmp_path):
    net = network("Dense")
    optimizer = Adam(net)
    train(net, optimizer, iris, 1, validation_data=None)
    train(net, optimizer, iris, 1, clip_norm=1.0)
    save(net, tmp_path / "net", optimizer=optimizer)
    twin = load(network("Dense"), tmp_path / "net")
    assert np.isnan(twin.history.val_loss).tolist() == [True, False]
    assert np.isnan(twin.history.step_grad_norm).tolist() == [True] * 5 + [False] * 5


def test_the_file_of_a_training_has_no_pickle_and_the_same_bytes_again(iris, tmp_path):
    net = network("Dropout")
    optimizer = Adam(net)
    train(net, optimizer, iris, 1)
    for name in "ab":
        save(net, tmp_path / name, optimizer=optimizer)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with np.load(tmp_path / "a", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["optimizer/mean"], optimizer.mean)
        np.testing.assert_array_equal(file["history/step_loss"], np.array(net.history.step_loss))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (RMSProp, "setting 'class': the file has Adam, the optimizer RMSProp"),
        (RMSProp, "array 'optimizer/mean': the file has float32 [67], the optimizer none"),
        (
            lambda net: Adam(net, betas=(0.5, 0.999)),
            "setting 'beta1': the file has 0.9, the optimizer 0.5",
        ),
    ],
)
def test_load_raises_for_another_optimizer_and_changes_nothing(make, words, iris, tmp_path):
    net = network("Dropout")
    optimizer = Adam(net)
    train(net, optimizer, iris, 1)
    save(net, tmp_path / "net", optimizer=optimizer)
    other = network("Dropout")
    rule = make(other)
    train(other, rule, iris, 1, rng=3)
    before, random = bits(other, rule), other["dropout1"].rng.bit_generator.state
    with pytest.raises(ValueError, match="create the optimizer with the same settings") as caught:
        load(other, tmp_path / "net", optimizer=rule)
    assert words in str(caught.value)
    assert "match the network and the optimizer, which are unchanged" in str(caught.value)
    assert bits(other, rule) == before
    assert other["dropout1"].rng.bit_generator.state == random
    assert other.history is rule.history


def test_load_with_an_optimizer_raises_for_a_file_without_one(tmp_path):
    net = network("Dense")
    save(net, tmp_path / "net")
    with pytest.raises(ValueError, match=r"net was saved without an optimizer; omit optimizer=$"):
        load(net, tmp_path / "net", optimizer=Adam(net))


def test_layers_with_the_names_of_other_contents_of_the_file_are_saved_and_loaded(iris, tmp_path):
    def named():
        return Sequential([("history/a", Dense(4, 8)), ("optimizer/a", Dense(8, 3))], rng=1)

    net = named()
    optimizer = Adam(net)
    train(net, optimizer, iris, 1)
    save(net, tmp_path / "net", optimizer=optimizer)
    for with_optimizer in (False, True):
        twin = named()
        load(twin, tmp_path / "net", optimizer=Adam(twin) if with_optimizer else None)
        assert twin.theta.tobytes() == net.theta.tobytes()


def test_a_counter_of_a_users_optimizer_continues_if_it_is_an_array(iris, tmp_path):
    class Decaying(SGD):
        def __init__(self, net):
            super().__init__(net, lr=0.1)
            self.count = np.zeros(())

        def update(self, part, decay):
            self.count += 1
            self.net.theta[part] -= np.float32(self.lr / self.count) * self.net.grad[part]

    thetas = []
    for calls in ([2], [1, 1]):
        net = network("Dense")
        for epochs in calls:
            optimizer = Decaying(net)
            if net.history:
                load(net, tmp_path / "net", optimizer=optimizer)
            train(net, optimizer, iris, epochs)
            save(net, tmp_path / "net", optimizer=optimizer)
        thetas.append(net.theta.tobytes())
    assert thetas[0] == thetas[1]


def test_the_wrong_kind_of_optimizer_or_history_raises(tmp_path):
    net = network("Dense")
    for function in (save, load):
        with pytest.raises(
            TypeError, match=f"{function.__name__}: expected an Optimizer .*got 'adam'"
        ):
            function(net, tmp_path / "net", optimizer="adam")
        with pytest.raises(ValueError, match="the optimizer belongs to another network"):
            function(net, tmp_path / "net", optimizer=Adam(network("Dense")))
    with pytest.raises(TypeError, match=r"save: expected history as a History, got \[0.5\]"):
        save(net, tmp_path / "net", history=[0.5])
    assert not (tmp_path / "net").exists()


def test_an_optimizer_state_that_is_not_finite_is_not_saved(tmp_path):
    net = network("Dense")
    optimizer = Adam(net)
    optimizer.square[3] = np.inf
    with pytest.raises(FloatingPointError, match="infinity in optimizer/square; nothing was"):
        save(net, tmp_path / "net", optimizer=optimizer)


def test_a_file_of_version_1_loads_and_leaves_the_generators_alone(tmp_path):
    """The members are those that version 1 wrote."""
    net, twin = network("Dropout"), Sequential([*LAYERS["Dropout"](), Dense(8, 3)], rng=2)
    save(net, tmp_path / "new")
    with zipfile.ZipFile(tmp_path / "new") as new, zipfile.ZipFile(tmp_path / "old", "w") as old:
        manifest = json.loads(new.read("manifest.json"))
        del manifest["generators"]
        old.writestr("manifest.json", json.dumps(manifest | {"version": 1}))
        for name in new.namelist():
            if name.endswith(".npy"):
                old.writestr(name, new.read(name))
    state = twin["dropout1"].rng.bit_generator.state
    load(twin, tmp_path / "old")
    assert twin.theta.tobytes() == net.theta.tobytes()
    assert twin["dropout1"].rng.bit_generator.state == state


def test_regression_continues_too(iris):
    (x, _), _ = iris
    results = []
    for calls in ([3], [2, 1]):
        net = Sequential([Dense(4, 8), ReLU(), Dense(8, 1)], rng=0)
        optimizer = Adam(net)
        for epochs in calls:
            fit(net, x, x[:, :1], loss=MeanSquaredError(), optimizer=optimizer, epochs=epochs,
                batch_size=32, rng=5, sample_weight=np.arange(len(x)), drop_last=True)  # fmt: skip
        results.append(net.theta.tobytes())
    assert results[0] == results[1]
    assert isinstance(net.history, History)
