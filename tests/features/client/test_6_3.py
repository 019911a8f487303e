"""Feature 6-3, as a client: TLS plus SASL EXTERNAL, by a certificate that names our account (XEP-0178 §2)."""

from __future__ import annotations

from gateway.xmpp.addresses import Address
from tests.interop.fixtures import Starter
from tests.interop.own_logins import at_home
from tests.interop.peers import Ejabberd, Peer
from tests.interop.world import World
from tests.support.throwaway_ca import CLIENT_AUTH, xmpp
from tests.support.tls import identity


def by_certificate(world: World, host: Peer) -> Address:
    issued = world.authority.issue(xmpp(f"romeo@{host.site.domains[0]}"), purposes=[CLIENT_AUTH])
    return at_home(world, host, "romeo", password=None, identity=identity(issued), direct_tls=False)


def test_client_logs_in_at_our_door(world: World, house: Peer) -> None:
    assert by_certificate(world, house).bare == "romeo@im.test"


def test_client_logs_in_at_ejabberd(world: World, start: Starter) -> None:
    ejabberd = start(Ejabberd, "certified.test", client_certificates=True)
    assert by_certificate(world, ejabberd).bare == "romeo@certified.test"
