"""What the tests share: finite differences of their own, and a tiny MNIST.

The differences are there so that no gradient is held only by `minnet.checks`.
"""

import hashlib
import re
import signal

import numpy as np
import pytest

pytest.register_assert_rewrite("helpers")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Run the tests of a file in one process, so that their fixtures are computed once.

    The tests of one exercise, which are in two files, share the mutants of its reference.
    """
    from xdist.scheduler import LoadFileScheduling

    class ByFileOrExercise(LoadFileScheduling):
        def _split_scope(self, nodeid):
            exercise = re.match(r"tests/exercises/.*\[(e\d\d)", nodeid)
            return exercise[1] if exercise else super()._split_scope(nodeid)

    return ByFileOrExercise(config, log)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """Let Ctrl-C be heard, by child processes as well: a shell's background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def slopes(value, x, step=1e-5):
    """d value() / dx by central differences, value() being called while x is moved in place."""
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + step
        above = value()
        x[index] = kept - step
        gradient[index] = (above - value()) / (2 * step)
        x[index] = kept
    return gradient


def largest_error(found, expected):
    """max |found - expected| over the largest number among them."""
    return np.abs(found - expected).max() / max(np.abs(found).max(), np.abs(expected).max())


def layer_errors(make, n, features, seed):
    """Relative errors of dx and of each parameter's gradient: all values random, in float64."""
    rng = np.random.default_rng(seed)
    layer = make().build(rng=rng, dtype=np.float64)
    for param in layer.params.values():
        param.value = rng.normal(size=param.value.shape)
    x = rng.normal(size=(n, features))
    dy = rng.normal(size=layer.forward(x, training=True).shape)
    found = {"dx": layer.backward(dy).copy()}
    found |= {name: param.grad.copy() for name, param in layer.params.items()}

    def value():
        return np.sum(layer.forward(x, training=True) * dy)

    moved = {"dx": x} | {name: param.value for name, param in layer.params.items()}
    return {name: largest_error(found[name], slopes(value, moved[name])) for name in moved}


@pytest.fixture(name="slopes", scope="session")
def slopes_fixture():
    return slopes


@pytest.fixture(name="layer_errors", scope="session")
def layer_errors_fixture():
    return layer_errors


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """Folder of downloads, separate for each test; no other folder is configured."""
    monkeypatch.delenv("MINNET_DATA", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    return tmp_path / "cache" / "data"


@pytest.fixture
def mirrors(monkeypatch):
    """Replace the downloader by local mirrors that serve only what a test adds."""
    from helpers.tiny_mnist import Mirrors

    served = Mirrors()
    monkeypatch.setattr("pooch.HTTPDownloader", lambda **_: served)
    hosts = ("https://one.invalid/", "https://two.invalid/")
    monkeypatch.setattr("minnet.idx.MIRRORS", {"mnist": hosts, "fashion_mnist": hosts})
    return served


@pytest.fixture
def tiny(monkeypatch):
    """Replace the pinned shapes and checksums by those of the tiny MNIST."""
    from helpers.tiny_mnist import TINY, idx

    sums = tuple("sha256:" + hashlib.sha256(idx(x)).hexdigest() for x in TINY.values())
    monkeypatch.setattr("minnet.idx.SHAPES", {file: x.shape for file, x in TINY.items()})
    monkeypatch.setattr("minnet.idx.CHECKSUMS", {"mnist": sums, "fashion_mnist": sums})
