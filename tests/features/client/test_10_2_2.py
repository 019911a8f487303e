"""Feature 10.2-2 [message-body, message-subject, message-thread]: as they are (RFC 6121 §5.2.3-§5.2.5)."""

from __future__ import annotations

from gateway.xmpp.addresses import Address
from gateway.xmpp.namespaces import CLIENT
from tests.interop.own_logins import staying
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor

TEXTS = {
    "subject": "I implore you!",
    "body": "Wherefore art thou <Romeo> & no \u2665",
    "thread": "e0ffe42b28561960c6b1",
}


def test_texts_arrive_unchanged(world: World, host: Peer) -> None:
    domain = host.site.domains[0]

    async def scenario() -> dict[str, str]:
        async with staying(world, f"romeo@{domain}") as romeo, staying(world, f"juliet@{domain}") as juliet:
            romeo.messaging.show()
            to: Address = romeo.messaging.own
            juliet.messaging.say(to, TEXTS["body"], "normal", subject=TEXTS["subject"], thread=TEXTS["thread"])
            message = await romeo.expect(lambda stanza: stanza.name == "message" and b"implore" in stanza.raw)
            found = {name: message.element.first(CLIENT, name) for name in TEXTS}
            return {name: child.text for name, child in found.items() if child is not None}

    assert run_in_reactor(scenario) == TEXTS
