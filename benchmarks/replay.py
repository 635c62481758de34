"""Size, work and faults of replay pages: ``PYTHONPATH=tests python -m benchmarks.replay``.

For each page of tests/helpers/replays.py, in headless Chromium: size of the file, CPU seconds of
the main thread until the page is drawn and for each step, time until the first paint, JavaScript
heap, faults found by axe-core, console messages and requests.
"""

import json
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from helpers.replays import CASES
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

import minnet

AXE = Path(__file__).parents[1] / "tests" / "replay" / "axe.min.js"
READY = """
const done = arguments[0];
const wait = () => document.body.dataset.ready ? requestAnimationFrame(() => setTimeout(done))
  : setTimeout(wait, 5);
wait();
"""
PAINT = "return performance.getEntriesByType('paint').map((entry) => entry.startTime)[0] ?? 0"
STEPS = 30


def main() -> None:
    """Print a line for each case."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    browser.set_window_size(1280, 900)
    print("case          MB  open/s  paint/s  step/ms  heap/MB  axe  messages  requests")
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name in ("healthy", "vanishing", "dead", "zeros", "nan", "one layer", "one step",
                         "long", "two"):  # fmt: skip
                print(f"{name:11}{measure(browser, name, Path(folder, 'page.html'))}", flush=True)
    finally:
        browser.quit()


def measure(browser: webdriver.Chrome, name: str, path: Path) -> str:
    """Return the numbers of a case."""
    other = minnet.replay(*CASES["dead"](), title="dead") if name == "two" else None
    page = minnet.replay(*CASES["healthy" if name == "two" else name](), title=name, other=other)
    page.save(path)
    browser.get("about:blank")
    browser.get_log("browser"), browser.get_log("performance")
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    before = work(browser)
    browser.get(path.as_uri())
    browser.execute_async_script(READY)
    opened = work(browser) - before
    paint = browser.execute_script(PAINT) / 1000
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"]["request"]["url"] for e in events if e["method"].endswith("WillBeSent")]
    requests = [url for url in sent if not url.startswith(("file:", "data:", "about:"))]
    steps = []
    last = browser.execute_script("return last")
    for k in range(STEPS):
        before = work(browser)
        browser.execute_script(f"set({{ step: {k * last // STEPS + 1} }})")
        browser.execute_async_script(READY)
        steps.append(1000 * (work(browser) - before))
    browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    heap = metrics(browser)["JSHeapUsedSize"] / 1e6
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text("utf-8")})
    faults = browser.execute_async_script("axe.run().then((r) => arguments[0](r.violations))")
    messages = browser.get_log("browser")
    return (
        f"{len(page.html) / 1e6:5.2f}{opened:8.2f}{paint:9.2f}{statistics.median(steps):9.1f}"
        f"{heap:9.1f}{len(faults):5}{len(messages):10}{len(requests):10}"
    )


def metrics(browser: webdriver.Chrome) -> dict[str, Any]:
    """Return the metrics of the page by name."""
    found = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return {entry["name"]: entry["value"] for entry in found}


def work(browser: webdriver.Chrome) -> float:
    """Return the CPU seconds of all tasks of the main thread so far."""
    return float(metrics(browser)["TaskDuration"])


if __name__ == "__main__":
    main()
