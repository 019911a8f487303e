"""Feature 7-1, as a client: a resource is bound before any stanza is sent (RFC 6120 §7)."""

from __future__ import annotations

import pytest

from gateway.stream.events import ClientBound, NegotiationCompleted
from tests.interop.own_logins import at_home
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.logins import Login


@pytest.mark.parametrize("direct", [True, False], ids=["direct TLS", "STARTTLS"])
def test_client_is_bound_at_each_server(world: World, host: Peer, direct: bool) -> None:
    own = at_home(world, host, "romeo/garden", direct_tls=direct)
    assert own.full == f"romeo@{host.site.domains[0]}/garden"


def test_stanzas_may_pass_once_it_is_bound_and_not_before() -> None:
    login = Login()
    login.start()
    said = [output for output in login.initiating.outputs if isinstance(output, ClientBound | NegotiationCompleted)]
    assert [type(each) for each in said] == [ClientBound, NegotiationCompleted]
