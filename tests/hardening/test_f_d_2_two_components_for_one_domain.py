"""F-D-2: two live components for one domain that answer no pings do not throw each other out in turn."""

from __future__ import annotations

from gateway.components.conflict import SETTLED_SECONDS, SIGN_OF_LIFE_SECONDS
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.peers.site import COMPONENT as PORT
from tests.interop.probe import COMPONENT, dial
from tests.unit.components.test_components import ComponentHarness, Line

HANDSHAKE = f"{{{COMPONENT}}}handshake"
RECONNECT_SECONDS = 1.0


def _takeovers(harness: ComponentHarness) -> int:
    return sum("is replaced" in text for text in harness.told())


def test_f_d_2_one_takeover_and_no_more() -> None:
    """In ten hours of coming back after a second each, the domain changes hands once."""
    harness = ComponentHarness()
    holder = Line(harness, "first").knows_the_secret()
    other = Line(harness, "second")
    for _ in range(int(10 * 3600 / (SIGN_OF_LIFE_SECONDS + RECONNECT_SECONDS))):
        other = Line(harness, "the other one").knows_the_secret()
        harness.clock.advance(SIGN_OF_LIFE_SECONDS)
        if harness.route.sessions == [other.session]:
            holder.breaks()
            holder = other
        else:
            other.breaks()
        harness.clock.advance(RECONNECT_SECONDS)
    assert _takeovers(harness) == 1
    assert harness.route.sessions == [holder.session]
    assert "stop one of them" in harness.told()[-1]


def test_f_d_2_after_an_hour_of_peace_silence_counts_again() -> None:
    """A component that hangs can be replaced once nobody has disputed its domain for an hour."""
    harness = ComponentHarness()
    Line(harness, "first").knows_the_secret()
    for name in ("second", "third"):
        line = Line(harness, name).knows_the_secret()
        harness.clock.advance(SIGN_OF_LIFE_SECONDS)
        assert harness.route.sessions == [line.session]
        harness.clock.advance(SETTLED_SECONDS)
    assert _takeovers(harness) == 2


def test_f_d_2_a_connection_that_breaks_leaves_the_domain_at_once() -> None:
    """A waiting connection gets the domain as soon as the attached one ends, also soon after a takeover."""
    harness = ComponentHarness()
    Line(harness, "first").knows_the_secret()
    second = Line(harness, "second").knows_the_secret()
    harness.clock.advance(SIGN_OF_LIFE_SECONDS)
    third = Line(harness, "third").knows_the_secret()
    second.breaks()
    assert harness.route.sessions == [third.session]


async def test_f_d_2_on_the_wire(start: Starter) -> None:
    """The first mute connection is replaced; when it comes back, it gets conflict, and the second goes on."""
    gateway = start(Gateway, "d2.test", components={"component.d2.test": "secret"})
    at = gateway.address, PORT
    async with dial(*at) as first, dial(*at) as second, dial(*at) as again:
        assert (await first.attach("component.d2.test", "secret")).tag == HANDSHAKE
        assert (await second.attach("component.d2.test", "secret")).tag == HANDSHAKE
        assert await first.error() == "conflict"
        await again.type_handshake("component.d2.test", "secret")
        assert await again.error() == "conflict"
        await second.type("<message from='component.d2.test' to='component.d2.test'><body>mine</body></message>")
        while (await second.element()).findtext(f"{{{COMPONENT}}}body") != "mine":
            pass
