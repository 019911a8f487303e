"""Rules about the servers themselves: connection, TLS, certificate, and the start of a stream."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.findings.facts import PeerAnswer, Reached, SeenCertificate, SeenDomain, SeenEndpoint, STARTTLSOffer
from gateway.findings.finding import Finding, FindingRule, at
from gateway.findings.table import FindingId

FEW_DAYS = 14
"""A certificate that expires within this many days is worth a note."""
OLD_VERSIONS = ("SSLv3", "TLSv1", "TLSv1.1")
_FAILED = (Reached.REFUSED, Reached.SILENT)


# -- connection ----------------------------------------------------------------------------------------------------


def about_connections(seen: SeenDomain) -> Iterator[Finding]:
    """Judge which addresses accept connections."""
    tried = [each for each in seen.endpoints if each.reached in (Reached.CONNECTED, *_FAILED)]
    for each in seen.endpoints:
        if each.reached is Reached.NO_ROUTE:
            yield at(FindingId.NO_ROUTE, each.place, each.told)
        if each.reached is Reached.SKIPPED:
            yield at(FindingId.UNFINISHED, each.place, f"not tried: {each.told}" if each.told else "not tried")
    if seen.unfinished:
        yield Finding(id=FindingId.UNFINISHED, observed=seen.unfinished)
    if tried and not seen.connected:
        for each in tried:
            yield at(FindingId.UNREACHABLE, each.place, each.told)
        return
    failed = [each for each in tried if each.reached in _FAILED]
    if tried and not failed:
        yield Finding(id=FindingId.REACHABLE, where=tuple(each.place for each in tried))
    for each in failed:
        yield at(_partial_failure(each, tried), each.place, each.told)


def _partial_failure(failed: SeenEndpoint, tried: list[SeenEndpoint]) -> FindingId:
    """Return what it means that this address failed while others of the domain did not."""
    same = [each for each in tried if (each.host, each.port) == (failed.host, failed.port)]
    if not any(each.reached is Reached.CONNECTED for each in same):
        return FindingId.SERVER_DEAD
    six = [each for each in same if ":" in each.address]
    four_works = any(":" not in each.address and each.reached is Reached.CONNECTED for each in same)
    if ":" in failed.address and four_works and all(each.reached in _FAILED for each in six):
        return FindingId.IPV6_DEAD
    return FindingId.ADDRESS_DEAD


# -- TLS -----------------------------------------------------------------------------------------------------------


def about_tls(seen: SeenDomain) -> Iterator[Finding]:
    """Judge TLS on each address that accepted a connection."""
    fine = []
    for each in seen.connected:
        findings = list(_tls_of(each))
        yield from findings
        if each.secured is not None and not any(found.is_wrong for found in findings):
            fine.append((each.place, each.secured))
    if fine and len(fine) == len(seen.connected):
        for place, secured in fine:
            yield at(FindingId.TLS_GOOD, place, f"{secured.version} with {secured.cipher}")


def _tls_of(each: SeenEndpoint) -> Iterator[Finding]:
    secured, stream = each.secured, each.stream
    if stream.starttls is STARTTLSOffer.ABSENT:
        yield at(FindingId.NO_STARTTLS, each.place, f"offered: {', '.join(stream.features) or 'nothing'}")
    if stream.starttls is STARTTLSOffer.OPTIONAL:
        yield at(FindingId.STARTTLS_OPTIONAL, each.place)
    if secured is None:
        if each.problem:
            yield at(FindingId.TLS_FAILED, each.place, each.problem)
        return
    if secured.version in OLD_VERSIONS:
        yield at(FindingId.TLS_OLD, each.place, secured.version)
        return
    if secured.version == "TLSv1.2":
        if not _is_strong(secured.cipher):
            yield at(FindingId.TLS_WEAK, each.place, secured.cipher)
        yield at(FindingId.NO_TLS_1_3, each.place)
    if each.tls == "direct" and secured.alpn != "xmpp-server":
        yield at(FindingId.NO_ALPN, each.place)


def _is_strong(cipher: str) -> bool:
    """Return whether a TLS 1.2 cipher has forward secrecy and authenticated encryption."""
    return cipher.startswith(("ECDHE-", "DHE-")) and any(mode in cipher for mode in ("GCM", "CHACHA20", "CCM"))


def about_sni(seen: SeenDomain) -> Iterator[Finding]:
    """Judge whether the certificate depends on the name in the handshake."""
    without = seen.without_sni
    if without is None or without.reached is not Reached.CONNECTED:
        return
    same = [each for each in seen.connected if each.place == without.place]
    named = same[0].certificate if same else None
    if named is None or not named.names_domain:
        return
    if without.problem:
        yield at(FindingId.NEEDS_SNI, without.place, without.problem)
    elif without.certificate is not None and not without.certificate.names_domain:
        yield at(FindingId.NEEDS_SNI, without.place, f"without SNI: {without.certificate.names}")


# -- certificate ---------------------------------------------------------------------------------------------------

# What a reason for distrust is called here; those that need a closer look are decided in `_distrusted`.
_BY_REASON = {
    "absent": FindingId.NO_CERTIFICATE,
    "unreadable": FindingId.NO_CERTIFICATE,
    "not yet valid": FindingId.NOT_YET_VALID,
    "expired": FindingId.EXPIRED,
    "self-signed": FindingId.SELF_SIGNED,
    "wrong purpose": FindingId.WRONG_PURPOSE,
    "revoked": FindingId.REVOKED,
}


def about_certificates(seen: SeenDomain) -> Iterator[Finding]:
    """Judge the certificate of each address, and whether they agree."""
    shown = [(each, each.certificate) for each in seen.connected if each.certificate is not None]
    fine = []
    for each, certificate in shown:
        findings = list(_certificate_at(each.place, certificate))
        yield from findings
        if not any(found.is_wrong for found in findings):
            fine.append(each)
    if fine and len(fine) == len(shown):
        first = shown[0][1]
        told = f"for {first.names}, until {first.not_after}, from {first.issuer}"
        yield Finding(id=FindingId.CERTIFICATE_GOOD, observed=told, where=tuple(each.place for each in fine))
    keys: dict[str, list[str]] = {}
    for each, certificate in shown:
        keys.setdefault(certificate.key, []).append(each.place)
    if len(keys) > 1:
        told = "; ".join(f"{key[:16]}... at {', '.join(places)}" for key, places in sorted(keys.items()))
        yield Finding(id=FindingId.KEYS_DIFFER, observed=told)


def _certificate_at(place: str, certificate: SeenCertificate) -> Iterator[Finding]:
    by_dane = certificate.dane == "match"
    if certificate.reason == "trusted":
        if certificate.days_left < FEW_DAYS:
            yield at(FindingId.EXPIRES_SOON, place, f"on {certificate.not_after}")
    elif not by_dane:
        yield at(distrusted(certificate), place, certificate.problem)
    if certificate.names and not certificate.names_domain and not by_dane:
        yield at(FindingId.WRONG_NAME, place, f"it is for {certificate.names}")
    if certificate.purposes == "server":
        yield at(FindingId.SERVER_ONLY, place)
    if by_dane:
        yield at(FindingId.TLSA_MATCHES, place)
    elif certificate.dane:
        yield at(FindingId.TLSA_MISMATCH, place, certificate.dane)


def distrusted(certificate: SeenCertificate) -> FindingId:
    """Return what is wrong with a certificate that leads to no authority of this machine."""
    if certificate.reason in ("unknown authority", "bad signature") and not certificate.ends_in_root:
        return FindingId.CHAIN_INCOMPLETE
    if certificate.reason == "unknown authority":
        return FindingId.AUTHORITY_UNKNOWN
    return _BY_REASON.get(certificate.reason, FindingId.CERTIFICATE_REFUSED)


# -- negotiation ---------------------------------------------------------------------------------------------------

_UNKNOWN_HOST = ("host-unknown", "host-gone")
_UNDEFINED = "undefined-condition"  # COMPAT Prosody 0.12, where it has no stream feature to offer
# Conditions with which servers turn away peers without a certificate that they trust.
_NOT_YOU = ("not-authorized", "policy-violation", "invalid-from", "remote-connection-failed")


def about_streams(seen: SeenDomain) -> Iterator[Finding]:
    """Judge how the server begins a stream, on each address."""
    fine = []
    for each in seen.connected:
        findings = list(_stream_of(each, seen.domain))
        yield from findings
        if each.stream.header and not any(found.is_wrong for found in findings):
            fine.append(each.place)
    if fine and len(fine) == len(seen.connected):
        yield Finding(id=FindingId.STREAM_OPENED, where=tuple(fine))


def _stream_of(each: SeenEndpoint, domain: str) -> Iterator[Finding]:
    stream, place = each.stream, each.place
    if each.problem:
        return  # the chapter on TLS says it
    if stream.condition in _UNKNOWN_HOST:
        yield at(FindingId.HOST_UNKNOWN, place, _error(each))
        return
    if not stream.header:
        yield at(FindingId.NOT_XMPP, place, _error(each) or stream.ended or "no answer")
        return
    if stream.from_ and stream.from_ != domain:
        yield at(FindingId.WRONG_FROM, place, f"from {stream.from_}")
    if not stream.has_id:
        yield at(FindingId.NO_STREAM_ID, place)
    if stream.version != "1.0":
        yield at(FindingId.NO_VERSION, place)
        return
    if _answers_by_error(each):
        return
    if stream.condition:
        has_nothing_for_us = stream.features_in_tls is None and stream.condition == _UNDEFINED
        is_choice = each.secured is not None and (stream.condition in _NOT_YOU or has_nothing_for_us)
        yield at(FindingId.NEEDS_CERTIFICATE if is_choice else FindingId.STREAM_REFUSED, place, _error(each))
    elif stream.starttls is None and each.secured is None:
        yield at(FindingId.NO_FEATURES, place, stream.ended)
    elif each.secured is not None and stream.features_in_tls is None:
        yield at(FindingId.NO_FEATURES, place, stream.ended or "nothing was sent after TLS had started")


def _error(each: SeenEndpoint) -> str:
    stream = each.stream
    return f"{stream.condition}: {stream.text}" if stream.text else stream.condition


def about_dialback(seen: SeenDomain) -> Iterator[Finding]:
    """Judge what the server makes of dialback, where it let us get that far."""
    led = [each for each in seen.connected if each.stream.features_in_tls is not None]
    for each in led:
        stream = each.stream
        if stream.verify is PeerAnswer.VALID:
            yield at(FindingId.VERIFIES_ANYTHING, each.place)
        if stream.claim is PeerAnswer.VALID:
            yield at(FindingId.BELIEVES_ANYBODY, each.place)
    asked = [
        each
        for each in led
        if each.stream.verify is not PeerAnswer.NOT_ASKED and (not each.stream.condition or _answers_by_error(each))
    ]
    for each in asked:
        stream, answers = each.stream, each.stream.verify in (PeerAnswer.INVALID, PeerAnswer.ERROR)
        if not stream.dialback:
            yield at(FindingId.DIALBACK_HIDDEN if answers else FindingId.NO_DIALBACK, each.place)
            continue
        if stream.verify is PeerAnswer.SILENCE:
            yield at(FindingId.VERIFY_SILENT, each.place, stream.ended)
        if not stream.dialback_errors:
            yield at(FindingId.NO_DIALBACK_ERRORS, each.place)
        if answers:
            yield at(FindingId.DIALBACK_GOOD, each.place)


def about_features(seen: SeenDomain) -> Iterator[Finding]:
    """Judge which features are offered before and after TLS."""
    led = [each for each in seen.connected if each.stream.features_in_tls is not None]
    for each in led:
        stream = each.stream
        if stream.starttls is STARTTLSOffer.REQUIRED and stream.mechanisms_in_clear:
            yield at(FindingId.SASL_BEFORE_TLS, each.place, f"offered: {', '.join(stream.mechanisms_in_clear)}")
        if "starttls" in (stream.features_in_tls or ()):
            yield at(FindingId.STARTTLS_AGAIN, each.place)
    offering = [each.place for each in led if "bidi" in (each.stream.features_in_tls or ())]
    if led:
        yield Finding(id=FindingId.BIDI_OFFERED if offering else FindingId.NO_BIDI, where=tuple(offering))


def _answers_by_error(each: SeenEndpoint) -> bool:
    """Return whether the stream ended over a question about dialback, which the server does not offer."""
    return bool(each.stream.condition) and each.stream.verify is PeerAnswer.SILENCE and not each.stream.dialback


RULES: tuple[FindingRule, ...] = (
    about_connections,
    about_tls,
    about_sni,
    about_certificates,
    about_streams,
    about_dialback,
    about_features,
)
