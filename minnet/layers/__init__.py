"""The layers: one file a family, forward and backward of each side by side."""
