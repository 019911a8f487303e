"""Documents: data that clients store on the server: a public card, and private notes.

vcard-temp (XEP-0054) and private storage (XEP-0049). Both are old, but real clients still look for a name and a picture
in one, and for their list of rooms in the other. The server keeps the bytes and interprets none of them.
"""

from __future__ import annotations

from gateway.im.services import AccountService, Audience, Request
from gateway.storage.interfaces import IStore
from gateway.xmpp.elements import Element, parse_element
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.namespaces import PRIVATE_STORAGE, VCARD

MOST_DOCUMENT_BYTES = 1 << 20
"""The most bytes of one document as it is stored, with every namespace declared where it is used."""

_CARD = "vcard"
_EMPTY_CARD = Element(VCARD, "vCard")


class Documents:
    """The two services that keep documents."""

    def __init__(self, store: IStore) -> None:
        self._store = store
        self.services = {
            ("get", VCARD, "vCard"): AccountService(
                self.get_card, Audience.ANYBODY, of_nobody=_EMPTY_CARD, may_be_large=True
            ),
            ("set", VCARD, "vCard"): AccountService(self.set_card, Audience.OWNER),
            ("get", PRIVATE_STORAGE, "query"): AccountService(self.get_private, Audience.OWNER),
            ("set", PRIVATE_STORAGE, "query"): AccountService(self.set_private, Audience.OWNER),
        }

    async def get_card(self, request: Request) -> Element:
        """Return the card, or an empty one; an address without an account also has an empty one."""
        content = await self._store.document(request.account.address.bare, _CARD)
        return _EMPTY_CARD if content is None else parse_element(content)

    async def set_card(self, request: Request) -> None:
        """Replace the card."""
        await self._store.set_document(
            request.account.address.bare, _CARD, request.payload.serialize(at_most=MOST_DOCUMENT_BYTES)
        )

    async def get_private(self, request: Request) -> Element:
        """Return the note with the name and namespace of the given element; that element itself if there is none."""
        note = _only_note(request)
        content = await self._store.document(request.account.address.bare, _name(note))
        return Element(PRIVATE_STORAGE, "query", children=[note if content is None else parse_element(content)])

    async def set_private(self, request: Request) -> None:
        """Replace a note; an empty one deletes it."""
        note = _only_note(request)
        content = note.serialize(at_most=MOST_DOCUMENT_BYTES) if note.children or note.attributes else None
        await self._store.set_document(request.account.address.bare, _name(note), content)


def _only_note(request: Request) -> Element:
    notes = list(request.payload.elements())
    if len(notes) != 1:
        raise StanzaError(
            StanzaCondition.NOT_ACCEPTABLE, "a request to private storage must contain exactly one element"
        )
    if not notes[0].namespace or notes[0].namespace == PRIVATE_STORAGE:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "an element in private storage must have its own namespace")
    return notes[0]


def _name(note: Element) -> str:
    return f"private {note.namespace} {note.name}"
