"""Real servers for tests: started once where they can be shared, skipped where they are missing.

A pytest plugin, so that tests of features and of hardening may ask for servers as those in this folder do.

A test may be a coroutine, which then runs in its own event loop. With XMPP_GATEWAY_INTEROP=require in the
environment, as in CI, what would be skipped fails.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.interop.clients import PASSWORD
from tests.interop.peers import Ejabberd, Gateway, Jabberd2, NotInstalledError, Peer, Prosody
from tests.interop.peers.process import Server
from tests.interop.world import World
from tests.support.forks import use_forks
from tests.support.postgresql import Postgresql

LOG_TAIL = 10000
TEST_SECONDS = 180  # of a busy machine
USERS = ("romeo", "juliet")
SERVERS = {"world", "peer", "host", "postgresql"}  # who asks for one of these fixtures has servers started


def pytest_configure() -> None:
    use_forks()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not SERVERS.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("interop")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), TEST_SECONDS))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, with a failed test, the logs of the servers that it was given or has started."""
    report = yield
    if report.failed:
        given = getattr(item, "funcargs", {}).values()
        servers = [server for value in given for server in (value.started if isinstance(value, Starter) else [value])]
        for server in filter(lambda value: isinstance(value, Peer), servers):
            report.sections.append((f"log of {server}", server.log()[-LOG_TAIL:]))
    return report


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Addresses, names and certificates for all servers of this session."""
    with World(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(autouse=True)
def names_for_one_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Forget the names that a test adds besides servers when it ends: nss_wrapper takes no more than a hundred."""
    world = request.getfixturevalue("world") if "world" in request.fixturenames else None
    if not isinstance(world, World):  # tests of single rooms have their own worlds
        yield
        return
    before = world.nameserver.published
    yield
    if news := world.nameserver.published - before - world.homes:
        world.nameserver.withdraw(*news)


@pytest.fixture(scope="session")
def shared(world: World) -> Iterator[Starter]:
    """Starts the servers that many files share, and that run to the end: an idle gateway costs time, too."""
    with ExitStack() as servers:
        yield Starter(world, servers)


@pytest.fixture(scope="module")
def start_all(world: World) -> Iterator[Starter]:
    """Starts servers for all tests of a file; with its end their domains are free for others."""
    with ExitStack() as servers:
        yield Starter(world, servers)


@pytest.fixture
def start(world: World) -> Iterator[Starter]:
    """Starts servers for one test: `start(Prosody, "strict.test", require_certificates=True)`."""
    with ExitStack() as servers:
        yield Starter(world, servers)


@pytest.fixture(scope="session")
def prosody(shared: Starter) -> Peer:
    """A Prosody with good certificates, a component and all its ports."""
    return shared(Prosody, "prosody.test", components={"component.prosody.test": "secret"}, direct_tls=True)


@pytest.fixture(scope="session")
def ejabberd(shared: Starter) -> Peer:
    """An ejabberd with good certificates, a component and all its ports."""
    return shared(Ejabberd, "ejabberd.test", components={"component.ejabberd.test": "secret"}, direct_tls=True)


@pytest.fixture(scope="session")
def jabberd2(shared: Starter) -> Peer:
    """A jabberd2 with a good certificate; it has neither accounts nor components."""
    return shared(Jabberd2, "jabberd2.test")


@pytest.fixture(scope="session")
def gateway(shared: Starter) -> Peer:
    """The gateway, with an echo service, a component and all its ports."""
    return shared(Gateway, "gateway.test", components={"component.gateway.test": "secret"}, direct_tls=True)


@pytest.fixture(scope="session")
def house(shared: Starter) -> Peer:
    """A gateway with accounts, romeo and juliet among them as everywhere, and all its ports."""
    house = shared(Gateway, "im.test", options={"domains": {"im.test": {"serve": "im"}}}, direct_tls=True)
    for name in USERS:
        house.register(f"{name}@im.test", PASSWORD)
    return house


@pytest.fixture(params=["house", "prosody", "ejabberd"])
def host(request: pytest.FixtureRequest) -> Peer:
    """Each kind of server that has accounts in turn, ours first."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["prosody", "ejabberd"])
def peer(request: pytest.FixtureRequest) -> Peer:
    """Each kind of other server in turn."""
    return request.getfixturevalue(request.param)


class Starter:
    """Starts servers, and has each end with its fixture."""

    def __init__(self, world: World, servers: ExitStack) -> None:
        self.started: list[Peer] = []
        self._world = world
        self._servers = servers

    def __call__(self, kind: type[Peer], *domains: str, **demands: Any) -> Peer:
        """Start a server for these domains, with romeo and juliet as users unless it is a gateway.

        What may be demanded of it are the arguments of `World.site`.
        """
        require_installed(kind)
        site = self._world.site(*domains, **demands)
        self._servers.callback(self._world.nameserver.withdraw, *domains, *site.components)
        server = kind(site, self._world.folder / f"{kind.name}-{site.address}")
        self.started.append(server)
        self._servers.enter_context(server)
        if not issubclass(kind, Gateway):
            for name in USERS:
                server.register(f"{name}@{domains[0]}", PASSWORD)
        return server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """A PostgreSQL server, whose schemas the tests of this session share; see tests/support/postgresql.py."""
    require_installed(Postgresql)
    with Postgresql() as server:
        yield server


def require_installed(kind: type[Server]) -> None:
    """Skip the test where a program is missing, or fail it where none may be."""
    try:
        kind.check_installed()
    except NotInstalledError as problem:
        (pytest.fail if os.environ.get("XMPP_GATEWAY_INTEROP") == "require" else pytest.skip)(str(problem))
