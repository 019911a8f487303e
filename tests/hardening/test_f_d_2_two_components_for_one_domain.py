"""F-D-2: two live components for one domain that answer no pings do not throw each other out in turn."""

from __future__ import annotations

from gateway.components.route import SETTLED_SECONDS, SIGN_OF_LIFE_SECONDS
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.peers.site import COMPONENT as PORT
from tests.interop.probe import COMPONENT, dial
from tests.unit.components.test_components import Line, World

HANDSHAKE = f"{{{COMPONENT}}}handshake"
RECONNECT_SECONDS = 1.0


def _takeovers(world: World) -> int:
    return sum("is replaced" in text for text in world.told())


def test_f_d_2_one_takeover_and_no_more() -> None:
    """In ten hours of coming back after a second each, the domain changes hands once."""
    world = World()
    holder = Line(world, "first").knows_the_secret()
    other = Line(world, "second")
    for _ in range(int(10 * 3600 / (SIGN_OF_LIFE_SECONDS + RECONNECT_SECONDS))):
        other = Line(world, "the other one").knows_the_secret()
        world.clock.advance(SIGN_OF_LIFE_SECONDS)
        if world.route.session is other.session:
            holder.breaks()
            holder = other
        else:
            other.breaks()
        world.clock.advance(RECONNECT_SECONDS)
    assert _takeovers(world) == 1
    assert world.route.session is holder.session
    assert "stop one of them" in world.told()[-1]


def test_f_d_2_after_an_hour_of_peace_silence_counts_again() -> None:
    """A component that hangs can be replaced once nobody has disputed its domain for an hour."""
    world = World()
    Line(world, "first").knows_the_secret()
    for name in ("second", "third"):
        line = Line(world, name).knows_the_secret()
        world.clock.advance(SIGN_OF_LIFE_SECONDS)
        assert world.route.session is line.session
        world.clock.advance(SETTLED_SECONDS)
    assert _takeovers(world) == 2


def test_f_d_2_a_connection_that_breaks_leaves_the_domain_at_once() -> None:
    """Whoever waits has the domain as soon as the attached connection ends, also soon after a takeover."""
    world = World()
    Line(world, "first").knows_the_secret()
    second = Line(world, "second").knows_the_secret()
    world.clock.advance(SIGN_OF_LIFE_SECONDS)
    third = Line(world, "third").knows_the_secret()
    second.breaks()
    assert world.route.session is third.session


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
