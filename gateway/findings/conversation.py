"""Rules about talking with a domain: whether stanzas pass both ways, what is answered, and what is tolerated."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.findings.facts import PeerAnswer, SeenConversation, SeenDomain, SeenRequest
from gateway.findings.finding import Finding, FindingRule
from gateway.findings.table import FindingId

SLOW_BACK_SECONDS = 10.0
SLOW_SECONDS = 5.0
CLOCK_SECONDS = 60.0
ACKNOWLEDGED_SECONDS = 5.0
_DIALBACK, _EXTERNAL = "dialback", "external"
_NOT_UNDERSTOOD = ("service-unavailable", "feature-not-implemented")


def about_both_ways(seen: SeenDomain) -> Iterator[Finding]:
    """Judge whether the domain and one of ours reach each other, and by which proof."""
    talk = seen.conversation
    if talk is None:
        return
    if talk.problem:
        yield Finding(id=FindingId.NOT_ASKED, observed=talk.problem)
        return
    answered = [each for each in talk.requests if each.answer in (PeerAnswer.RESULT, PeerAnswer.ERROR)]
    if not answered and not talk.we_to_them:
        yield Finding(id=FindingId.NOT_PROVED, observed=_first_told(talk))
        return
    if not answered and not talk.came_back:
        yield Finding(id=FindingId.NO_WAY_BACK, observed=f"from {talk.ours}, proved by {talk.we_to_them}")
        return
    if talk.we_to_them == _DIALBACK:
        yield Finding(id=FindingId.WE_BY_DIALBACK, observed=f"as {talk.ours}")
    if talk.they_to_us == _DIALBACK:
        yield Finding(id=FindingId.THEY_BY_DIALBACK)
    elif not talk.they_to_us:
        yield Finding(id=FindingId.THEY_UNPROVED)
    if talk.our_purposes == "server":
        yield from _about_purpose(talk)
    if answered and answered[0].seconds > SLOW_BACK_SECONDS:
        yield Finding(id=FindingId.SLOW_BACK)
    if talk.they_to_us and talk.we_to_them:
        told = f"{talk.ours} by {talk.we_to_them}, they by {talk.they_to_us}"
        yield Finding(id=FindingId.BOTH_WAYS, observed=told)


def _about_purpose(talk: SeenConversation) -> Iterator[Finding]:
    """Judge what they make of our certificate, which is for servers only."""
    if talk.we_to_them == _EXTERNAL:
        yield Finding(id=FindingId.SERVER_ONLY_TAKEN, observed=f"as {talk.ours}")
    elif "purpose" in talk.certificate_refused.lower():
        yield Finding(id=FindingId.SERVER_ONLY_REFUSED, observed=talk.certificate_refused)


def about_management(seen: SeenDomain) -> Iterator[Finding]:
    """Judge whether stanzas are acknowledged, and how fast (XEP-0198)."""
    talk = seen.conversation
    if talk is None or talk.problem:
        return
    if talk.management == "none":
        yield Finding(id=FindingId.NO_MANAGEMENT)
    if talk.management not in ("acknowledged", "resumable"):
        return
    yield Finding(id=FindingId.RESUMABLE if talk.management == "resumable" else FindingId.NOT_RESUMABLE)
    after = talk.acknowledged_after
    if after is None:
        yield Finding(id=FindingId.NOT_ACKNOWLEDGED, observed="no acknowledgement came")
    elif after > ACKNOWLEDGED_SECONDS:
        yield Finding(id=FindingId.NOT_ACKNOWLEDGED, observed=f"the last acknowledgement came after {after:.0f} s")
    else:
        yield Finding(id=FindingId.ACKNOWLEDGES)


def about_talk(seen: SeenDomain) -> Iterator[Finding]:
    """Judge the answers to requests."""
    talk = seen.conversation
    if talk is None or talk.problem or not (talk.came_back or _answers(talk)):
        return
    findings = [found for each in talk.requests for found in _about_request(each)]
    if talk.clock_skew is not None and abs(talk.clock_skew) > CLOCK_SECONDS:
        direction = "ahead of" if talk.clock_skew > 0 else "behind"
        minutes = round(abs(talk.clock_skew) / 60)
        findings.append(Finding(id=FindingId.CLOCK_OFF, observed=f"about {minutes} min {direction} this machine"))
    yield from findings
    if any(each.seconds > SLOW_SECONDS for each in talk.requests[1:] if each.answer is not PeerAnswer.SILENCE):
        yield Finding(id=FindingId.SLOW)
    if not any(each.is_wrong for each in findings):
        yield Finding(id=FindingId.TALKS, observed=", ".join(each.what for each in talk.requests))


def _about_request(each: SeenRequest) -> Iterator[Finding]:
    """Judge one answer by what was asked."""
    if each.answer is PeerAnswer.NOT_ASKED:
        return
    told = f"{each.what}: {each.condition or each.answer}"
    silent, wrong = _IF_SILENT.get(each.what, FindingId.IQ_UNANSWERED), _IF_RESULT.get(each.what)
    if each.answer is PeerAnswer.SILENCE:
        yield Finding(id=silent, observed=told)
    elif each.answer is PeerAnswer.RESULT and wrong is not None:
        yield Finding(id=wrong, observed=told)
    elif each.answer is PeerAnswer.ERROR and (refused := _IF_REFUSED.get(each.what)) is not None:
        yield Finding(id=refused, observed=told)
    elif (
        (too_large := _IF_TOO_LARGE.get(each.what)) is not None
        and each.answer is PeerAnswer.ERROR
        and each.condition not in _NOT_UNDERSTOOD
    ):
        yield Finding(id=too_large, observed=told)


_IF_TOO_LARGE = {"large": FindingId.LARGE_REFUSED, "64 KiB": FindingId.LARGER_REFUSED}
_IF_SILENT = {
    "unknown user": FindingId.UNKNOWN_USER_SILENT,
    "unknown request": FindingId.UNKNOWN_REQUEST_SILENT,
    **_IF_TOO_LARGE,
}
_IF_RESULT = {
    "unknown user": FindingId.UNKNOWN_USER_WRONG,
    "unknown request": FindingId.UNKNOWN_REQUEST_WRONG,
}
_IF_REFUSED = {"ping": FindingId.NO_PING, "disco": FindingId.NO_DISCO}


def about_tolerance(seen: SeenDomain) -> Iterator[Finding]:
    """Judge what the server makes of what is unusual or forbidden (`--thorough`)."""
    findings = []
    for each in seen.tolerance:
        found = _TOLERANCE.get((each.what, each.answer))
        if found is not None:
            findings.append(Finding(id=found, observed=each.told))
    yield from findings
    tried = [each.what for each in seen.tolerance if each.answer is not PeerAnswer.NOT_ASKED]
    if tried and not findings:
        yield Finding(id=FindingId.TOLERANT, observed=", ".join(tried))


# RESULT: it was accepted; ERROR: refused.
_TOLERANCE = {
    ("confirmation", PeerAnswer.NOT_ASKED): FindingId.NOT_CONFIRMED,
    ("TLS 1.3 only", PeerAnswer.ERROR): FindingId.ONLY_OLD_TLS,
    ("TLS 1.1 only", PeerAnswer.RESULT): FindingId.OLD_TLS_TAKEN,
    ("white space", PeerAnswer.ERROR): FindingId.WHITESPACE_REFUSED,
    ("1,000 pairs", PeerAnswer.ERROR): FindingId.PAIRS_UNANSWERED,
    ("a comment", PeerAnswer.RESULT): FindingId.RESTRICTED_XML_TAKEN,
}


def _answers(talk: SeenConversation) -> bool:
    return any(each.answer in (PeerAnswer.RESULT, PeerAnswer.ERROR) for each in talk.requests)


def _first_told(talk: SeenConversation) -> str:
    return next((each.told for each in talk.requests if each.told), "")


RULES: tuple[FindingRule, ...] = (about_both_ways, about_management, about_talk, about_tolerance)
