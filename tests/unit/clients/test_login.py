"""The answers to what SASL asks."""

from __future__ import annotations

from twisted.internet.defer import fail, maybeDeferred
from twisted.internet.task import Clock

from gateway.clients.login import PAUSE_SECONDS, Login, LoginTry
from gateway.features.sasl import Compute, Computed, CredentialsFound, FindCredentials, Paused
from gateway.sasl.keys import ScramHash
from gateway.storage.errors import StoreUnavailable
from gateway.storage.memory import MemoryStore
from gateway.storage.records import StoreLimits
from gateway.xmpp.errors import SaslCondition, SaslFailure
from tests.support.logins import KEYS

QUESTION = FindCredentials(account="juliet@ours.test", hashes=tuple(ScramHash))


def a_try() -> LoginTry:
    return LoginTry(address="192.0.2.1", account="juliet@ours.test")


def memory() -> MemoryStore:
    return MemoryStore(token=lambda: "epoch", limits=StoreLimits())


class Broken:
    def keys(self, account: str, hashes: object) -> object:
        return fail(StoreUnavailable("the disk is full"))


def login(store: object) -> tuple[Login, Clock]:
    clock = Clock()
    return Login(store, maybeDeferred, clock), clock  # type: ignore[arg-type]


def answers(deferred: object) -> list[object]:
    got: list[object] = []
    deferred.addCallback(got.append)  # type: ignore[attr-defined]
    return got


def test_keys_are_those_of_the_first_hash() -> None:
    store = memory()
    store.add_account("juliet@ours.test", list(KEYS.values()))
    assert answers(login(store)[0].find(QUESTION, a_try())) == [CredentialsFound(keys=KEYS[ScramHash.SHA_256])]


def test_account_that_is_not_there_has_no_keys() -> None:
    assert answers(login(memory())[0].find(QUESTION, a_try())) == [CredentialsFound(keys=None)]


def test_store_that_does_not_answer_is_a_temporary_failure() -> None:
    (found,) = answers(login(Broken())[0].find(QUESTION, a_try()))
    assert isinstance(found, CredentialsFound)
    assert isinstance(found.keys, SaslFailure)
    assert found.keys.condition is SaslCondition.TEMPORARY_AUTH_FAILURE
    assert "disk" not in found.keys.text


def test_outcome_of_work_is_what_it_returns_or_refuses() -> None:
    refusal = SaslFailure(SaslCondition.NOT_AUTHORIZED)

    def refuse() -> bytes:
        raise refusal

    one, _ = login(memory())
    assert answers(one.compute(Compute(work=lambda: b"done"))) == [Computed(outcome=b"done")]
    assert answers(one.compute(Compute(work=refuse))) == [Computed(outcome=refusal)]


def test_pause_takes_its_time() -> None:
    one, clock = login(memory())
    got = answers(one.pause(None))
    clock.advance(PAUSE_SECONDS - 0.1)
    assert got == []
    clock.advance(0.1)
    assert got == [Paused()]
