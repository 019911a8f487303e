"""B-1: whatever anybody sends costs at most some times the processor time, per byte, of what real servers send.

Time is compared within one run, as the least of several, so that a slow or busy machine changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from time import process_time

import pytest

from gateway.features.handshake import Handshake
from gateway.stream.profiles import component_profile
from tests.fuzz.mutation import mutate
from tests.fuzz.transcripts import ACCEPT, ERROR, OURS, RESULT, STANZAS, STARTTLS, VERIFY
from tests.support.talk import OURS as DOMAIN
from tests.support.talk import Talk, header, proved, talk, under_tls

pytestmark = pytest.mark.busy("compares processor times")

SIZE = 1 << 15  # of one read, about
MOST = 5  # times the usual
NOISE = 2  # another processor, or one that does something else too, may show a ratio up to twice as large
RUNS = 3
TRIES = 8

USUAL = "".join(STANZAS)
SM = "xmlns='urn:xmpp:sm:3'"


def established() -> Talk:
    return proved()


def unproved() -> Talk:
    return under_tls(certificate=None).hear(header()).forget()


def refused() -> Talk:
    """A stream that has been closed with an error already."""
    return unproved().hear("<message/>").forget()


def component() -> Talk:
    return talk(profile=component_profile(Handshake({DOMAIN: "secret"}.get))).hear(ACCEPT).forget()


def closing() -> Talk:
    said = proved()
    return said.close().forget()


STATES: dict[str, Callable[[], Talk]] = {
    "established": established,
    "unproved": unproved,
    "refused": refused,
    "component": component,
    "closing": closing,
}

# Repeated to fill one read.
HOSTILE = {
    "smallest elements": "<a/>",
    "elements with an end tag": "<a></a >",
    "acknowledgement requests": f"<r {SM}/>",
    "acknowledgements": f"<a {SM} h='0'/>",
    "unusual end tags": "<iq></iq >",
    "white space between": "<message/> ",
    "smallest stanzas": "<message/>",
    "stanzas in stanzas": "<message><message xmlns='x'/></message>",
    "longer names": "<message><messages/></message>",
    "questions": VERIFY,
    "assertions": RESULT,
    "CDATA": "<message><![CDATA[<a]]></message>",
    "CDATA between": "<message/><message><![CDATA[]]></message>",
    "declarations": "<message xmlns:a='b'/>",
    "prefixes": "<message><db:x/></message>",
    "content namespace": "<message><x xmlns='jabber:server'/></message>",
    "references": "<message from='&#97;@b' to='&#x63;@d'/>",
    "colons": "<message>" + ":" * 200 + "</message>",
    "spaces": "<message>" + " " * 200 + "</message>",
    "brackets": "<message>" + "]" * 200 + "</message>",
    "text of markup": "<message>" + "&lt;" * 50 + "</message>",
    "quotes": "<message a='" + '"' * 200 + "'/>",
    "slashes": "<message a=" + "'/'" + "b='/" + "/" * 100 + "'/>",
    "errors": ERROR,
    "headers": OURS,
    "STARTTLS": STARTTLS,
    "refused address": "<message from='a b@theirs.test' to='\u0660\u0660'/>",
    "Unicode address": "<message from='gr\u00f6\u00dfe@theirs.test/\u2603' to='b@\u00fc.test'/>",
}
# Single things as large as a read.
LARGE = {
    "one stanza of elements": "<message>" + "<a/>" * 2000 + "</message>",
    "one stanza of deep elements": "<message>" + ("<a>" * 90 + "</a>" * 90) * 90 + "</message>",
    "one stanza of attributes": "<message " + " ".join(f"a{n}=''" for n in range(900)) + "/>",
    "one large attribute": "<message a='" + ">" * 30_000 + "'/>",
    "one large text": "<message>" + "x" * 30_000 + "</message>",
    "an end that does not come": "<message>" + "<a/>" * 2000,
    "a name that does not end": "<" + "m" * 30_000,
    "white space": " " * 30_000,
    "a tag of spaces": "<message" + " " * 30_000 + "/>",
    "a closing tag of spaces": "<message></message" + " " * 30_000 + ">",
    "a large CDATA section": "<message><![CDATA[" + "]" * 30_000 + "]]></message>",
    "nothing of XML": "\x00" * 30_000,
    "letters": "x" * 30_000,
    "less-than signs": "<" * 30_000,
    "ampersands": "<message>" + "&" * 30_000,
    "closing tags": "</a>" * 8_000,
    "the closing tag, again and again": "</stream:stream" * 2000,
}


def filled(piece: str) -> str:
    return piece * (SIZE // len(piece.encode()))


def cost(begin: Callable[[], Talk], text: str, runs: int = RUNS) -> float:
    """Seconds of the processor for each byte of one read; the least of several runs."""
    data = text.encode()
    times = []
    for _ in range(runs):
        said = begin()
        began = process_time()
        said.stream.received(data)
        times.append(process_time() - began)
    return min(times) / len(data)


@cache
def usual() -> float:
    """Return what a byte of the usual costs where nothing disturbs; measured once."""
    return min(cost(established, filled(USUAL)) for _ in range(TRIES))


def is_dear(begin: Callable[[], Talk], text: str) -> bool:
    """Return whether it costs more than it may.

    What does not at the first look is not. The rest is compared with the usual as it is at that moment, several times:
    the processor may have become slower since the usual was measured.
    """
    if cost(begin, text, runs=1) <= NOISE * MOST * usual():
        return False
    return all(cost(begin, text) > NOISE * MOST * cost(established, filled(USUAL)) for _ in range(TRIES))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", [*HOSTILE, *LARGE])
def test_f_b_1_a_read_costs_at_most_some_times_the_usual(kind: str, state: str) -> None:
    text = filled(HOSTILE[kind]) if kind in HOSTILE else LARGE[kind]
    assert not is_dear(STATES[state], text)


@pytest.mark.parametrize("seed", range(30))
def test_f_b_1_mutated_transcripts_cost_no_more_either(seed: int) -> None:
    rng = Random(seed)
    begin = STATES[rng.choice(list(STATES))]
    piece = mutate(rng, rng.choice((USUAL, *STANZAS, VERIFY, RESULT, ERROR)).encode()).decode(errors="ignore")
    assert not is_dear(begin, filled(piece or " "))


def test_f_b_1_time_grows_with_the_size_of_a_read_and_not_faster() -> None:
    for kind in ("smallest elements", "unusual end tags", "white space between", "questions"):
        small, large = filled(HOSTILE[kind]), filled(HOSTILE[kind]) * 8
        begin = unproved if kind == "questions" else closing
        assert any(cost(begin, large) < 3 * cost(begin, small) for _ in range(TRIES)), kind
