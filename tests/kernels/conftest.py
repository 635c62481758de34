"""What several tests of kernels need: a cache folder of their own, and a count of compilations."""

import importlib

import pytest

from minnet.kernels import cache


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where keys go, in a cache folder that is this test's own."""
    monkeypatch.setenv("MINNET_CACHE_DIR", str(tmp_path / "chosen"))
    monkeypatch.setattr(cache, "_warned", False)
    return tmp_path / "chosen" / "kernels"


@pytest.fixture
def compiled():
    """Count how many functions numba compiles."""
    event = importlib.import_module("numba.core.event")
    record = event.RecordingListener()
    event.register("numba:compile", record)
    yield lambda: sum(happened.is_start for _, happened in record.buffer)
    event.unregister("numba:compile", record)
