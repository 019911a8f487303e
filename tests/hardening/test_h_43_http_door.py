"""H-43: dashboards open to the world: read-only, escaped, of no use to foreign pages (CVE-2023-32315)."""

from __future__ import annotations

import json

import pytest
from twisted.internet.task import Clock

from gateway.operations.http.door import HTTPDoor, Page, Response
from gateway.operations.http.health import alive, ready
from tests.support.http import ask

MISDIRECTED = 421


@pytest.fixture
def door() -> HTTPDoor:
    pages = {
        "/": Page(lambda: Response(body="<p>hello</p>", kind="text/html; charset=utf-8")),
        "/healthz": Page(ready(lambda: [], lambda: [])),
        "/healthz/alive": Page(alive),
    }
    return HTTPDoor(pages, lambda: ["im.test"], Clock())


@pytest.mark.parametrize("path", ["/", "/healthz", "/healthz/alive", "/nothing/here"])
def test_h_43_every_answer_has_a_strict_policy(door: HTTPDoor, path: str) -> None:
    _, headers, _ = ask(door, path)
    policy = dict(rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Twisted" not in headers["Server"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/nothing"])
def test_h_43_only_reading_is_allowed(door: HTTPDoor, method: str, path: str) -> None:
    status, headers, _ = ask(door, path, method=method)
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"


def test_h_43_a_body_is_refused_and_not_kept(door: HTTPDoor) -> None:
    status, _, _ = ask(door, "/", body=b"x" * 200_000)
    assert status == 413


def test_h_43_head_has_the_length_and_no_body(door: HTTPDoor) -> None:
    status, headers, body = ask(door, "/", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, "12", b"")


@pytest.mark.parametrize("at", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example:5280", "evil.example."])
def test_h_43_on_loopback_a_name_that_strangers_may_point_at_us_is_refused(door: HTTPDoor, name: str, at: str) -> None:
    assert ask(door, "/", name=name, at=at)[0] == MISDIRECTED


@pytest.mark.parametrize("name", ["127.0.0.1:5280", "[::1]:5280", "localhost:5280", "gateway:5280", "IM.test"])
def test_h_43_on_loopback_names_of_ours_are_answered(door: HTTPDoor, name: str) -> None:
    assert ask(door, "/", name=name)[0] == 200


def test_h_43_elsewhere_the_operator_has_chosen_the_name(door: HTTPDoor) -> None:
    assert ask(door, "/", name="status.example:5280", at="10.0.0.1")[0] == 200


@pytest.mark.parametrize("path", ["/../etc/passwd", "/healthz/other", "//", "/%00", "/healthz/alive/x"])
def test_h_43_what_is_not_there_is_not_found(door: HTTPDoor, path: str) -> None:
    status, headers, body = ask(door, path)
    assert status == 404
    assert headers["Content-Type"].startswith("text/plain")
    assert b"passwd" not in body


def test_health_is_503_with_the_reasons_until_nothing_is_missing() -> None:
    missing = ["the door server is not open yet"]
    door = HTTPDoor({"/healthz": Page(ready(lambda: missing, lambda: []))}, lambda: [], Clock())
    status, _, body = ask(door, "/healthz")
    assert (status, json.loads(body)) == (503, {"alive": True, "ready": False, "problems": missing, "warnings": []})
    missing = []
    status, _, body = ask(door, "/healthz")
    assert (status, json.loads(body)) == (200, {"alive": True, "ready": True, "problems": [], "warnings": []})
