"""The webhook: what programs may send, what is posted to them, and what happens when the other side does not answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.web.http_headers import Headers

from gateway.bundled import posting
from gateway.bundled.intake import MOST_BODY
from gateway.bundled.options import Circle
from gateway.bundled.posting import LONGEST_PAUSE, MOST_POSTS_OF_ONE
from gateway.bundled.webhook import REMEMBERED_SECONDS, Webhook
from gateway.config.settings import Secret
from gateway.net.trust.web_answers import FetchFailed, WebAnswer
from gateway.storage.errors import StoreUnavailable
from gateway.storage.memory import MemoryStore
from gateway.storage.records import StoreLimits
from gateway.testing import ServiceDriver, outcome
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import ConfigError
from tests.support.http import ask

TOKEN = "a token of some length"
DOMAIN = "hooks.test"
ROMEO = "romeo@far.test"
OPTIONS: dict[str, Any] = {
    "listen": "tcp:5281:interface=127.0.0.1",
    "token": Secret(TOKEN),
    "allow": [ROMEO, "near.test", "*.wide.test"],
}
BEARER = f"Authorization: Bearer {TOKEN}\r\n"


class Posted(NamedTuple):
    """One POST to the program, and the Deferred of its answer."""

    url: str
    headers: Mapping[str, str]
    content: dict[str, Any]
    answer: Deferred[WebAnswer]

    def answers(self, status: int, **headers: str) -> None:
        """Have the program answer."""
        raw = Headers({name.replace("_", "-"): [value] for name, value in headers.items()})
        self.answer.callback(WebAnswer(status, raw, b""))


class Program:
    """What the service posts to; it answers when the test says so."""

    def __init__(self) -> None:
        self.posts: list[Posted] = []

    async def exchange(self, method: str, url: str, *, headers: Any, content: bytes, **_: Any) -> WebAnswer:
        assert method == "POST"
        post = Posted(url, headers, json.loads(content), Deferred())
        self.posts.append(post)
        return await post.answer


class Hooks(Webhook):
    """A webhook whose program is in memory."""

    program: Program

    def _fetcher(self, context: Any) -> Any:
        self.program = Program()
        return self.program


class Stage:
    """A webhook that runs."""

    def __init__(self, **options: Any) -> None:
        self.options = {**OPTIONS, **options}
        self.reactor = MemoryReactorClock()
        self.reactor.advance(1000)
        self.service = Hooks(**self.options)
        self.service._now = self.reactor.seconds
        self.driver = ServiceDriver(self.service, DOMAIN, clock=self.reactor)
        self.driver.start()

    @property
    def posts(self) -> list[Posted]:
        """Return what has been posted."""
        return self.service.program.posts

    def send(self, said: Any, *, head: str = BEARER, path: str = "/messages", method: str = "POST") -> tuple[int, Any]:
        """Send a request; return the status and what the answer says."""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        status, headers, answer = ask(self.service._intake.site, path, method=method, head=head, body=body)
        assert headers["Content-Type"] == "application/json"
        return status, json.loads(answer)

    def say(self, body: str = "Hi", sender: str = f"{ROMEO}/balcony", id: str = "m1") -> list[Any]:
        """Have somebody write to the service; return what comes back."""
        return self.driver.receive(
            f"<message from='{sender}' to='bot@{DOMAIN}' type='chat' id='{id}'><body>{body}</body></message>"
        )

    def restart(self) -> None:
        """Stop the service, and start another one with the same storage."""
        self.driver.stop()
        self.driver.start()


# -- from programs ---------------------------------------------------------------------------------------------------


def test_a_message_is_sent() -> None:
    stage = Stage()
    said = {
        "to": ROMEO,
        "body": "Hi é",
        "from": "build",
        "subject": "News",
        "thread": "t1",
        "type": "normal",
        "id": "7",
    }
    assert stage.send(said) == (202, {"id": "7", "sent": 1})
    (sent,) = stage.driver.sent()
    assert (str(sent.from_), str(sent.to), sent.type, sent.id, sent.body) == (
        f"build@{DOMAIN}",
        ROMEO,
        "normal",
        "7",
        "Hi é",
    )
    assert "<subject>News</subject>" in sent.raw.decode()
    assert "<thread>t1</thread>" in sent.raw.decode()


def test_without_more_words_it_is_a_chat_message_from_the_domain_with_an_id_of_its_own() -> None:
    stage = Stage()
    status, told = stage.send({"to": [ROMEO, "ann@near.test", f"{ROMEO}"], "body": "Hi"})
    assert (status, told["sent"]) == (202, 2)  # an address that is listed twice gets one
    assert [(str(each.from_), str(each.to), each.type) for each in stage.driver.sent()] == [
        (DOMAIN, ROMEO, "chat"),
        (DOMAIN, "ann@near.test", "chat"),
    ]
    assert stage.send({"to": ROMEO, "body": "Hi"})[1]["id"] != told["id"]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("by_header", [False, True])
def test_a_repeated_request_sends_nothing_again(restarts: bool, by_header: bool) -> None:
    stage = Stage()
    said = {"to": ROMEO, "body": "Hi", **({} if by_header else {"id": "7"})}
    head = BEARER + ("Idempotency-Key: 7\r\n" if by_header else "")
    assert stage.send(said, head=head)[0] == 202
    if restarts:
        stage.restart()
    stage.driver.sent()
    assert stage.send(said, head=head) == (200, {"id": "7", "sent": 0, "repeated": True})
    assert stage.driver.sent() == []


def test_an_id_cannot_be_used_for_something_else_until_it_is_forgotten() -> None:
    stage = Stage(post_to="https://app.test/")
    stage.send({"to": ROMEO, "body": "Hi", "id": "7"})
    status, told = stage.send({"to": ROMEO, "body": "Bye", "id": "7"})
    assert (status, told["error"]) == (422, "the id '7' was used for another message: choose a new one")
    stage.driver.advance(REMEMBERED_SECONDS)
    assert stage.send({"to": ROMEO, "body": "Bye", "id": "7"})[0] == 202


@pytest.mark.parametrize(
    ("said", "status", "error"),
    [
        (b"{", 400, "the body is not JSON"),
        (b"[" * 60_000, 400, "the body is not JSON"),
        (b"", 400, "the body is not JSON"),
        ([], 400, "the body must be an object"),
        ({"to": ROMEO, "boddy": "Hi"}, 400, "there is no key 'boddy'; the keys are to, body, id"),
        ({"to": ROMEO, "body": 5}, 400, "body must be a text"),
        ({"to": 5, "body": "Hi"}, 400, "to must be a text or a list"),
        ({"to": ROMEO}, 400, "a body is needed"),
        ({"to": ROMEO, "body": ""}, 400, "a body is needed"),
        ({"body": "Hi"}, 400, "to must have 1 to 20 addresses"),
        ({"to": [ROMEO] * 21, "body": "Hi"}, 400, "to must have 1 to 20 addresses"),
        ({"to": "@", "body": "Hi"}, 400, "to has '@', not an address"),
        ({"to": [5], "body": "Hi"}, 400, "to has '5', not an address"),
        ({"to": "ann@other.test", "body": "Hi"}, 403, "ann@other.test is not among the addresses"),
        ({"to": "ann@wide.test", "body": "Hi"}, 403, "ann@wide.test is not among the addresses"),
        ({"to": ROMEO, "body": "Hi", "from": "a@b"}, 400, "from must be the part before the @"),
        ({"to": ROMEO, "body": "Hi", "type": "groupchat"}, 400, "type must be one of chat, normal, headline"),
        ({"to": ROMEO, "body": "Hi", "id": "i" * 129}, 400, "id has more than 128 characters"),
        ({"to": ROMEO, "body": "a\u0000b"}, 400, "a character cannot be sent: U+0000"),
        ({"to": ROMEO, "body": "\ud800"}, 400, "a character cannot be sent: U+D800"),
        ({"to": ROMEO, "body": "x" * MOST_BODY}, 413, f"the body has more than {MOST_BODY} bytes"),
    ],
)
def test_a_refusal_says_what_is_wrong(said: Any, status: int, error: str) -> None:
    stage = Stage()
    got, told = stage.send(said)
    assert (got, error in told["error"]) == (status, True), told
    assert stage.driver.sent() == []


@pytest.mark.parametrize("head", ["", "Authorization: Bearer wrong\r\n", f"Authorization: Basic {TOKEN}\r\n"])
def test_who_has_no_token_learns_nothing(head: str) -> None:
    stage = Stage()
    for path in ("/messages", "/nothing"):
        status, told = stage.send({"to": "@"}, head=head, path=path)
        assert (status, told["error"]) == (
            401,
            "the token is missing or wrong: send the header 'Authorization: Bearer TOKEN'",
        )


@pytest.mark.parametrize(
    ("path", "method", "status", "error"),
    [("/message", "POST", 404, "use POST /messages"), ("/messages", "GET", 405, "use POST, not GET")],
)
def test_other_paths_and_methods(path: str, method: str, status: int, error: str) -> None:
    got, told = Stage().send(b"", path=path, method=method)
    assert (got, error in told["error"]) == (status, True), told


def test_the_rate_is_limited() -> None:
    stage = Stage(per_minute=2)
    said = {"to": ROMEO, "body": "Hi"}
    assert [stage.send(said)[0] for _ in range(3)] == [202, 202, 429]
    stage.driver.advance(30)
    assert stage.send(said)[0] == 202


def test_an_id_that_cannot_be_kept_is_logged_and_the_message_sent() -> None:
    stage = Stage()
    stage.driver.store = FullStore()
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        assert stage.send({"to": ROMEO, "body": "Hi"})[0] == 202
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert any("after a restart it may be sent again" in formatEvent(event) for event in events)


@pytest.mark.parametrize("post_to", ["", "https://app.test/xmpp"])
def test_a_port_that_is_in_use_is_named_and_leaves_nothing_behind(post_to: str) -> None:
    stage = Stage(post_to=post_to)
    stage.driver.stop()

    def listen(port: int, *_: Any, **__: Any) -> Any:
        raise CannotListenError("127.0.0.1", port, OSError("Address already in use"))

    stage.reactor.listenTCP = listen  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match=r"5281.*Address already in use"):
        stage.driver.start()
    assert not stage.reactor.getDelayedCalls()


def test_the_port_is_closed_when_the_service_stops() -> None:
    stage = Stage()
    assert [(port, interface) for port, _, _, interface in stage.reactor.tcpServers] == [(5281, "127.0.0.1")]
    stage.driver.stop()
    assert not stage.reactor.getDelayedCalls()


# -- from people -----------------------------------------------------------------------------------------------------


def test_a_message_is_posted() -> None:
    stage = Stage(post_to="https://app.test/xmpp", post_token=Secret("another token"))
    assert stage.say("Hi") == []
    (post,) = stage.posts
    assert (post.url, post.headers["Authorization"]) == ("https://app.test/xmpp", "Bearer another token")
    assert post.headers["Idempotency-Key"] == post.content.pop("id")
    assert post.content == {
        "event": "message",
        "time": "1970-01-01T00:16:40Z",
        "from": f"{ROMEO}/balcony",
        "to": f"bot@{DOMAIN}",
        "type": "chat",
        "body": "Hi",
        "message": "m1",
    }


def test_an_error_that_comes_back_is_posted_with_the_id_of_the_message() -> None:
    stage = Stage(post_to="https://app.test/xmpp")
    stage.send({"to": ROMEO, "body": "Hi", "id": "build-7"})
    error = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    stage.driver.receive(f"<message type='error' from='{ROMEO}' to='{DOMAIN}' id='build-7'>{error}</message>")
    content = stage.posts[0].content
    assert (content["event"], content["message"], content["condition"]) == ("error", "build-7", "item-not-found")
    stage.posts[0].answers(400)
    assert stage.driver.sent() == []  # an error is not answered


def test_errors_of_strangers_are_not_posted_nor_those_for_which_there_is_no_room() -> None:
    stage = Stage(post_to="https://app.test/xmpp")
    error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    stage.driver.receive(f"<message type='error' from='ann@other.test' to='{DOMAIN}' id='x'>{error}</message>")
    stage.driver.store = FullStore()
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        stage.driver.receive(f"<message type='error' from='{ROMEO}' to='{DOMAIN}' id='x'>{error}</message>")
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert stage.posts == []
    assert [formatEvent(event) for event in events if "is not posted" in formatEvent(event)] == [
        f"an error from {ROMEO} is not posted: resource-constraint: the message cannot be kept now"
    ]


def test_posts_are_in_order_and_one_at_a_time() -> None:
    stage = Stage(post_to="https://app.test/xmpp")
    for body in "abc":
        stage.say(body)
    for number in range(1, 4):
        assert len(stage.posts) == number
        stage.posts[-1].answers(204)
        stage.driver.advance(0)
    assert [post.content["body"] for post in stage.posts] == ["a", "b", "c"]
    assert stage.driver.sent() == []
    assert not stage.reactor.getDelayedCalls()


@pytest.mark.parametrize("status", [301, 401, 404, 408, 429, 500, 503])
def test_what_fails_is_repeated_with_growing_pauses_and_the_same_id(status: int) -> None:
    stage = Stage(post_to="https://app.test/xmpp")
    stage.say("Hi")
    for pause in (1, 2, 4, 8):
        stage.posts[-1].answers(status)
        before = len(stage.posts)
        stage.driver.advance(pause - 0.1)
        assert len(stage.posts) == before
        stage.driver.advance(0.1)
        assert len(stage.posts) == before + 1
    assert len({post.content["id"] for post in stage.posts}) == 1
    stage.posts[-1].answers(200)
    stage.driver.advance(LONGEST_PAUSE)
    assert len(stage.posts) == 5


def test_a_program_may_ask_for_a_longer_pause() -> None:
    stage = Stage(post_to="https://app.test/xmpp")
    stage.say("Hi")
    stage.posts[-1].answers(503, Retry_After="60")
    stage.driver.advance(59)
    assert len(stage.posts) == 1
    stage.driver.advance(1)
    assert len(stage.posts) == 2


def test_a_program_that_cannot_be_reached_is_tried_again() -> None:
    stage = Stage(post_to="https://app.test/xmpp")
    stage.say("Hi")
    stage.posts[-1].answer.errback(FetchFailed("connection refused"))
    stage.driver.advance(1)
    assert len(stage.posts) == 2


def test_an_attempt_that_breaks_is_logged_and_repeated() -> None:
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        stage = Stage(post_to="https://app.test/xmpp")
        stage.say("Hi")
        stage.posts[-1].answer.errback(RuntimeError("unforeseen"))
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert "an attempt to post failed unexpectedly" in [formatEvent(event) for event in events]
    stage.driver.advance(LONGEST_PAUSE - 1)
    assert len(stage.posts) == 1
    stage.driver.advance(1)
    assert len(stage.posts) == 2


class FullStore(MemoryStore):
    """A store in which there is no room for a service."""

    def __init__(self) -> None:
        super().__init__(token=lambda: "1", limits=StoreLimits(service_values=0))


def test_what_cannot_be_kept_is_refused_and_not_posted() -> None:
    stage = Stage(post_to="https://app.test/xmpp")
    room, stage.driver.store = stage.driver.store, FullStore()
    (error,) = stage.say("Hi")
    assert "resource-constraint" in error.raw.decode()
    assert stage.posts == []
    stage.driver.store = room
    assert stage.say("again") == []
    assert [post.content["body"] for post in stage.posts] == ["again"]


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_message_is_not_posted_before_it_is_in_the_store(monkeypatch: pytest.MonkeyPatch, is_kept: bool) -> None:
    stage = Stage(post_to="https://app.test/xmpp")
    stage.say("first")
    written: Deferred[None] = Deferred()
    with monkeypatch.context() as slow:
        slow.setattr(stage.driver.store, "set_value", lambda *_: written)
        assert stage.say("second") == []
    stage.posts[0].answers(200)
    stage.driver.advance(0)
    assert len(stage.posts) == 1
    if is_kept:
        written.callback(None)
    else:
        written.errback(StoreUnavailable("the disk is full"))
    assert [each.type for each in stage.driver.sent()] == ([] if is_kept else ["error"])
    stage.say("third")
    for post in stage.posts[1:]:
        post.answers(200)
        stage.driver.advance(0)
    assert [post.content["body"] for post in stage.posts] == ["first", *(["second"] if is_kept else []), "third"]


def test_what_was_posted_and_cannot_be_deleted_holds_nothing_up() -> None:
    stage = Stage(post_to="https://app.test/xmpp")
    stage.say("first")
    stage.say("second")
    outcome(stage.driver.store.close())
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        stage.posts[0].answers(200)
    finally:
        globalLogPublisher.removeObserver(events.append)
    stage.driver.advance(0)
    assert [post.content["body"] for post in stage.posts] == ["first", "second"]
    assert any("may be posted again" in formatEvent(event) for event in events)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_the_program_refuses_comes_back_to_its_sender(status: int) -> None:
    stage = Stage(post_to="https://app.test/xmpp")
    stage.say("Hi")
    stage.posts[-1].answers(status)
    (error,) = stage.driver.sent()
    assert (error.type, str(error.to), error.id) == ("error", f"{ROMEO}/balcony", "m1")
    assert "not-acceptable" in error.raw.decode()


def test_after_some_hours_the_sender_gets_an_error() -> None:
    stage = Stage(post_to="https://app.test/xmpp", keep_hours=1)
    stage.say("Hi")
    while stage.reactor.seconds() < 1000 + 3600 + LONGEST_PAUSE:
        if not stage.posts[-1].answer.called:
            stage.posts[-1].answers(500)
        stage.driver.clock.advance(LONGEST_PAUSE)
    (error,) = stage.driver.sent()
    assert "remote-server-timeout" in error.raw.decode()


def test_what_waits_survives_a_restart() -> None:
    stage = Stage(post_to="https://app.test/xmpp")
    stage.say("first")
    stage.say("second")
    id = stage.posts[0].content["id"]
    stage.restart()
    assert [(post.content["id"], post.content["body"]) for post in stage.posts] == [(id, "first")]
    stage.posts[0].answers(200)
    stage.driver.advance(0)
    assert stage.posts[1].content["body"] == "second"
    stage.posts[1].answers(200)
    stage.restart()
    assert stage.posts == []


def test_one_sender_cannot_fill_the_queue() -> None:
    stage = Stage(post_to="https://app.test/xmpp")
    for number in range(MOST_POSTS_OF_ONE):
        assert stage.say(str(number)) == []
    (error,) = stage.say("one more")
    assert "resource-constraint" in error.raw.decode()
    assert stage.say("Hi", sender="ann@near.test/x") == []


def test_one_domain_and_those_below_it_cannot_fill_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "MOST_POSTS_OF_A_DOMAIN", 3)
    stage = Stage(post_to="https://app.test/xmpp")
    for number in range(3):
        assert stage.say(sender=f"ann@s{number}.wide.test/x") == []
    (error,) = stage.say(sender="ann@s4.wide.test/x")
    assert "resource-constraint" in error.raw.decode()
    assert stage.say(sender="ann@near.test/x") == []
    stage.posts[0].answers(200)
    stage.driver.advance(0)
    assert stage.say(sender="ann@s4.wide.test/x") == []


def test_the_log_does_not_show_the_path_and_query_of_the_url() -> None:
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        stage = Stage(post_to="https://app.test:8443/hush?key=hush")
        stage.say("Hi")
        for status in (500, 400):
            stage.posts[-1].answers(status)
            stage.driver.advance(1)
    finally:
        globalLogPublisher.removeObserver(events.append)
    said = [formatEvent(event) for event in events]
    assert len([each for each in said if each.startswith("https://app.test:8443 ")]) == 3
    assert "hush" not in str(said)


def test_what_is_too_large_to_keep_is_refused() -> None:
    (error,) = Stage(post_to="https://app.test/xmpp").say("x" * 60_000)
    assert "policy-violation" in error.raw.decode()


def test_strangers_are_refused_and_rooms_ignored() -> None:
    stage = Stage(post_to="https://app.test/xmpp")
    (error,) = stage.say(sender="ann@other.test/x")
    assert "forbidden" in error.raw.decode()
    said = f"<message from='room@near.test/x' to='{DOMAIN}' type='groupchat'><body>Hi</body></message>"
    assert stage.driver.receive(said) == []
    assert stage.posts == []


def test_without_a_program_messages_are_declined() -> None:
    (error,) = Stage().say()
    assert "service-unavailable" in error.raw.decode()


def test_those_who_are_listed_see_the_service() -> None:
    stage = Stage()
    assert [each.type for each in stage.driver.receive(f"<presence type='subscribe' from='{ROMEO}'/>")] == [
        "subscribed",
        None,
    ]
    assert [each.type for each in stage.driver.receive("<presence type='subscribe' from='ann@other.test'/>")] == [
        "unsubscribed"
    ]


# -- its options -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "name", "problem"),
    [
        ({}, "", ""),
        ({"allow": ["*"]}, "", ""),
        ({"listen": "tcp:99999"}, "listen", "no usable port"),
        ({"listen": 5}, "listen", "a server endpoint is needed"),
        ({"listen": "ssl:5281:privateKey=/no/such.pem"}, "listen", "No such file"),
        ({"token": Secret("short")}, "token", "too short: at least 16"),
        ({"token": Secret("ein Schlüssel, lang")}, "token", "printable ASCII"),
        ({"allow": []}, "allow", "a list is needed"),
        ({"allow": "romeo@far.test"}, "allow", "a list is needed"),
        ({"allow": [5]}, "allow", "an address is needed, not 5"),
        ({"allow": ["list:spam"]}, "allow", "lists are for filters"),
        ({"allow": ["@"]}, "allow", "localpart"),
        ({"per_minute": 0}, "per_minute", "from 1 on"),
        ({"keep_hours": "1"}, "keep_hours", "above 0"),
        ({"private": "no"}, "private", "true or false"),
        ({"post_to": "ftp://app.test"}, "post_to", "is not a URL like"),
        ({"post_to": 5}, "post_to", "is not a URL like"),
        ({"post_to": "https://app.test:x/"}, "post_to", "is not a URL"),
        ({"post_to": "https://a:b@app.test/"}, "post_to", "use a token"),
        ({"post_to": "http://app.test/"}, "post_to", "in the clear"),
        ({"post_to": "http://8.8.8.8/"}, "post_to", "in the clear"),
        ({"post_to": "http://127.0.0.1:8000/"}, "", ""),
        ({"post_to": "http://[::1]/"}, "", ""),
        ({"post_to": "http://10.0.0.1/"}, "", ""),
        ({"post_to": "http://app.test/", "private": True}, "", ""),
        ({"post_to": "https://app.test/", "authorities": Path("/no/such.pem")}, "authorities", "/no/such.pem"),
        ({"post_token": Secret("short")}, "post_token", "too short"),
    ],
)
def test_wrong_options_are_found_before_the_start(changed: dict[str, Any], name: str, problem: str) -> None:
    found = list(Webhook.mistakes(**{**OPTIONS, **changed}))
    assert [each for each, _ in found] == ([name] if name else [])
    assert all(problem in told for _, told in found), found
    assert not any("ein Schl" in told for _, told in found)


@pytest.mark.parametrize(
    ("address", "is_in"),
    [
        ("romeo@far.test/balcony", True),
        ("juliet@far.test", False),
        ("ann@near.test", True),
        ("ann@sub.near.test", False),
        ("ann@sub.wide.test", True),
        ("ann@notwide.test", False),
    ],
)
def test_a_circle_has_addresses_domains_and_what_is_below_them(address: str, is_in: bool) -> None:
    assert (Address.parse(address) in Circle(OPTIONS["allow"])) == is_in
    assert Address.parse(address) in Circle(["*"])
