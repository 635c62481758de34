"""The README: its code runs as it stands, in its order, and says what is so."""

import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What is defined once every block of Python in the README has run."""
    folder = tmp_path_factory.mktemp("readme")
    scope = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL):
            exec(block, scope)
    return scope | {"folder": folder}


def test_the_lecture_learns_the_digits_and_draws(ran):
    assert ran["history"].val_accuracy[-1] > 0.9
    assert (ran["folder"] / "digits.png").stat().st_size > 10_000


def test_the_buffers_are_what_the_readme_says(ran):
    net = ran["net"]
    assert net["relu1"].dy is net["dense2"].dx
    assert np.shares_memory(net["dense1"].weight.grad, net.grad)


def test_the_layer_of_ones_own_passes_its_check(ran):
    assert set(ran["errors"]) == {"dx", "gain"}
    assert max(ran["errors"].values()) < 1e-9


def test_the_picture_is_the_one_that_the_command_draws(ran, tmp_path):
    from minnet.__main__ import main

    assert main(["run", "iris", "--out", str(tmp_path)]) == 0
    shown = README.parent / "examples" / "figures" / "iris_histograms.png"
    drawn, kept = (
        np.frombuffer(path.read_bytes()[:32], np.uint8)
        for path in (tmp_path / "histograms.png", shown)
    )
    np.testing.assert_array_equal(drawn[:24], kept[:24])  # the same kind and size of picture
