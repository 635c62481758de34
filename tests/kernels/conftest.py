"""Fixtures: an empty cache folder and a count of compilations."""

import importlib

import pytest

from minnet.kernels import jit


@pytest.fixture(autouse=True)
def kernels_of_tests_are_forgotten():
    """Remove the kernels that a test has defined, which `minnet.warmup` would compile."""
    yield
    for name in [name for name in jit.kernels if not name.startswith("minnet.")]:
        del jit.kernels[name]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return the folder of the cache keys, below an empty MINNET_CACHE_DIR."""
    monkeypatch.setenv("MINNET_CACHE_DIR", str(tmp_path / "chosen"))
    jit.cache_folder.cache_clear()
    yield tmp_path / "chosen" / "kernels"
    jit.cache_folder.cache_clear()


@pytest.fixture
def compiled():
    """Return a function that returns the number of functions that numba has compiled."""
    event = importlib.import_module("numba.core.event")
    record = event.RecordingListener()
    event.register("numba:compile", record)
    yield lambda: sum(happened.is_start for _, happened in record.buffer)
    event.unregister("numba:compile", record)
