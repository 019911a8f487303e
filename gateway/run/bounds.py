"""The bounds that no key sets, as docs/configuration.md shows them: `python -m gateway.run.bounds`.

Anybody who may send can fill these tables. A row says how many entries there can be, and what happens beyond that. The
numbers come from the code that enforces them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from twisted.internet.abstract import FileDescriptor

from gateway.bounds.tables import MOST_CAUSES
from gateway.bundled.accepted import MOST_IDS
from gateway.bundled.intake import MOST_BODY
from gateway.bundled.posting import MOST_POSTS, MOST_POSTS_OF_A_DOMAIN, MOST_POSTS_OF_ONE
from gateway.clients.answer_shares import ANSWERS_AT_ONCE, MOST_UNTAKEN
from gateway.clients.login import MOST_COUNTED
from gateway.clients.resumable_clients import MOST_PARKED
from gateway.cluster.askers import (
    MOST_ANSWER_BYTES,
    MOST_CROSSED,
    MOST_SOUGHT,
    MOST_SOUGHT_EACH,
    MOST_WAITING_ANSWERS,
)
from gateway.cluster.crossing import MOST_QUESTIONS
from gateway.cluster.directory import MOST_NODES, MOST_PLACES
from gateway.cluster.lanes import MOST_LANES
from gateway.components.slots import MOST_ASKED_BY_COMPONENT
from gateway.federation.backoff import MOST_WAITS
from gateway.federation.moving import MOST_MOVED
from gateway.federation.resumable_streams import KEPT_SECONDS, MOST_BROKEN
from gateway.federation.session import MOST_READ_ON
from gateway.filters.acquaintances import MOST_ACQUAINTANCES
from gateway.filters.border import MOST_BEHIND, MOST_PLANS
from gateway.filters.contacts import MOST_DOMAINS_ASKED
from gateway.filters.lists import MOST_DIGESTS, MOST_ENTRIES
from gateway.handlers.context import MOST_ASKED
from gateway.handlers.route import MOST_OPEN
from gateway.handlers.subprotocols import MOST_REQUESTS
from gateway.handlers.subscribers import MOST_OF_A_DOMAIN, MOST_SUBSCRIBERS
from gateway.im.accounts import MOST_WAITING, MOST_WAITING_BYTES
from gateway.im.answer_rates import BYTES_A_SECOND
from gateway.im.answer_rates import SECONDS_AT_ONCE as SECONDS_OF_ANSWERS
from gateway.im.client_state import MOST as MOST_HELD
from gateway.im.delegated import MOST_DELEGATED
from gateway.im.homes import MOST_HOMELESS
from gateway.im.limits import MOST_WAITING_BYTES_EACH, MOST_WAITING_EACH
from gateway.im.privileged import MOST_CONTACT_BYTES, MOST_CONTACTS_SHOWN
from gateway.net.certificates.judge import MOST_VERDICTS
from gateway.net.certificates.revocation import MOST_BYTES, MOST_LISTS
from gateway.net.connection.reading_turns import UNPROVED_BYTES
from gateway.net.connection.turn_shares import SECONDS_AT_ONCE, STANZAS_AT_ONCE
from gateway.net.connection.writable import MOST_ANSWERS
from gateway.net.dial.underway import MOST_TURNS, MOST_UNDERWAY
from gateway.net.dns.questions import ResolverBounds
from gateway.net.listen.connection_limits import MOST_REFUSALS
from gateway.net.listen.descriptors import MOST_CONNECTIONS
from gateway.net.trust.posh import MOST_AT_ONCE, MOST_DOCUMENTS
from gateway.net.trust.revocations import MOST_LIST_BYTES
from gateway.notices.attempts.elsewhere import MOST_WAYS
from gateway.notices.attempts.known_keys import MOST_DOMAINS_WITH_KEYS, MOST_KEYS
from gateway.notices.attempts.stream_log import MOST_STEPS
from gateway.operations.fates import MOST_DOMAINS as MOST_FATES
from gateway.operations.fates import MOST_STRANGERS as MOST_FATES_OF_STRANGERS
from gateway.operations.history import MOST_ATTEMPTS, MOST_DOMAINS, MOST_STRANGERS, MOST_UNDER_WAY
from gateway.operations.http.events import MOST_READERS
from gateway.operations.http.limits import MOST_NODES as MOST_NODES_SHOWN
from gateway.operations.http.limits import MOST_PAGES, ROWS
from gateway.operations.http.nodes import MOST_VIEWS
from gateway.operations.minutes import MOST_DOMAINS as MOST_HOURS
from gateway.operations.outbox_events import MOST_EVENTS
from gateway.outbox.records import OutboxLimits
from gateway.routing.requests import MOST_BYTES_EACH, MOST_EACH, MOST_OWN
from gateway.xmpp.address_parts import MOST_LABELS
from gateway.xmpp.addresses import MOST_ADDRESSES, ODD_BYTES

INTRODUCTION = """\
## Bounds without a key

Every table that others can fill is bounded, and one address or domain cannot crowd out the others. The keys above set
most of these bounds; the following ones are fixed.
"""


class Row(NamedTuple):
    """One table: what it holds, how much of it, who has a share, what happens at the bound, and its module."""

    kept: str
    most: str
    share: str
    then: str
    where: str  # the modules of the package that keep it


TABLE = (
    Row("domains and pairs that could not be reached", f"{MOST_WAITS:,}", "domain", "the oldest wait ends early",
        "federation.backoff"),
    Row("requests that wait for one responder", f"{MOST_EACH:,}", "asking domain", "the oldest may get no error",
        "routing.requests"),
    Row("memory of those requests", f"{MOST_BYTES_EACH:,} bytes", "asking domain", "the same",
        "routing.requests"),
    Row("our own questions that wait for an answer", f"{MOST_OWN:,}", "asked domain",
        "the oldest one is given up", "routing.requests"),
    Row("requests of a component with several connections", f"{MOST_ASKED_BY_COMPONENT:,}", "asked domain",
        "the oldest answer may reach another connection", "components.slots"),
    Row("contacts shown to components with privileges", f"{MOST_CONTACTS_SHOWN:,}, {MOST_CONTACT_BYTES:,} bytes",
        "their domain", "a component that comes later does not see the oldest", "im.privileged"),
    Row("delegated requests of one domain that wait for a component", f"{MOST_DELEGATED:,}",
        "asking account, or domain", "the oldest gets an error: service-unavailable", "im.delegated"),
    Row("stanzas that one service has not answered", f"{MOST_OPEN:,}", "sending domain", "the oldest gets an error",
        "handlers.route handlers.open_work"),
    Row("requests of one service that wait for an answer", f"{MOST_ASKED:,}", "", "further ones fail",
        "handlers.context"),
    Row("subscribers of one service", f"{MOST_SUBSCRIBERS:,}, {MOST_OF_A_DOMAIN:,} each", "their domain",
        "further ones get an error", "handlers.subscribers"),
    Row("requests of the handlers' own subprotocols", f"{MOST_REQUESTS:,}", "", "the oldest one is given up",
        "handlers.subprotocols"),
    Row("connections to the HTTP port of one service", f"{MOST_CONNECTIONS:,}, {MOST_BODY:,} bytes a request",
        "address", "the oldest connection is closed; a larger request is refused", "bundled.intake"),
    Row("ids of requests to one service, so that none is carried out twice", f"{MOST_IDS:,}", "",
        "the oldest may be carried out again", "bundled.accepted"),
    Row("messages of one service that wait to be posted",
        f"{MOST_POSTS:,}, {MOST_POSTS_OF_ONE} of a sender, {MOST_POSTS_OF_A_DOMAIN} of a domain",
        "their sender and domain", "further ones are bounced: resource-constraint", "bundled.posting"),
    Row("streams of other servers that broke and can be resumed", f"{MOST_BROKEN:,}", "domain",
        f"the oldest cannot be resumed; nor can any after {KEPT_SECONDS} s",
        "federation.resumable_streams"),
    Row("clients without a connection that can be resumed", f"{MOST_PARKED:,}", "account",
        "the longest parked goes offline",
        "clients.resumable_clients"),
    Row("stanzas held for an inactive client", f"{MOST_HELD:,}", "client", "all of them are sent",
        "im.client_state"),
    Row("stanzas to one account that wait for the store", f"{MOST_WAITING_EACH:,}, {MOST_WAITING_BYTES_EACH:,} bytes",
        "sending domain; account, if it is in the same domain",
        "the newest of the share with most is bounced: resource-constraint", "im.waiting_steps im.limits"),
    Row("vCards that others ask for",
        f"{BYTES_A_SECOND:,} bytes a second, {BYTES_A_SECOND * SECONDS_OF_ANSWERS:,} at once",
        "asking domain; account, if it is in the same domain", "further requests get an error: resource-constraint",
        "im.answer_rates"),
    Row("stanzas of an account's own clients that wait for the store",
        f"{MOST_WAITING_EACH:,}, {MOST_WAITING_BYTES_EACH:,} bytes", "account",
        "further ones are bounced: resource-constraint", "im.work im.limits"),
    Row("operations waiting for the store, of clients, and again of others",
        f"{MOST_WAITING:,}, {MOST_WAITING_BYTES:,} bytes", "",
        "nothing more is read from the senders of further ones until half are done", "im.work im.accounts"),
    Row("domains whose keys are remembered", f"{MOST_DOMAINS_WITH_KEYS:,}", "domain with subdomains",
        "its oldest is forgotten; if that key changes, nobody notices",
        "notices.attempts.known_keys"),
    Row("keys of one domain", f"{MOST_KEYS:,}", "domain", "the least recently seen one is forgotten",
        "notices.attempts.known_keys"),
    Row("revocation lists that were fetched", f"{MOST_LISTS:,}, {MOST_BYTES:,} bytes", "",
        "the oldest is fetched again when it is needed",
        "net.certificates.revocation"),
    Row("POSH documents of other domains", f"{MOST_DOCUMENTS:,}, {MOST_AT_ONCE} fetched at once",
        "domain with subdomains; of those fetched at once: address",
        "the oldest is fetched again; a further one at the same time is not fetched and proves nothing",
        "net.trust.posh"),
    Row("one document from the web", f"{MOST_LIST_BYTES:,} bytes", "", "it is not used, and this is logged",
        "net.trust.revocations"),
    Row("verdicts on certificates", f"{MOST_VERDICTS:,}", "", "the oldest certificate is judged again",
        "net.certificates.judge"),
    Row("addresses and domains whose rates, failures and complaints are counted", f"{MOST_CAUSES:,}", "",
        "the oldest starts again from zero",
        "bounds.tables net.listen.descriptors net.listen.connection_limits federation.crowded"
        " federation.verification_places operations.log filters.conditions filters.reports"),
    Row("failed logins that are counted, by address and by account", f"{MOST_COUNTED:,}", "address or account",
        "the oldest starts again from zero",
        "clients.login"),
    Row("accounts known to log in from an address", f"{MOST_CAUSES:,}", "",
        "the oldest has to wait after failures like a stranger's",
        "clients.login"),
    Row("cached addresses", f"{MOST_ADDRESSES:,}", "", "addresses not used recently are prepared again",
        "xmpp.addresses"),
    Row("memory of long, odd and malformed addresses", f"{ODD_BYTES:,} bytes", "", "the same",
        "xmpp.addresses"),
    Row("answers to what one client has asked in one read", f"{ANSWERS_AT_ONCE:,} bytes, and the last", "client",
        "the rest is taken when these are written and the client has room; nothing more is read from it until then",
        "clients.answer_shares"),
    Row("stanzas of a client that wait until it acknowledges what it was sent", f"{MOST_UNTAKEN:,} bytes, and a read",
        "client", "nothing more is read from it",
        "clients.answer_shares"),
    Row("work for one read of a stream, in one turn", f"{SECONDS_AT_ONCE:g} s, and then {STANZAS_AT_ONCE} stanzas",
        "connection", "the rest is taken in later turns; nothing more is read from it until then",
        "net.connection.turn_shares"),
    Row("stanzas of a server that has to acknowledge more, while a receiver has no room", f"{MOST_READ_ON:,} bytes",
        "stream", "nothing more is read from it",
        "federation.session"),
    Row("answers to one connection that has no room", f"{MOST_ANSWERS:,} bytes", "connection",
        "nothing more is read from it",
        "net.connection.writable"),
    Row("what was read and waits for its turn", f"{FileDescriptor.bufferSize:,} bytes of each connection, "
        f"{UNPROVED_BYTES:,} before anything is proved", "address",
        "nothing more is read from the connection until then",
        "net.connection.reading_turns"),
    Row("refused connections that are being sent the reason", f"{MOST_REFUSALS:,}", "",
        "further ones are closed without a reason",
        "net.listen.connection_limits"),
    Row("failed attempts remembered to explain a verdict", f"{MOST_WAYS:,}", "domain", "the oldest is forgotten",
        "notices.attempts.elsewhere"),
    Row("steps of one attempt", f"{MOST_STEPS:,}", "attempt", "further ones are counted",
        "notices.attempts.stream_log"),
    Row("attempts of one domain in the history", f"{MOST_ATTEMPTS:,}", "domain", "the oldest is forgotten",
        "operations.history"),
    Row("known domains in the history", f"{MOST_DOMAINS:,}", "domain with subdomains", "the oldest is forgotten",
        "operations.history"),
    Row("unknown domains in the history", f"{MOST_STRANGERS:,}", "address", "the oldest is forgotten",
        "operations.history"),
    Row("attempts under way in the history", f"{MOST_UNDER_WAY:,}", "", "the oldest is not shown",
        "operations.history"),
    Row("connections to the http port", f"{MOST_CONNECTIONS:,}", "address", "the oldest connection is closed",
        "operations.http.door net.listen.few_connections"),
    Row("readers of the status page's events", f"{MOST_READERS:,}", "", "further ones are refused",
        "operations.http.events"),
    Row("views of the status page for which other nodes' answers are kept", f"{MOST_VIEWS:,}", "",
        "the oldest is asked for again", "operations.http.nodes"),
    Row("nodes on the status page, and rows of other domains of all nodes together",
        f"{MOST_NODES_SHOWN:,} and {MOST_PAGES * ROWS:,}", "",
        "nodes with something wrong come first; a node that is chosen there has all its rows",
        "operations.http.nodes"),
    Row("cached answers of nameservers", f"{ResolverBounds().kept:,}", "domain",
        "questions not asked recently are asked again",
        "net.dns.questions"),
    Row("cached labels of names", f"{MOST_LABELS:,}", "", "labels not used recently are prepared again",
        "xmpp.address_parts"),
    Row("streams being opened to one address and port", f"{MOST_UNDERWAY:,}, half of them for questions about keys",
        "address", f"up to {MOST_TURNS:,} further ones of each kind wait for their turn; opening others fails",
        "net.dial.underway"),
    Row("how the last streams of a known domain fared", f"{MOST_FATES:,}", "domain with subdomains",
        "the oldest is forgotten", "operations.fates"),
    Row("how the last streams of an unknown domain fared", f"{MOST_FATES_OF_STRANGERS:,}", "address",
        "the oldest is forgotten", "operations.fates"),
    Row("domains whose last hour is counted by the minute", f"{MOST_HOURS:,}", "domain with subdomains",
        "the oldest starts again from zero", "operations.minutes"),
    Row("events of the outbox, for the page", f"{MOST_EVENTS:,}", "domain with subdomains", "the oldest is forgotten",
        "operations.outbox_events"),
    Row("pairs of domains whose rules are worked out", f"{MOST_PLANS:,}", "", "all are worked out again as needed",
        "filters.border"),
    Row("stanzas of one pair of domains behind one that a filter judges", f"{MOST_BEHIND:,}", "pair of domains",
        "further ones are bounced: resource-constraint", "filters.border"),
    Row("domains that were asked for their contacts, for reports", f"{MOST_DOMAINS_ASKED:,}", "domain with subdomains",
        "the oldest is asked again", "filters.contacts"),
    Row("entries of one list for filters", f"{MOST_ENTRIES:,}", "", "further ones are left out, and this is logged",
        "filters.lists"),
    Row("stanzas that filters hold back", f"{OutboxLimits().withheld:,}, {OutboxLimits().withheld_each:,} each",
        "sending domain", "further ones are bounced: resource-constraint", "outbox.statements"),
    Row("pairs of people who know each other, for filters", f"{MOST_ACQUAINTANCES:,}", "our account",
        "the oldest are strangers again", "filters.acquaintances"),
    Row("digests of senders, for lists that name people by digest", f"{MOST_DIGESTS:,}", "domain with subdomains",
        "the oldest is computed again", "filters.lists"),
    Row("nodes of a cluster, and domains at nodes", f"{MOST_NODES:,}, {MOST_PLACES:,}", "", "further ones are not seen",
        "cluster.directory"),
    Row("lanes from other nodes, one for each process and domain", f"{MOST_LANES:,}", "",
        "stanzas for further ones wait at their node", "cluster.lanes"),
    Row("requests that crossed to this node, with the node that asked", f"{MOST_CROSSED:,}", "asking domain",
        "the other nodes are asked whether the answer is theirs", "cluster.askers"),
    Row("answers whose asker is being looked for", f"{MOST_SOUGHT:,}, {MOST_SOUGHT_EACH:,} each", "answering domain",
        "a domain with fewer takes the place; the answer that lost it is delivered here", "cluster.askers"),
    Row("answers that wait for room on the way to a node", f"{MOST_WAITING_ANSWERS:,}, {MOST_ANSWER_BYTES >> 20} MiB",
        "answering domain", "the oldest are dropped", "cluster.askers"),
    Row("stanzas for accounts that live at no node at the moment", f"{MOST_HOMELESS:,}", "sending domain",
        "further ones are bounced; one domain alone gets half", "im.homes"),
    Row("streams that other nodes have resumed, with the node", f"{MOST_MOVED:,}", "sending domain",
        "the oldest can then be resumed only there", "federation.moving"),
    Row("questions to other nodes that wait for an answer", f"{MOST_QUESTIONS:,}", "", "further ones fail",
        "cluster.crossing"),
)  # fmt: skip


def manual() -> str:
    """Return the section of docs/configuration.md."""
    return "\n".join([INTRODUCTION, *_lines()]) + "\n"


def _lines() -> Iterator[str]:
    yield "| what is kept | at most | share of each | at the bound |"
    yield "|---|---|---|---|"
    for row in TABLE:
        yield f"| {row.kept} | {row.most} | {row.share} | {row.then} |"


if __name__ == "__main__":
    print(manual(), end="")
