"""What conditions cost: linear in what strangers send, whatever it is; and what `filter test` says is what happens."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import pytest

from gateway.commands.filter import Rehearsal
from gateway.config import load
from tests.support.border import BorderHarness
from tests.support.configuration import Folder
from tests.support.trees import stanza

CONDITIONS = [
    "kind = 'message'",
    "type = 'chat'",
    "from = 'bob@evil.test'",
    "to = 'list:bad'",
    "listed = 'bad'",
    "larger_than = 10",
    "payload = '{urn:x}y'",
    "urls = true",
    "language = 'de'",
    "stranger = true",
    "rate = '1/hour'",
]
HOSTILE = {
    "one letter": "a",
    "almost a link": "http:/",
    "colons": ":",
    "www": "www",
    "references": "&#97;",
    "brackets": "&gt;",
    "wide": "\N{SNOWMAN}",
}
SMALL, LARGE = 8_000, 128_000


def cost(border: BorderHarness, body: str) -> float:
    """The processor time of one stanza, at best."""
    message = stanza(f"<message from='eve@evil.test/x' to='room@ours.test'><body>{body}</body></message>")
    best = float("inf")
    for _ in range(5):
        border.border.changed()
        began = time.process_time()
        border.router.route(message)
        best = min(best, time.process_time() - began)
        border.heard()
    return best


@pytest.mark.parametrize("when", CONDITIONS)
def test_every_condition_is_linear_in_hostile_text(when: str) -> None:
    border = BorderHarness(f'[[filter]]\nname = "a"\nwhen = {{ {when} }}\nthen = "pass"', lists={"bad": ["x.test"]})
    for name, piece in HOSTILE.items():
        small, large = (cost(border, piece * (size // len(piece))) for size in (SMALL, LARGE))
        assert large < 4 * (LARGE / SMALL) * max(small, 1e-5), name


CONFIGURATION = """
[domains."ours.test"]
serve = "component"
secret = "0123456789abcdef0123"
[[filter]]
name = "links"
when = { direction = "in", kind = "message", urls = true }
then = "hold"
[[filter]]
name = "rooms"
when = { type = ["groupchat", "get"] }
then = "bounce:forbidden"
[[filter]]
name = "trial"
when = { kind = "presence" }
then = "drop"
dry_run = true
[[filter]]
name = "evil"
when = { from = ["evil.test", "*.evil.test"] }
then = "drop"
"""


def test_filter_test_says_of_a_hundred_stanzas_what_the_border_does(tmp_path: Path) -> None:
    rehearsal = Rehearsal(load(Folder(tmp_path).complete(CONFIGURATION)))
    random = Random(7)
    agreed = set()
    for number in range(100):
        sender = random.choice(["a@evil.test", "a@sub.evil.test/x", "a@good.test", "a@ours.test"])
        target = random.choice(["b@ours.test", "b@good.test"]) if "ours" not in sender else "b@good.test"
        kind, type_ = random.choice(
            [("message", "chat"), ("message", "groupchat"), ("presence", "subscribe"), ("iq", "get"), ("iq", "result")]
        )
        inside = random.choice(["<body>http://x</body>", "<body>hi</body>"]) if kind == "message" else "<q xmlns='u'/>"
        text = f"<{kind} from='{sender}' to='{target}' type='{type_}' id='{number}'>{inside}</{kind}>"
        border = BorderHarness(CONFIGURATION[CONFIGURATION.index("[[filter]]") :])
        border.push(text)
        border.push()
        said = rehearsal.outcome(stanza(text))
        if border.held:
            done = "hold"
        elif border.ends:
            done = "bounce" if "bounced" in border.ends[0] else "drop"
        else:
            done = "pass"
        assert said["outcome"] == done, text
        assert (said["rule"] is None) == (not any(repr(said["rule"]) in line for line in border.audit))
        agreed.add(done)
    assert agreed == {"pass", "hold", "bounce", "drop"}
