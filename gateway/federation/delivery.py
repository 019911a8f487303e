"""Why something could not be delivered to a remote domain, from any cause to the stanza error that tells the sender.

One table maps the verdict of an attempt to the condition of the bounce (RFC 6120 §8.3.3): `remote-server-not-found`
when there is no such server, `remote-server-timeout` when there is or may be one and it could not be used.
"""

from __future__ import annotations

from gateway.attempts.verdicts import Verdict
from gateway.errors import GatewayError, StanzaCondition, StanzaError

_CONDITIONS = {
    Verdict.NO_SUCH_DOMAIN: StanzaCondition.REMOTE_SERVER_NOT_FOUND,
    Verdict.REFUSED_BY_US: StanzaCondition.REMOTE_SERVER_TIMEOUT,
}


class DeliveryFailed(GatewayError):
    """A remote domain cannot be reached: `reason` in plain words, `condition` for the senders of what waited."""

    def __init__(self, reason: str, condition: StanzaCondition = StanzaCondition.REMOTE_SERVER_TIMEOUT) -> None:
        super().__init__(reason)
        self.reason = reason
        self.condition = condition

    def stanza_error(self, domain: str) -> StanzaError:
        """The error for the sender. It names the domain and the kind of failure; our reasons stay in our log."""
        text = {
            StanzaCondition.REMOTE_SERVER_NOT_FOUND: f"no XMPP server was found for {domain}",
            StanzaCondition.REMOTE_SERVER_TIMEOUT: f"the server of {domain} could not be reached",
        }[self.condition]
        return StanzaError(self.condition, text, reason=self.reason)


def failure_of(verdict: Verdict, reason: str) -> DeliveryFailed:
    """The failure that an attempt with this verdict is to whoever waited for it."""
    return DeliveryFailed(reason, _CONDITIONS.get(verdict, StanzaCondition.REMOTE_SERVER_TIMEOUT))
