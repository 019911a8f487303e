"""SASL for clients: how people prove their accounts here, and how we prove ours elsewhere (RFC 6120 §6, §13.8).

On our ports, in order of preference, and only under TLS:

    SCRAM-SHA-256-PLUS, -256, -1-PLUS, -1   the password, which is not sent; bound to the TLS connection  RFC 5802, 7677
    PLAIN                                   the password itself                                           RFC 4616
    EXTERNAL                                a client certificate that names an account of the domain      XEP-0178 §2

Channel bindings are announced beside the mechanisms (XEP-0440). Where we are the client, PLAIN is used only if the
server's certificate proves its domain, and a server that offers only unknown bindings is not trusted (§3 there).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from gateway.features.sasl import Token
from gateway.features.sasl_initiating import SaslInitiating, offered_mechanisms
from gateway.features.sasl_receiving import Accepted, SaslReceiving
from gateway.sasl import external, plain
from gateway.sasl.external import ExternalClient, ExternalServer, client_rule
from gateway.sasl.keys import Decoys
from gateway.sasl.mechanism import ServerMechanism
from gateway.sasl.plain import PlainClient, PlainServer
from gateway.sasl.scram import BindingType, ChannelBinding, ScramClient, ScramMechanism, ScramServer
from gateway.stream.events import Event
from gateway.stream.facts import ClientFacts, Means, Usable
from gateway.stream.negotiation import StreamFeature
from gateway.stream.records import replace
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import SaslCondition, SaslFailure, StreamCondition, StreamError
from gateway.xmpp.namespaces import CHANNEL_BINDING_TYPES


@dataclass(frozen=True, kw_only=True)
class ClientAuthenticated(Event):
    """A client, or we as a client, has proved its account; it has no resource yet."""

    account: Address
    mechanism: str


# -- on our ports ----------------------------------------------------------------------------------------------------

_NO_BINDINGS: Mapping[str, bytes] = MappingProxyType({})


def accepting_clients(decoys: Decoys, token: Token) -> SaslReceiving[ClientFacts]:
    """Return the feature for ports for clients; `token` makes nonces from a strong source."""

    def scram(mechanism: ScramMechanism, facts: ClientFacts) -> ServerMechanism:
        bindings = bindings_of(facts)
        return ScramServer(mechanism, domain=facts.our_domain, decoys=decoys, token=token, bindings=bindings)

    def plain_server(facts: ClientFacts) -> ServerMechanism:
        return PlainServer(domain=facts.our_domain, decoys=decoys)

    table = [
        Accepted(
            name=mechanism,
            means=Means.PASSWORD,
            obstacle=_no_binding if mechanism.plus else _no_tls,
            begin=partial(scram, mechanism),
        )
        for mechanism in ScramMechanism
    ]
    table.append(Accepted(name=plain.NAME, means=Means.PASSWORD, obstacle=_no_tls, begin=plain_server))
    table.append(Accepted(name=external.NAME, means=Means.EXTERNAL, obstacle=_no_external, begin=_external_server))
    return SaslReceiving(table, is_done=is_authenticated, proved=_client_proved, pauses=True)


class ChannelBindingTypes(StreamFeature[ClientFacts]):
    """Announces the channel bindings that a client may use (XEP-0440); there is nothing to negotiate."""

    name = "channel-binding-types"

    def offer(self, facts: ClientFacts) -> Element | None:
        """Offer all types that this connection has, while the client still has to authenticate."""
        bindings = bindings_of(facts)
        if is_authenticated(facts) or not bindings:
            return None
        types = [Element(CHANNEL_BINDING_TYPES, "channel-binding", {"type": str(each.type)}) for each in bindings]
        return Element(CHANNEL_BINDING_TYPES, "sasl-channel-binding", {}, types)


def is_authenticated(facts: ClientFacts) -> bool:
    """Return whether the client has proved an account."""
    return facts.client is not None


def bindings_of(facts: ClientFacts) -> tuple[ChannelBinding, ...]:
    """Return the channel bindings of a stream's TLS connection, the best first."""
    known = facts.tls.channel_bindings if facts.tls is not None else {}
    return tuple(ChannelBinding(type=kind, data=known[kind]) for kind in BindingType if kind in known)


def _external_server(facts: ClientFacts) -> ServerMechanism:
    return ExternalServer(client_rule(sorted(_certified(facts))), of_account=True)


def _certified(facts: ClientFacts) -> frozenset[str]:
    """Return the accounts here that the client's certificate names."""
    if facts.certificate is None or facts.local is None:
        return frozenset()
    return facts.certificate.accounts(facts.local)


def _no_tls(facts: ClientFacts) -> SaslFailure | None:
    return None if facts.encrypted else SaslFailure(SaslCondition.ENCRYPTION_REQUIRED, "TLS must be started first")


def _no_binding(facts: ClientFacts) -> SaslFailure | None:
    if facts.encrypted and not bindings_of(facts):
        return SaslFailure(SaslCondition.INVALID_MECHANISM)
    return _no_tls(facts)


def _no_external(facts: ClientFacts) -> SaslFailure | None:
    if not facts.encrypted:
        return SaslFailure(SaslCondition.ENCRYPTION_REQUIRED, "TLS must be started first")
    if not _certified(facts):
        return SaslFailure(SaslCondition.NOT_AUTHORIZED, reason="no valid certificate names an account of this domain")
    return None


def _client_proved(
    facts: ClientFacts, accepted: Accepted[ClientFacts], identity: str
) -> tuple[ClientFacts, Sequence[Event]]:
    account = Address.parse(identity)
    # Nothing will be bound to the channel any longer, and the stream may stay open for months.
    tls = replace(facts.tls, channel_bindings=_NO_BINDINGS) if facts.tls is not None else None
    return replace(facts, client=account, tls=tls), [ClientAuthenticated(account=account, mechanism=accepted.name)]


# -- where we are the client -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Our means to prove an account at another server: a password, the certificate of our TLS connection, or either."""

    account: Address
    password: str | None = field(default=None, repr=False)
    certificate: bool = False
    mechanisms: frozenset[str] | None = None  # None: any that is offered


def logging_in(credentials: Credentials, token: Token) -> SaslInitiating[ClientFacts]:
    """Return the feature for a stream on which we are a client."""

    def choose(facts: ClientFacts, offered: Element) -> Sequence[Usable]:
        if not facts.encrypted:
            return ()
        usable = [*_by_certificate(credentials), *_by_password(credentials, token, facts, offered)]
        return [each for each in usable if credentials.mechanisms is None or each.name in credentials.mechanisms]

    def proved(facts: ClientFacts, usable: Usable) -> tuple[ClientFacts, Sequence[Event]]:
        account = credentials.account.bare_address
        return replace(facts, client=account), [ClientAuthenticated(account=account, mechanism=usable.name)]

    return SaslInitiating(choose, is_done=is_authenticated, proved=proved)


def _by_certificate(credentials: Credentials) -> Sequence[Usable]:
    if not credentials.certificate:
        return ()
    account = credentials.account.bare
    return [Usable(name=external.NAME, means=Means.EXTERNAL, begin=lambda: ExternalClient(authzid=account))]


def _by_password(credentials: Credentials, token: Token, facts: ClientFacts, offered: Element) -> Sequence[Usable]:
    if credentials.password is None:
        return ()
    username, password = credentials.account.local, credentials.password
    offers_plus = any(name.endswith("-PLUS") for name in offered_mechanisms(offered))
    best = next(iter(_bindings_in_common(facts, offered, offers_plus)), None)

    def scram(mechanism: ScramMechanism) -> ScramClient:
        # Without -PLUS, `binding` says that we support it (RFC 5802 §6), which must not be sent if -PLUS was offered.
        binding = best if mechanism.plus or not offers_plus else None
        return ScramClient(mechanism, username=username, password=password, token=token, binding=binding)

    known = [mechanism for mechanism in ScramMechanism if best is not None or not mechanism.plus]
    usable = [Usable(name=each, means=Means.PASSWORD, begin=partial(scram, each)) for each in known]
    if facts.remote is not None and facts.certificate_proves(facts.remote):
        usable.append(
            Usable(
                name=plain.NAME,
                means=Means.PASSWORD,
                begin=lambda: PlainClient(username=username, password=password),
            )
        )
    return usable


def _bindings_in_common(facts: ClientFacts, offered: Element, offers_plus: bool) -> Sequence[ChannelBinding]:
    """Return the bindings of both sides; a server without any that we know has been tampered with (XEP-0440 §3)."""
    ours = bindings_of(facts)
    listed = offered.first(CHANNEL_BINDING_TYPES, "sasl-channel-binding")
    if not offers_plus:
        return ours
    if listed is None:
        # COMPAT ejabberd 23.01: offers -PLUS for a type that it does not name and that TLS 1.3 does not have
        return ()
    theirs = {each.get("type") for each in listed.elements(CHANNEL_BINDING_TYPES, "channel-binding")}
    common = [binding for binding in ours if binding.type in theirs]
    if ours and not common and BindingType.TLS_SERVER_END_POINT not in theirs:
        raise StreamError(
            StreamCondition.POLICY_VIOLATION,
            "no channel binding in common",
            reason="the server offers no mandatory channel binding: somebody between us may have removed them",
        )
    return common
