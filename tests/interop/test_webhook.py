"""The webhook on the wire: curl-like programs, a user of Prosody, and a program that messages are posted to."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import pytest

from tests.interop.clients import user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.process import accepts

TOKEN = "a token of some length"
POST_TOKEN = "another token of some length"
PATIENCE = 30  # of a busy machine
PORT = 5281


class Program:
    """An operator's own program, which takes what is posted; it answers as the test says."""

    def __init__(self, address: str) -> None:
        self.got: Queue[tuple[dict[str, str], dict[str, Any]]] = Queue()
        self.statuses: list[int] = []  # of the next answers; then 200
        program = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                program.got.put((dict(self.headers), json.loads(body)))
                self.send_response(program.statuses.pop(0) if program.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = HTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self._server.server_port}/xmpp"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    async def next(self) -> tuple[dict[str, str], dict[str, Any]]:
        """Return what is posted next."""
        return await asyncio.to_thread(self.got.get, True, PATIENCE)

    def close(self) -> None:
        """Take nothing more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)


@pytest.fixture(scope="module")
def program(world: Any) -> Iterator[Program]:
    program = Program(world.address())
    yield program
    program.close()


@pytest.fixture(scope="module")
def door(world: Any) -> str:
    """Return where programs send messages."""
    return f"{world.address()}:{PORT}"


@pytest.fixture(scope="module")
def hooks(start_all: Starter, program: Program, prosody: Peer, door: str) -> Peer:
    """A gateway with a webhook for the people of prosody.test."""
    options = {
        "listen": f"tcp:{PORT}:interface={door.partition(':')[0]}",
        "token": TOKEN,
        "allow": ["prosody.test"],
        "post_to": program.url,
        "post_token": POST_TOKEN,
    }
    domains = {"hooks.test": {"serve": "webhook", "options": options}}
    gateway = start_all(Gateway, "hooks.test", options={"domains": domains})
    gateway.wait_until(lambda: accepts(door.partition(":")[0], PORT), PATIENCE, "ready at this door, too")
    return gateway


async def send(door: str, said: dict[str, Any], token: str = TOKEN) -> tuple[int, dict[str, Any]]:
    """Send a message by HTTP; return the status and the answer."""

    def ask() -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            f"http://{door}/messages",
            json.dumps(said).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return await asyncio.to_thread(ask)


async def test_a_message_reaches_a_user_of_prosody_once(hooks: Peer, door: str, prosody: Peer) -> None:
    async with user(prosody, "romeo") as romeo:
        said = {"to": "romeo@prosody.test", "body": "The build has failed", "from": "build", "id": "build-17"}
        assert await send(door, said) == (202, {"id": "build-17", "sent": 1})
        assert await send(door, said) == (200, {"id": "build-17", "sent": 0, "repeated": True})
        assert await send(door, {"to": "romeo@prosody.test", "body": "That is all"}) is not None
        message = await romeo.expect_message("The build has failed")
        assert str(message["from"]) == "build@hooks.test"
        await romeo.expect_message("That is all")
        assert [each for each in romeo.inbox if each["body"] == "The build has failed"] == []


async def test_what_people_answer_is_posted_again_until_it_is_taken(
    hooks: Peer, program: Program, prosody: Peer
) -> None:
    program.statuses = [503]
    async with user(prosody, "romeo") as romeo:
        romeo.send_message("build@hooks.test", "try again")
        (headers, first), (_, second) = await program.next(), await program.next()
        assert headers["Authorization"] == f"Bearer {POST_TOKEN}"
        assert headers["Idempotency-Key"] == first["id"] == second["id"]
        assert (second["event"], second["from"], second["to"]) == ("message", romeo.jid, "build@hooks.test")
        assert second["body"] == "try again"


async def test_what_the_program_refuses_comes_back(hooks: Peer, program: Program, prosody: Peer) -> None:
    program.statuses = [422]
    async with user(prosody, "romeo") as romeo:
        sent = romeo.send_message("build@hooks.test", "nonsense")
        assert await romeo.expect_error(sent) == "not-acceptable"
        await program.next()


async def test_an_error_of_the_other_server_is_posted(hooks: Peer, door: str, program: Program) -> None:
    assert (await send(door, {"to": "nobody@prosody.test", "body": "Hi", "id": "lost-1"}))[0] == 202
    _, posted = await program.next()
    assert (posted["event"], posted["message"], posted["from"]) == ("error", "lost-1", "nobody@prosody.test")


async def test_refusals_name_the_reason_and_the_log_has_no_token(hooks: Peer, door: str) -> None:
    status, told = await send(door, {"to": "romeo@prosody.test", "body": "Hi"}, token="not the right one")
    assert (status, "the token is missing or wrong" in told["error"]) == (401, True)
    status, told = await send(door, {"to": "romeo@elsewhere.test", "body": "Hi"})
    assert (status, "romeo@elsewhere.test is not among" in told["error"]) == (403, True)
    assert "without the right token was refused" in hooks.log()
    for secret in (TOKEN, POST_TOKEN, "not the right one"):
        assert secret not in hooks.log()
