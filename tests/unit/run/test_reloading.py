"""Reloading: what has changed is named, what has not is left alone, and relayed servers keep their streams."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.config import load
from gateway.operations.control.door import CommandRefused
from gateway.routing.interfaces import Declined, ILocalHandler, IService
from gateway.run.reloading import differences
from gateway.service import Gateway, build
from gateway.stream.facts import Terms
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import ConfigError
from gateway.xmpp.stanzas import Stanza
from tests.support.configuration import Folder
from tests.unit.components.test_components import Line

CONFIGURATION = """
[gateway]
state = "state"
[listen]
server = ["tcp:5269:interface=127.0.0.1"]
inside = ["tcp:5279:interface=127.0.0.1"]
component = ["tcp:5347:interface=127.0.0.1"]
[tls]
authorities = "ca.pem"
[domains."bridge.test"]
serve = "component"
secret = "a secret of some length"
certificate = "bridge.test.pem"
[domains."inside.test"]
serve = "relay"
connect = "tcp:10.0.0.5:5269"
require_tls = false
authenticate = ["dialback"]
[peers."never.test"]
allow = false
"""
BRIDGE, INSIDE, FAR, NEVER = (Domain(name) for name in ("bridge.test", "inside.test", "far.test", "never.test"))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.certify("bridge.test")
    folder.write(CONFIGURATION)
    return folder


@pytest.fixture
def gateway(folder: Folder) -> Gateway:
    return build(load(folder.path / "gateway.toml"), MemoryReactorClock())


def reload(gateway: Gateway) -> dict[str, Any]:
    """Return the outcome, once all streams have had their turn."""
    outcomes: list[Any] = []
    gateway.reload().addBoth(outcomes.append)
    gateway.shared.reactor.advance(0)
    [outcome] = outcomes
    return outcome.raiseException() if isinstance(outcome, Failure) else outcome  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("remote", "domain", "speaks"),
    [
        (FAR, BRIDGE, True),
        (FAR, INSIDE, True),
        (FAR, NEVER, False),
        (INSIDE, FAR, True),
        (INSIDE, BRIDGE, True),
        (INSIDE, NEVER, False),
        (None, FAR, False),
    ],
)
def test_towards_a_relayed_server_we_are_everybody_whom_it_may_reach(
    gateway: Gateway, remote: Domain | None, domain: Domain, speaks: bool
) -> None:
    assert gateway.shared.in_force.speaks_for(remote, domain) is speaks


def test_a_certificate_that_cannot_be_used_leaves_its_domain_the_one_from_before(
    gateway: Gateway, folder: Folder
) -> None:
    before = gateway.trust.identities[BRIDGE]
    folder.certify("other.test")
    (folder.path / "bridge.test.pem").write_text("half a cert")
    folder.write(
        CONFIGURATION + '[domains."other.test"]\nserve = "component"\nsecret = "x"\ncertificate = "other.test.pem"\n'
    )
    done = reload(gateway)
    assert "other.test is new" in done["changed"]
    assert done["faults"] == [
        f"the certificate of bridge.test: {folder.path}/bridge.test.pem: holds no certificate in PEM"
    ]
    assert gateway.trust.identities[BRIDGE] is before
    assert Domain("other.test") in gateway.trust.identities
    [trouble] = [each for each in gateway.status.troubles() if "bridge.test.pem" in each.sentence]
    assert trouble.sentence.startswith("the certificate for bridge.test cannot be used, and the previous one is still")
    folder.certify("bridge.test")
    assert reload(gateway)["faults"] == []
    assert not [each for each in gateway.status.troubles() if "bridge.test.pem" in each.sentence]


def test_nothing_is_done_anew_when_nothing_has_changed(gateway: Gateway) -> None:
    component, doors = gateway.served.components[BRIDGE], list(gateway.shared.endpoints)
    assert reload(gateway) == {"changed": [], "closed": 0, "needs_restart": [], "faults": []}
    assert gateway.served.components[BRIDGE] is component
    assert list(gateway.shared.endpoints) == doors


def test_a_component_whose_contacts_or_certificate_change_stays_attached(gateway: Gateway, folder: Folder) -> None:
    component = gateway.served.components[BRIDGE]
    folder.certify("bridge.test")
    folder.write(CONFIGURATION.replace('serve = "component"', 'serve = "component"\nadmins = ["mailto:a@b.test"]'))
    changed = reload(gateway)["changed"]
    assert changed[0] == "bridge.test has changed"
    assert changed[1].startswith("bridge.test has a new certificate, valid until ")
    assert gateway.served.components[BRIDGE] is component


def test_a_component_with_another_secret_has_to_come_again(gateway: Gateway, folder: Folder) -> None:
    component = gateway.served.components[BRIDGE]
    folder.write(CONFIGURATION.replace("a secret of some length", "another secret of some length"))
    reload(gateway)
    assert gateway.served.components[BRIDGE] is not component


SERVED_BY_A_COMPONENT = 'serve = "component"\nsecret = "a secret of some length"\ncertificate = "bridge.test.pem"'


@pytest.mark.parametrize(
    "changed",
    [
        CONFIGURATION.replace("a secret of some length", "another secret of some length"),
        CONFIGURATION.replace(f'[domains."bridge.test"]\n{SERVED_BY_A_COMPONENT}\n', ""),
        CONFIGURATION.replace(SERVED_BY_A_COMPONENT, 'serve = "echo"\ncertificate = "bridge.test.pem"'),
        CONFIGURATION.replace(
            SERVED_BY_A_COMPONENT, 'serve = "relay"\nconnect = "tcp:10.0.0.6:5269"\ncertificate = "bridge.test.pem"'
        ),
    ],
    ids=["another secret", "no such domain", "a handler", "a relayed server"],
)
def test_who_was_attached_or_waiting_no_longer_has_the_domain(gateway: Gateway, folder: Folder, changed: str) -> None:
    component = gateway.served.components[BRIDGE]
    router, clock = gateway.served.router, gateway.shared.reactor
    world: Any = SimpleNamespace(log=[], notices=[], clock=clock, router=router, route=component)
    for name in ("first", "second"):
        Line(world, name).knows_the_secret()
    assert world.log == ["first is attached", "first gets alive"]
    folder.write(changed)
    reload(gateway)
    assert [line.split(":")[0] for line in world.log[2:]] == ["first is closed", "second is closed"]
    assert gateway.served.components.get(BRIDGE) is not component


@implementer(ILocalHandler)
class Stubborn:
    """A handler that cannot be made."""

    def __init__(self) -> None:
        raise RuntimeError("it is raining")

    def handle(self, stanza: Stanza) -> Declined:
        return Declined()


def test_a_handler_that_cannot_be_made_is_a_mistake_and_changes_nothing(gateway: Gateway, folder: Folder) -> None:
    settings = gateway.shared.settings
    folder.write(f'{CONFIGURATION}[domains."s.test"]\nserve = "{__name__}.Stubborn"\n')
    with pytest.raises(
        CommandRefused, match=r'"s.test".options: .*Stubborn cannot be created: RuntimeError: it is raining'
    ):
        reload(gateway)
    assert gateway.shared.settings is settings
    with pytest.raises(ConfigError, match="it is raining"):
        build(load(folder.path / "gateway.toml"), MemoryReactorClock())


@pytest.mark.parametrize("text", ["nonsense", "", CONFIGURATION.replace("bridge.test.pem", "nowhere.pem")])
def test_a_mistake_changes_nothing(gateway: Gateway, folder: Folder, text: str) -> None:
    settings, contexts, routes = (
        gateway.shared.settings,
        gateway.trust.contexts.keyring,
        dict(gateway.served.components),
    )
    folder.write(text)
    with pytest.raises(CommandRefused, match="nothing has changed"):
        reload(gateway)
    assert gateway.shared.settings is settings
    assert gateway.trust.contexts.keyring is contexts
    assert gateway.served.components == routes


def test_who_has_not_said_yet_who_it_is_comes_under_the_new_terms(gateway: Gateway, folder: Folder) -> None:
    def terms() -> Terms:
        protocol: Any = gateway.factory_of("server").buildProtocol(IPv4Address("TCP", "192.0.2.1", 40000))
        return protocol.stream.facts.terms  # type: ignore[no-any-return]

    gateway.shared.reactor.advance(100)  # the limits let nobody in at the very beginning of time
    assert terms().require_tls
    folder.write(f"{CONFIGURATION}[peers.any]\nrequire_tls = false\nstanza_bytes = 20000\n")
    reload(gateway)
    assert not terms().require_tls
    assert terms().stanza_bytes == 20000


def test_mistakes_are_one_line_of_the_log(gateway: Gateway, folder: Folder) -> None:
    told: list[str] = []
    gateway.shared.board.subscribe(lambda notice: told.append(notice.sentence))
    folder.write(f"{CONFIGURATION}[nonsense]\n[more]\n")
    with pytest.raises(CommandRefused):
        reload(gateway)
    (line,) = told
    assert "\n" not in line
    assert line.endswith("; 2 mistakes")
    assert "more: no such table" in line


def test_differences_are_told_in_words(gateway: Gateway) -> None:
    old = gateway.shared.settings
    without = {name: domain for name, domain in old.domains.items() if name != INSIDE}
    new = replace(old, domains=without, listen=replace(old.listen, inside=(), http=("tcp:5280",)))
    assert list(differences(old, new)) == [
        "inside.test is gone",
        "listen.http tcp:5280 was opened",
        "listen.inside tcp:5279:interface=127.0.0.1 was closed",
    ]


# -- doors -------------------------------------------------------------------------------------------------------------

SERVER_DOOR = 'server = ["tcp:5269:interface=127.0.0.1"]'
TWO_MORE = 'server = ["tcp:5269:interface=127.0.0.1", "tcp:5270:interface=127.0.0.1", "tcp:5271:interface=127.0.0.1"]'


class Ports(MemoryReactorClock):
    """A reactor that knows which ports are open; some cannot be opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: set[int] = set()
        self.taken: set[int] = set()

    def listenTCP(self, port: int, factory: Any, *args: Any, **how: Any) -> Any:
        if port in self.taken:
            raise CannotListenError("127.0.0.1", port, OSError(errno.EADDRINUSE, "Address already in use"))
        listening: Any = super().listenTCP(port, factory, *args, **how)
        self.open.add(port)
        listening.stopListening = lambda: self.open.discard(port)
        return listening


@pytest.fixture
def ports() -> Ports:
    return Ports()


@pytest.fixture
def listening(folder: Folder, ports: Ports) -> Gateway:
    """A gateway whose doors are open."""
    gateway = build(load(folder.path / "gateway.toml"), ports)
    gateway.shared.endpoints.startService()
    assert ports.open == {5269, 5279, 5347}
    return gateway


def test_a_door_is_opened_and_shut_by_a_reload(listening: Gateway, folder: Folder, ports: Ports) -> None:
    folder.write(CONFIGURATION.replace(SERVER_DOOR, TWO_MORE))
    reload(listening)
    assert ports.open == {5269, 5270, 5271, 5279, 5347}
    assert all(door.is_open for door in listening.shared.endpoints.doors())
    folder.write(CONFIGURATION.replace("5269", "5272"))
    reload(listening)
    assert ports.open == {5272, 5279, 5347}
    assert listening.shared.endpoints.missing() == []


def test_a_door_that_cannot_be_opened_leaves_no_other_open(listening: Gateway, folder: Folder, ports: Ports) -> None:
    ports.taken.add(5271)
    folder.write(CONFIGURATION.replace(SERVER_DOOR, TWO_MORE))
    with pytest.raises(CommandRefused, match=r"nothing has changed: .*5271.*Address already in use"):
        reload(listening)
    assert ports.open == {5269, 5279, 5347}


@implementer(IService)
class Sleepy:
    """A handler that cannot be started, or not for a second time."""

    starts: ClassVar[dict[str, int]] = {}

    def __init__(self, name: str = "", times: int = 0) -> None:
        self._name, self._times = name, times

    def start(self, context: Any) -> None:
        self.starts[self._name] = self.starts.get(self._name, 0) + 1
        if self.starts[self._name] > self._times:
            raise RuntimeError(f"{self._name} is asleep")

    def stop(self) -> None:
        pass

    def handle(self, stanza: Stanza) -> Declined:
        return Declined()


def sleepy(domain: str, **options: Any) -> str:
    written = "\n".join(f"{name} = {value!r}" for name, value in options.items())
    return f'[domains."{domain}"]\nserve = "{__name__}.Sleepy"\n[domains."{domain}".options]\n{written}\n'


def test_a_handler_that_cannot_be_started_leaves_no_new_door_open_and_the_old_handler_at_work(
    folder: Folder, ports: Ports
) -> None:
    Sleepy.starts.clear()
    folder.write(CONFIGURATION + sleepy("s.test", name="old", times=2))
    gateway = build(load(folder.path / "gateway.toml"), ports)
    gateway.shared.endpoints.startService()
    told: list[str] = []
    gateway.shared.board.subscribe(lambda notice: told.append(notice.sentence))
    gateway.served.handlers[Domain("s.test")].start()
    folder.write(CONFIGURATION.replace(SERVER_DOOR, TWO_MORE) + sleepy("s.test", name="new", times=0))
    with pytest.raises(CommandRefused, match="new is asleep"):
        reload(gateway)
    assert ports.open == {5269, 5279, 5347}
    assert Sleepy.starts == {"old": 2, "new": 1}
    assert not [line for line in told if "could not be restarted" in line]
    with pytest.raises(CommandRefused, match="new is asleep"):
        reload(gateway)
    assert [line for line in told if "old is asleep: the previous handler" in line]


def test_which_domains_have_accounts_takes_a_restart(gateway: Gateway, folder: Folder) -> None:
    folder.certify("im.test")
    folder.write(f'{CONFIGURATION}[domains."im.test"]\nserve = "im"\ncertificate = "im.test.pem"\n')
    assert reload(gateway)["needs_restart"] == ['which domains have accounts (serve = "im")']
