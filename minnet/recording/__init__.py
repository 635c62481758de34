"""Recording of a network: copies of one batch, or numbers of a whole training run.

`capture` copies every buffer of one batch. `HistogramProbe` and `StatisticsProbe` record a training
at every step, or at some, in bounded memory; they do not change what it computes.
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
from minnet.recording.statistics import Statistics, dead_units, describe
from minnet.recording.statistics_probe import NAMES, SATURATION, StatisticsProbe

__all__ = [
    "EDGES",
    "FINITE",
    "MINUS_INFINITY",
    "NAMES",
    "PLUS_INFINITY",
    "SATURATION",
    "ZERO",
    "Capture",
    "HistogramProbe",
    "Statistics",
    "StatisticsProbe",
    "capture",
    "dead_units",
    "describe",
]
