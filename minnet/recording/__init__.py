"""What is recorded of a network: one batch as a copy, or a whole run as it goes by.

`capture` copies every buffer of one batch. `HistogramProbe` and `StatisticsProbe` look on while a
network trains, at every step if they are told to, and keep what can be told of the buffers in
bounded memory; training goes on as if nobody looked.
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
