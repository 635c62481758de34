"""A sweep on a cluster: Dask's workers do the work, and the numbers are those of one process."""

import os

import joblib
import numpy as np
import pytest

from minnet.experiments.report import plain
from minnet.experiments.setup import Setup
from minnet.experiments.sweep import Store, sweep
from minnet.experiments.trial import train

distributed = pytest.importorskip("distributed")

SETUPS = [
    Setup(data="digits", rows=100, hidden=(16,), batch_size=10, epochs=3, seed=seed)
    for seed in range(6)
]


@pytest.fixture
def client():
    """Two workers, each a process with one thread, that listen on loopback alone."""
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


def numbers(trials):
    reported = plain([trial.as_dict() for trial in trials])
    for trial in reported:
        trial["curves"].pop("seconds")
    return reported


def test_a_cluster_computes_the_same_numbers_as_one_process(client, tmp_path):
    store = Store(tmp_path / "cluster")
    with distributed.get_task_stream(client) as stream, joblib.parallel_config("dask"):
        trials = sweep(SETUPS, store, recorded=SETUPS[:1])
        assert sweep(SETUPS, store)[-1].setup == SETUPS[-1]

    pids = client.run(os.getpid)
    assert len({os.getpid(), *pids.values()}) == 3
    trainings = [task for task in stream.data if "train" in task["key"]]
    assert len(trainings) == len(SETUPS), "each was trained once, and all of them there"
    assert {task["worker"] for task in trainings} == set(pids)

    assert numbers(trials) == numbers(sweep(SETUPS, Store(tmp_path / "alone")))
    again = train(SETUPS[0], record=True)[1]
    np.testing.assert_array_equal(store.record(SETUPS[0]).net.theta, again.net.theta)
