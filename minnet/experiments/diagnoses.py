"""Diagnosis of the networks of an experiment, from another training under a doctor."""

import math
from contextlib import suppress

import numpy as np
from threadpoolctl import threadpool_limits

from minnet.doctor import Diagnosis, Doctor
from minnet.experiments.setup import Setup
from minnet.experiments.trial import TEST_ROWS, targets
from minnet.training import fit

LEAST = 30  # steps that are observed, unless fewer are planned
WORK = 1e10  # limit of steps * rows of a batch * parameters, for more than LEAST steps


def steps_of(setup: Setup) -> int:
    """Return the number of steps that are observed; trials of remedies take as many at most.

    The start of any training resembles one with a low learning rate. Therefore only trainings of
    large networks are cut short.
    """
    planned = setup.epochs * math.ceil(len(setup.load().x) / setup.batch_size)
    affordable = int(WORK / (setup.batch_size * setup.build().theta.size))
    return min(planned, max(affordable, LEAST))


def diagnose(setup: Setup) -> Diagnosis:
    """Return the diagnosis of the first steps of a setup's training.

    They use its first training rows only, and the first test rows as validation rows.
    """
    data, net = setup.load(), setup.build()
    size = min(setup.batch_size, len(data.x))
    steps, test = steps_of(setup), slice(TEST_ROWS)
    rows = slice(steps * size)
    epochs = math.ceil(steps / math.ceil(len(data.x[rows]) / size))
    doctor = Doctor((data.x_test[test], targets(setup, data.labels_test[test])))
    with threadpool_limits(1, user_api="blas"):
        with suppress(FloatingPointError):  # of a training that diverges
            fit(
                net, data.x[rows], targets(setup, data.labels[rows]), loss=setup.make_loss(),
                optimizer=setup.make_optimizer(net), epochs=min(epochs, setup.epochs),
                batch_size=size, rng=np.random.default_rng([setup.seed, 1]), probes=[doctor],
                regularizer=setup.make_regularizer(), clip_norm=setup.clip_norm,
            )  # fmt: skip
        return doctor.diagnosis()
