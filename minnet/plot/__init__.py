"""Charts of what a network holds and of what a probe recorded; the values are computed elsewhere.

The charts are readable from the last row of a lecture hall: large text, few ticks, labelled axes,
one axis for panels that are compared, and colours that run from dark to light with depth and are
distinct to colour-blind readers. Exact zeros are drawn apart from a density, and values beyond an
axis are counted in a note. A figure is dark ink on white under every style of Matplotlib; on axes
that are given, the text beside them contrasts with the background of their figure.

Every function returns its figure; ``figure.savefig("name.png")`` saves it. Where pyplot has been
imported it manages the figure, so that ``plt.show()`` and ``plt.savefig("name.png")`` work too.
Matplotlib's settings are left as they were. The user's fonts are used, and a name is drawn as it is
written, without mathematical notation; a name in Chinese, Japanese or Korean needs a font that has
the characters, for instance ``matplotlib.rcParams["font.family"] = "Noto Sans CJK JP"``.
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
