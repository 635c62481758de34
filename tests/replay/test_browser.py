"""The page in a real browser: what it shows, keys, links, sizes, print and accessibility."""

import base64
import copy
import json
import re
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import numpy as np
import pytest

import minnet
from minnet.recording import Failure

NAMES = (
    "healthy", "vanishing", "dead", "zeros", "nan", "one layer", "one step", "long", "two",
)  # fmt: skip
AXE = Path(__file__).with_name("axe.min.js")
WAIT = """
const done = arguments[arguments.length - 1], ready = () =>
  document.body.dataset.ready ? requestAnimationFrame(() => done(true)) : setTimeout(ready, 10);
ready();
"""


@pytest.fixture(scope="module")
def paths(page, tmp_path_factory):
    """Return a function: name of a case -> path of its page."""
    folder = tmp_path_factory.mktemp("pages")

    def path(name):
        file = folder / f"{name.replace(' ', '-')}.html"
        if not file.exists():
            page(name).save(file)
        return file

    return path


@pytest.fixture
def opened(browser, paths):
    """Return a function that opens the page of a case, and the browser when it is ready."""

    def open_page(name, *, width=1280, **address):
        browser.set_window_size(width, 900)
        browser.get("about:blank")
        browser.get_log("browser"), browser.get_log("performance")
        browser.get(f"{paths(name).as_uri()}#{urlencode(address)}")
        browser.execute_async_script(WAIT)
        return browser

    return open_page


def run(browser, script, *arguments):
    return browser.execute_script(script, *arguments)


def settled(browser):
    """Wait until the page has been drawn, and return the sentence."""
    browser.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 0))")
    return run(browser, "return document.getElementById('sentence').textContent")


def press(browser, key, *, shift=False):
    event = (
        "new KeyboardEvent('keydown', {key: arguments[0], shiftKey: arguments[1], bubbles: true})"
    )
    run(browser, f"document.body.dispatchEvent({event})", key, shift)
    return settled(browser)


def step_of(browser):
    return int(run(browser, "return document.getElementById('step').value"))


def numbers(sentence):
    """Return the number after or before each name in a sentence of the page."""
    text = sentence.replace("\u2212", "-")
    found = {
        "rms": re.search(r"RMS of the gradient (\d+\.?\d*(?:e-?\d+)?)", text),
        "zeros": re.search(r"([\d.]+)% of the outputs", text),
        "loss": re.search(r"loss (\d+\.?\d*(?:e-?\d+)?)", text),
        "dead": re.search(r"(\d+) of \d+ units are dead", text),
    }
    return {name: float(match[1]) for name, match in found.items() if match}


def console(browser):
    return [entry["message"] for entry in browser.get_log("browser")]


def requests(browser):
    """Return the addresses that the page requested, apart from itself and data in it."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    ]
    return [url for url in urls if not url.startswith(("file:", "data:", "about:"))]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_opens_without_messages_requests_and_accessibility_faults(opened, name):
    browser = opened(name)
    assert "layer" in settled(browser)
    assert console(browser) == []
    assert requests(browser) == []
    # The policy of the page forbids other scripts, so this one is run by the debugger.
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text("utf-8")})
    for theme in ("light", "dark"):
        run(browser, "theme(arguments[0])", theme == "dark")
        found = browser.execute_async_script("axe.run().then((r) => arguments[0](r.violations))")
        faults = [(fault["id"], [node["html"][:120] for node in fault["nodes"]]) for fault in found]
        assert faults == []


@pytest.mark.parametrize("name", NAMES)
def test_the_sentence_has_the_numbers_of_the_recording(opened, recorded, name):
    _, statistics, history = recorded("healthy" if name == "two" else name)
    layer = statistics.layers[-2:][0]
    steps, rms = statistics.series(layer, "dy", "rms")
    browser = opened(name)
    for k in {0, len(steps) // 2, len(steps) - 1}:
        step = int(steps[k])
        run(browser, "location.hash = arguments[0]", urlencode({"step": step, "layer": layer}))
        browser.execute_async_script("setTimeout(arguments[0], 50)")
        text = settled(browser)
        assert f"tep {step} of" in text
        assert f"layer {layer}:" in text
        expected = {
            "rms": rms[k],
            "zeros": 100 * statistics.series(layer, "y", "zeros")[1][k],
            "loss": history.step_loss[step],
            "dead": statistics.series(layer, "y", "dead")[1][k],
        }
        expected = {key: value for key, value in expected.items() if not np.isnan(value)}
        if name == "long":  # the page holds some of the steps of the loss
            del expected["loss"]
        found = numbers(text)
        assert found.keys() >= expected.keys()
        for key, value in expected.items():
            assert found[key] == pytest.approx(value, rel=0.05 if key == "zeros" else 0.006), key


def test_a_link_opens_step_layer_axis_and_map(opened):
    browser = opened("healthy", step=17, layer="relu2", axis="symlog", map="std")
    assert "Step 17 of 59, layer relu2:" in settled(browser)
    assert run(browser, "return [state.axis, state.map]") == ["symlog", "std"]
    assert "standard deviation" in run(
        browser, "return document.getElementById('maps').textContent"
    )
    run(browser, "location.hash = 'step=5&layer=dense1&axis=linear&map=zeros'")
    browser.execute_async_script("setTimeout(arguments[0], 50)")
    assert "Step 5 of 59, layer dense1:" in settled(browser)
    assert run(browser, "return [state.axis, state.map]") == ["linear", "zeros"]


@pytest.mark.parametrize("address", [
    {"step": "-3"}, {"step": "1e9"}, {"step": "99999999999"}, {"layer": "nothing"},
    {"axis": "x", "map": "\"']"}, {"map": "constructor"},
])  # fmt: skip
def test_a_wrong_link_opens_the_page_all_the_same(opened, address):
    browser = opened("healthy", **address)
    assert "layer relu1" in settled(browser)
    assert console(browser) == []


def test_the_address_follows_step_and_layer(opened):
    browser = opened("healthy")
    press(browser, "ArrowRight")
    press(browser, "ArrowDown")
    browser.execute_async_script("setTimeout(arguments[0], 400)")
    assert run(browser, "return location.hash") == "#step=1&layer=dense2&axis=auto&map=rms"


def test_keys_move_the_step(opened):
    browser, last = opened("healthy", step=30), 59
    for key, shift, expected in (
        ("ArrowRight", False, 31), ("ArrowLeft", False, 30),
        ("ArrowRight", True, 40), ("ArrowLeft", True, 30),
        ("PageDown", False, 36), ("PageUp", False, 30),
        ("End", False, last), ("ArrowRight", False, last),
        ("Home", False, 0), ("ArrowLeft", False, 0),
    ):  # fmt: skip
        press(browser, key, shift=shift)
        assert step_of(browser) == expected, key
    assert console(browser) == []


def test_keys_select_layers_axis_theme_and_help(opened):
    browser = opened("healthy")
    assert "layer dense2:" in press(browser, "ArrowDown")
    assert "layer relu1:" in press(browser, "ArrowUp")
    assert "layer dense1:" in press(browser, "ArrowUp")
    axes = []
    for _ in range(3):
        press(browser, "l")
        axes.append(run(browser, "return document.getElementById('axis').value"))
    assert axes == ["linear", "symlog", "auto"]
    theme = "return document.documentElement.dataset.theme"
    before = run(browser, theme)
    press(browser, "d")
    assert {before, run(browser, theme)} == {"light", "dark"}
    last = "[...document.querySelectorAll('#network button')].at(-1)"
    note = "return document.querySelector('#network small').textContent"
    for expected, ends in (("light", "(pale) to 0.0"), ("dark", "(dark) to 0.0")):
        if run(browser, theme) != expected:
            press(browser, "d")
        assert ends in run(browser, note)
        # The colour of the largest gradient is far from the background's, unlike that of its text.
        color = run(browser, f"return getComputedStyle({last}).color")
        assert (color == "rgb(255, 255, 255)") == (expected == "light")
    press(browser, "?")
    assert run(browser, "return document.getElementById('help').open")
    assert "layer dense1:" in press(browser, "ArrowDown")  # the list of keys is in front
    press(browser, "?")
    assert not run(browser, "return document.getElementById('help').open")
    press(browser, "?")
    run(browser, "document.querySelector('#help button').click()")
    assert not run(browser, "return document.getElementById('help').open")
    assert console(browser) == []


def test_space_plays_to_the_end_in_twelve_seconds_and_pauses(opened):
    browser = opened("healthy")
    # A clock of its own makes the time of the test independent of the machine.
    run(
        browser,
        """
      window.now = 0; performance.now = () => window.now;
      window.requestAnimationFrame = (call) => { window.call = call; return 1; };
    """,
    )
    tick = "window.now = arguments[0]; window.call(window.now); return state.step"
    run(browser, "KEYS[' ']()")
    assert run(browser, tick, 6000) in (29, 30)
    run(browser, "KEYS[' ']()")
    assert run(browser, "return document.getElementById('play').textContent") == "Play"
    run(browser, "KEYS[' ']()")
    assert run(browser, tick, 18100) == 59
    assert run(browser, "return playing") == 0


def test_with_reduced_motion_a_training_is_played_in_ten_pictures(opened):
    browser = opened("healthy")
    media = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        steps = run(
            browser,
            """
          let now = 0; const steps = new Set();
          performance.now = () => now;
          window.requestAnimationFrame = (call) => { window.call = call; return 1; };
          KEYS[' ']();
          for (; now < 13000 && playing; now += 16) { window.call(now); steps.add(state.step); }
          return [...steps];
        """,
        )
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert steps == [*range(0, 59, 6), 59]


def test_a_click_on_the_map_selects_step_and_layer(opened):
    browser = opened("healthy")
    text = run(
        browser,
        """
      const svg = document.querySelector("#maps svg"), box = svg.getBoundingClientRect();
      const rect = svg.querySelector("image").getBoundingClientRect();
      const options = { clientX: rect.left + rect.width * 20.5 / 60, bubbles: true,
        clientY: rect.top + rect.height * 3.5 / 7 };
      svg.dispatchEvent(new PointerEvent("pointerdown", options));
      return document.getElementById("sentence").textContent;
    """,
    )
    assert "Step 20 of 59, layer relu2:" in text
    text = run(
        browser,
        """
      const svg = document.querySelector("#loss svg"), rect = svg.getBoundingClientRect();
      svg.dispatchEvent(new PointerEvent("pointermove", { buttons: 1, clientX: rect.right - 2,
        clientY: rect.top + 20, bubbles: true }));
      return document.getElementById("sentence").textContent;
    """,
    )
    assert "Step 59 of 59, layer relu2:" in text


def test_a_click_on_a_box_or_a_row_selects_the_layer(opened):
    browser = opened("healthy")
    run(browser, "document.querySelectorAll('#network button')[4].click()")
    assert "layer dense3:" in settled(browser)
    run(
        browser,
        """document.querySelectorAll('#ridges .hit')[0]
      .dispatchEvent(new MouseEvent('click', { bubbles: true }))""",
    )
    assert "layer dense1:" in settled(browser)


def test_boxes_have_the_numbers_of_the_recording(opened, recorded):
    _, statistics, _ = recorded("vanishing")
    browser = opened("vanishing", step=40)
    boxes = run(
        browser,
        """return [...document.querySelectorAll('#network button')].map(
      (box) => [...box.children].map((part) => part.textContent))""",
    )
    for name, text in boxes:
        steps, rms = statistics.series(name, "dy", "rms")
        value = float(text.replace("\u2212", "-"))
        assert value == pytest.approx(rms[steps == 40][0], rel=0.006)


def test_the_two_runs_can_be_swapped(opened):
    browser = opened("two", step=50, layer="relu2")
    assert settled(browser).startswith("healthy, step 50 of 59, layer relu2:")
    text = press(browser, "c")
    assert text.startswith("short, step 50 of 59 (this training ended at step 39), layer relu2:")
    assert len(run(browser, "return document.querySelectorAll('#maps svg')")) == 2
    assert press(browser, "c").startswith("healthy")
    assert console(browser) == []


def test_values_that_are_not_finite_are_hatched_and_the_first_is_marked(opened):
    browser = opened("nan", step=35, layer="relu2")
    assert "RMS of the gradient" in settled(browser)
    assert "NaN or infinity from step 30" in run(
        browser, "return document.getElementById('maps').textContent"
    )
    assert run(browser, "return document.querySelectorAll('#maps .hatched').length") == 1
    assert "NaN" in run(browser, "return document.querySelector('#ridges text.bad').textContent")


def test_all_units_that_are_never_on_are_counted(opened, recorded):
    histograms, _, _ = recorded("dead")
    off = int((histograms.activity("relu3")[-1] == 0).sum())
    browser = opened("dead", step=59, layer="relu3")
    text = run(browser, "return document.getElementById('units').textContent")
    assert f"{off} of 24 units of relu3 are inactive for all rows at step 59." in text
    assert off > 0


@pytest.mark.parametrize("width", [360, 768, 1280, 2560])
@pytest.mark.parametrize("name", ["two", "one step"])
def test_a_page_fits_its_window(opened, name, width):
    browser = opened(name)
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.execute_async_script("setTimeout(arguments[0], 100)")
        assert run(browser, "return innerWidth") == width
        assert run(browser, "return document.documentElement.scrollWidth") <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("name", ["two", "vanishing", "one layer"])
def test_a_page_prints_on_one_sheet(opened, name):
    browser = opened(name, step=20)
    settings = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": True}
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", settings)["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    assert "step 20" in settled(browser).lower()


def test_in_the_other_run_the_corresponding_layer_is_framed(browser, recorded, tmp_path):
    names = ("healthy", "vanishing")
    second = minnet.replay(*recorded("vanishing"), title="vanishing")
    minnet.replay(*recorded(names[0]), other=second, title="healthy").save(tmp_path / "page.html")
    browser.get((tmp_path / "page.html").as_uri() + "#layer=relu2")
    browser.execute_async_script(WAIT)
    assert press(browser, "c").startswith("vanishing, step 0 of 59, layer sigmoid2:")
    assert press(browser, "c").startswith("healthy, step 0 of 59, layer relu2:")


def test_findings_are_links_and_pins_on_the_map(browser, recorded, tmp_path):
    finding = SimpleNamespace(cause="dead_units", layer="relu2", step=12, confidence=0.5,
                              explanation="Half of the units are dead.")  # fmt: skip
    whole = SimpleNamespace(cause="lr_too_high", layer=None, step=None, confidence=0.4,
                            explanation="A smaller learning rate helps.")  # fmt: skip
    diagnosis = SimpleNamespace(findings=[finding, whole])
    minnet.replay(*recorded("healthy"), diagnosis=diagnosis).save(tmp_path / "page.html")
    browser.get((tmp_path / "page.html").as_uri())
    browser.execute_async_script(WAIT)
    text = run(browser, "return document.getElementById('findings').textContent")
    assert "dead units, relu2, step 12 (confidence 50%): Half of the units are dead." in text
    assert "lr too high (confidence 40%): A smaller learning rate helps." in text
    assert run(browser, "return document.querySelectorAll('#maps .pin').length") == 1
    run(browser, "document.querySelector('#findings a').click()")
    browser.execute_async_script("setTimeout(arguments[0], 50)")
    assert "Step 12 of 59, layer relu2:" in settled(browser)


def test_a_training_that_failed_ends_at_the_marked_step(browser, recorded, tmp_path):
    histograms, statistics, history = recorded("healthy")
    histograms = copy.deepcopy(histograms)
    histograms.failure = Failure(60, "relu3", "y", "layer relu3: output is not finite")
    minnet.replay(histograms, statistics, history).save(tmp_path / "page.html")
    browser.get((tmp_path / "page.html").as_uri() + "#step=60")
    browser.execute_async_script(WAIT)
    assert "Step 60 of 60 (recorded at step 59)" in settled(browser)
    text = run(browser, "return document.getElementById('maps').textContent")
    assert "NaN or infinity from step 60" in text
    assert run(browser, "return document.querySelectorAll('#maps .hatched').length") == 1


def test_the_inline_form_works_in_a_sandbox(browser, recorded, tmp_path):
    finding = SimpleNamespace(cause="dead_units", layer="relu2", step=12, confidence=0.5,
                              explanation="Half of the units are dead.")  # fmt: skip
    page = minnet.replay(*recorded("healthy"), diagnosis=SimpleNamespace(findings=[finding]))
    file = tmp_path / "notebook.html"
    file.write_text(f"<!doctype html><title>notebook</title>{page._repr_html_()}", "utf-8")
    browser.get_log("browser")
    browser.get(file.as_uri())
    browser.switch_to.frame(0)
    browser.execute_async_script(WAIT)
    assert "Step 1 of 59" in press(browser, "ArrowRight")
    browser.execute_async_script("setTimeout(arguments[0], 400)")
    run(browser, "document.querySelector('#findings a').click()")
    browser.execute_async_script("setTimeout(arguments[0], 400)")
    assert "Step 12 of 59, layer relu2:" in settled(browser)
    browser.switch_to.default_content()
    assert console(browser) == []


def test_text_of_the_user_is_shown_as_text(browser, recorded, tmp_path):
    net = minnet.Sequential(
        [("</script><img src=x>", minnet.Dense(3, 2)), ("$x_1^2$", minnet.ReLU())]
    )
    probe = minnet.HistogramProbe(["y"])
    x = np.random.default_rng(0).normal(size=(4, 3))
    minnet.train_step(net, x, x[:, :2], loss=minnet.MeanSquaredError(),
                      optimizer=minnet.SGD(net), probes=[probe])  # fmt: skip
    title = '<script>alert(1)</script> & "quotes" </title> \u4e2d\u6587'
    minnet.replay(probe, title=title).save(tmp_path / "page.html")
    browser.get_log("browser")
    browser.get((tmp_path / "page.html").as_uri())
    browser.execute_async_script(WAIT)
    assert run(browser, "return document.querySelector('h1').textContent") == title
    names = run(
        browser, "return [...document.querySelectorAll('.boxes button')].map((b) => b.title)"
    )
    assert names == ["</script><img src=x>", "$x_1^2$"]
    assert run(browser, "return document.querySelectorAll('img').length") == 0
    assert console(browser) == []


def test_more_than_64_layers_are_shown_on_pages(browser, tmp_path):
    net = minnet.Sequential([minnet.Dense(3, 3) for _ in range(70)], rng=0)
    probe = minnet.HistogramProbe(["y", "dy"])
    x = np.random.default_rng(0).normal(size=(4, 3))
    minnet.train_step(net, x, x, loss=minnet.MeanSquaredError(), optimizer=minnet.SGD(net),
                      probes=[probe])  # fmt: skip
    minnet.replay(probe).save(tmp_path / "page.html")
    browser.get((tmp_path / "page.html").as_uri())
    browser.execute_async_script(WAIT)
    boxes = "return document.querySelectorAll('.boxes button').length"
    assert run(browser, boxes) == 64
    run(browser, "document.querySelectorAll('#network p button')[1].click()")
    assert "layer dense65:" in settled(browser)
    assert run(browser, boxes) == 6


def test_heap_and_work_stay_within_the_limits(opened, page):
    browser = opened("two")
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})

    def metrics():
        found = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return {entry["name"]: entry["value"] for entry in found}

    def work(script):
        before = metrics()["TaskDuration"]
        run(browser, script)
        settled(browser)
        return metrics()["TaskDuration"] - before

    # Unit of work: the time in which this machine sorts a million numbers.
    unit = min(work("Float64Array.from({ length: 1e6 }, Math.random).sort()") for _ in range(3))
    steps = [work(f"set({{ step: {step} }})") for step in range(5, 35)]
    assert np.median(steps) < 0.5 * unit
    browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    assert metrics()["JSHeapUsedSize"] < 60e6


def test_the_loss_of_a_single_step_is_drawn_as_a_point(opened):
    for case, drawn in (("one step", True), ("short", False)):
        browser = opened(case)
        found = run(browser, "return document.querySelectorAll('#loss circle').length")
        assert (found > 0) == drawn, case
