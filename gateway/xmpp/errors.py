"""The one exception tree, and the condition tables of RFC 6120 §4.9.3, §6.5 and §8.3.3.

An error from the peer is an event, an error for the peer an exception, and a refusal by policy a value. An error
carries its wire form as a condition; `text` is for the peer, `reason` for our log, so that no answer ever reveals our
configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any


class GatewayError(Exception):
    """The base class of everything that this package raises on purpose."""


class Misuse(GatewayError):
    """Our own bug: code was called in a state in which it must not be."""


class ConfigError(GatewayError):
    """A mistake in the configuration, with the key that it is about; it stops the start."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


class MalformedAddress(GatewayError, ValueError):
    """Text that is not an XMPP address (RFC 7622); `problem` says which rule it breaks."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class StreamCondition(StrEnum):
    """The stream error conditions of RFC 6120 §4.9.3, by their element names."""

    BAD_FORMAT = "bad-format"
    BAD_NAMESPACE_PREFIX = "bad-namespace-prefix"
    CONFLICT = "conflict"
    CONNECTION_TIMEOUT = "connection-timeout"
    HOST_GONE = "host-gone"
    HOST_UNKNOWN = "host-unknown"
    IMPROPER_ADDRESSING = "improper-addressing"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    INVALID_FROM = "invalid-from"
    INVALID_NAMESPACE = "invalid-namespace"
    INVALID_XML = "invalid-xml"
    NOT_AUTHORIZED = "not-authorized"
    NOT_WELL_FORMED = "not-well-formed"
    POLICY_VIOLATION = "policy-violation"
    REMOTE_CONNECTION_FAILED = "remote-connection-failed"
    RESET = "reset"
    RESOURCE_CONSTRAINT = "resource-constraint"
    RESTRICTED_XML = "restricted-xml"
    SEE_OTHER_HOST = "see-other-host"
    SYSTEM_SHUTDOWN = "system-shutdown"
    UNDEFINED_CONDITION = "undefined-condition"
    UNSUPPORTED_ENCODING = "unsupported-encoding"
    UNSUPPORTED_FEATURE = "unsupported-feature"
    UNSUPPORTED_STANZA_TYPE = "unsupported-stanza-type"
    UNSUPPORTED_VERSION = "unsupported-version"


class StanzaCondition(StrEnum):
    """The stanza error conditions of RFC 6120 §8.3.3, by their element names."""

    BAD_REQUEST = "bad-request"
    CONFLICT = "conflict"
    FEATURE_NOT_IMPLEMENTED = "feature-not-implemented"
    FORBIDDEN = "forbidden"
    GONE = "gone"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    ITEM_NOT_FOUND = "item-not-found"
    JID_MALFORMED = "jid-malformed"
    NOT_ACCEPTABLE = "not-acceptable"
    NOT_ALLOWED = "not-allowed"
    NOT_AUTHORIZED = "not-authorized"
    POLICY_VIOLATION = "policy-violation"
    RECIPIENT_UNAVAILABLE = "recipient-unavailable"
    REDIRECT = "redirect"
    REGISTRATION_REQUIRED = "registration-required"
    REMOTE_SERVER_NOT_FOUND = "remote-server-not-found"
    REMOTE_SERVER_TIMEOUT = "remote-server-timeout"
    RESOURCE_CONSTRAINT = "resource-constraint"
    SERVICE_UNAVAILABLE = "service-unavailable"
    SUBSCRIPTION_REQUIRED = "subscription-required"
    UNDEFINED_CONDITION = "undefined-condition"
    UNEXPECTED_REQUEST = "unexpected-request"


# The error type that RFC 6120 §8.3.3 assigns to each condition: what the sender may do next (§8.3.2).
ERROR_TYPES = {
    StanzaCondition.BAD_REQUEST: "modify",
    StanzaCondition.CONFLICT: "cancel",
    StanzaCondition.FEATURE_NOT_IMPLEMENTED: "cancel",
    StanzaCondition.FORBIDDEN: "auth",
    StanzaCondition.GONE: "cancel",
    StanzaCondition.INTERNAL_SERVER_ERROR: "cancel",
    StanzaCondition.ITEM_NOT_FOUND: "cancel",
    StanzaCondition.JID_MALFORMED: "modify",
    StanzaCondition.NOT_ACCEPTABLE: "modify",
    StanzaCondition.NOT_ALLOWED: "cancel",
    StanzaCondition.NOT_AUTHORIZED: "auth",
    StanzaCondition.POLICY_VIOLATION: "modify",
    StanzaCondition.RECIPIENT_UNAVAILABLE: "wait",
    StanzaCondition.REDIRECT: "modify",
    StanzaCondition.REGISTRATION_REQUIRED: "auth",
    StanzaCondition.REMOTE_SERVER_NOT_FOUND: "cancel",
    StanzaCondition.REMOTE_SERVER_TIMEOUT: "wait",
    StanzaCondition.RESOURCE_CONSTRAINT: "wait",
    StanzaCondition.SERVICE_UNAVAILABLE: "cancel",
    StanzaCondition.SUBSCRIPTION_REQUIRED: "auth",
    StanzaCondition.UNDEFINED_CONDITION: "modify",
    StanzaCondition.UNEXPECTED_REQUEST: "wait",
}


class SaslCondition(StrEnum):
    """The SASL failure conditions of RFC 6120 §6.5, by their element names."""

    ABORTED = "aborted"
    ACCOUNT_DISABLED = "account-disabled"
    CREDENTIALS_EXPIRED = "credentials-expired"
    ENCRYPTION_REQUIRED = "encryption-required"
    INCORRECT_ENCODING = "incorrect-encoding"
    INVALID_AUTHZID = "invalid-authzid"
    INVALID_MECHANISM = "invalid-mechanism"
    MALFORMED_REQUEST = "malformed-request"
    MECHANISM_TOO_WEAK = "mechanism-too-weak"
    NOT_AUTHORIZED = "not-authorized"
    TEMPORARY_AUTH_FAILURE = "temporary-auth-failure"


class StreamError(GatewayError):
    """A condition that ends the stream: `<stream:error/>`, the closing tag, then TCP (RFC 6120 §4.9.1.1)."""

    def __init__(self, condition: StreamCondition, text: str = "", *, reason: str = "", detail: Any = None) -> None:
        """`detail` is an application-specific condition element (RFC 6120 §4.9.4)."""
        super().__init__(f"{condition}: {reason or text}" if reason or text else str(condition))
        self.condition = condition
        self.text = text
        self.reason = reason or text
        self.detail = detail


class SeeOtherHost(StreamError):
    """The other side should connect to another of our hosts (RFC 6120 §4.9.3.19)."""

    def __init__(self, host: str, *, reason: str = "") -> None:
        """`host` is a name or an address, and a port if need be; an IPv6 address is in brackets."""
        super().__init__(StreamCondition.SEE_OTHER_HOST, reason=reason or f"it is sent on to {host}")
        self.host = host


class TLSRequired(StreamError):
    """The other side does not use TLS where we require it: it offers none, or went on without."""

    def __init__(self, text: str = "TLS is required here", *, reason: str = "") -> None:
        super().__init__(StreamCondition.POLICY_VIOLATION, text, reason=reason)


class TLSFailed(StreamError):
    """The other side offered TLS but could not start it."""

    def __init__(self, reason: str) -> None:
        super().__init__(StreamCondition.UNDEFINED_CONDITION, reason=reason)


class StanzaError(GatewayError):
    """A condition that is answered with an error stanza while the stream continues (RFC 6120 §8.3)."""

    def __init__(
        self, condition: StanzaCondition, text: str = "", *, reason: str = "", error_type: str | None = None
    ) -> None:
        super().__init__(f"{condition}: {reason or text}" if reason or text else str(condition))
        self.condition = condition
        self.text = text
        self.reason = reason or text
        self.error_type = error_type or ERROR_TYPES[condition]


class StanzaDropped(GatewayError):
    """A stanza that ends here without an answer while the stream continues; `rule` is its cause in the log."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"{rule}: {reason}")
        self.rule = rule
        self.reason = reason


class SaslFailure(GatewayError):
    """A condition that ends one attempt to authenticate: `<failure/>`; the stream continues (RFC 6120 §6.4.5)."""

    def __init__(self, condition: SaslCondition, text: str = "", *, reason: str = "") -> None:
        super().__init__(f"{condition}: {reason or text}" if reason or text else str(condition))
        self.condition = condition
        self.text = text
        self.reason = reason or text


class Unreachable(GatewayError):
    """A remote domain was not found or not reached; `steps` has everything that was tried, in order, in plain
    sentences.

    `permanent` distinguishes a domain that definitely does not exist (remote-server-not-found, RFC 6120 §8.3.3.16) from
    one that may exist later (remote-server-timeout, §8.3.3.17).
    """

    def __init__(self, sentence: str, *, permanent: bool, steps: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.permanent = permanent
        self.steps = tuple(steps)


class ResolutionFailed(Unreachable):
    """The name of a remote domain did not lead to an address; `bogus` where DNSSEC says that an answer was false."""

    def __init__(self, sentence: str, *, permanent: bool, steps: Sequence[str] = (), bogus: bool = False) -> None:
        super().__init__(sentence, permanent=permanent, steps=steps)
        self.bogus = bogus


class DiallingFailed(Unreachable):
    """No address of a remote domain accepted a connection; `silent` if nothing at all came back from any of them."""

    def __init__(self, sentence: str, *, permanent: bool, steps: Sequence[str] = (), silent: bool = False) -> None:
        super().__init__(sentence, permanent=permanent, steps=steps)
        self.silent = silent
