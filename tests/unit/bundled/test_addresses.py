"""Where a service posts to: private addresses only where the operator has said so, on the system's own resolver."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred

from gateway.bundled.posting import SystemAddresses
from gateway.testing import outcome
from gateway.xmpp.errors import ResolutionFailed


class Names:
    """A reactor whose resolver knows every name under the same addresses."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    @property
    def nameResolver(self) -> Any:
        return self

    def resolveHostName(self, receiver: Any, host: str, port: int) -> None:
        receiver.resolutionBegan(None)
        for each in self._addresses:
            receiver.addressResolved(IPv4Address("TCP", each, port))
        receiver.resolutionComplete()


def addresses(host: str, *known: str, private: bool = False) -> Any:
    return outcome(Deferred.fromCoroutine(SystemAddresses(Names(*known), private=private).addresses(host, 443)))


@pytest.mark.parametrize(
    ("host", "known", "private", "found"),
    [
        ("app.test", ["93.184.216.34"], False, ("93.184.216.34",)),
        ("app.test", ["10.0.0.1", "93.184.216.34"], False, ("93.184.216.34",)),
        ("app.test", ["10.0.0.1"], True, ("10.0.0.1",)),
        ("10.0.0.1", ["10.0.0.1"], False, ("10.0.0.1",)),
        ("::1", ["::1"], False, ("::1",)),
        ("localhost", ["127.0.0.1"], False, ("127.0.0.1",)),
    ],
)
def test_the_operator_may_name_any_address(host: str, known: list[str], private: bool, found: tuple[str, ...]) -> None:
    assert addresses(host, *known, private=private) == found


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "fe80::1%eth0", "fd00::1"]
)
def test_a_name_does_not_lead_to_private_addresses(address: str) -> None:
    with pytest.raises(ResolutionFailed, match="set private = true if it may"):
        addresses("app.test", address)


def test_a_name_without_addresses() -> None:
    with pytest.raises(ResolutionFailed, match=r"app\.test has no address"):
        addresses("app.test")
