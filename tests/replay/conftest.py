"""Fixtures of the tests of the replay page: recordings, and a browser."""

import os
import shutil
from functools import cache

import pytest
from helpers.replays import CASES

import minnet


@pytest.fixture(scope="session")
def recorded():
    """Return a function: name of a case -> histograms, statistics and history."""
    return cache(lambda name: CASES[name]())


@pytest.fixture(scope="session")
def page(recorded):
    """Return a function: name of a case, or "two" -> its replay."""

    @cache
    def make(name):
        if name == "two":
            return minnet.replay(*recorded("healthy"), other=page_of("short"), title="healthy")
        return page_of(name)

    def page_of(name):
        return minnet.replay(*recorded(name), title=name)

    return make


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium; without one the test is skipped, or fails on the build machine."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if not (driver and chromium):
        message = "expected chromium and chromedriver: apt-get install chromium chromium-driver"
        if os.environ.get("MINNET_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    yield chrome
    chrome.quit()
