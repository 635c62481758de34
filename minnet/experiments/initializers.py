"""Initial weights: what each rule makes of the activations of a ReLU network, layer by layer.

The article gives the network no output layer, feeds it bytes from 0 to 255, cuts its picture at 1
and looks only after training. Here pixels lie in [0, 1], ten logits follow the last hidden layer,
and the layers are seen before training, where the initializer alone decides, and after it.
"""

from __future__ import annotations

from minnet.experiments.setup import Setup

TAPERING = Setup(
    hidden=(512, 256, 128, 64), activation="relu", optimizer="adam", batch_size=32, epochs=5
)
INITIALIZERS = {
    "zero": "zeros", "random normal": "normal", "Xavier": "glorot_normal", "He": "he_normal",
    "LeCun": "lecun_normal", "orthogonal": "orthogonal",
}  # fmt: skip
VARIANTS = {label: TAPERING.but(init=init) for label, init in INITIALIZERS.items()}
ARTICLE = {
    label: TAPERING.but(init=init, scaling="bytes", output=False)
    for label, init in INITIALIZERS.items()
    if label != "orthogonal"  # named by the article and not tried
}
