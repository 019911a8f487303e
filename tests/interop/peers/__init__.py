"""Real servers as processes, each on its own loopback address, so that all keep the usual XMPP ports.

    with World(folder) as world, Prosody(world.site("prosody.test"), folder / "prosody") as prosody:
        prosody.register("romeo@prosody.test", "secret")

`site.py` says what a server is to be, in one vocabulary for all kinds; `process.py` starts, watches, pauses and ends
it; `prosody.py`, `ejabberd.py`, `jabberd2.py` and `gateway.py` (the program under test) each render a site in their
server's own language.
"""

from __future__ import annotations

from tests.interop.peers.ejabberd import Ejabberd
from tests.interop.peers.gateway import Gateway
from tests.interop.peers.jabberd2 import Jabberd2
from tests.interop.peers.process import NotInstalledError, Peer, PeerError
from tests.interop.peers.prosody import Prosody
from tests.interop.peers.site import Names, Site

__all__ = ["Ejabberd", "Gateway", "Jabberd2", "Names", "NotInstalledError", "Peer", "PeerError", "Prosody", "Site"]
