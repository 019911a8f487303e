"""docs/troubleshooting.md, written from the table of verdicts: `python -m gateway.notices.attempts.reference`."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.notices.attempts.verdicts import NO_FAILURES, Verdict

INTRODUCTION = """\
# Troubleshooting by verdict

Every try to have a stream, ours or another server's, ends with one verdict. It stands in the log line of the try, in
`xmpp-gateway explain DOMAIN`, on the page, and as a label of `xmpp_gateway_attempts_total`. To see what is wrong with a
domain now:

    xmpp-gateway explain --config FILE DOMAIN     # what the service has met
    xmpp-gateway probe --config FILE DOMAIN       # a fresh try, step by step

Each step of a try tells how long it took, what the other side offered and what we required. The last step that went
well tells how far it came: *resolve* (the DNS), *connect* (TCP), *TLS*, *certificate* (whether it proves the domain),
*proof* (SASL EXTERNAL or dialback), *negotiation*, *first stanza*.

Before anything else: a certificate that is refused is no failure yet where dialback is allowed and succeeds. The try
then ends with `established`, and the failed step stays visible.
"""

GOOD = """\
## Verdicts that are no failures
"""


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *_failures(), GOOD, *_others()]).rstrip() + "\n"


def _failures() -> Iterator[str]:
    for verdict in Verdict:
        if verdict.is_failure:
            advice = verdict.advice
            meaning = f"{advice.meaning[0].upper()}{advice.meaning[1:]}."
            yield f"## {verdict}\n\n{meaning}\n\n*Whose side*: {advice.side}.\n\n*To mend it*: {advice.mend}\n"


def _others() -> Iterator[str]:
    yield "| verdict | meaning |\n|---|---|"
    for verdict in Verdict:
        if verdict in NO_FAILURES:
            yield f"| `{verdict}` | {verdict.advice.meaning} |"


if __name__ == "__main__":
    print(page(), end="")
