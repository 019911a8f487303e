"""Accounts on several nodes: each lives at one of them, stanzas find it there, and it moves when that node is gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.internet.task import Clock

from gateway.cluster.alone import Alone
from gateway.cluster.lease import Life
from gateway.cluster.node import ClusterNode
from gateway.cluster.shards import placement, shard_of
from gateway.im.homes import MOST_HOMELESS, WAIT_SECONDS, Homes
from gateway.im.limits import AccountLimits
from gateway.im.sharded import ShardedDomain
from gateway.routing.outflow import QueueSpace
from gateway.storage.errors import StaleEpoch
from gateway.storage.memory import MemoryStore
from gateway.storage.records import StoreLimits
from gateway.xmpp.addresses import AddressCache
from gateway.xmpp.errors import SeeOtherHost, StreamCondition
from gateway.xmpp.stanzas import AddressedStanza
from tests.support.accounts import HERE, Client, Home
from tests.support.nodes import Party, World
from tests.support.trees import stanza

MESSAGE = "<message type='chat' id='{id}' from='romeo@far.test/x' to='{to}@example.com'><body>{id}</body></message>"


class LeasedStore:
    """The store as one node has it: what it writes for accounts that it does not own is refused."""

    def __init__(self, store: MemoryStore, homes: Homes) -> None:
        self._store = store
        self._homes = homes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def add_offline(self, account: str, stanza: bytes) -> Deferred[int]:
        if not self._homes.lease_of(account)[1]:
            return fail(StaleEpoch(account))
        return self._store.add_offline(account, stanza)


class HomeNode(Home, Party):
    """A node with a domain of accounts, in a store that all have in common."""

    def __init__(self, name: str, engine: Alone, clock: Clock, store: MemoryStore, process: str = "1") -> None:
        Party.__init__(self, name, engine, clock)
        Home.__init__(self, store=store)
        self.clock = clock
        self.node = ClusterNode(name, f"{name}-{process}", engine, clock, self, clients=f"{name}.example.com")
        self.claimed: dict[int, int] = {}
        self.homes = Homes(self.node, self.router, self.router.pass_on, QueueSpace(1 << 24), clock)
        self.domain = ShardedDomain(
            self.homes,
            domain=HERE,
            router=self.router,
            store=LeasedStore(store, self.homes),  # type: ignore[arg-type]
            itself=self.itself,
            clock=clock,
            tokens=lambda: "token",
            addresses=AddressCache(),
            limits=AccountLimits(),
        )
        self.router.attach(HERE, self.domain)
        self.homes.evict = self.domain.evict
        self.homes.claim = self.claimed.update  # type: ignore[assignment]
        self.homes.cleared = self.domain.cleared

    def life_changed(self, life: Life, why: str) -> None:
        super().life_changed(life, why)
        if life is Life.REPLACED:
            self.homes.replaced()

    def shards_gained(self, shards: set[int]) -> None:
        super().shards_gained(shards)
        self.homes.gained(shards)

    def shards_lost(self, shards: set[int]) -> Deferred[None] | None:
        super().shards_lost(shards)
        return self.homes.lost(shards)

    def stanzas_arrived(self, node: str, stanzas: Sequence[AddressedStanza]) -> Deferred[None] | None:
        super().stanzas_arrived(node, stanzas)
        for each in stanzas:
            self.router.arrived([each])
        waits = [wait for wait in (self.router.flush(), self.homes.cleared()) if wait is not None]
        return DeferredList(waits).addCallback(lambda _: None) if waits else None

    def gets(self, to: str, *ids: int) -> None:
        """Messages come in here."""
        self.arrive(*(MESSAGE.format(id=each, to=to) for each in ids))


class Site(World):
    """Nodes in virtual time, and an account that lives at each."""

    def __init__(self, names: str = "ab") -> None:
        super().__init__()
        self.store = MemoryStore(token=lambda: "epoch", limits=StoreLimits())
        for name in names:
            self.join(name)
        self.advance(5)
        self.local = {name: self._living_at(name, names) for name in names}
        for local in self.local.values():
            self.store.add_account(f"{local}@{HERE}", [])

    def join(self, name: str) -> HomeNode:
        node = self.parties[name] = HomeNode(name, Alone(name, self.hub), self.clock, self.store)
        node.node.start()
        return node

    def __getitem__(self, name: str) -> HomeNode:
        node = self.parties[name]
        assert isinstance(node, HomeNode)
        return node

    def client(self, node: str, local: str) -> Client:
        return self[node].client(local, "phone").online()

    @staticmethod
    def _living_at(name: str, names: str) -> str:
        wanted = placement(frozenset(names))
        return next(f"u{each}" for each in range(1000) if wanted[shard_of(f"u{each}@{HERE}")] == name)


def bodies(client: Client) -> list[str]:
    return [text.partition("<body>")[2].partition("<")[0] for text in client.heard() if "<body>" in text]


@pytest.fixture
def site() -> Site:
    return Site()


def test_everybody_knows_where_an_account_lives_and_where_clients_find_it(site: Site) -> None:
    account = f"{site.local['a']}@{HERE}"
    assert (site["a"].homes.home_of(account), site["b"].homes.home_of(account)) == ("", "a.example.com")
    assert site["a"].homes.lease_of(account)[1] > 0
    assert site["b"].homes.lease_of(account)[1] == 0


def test_a_stanza_that_comes_in_elsewhere_reaches_the_account_at_its_home_in_order(site: Site) -> None:
    client = site.client("a", site.local["a"])
    site["b"].gets(site.local["a"], *range(200))
    site.advance(1)
    assert bodies(client) == [str(each) for each in range(200)]


def test_clients_at_two_nodes_talk_and_see_each_other(site: Site) -> None:
    one, other = site.local["a"], site.local["b"]
    for local, contact in ((one, other), (other, one)):
        site["a"].befriend(local, f"{contact}@{HERE}")
    first, second = site.client("a", one), site.client("b", other)
    site.advance(1)
    assert any(f"from='{second.jid}'" in each and "<presence" in each for each in first.heard())
    second.heard()
    first.say(f"<message type='chat' to='{other}@{HERE}'><body>hello</body></message>")
    site.advance(1)
    assert bodies(second) == ["hello"]
    second.say(f"<message type='chat' to='{first.jid}'><body>and you</body></message>")
    site.advance(1)
    assert bodies(first) == ["and you"]


def test_who_is_offline_has_it_kept_before_the_other_node_lets_go(site: Site) -> None:
    site["b"].gets(site.local["a"], 1)
    site.until(lambda: not site["b"].node.crossing.waiting)
    assert len(site["a"].kept(site.local["a"])) == 1


def test_a_dead_node_s_accounts_live_at_another_within_15_seconds_and_what_waited_arrives(site: Site) -> None:
    local = site.local["a"]
    account = f"{local}@{HERE}"
    before = site["a"].homes.lease_of(account)
    site.kill("a")
    site["b"].gets(local, 1, 2)
    assert site["b"].kept(local) == [], "it lives nowhere for the moment"
    assert site.until(lambda: site["b"].homes.home_of(account) == "") <= 15
    site["b"].gets(local, 3)  # before those that wait have been looked at
    shard, epoch = site["b"].homes.lease_of(account)
    assert (shard, epoch > before[1]) == (before[0], True)
    assert site["b"].claimed[shard] == epoch, "the store refuses what the former owner writes"
    site.advance(3)
    assert [raw.partition(b"<body>")[2][:1] for raw in site["b"].kept(local)] == [b"1", b"2", b"3"]
    assert not site["b"].world.got, "nobody was told of an error"


def test_a_process_whose_name_is_taken_sends_its_clients_away(site: Site) -> None:
    client, old = site.client("a", site.local["a"]), site["a"]
    clone = HomeNode("a", Alone("a", site.hub), site.clock, site.store, process="2")
    clone.node.start()
    site.hub._nodes["a"] = clone.node.engine  # type: ignore[assignment]  # which gets what is for that name from now on
    site.advance(2)
    old.node.engine_changed(site.hub.entries["node.a"])  # which the first one would have seen
    site.advance(5)
    assert old.lives[-1] is Life.REPLACED
    assert client.closed is not None
    assert client.closed.condition is StreamCondition.RESET, "its account lives at the same name"
    assert old.homes.suspended == 0
    assert not old.homes.is_here(f"{site.local['a']}@{HERE}")


def test_what_waits_for_too_long_is_answered_with_wait(site: Site) -> None:
    site.hub.go_away()
    site.advance(12)
    site["a"].gets(site.local["a"], 1)
    site.advance(WAIT_SECONDS - 1)
    assert not site["a"].world.got
    site.advance(2)
    (told,) = site["a"].world.heard()
    assert "<resource-constraint" in told
    assert "type='wait'" in told
    assert site["a"].homes.waiting == 0


def test_one_domain_cannot_take_all_the_room_for_what_waits(site: Site) -> None:
    site.hub.go_away()
    site.advance(12)
    node, local = site["a"], site.local["a"]
    node.gets(local, *range(MOST_HOMELESS))
    assert node.homes.waiting == MOST_HOMELESS // 2
    node.arrive(MESSAGE.format(id=1, to=local).replace("far.test", "near.example"))
    assert node.homes.waiting == MOST_HOMELESS // 2 + 1


def test_while_the_engine_is_away_clients_stay_and_are_told_to_wait(site: Site) -> None:
    client = site.client("a", site.local["a"])
    site.hub.go_away()
    site.advance(60)
    client.say(f"<message type='chat' id='m' to='{site.local['b']}@{HERE}'><body>hello</body></message>")
    (told,) = client.heard()
    assert "<resource-constraint" in told
    assert site["a"].homes.home_of(client.resource.address.bare) is None, "nobody is let in"
    assert site["a"].homes.lease_of(client.resource.address.bare)[1] == 0, "nothing is written"
    site.hub.come_back()
    site.advance(10)
    assert client.closed is None
    client.say(f"<message type='chat' to='{site.local['b']}@{HERE}'><body>again</body></message>")
    site.advance(1)
    assert len(site["b"].kept(site.local["b"])) == 1


def test_who_was_cut_off_sends_its_clients_to_the_new_home(site: Site) -> None:
    client = site.client("a", site.local["a"])
    account = client.resource.address.bare
    site.hub.cut_off("a")
    site.until(lambda: site["b"].homes.home_of(account) == "")
    site["b"].gets(site.local["a"], 1)
    assert client.closed is None, "a knows nothing yet"
    site.hub.heal("a")
    site.until(lambda: client.closed is not None)
    assert client.closed is not None
    assert client.closed.condition in (StreamCondition.SEE_OTHER_HOST, StreamCondition.RESET)


def test_a_shard_that_somebody_else_has_owned_meanwhile_does_not_go_on(site: Site) -> None:
    """Though it is ours again before we have seen whose it was."""
    client = site.client("a", site.local["a"])
    homes, shard = site["a"].homes, shard_of(client.resource.address.bare)
    assert homes.lost({shard}) is None
    site["a"].node.membership._followed[shard] = site["a"].node.directory.revision(f"shard.{shard}") + 1
    homes.gained({shard})
    assert client.closed is not None
    assert client.closed.condition is StreamCondition.RESET


def test_a_node_that_drains_sends_its_clients_on(site: Site) -> None:
    client = site.client("a", site.local["a"])
    site["a"].node.membership.drain()
    site.until(lambda: client.closed is not None)
    assert isinstance(client.closed, SeeOtherHost)
    assert client.closed.host == "b.example.com"
    assert site["b"].homes.is_here(client.resource.address.bare), "it is let in there at once"
    assert site["a"].homes.suspended == 0
    client.leave(stanza(MESSAGE.format(id=7, to=site.local["a"])))
    site.advance(2)
    assert len(site["b"].kept(site.local["a"])) == 1, "what the client never received waits at its new home"


def test_a_node_that_joins_gets_its_accounts_and_their_clients_are_sent_there(site: Site) -> None:
    wanted = placement(frozenset("abc"))
    local = next(
        f"u{each}"
        for each in range(1000)
        if wanted[shard_of(f"u{each}@{HERE}")] == "c" and site["a"].homes.is_here(f"u{each}@{HERE}")
    )
    site.store.add_account(f"{local}@{HERE}", [])
    client = site.client("a", local)
    stays = site.client("b", site.local["b"])
    site.join("c")
    site.until(lambda: site["c"].homes.is_here(f"{local}@{HERE}"))
    site.until(lambda: client.closed is not None)
    assert isinstance(client.closed, SeeOtherHost)
    assert client.closed.host == "c.example.com"
    assert stays.closed is None or wanted[shard_of(stays.resource.address.bare)] == "c"


def test_what_is_for_the_domain_itself_is_answered_where_it_comes_in(site: Site) -> None:
    site["b"].arrive(f"<message type='normal' from='romeo@far.test/x' to='{HERE}'><body>x</body></message>")
    assert len(site["b"].itself.got) == 1


def test_what_still_waits_when_the_node_stops_is_answered(site: Site) -> None:
    site.hub.go_away()
    site.advance(12)
    site["a"].gets(site.local["a"], 1)
    site["a"].homes.close()
    assert "<resource-constraint" in site["a"].world.heard()[0]
