"""The page, looked at with a real browser while the gateway federates with a good peer and several broken ones."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.operator.browser import chromium
from tests.operator.conftest import BROKEN, COMPONENT_DOMAIN, EXPIRED, GOOD, LOCKED_OUT, OURS, Scene

PATIENCE = 15
FOCUSED = """
const focused = document.activeElement;
return [focused.getAttribute('class') || focused.id || focused.localName, focused.id];
"""
READ = """
const [selector, attribute] = arguments;
return [...document.querySelectorAll(selector)].map(
    each => attribute ? each.getAttribute(attribute) : each.innerText ?? each.textContent);
"""
DESK, PHONE = (1200, 900), (390, 844)
IMAGES = os.environ.get("XMPP_GATEWAY_IMAGES")  # a folder: the screenshots are put there


@pytest.fixture(scope="module")
def desk(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("desk"), width=DESK[0], height=DESK[1]) as browser:
        yield opened(browser, scene)


def opened(browser: Chrome, scene: Scene) -> Chrome:
    """The page, with its first updates."""
    browser.get(scene.page)
    wait(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#failures details")) >= len(BROKEN))
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#map .dot"))
    return browser


def wait(browser: Chrome, condition: Any) -> None:
    WebDriverWait(browser, PATIENCE, 0.1).until(lambda _: condition())


def text(browser: Chrome, selector: str) -> str:
    return str(read(browser, selector)[0])


def read(browser: Chrome, selector: str, attribute: str = "") -> list[Any]:
    """Return what all these elements say, or have as an attribute.

    They are read in one go: the page draws itself again every second, and an element that we hold may be gone.
    """
    found: list[Any] = browser.execute_script(READ, selector, attribute)
    return found


def picture(browser: Chrome, name: str) -> None:
    """A screenshot of the whole page, where somebody wants it."""
    if IMAGES:
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        (Path(IMAGES) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def test_what_is_wrong_is_told_at_the_top(desk: Chrome) -> None:
    assert "wrong" in text(desk, "#verdict")
    assert f"{LOCKED_OUT} is not served: no component is attached" in text(desk, "#problems")
    picture(desk, "page-light")


def test_the_map_has_every_domain_and_every_stream(desk: Chrome) -> None:
    nodes = read(desk, "#map a", "data-domain")
    assert set(nodes) == {OURS, COMPONENT_DOMAIN, LOCKED_OUT, GOOD, *BROKEN}
    described = read(desk, "#map g > title")
    assert any(f"{COMPONENT_DOMAIN} and {GOOD}, established, proof external, TLSv1.3" in each for each in described)
    failing = read(desk, "#map a.failed", "data-domain")
    assert set(failing) == set(BROKEN)
    assert "streams with" in read(desk, "#map svg", "aria-label")[0]


def test_a_failure_opens_by_keyboard_and_shows_its_steps_and_what_mends_it(desk: Chrome) -> None:
    [failure] = [
        each for each in desk.find_elements(By.CSS_SELECTOR, "#failures details") if f"to {EXPIRED}" in each.text
    ]
    failure.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    number = failure.get_attribute("data-number")
    shown = desk.find_element(By.CSS_SELECTOR, f'#failures details[data-number="{number}"]')
    assert "the certificate expired on" in shown.find_element(By.CSS_SELECTOR, ".steps .no").text
    assert "Its owner must renew the certificate" in shown.find_element(By.CSS_SELECTOR, ".mend").text
    picture(desk, "page-failure")


def test_everything_can_be_reached_by_keyboard(desk: Chrome) -> None:
    desk.refresh()
    wait(desk, lambda: desk.find_elements(By.CSS_SELECTOR, "#map a"))
    seen = []
    for _ in range(60):
        ActionChains(desk).send_keys(Keys.TAB).perform()
        name, identifier = desk.execute_script(FOCUSED)
        seen.append(name)
        if identifier == "filter":
            break
    assert seen[0] == "skip"
    assert sum("node" in each for each in seen) == len({OURS, COMPONENT_DOMAIN, LOCKED_OUT, GOOD, *BROKEN})
    assert "summary" in seen
    assert seen[-1] == "filter"


def test_a_domain_chosen_on_the_map_filters_the_streams(desk: Chrome) -> None:
    desk.find_element(By.CSS_SELECTOR, f'#map a[data-domain="{GOOD}"]').send_keys(Keys.ENTER)
    wait(desk, lambda: desk.find_element(By.ID, "filter").get_attribute("value") == GOOD)
    rows = read(desk, "#streams tbody tr")
    assert rows
    assert all(GOOD in row for row in rows)
    desk.find_element(By.ID, "filter").clear()


def test_it_goes_on_by_itself(desk: Chrome) -> None:
    before = desk.execute_script("return document.getElementById('live').textContent")
    wait(desk, lambda: desk.execute_script("return document.getElementById('live').textContent") != before)
    assert desk.find_element(By.ID, "live").get_attribute("data-state") == "live"


def test_h_43_nothing_is_loaded_from_elsewhere_and_the_policy_is_kept(desk: Chrome, scene: Scene) -> None:
    complaints = [entry["message"] for entry in desk.get_log("browser") if entry["level"] != "INFO"]
    assert complaints == []
    events = [json.loads(entry["message"])["message"] for entry in desk.get_log("performance")]
    requests = [each["params"] for each in events if each["method"] == "Network.requestWillBeSent"]
    asked = {each["request"]["url"] for each in requests if each["documentURL"].startswith(scene.page)}
    assert asked
    assert all(url.startswith(scene.page) for url in asked), asked


def test_h_42_words_of_peers_stay_words(desk: Chrome) -> None:
    evil = "<img src=x onerror=alert(1)>"
    script = """
        const {FederationMap} = await import('/map.js'); const {make} = await import('/words.js');
        const place = document.createElement('div'); document.body.append(place);
        place.append(make('p', {}, arguments[0]));
        const found = place.querySelectorAll('img').length; const said = place.textContent; place.remove();
        arguments[1]([found, said]);"""
    found, said = desk.execute_async_script(f"(async (...arguments) => {{{script}}})(...arguments)", evil)
    assert (found, said) == (0, evil)


@pytest.mark.parametrize(("name", "size", "dark"), [("page-dark", DESK, True), ("page-phone", PHONE, False)])
def test_dark_and_on_a_phone_nothing_is_cut_off(
    scene: Scene, tmp_path: Path, name: str, size: tuple[int, int], dark: bool
) -> None:
    with chromium(tmp_path, width=size[0], height=size[1], dark=dark) as browser:
        opened(browser, scene)
        width = browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= size[0]
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) < 200) == dark
        picture(browser, name)


def test_a_domain_in_focus_lets_its_streams_stand_out(desk: Chrome) -> None:
    script = "document.querySelector(`#map a[data-domain='${arguments[0]}']`).focus()"
    desk.execute_script(script, EXPIRED)
    cold = read(desk, "#map g[data-ours]", "class")
    assert cold
    assert all("cold" in each for each in cold)
    desk.execute_script(script, GOOD)
    warm = read(desk, f'#map g[data-theirs="{GOOD}"]', "class")
    assert warm
    assert not any("cold" in str(each) for each in warm)
    desk.execute_script("document.activeElement.blur()")
