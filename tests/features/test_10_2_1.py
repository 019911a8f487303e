"""10.2-1: message types normal, chat, groupchat, headline and error are told apart, and delivered by the rules of
RFC 6121 §8.5."""

from __future__ import annotations

import pytest

from tests.support.accounts import Client, Home, xml

BARE, PHONE, GONE = "bob@example.com", "bob@example.com/phone", "bob@example.com/gone"


def ends(type_: str | None, to: str, *priorities: int | None) -> list[str]:
    """Return what happens to one message to Bob, whose resources phone, desk and car have these priorities."""
    home = Home("bob")
    clients: list[Client] = []
    for name, priority in zip(("phone", "desk", "car"), priorities, strict=False):
        client = home.client("bob", name)
        if priority is not None:
            client.online(f"<presence><priority>{priority}</priority></presence>")
        clients.append(client)
    for client in clients:
        client.heard()
    typed = f"type='{type_}'" if type_ else ""
    message = f"<message from='eve@example.net/x' to='{to}' {typed} id='m'><body>Hi</body></message>"
    home.arrive(message)
    found = [client.resource.address.resource for client in clients if client.heard() == xml(message)]
    found += ["stored"] * len(home.kept("bob"))
    bounce = (
        f"<message from='{to}' to='eve@example.net/x' type='error' id='m'><error type='cancel'>"
        "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
    heard = home.world.heard()
    assert heard in ([], xml(bounce))
    return found + ["bounced"] * len(heard)


@pytest.mark.parametrize("type_", ["normal", None, "chat", "groupchat", "headline", "error"])
@pytest.mark.parametrize("priority", [5, 0, -1, None])
def test_message_to_a_full_address_goes_to_that_resource_whatever_its_priority(
    type_: str | None, priority: int | None
) -> None:
    assert ends(type_, PHONE, priority, 10) == ["phone"]


@pytest.mark.parametrize("type_", ["normal", None, "chat", "headline"])
def test_message_to_the_bare_address_goes_to_all_resources_that_are_not_negative(type_: str | None) -> None:
    assert ends(type_, BARE, 5, 0, -1) == ["phone", "desk"]
    assert ends(type_, BARE, 5, None, 7) == ["phone", "car"]


@pytest.mark.parametrize(
    ("type_", "end"),
    [("normal", "stored"), (None, "stored"), ("chat", "stored"), ("headline", None), ("error", None)],
)
@pytest.mark.parametrize("priorities", [(), (-1,), (None,), (-1, -5)])
def test_message_to_the_bare_address_while_nobody_may_receive(
    type_: str | None, end: str | None, priorities: tuple[int | None, ...]
) -> None:
    assert ends(type_, BARE, *priorities) == ([end] if end else [])


@pytest.mark.parametrize("priorities", [(), (5,), (-1,)])
def test_groupchat_to_the_bare_address_is_bounced(priorities: tuple[int, ...]) -> None:
    assert ends("groupchat", BARE, *priorities) == ["bounced"]


@pytest.mark.parametrize("type_", ["normal", None, "groupchat"])
@pytest.mark.parametrize("priorities", [(), (5,), (-1,)])
def test_message_to_a_resource_that_is_gone_is_bounced(type_: str | None, priorities: tuple[int, ...]) -> None:
    assert ends(type_, GONE, *priorities) == ["bounced"]


@pytest.mark.parametrize("priorities", [(), (5,), (-1,)])
def test_headline_to_a_resource_that_is_gone_is_dropped(priorities: tuple[int, ...]) -> None:
    assert ends("headline", GONE, *priorities) == []


def test_chat_to_a_resource_that_is_gone_is_as_chat_to_the_bare_address() -> None:
    assert ends("chat", GONE, 5, 0, -1) == ["phone", "desk"]
    assert ends("chat", GONE, -1) == ["stored"]
    assert ends("chat", GONE) == ["stored"]


def test_error_is_never_spread_stored_or_answered() -> None:
    assert ends("error", BARE, 5) == []
    assert ends("error", GONE, 5) == []


@pytest.mark.parametrize(
    ("type_", "end"),
    [("normal", ["bounced"]), ("chat", ["bounced"]), ("groupchat", ["bounced"]), ("headline", []), ("error", [])],
)
@pytest.mark.parametrize("resource", ["", "/phone"])
def test_message_to_an_account_that_does_not_exist(type_: str, end: list[str], resource: str) -> None:
    assert ends(type_, f"carol@example.com{resource}", 5) == end


def test_recipient_is_not_rewritten_and_content_is_untouched() -> None:
    home = Home("bob")
    phone = home.client("bob", "phone").online()
    raw = "<message  from='eve@example.net/x' to='bob@example.com' type='chat'><x xmlns='urn:x'>&lt;</x ></message>"
    home.arrive(raw)
    assert [stanza.raw for stanza in phone.got] == [raw.encode()]
