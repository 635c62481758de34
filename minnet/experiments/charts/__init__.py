"""Charts of the experiments: comparisons over seeds, tables, and panels side by side."""

from minnet.experiments.charts.comparisons import by_label, by_layer, by_setting
from minnet.experiments.charts.panels import matrix, share_legends, side_by_side

__all__ = ["by_label", "by_layer", "by_setting", "matrix", "share_legends", "side_by_side"]
