"""Contacts of other domains: asked for once, remembered, and never somebody elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from twisted.internet.task import Clock

from gateway.filters.contacts import (
    ANSWER_SECONDS,
    MOST_CONTACTS,
    MOST_DOMAINS_ASKED,
    REMEMBERED_SECONDS,
    AbuseContacts,
    addresses_in,
)
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.namespaces import DISCO_INFO
from gateway.xmpp.stanzas import AddressedStanza
from tests.support.trees import stanza

OURS, EVIL = Address.parse("ours.test/contacts"), Domain("chat.evil.test")


class Asking:
    """Domains that the test speaks for."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.questions: list[AddressedStanza] = []
        self.found: list[list[str]] = []
        self._answers: list[Callable[[AddressedStanza], None]] = []
        self.contacts = AbuseContacts(self._ask, lambda: OURS, self.clock.seconds)

    def _ask(self, question: AddressedStanza, answered: Callable[[AddressedStanza], None]) -> None:
        self.questions.append(question)
        self._answers.append(answered)

    def find(self, domain: Domain = EVIL) -> None:
        self.contacts.find(domain, self._use)

    def _use(self, contacts: Sequence[Address]) -> None:
        self.found.append([each.full for each in contacts])

    def answer(self, form_type: str = "http://jabber.org/network/serverinfo", **fields: Sequence[str]) -> None:
        values = {"FORM_TYPE": [form_type], **{f"{name}-addresses": uris for name, uris in fields.items()}}
        written = "".join(
            f"<field var='{name}'>{''.join(f'<value>{each}</value>' for each in given)}</field>"
            for name, given in values.items()
        )
        form = f"<x xmlns='jabber:x:data' type='result'>{written}</x>"
        self._reply(f"<query xmlns='{DISCO_INFO}'>{form}</query>")

    def refuse(self) -> None:
        self._reply("<error type='cancel'/>", "error")

    def _reply(self, inner: str, type_: str = "result") -> None:
        answer = stanza(f"<iq type='{type_}' id='1' from='{EVIL}' to='{OURS}'>{inner}</iq>")
        assert isinstance(answer, AddressedStanza)
        self._answers[-1](answer)


def test_a_domain_is_asked_once_a_day() -> None:
    asking = Asking()
    asking.find()
    (question,) = asking.questions
    assert (question.type, question.from_, question.to.full) == ("get", OURS, EVIL)
    asking.answer(abuse=["xmpp:abuse@evil.test"])
    asking.find()
    assert asking.found == [["abuse@evil.test"]] * 2
    assert len(asking.questions) == 1
    asking.clock.advance(REMEMBERED_SECONDS)
    asking.find()
    assert len(asking.questions) == 2


def test_a_refusal_is_remembered_as_well() -> None:
    asking = Asking()
    asking.find()
    asking.refuse()
    asking.find()
    assert asking.found == [[], []]
    assert len(asking.questions) == 1


def test_a_domain_that_does_not_answer_is_asked_again_but_not_at_once() -> None:
    asking = Asking()
    asking.find()
    asking.find()
    assert len(asking.questions) == 1
    asking.clock.advance(ANSWER_SECONDS)
    asking.answer(abuse=["xmpp:abuse@evil.test"])  # the answer is remembered, but its question is over
    assert asking.found == []
    asking.find()
    assert asking.found == [["abuse@evil.test"]]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"abuse": ["xmpp:abuse@evil.test"], "admin": ["xmpp:admin@evil.test"]}, ["abuse@evil.test"]),
        ({"abuse": ["mailto:abuse@evil.test"], "admin": ["xmpp:admin@evil.test"]}, ["admin@evil.test"]),
        ({"abuse": ["xmpp:victim@good.test", "xmpp:evil.test"]}, ["evil.test"]),
        ({"abuse": ["xmpp:a%40b@evil.test", "xmpp:@", "nonsense", "xmpp:r%26d@evil.test?message"]}, []),
        ({"abuse": ["xmpp:victim@victim.evil.test", "xmpp:a@xchat.evil.test"]}, []),  # as evil.co.uk and victim.co.uk
        ({"abuse": ["xmpp:a@x.chat.evil.test", "xmpp:chat.evil.test"]}, ["a@x.chat.evil.test", "chat.evil.test"]),
        ({"abuse": ["xmpp:a%C3%A9@evil.test?message"]}, ["a\u00e9@evil.test"]),
        ({"abuse": [f"xmpp:{number}@evil.test" for number in range(9)]}, [f"{n}@evil.test" for n in range(3)]),
        ({"form_type": "urn:another", "abuse": ["xmpp:abuse@evil.test"]}, []),
        ({}, []),
    ],
)
def test_which_addresses_count(fields: dict[str, Sequence[str]], found: list[str]) -> None:
    assert MOST_CONTACTS == 3
    asking = Asking()
    asking.find()
    asking.answer(**fields)  # type: ignore[arg-type]
    assert asking.found == [found]


def test_of_very_many_domains_only_so_many_are_remembered() -> None:
    asking = Asking()
    asking.find(Domain("good.test"))
    for number in range(2 * MOST_DOMAINS_ASKED):
        asking.find(Domain(f"{number}.evil.test"))
    assert len(asking.contacts._known) == MOST_DOMAINS_ASKED
    asking.find(Domain("good.test"))
    assert len([each for each in asking.questions if each.to.full == "good.test"]) == 1


def test_only_xmpp_uris_name_addresses() -> None:
    uris = ["xmpp:admin@ours.test", "mailto:admin@ours.test", "xmpp:a@ours.test?message;subject=x"]
    assert [each.full for each in addresses_in(uris)] == ["admin@ours.test", "a@ours.test"]
