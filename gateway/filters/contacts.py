"""Contacts: the addresses to which another domain wants reports of abuse sent (XEP-0157).

A domain is asked once, and its answer is remembered for a day; so is a refusal, as no address at all. Only addresses
in the domain itself, above it or below it count: nobody can have our reports sent to others. A domain beside it does
not count, because two of them may have different owners: which labels a registry hands out, as below co.uk, cannot be
seen from the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from urllib.parse import unquote

from gateway.bounds.tables import Bounded, family
from gateway.filters.questions import Ask
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import MalformedAddress
from gateway.xmpp.namespaces import DATA_FORMS, DISCO_INFO, SERVER_INFO
from gateway.xmpp.stanzas import CONTENT, AddressedStanza

MOST_DOMAINS_ASKED = 1000
"""The domains whose contacts are remembered, with a share for each domain and its subdomains."""
MOST_CONTACTS = 3
REMEMBERED_SECONDS = 86400.0
ANSWER_SECONDS = 60.0
_FIELDS = ("abuse-addresses", "admin-addresses")  # the first of them that names an address counts

Use = Callable[[Sequence[Address]], None]


class AbuseContacts:
    """The contacts of other domains, as far as they have been asked for them."""

    def __init__(self, ask: Ask, ours: Callable[[], Address], seconds: Callable[[], float]) -> None:
        """`ours` returns the address that asks."""
        self._ask = ask
        self._ours = ours
        self._seconds = seconds
        self._known: Bounded[Domain, _AskedDomain] = Bounded(MOST_DOMAINS_ASKED)

    def find(self, domain: Domain, use: Use) -> None:
        """Call `use` with the contacts of a domain: at once, or when it has answered; never, if it does not answer."""
        now = self._seconds()
        known = self._known.get(domain)
        if known is not None and known.contacts is not None and now - known.since < REMEMBERED_SECONDS:
            use(known.contacts)
        elif known is None or now - known.since >= ANSWER_SECONDS:
            self._question(domain, _AskedDomain(now), use)

    def _question(self, domain: Domain, asked: _AskedDomain, use: Use) -> None:
        self._known.put(domain, asked, family(domain))

        def answered(answer: AddressedStanza) -> None:
            asked.contacts = tuple(islice(_contacts_in(answer, domain), MOST_CONTACTS))
            if self._known.get(domain) is asked and self._seconds() - asked.since < ANSWER_SECONDS:
                use(asked.contacts)

        ours = self._ours()
        attributes = {"type": "get", "id": f"contacts-{domain}", "from": ours.full, "to": domain}
        self._ask(
            AddressedStanza.from_element(Element(CONTENT, "iq", attributes, [Element(DISCO_INFO, "query")])), answered
        )


class _AskedDomain:
    """A domain that was asked; `contacts` is None until it has answered."""

    __slots__ = ("contacts", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.contacts: Sequence[Address] | None = None


def _contacts_in(answer: AddressedStanza, domain: Domain) -> Iterator[Address]:
    query = answer.element.first(DISCO_INFO, "query") if answer.type == "result" else None
    for form in query.elements(DATA_FORMS, "x") if query is not None else ():
        fields = {field.get("var"): [each.text for each in field.elements()] for field in form.elements(DATA_FORMS)}
        if fields.get("FORM_TYPE") != [SERVER_INFO]:
            continue
        for name in _FIELDS:
            near = [each for each in addresses_in(fields.get(name, ())) if _is_in_line(each.domain, domain)]
            if near:
                yield from near
                return


def _is_in_line(one: Domain, other: Domain) -> bool:
    """Return whether two domains are the same, or one of them is below the other."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def addresses_in(uris: Iterable[str]) -> Iterator[Address]:
    """Yield the addresses that `xmpp:` URIs name (RFC 5122 §2); other URIs are left out."""
    for uri in uris:
        if uri.startswith("xmpp:"):
            with suppress(MalformedAddress):
                yield Address.parse(unquote(uri.removeprefix("xmpp:").partition("?")[0]))
