"""The page of a gateway that federates with a good peer and several broken ones, looked at with a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from tests.operator.browser import DESK, chromium, picture, read, text, wait
from tests.operator.conftest import BROKEN, COMPONENT_DOMAIN, EXPIRED, GOOD, LOCKED_OUT, OURS, SLAMMED, Scene


@pytest.fixture(scope="module")
def desk(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    folder = tmp_path_factory.mktemp("desk")
    with chromium(folder, width=DESK[0], height=DESK[1], notes_requests=True) as browser:
        browser.get(scene.page)
        wait(browser, lambda: len(read(browser, "tr.failing")) >= len(BROKEN))
        yield browser


def test_what_is_wrong_is_told_at_the_top(desk: Chrome) -> None:
    assert "wrong" in text(desk, "#verdict")
    assert f"{LOCKED_OUT} is not served: no component is attached" in text(desk, ".troubles")


def test_the_table_has_every_domain_and_the_failing_ones_come_first(desk: Chrome) -> None:
    assert set(read(desk, "tr.failing", "data-key")) == set(BROKEN)
    assert read(desk, ".peers tbody tr", "class")[: len(BROKEN)] == ["failing"] * len(BROKEN)
    [good] = [each for each in read(desk, ".peers tbody tr") if GOOD in each]
    assert "certificate" in good


def test_the_map_has_our_domains_and_theirs(desk: Chrome) -> None:
    nodes = set(filter(None, read(desk, "#map a", "data-domain")))
    assert nodes == {OURS, COMPONENT_DOMAIN, LOCKED_OUT, GOOD, *BROKEN}
    assert set(filter(None, read(desk, "#map a.failing", "data-domain"))) == set(BROKEN)


def test_what_waits_on_the_disk_and_what_filters_hold_is_shown(desk: Chrome) -> None:
    wait(desk, lambda: read(desk, "#outbox"))
    told = text(desk, "#outbox")
    assert "nothing waits on the disk" in told
    assert "nothing" in told.partition("held by filters")[2]


def test_the_strip_counts_what_passes(desk: Chrome) -> None:
    wait(desk, lambda: text(desk, ".tile .number")[0] != "0")
    assert int(read(desk, ".tile.bad .number")[0]) >= len(BROKEN)


def test_a_domain_has_a_page_with_the_steps_and_the_remedy(desk: Chrome, scene: Scene) -> None:
    desk.find_element(By.CSS_SELECTOR, f'tr[data-key="{EXPIRED}"] a').send_keys(Keys.ENTER)
    wait(desk, lambda: read(desk, ".steps .no"))
    assert desk.current_url == f"{scene.page}#/{EXPIRED}"
    assert "the certificate expired on" in text(desk, ".steps .no")
    assert "Its owner must renew the certificate" in text(desk, ".remedy")
    assert "proof by external" in text(desk, ".facts")
    picture(desk, "page-domain")


def test_h_43_nothing_is_loaded_from_elsewhere_and_the_policy_is_kept(desk: Chrome, scene: Scene) -> None:
    desk.get(f"{scene.page}#/{SLAMMED}")
    wait(desk, lambda: SLAMMED in "".join(read(desk, "h1")))
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
        const {make, show} = await import('/dom.js');
        const place = document.createElement('div'); document.body.append(place);
        show(place, make('p', {}, arguments[0])); show(place, make('p', {}, arguments[0] + '!'));
        const found = place.querySelectorAll('img').length; const said = place.textContent; place.remove();
        arguments[1]([found, said]);"""
    found, said = desk.execute_async_script(f"(async (...arguments) => {{{script}}})(...arguments)", evil)
    assert (found, said) == (0, f"{evil}!")
