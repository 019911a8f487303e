"""jabberd2, as Debian ships it: a router, a session manager and the part that speaks with other servers.

There are no accounts: those would need a fourth program, and one of their databases. Its resolver (udns) takes the
nameserver from the environment.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from glob import glob
from xml.sax.saxutils import escape

from tests.interop.peers.process import Peer
from tests.interop.peers.site import COMPONENT, SERVER

_PROGRAMS = ("router", "sm", "s2s")  # the last of them is the process that is watched
_SECRET = "secret"
# Which modules answer what: requests to the server, to its users, and what comes from the router.
_CHAINS = {
    "in-router": ("session", "validate", "presence", "privacy"),
    "out-router": ("privacy",),
    "pkt-sm": ("iq-last", "iq-ping", "iq-time", "iq-version", "disco", "presence"),
    "pkt-user": ("roster", "presence", "disco", "deliver", "offline"),
    "pkt-router": ("session", "disco"),
    "user-load": ("active", "roster", "privacy"),
}


class Jabberd2(Peer):
    """jabberd2 2.7.0 or newer, without accounts."""

    name = "jabberd2"
    program = "/usr/sbin/jabberd2-s2s"
    needs = {"jabberd2": program}
    proven_by = {"dialback": r"incoming route '[^']*/{domain}' is now valid"}

    def command(self) -> list[str]:
        """Run all in the foreground; the others end with the one that speaks with other servers."""
        started = [shlex.join([_program(name), "-c", str(self.folder / f"{name}.xml")]) for name in _PROGRAMS]
        others = [f"setpriv --pdeathsig KILL {each} &" for each in started[:-1]]
        return ["/bin/sh", "-c", " ".join([*others, f"exec {started[-1]}"])]

    def environment(self) -> Mapping[str, str]:
        names = self.site.names
        return {"NAMESERVERS": names.address, "RES_OPTIONS": f"port:{names.port}"}

    def ports(self) -> tuple[int, ...]:
        return (SERVER,)

    def ready(self) -> bool:
        """Return whether the session manager serves all domains, which is later than the port."""
        return super().ready() and all(f"[{domain}] online (bound" in self.log() for domain in self.site.domains)

    def register(self, jid: str, password: str) -> None:
        """Make no account: there are none."""

    def write_configuration(self) -> None:
        users = f"<users><user><name>jabberd</name><secret>{_SECRET}</secret></user></users>"
        (self.folder / "router-users.xml").write_text(users)
        (self.folder / "filter.xml").write_text("<filter/>")
        for name, content in (("router", self._router()), ("sm", self._sm()), ("s2s", self._s2s())):
            log = "<log type='stdout'/>"
            pid = f"<pidfile>{self.folder}/{name}.pid</pidfile>"
            (self.folder / f"{name}.xml").write_text(f"<{name}><id>{name}</id>{pid}{log}{content}</{name}>")

    def _router(self) -> str:
        return (
            f"<local><ip>{self.address}</ip><port>{COMPONENT}</port>"
            f"<users>{self.folder}/router-users.xml</users><secret>{_SECRET}</secret></local>"
            "<io><max_fds>1024</max_fds></io>"
            f"<aci><acl type='all'><user>jabberd</user></acl><filter>{self.folder}/filter.xml</filter></aci>"
        )

    def _sm(self) -> str:
        domains = "".join(f"<id>{escape(domain)}</id>" for domain in self.site.domains)
        modules = glob("/usr/lib/*/jabberd2")[0]
        chains = "".join(
            f"<chain id='{chain}'>{''.join(f'<module>{each}</module>' for each in names)}</chain>"
            for chain, names in _CHAINS.items()
        )
        return (
            f"{self._at_router()}<local>{domains}</local>"
            f"<storage><path>{modules}</path><driver>fs</driver><fs><path>{self.folder}</path></fs></storage>"
            f"<modules><path>{modules}</path>{chains}</modules>"
            "<discovery><identity><category>server</category><type>im</type><name>jabberd2</name></identity></discovery>"
        )

    def _s2s(self) -> str:
        bundle = next(iter(self.site.certificates.values()))
        return (
            f"{self._at_router()}<local><ip>{self.address}</ip><port>{SERVER}</port>"
            f"<pemfile>{bundle}</pemfile><cachain>{self.site.authorities}</cachain></local>"
            "<io><max_fds>1024</max_fds></io><check><dnscache>1</dnscache></check>"
            "<lookup><srv>xmpp-server</srv><min-ttl>1</min-ttl></lookup><out-conn-reuse/><security/>"
        )

    def _at_router(self) -> str:
        retry = "<retry><init>100</init><lost>3</lost><sleep>1</sleep></retry>"
        where = f"<ip>{self.address}</ip><port>{COMPONENT}</port>"
        return f"<router>{where}<user>jabberd</user><pass>{_SECRET}</pass>{retry}</router>"


def _program(name: str) -> str:
    return f"/usr/sbin/jabberd2-{name}"
