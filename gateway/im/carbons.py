"""Carbons: every device of a person sees the whole conversation (XEP-0280).

A copy goes to every resource that requested copies and did not get the message itself. It is made from the message's
own bytes. Copies come only from the account's server: a message from anybody else that looks like one is refused, so
that nobody can forge messages (XEP-0280 §11, CVE-2017-5589).
"""

from __future__ import annotations

from collections.abc import Collection

from gateway.im.account import Account, Interest, Resource
from gateway.im.edits import attribute, standing_alone
from gateway.im.services import AccountService, Audience, Request
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import CARBONS, CLIENT, FORWARD, HINTS
from gateway.xmpp.stanzas import AddressedStanza, Stanza, message_type

RECEIVED, SENT = "received", "sent"
MUC_USER = "http://jabber.org/protocol/muc#user"
CONFERENCE = "jabber:x:conference"

_MARK = CARBONS.encode()
# A chat message without any of these is eligible without a closer look.
_NEEDS_A_LOOK = (_MARK, HINTS.encode(), MUC_USER.encode())
_HEAD = f"><%s xmlns='{CARBONS}'><forwarded xmlns='{FORWARD}'>"
_TAIL = "</forwarded></%s></message>"


def looks_like_a_copy(stanza: Stanza) -> bool:
    """Return whether a message claims to be a copy made by a server."""
    if _MARK not in stanza.raw:
        return False
    return any(child.name in (RECEIVED, SENT) for child in stanza.element.elements(CARBONS))


def is_eligible(stanza: Stanza, direction: str) -> bool:
    """Return whether a message is copied: conversation between people, unless it asks for no copies (§6.1, §9)."""
    if stanza.type == "chat" and not any(mark in stanza.raw for mark in _NEEDS_A_LOOK):
        return True
    if message_type(stanza) not in ("chat", "normal"):
        return False
    element = stanza.element
    if element.first(CARBONS, "private") or element.first(HINTS, "no-copy"):
        return False
    room = element.first(MUC_USER, "x")
    if element.first(CONFERENCE, "x") or (room and room.first(MUC_USER, "invite")):
        return True
    if room and direction == RECEIVED:
        return False  # the room itself sends to each device that is in it
    return stanza.type == "chat" or element.first(CLIENT, "body") is not None


def send_copies(account: Account, stanza: Stanza, direction: str, without: Collection[Resource]) -> None:
    """Send a copy to every resource that wants copies, except those in `without`, which need none."""
    wanting = [
        each for each in account.resources.values() if Interest.CARBONS in each.interests and each not in without
    ]
    if not wanting or not is_eligible(stanza, direction):
        return
    type_ = f" type='{stanza.type}'" if stanza.type else ""
    start = f"<message{type_}".encode() + attribute("from", account.address)
    inside = (_HEAD % direction).encode() + standing_alone(stanza) + (_TAIL % direction).encode()
    for resource in wanting:
        raw = start + attribute("to", resource.address) + inside
        resource.send(AddressedStanza("message", raw, resource.address, account.address, stanza.type, None))


async def enable(request: Request) -> Element | None:
    """Send copies to the client from now on (§4)."""
    request.client.interests.add(Interest.CARBONS)
    return None


async def disable(request: Request) -> Element | None:
    """Stop sending copies to the client (§5)."""
    request.client.interests.discard(Interest.CARBONS)
    return None


SERVICES = {
    ("set", CARBONS, "enable"): AccountService(enable, Audience.OWNER),
    ("set", CARBONS, "disable"): AccountService(disable, Audience.OWNER),
}
