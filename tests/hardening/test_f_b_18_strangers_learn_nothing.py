"""F-B-18: the answer to a stranger has the same bytes whether an account exists or not, and whether it is online."""

from __future__ import annotations

import pytest

from tests.support.accounts import Client, Home

BARE = "alice@example.com"
STRANGER = "mallory@evil.test/x"
PHONE = "phone"


def _nobody() -> tuple[Home, Client | None]:
    return Home("somebody-else"), None


def _offline() -> tuple[Home, Client | None]:
    return Home("alice"), None


def _online(presence: str, resource: str) -> tuple[Home, Client | None]:
    home = Home("alice")
    client = home.client("alice", resource)
    if presence:
        client.online(presence)
    return home, client


STATES = {
    "no account": _nobody,
    "offline": _offline,
    "bound without presence": lambda: _online("", PHONE),
    "available": lambda: _online("<presence/>", PHONE),
    "available with another resource": lambda: _online("<presence/>", "desk"),
    "negative priority": lambda: _online("<presence><priority>-1</priority></presence>", PHONE),
}

STATE = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
NO_STORE = "<body>hello</body><no-store xmlns='urn:xmpp:hints'/>"
COPY = (
    "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
    "<message xmlns='jabber:client' from='bank@example.com' to='alice@example.com'><body>pay</body></message>"
    "</forwarded></received>"
)
PAYLOADS = {
    "roster": "<query xmlns='jabber:iq:roster'/>",
    "roster item": "<query xmlns='jabber:iq:roster'><item jid='a@b.test'/></query>",
    "blocklist": "<blocklist xmlns='urn:xmpp:blocking'/>",
    "block": "<block xmlns='urn:xmpp:blocking'><item jid='a@b.test'/></block>",
    "card": "<vCard xmlns='vcard-temp'/>",
    "private": "<query xmlns='jabber:iq:private'><a xmlns='urn:a'/></query>",
    "info": "<query xmlns='http://jabber.org/protocol/disco#info'/>",
    "info about a node": "<query xmlns='http://jabber.org/protocol/disco#info' node='n'/>",
    "items": "<query xmlns='http://jabber.org/protocol/disco#items'/>",
    "ping": "<ping xmlns='urn:xmpp:ping'/>",
    "last": "<query xmlns='jabber:iq:last'/>",
    "version": "<query xmlns='jabber:iq:version'/>",
    "bind": "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>",
    "session": "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>",
    "carbons": "<enable xmlns='urn:xmpp:carbons:2'/>",
    "unheard of": "<made-up xmlns='urn:made-up'/>",
}


def _stanza(name: str, type_: str | None, content: str, to: str) -> str:
    typed = f" type='{type_}'" if type_ else ""
    return f"<{name} from='{STRANGER}' to='{to}' id='i1'{typed}>{content}</{name}>"


def _product() -> dict[str, str]:
    """Every kind of stanza that leaves nothing with the account, to both kinds of address."""
    found = {}
    for what, to in {"bare": BARE, "full": f"{BARE}/{PHONE}"}.items():
        for type_ in ("get", "set", "result", "error", "nonsense", None):
            for name, payload in PAYLOADS.items():
                found[f"iq {type_} {name} to {what}"] = _stanza("iq", type_, payload, to)
        for type_ in ("unavailable", "probe", "unsubscribe", "unsubscribed", "subscribed", "error", "nonsense", None):
            found[f"presence {type_} to {what}"] = _stanza("presence", type_, "", to)
        for type_ in ("chat", "normal", None):
            found[f"message {type_}, not to be kept, to {what}"] = _stanza("message", type_, NO_STORE, to)
            found[f"message {type_}, a forged copy, to {what}"] = _stanza("message", type_, COPY, to)
        found[f"message chat, a chat state, to {what}"] = _stanza("message", "chat", STATE, to)
        found[f"message chat, empty, to {what}"] = _stanza("message", "chat", "", to)
        found[f"headline to {what}"] = _stanza("message", "headline", "<body>news</body>", to)
        found[f"headline not to be kept to {what}"] = _stanza("message", "headline", NO_STORE, to)
        found[f"error to {what}"] = _stanza("message", "error", "<body>no</body>", to)
    found["groupchat to bare"] = _stanza("message", "groupchat", "<body>hello</body>", BARE)
    return found


def _answer(state: str, text: str) -> list[bytes]:
    home, _ = STATES[state]()
    home.world.heard()
    home.arrive(text)
    home.clock.advance(0)
    return [each.raw for each in home.world.got]


@pytest.mark.parametrize("text", _product().values(), ids=_product().keys())
def test_f_b_18_the_answer_is_the_same_in_every_state(text: str) -> None:
    """A stranger reads the same bytes from every state of an account, and from no account at all."""
    answers = {state: _answer(state, text) for state in STATES}
    assert answers == dict.fromkeys(STATES, answers["no account"])


# What the recipient gets to see, or what only a resource that is there could take, says that much by itself.
@pytest.mark.parametrize(
    "text",
    [_stanza("message", type_, "<body>hello</body>", f"{BARE}/nowhere") for type_ in ("normal", "groupchat", None)],
)
def test_f_b_18_a_message_to_a_resource_that_is_not_there_tells_nothing_of_the_account(text: str) -> None:
    """A message that a person would have seen comes back with the same bytes from any account and from none."""
    answers = {state: _answer(state, text) for state in STATES}
    assert answers == dict.fromkeys(STATES, answers["no account"])
    assert len(answers["no account"]) == 1


def test_f_b_18_a_message_to_a_mistyped_address_comes_back() -> None:
    """An ordinary message to nobody is answered: silence would lose it unnoticed."""
    (answer,) = _answer("no account", _stanza("message", "chat", "<body>hello</body>", BARE))
    assert b"service-unavailable" in answer


@pytest.mark.parametrize("content", [NO_STORE, STATE])
def test_f_b_18_friends_are_told_that_nobody_is_there(content: str) -> None:
    """A contact that may see the account's presence still learns that such a message was not kept."""
    home = Home("alice")
    home.befriend("alice", "bob@example.net", "from")
    home.arrive(f"<message from='bob@example.net/x' to='{BARE}' type='chat' id='i1'>{content}</message>")
    (answer,) = home.world.got
    assert b"service-unavailable" in answer.raw
