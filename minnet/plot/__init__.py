"""Pictures of what a network holds and of what a probe recorded: drawn here, computed elsewhere.

They are made for the last row of a lecture hall: large letters, few ticks, axes that say what they
are and are shared where panels are compared, and colours that run from dark to light with depth and
can be told apart by the colour-blind. Exact zeros are drawn apart from the density, and what an
axis leaves out is counted in words. Nothing is shown and nothing global is touched: neither
pyplot's list of figures nor Matplotlib's settings. Every function returns the figure it drew on, to
be shown by a notebook or saved with ``figure.savefig("name.png")``.
"""

from minnet.plot.distributions import cdf, density, histograms
from minnet.plot.heatmap import heatmap
from minnet.plot.histories import learning_curves
from minnet.plot.runs import dead_units, gradient_flow, update_ratio
from minnet.plot.style import depth_colors

__all__ = [
    "cdf",
    "dead_units",
    "density",
    "depth_colors",
    "gradient_flow",
    "heatmap",
    "histograms",
    "learning_curves",
    "update_ratio",
]
