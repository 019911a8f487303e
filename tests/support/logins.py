"""A client and its server as two streams and a wire: our own client role on one end, our own client door on the other.

    login = Login(password="wrong")
    login.start()
    assert login.failures() == ["not-authorized"]

The account is juliet@ours.test. Questions are answered at once: keys from a table, work in place, no pause.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

from gateway.features.bind import Bind, BindOurselves, BindResource, LegacySession, ResourceBound
from gateway.features.sasl import Compute, CredentialsFound, FindCredentials, Pause, Paused, carry_out
from gateway.features.sasl_clients import ChannelBindingTypes, Credentials, accepting_clients, logging_in
from gateway.features.starttls import StartTLS
from gateway.sasl.keys import Decoys, ScramHash, ScramKeys
from gateway.stream.events import CloseTransport, ProofFailed
from gateway.stream.facts import ClientFacts, Facts, Role, Terms
from gateway.stream.header import StreamHeader
from gateway.stream.negotiation import StreamFeature
from gateway.stream.profiles import client_profile
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import SaslFailure
from tests.support.pair import Certificate, End, Pair, make_stream
from tests.support.steps import OURS

PASSWORD = "wherefore art thou"
ACCOUNT = Address.parse("juliet@ours.test")
ITERATIONS = 4096
DECOYS = Decoys(b"a secret of the server", iterations=ITERATIONS)
KEYS = {hash: ScramKeys.derive(hash, PASSWORD, salt=b"0123456789abcdef", iterations=ITERATIONS) for hash in ScramHash}
TERMS = Terms(stanza_bytes=262144)
OUR_CERTIFICATE = Certificate(frozenset({OURS}))


def nonces(prefix: str = "nonce") -> Any:
    """Nonces that everybody can guess."""
    return lambda numbers=count(1): f"{prefix}-{next(numbers)}"


def server_features() -> tuple[StreamFeature, ...]:
    """Return what a client door negotiates."""
    sasl = accepting_clients(DECOYS, nonces("server"))
    return (StartTLS(), ChannelBindingTypes(), sasl, Bind(), LegacySession())


def accept_client(header: StreamHeader, facts: Facts) -> Facts:
    """A door for one domain."""
    return replace(facts, local=header.to_domain)


def accept_answer(header: StreamHeader, facts: Facts) -> Facts:
    """We know whom we called."""
    return facts


class Login(Pair):
    """A client that logs in at ours.test."""

    def __init__(
        self,
        *,
        password: str | None = PASSWORD,
        account: Address = ACCOUNT,
        mechanisms: frozenset[str] | None = None,
        shown: Certificate | None = None,
        server: Certificate = OUR_CERTIFICATE,
        wish: str | None = None,
        keys: dict[ScramHash, ScramKeys] | SaslFailure | None = None,
        bytewise: bool = False,
    ) -> None:
        credentials = Credentials(
            account=account, password=password, certificate=shown is not None, mechanisms=mechanisms
        )
        client = make_stream(
            client_profile(StartTLS(), logging_in(credentials, nonces("client")), BindOurselves(wish)),
            ClientFacts(role=Role.INITIATING, remote=OURS, terms=TERMS),
            accept=accept_answer,
        )
        door = make_stream(
            client_profile(*server_features()), ClientFacts(role=Role.RECEIVING, terms=TERMS), accept=accept_client
        )
        super().__init__(End(client, certificate=shown), End(door, certificate=server), bytewise=bytewise)
        self.taken: set[str] = set()
        self._keys = KEYS if keys is None else keys
        self._made = count(1)
        self.initiating.answers[Compute] = carry_out
        self.receiving.answers |= {
            Compute: carry_out,
            FindCredentials: self._find,
            Pause: lambda _: Paused(),
            BindResource: self._bind,
        }

    def _find(self, question: FindCredentials) -> CredentialsFound:
        if isinstance(self._keys, SaslFailure):
            return CredentialsFound(keys=self._keys)
        known = next((self._keys[hash] for hash in question.hashes if hash in self._keys), None)
        return CredentialsFound(keys=known if question.account == ACCOUNT.full else None)

    def _bind(self, question: BindResource) -> ResourceBound:
        name = question.wish if question.wish and question.wish not in self.taken else f"made-{next(self._made)}"
        return ResourceBound(id=question.id, address=question.account.with_resource(name))

    def failures(self) -> list[str]:
        """The conditions that the client was refused with."""
        return [output.condition for output in self.initiating.outputs if isinstance(output, ProofFailed)]

    def ends(self) -> list[str]:
        """The conditions with which either end closed its stream, the client first."""
        outputs = [*self.initiating.outputs, *self.receiving.outputs]
        closing = [output.error for output in outputs if isinstance(output, CloseTransport)]
        return [str(error.condition) for error in closing if error is not None]
