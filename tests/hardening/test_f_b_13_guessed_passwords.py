"""B-13: guessing passwords over many connections gets slower and slower, and keeps nobody out who is known."""

from __future__ import annotations

import pytest

from gateway.clients.login import LONGEST_WAIT
from tests.support.doors import House, plain

PATIENT = 3600
PAUSE = 20  # seconds between two rounds of tries


def log_in(house: House, local: str, password: str | None = None, address: str = "192.0.2.1") -> str:
    """Return the answer to a password on its own connection."""
    line = house.connect()
    line.peer_address = f"{address}:40000"
    line.secure()
    line.heard()
    line.say(plain(local, password) if password is not None else plain(local))
    house.clock.advance(0.5)
    return line.heard()


def guesses_in_an_hour(house: House, local: str, addresses: list[str]) -> int:
    """Return how many wrong passwords are compared while somebody tries again and again."""
    compared = 0
    until = house.clock.seconds() + PATIENT
    while house.clock.seconds() < until:
        for address in addresses:
            compared += "not-authorized" in log_in(house, local, "wrong", address)
        house.clock.advance(PAUSE)
    return compared


@pytest.mark.parametrize("local", ["juliet", "nobody"])
@pytest.mark.parametrize("addresses", [["192.0.2.1"], [f"192.0.2.{number}" for number in range(5)]], ids=len)
def test_f_b_13_guesses_are_few_whether_there_is_such_an_account_or_not(local: str, addresses: list[str]) -> None:
    """In an hour of trying a few times a minute a few dozen passwords are compared, of one address or of five."""
    assert guesses_in_an_hour(House("juliet"), local, addresses) <= 60


def test_f_b_13_one_address_is_slowed_down_whichever_accounts_it_tries() -> None:
    """Names tried in turn count for the address that tries them."""
    house = House("juliet")
    heard = [log_in(house, f"name{number}", "wrong") for number in range(100)]
    assert sum("not-authorized" in each for each in heard) <= 20
    assert "<success" in log_in(house, "juliet", address="198.51.100.1")


def test_f_b_13_whoever_has_logged_in_from_an_address_is_not_kept_out_there() -> None:
    """Strangers guess at an account, and its owner's client comes back as ever."""
    house = House("juliet")
    assert "<success" in log_in(house, "juliet", address="198.51.100.1")
    for number in range(100):
        log_in(house, "juliet", "wrong", f"192.0.2.{number}")
    assert "<success" in log_in(house, "juliet", address="198.51.100.1")


def test_f_b_13_after_the_wait_the_right_password_is_taken() -> None:
    """A refused try says that it may be repeated, and later it is as good as ever."""
    house = House("juliet")
    for _ in range(40):
        log_in(house, "juliet", "wrong")
    assert "<temporary-auth-failure" in log_in(house, "juliet")
    house.clock.advance(LONGEST_WAIT)
    assert "<success" in log_in(house, "juliet")
