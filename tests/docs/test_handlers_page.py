"""The example in docs/handlers.md does what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from gateway.handlers.route import HandlerRoute
from gateway.notices.notices import Board
from gateway.routing.interfaces import ILocalHandler
from gateway.xmpp.addresses import prepare_domain
from gateway.xmpp.stanzas import Stanza
from tests.support.routers import RecordingRouter
from tests.support.trees import stanza

PAGE = Path(__file__).parents[2] / "docs" / "handlers.md"


def example() -> dict[str, Any]:
    """What the page's first program defines."""
    found = re.search(r"```python\n(# greeter.py\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(compile(found[1], str(PAGE), "exec"), names)
    return names


def test_the_greeter_greets() -> None:
    handler = example()["Greeter"](greeting="Welcome")
    assert ILocalHandler.providedBy(handler)
    router = RecordingRouter()
    route = HandlerRoute(prepare_domain("greeter.example.com"), [handler], router, Board().publish, Clock())
    route.deliver(
        stanza("<message from='ann@there.test/x' to='greeter.example.com' type='chat' id='1'><body>Hi</body></message>")
    )
    (reply,) = router.log
    assert isinstance(reply, Stanza)
    assert str(reply.to) == "ann@there.test/x"
    assert "Welcome, ann! You said: Hi" in reply.element.first(name="body").text  # type: ignore[union-attr]


def test_the_greeter_declines_the_rest() -> None:
    router = RecordingRouter()
    route = HandlerRoute(
        prepare_domain("greeter.example.com"), [example()["Greeter"]()], router, Board().publish, Clock()
    )
    route.deliver(stanza("<iq from='ann@there.test/x' to='greeter.example.com' type='get' id='1'><q xmlns='x'/></iq>"))
    assert [(bounced.id, str(error.condition)) for bounced, error in router.log] == [("1", "service-unavailable")]
