"""docs/troubleshooting.md, generated from the table of verdicts: `python -m gateway.notices.attempts.reference`."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.notices.attempts.verdicts import NO_FAILURES, Verdict

INTRODUCTION = """\
# Troubleshooting by verdict

Every attempt at a stream, ours or another server's, ends with one verdict. You find it in the attempt's log line,
in `xmpp-gateway explain DOMAIN`, on the status page, and as a label of `xmpp_gateway_attempts_total`. To see what is
wrong with a domain now:

    xmpp-gateway explain --config FILE DOMAIN     # what the service has seen
    xmpp-gateway probe --config FILE DOMAIN       # a new attempt, step by step

Each step of an attempt shows how long it took, what the other side offered and what we required. The last successful
step shows how far it got: *resolve* (the DNS), *connect* (TCP), *TLS*, *certificate* (whether it proves the domain),
*proof* (SASL EXTERNAL or dialback), *negotiation*, *first stanza*.

A refused certificate alone is not a failure: where dialback is allowed and succeeds, the attempt ends with
`established`, and the failed step stays visible.
"""

GOOD = """\
## Verdicts that are not failures
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([INTRODUCTION, *_failures(), GOOD, *_others()]).rstrip() + "\n"


def _failures() -> Iterator[str]:
    for verdict in Verdict:
        if verdict.is_failure:
            advice = verdict.advice
            meaning = f"{advice.meaning[0].upper()}{advice.meaning[1:]}."
            yield f"## {verdict}\n\n{meaning}\n\n*Whose side*: {advice.side}.\n\n*Remedy*: {advice.mend}\n"


def _others() -> Iterator[str]:
    yield "| verdict | meaning |\n|---|---|"
    for verdict in Verdict:
        if verdict in NO_FAILURES:
            yield f"| `{verdict}` | {verdict.advice.meaning} |"


if __name__ == "__main__":
    print(page(), end="")
