"""Laws: each kind of stanza under each decision, whatever a rule says."""

from __future__ import annotations

import pytest

from tests.support.border import BorderHarness

SENDER, TARGET = "eve@evil.test/x", "room@ours.test"
STANZAS = {
    "request": "<iq from='{0}' to='{1}' type='get' id='1'><q xmlns='u'/></iq>",
    "answer": "<iq from='{0}' to='{1}' type='result' id='1'/>",
    "iq error": "<iq from='{0}' to='{1}' type='error' id='1'>"
    "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    "message error": "<message from='{0}' to='{1}' type='error' id='1'/>",
    "groupchat": "<message from='{0}' to='{1}' type='groupchat' id='1'><body>a</body></message>",
    "message": "<message from='{0}' to='{1}' type='chat' id='1'><body>a</body></message>",
    "subscription": "<presence from='{0}' to='{1}' type='subscribe' id='1'/>",
    "presence": "<presence from='{0}' to='{1}' id='1'/>",
}
#                  drop       bounce     hold
INWARDS = {
    "request": ("bounced", "bounced", "bounced"),
    "answer": ("passed", "passed", "passed"),
    "iq error": ("passed", "passed", "passed"),
    "message error": ("dropped", "dropped", "dropped"),
    "groupchat": ("dropped", "dropped", "dropped"),
    "message": ("dropped", "bounced", "held"),
    "subscription": ("dropped", "bounced", "held"),
    "presence": ("dropped", "dropped", "dropped"),  # to a bare address, where an error would tell nobody anything
}
OUTWARDS = {**INWARDS, "groupchat": ("dropped", "bounced", "held"), "presence": ("dropped", "bounced", "dropped")}


@pytest.mark.parametrize("inwards", [True, False], ids=["in", "out"])
@pytest.mark.parametrize("sort", STANZAS)
@pytest.mark.parametrize(("column", "then"), list(enumerate(["drop", "bounce", "hold"])))
def test_every_stanza_under_every_decision(inwards: bool, sort: str, column: int, then: str) -> None:
    border = BorderHarness(f'[[filter]]\nname = "all"\nthen = "{then}"')
    border.push(STANZAS[sort].format(*((SENDER, TARGET) if inwards else (TARGET, SENDER))))
    ends = [end.split(":")[0].split()[1] for end in border.ends] + ["held"] * len(border.held)
    passed = [line for line in border.log if " error " not in line or "error" in sort]
    assert ends + ["passed"] * len(passed) == [(INWARDS if inwards else OUTWARDS)[sort][column]]


@pytest.mark.parametrize("sort", STANZAS)
def test_a_rule_that_lets_pass_lets_everything_pass(sort: str) -> None:
    border = BorderHarness('[[filter]]\nname = "all"\nthen = "pass"\n[[filter]]\nname = "none"\nthen = "drop"')
    border.push(STANZAS[sort].format(SENDER, TARGET))
    assert len(border.log) == 1
