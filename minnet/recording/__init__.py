"""Record the buffers of one batch, or statistics of a whole training run.

`capture` copies every buffer for one batch. `HistogramProbe` and `StatisticsProbe` record a
training run in bounded memory, at every step or at some of the steps. They do not change the
results of training.
"""

from minnet.recording.capture import Capture, capture
from minnet.recording.histogram_probe import (
    EDGES,
    FINITE,
    MINUS_INFINITY,
    PLUS_INFINITY,
    ZERO,
    HistogramProbe,
)
from minnet.recording.recorder import Failure
from minnet.recording.statistics import Statistics, dead_units, describe
from minnet.recording.statistics_probe import NAMES, SATURATION, StatisticsProbe
from minnet.recording.taps import LayerInfo

__all__ = [
    "EDGES",
    "FINITE",
    "MINUS_INFINITY",
    "NAMES",
    "PLUS_INFINITY",
    "SATURATION",
    "ZERO",
    "Capture",
    "Failure",
    "HistogramProbe",
    "LayerInfo",
    "Statistics",
    "StatisticsProbe",
    "capture",
    "dead_units",
    "describe",
]
