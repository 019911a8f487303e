"""Feature 6-5, as a client: SCRAM-SHA-1, SCRAM-SHA-256 and their -PLUS forms, wherever a server offers them."""

from __future__ import annotations

import pytest

from tests.interop.own_logins import at_home
from tests.interop.world import World

OFFERED = {
    "house": ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1"],
    "prosody": ["SCRAM-SHA-1"],
    "ejabberd": ["SCRAM-SHA-1"],
}


@pytest.mark.parametrize(("name", "mechanism"), [(name, each) for name, offered in OFFERED.items() for each in offered])
def test_client_logs_in(world: World, request: pytest.FixtureRequest, name: str, mechanism: str) -> None:
    assert at_home(world, request.getfixturevalue(name), "romeo", mechanism=mechanism)
