"""Draw the pictures of the README's section on replays: ``python -m benchmarks.replay_pictures``.

The picture of the page needs Chromium and chromedriver.
"""

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

import minnet
from minnet import (
    SGD,
    Dense,
    HistogramProbe,
    Layer,
    ReLU,
    Sequential,
    Sigmoid,
    StatisticsProbe,
    Tanh,
)

FIGURES = Path(__file__).parents[1] / "examples" / "figures"
SIZE = 1100, 1010  # pixels of the picture of the page
COLORS = 128
ADDRESS = "step=300&layer=sigmoid2"
READY = """
const done = arguments[0];
const wait = () => document.body.dataset.ready ? requestAnimationFrame(done) : setTimeout(wait, 20);
wait();
"""


def record(
    activation: type[Layer],
    depth: int,
    lr: float,
    epochs: int,
    other: minnet.Replay | None = None,
) -> tuple[minnet.Replay, HistogramProbe]:
    """Train a network on the digits; return its replay and its histograms."""
    (x, y), validation = minnet.datasets.digits()
    layers: list[Layer] = []
    for width in [64] * depth:
        layers += [Dense(width, 64), activation()]
    net = Sequential([*layers, Dense(64, 10)], rng=0)
    histograms = HistogramProbe(["y", "dy"], slots=64, units=True)
    statistics = StatisticsProbe(["y", "dy", "update"])
    history = minnet.fit(
        net, x, y, loss=minnet.SoftmaxCrossEntropy(), optimizer=SGD(net, lr=lr), epochs=epochs,
        batch_size=32, validation_data=validation, probes=[histograms, statistics], rng=0,
    )  # fmt: skip
    title = activation.__name__.lower()
    page = minnet.replay(histograms, statistics, history, title=title, other=other)
    return page, histograms


def photograph(page: minnet.Replay, path: Path) -> None:
    """Write a picture of the page in a browser."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(argument)
    options.binary_location = shutil.which("chromium") or ""
    browser = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "page.html")
            page.save(file)
            metrics = {"deviceScaleFactor": 1, "mobile": False, "width": SIZE[0], "height": SIZE[1]}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            browser.get(f"{file.as_uri()}#{ADDRESS}")
            browser.execute_async_script(READY)
            image = Image.open(io.BytesIO(browser.get_screenshot_as_png()))
    finally:
        browser.quit()
    image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Write ``replay.png`` and ``dense3.gif``."""
    tanh, _ = record(Tanh, 5, 0.1, 12)
    both, _ = record(Sigmoid, 5, 0.1, 12, other=tanh)
    photograph(both, FIGURES / "replay.png")
    _, histograms = record(ReLU, 3, 0.7, 2)
    animation = minnet.plot.animate(histograms, "dense3", seconds=6, figsize=(7, 3.5))
    animation.save(FIGURES / "dense3.gif", writer="pillow", dpi=60)


if __name__ == "__main__":
    main()
