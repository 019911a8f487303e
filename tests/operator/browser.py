"""A real browser without a window: Debian's Chromium, driven by its ChromeDriver."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.support.ui import WebDriverWait

DESK, PHONE, WIDE = (1366, 900), (390, 844), (2560, 1300)
PATIENCE = 20
LOOK_SECONDS = 0.25  # each look costs the browser about as much as a second of the page
IMAGES = os.environ.get("XMPP_GATEWAY_IMAGES")  # a folder: the screenshots are put there
READ = """
const [selector, attribute] = arguments;
return [...document.querySelectorAll(selector)].map(
    each => attribute ? each.getAttribute(attribute) : each.innerText ?? each.textContent);
"""

# Without these the browser would call home at every start.
QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-software-rasterizer",  # a process that would paint what nobody sees
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    # There is but one page, so one process will do for it, however often it is opened.
    "--disable-features=SpareRendererForSitePerProcess,BackForwardCache,IsolateOrigins,site-per-process",
    "--disable-site-isolation-trials",
    "--renderer-process-limit=1",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
)


@contextmanager
def chromium(
    profile: Path, *, width: int, height: int, dark: bool = False, notes_requests: bool = False
) -> Iterator[Chrome]:
    """A window of that size, which prefers light or dark; its log of performance may have all requests."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, place in programs.items() if place is None]
    if missing:
        require = os.environ.get("XMPP_GATEWAY_INTEROP") == "require"
        (pytest.fail if require else pytest.skip)(f"not installed: {', '.join(missing)}")
    options = ChromeOptions()
    options.binary_location = str(programs["chromium"])
    for argument in (*QUIET, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(argument)
    logs = {"browser": "ALL", "performance": "ALL"} if notes_requests else {"browser": "ALL"}
    options.set_capability("goog:loggingPrefs", logs)
    driver = Chrome(options=options, service=ChromeService(str(programs["chromedriver"])))
    try:
        show(driver, width=width, height=height, dark=dark)
        yield driver
    finally:
        driver.quit()


def show(browser: Chrome, *, width: int, height: int, dark: bool = False) -> None:
    """Make the window this large, and have it prefer light or dark.

    It prefers that nothing moves: what flows on the map would be painted again sixty times a second.
    """
    wishes = {"prefers-color-scheme": "dark" if dark else "light", "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in wishes.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def wait(browser: Chrome, condition: Any) -> None:
    """Wait until something is so on the page."""
    WebDriverWait(browser, PATIENCE, LOOK_SECONDS).until(lambda _: condition())


def text(browser: Chrome, selector: str) -> str:
    """Return what the first of these elements says."""
    return str(read(browser, selector)[0])


def read(browser: Chrome, selector: str, attribute: str = "") -> list[Any]:
    """Return what all these elements say, or have as an attribute.

    They are read in one go: the page is brought up to date every second, and an element that we hold may be gone.
    """
    found: list[Any] = browser.execute_script(READ, selector, attribute)
    return found


def picture(browser: Chrome, name: str, height: int = 900) -> None:
    """Take a screenshot of the top of the page, where somebody wants it."""
    if IMAGES:
        width = browser.execute_script("return innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        (Path(IMAGES) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
