"""B-6: the ids of strangers' requests take bounded memory, even without any answer, and none once they are over."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

from gateway.routing.requests import Requests
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

ASKED = "<iq type='get' id='{id}' from='{asker}' to='bridge.here.test'><ping xmlns='urn:xmpp:ping'/></iq>"
ANSWER = "<iq type='result' id='{id}' to='{asker}' from='bridge.here.test'/>"
LONG = "i" * 400_000
MEGABYTE = 1 << 20


def request(id_: str, asker: str = "a@far.test/r") -> Stanza:
    return stanza(ASKED.format(id=id_, asker=asker))


def grown(action: Callable[[], object]) -> int:
    """By how many bytes memory has grown when it is done."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        action()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def ask(requests: Requests, count: int = 40) -> None:
    for number in range(count):
        requests.asked("bridge", request(f"{number}{LONG}"))


def test_f_b_6_long_ids_take_bounded_memory() -> None:
    requests = Requests()
    assert grown(lambda: ask(requests)) < 10 * MEGABYTE
    assert len(requests) > 0


def test_f_b_6_nothing_of_them_is_left_when_the_component_is_gone() -> None:
    requests = Requests()

    def come_and_go() -> None:
        ask(requests)
        requests.abandoned("bridge")

    assert grown(come_and_go) < MEGABYTE
    assert len(requests) == 0


def test_f_b_6_an_answer_that_comes_after_that_is_still_one_too_many() -> None:
    requests = Requests()
    requests.asked("bridge", request(LONG))
    requests.abandoned("bridge")
    late = stanza(ANSWER.format(id=LONG, asker="a@far.test/r"))
    assert not requests.answered("bridge", late)
    assert requests.answered("bridge", late)


def test_f_b_6_who_asks_too_much_makes_nobody_else_wait_in_vain() -> None:
    requests = Requests()
    requests.asked("bridge", request("modest", "b@near.test/r"))
    ask(requests)
    assert "modest" in [each.id for each in requests.abandoned("bridge")]


def test_f_b_6_nor_who_asks_too_often() -> None:
    requests = Requests(most_each=100)
    requests.asked("bridge", request("modest", "b@near.test/r"))
    for number in range(1000):
        requests.asked("bridge", request(str(number)))
    left = [each.id for each in requests.abandoned("bridge")]
    assert left[0] == "modest"
    assert left[-1] == "999"
    assert len(left) <= 100
