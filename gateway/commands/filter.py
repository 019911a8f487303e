"""`filter test FILE.xml`: show which rule would decide about these stanzas, and how, without the service.

It does not use the network: a block list has the entries that the service saved last, our users have written to nobody,
and no rate is exceeded. The output says so where it matters.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate

from twisted.internet.task import Clock

from gateway.commands.configuration import add_config, config_of
from gateway.config import load
from gateway.config.settings import ComponentDomain, Settings
from gateway.filters.acquaintances import Acquaintances
from gateway.filters.border import Border
from gateway.filters.lists import NamedList, list_file, read_list_file
from gateway.filters.notices import FilterDecided
from gateway.filters.rules import FilterRule
from gateway.notices.notices import Notice
from gateway.routing.policy import DomainRule, Domains
from gateway.stream.budget import Budget
from gateway.stream.codec import Codec
from gateway.xmpp.addresses import AddressCache
from gateway.xmpp.errors import GatewayError
from gateway.xmpp.stanzas import AddressedStanza, Stanza

_XML_DECLARATION = re.compile(rb"^\s*<\?xml[^>]*\?>")
_OPENING = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print one line of JSON for scripts")
    parser.add_argument("action", choices=["test"], metavar="test", help="the only action")
    parser.add_argument(
        "file", type=Path, metavar="FILE.xml", help="stanzas, one after the other, or - for standard input"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the outcome of each stanza, and return the exit status."""
    try:
        settings = load(config_of(arguments))
        stanzas = list(_read(arguments.file))
    except GatewayError as problem:
        print(f"xmpp-gateway: {problem}", file=sys.stderr)
        return 1
    rehearsal = Rehearsal(settings)
    outcomes = [rehearsal.outcome(stanza) for stanza in stanzas]
    print(json.dumps(outcomes) if arguments.json else "\n".join(_told(outcomes, settings)))
    return 0


class UnreadableStanzas(GatewayError):
    """A file contains something other than stanzas; the message says what."""


class Rehearsal:
    """The border of a configuration, with nothing behind it."""

    def __init__(self, settings: Settings) -> None:
        domains = Domains(
            {
                name: DomainRule(with_subdomains=isinstance(each, ComponentDomain))
                for name, each in settings.domains.items()
            }
        )
        clock = Clock()
        self._decided: list[FilterDecided] = []
        self._border = Border(
            router=self,
            is_own=domains.is_own,
            acquaintances=Acquaintances(),
            contacts=lambda domain: None,
            clock=clock,
            time_of_day=clock.seconds,
            publish=self._note,
            withholding=self,
            report=lambda rule, stanza: None,
        )
        self._border.replace(settings.filters, dict(_lists(settings)))

    def outcome(self, stanza: Stanza) -> dict[str, Any]:
        """Return the outcome of a stanza, and the rules that applied to it."""
        self._decided.clear()
        passes = True
        refused = ""
        if not isinstance(stanza, AddressedStanza):
            refused = stanza.flaw.problem if stanza.flaw is not None else "it needs both 'from' and 'to'"
        else:
            plan = self._border.plan(stanza.from_.domain, stanza.to.domain)
            passes = plan is None or self._border.lets_through(plan, stanza)
        decided = self._decided[-1] if self._decided and not self._decided[-1].dry_run else None
        return {
            "kind": stanza.name,
            "id": stanza.id,
            "from": str(stanza.from_ or ""),
            "to": str(stanza.to or ""),
            "outcome": "refused" if refused else "pass" if passes or decided is None else decided.act,
            "problem": refused,
            "rule": decided.rule if decided is not None and decided.act not in ("mark", "report") else None,
            "noted": [f"{each.rule}: {each.act}" for each in self._decided if each is not decided],
        }

    def _note(self, notice: Notice) -> None:
        if isinstance(notice, FilterDecided):
            self._decided.append(notice)

    # -- the border's surroundings, which send nothing --------------------------------------------------------------

    def pass_on(self, stanza: Stanza) -> None:
        """Discard the stanza: nothing is sent."""

    def bounce(self, stanza: Stanza, error: object) -> None:
        """Discard the stanza: nothing is sent."""

    def end(self, stanza: Stanza, why: object) -> None:
        """Discard the stanza: nothing is sent."""

    def flush(self) -> None:
        """Write nothing."""

    def withhold(self, pair: object, stanza: Stanza, rule: str) -> bool:
        """Say that there is room."""
        return True


def _lists(settings: Settings) -> Iterator[tuple[str, NamedList]]:
    for name, each in settings.lists.items():
        named = NamedList(name, str(each.file or each.rtbl), each.never)
        file = each.file or list_file(settings.gateway.state, name)
        if file.exists():
            named.entries, _ = read_list_file(file)
        yield name, named


def _read(file: Path) -> Iterator[Stanza]:
    """Yield the stanzas of a file; raise UnreadableStanzas if it contains anything else."""
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise UnreadableStanzas(f"cannot read {file}: {error.strerror}") from error
    raw = _XML_DECLARATION.sub(b"", raw, 1).strip()
    elements = _count_elements(file, raw)
    codec = Codec(Budget(), AddressCache())
    codec.feed(_OPENING)
    codec.take()
    codec.feed(raw)
    found = [item for item in codec.take() if isinstance(item, Stanza)]
    if not elements:
        raise UnreadableStanzas(f"{file} contains no stanza")
    if len(found) != elements:
        problem = f"only {len(found)} of {elements} elements are stanzas"
        raise UnreadableStanzas(f"{file}: {problem}; each must be one, without a namespace or in jabber:client")
    yield from found


def _count_elements(file: Path, raw: bytes) -> int:
    """Return how many elements follow one another."""
    depth = count = 0

    def start(name: str, attributes: object) -> None:
        nonlocal depth, count
        count += depth == 1
        depth += 1

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    parser = ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(b"<file xmlns:stream='http://etherx.jabber.org/streams'>")
        parser.Parse(raw)
        parser.Parse(b"</file>", True)
    except ExpatError as error:
        raise UnreadableStanzas(f"{file} is not well-formed: {error}") from error
    return count


def _told(outcomes: list[dict[str, Any]], settings: Settings) -> Iterator[str]:
    for each in outcomes:
        id_ = f" {each['id']!r}" if each["id"] else ""
        if each["problem"]:
            yield f"{each['kind']}{id_}: refused before any rule: {each['problem']}"
            continue
        by = f" by {each['rule']!r}" if each["rule"] else ", because no rule applies"
        yield f"{each['kind']}{id_} from {each['from']} to {each['to']}: {each['outcome']}{by}"
        yield from (f"    {noted}" for noted in each["noted"])
    asks = {name for rule in settings.filters for name in _unknown_here(rule)}
    if asks:
        yield (
            f"this command does not know {' or '.join(sorted(asks))}, as the service does: here every sender is a"
            " stranger, and no rate is exceeded"
        )


def _unknown_here(rule: FilterRule) -> Iterator[str]:
    if rule.when.stranger is not None:
        yield "who is a stranger"
    if rule.when.rate is not None:
        yield "rates"
