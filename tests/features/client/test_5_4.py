"""Feature 5-4, as a client: the SASL error conditions are understood (RFC 6120 §6.5): what may do better is tried, a
password that was refused is not, and the caller gets the condition.
"""

from __future__ import annotations

import pytest

from gateway.features.sasl_clients import Credentials, logging_in
from gateway.stream.events import ProofFailed
from gateway.stream.facts import ClientFacts, Role
from gateway.stream.negotiation import Then
from gateway.xmpp.errors import SaslCondition
from tests.interop.own_logins import refusal
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.logins import ACCOUNT, OUR_CERTIFICATE, PASSWORD, nonces
from tests.support.steps import OURS, element, facts

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
OFFER = (
    f"<features><mechanisms xmlns='{SASL}'><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism>"
    "<mechanism>PLAIN</mechanism></mechanisms></features>"
)
ANOTHER = ["SCRAM-SHA-1"]
AFTER = {
    SaslCondition.ABORTED: ANOTHER,
    SaslCondition.ACCOUNT_DISABLED: [],
    SaslCondition.CREDENTIALS_EXPIRED: [],
    SaslCondition.ENCRYPTION_REQUIRED: [],
    SaslCondition.INCORRECT_ENCODING: ANOTHER,
    SaslCondition.INVALID_AUTHZID: [],
    SaslCondition.INVALID_MECHANISM: ANOTHER,
    SaslCondition.MALFORMED_REQUEST: ANOTHER,
    SaslCondition.MECHANISM_TOO_WEAK: ANOTHER,
    SaslCondition.NOT_AUTHORIZED: [],
    SaslCondition.TEMPORARY_AUTH_FAILURE: [],
}


@pytest.mark.parametrize("condition", [*SaslCondition, "x-something-new"])
def test_what_a_client_does_after_each(condition: str) -> None:
    feature = logging_in(Credentials(account=ACCOUNT, password=PASSWORD), nonces())
    known = facts(Role.INITIATING, ClientFacts, certificate=OUR_CERTIFICATE, remote=OURS, local=None)
    begun = feature.begin(known, element(OFFER))
    assert begun is not None
    step = feature.receive(
        begun.facts, element(f"<failure xmlns='{SASL}'><{condition}/><text>so there</text></failure>")
    )
    failed, *tried = step.outputs
    assert isinstance(failed, ProofFailed)
    assert failed.condition == (condition if condition in list(SaslCondition) else "not-authorized")
    assert failed.text == "so there"
    assert [each.get("mechanism") for each in tried] == AFTER.get(SaslCondition(failed.condition), [])  # type: ignore[union-attr]
    assert step.then is (Then.AWAIT if tried else Then.CONTINUE)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "PLAIN"])
def test_wrong_password_is_told_at_each_server(world: World, host: Peer, mechanism: str) -> None:
    told = refusal(world, f"romeo@{host.site.domains[0]}", password="wrong", mechanism=mechanism)
    assert "not-authorized" in told
