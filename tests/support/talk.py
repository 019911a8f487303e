"""One Stream, what the other side sends to it, and all that it says, in one list that tests compare.

Between servers, `ours.test` is the stream and `theirs.test` the other side. A talk can be cut into single bytes, which
must change nothing; `same_however_cut` sees to that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gateway.dialback.keys import KeyMaker
from gateway.features.dialback import Dialback
from gateway.features.sasl_servers import accepting_servers, proving_to_servers
from gateway.features.starttls import StartTLS
from gateway.stream.budget import Budget
from gateway.stream.events import CloseTransport, Secured, Send, StanzasReceived
from gateway.stream.facts import Facts, Means, Role, Terms, TLSFacts
from gateway.stream.negotiation import Step
from gateway.stream.profiles import Profile, server_profile
from gateway.stream.states import State
from gateway.stream.stream import Output, Stream
from gateway.xmpp.addresses import Domain, DomainPair
from tests.support.pair import Certificate, accept_anything, make_stream

OURS, THEIRS = Domain("ours.test"), Domain("theirs.test")
INBOUND, OUTBOUND = DomainPair(THEIRS, OURS), DomainPair(OURS, THEIRS)
KEYS = KeyMaker(b"0123456789abcdef")
GOOD = Certificate(names=frozenset({THEIRS}))
IN_CLEAR = Terms(require_tls=False)
CLOSING_TAG = b"</stream:stream>"
FEATURES = "<stream:features/>"


def header(
    from_: str | None = "theirs.test",
    to: str | None = "ours.test",
    *,
    id_: str | None = None,
    version: str | None = "1.0",
    namespace: str = "jabber:server",
    more: str = "",
) -> str:
    """A stream header as the other side would send it."""
    known = {"from": from_, "to": to, "id": id_, "version": version}
    attributes = "".join(f" {name}='{value}'" for name, value in known.items() if value is not None)
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='{namespace}' xmlns:db='jabber:server:dialback'"
        f" xmlns:stream='http://etherx.jabber.org/streams'{attributes}{more}>"
    )


def message(from_: str = "a@theirs.test/r", to: str = "b@ours.test", body: str = "hi") -> str:
    """A message as the other side would send it."""
    return f"<message from='{from_}' to='{to}'><body>{body}</body></message>"


def secured(certificate: Certificate | None = GOOD) -> Secured:
    """TLS is up, and this is the certificate that the other side has shown."""
    return Secured(tls=TLSFacts(version="TLSv1.3"), certificate=certificate)


def server_features(role: Role, terms_for: Callable[[DomainPair], object] | None = None) -> Profile:
    """Return what two servers negotiate, as the gateway does."""
    sasl = proving_to_servers(lambda: "nonce") if role is Role.INITIATING else accepting_servers(lambda: "nonce")
    dialback = Dialback(KEYS, lambda domain: domain == OURS, terms_for or (lambda pair: IN_CLEAR))  # type: ignore[arg-type]
    return server_profile(StartTLS(), sasl, dialback)


class Talk:
    """A stream under test. Everything is said to it through here; `said` is what it has put out."""

    def __init__(self, stream: Stream, *, bytewise: bool = False) -> None:
        self.stream = stream
        self.said: list[object] = []
        self._bytewise = bytewise

    def open(self) -> Talk:
        return self._note(self.stream.open())

    def hear(self, *texts: str | bytes) -> Talk:
        """The other side sends this; each text is a separate segment."""
        for text in texts:
            data = text.encode() if isinstance(text, str) else text
            for piece in [data[i : i + 1] for i in range(len(data))] if self._bytewise else [data]:
                self._note(self.stream.received(piece))
        return self

    def answer(self, answer: object) -> Talk:
        return self._note(self.stream.answer(answer))

    def perform(self, step: Callable[[Facts], Step]) -> Talk:
        return self._note(self.stream.perform(step))

    def close(self, error: Exception | None = None) -> Talk:
        return self._note(self.stream.close(error))  # type: ignore[arg-type]

    @property
    def sent(self) -> bytes:
        """Return all that it has sent since the last `forget`."""
        return b"".join(word.data for word in self.said if isinstance(word, Send))

    @property
    def events(self) -> list[object]:
        """Return what it has said to its owner; a stanza counts by its bytes."""
        return [word for word in self.said if not isinstance(word, Send)]

    @property
    def error(self) -> str | None:
        """The condition with which it has closed the stream, or None."""
        closed = next((word for word in self.said if isinstance(word, CloseTransport)), None)
        return str(closed.error.condition) if closed is not None and closed.error is not None else None

    @property
    def is_closed(self) -> bool:
        """Return whether it has sent its closing tag, as the last thing."""
        return self.sent.endswith(CLOSING_TAG) and not self.stream.is_open

    def forget(self) -> Talk:
        """Start a new list of what it has said."""
        self.said = []
        return self

    def _note(self, outputs: Sequence[Output]) -> Talk:
        for output in outputs:
            if isinstance(output, StanzasReceived):
                self.said.extend(stanza.raw for stanza in output.stanzas)
            elif isinstance(output, Send) and self.said and isinstance(self.said[-1], Send):
                self.said[-1] = Send(data=self.said[-1].data + output.data)
            else:
                self.said.append(output)
        return self


def talk(
    role: Role = Role.RECEIVING,
    *,
    terms: Terms | None = None,
    profile: Profile | None = None,
    accept: Callable[..., Facts] | None = None,
    budget: Budget | None = None,
    bytewise: bool = False,
    **known: object,
) -> Talk:
    """A talk with a server's stream about which nothing is known but whom it calls."""
    profile = profile or server_features(role)
    facts = profile.facts(role=role, terms=terms or Terms())
    if role is Role.INITIATING:
        facts = replace(facts, local=OURS, remote=THEIRS)
    facts = replace(facts, **known)  # type: ignore[arg-type]
    stream = make_stream(profile, facts, accept or accept_anything, budget)
    return Talk(stream, bytewise=bytewise)


def under_tls(role: Role = Role.RECEIVING, certificate: Certificate | None = GOOD, **more: object) -> Talk:
    """A talk of which TLS was the first thing (XEP-0368): nothing but headers has to come before proofs."""
    return talk(role, tls=TLSFacts(version="TLSv1.3"), certificate=certificate, **more)  # type: ignore[arg-type]


def proved(role: Role = Role.RECEIVING, **more: object) -> Talk:
    """A talk in which the pair of the stream is proved and stanzas pass; nothing of its past is in `said`."""
    pair = INBOUND if role is Role.RECEIVING else OUTBOUND
    said = under_tls(role, proofs={pair: Means.EXTERNAL}, **more)
    if role is Role.INITIATING:
        said.open().hear(header(id_="theirs-1"), FEATURES)
    else:
        said.hear(header())
    assert said.stream.state is State.ESTABLISHED
    return said.forget()


@dataclass(frozen=True)
class Script:
    """A whole talk: what is done one after the other, as texts that are heard and as calls of the talk's methods."""

    name: str
    begin: Callable[..., Talk]
    does: tuple[object, ...]

    def play(self, *, bytewise: bool) -> Talk:
        """Do it all."""
        talking = self.begin(bytewise=bytewise)
        for each in self.does:
            if isinstance(each, str | bytes):
                talking.hear(each)
            elif callable(each):
                each(talking)
            else:
                talking.answer(each)
        return talking


def same_however_cut(script: Script) -> Talk:
    """Play it whole and byte by byte; what is said must be the same, and is returned."""
    whole, cut = script.play(bytewise=False), script.play(bytewise=True)
    assert _comparable(whole) == _comparable(cut)
    return whole


def _comparable(talking: Talk) -> tuple[object, ...]:
    words = [replace(word, error=None) if isinstance(word, CloseTransport) else word for word in talking.said]
    return words, talking.error, talking.stream.state, talking.stream.facts


begin_receiving = partial(talk, Role.RECEIVING)
begin_initiating = partial(talk, Role.INITIATING)
