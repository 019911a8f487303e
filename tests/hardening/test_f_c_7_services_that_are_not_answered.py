"""F-C-7: a nameserver that fails or is silent about one question does not keep a domain from being reached."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.names import dns
from twisted.python.failure import Failure

from gateway.net.dns.resolver import Resolver
from gateway.net.dns.target_search import Patience
from gateway.net.dns.targets import Resolution
from tests.support.dns import Table
from tests.unit.net.dns.test_resolver import DIRECT, HERE, STARTTLS, Finding

RECORD = {"SRV": ["0 0 5269 a.example.test"]}
PATIENCE = Patience()


class MuteAbout(Table):
    """A nameserver that never answers questions about these names."""

    def __init__(self, records: dict[str, Any], silent: str) -> None:
        super().__init__(records)
        self._silent = silent

    async def ask(self, query: dns.Query) -> dns.Message:
        if query.name.name.decode().endswith(self._silent):
            await Deferred()
        return await super().ask(query)


class Slow(Finding):
    """A resolver with such a nameserver, on its way to example.test."""

    def __init__(self, records: dict[str, Any], silent: str) -> None:
        super().__init__(records)
        self.resolver = Resolver(
            self.clock, hosts_file="/dev/null", random=Random(6120), asks=MuteAbout(records, silent)
        )
        self.results = self.start()

    def after(self, seconds: float) -> Resolution | None:
        """Return the servers found after this many more seconds."""
        self.clock.advance(seconds)
        if not self.results:
            return None
        result = self.results[0]
        return result.raiseException() if isinstance(result, Failure) else result


@pytest.mark.parametrize("direct", ["SERVFAIL", "REFUSED", "NXDOMAIN"])
@pytest.mark.parametrize("starttls", ["SERVFAIL", "REFUSED"])
def test_failures_about_both_services_lead_to_the_domain_itself(direct: str, starttls: str) -> None:
    """Use the domain's own addresses when no service record can be looked up (RFC 6120 §3.2.1, step 9)."""
    resolution = Finding({DIRECT: direct, STARTTLS: starttls, "example.test": HERE}).resolution()
    assert [(each.host, each.port, each.source) for each in resolution.targets] == [("example.test", 5269, "fallback")]
    assert not resolution.definite


def test_no_service_record_at_all_is_definite() -> None:
    """Call a resolution definite when the DNS has answered every question about services."""
    assert Finding({"example.test": HERE}).resolution().definite
    assert not Finding({DIRECT: "SERVFAIL", STARTTLS: RECORD, "a.example.test": HERE}).resolution().definite


@pytest.mark.parametrize(("silent", "answered"), [(DIRECT, STARTTLS), (STARTTLS, DIRECT)])
def test_a_silent_service_is_waited_for_only_briefly(silent: str, answered: str) -> None:
    """Use the records of one service soon, although the nameserver is silent about the other."""
    finding = Slow({answered: RECORD, "a.example.test": HERE}, silent)
    assert finding.after(PATIENCE.other_service / 2) is None
    resolution = finding.after(PATIENCE.other_service / 2)
    assert resolution is not None
    assert [target.host for target in resolution.targets] == ["a.example.test"]


def test_silence_beside_an_absent_service_leads_to_the_domain_itself() -> None:
    """Fall back before the patience for services is over, when one service is known to be absent."""
    finding = Slow({"example.test": HERE}, DIRECT)
    resolution = finding.after(PATIENCE.no_service)
    assert resolution is not None
    assert resolution.targets[0].source == "fallback"
    assert not resolution.definite
    assert PATIENCE.no_service < PATIENCE.services / 2


def test_a_host_whose_nameserver_is_silent_does_not_hold_up_the_others() -> None:
    """Go on with the hosts that have addresses, soon after the first of them has some."""
    records = {STARTTLS: {"SRV": ["0 0 5269 lost.test", "5 0 5269 a.example.test"]}, "a.example.test": HERE}
    finding = Slow(records, "lost.test")
    assert finding.after(PATIENCE.other_hosts / 2) is None
    resolution = finding.after(PATIENCE.other_hosts / 2)
    assert resolution is not None
    assert [target.host for target in resolution.targets] == ["a.example.test"]
