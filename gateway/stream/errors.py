"""Stream errors on the wire: the condition first, then the text, then an application-specific one (RFC 6120 §4.9.2)."""

from __future__ import annotations

from gateway.stream.events import StreamErrorReceived
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import SeeOtherHost, StreamCondition, StreamError
from gateway.xmpp.namespaces import STREAM_ERRORS, STREAMS, XML

ERROR = (STREAMS, "error")


def write_error(error: StreamError) -> Element:
    """Return `<stream:error/>` for the other side, without our reasons."""
    host = [error.host] if isinstance(error, SeeOtherHost) else []
    children = [Element(STREAM_ERRORS, str(error.condition), {}, host)]
    if error.text:
        children.append(Element(STREAM_ERRORS, "text", {(XML, "lang"): "en"}, [error.text]))
    if error.detail is not None:
        children.append(error.detail)
    return Element(*ERROR, {}, children)


def read_error(element: Element) -> StreamErrorReceived:
    """Read the other side's error; a condition unknown to RFC 6120 becomes `undefined-condition`."""
    named = next((child.name for child in element.elements(STREAM_ERRORS) if child.name != "text"), "")
    text = element.first(STREAM_ERRORS, "text")
    known = named in list(StreamCondition)
    condition = StreamCondition(named) if known else StreamCondition.UNDEFINED_CONDITION
    return StreamErrorReceived(condition=condition, text=text.text if text else "")
