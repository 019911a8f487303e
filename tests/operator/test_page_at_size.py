"""The page with three hundred other domains of sixteen kinds, at three widths, light and dark, in a real browser."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By

from tests.operator.browser import DESK, PHONE, WIDE, chromium, picture, read, show, text, wait
from tests.support import forks
from tests.support.sockets import free_port

ROOT = Path(__file__).parents[2]
PEERS = 300
FOCUSED = """
const focused = document.activeElement;
return [focused.getAttribute('class') || focused.id || focused.localName, focused.getAttribute('href')];
"""
# A question after each key takes ten times as long as the key.
WRITE_DOWN = """
window.focused = [];
document.addEventListener('focusin', ({target}) => focused.push(
    [target.getAttribute('class') || target.id || target.localName, target.getAttribute('href')]));
"""
SELECT = """
const range = document.createRange();
range.selectNodeContents(document.querySelector(arguments[0]));
getSelection().removeAllRanges(); getSelection().addRange(range);
"""


class Served:
    """The page with its crowd, in its own process."""

    def __init__(self, peers: int, *nodes: int) -> None:
        port = free_port()
        self.page = f"http://127.0.0.1:{port}/"
        command = [sys.executable, "-m", "tests.operator.crowd", *map(str, (port, peers, *nodes))]
        self.process, printed = forks.start(command, folder=ROOT)
        with printed:
            assert printed.readline() == "ready\n"

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    found = Served(PEERS)
    yield found
    found.end()


@pytest.fixture(scope="module")
def desk(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("desk"), width=DESK[0], height=DESK[1]) as browser:
        yield browser


@pytest.fixture
def overview(desk: Chrome, served: Served) -> Chrome:
    return opened(desk, served.page)


def opened(browser: Chrome, page: str, ready: str = ".peers tbody tr") -> Chrome:
    browser.get("about:blank")
    browser.get(page)
    wait(browser, lambda: read(browser, ready))
    wait(browser, lambda: browser.find_element(By.ID, "live").get_attribute("data-state") == "live")
    return browser


@pytest.mark.parametrize(
    ("name", "size", "dark"),
    [("page-light", DESK, False), ("page-dark", DESK, True), ("page-phone", PHONE, False), ("page-wide", WIDE, False)],
)
def test_at_every_width_and_in_both_themes_nothing_is_cut_off_and_the_room_is_used(
    desk: Chrome, served: Served, name: str, size: tuple[int, int], dark: bool
) -> None:
    width, height = size
    try:
        show(desk, width=width, height=height, dark=dark)
        opened(desk, served.page, "#map circle")
        wait(desk, lambda: map_fits(desk))
        assert desk.execute_script("return innerWidth") == width
        assert desk.execute_script("return document.documentElement.scrollWidth") <= width
        used = desk.execute_script("return document.querySelector('main').lastElementChild.getBoundingClientRect()")
        assert used["width"] > width * 0.9
        ground = desk.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) == dark
        assert desk.execute_script("return document.documentElement.scrollHeight") < 6000
        picture(desk, name, height=min(1500, height + 350))
    finally:
        show(desk, width=DESK[0], height=DESK[1])


def map_fits(browser: Chrome) -> bool:
    found = browser.execute_script(
        "const map = document.getElementById('map'); return [map.clientWidth, +map.firstChild.getAttribute('width')]"
    )
    return bool(abs(found[0] - found[1]) <= 2)


def test_numbers_are_of_everything_and_rows_of_a_page(overview: Chrome) -> None:
    assert f"all {PEERS}" in read(overview, ".filter")[0]
    assert len(read(overview, ".peers tbody tr")) == 25
    assert f"1 to 25 of {PEERS}" in text(overview, ".pages")
    more = read(overview, "#map .node")[-1]
    assert re.fullmatch(r"and 280 more, (all well|\d+ failing)", more)


def test_every_view_has_an_address(overview: Chrome, served: Served) -> None:
    overview.find_element(By.CSS_SELECTOR, ".filter.failing").click()
    wait(overview, lambda: set(read(overview, ".peers tbody tr", "class")) == {"failing"})
    assert overview.current_url.endswith("#?state=failing")
    overview.find_element(By.ID, "search").send_keys("silver")
    wait(overview, lambda: all("silver" in each for each in read(overview, ".peers tbody tr")))
    address = overview.current_url
    opened(overview, address)
    assert all("silver" in each for each in read(overview, ".peers tbody tr"))
    opened(overview, f"{served.page}#?page=3&order=name")
    assert "51 to 75" in text(overview, ".pages")
    names = read(overview, ".peers tbody tr", "data-key")
    assert names == sorted(names)


def test_a_selected_text_stays_selected_while_the_page_goes_on(overview: Chrome) -> None:
    overview.execute_script(SELECT, ".peers tbody tr:nth-child(3) .domain")
    selected = overview.execute_script("return getSelection().toString()")
    before = text(overview, "#live")
    wait(overview, lambda: text(overview, "#live") != before)
    assert selected
    assert overview.execute_script("return getSelection().toString()") == selected


def test_everything_can_be_reached_by_keyboard(overview: Chrome, served: Served) -> None:
    opened(overview, f"{served.page}#?order=name")  # an order in which no row overtakes another meanwhile
    overview.execute_script("document.activeElement.blur()")
    overview.execute_script(WRITE_DOWN)
    reached: list[tuple[str, str | None]] = []
    while len(reached) < 80 and not any("page=2" in (href or "") for _, href in reached):
        ActionChains(overview).send_keys(Keys.TAB * 10).perform()
        reached += overview.execute_script("return focused.splice(0)")
    seen = [name for name, _ in reached]
    assert seen[0] == "skip"
    assert "search" in seen
    assert sum("filter" in each for each in seen) >= 5
    assert seen.count("domain") == 25
    ActionChains(overview).send_keys("/").perform()
    assert overview.execute_script(FOCUSED)[0] == "search"


def test_a_screen_reader_hears_states_and_both_proofs_in_words(overview: Chrome, served: Served) -> None:
    opened(overview, f"{served.page}#?state=connected")
    rows = overview.execute_script(
        "return [...document.querySelectorAll('.peers tbody tr')].map(row => row.textContent)"
    )
    assert all("connected" in row for row in rows)
    assert any("they to us: ←certificate" in row and "we to them: →" in row for row in rows)
    assert all(read(overview, "svg.spark, svg.bars", "aria-label"))
    assert read(overview, "h1, h2, h3")[0] == "Other domains"


def test_an_open_record_stays_open_and_the_domain_page_goes_on(overview: Chrome, served: Served) -> None:
    [name, *_] = read(overview, "tr.failing", "data-key")
    opened(overview, f"{served.page}#/{name}", ".attempt")
    assert name in overview.title
    overview.execute_script("document.querySelector('.attempt').open = false")
    before = text(overview, "#live")
    wait(overview, lambda: text(overview, "#live") != before)
    assert overview.execute_script("return document.querySelector('.attempt').open") is False


def test_our_own_domains_have_a_view(overview: Chrome, served: Served) -> None:
    opened(overview, f"{served.page}#ours", ".ours tbody tr")
    assert "no component is attached" in read(overview, ".ours tbody tr")[0]


def test_the_page_of_one_of_several_nodes_shows_all_and_one_that_does_not_answer(desk: Chrome) -> None:
    served = Served(30, 4)
    desk.get_log("browser")  # what was complained of before
    try:
        opened(desk, served.page)
        wait(desk, lambda: len({*read(desk, ".peers .at")}) == 3)
        wait(desk, lambda: "does not answer since" in (read(desk, ".nodes tbody tr.failing") or [""])[0])
        assert read(desk, ".nodes tbody tr", "data-key") == ["node-0", "node-1", "node-2", "node-3", "node-gone"]
        assert "gone since" in read(desk, ".nodes tbody tr")[4]
        assert "did not answer in time" in read(desk, ".nodes tbody tr")[1]
        assert "all 90" in read(desk, ".filter")[0]
        assert desk.execute_script("return document.documentElement.scrollWidth") <= DESK[0]
        desk.find_element(By.CSS_SELECTOR, '.nodes tr[data-key="node-2"] a').click()
        wait(desk, lambda: "all 30" in read(desk, ".filter")[0])
        assert desk.current_url.endswith("#?node=node-2")
        opened(desk, f"{served.page}#ours", ".ours tbody tr")
        wait(desk, lambda: "node-2: " in read(desk, ".ours tbody tr")[0])
        assert [each for each in desk.get_log("browser") if each["level"] != "INFO"] == []
    finally:
        served.end()


def test_a_page_that_has_lost_contact_turns_grey_and_says_since_when(desk: Chrome) -> None:
    served = Served(3)
    try:
        opened(desk, served.page)
        os.kill(served.process.pid, signal.SIGSTOP)  # it hangs: the connection stays up, and nothing comes
        wait(desk, lambda: "away" in (read(desk, "body", "class")[0] or ""))
        assert re.match(r"no contact since \d\d:\d\d:\d\d$", text(desk, "#verdict"))
        assert desk.title.startswith("(no contact since ")
        assert "may no longer be so" in text(desk, "#lost")
        filtered = desk.execute_script("return getComputedStyle(document.querySelector('main')).filter")
        assert filtered == "grayscale(1)"
        os.kill(served.process.pid, signal.SIGCONT)
        wait(desk, lambda: "away" not in (read(desk, "body", "class")[0] or ""))
        served.end()
        wait(desk, lambda: "away" in (read(desk, "body", "class")[0] or ""))
        assert desk.title.startswith("(no contact since ")
    finally:
        served.end()
