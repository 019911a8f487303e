"""Findings: the sources of troubles. Each function reads one part of the running gateway and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.components.route import ComponentRoute
from gateway.config.settings import ComponentDomain, HandlerDomain, RelayDomain, Settings
from gateway.filters.lists import ListState
from gateway.net.certificates.own_certificates import Identity
from gateway.notices.attempts.records import Attempt, Kind
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import counted
from gateway.operations.fates import Fates
from gateway.operations.status_records import DiskFigures
from gateway.operations.troubles import Trouble, TroubleKind
from gateway.outbox.conditions import Condition
from gateway.outbox.keeper import Keeper
from gateway.xmpp.addresses import Domain

FEW_DAYS = 14
"""One of our certificates that expires within this many days is a trouble."""
LEAST_DISK_BYTES = 64 * 1024 * 1024
_MOST_NAMED = 3


def ports(missing: Callable[[], Iterable[str]]) -> Iterator[Trouble]:
    """Yield ports that are not open."""
    for each in missing():
        yield Trouble(kind=TroubleKind.PORT, subject=each, sentence=each)


def outbox(keeper: Keeper) -> Iterator[Trouble]:
    """Yield an outbox that accepts nothing."""
    condition = keeper.outbox.condition if keeper.outbox is not None else Condition.READY
    if not condition.is_ready and condition is not Condition.CLOSED:
        yield Trouble(
            kind=TroubleKind.OUTBOX, subject=condition.word, sentence=condition.sentence, remedy=condition.remedy
        )


def disk(state: Path) -> Iterator[Trouble]:
    """Yield a state folder that cannot be written to, or whose disk is nearly full."""
    try:
        found = os.statvfs(state)
    except OSError as error:
        sentence = f"the state folder {state} cannot be read: {error.strerror}"
        yield Trouble(kind=TroubleKind.DISK, subject="folder", sentence=sentence, remedy="check that it is mounted")
        return
    if not os.access(state, os.W_OK):
        sentence = f"the state folder {state} cannot be written"
        remedy = "give it to the user that the gateway runs as, on a file system mounted for writing"
        yield Trouble(kind=TroubleKind.DISK, subject="folder", sentence=sentence, remedy=remedy)
    free = found.f_bavail * found.f_frsize
    if free < LEAST_DISK_BYTES or (found.f_files and not found.f_favail):
        sentence = f"the disk of the state folder {state} is nearly full: {free // 1024**2} MiB are left"
        yield Trouble(kind=TroubleKind.DISK, subject="full", sentence=sentence, remedy="make room on that disk")


def disk_figures(state: Path) -> DiskFigures | None:
    """Return the size of the disk of the state folder, and how much is free; None if it cannot be read."""
    try:
        found = os.statvfs(state)
    except OSError:
        return None
    return DiskFigures(folder=str(state), size=found.f_blocks * found.f_frsize, free=found.f_bavail * found.f_frsize)


def accounts(store: object) -> Iterator[Trouble]:
    """Yield a database of accounts that does not work; one in memory has no faults."""
    fault = getattr(store, "fault", None)
    if fault is not None:
        yield Trouble(kind=TroubleKind.STORAGE, subject=fault.word, sentence=fault.sentence, remedy=fault.remedy)


def nameservers(dead: str) -> Iterator[Trouble]:
    """Yield the nameservers if none answers; `dead` has their complaints."""
    if dead:
        sentence = f"no nameserver answers, so no other domain can be found: {dead}"
        remedy = "check that the nameservers run and can be reached: [dns] nameservers, or /etc/resolv.conf"
        yield Trouble(kind=TroubleKind.DNS, sentence=sentence, remedy=remedy)


def refused_reload(why: str) -> Iterator[Trouble]:
    """Yield a configuration file that the last reload refused."""
    if why:
        sentence = f"the last reload was refused, and the previous configuration is still in force: {why}"
        remedy = "run xmpp-gateway check, correct the file, and reload"
        yield Trouble(kind=TroubleKind.RELOAD, sentence=sentence, remedy=remedy)


def domains_down(
    settings: Settings,
    components: Mapping[Domain, ComponentRoute],
    fates: Fates,
    now: float,
    attempts: Callable[[str], Iterable[Attempt]],
) -> Iterator[Trouble]:
    """Yield those of our domains that nothing serves."""
    for name, domain in settings.domains.items():
        if isinstance(domain, ComponentDomain) and not components[name].sessions:
            why, remedy = "no component is attached", "start its component"
            if (refused := _refused(attempts(name))) is not None:
                why, remedy = f"{why}; one was refused: {refused.what_happened}", refused.mend
        elif isinstance(domain, HandlerDomain) and name in components and not components[name].sessions:
            why, remedy = "no node of the cluster runs its service", "xmpp-gateway status shows what keeps the nodes"
        elif isinstance(domain, RelayDomain) and (failing := _failing(fates, name, now)) is not None:
            why, remedy = f"the last attempt failed: {failing}", f"check that {domain.peer.connect} can be reached"
        else:
            continue
        sentence = f"{name} is not served: {why}"
        yield Trouble(kind=TroubleKind.DOMAIN, subject=name, sentence=sentence, remedy=remedy)


def _refused(attempts: Iterable[Attempt]) -> Attempt | None:
    """Return the latest attempt of a component to attach, if it failed."""
    latest = next((each for each in attempts if each.kind is Kind.COMPONENT), None)
    return latest if latest is not None and latest.verdict.is_failure else None


def certificates_ending(identities: Mapping[Domain, Identity], now: float) -> Iterator[Trouble]:
    """Yield those of our certificates that expire soon; one that several domains share is one trouble."""
    by_file: dict[str, list[Domain]] = {}
    moment = datetime.fromtimestamp(now, UTC)
    for name, identity in identities.items():
        if identity.not_after - moment < timedelta(days=FEW_DAYS):
            by_file.setdefault(str(identity.certificate_file), []).append(name)
    for file, names in by_file.items():
        end = identities[names[0]].not_after
        left = (end - moment) / timedelta(days=1)
        when = (
            f"expires in {counted(int(left), 'day')}"
            if left >= 1
            else "expires within a day"
            if left > 0
            else f"expired on {end:%Y-%m-%d}"
        )
        sentence = f"the certificate for {_some(names)} {when}: {file}"
        remedy = "renew it, then run xmpp-gateway reload"
        yield Trouble(kind=TroubleKind.CERTIFICATE, subject=file, sentence=sentence, remedy=remedy)


def certificates_unusable(faults: Mapping[Domain, str], identities: Mapping[Domain, Identity]) -> Iterator[Trouble]:
    """Yield those of our certificates that could not be loaded; one file that several domains share is one trouble."""
    by_fault: dict[tuple[str, bool], list[Domain]] = {}
    for name, problem in faults.items():
        by_fault.setdefault((problem, name in identities), []).append(name)
    for (problem, is_kept), names in by_fault.items():
        instead = "the previous one is still in use" if is_kept else "other servers see the one of another domain"
        sentence = f"the certificate for {_some(names)} cannot be used, and {instead}: {problem}"
        remedy = "correct it until xmpp-gateway check reports no mistake, then run xmpp-gateway reload"
        yield Trouble(kind=TroubleKind.CERTIFICATE, subject=f"{names[0]}: {problem}", sentence=sentence, remedy=remedy)


def lists(states: Iterable[ListState]) -> Iterator[Trouble]:
    """Lists for filters that cannot be read, or whose service fails."""
    for each in states:
        if not each.is_well:
            sentence = f"the list {each.name!r} for filters is not current: {each.state}"
            remedy = f"see [lists.{each.name}]; the known entries remain in use"
            yield Trouble(kind=TroubleKind.LIST, subject=each.name, sentence=sentence, remedy=remedy)


def undelivered(waiting: Mapping[str, int], fates: Fates, now: float) -> Iterator[Trouble]:
    """Stanzas that wait for domains which cannot be reached: one trouble, however many domains there are."""
    waiting = {name: count for name, count in waiting.items() if _failing(fates, name, now) is not None}
    if waiting:
        names, total = sorted(waiting, key=lambda name: -waiting[name]), sum(waiting.values())
        cannot = "which cannot be reached" if len(names) == 1 else f"{len(names)} domains that cannot be reached"
        sentence = f"{counted(total, 'stanza')} {'waits' if total == 1 else 'wait'} for " + (
            f"{names[0]}, {cannot}" if len(names) == 1 else f"{cannot}: {_some(names)}"
        )
        remedy = f"xmpp-gateway explain {names[0]} says why"
        yield Trouble(kind=TroubleKind.UNDELIVERED, sentence=sentence, remedy=remedy)


def _failing(fates: Fates, name: str, now: float) -> Verdict | None:
    fate = fates.of(name)
    failing = fate.failing(now) if fate is not None and fate.is_known else None
    return failing.verdict if failing is not None else None


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
