"""Both providers give the same answers and the same refusals to the same requests, also after the file was closed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import execute
from twisted.internet.task import Clock

from gateway.outbox.database import Database
from gateway.outbox.durable import DurableOutbox
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import Failing, OutboxLimits
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import GatewayError
from tests.unit.outbox.contract import FAR, FARTHER, OTHER_PAIR, PAIR, now

LIMITS = OutboxLimits(bytes=600, pair_stanzas=8, pairs=2, aside=2, page_bytes=60)

pairs = st.sampled_from([PAIR, OTHER_PAIR, DomainPair(Domain("ours.example"), FARTHER)])
domains = st.sampled_from([FAR, FARTHER])
stanzas = st.integers(1, 40).map(lambda size: b"x" * size)
moments = st.integers(0, 5).map(float)
# Of the first ten rows: 64 numbers each.
numbers = st.builds(lambda sequence, place: sequence << 6 | place, st.integers(0, 10), st.integers(0, 3))
failing = st.none() | st.builds(
    Failing, failures=st.integers(1, 3), since=moments, verdict=st.just("no-tls"), reason=st.just("why")
)

requests = st.one_of(
    st.tuples(st.just("put"), pairs, st.lists(stanzas, max_size=4), moments, moments),
    st.tuples(st.just("put"), pairs, st.lists(stanzas, max_size=4), moments, moments),
    st.tuples(st.just("put_newest"), pairs, st.sampled_from([b"a", b"b"]), stanzas, moments, moments),
    st.tuples(st.just("settle"), pairs, numbers),
    st.tuples(st.just("remove"), st.lists(numbers, max_size=3)),
    st.tuples(st.just("page"), pairs, numbers, st.integers(1, 5)),
    st.tuples(st.just("expired"), moments, st.integers(1, 3)),
    st.tuples(st.just("set_aside"), numbers, st.just("why")),
    st.tuples(st.just("aside"), st.none() | domains),
    st.tuples(st.just("hold"), domains),
    st.tuples(st.just("release"), domains),
    st.tuples(st.just("drop"), domains),
    st.tuples(st.just("summary"), moments),
    st.tuples(st.just("pairs")),
    st.tuples(st.just("state"), domains),
    st.tuples(st.just("remember"), domains, failing),
)


def outcome(outbox: Any, method: str, *arguments: Any) -> Any:
    if method.startswith("put"):
        *arguments_, accepted, expires = arguments
        arguments, times = tuple(arguments_), {"accepted": accepted, "expires": expires}
    else:
        times = {}
    try:
        return now(getattr(outbox, method)(*arguments, **times))
    except GatewayError as error:
        return type(error), str(error)


def opened(path: Path) -> DurableOutbox:
    outbox = DurableOutbox(Database(path), run=execute, clock=Clock(), limits=LIMITS)
    outbox.start()
    return outbox


@settings(deadline=None, max_examples=60)
@given(st.lists(requests, max_size=40))
def test_every_answer_and_every_refusal_is_the_same(sequence: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        in_memory, in_file = MemoryOutbox(limits=LIMITS), opened(Path(folder) / "outbox.db")
        for method, *arguments in sequence:
            expected, found = (outcome(outbox, method, *arguments) for outbox in (in_memory, in_file))
            assert found == expected, (method, arguments)
        now(in_file.close())
        again = opened(Path(folder) / "outbox.db")
        for method, *arguments in (("pairs",), ("aside", None), ("summary", 3.0), ("state", FAR), ("state", FARTHER)):
            assert outcome(again, method, *arguments) == outcome(in_memory, method, *arguments)
        for pair in (PAIR, OTHER_PAIR):
            assert outcome(again, "page", pair, 0, 100) == outcome(in_memory, "page", pair, 0, 100)
        now(again.close())
