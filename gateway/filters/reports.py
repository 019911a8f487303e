"""Reports: a rule with `report` tells the contacts of our domain who has sent a matching stanza."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.bounds.tables import Seldom, family
from gateway.filters.border import Passing
from gateway.filters.rules import FilterRule
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import REPORTING
from gateway.xmpp.stanzas import CONTENT, AddressedStanza

REPORT_SECONDS = 600.0
"""The seconds between two reports about one domain; those left out are counted."""
_SPAM = "urn:xmpp:reporting:spam"

ContactsOf = Callable[[Domain], Sequence[Address] | None]
"""Returns the addresses of a domain's contacts; None if it is not ours."""


class Reports:
    """Sends the reports."""

    def __init__(self, router: Passing, contacts_of: ContactsOf, seconds: Callable[[], float]) -> None:
        self._router = router
        self._contacts_of = contacts_of
        self._seconds = seconds
        self._seldom = Seldom(REPORT_SECONDS)

    def report(self, rule: FilterRule, stanza: AddressedStanza) -> None:
        """Tell the contacts of the domain of ours that the stanza is for, or comes from."""
        ours, theirs = stanza.to.domain, stanza.from_
        contacts = self._contacts_of(ours)
        if contacts is None:
            ours, theirs = stanza.from_.domain, stanza.to
            contacts = self._contacts_of(ours)
        left_out = self._seldom.say(family(theirs.domain), self._seconds())
        if left_out is None:
            return
        for contact in contacts or ():
            self._router.pass_on(_report_to(contact, ours, rule.name, theirs, left_out))


def _report_to(contact: Address, ours: Domain, rule: str, theirs: Address, left_out: int) -> AddressedStanza:
    """Return a message that people can read, with a spam report in it (XEP-0377)."""
    more = f" {left_out} earlier ones were left out." if left_out else ""
    text = f"The filter {rule!r} reports {theirs.bare}, in a stanza to or from {ours}.{more}"
    report = Element(REPORTING, "report", {"reason": _SPAM}, [Element(REPORTING, "jid", {}, [theirs.bare])])
    attributes = {"from": ours, "to": contact.full, "type": "normal"}
    return AddressedStanza.from_element(
        Element(CONTENT, "message", attributes, [Element(CONTENT, "body", {}, [text]), report])
    )
