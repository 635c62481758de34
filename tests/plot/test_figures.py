"""Tests of figures and pyplot: scripts, notebooks, memory."""

import os
import subprocess
import sys

import matplotlib.pyplot as plt
import pytest
from helpers.charts import DRAW

from minnet import plot

DATA = {"a": [0.0, 1.0, 2.0]}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def python(code, **env):
    """Run code in a new process without a preset backend, and return what it prints."""
    inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    run = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(
        run, env=inherited | env, check=True, capture_output=True, text=True
    ).stdout


def test_importing_minnet_loads_no_matplotlib_and_drawing_loads_no_pyplot():
    python(
        "import sys, minnet; assert 'matplotlib' not in sys.modules; "
        "minnet.plot.cdf({'a': [1.0, 2.0]}); assert 'matplotlib.pyplot' not in sys.modules"
    )


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_savefig_of_pyplot_saves_the_chart(draw, tmp_path):
    figure = draw()
    assert plt.gcf() is figure
    plt.savefig(tmp_path / "chart.png", dpi=30)
    assert (plt.imread(tmp_path / "chart.png")[..., :3] < 0.5).mean() > 1e-3


def test_show_shows_every_chart_of_a_script(tmp_path):
    (tmp_path / "windows.py").write_text(
        "from matplotlib.backend_bases import FigureManagerBase\n"
        "from matplotlib.backends.backend_agg import FigureCanvasAgg\n"
        "class FigureManager(FigureManagerBase):\n"
        "    def show(self):\n"
        "        print(len(self.canvas.figure.axes), 'axes')\n"
        "    @classmethod\n"
        "    def start_main_loop(cls):\n"
        "        print('main loop')\n"
        "class FigureCanvas(FigureCanvasAgg):\n"
        "    manager_class = FigureManager\n"
    )
    code = (
        "import matplotlib.pyplot as plt, minnet\n"
        "minnet.plot.cdf({'a': [1.0, 2.0]})\n"
        "minnet.plot.histograms({'a': [1.0, 2.0], 'b': [1.0]})\n"
        "plt.show()\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    printed = python(code, PYTHONPATH=path, MPLBACKEND="module://windows")
    assert printed.split("\n")[:-1] == ["1 axes", "2 axes", "main loop"]


def test_pyplot_keeps_a_bounded_number_of_charts_and_all_other_figures():
    own = plt.figure()
    charts = [plot.cdf(DATA) for _ in range(30)]
    assert len(plt.get_fignums()) == plt.rcParams["figure.max_open_warning"]
    assert plt.fignum_exists(own.number)
    assert plt.gcf() is charts[-1]
    assert charts[0]._repr_png_().startswith(b"\x89PNG")


def test_charts_on_given_axes_open_no_figure():
    figure, ax = plt.subplots()
    plot.cdf(DATA, ax=ax)
    assert plt.get_fignums() == [figure.number]


def test_an_error_opens_no_figure():
    for draw in (plot.histograms, plot.density, plot.cdf, plot.learning_curves):
        with pytest.raises((TypeError, ValueError)):
            draw({})
    assert plt.get_fignums() == []


def test_a_notebook_displays_a_chart_once(monkeypatch):
    """The inline backend displays the figures of pyplot at the end of a cell."""
    inline = "module://matplotlib_inline.backend_inline"
    monkeypatch.setattr(plt, "get_backend", lambda: inline)
    figure, other = plot.cdf(DATA), plt.figure()
    with pytest.raises(NotImplementedError):
        figure._ipython_display_()
    assert plt.get_fignums() == [other.number]


def test_displaying_a_chart_in_a_console_leaves_its_window_open():
    figure = plot.cdf(DATA)
    with pytest.raises(NotImplementedError):
        figure._ipython_display_()
    assert plt.gcf() is figure
