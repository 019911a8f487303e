"""Handlers in a whole gateway: start-up, reload, and what service discovery shows of them."""

from __future__ import annotations

from gc import collect
from pathlib import Path
from typing import Any, ClassVar
from weakref import ref

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from wokkel.disco import DiscoHandler, DiscoIdentity
from wokkel.generic import VersionHandler
from wokkel.pubsub import PubSubResource, PubSubService
from zope.interface import implementer

from gateway.config import load
from gateway.handlers.context import ServiceContext
from gateway.handlers.services import Service
from gateway.handlers.subprotocols import Subprotocols
from gateway.notices.notices import Remark
from gateway.operations.control.door import CommandRefused
from gateway.routing.interfaces import Declined, IDetachableHandler, IService
from gateway.service import Gateway, build
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import DISCO_INFO, DISCO_ITEMS
from gateway.xmpp.stanzas import Stanza, restored
from tests.support.configuration import Folder
from tests.support.routers import Recorder
from tests.support.trees import element, stanza
from tests.unit.run.test_reloading import reload

BASE = """
[gateway]
state = "state"
[listen]
server = ["tcp:5269:interface=127.0.0.1"]
[peers.any]
connect = "tcp:192.0.2.9:5269"
[domains."always.test"]
serve = "component"
secret = "a secret of some length"
"""
HERE = "tests.unit.handlers.test_serving"
ASKER = "romeo@asker.test/a"


@implementer(IDetachableHandler)
class Noted:
    """Notes when it is attached and detached, and says hello to somebody far away as soon as it may."""

    log: ClassVar[list[str]] = []

    def __init__(self, name: str = "it", *, breaks: bool = False) -> None:
        self.name = name
        self._breaks = breaks

    def attached(self, domain: Domain, send: Any) -> None:
        if self._breaks:
            raise OSError("the port is taken")
        self.log.append(f"{self.name} attached")
        send(stanza(f"<message from='{domain}' to='romeo@far.test' id='hello'><body>Hello</body></message>"))

    def detached(self) -> None:
        self.log.append(f"{self.name} detached")

    def handle(self, stanza: Stanza) -> Declined:
        return Declined()


class Books(PubSubResource):
    """Two nodes of a publish-subscribe service."""

    discoIdentity = DiscoIdentity("pubsub", "service", "Books")
    features: ClassVar[list[str]] = ["publish", "config-node"]
    configured: ClassVar[dict[str, str]] = {}

    def getConfigurationOptions(self) -> Any:
        options = {"open": "Everybody", "whitelist": "Few"}
        return {"pubsub#access_model": {"type": "list-single", "label": "Access to read", "options": options}}

    def configureGet(self, request: Any) -> Any:
        return succeed({"pubsub#access_model": "whitelist"})

    def configureSet(self, request: Any) -> Any:
        return succeed(self.configured.update(request.options))

    def getNodes(self, requestor: Any, service: Any, nodeIdentifier: str) -> Any:
        return succeed([] if nodeIdentifier else ["new", "old"])

    def getInfo(self, requestor: Any, service: Any, nodeIdentifier: str) -> Any:
        return succeed({"type": "leaf", "meta-data": {}} if nodeIdentifier else None)


class PubSub(Subprotocols):
    """Wokkel's own service, unchanged."""

    def __init__(self) -> None:
        super().__init__([PubSubService(Books()), DiscoHandler(), VersionHandler("Librarian", "7")])


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    Noted.log.clear()
    return Folder(tmp_path)


def handler(domain: str, options: str = "", serve: str = f"{HERE}.Noted") -> str:
    return f'[domains."{domain}"]\nserve = "{serve}"\noptions = {{ {options} }}\n'


def built(folder: Folder, *tables: str) -> Gateway:
    folder.write(BASE + "".join(tables))
    return build(load(folder.path / "gateway.toml"), MemoryReactorClock())


def started(folder: Folder, *tables: str) -> Gateway:
    gateway = built(folder, *tables)
    gateway.privilegedStartService()
    gateway.startService()
    return gateway


def test_a_handler_may_send_to_a_remote_domain_while_it_is_attached(folder: Folder) -> None:
    gateway = started(folder, handler("first.test"))
    assert Noted.log == ["it attached"]
    assert [host for host, *_ in gateway.shared.reactor.tcpClients] == ["192.0.2.9"]


def test_a_handler_that_cannot_be_attached_is_named_and_ends_the_start(folder: Folder) -> None:
    with pytest.raises(SystemExit):
        started(folder, handler("first.test", "breaks = true"))


def test_a_stop_detaches(folder: Folder) -> None:
    gateway = started(folder, handler("first.test"))
    gateway.stopService()
    assert Noted.log == ["it attached", "it detached"]


def test_a_reload_detaches_what_is_gone_and_attaches_what_comes_back(folder: Folder) -> None:
    gateway = started(folder, handler("first.test"), handler("second.test", 'name = "other"'))
    Noted.log.clear()
    for tables in ([handler("second.test", 'name = "other"')], []) * 2:
        folder.write(BASE + "".join(tables))
        reload(gateway)
    assert Noted.log == ["it detached", "other detached", "other attached", "other detached"]
    assert not gateway.served.handlers


def test_a_changed_handler_begins_when_the_old_one_has_ended(folder: Folder) -> None:
    gateway = started(folder, handler("first.test", 'name = "old"'))
    folder.write(BASE + handler("first.test", 'name = "new"'))
    reload(gateway)
    assert Noted.log == ["old attached", "old detached", "new attached"]


def test_if_the_new_one_fails_the_old_ones_go_on(folder: Folder) -> None:
    gateway = started(folder, handler("first.test", 'name = "one"'), handler("second.test", 'name = "two"'))
    before = dict(gateway.served.handlers)
    Noted.log.clear()
    folder.write(BASE + handler("first.test", 'name = "uno"') + handler("second.test", "breaks = true"))
    with pytest.raises(CommandRefused, match="the port is taken"):
        reload(gateway)
    assert gateway.served.handlers == before
    assert Noted.log[-3:] == ["two attached", "uno detached", "one attached"]


class Leaving(Service):
    """Holds a timer, a port, a stream and a request while it runs, and gives back what a service must."""

    made: ClassVar[list[ref[Leaving]]] = []

    def __init__(self) -> None:
        self.made.append(ref(self))

    def start(self, context: ServiceContext) -> None:
        super().start(context)
        self.timer = context.clock.callLater(3600, self.stop)
        self.port = context.clock.listenTCP(7777, Factory())
        context.send(element("<message to='romeo@far.test'/>"))
        context.request(element("<iq type='get' to='romeo@far.test'><q xmlns='x'/></iq>")).addErrback(lambda _: None)

    async def message(self, stanza: Stanza) -> None:
        await Deferred()

    def stop(self) -> None:
        self.timer.cancel()
        self.port.stopListening()


def test_a_reload_that_removes_a_service_leaves_nothing_of_it(folder: Folder) -> None:
    gateway = started(folder)
    reactor, before = gateway.shared.reactor, timers(gateway)
    folder.write(BASE + handler("first.test", serve=f"{HERE}.Leaving"))
    reload(gateway)
    asked = restored("message", b"<message from='a@second.test' to='first.test'><body>x</body></message>")
    gateway.served.router.route(asked)
    assert len(timers(gateway)) > len(before)
    (made,) = Leaving.made
    route = ref(gateway.served.handlers[Domain("first.test")])
    ports = [port for port, *_ in reactor.tcpServers]
    assert 7777 in ports
    assert any(pair.sender == "first.test" for pair in gateway.routing.routes.by_pair)
    folder.write(BASE)
    reload(gateway)
    collect()
    assert (made(), route()) == (None, None)
    assert not any("first.test" in pair for pair in gateway.routing.routes.by_pair)
    assert not gateway.served.handlers
    left = [name for name in timers(gateway) if name not in before]
    assert not [name for name in left if "handlers" in name or "Leaving" in name], left


def timers(gateway: Gateway) -> list[str]:
    """The actions of the timers that run."""
    return [str(call.func) for call in gateway.shared.reactor.getDelayedCalls()]


# Service discovery.


def asked(gateway: Gateway, to: str, payload: str) -> Element:
    """The first child of the answer to a request."""
    world = Recorder()
    gateway.routing.router.attach(Domain("asker.test"), world)
    gateway.routing.router.route(stanza(f"<iq from='{ASKER}' to='{to}' type='get' id='1'>{payload}</iq>"))
    gateway.routing.router.flush()
    (answer,) = world.got
    assert answer.type == "result", answer.raw
    child = answer.element.first()
    assert child is not None
    return child


def query(namespace: str, node: str = "") -> str:
    return f"<query xmlns='{namespace}'{f' node={node!r}' if node else ''}/>"


def identities(found: Element) -> list[tuple[str | None, str | None]]:
    return [(each.get("category"), each.get("type")) for each in found.elements(name="identity")]


def test_wokkels_pubsub_service_is_discoverable_as_it_is_behind_the_component_door(folder: Folder) -> None:
    gateway = started(folder, handler("books.test", serve=f"{HERE}.PubSub"))
    info = asked(gateway, "books.test", query(DISCO_INFO))
    assert identities(info) == [("pubsub", "service")]
    assert "http://jabber.org/protocol/pubsub#publish" in {each.get("var") for each in info.elements(name="feature")}
    nodes = asked(gateway, "books.test", query(DISCO_ITEMS))
    assert sorted(str(each.get("node")) for each in nodes.elements(name="item")) == ["new", "old"]
    assert identities(asked(gateway, "books.test", query(DISCO_INFO, "new"))) == [("pubsub", "leaf")]
    version = asked(gateway, "books.test", "<query xmlns='jabber:iq:version'/>")
    assert [each.text for each in version.elements(name="name")] == ["Librarian"]


def test_a_data_form_of_wokkel_is_shown_and_filled_in(folder: Folder) -> None:
    gateway = started(folder, handler("books.test", serve=f"{HERE}.PubSub"))
    owner = "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='new'>{}</configure></pubsub>"
    shown = asked(gateway, "books.test", owner.format("")).serialize()
    assert b"<option label='Few'><value>whitelist</value></option>" in shown
    kind = "<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#node_config</value></field>"
    choice = "<field var='pubsub#access_model'><value>open</value></field>"
    filled = owner.format(f"<x xmlns='jabber:x:data' type='submit'>{kind}{choice}</x>")
    gateway.routing.router.route(stanza(f"<iq from='{ASKER}' to='books.test' type='set' id='2'>{filled}</iq>"))
    assert Books.configured == {"pubsub#access_model": "open"}


def test_what_a_handler_does_not_say_is_said_for_it(folder: Folder) -> None:
    gateway = started(folder, handler("first.test"))
    assert identities(asked(gateway, "first.test", query(DISCO_INFO))) == [("component", "generic")]
    assert identities(asked(gateway, "somebody@first.test", query(DISCO_INFO))) == [("client", "bot")]
    assert asked(gateway, "first.test", "<query xmlns='jabber:iq:version'/>").name == "query"


@pytest.mark.parametrize(
    ("accounts", "listed"),
    [
        (["example.com"], ["books.example.com", "bridge.example.com"]),
        (["im.example.com"], ["books.example.com", "bridge.example.com"]),
        (["example.com", "im.example.com"], []),
        (["example.net"], []),
        (["example.org"], []),
    ],
)
def test_a_domain_with_accounts_lists_the_services_below_and_beside_it(
    folder: Folder, accounts: list[str], listed: list[str]
) -> None:
    tables = [f'[domains."{each}"]\nserve = "im"\n' for each in accounts]
    component = '[domains."bridge.example.com"]\nserve = "component"\nsecret = "a secret of some length"\n'
    gateway = started(folder, *tables, component, handler("books.example.com"), handler("other.org"))
    found = asked(gateway, accounts[-1], query(DISCO_ITEMS))
    assert sorted(str(each.get("jid")) for each in found.elements(name="item")) == listed


# Services that take their time.


@implementer(IService)
class Slow:
    """Starts and stops when the test says so."""

    gates: ClassVar[list[tuple[str, Deferred[None]]]] = []

    def __init__(self, name: str = "it", *, waits: str = "") -> None:
        self.name = name
        self._waits = waits.split()

    def start(self, context: ServiceContext) -> Deferred[None]:
        return self._gate("start")

    def stop(self) -> Deferred[None]:
        return self._gate("stop")

    def _gate(self, step: str) -> Deferred[None]:
        Noted.log.append(f"{self.name} {step}")
        if step not in self._waits:
            return succeed(None)
        gate: Deferred[None] = Deferred()
        self.gates.append((f"{self.name} {step}", gate))
        return gate

    def handle(self, stanza: Stanza) -> Declined:
        return Declined()


@pytest.fixture
def gates() -> list[tuple[str, Deferred[None]]]:
    Slow.gates.clear()
    return Slow.gates


def slow(options: str) -> str:
    return handler("slow.test", options, serve=f"{HERE}.Slow")


def reloading(gateway: Gateway, folder: Folder, *tables: str) -> list[Any]:
    folder.write(BASE + "".join(tables))
    outcomes: list[Any] = []
    gateway.reload().addBoth(outcomes.append)
    gateway.shared.reactor.advance(0)
    return outcomes


def test_the_new_service_starts_when_the_old_one_has_stopped(folder: Folder, gates: Any) -> None:
    gateway = started(folder, slow('name = "old", waits = "stop"'))
    outcomes = reloading(gateway, folder, slow('name = "new"'))
    assert Noted.log == ["old start", "old stop"]
    assert outcomes == []
    gates[0][1].callback(None)
    gateway.shared.reactor.advance(0)
    assert Noted.log == ["old start", "old stop", "new start"]
    assert outcomes[0]["changed"] == ["slow.test has changed"]


def test_if_the_new_service_fails_later_the_old_one_goes_on(folder: Folder, gates: Any) -> None:
    gateway = started(folder, slow('name = "old"'))
    before = dict(gateway.served.handlers)
    outcomes = reloading(gateway, folder, slow('name = "new", waits = "start"'))
    gates[0][1].errback(OSError("the port is taken"))
    assert Noted.log == ["old start", "old stop", "new start", "old start"]
    assert "Slow cannot be started: OSError: the port is taken" in outcomes[0].getErrorMessage()
    assert gateway.served.handlers == before


def test_a_second_reload_waits_for_the_first(folder: Folder, gates: Any) -> None:
    gateway = started(folder)
    first = reloading(gateway, folder, slow('name = "one", waits = "start"'))
    second = reloading(gateway, folder)
    assert (first, second) == ([], [])
    gates[0][1].callback(None)
    gateway.shared.reactor.advance(0)
    gateway.shared.reactor.advance(0)
    assert first[0]["changed"] == ["slow.test is new"]
    assert second[0]["changed"] == ["slow.test is gone"]
    assert Noted.log == ["one start", "one stop"]


def test_a_stop_does_not_wait_for_a_reload(folder: Folder, gates: Any) -> None:
    gateway = started(folder, handler("first.test", 'name = "first"'))
    outcomes = reloading(gateway, folder, slow('waits = "start"'), handler("first.test", 'name = "again"'))
    gateway.stopService()
    assert "the gateway is stopping" in outcomes[0].getErrorMessage()
    assert Noted.log[-1] == "first detached"


def test_a_service_that_fails_after_the_start_is_tried_again_by_a_reload(folder: Folder, gates: Any) -> None:
    gateway = started(folder, slow('waits = "start"'))
    remarks: list[str] = []
    gateway.shared.board.subscribe(lambda remark: remarks.append(remark.sentence), Remark)
    gates[0][1].errback(OSError("no such host"))
    assert remarks == [
        'domains."slow.test": Slow cannot be started: OSError: no such host; reload to retry',
    ]
    reloading(gateway, folder, slow('waits = "start"'))
    assert Noted.log == ["it start", "it start"]
    gates[1][1].callback(None)
    assert not gateway.served.handlers[Domain("slow.test")].has_stopped
