"""Why something could not be delivered to a remote domain, from any cause to the stanza error that tells the sender.

One table maps the verdict of an attempt to the condition of the bounce (RFC 6120 §8.3.3): `remote-server-not-found`
when there is no such server, `remote-server-timeout` when there is or may be one and it could not be used. And how a
stream ended on which stanzas were sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.addresses import DomainPair
from gateway.attempts.verdicts import Verdict
from gateway.errors import GatewayError, StanzaCondition, StanzaError
from gateway.stanzas import Stanza

_CONDITIONS = {Verdict.NO_SUCH_DOMAIN: StanzaCondition.REMOTE_SERVER_NOT_FOUND}
# What the other server has against one domain of ours, it need not have against another.
_OF_THE_PAIR = {Verdict.NO_COMMON_PROOF, Verdict.PROOF_REFUSED, Verdict.CLOSED_AFTER_PROOF, Verdict.CLOSED_BY_PEER}


class DeliveryFailed(GatewayError):
    """A remote domain cannot be reached: `reason` in plain words, `condition` for the senders of what waited.

    `of_the_pair` tells a failure that concerns one domain of ours from one that every domain would meet.
    """

    def __init__(
        self,
        reason: str,
        condition: StanzaCondition = StanzaCondition.REMOTE_SERVER_TIMEOUT,
        *,
        of_the_pair: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.condition = condition
        self.of_the_pair = of_the_pair

    @property
    def is_definite(self) -> bool:
        """Whether there is nothing to wait for: the domain has no server."""
        return self.condition is StanzaCondition.REMOTE_SERVER_NOT_FOUND

    def stanza_error(self, domain: str) -> StanzaError:
        """The error for the sender. It names the domain and the kind of failure; our reasons stay in our log."""
        text = {
            StanzaCondition.REMOTE_SERVER_NOT_FOUND: f"no XMPP server was found for {domain}",
            StanzaCondition.REMOTE_SERVER_TIMEOUT: f"the server of {domain} could not be reached",
        }[self.condition]
        return StanzaError(self.condition, text, reason=self.reason)


def failure_of(verdict: Verdict, reason: str) -> DeliveryFailed:
    """The failure that an attempt with this verdict is to whoever waited for it."""
    condition = _CONDITIONS.get(verdict, StanzaCondition.REMOTE_SERVER_TIMEOUT)
    return DeliveryFailed(reason, condition, of_the_pair=verdict in _OF_THE_PAIR)


@dataclass(frozen=True, kw_only=True)
class StreamEnd:
    """How a stream ended, for the routes that sent on it."""

    reason: str
    cleanly: bool = False  # closed properly: what was written has arrived
    stalled: bool = False  # cut, as the other side took nothing any more
    stuck: bool = False  # the other side took nothing when it ended
    resuming: bool = False  # what was not acknowledged is given back later
    returned: Mapping[DomainPair, list[Stanza]] = field(default_factory=dict)  # not acknowledged: to be sent again
    blamed: Stanza | None = None  # the stanza over which the other side ended the stream, most likely


def by_pair(stanzas: Sequence[Stanza]) -> dict[DomainPair, list[Stanza]]:
    """Stanzas by the pair of domains that they are of."""
    sorted_: defaultdict[DomainPair, list[Stanza]] = defaultdict(list)
    for stanza in stanzas:
        assert stanza.from_ is not None
        assert stanza.to is not None
        sorted_[DomainPair(stanza.from_.domain, stanza.to.domain)].append(stanza)
    return dict(sorted_)
