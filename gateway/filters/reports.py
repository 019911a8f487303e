"""Reports: a rule with `report` tells those who can do something about a sender.

The contacts of our domain get a message that names the rule. The contacts of the sender's domain get a report of abuse
(XEP-0377), which names neither the rule nor the content.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from gateway.bounds.tables import Seldom, family
from gateway.filters.border import Passing
from gateway.filters.contacts import Use
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

    def __init__(
        self,
        router: Passing,
        contacts_of: ContactsOf,
        find_contacts: Callable[[Domain, Use], None],
        seconds: Callable[[], float],
    ) -> None:
        """`find_contacts` asks another domain for its contacts."""
        self._router = router
        self._contacts_of = contacts_of
        self._find_contacts = find_contacts
        self._seconds = seconds
        self._seldom = Seldom(REPORT_SECONDS)

    def report(self, rule: FilterRule, stanza: AddressedStanza) -> None:
        """Tell the contacts of both domains: of the one of ours that the stanza is for, and of its sender's.

        What one of ours sends is reported only to our own contacts.
        """
        ours, theirs = stanza.to.domain, stanza.from_
        contacts = self._contacts_of(ours)
        comes_in = contacts is not None
        if contacts is None:
            ours, theirs = stanza.from_.domain, stanza.to
            contacts = self._contacts_of(ours)
        left_out = self._seldom.say(family(theirs.domain), self._seconds())
        if left_out is None:
            return
        more = f" {left_out} earlier ones were left out." if left_out else ""
        text = f"The filter {rule.name!r} reports {theirs.bare}, in a stanza to or from {ours}.{more}"
        self._send(ours, theirs, text, contacts or ())
        if comes_in and self._contacts_of(theirs.domain) is None:
            text = f"{ours} reports unwanted stanzas from {theirs.bare}."
            self._find_contacts(theirs.domain, partial(self._send, ours, theirs, text))

    def _send(self, ours: Domain, theirs: Address, text: str, contacts: Sequence[Address]) -> None:
        for contact in contacts:
            self._router.pass_on(
                _report_to(contact, ours, theirs, text)
            )  # flushed by the caller, which is routing a stanza


def _report_to(contact: Address, ours: Domain, theirs: Address, text: str) -> AddressedStanza:
    """Return a message that people can read, with a report in it (XEP-0377)."""
    report = Element(REPORTING, "report", {"reason": _SPAM}, [Element(REPORTING, "jid", {}, [theirs.bare])])
    attributes = {"from": ours, "to": contact.full, "type": "normal"}
    return AddressedStanza.from_element(
        Element(CONTENT, "message", attributes, [Element(CONTENT, "body", {}, [text]), report])
    )
