"""/healthz: whether the gateway is alive (it answers) and ready (every door is open, and it is not being stopped).

A monitor needs the status alone: 200 when ready, 503 when not yet or no longer; `/healthz/alive` is 200 while the
process answers at all. The JSON says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from gateway.operations.http.door import Response

NOT_READY = 503


def ready(missing: Callable[[], list[str]], warnings: Callable[[], list[str]] = lambda: []) -> Callable[[], Response]:
    """The page that tells whether nothing is missing for the gateway to do its work; each thing that is, in words.

    What is in `warnings` should be mended, and stops nobody: streams stand while the outbox takes nothing.
    """

    def page() -> Response:
        problems = missing()
        told = {"alive": True, "ready": not problems, "problems": problems, "warnings": warnings()}
        return _json(told, NOT_READY if problems else 200)

    return page


def alive() -> Response:
    """The page whose coming is its message."""
    return _json({"alive": True}, 200)


def _json(value: object, status: int) -> Response:
    return Response(body=json.dumps(value) + "\n", kind="application/json", status=status)
