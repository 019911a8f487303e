"""Reports: the contacts of our domain hear about a sender, and so do those of its domain; and not too often."""

from __future__ import annotations

from twisted.internet.task import Clock

from gateway.filters.contacts import Use
from gateway.filters.reports import REPORT_SECONDS, Reports
from gateway.filters.rules import Act, Decision, FilterRule
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.errors import StanzaDropped, StanzaError
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

ADMINS = [Address.parse("admin@ours.test"), Address.parse("abuse@else.test")]
RULE = FilterRule(name="a rule", decision=Decision(act=Act.REPORT))
SPAM = stanza("<message from='eve@evil.test/x' to='room@ours.test'><body>buy</body></message>")


class Sent:
    """The reports that go out."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.stanzas: list[Stanza] = []
        self.asked: list[str] = []
        self.theirs: list[Address] = []
        contacts_of = {"ours.test": ADMINS}.get
        self.reports = Reports(self, contacts_of, self._find_contacts, self.clock.seconds)

    def _find_contacts(self, domain: Domain, use: Use) -> None:
        self.asked.append(domain)
        use(self.theirs)

    def pass_on(self, stanza: Stanza) -> None:
        self.stanzas.append(stanza)

    def bounce(self, stanza: Stanza, error: StanzaError) -> None: ...
    def end(self, stanza: Stanza, why: StanzaDropped) -> None: ...
    def flush(self) -> None: ...


def test_each_contact_gets_a_readable_message_with_a_report_in_it() -> None:
    sent = Sent()
    sent.reports.report(RULE, SPAM)
    assert [each.to for each in sent.stanzas] == ADMINS
    assert all(each.from_ is not None and each.from_.domain == Domain("ours.test") for each in sent.stanzas)
    raw = sent.stanzas[0].raw
    assert b"eve@evil.test" in raw
    assert b"urn:xmpp:reporting:1" in raw
    assert b"buy" not in raw  # a report repeats no content


def test_the_contacts_of_the_senders_domain_get_a_report_that_tells_no_rule() -> None:
    sent = Sent()
    sent.theirs = [Address.parse("abuse@evil.test")]
    sent.reports.report(RULE, SPAM)
    report = sent.stanzas[-1]
    assert (str(report.from_), str(report.to)) == ("ours.test", "abuse@evil.test")
    assert b"urn:xmpp:reporting:1" in report.raw
    assert b"eve@evil.test" in report.raw
    assert b"rule" not in report.raw
    assert b"filter" not in report.raw
    assert b"buy" not in report.raw


def test_what_one_of_ours_sends_is_reported_only_to_our_own_contacts() -> None:
    sent = Sent()
    sent.reports.report(RULE, SPAM.readdressed(to=Address.parse("eve@evil.test"), from_=Address.parse("a@ours.test")))
    assert [each.to for each in sent.stanzas] == ADMINS
    assert sent.asked == []


def test_of_one_domain_there_is_one_report_in_ten_minutes_and_the_others_are_counted() -> None:
    sent = Sent()
    for number in range(5):
        sent.reports.report(
            RULE, SPAM.readdressed(to=SPAM.to, from_=Address.parse(f"eve{number}@sub{number}.evil.test"))
        )
    assert len(sent.stanzas) == len(ADMINS)
    sent.clock.advance(REPORT_SECONDS)
    sent.reports.report(RULE, SPAM)
    assert b"4 earlier ones" in sent.stanzas[-1].raw
