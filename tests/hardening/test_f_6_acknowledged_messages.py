"""F-6: the answer to what follows an acknowledgement says that the acknowledged messages will not come again."""

from __future__ import annotations

from gateway.im.kept import KeptMessage
from tests.support.accounts import Client, Home

PING = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
TO_THE_DOMAIN = "<iq type='get' id='p' to='example.com'><ping xmlns='urn:xmpp:ping'/></iq>"


def _handed_out() -> tuple[Home, Client, list[KeptMessage]]:
    """A client that has been given one kept message by a slow store."""
    home = Home("alice", slow=True)
    home.arrive("<message from='bob@far.test' to='alice@example.com' type='chat'><body>1</body></message>")
    home.store.answer_all()
    phone = home.client("alice", "phone", takes=False)
    phone.say("<presence/>")
    home.store.answer_all()
    messages = [each for each in phone.got if isinstance(each, KeptMessage)]
    phone.heard()
    return home, phone, messages


def test_f_6_the_next_answer_waits_for_the_store() -> None:
    """A request to the account behind the acknowledgement is answered once the message is forgotten, not before."""
    home, phone, messages = _handed_out()
    home.domain.taken(phone.resource, messages)
    phone.say(PING)
    assert phone.got == []
    assert home.kept("alice") != []
    home.store.answer_all()
    assert home.kept("alice") == []
    assert [(each.type, each.id) for each in phone.got] == [("result", "p")]


def test_f_6_also_a_request_to_the_domain() -> None:
    """A request to somebody else is not even handed on before the message is forgotten."""
    home, phone, messages = _handed_out()
    home.domain.taken(phone.resource, messages)
    phone.say(TO_THE_DOMAIN)
    assert home.itself.got == []
    home.store.answer_all()
    assert [each.id for each in home.itself.got] == ["p"]


def test_f_6_an_acknowledgement_that_is_asked_for_waits_too() -> None:
    """An acknowledgement covers only finished work, including what the client had acknowledged before it asked."""
    home, phone, messages = _handed_out()
    assert home.domain.cleared() is None
    home.domain.taken(phone.resource, messages)
    cleared = home.domain.cleared()
    assert cleared is not None
    assert not cleared.called
    home.store.answer_all()
    assert cleared.called
