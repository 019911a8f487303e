"""The elements of dialback's three roles, read and written (XEP-0220 §2); `features.dialback` decides in each role.

    Initiating server     asserts a domain pair with a key   `result_request`, reads a `KeyVerdict`
    Receiving server      has the key checked, and answers   reads an `Assertion`, `verify_request`, `result_answer`
    Authoritative server  says whether it made the key       reads a `KeyQuestion`, `verify_answer`

Attributes are read in one place and strictly: both must be present and valid domains.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import ERROR_TYPES, MalformedAddress, StanzaCondition, StreamCondition, StreamError
from gateway.xmpp.namespaces import DIALBACK, SERVER, STANZA_ERRORS, XML

RESULT = (DIALBACK, "result")
VERIFY = (DIALBACK, "verify")


@dataclass(frozen=True, kw_only=True)
class Assertion:
    """A db:result without type: `pair.sender` asks to send to `pair.target`, and presents a key."""

    pair: DomainPair
    key: str


@dataclass(frozen=True, kw_only=True)
class KeyQuestion:
    """A db:verify without type: did `pair.sender` make this key for this stream towards `pair.target`?"""

    pair: DomainPair
    stream_id: str
    key: str


@dataclass(frozen=True, kw_only=True)
class KeyVerdict:
    """An answer to either. `valid` is None if it was an error, which has a condition and may have a text."""

    pair: DomainPair
    valid: bool | None
    stream_id: str = ""
    condition: str = ""
    text: str = ""


def read_result(element: Element) -> Assertion | KeyVerdict:
    """Read a db:result as the receiving server (an assertion) or the initiating server (a verdict)."""
    kind = element.get("type")
    if kind is None:
        return Assertion(pair=_pair(element), key=_key(element))
    return _verdict(element, kind, _pair(element).reversed())


def read_verify(element: Element) -> KeyQuestion | KeyVerdict:
    """Read a db:verify as the authoritative server (a question) or the receiving server (a verdict)."""
    stream_id = element.get("id")
    if not stream_id:
        raise StreamError(StreamCondition.BAD_FORMAT, "db:verify needs an 'id'")
    kind = element.get("type")
    pair = _pair(element).reversed() if kind is None else _pair(element)
    if kind is None:
        return KeyQuestion(pair=pair, stream_id=stream_id, key=_key(element))
    return _verdict(element, kind, pair, stream_id)


def result_request(pair: DomainPair, key: str) -> Element:
    """Initiating server, step 1: assert the pair (XEP-0220 §2.1.1)."""
    return Element(DIALBACK, "result", {"from": pair.sender, "to": pair.target}, [key])


def verify_request(pair: DomainPair, stream_id: str, key: str) -> Element:
    """Receiving server, step 2: ask the authoritative server (XEP-0220 §2.1.2)."""
    return Element(DIALBACK, "verify", {"from": pair.target, "to": pair.sender, "id": stream_id}, [key])


def verify_answer(question: KeyQuestion, verdict: bool | StanzaCondition) -> Element:
    """Authoritative server, step 3: valid, invalid, or an error (XEP-0220 §2.2.2)."""
    return _answer("verify", question.pair.sender, question.pair.target, verdict, "", id_=question.stream_id)


def result_answer(pair: DomainPair, verdict: bool | StanzaCondition, text: str = "") -> Element:
    """Receiving server, step 4: answer the initiating server (XEP-0220 §2.2.1)."""
    return _answer("result", pair.target, pair.sender, verdict, text)


def _answer(
    name: str, from_: Domain, to: Domain, verdict: bool | StanzaCondition, text: str, id_: str | None = None
) -> Element:
    children: list[Element] = []
    if isinstance(verdict, StanzaCondition):
        kind = "error"
        causes = [Element(STANZA_ERRORS, str(verdict))]
        if text:
            causes.append(Element(STANZA_ERRORS, "text", {(XML, "lang"): "en"}, [text]))
        children.append(Element(SERVER, "error", {"type": ERROR_TYPES[verdict]}, causes))
    else:
        kind = "valid" if verdict else "invalid"
    return Element(DIALBACK, name, {"from": from_, "to": to, "type": kind, "id": id_}, children)


def _verdict(element: Element, kind: str, pair: DomainPair, stream_id: str = "") -> KeyVerdict:
    if kind == "valid" or kind == "invalid":
        return KeyVerdict(pair=pair, valid=kind == "valid", stream_id=stream_id)
    if kind != "error":
        raise StreamError(StreamCondition.BAD_FORMAT, "the type of a dialback answer must be valid, invalid or error")
    error = element.first(name="error")
    conditions = list(error.elements(STANZA_ERRORS)) if error else []
    named = next((child.name for child in conditions if child.name != "text"), "undefined-condition")
    text = next((child.text for child in conditions if child.name == "text"), "")
    return KeyVerdict(pair=pair, valid=None, stream_id=stream_id, condition=named, text=text)


def _pair(element: Element) -> DomainPair:
    """Return (from, to) of a dialback element, prepared."""
    return DomainPair(_domain(element, "from"), _domain(element, "to"))


def _domain(element: Element, attribute: str) -> Domain:
    text = element.get(attribute)
    if not text:
        raise StreamError(StreamCondition.IMPROPER_ADDRESSING, f"db:{element.name} needs '{attribute}'")
    try:
        address = Address.parse(text)
    except MalformedAddress as error:
        raise StreamError(
            StreamCondition.IMPROPER_ADDRESSING, f"'{attribute}' of db:{element.name} is not a domain: {error.problem}"
        ) from error
    if address.local or address.resource:
        raise StreamError(StreamCondition.IMPROPER_ADDRESSING, f"'{attribute}' of db:{element.name} must be a domain")
    return address.domain


def _key(element: Element) -> str:
    key = element.text.strip()
    if not key:
        raise StreamError(StreamCondition.BAD_FORMAT, f"db:{element.name} needs a key")
    return key
