"""/healthz: whether the gateway is alive (it answers) and ready (every port is open, and it is not stopping).

A monitor needs only the status: 200 when ready, 503 when not yet or no longer; `/healthz/alive` is 200 as long as the
process answers at all. The JSON gives the reasons.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from gateway.operations.http.door import Response

NOT_READY = 503


def ready(missing: Callable[[], list[str]], warnings: Callable[[], list[str]] = lambda: []) -> Callable[[], Response]:
    """Return the page that says whether the gateway is ready; `missing` returns what it lacks for that, in words.

    `warnings` returns what should be repaired but stops nothing: streams work even while the outbox refuses stanzas.
    """

    def page() -> Response:
        problems = missing()
        told = {"alive": True, "ready": not problems, "problems": problems, "warnings": warnings()}
        return _json(told, NOT_READY if problems else 200)

    return page


def alive() -> Response:
    """Return the page whose mere arrival is its message."""
    return _json({"alive": True}, 200)


def _json(value: object, status: int) -> Response:
    return Response(body=json.dumps(value) + "\n", kind="application/json", status=status)
