"""What an inactive client is not woken for."""

from __future__ import annotations

from gateway.im.client_state import HoldingBack
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

COMPOSING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
BOB = stanza("<presence from='bob@example.net/x'/>")
BOB_AWAY = stanza("<presence from='bob@example.net/x'><show>away</show></presence>")
CAROL = stanza("<presence from='carol@example.net/x' type='unavailable'/>")
TYPING = stanza(f"<message from='bob@example.net/x' type='chat'>{COMPOSING}</message>")
MESSAGE = stanza(f"<message from='bob@example.net/x' type='chat'><body>Hi</body>{COMPOSING}</message>")
REQUEST = stanza("<presence from='dave@example.net' type='subscribe'/>")
ERROR = stanza(f"<message from='bob@example.net/x' type='error'>{COMPOSING}</message>")
IQ = stanza("<iq from='bob@example.net/x' type='result' id='1'/>")


def written(*stanzas: Stanza) -> list[list[Stanza]]:
    """Return what an inactive client is given, stanza by stanza, and last what is left when it becomes active."""
    holding = HoldingBack()
    holding.deactivate()
    return [list(holding.pass_on(each)) for each in stanzas] + [list(holding.activate())]


def test_active_client_gets_everything_at_once() -> None:
    holding = HoldingBack()
    assert [holding.pass_on(each) for each in (BOB, TYPING)] == [(BOB,), (TYPING,)]
    assert holding.activate() == ()


def test_presence_and_chat_states_wait_and_only_the_latest_counts() -> None:
    assert written(BOB, TYPING, CAROL, BOB_AWAY) == [[], [], [], [], [TYPING, CAROL, BOB_AWAY]]


def test_what_matters_passes_and_what_came_before_passes_before_it() -> None:
    for matter in (MESSAGE, REQUEST, ERROR, IQ):
        assert written(BOB, matter, CAROL) == [[], [BOB, matter], [], [CAROL]]


def test_it_is_bounded() -> None:
    holding = HoldingBack(most=3)
    holding.deactivate()
    presences = [stanza(f"<presence from='friend{number}@example.net/x'/>") for number in range(4)]
    assert [len(holding.pass_on(each)) for each in presences] == [0, 0, 0, 4]
