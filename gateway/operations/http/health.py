"""/healthz: whether the gateway is alive (it answers) and ready (every port is open, and it is not stopping).

A monitor needs only the status: 200 when ready, 503 when not yet or no longer; `/healthz/alive` is 200 as long as the
process answers at all. The JSON gives the reasons.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from gateway.operations.http.door import Response
from gateway.operations.troubles import Trouble, TroubleKind

NOT_READY = 503


def ready(missing: Callable[[], list[str]], troubles: Callable[[], Iterable[Trouble]]) -> Callable[[], Response]:
    """Return the page that says whether the gateway is ready; `missing` returns what it lacks for that, in words.

    `troubles` are warnings: they should be repaired but stop nothing. Streams work even while the outbox is full.
    """

    def page() -> Response:
        problems = missing()
        warnings = [
            f"{each.sentence}: {each.remedy}" if each.remedy else each.sentence
            for each in troubles()
            if each.kind is not TroubleKind.PORT
        ]
        told = {"alive": True, "ready": not problems, "problems": problems, "warnings": warnings}
        return _json(told, NOT_READY if problems else 200)

    return page


def alive() -> Response:
    """Return the page that says only that the gateway answers."""
    return _json({"alive": True}, 200)


def _json(value: object, status: int) -> Response:
    return Response(body=json.dumps(value) + "\n", kind="application/json", status=status)
