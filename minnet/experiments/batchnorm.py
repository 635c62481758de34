"""Batch normalization: the same small network on MNIST with it and without.

The article draws Keras's running accuracy, a mean over batches in training mode with weights that
change from batch to batch, as the training curve, beside a validation curve at the end of each
epoch. Here both curves belong to the same network at the same moment.
"""

from __future__ import annotations

from minnet.experiments.setup import Setup

WITHOUT = Setup(hidden=(128, 64), activation="relu", optimizer="adam", batch_size=128, epochs=20)
VARIANTS = {"without BatchNorm": WITHOUT, "with BatchNorm": WITHOUT.but(batchnorm=True)}
ARTICLE = {
    "without BatchNorm": WITHOUT,
    "with BatchNorm": WITHOUT.but(batchnorm=True, bias=True),  # a bias that does nothing
}
