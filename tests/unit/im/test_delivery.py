"""The delivery rules, against the table of RFC 6121 §8.5.4 as it is printed there, and against the text around it."""

from __future__ import annotations

import pytest

from gateway.im.delivery import FOR_THE_PRESENT, RULES, Action, Finds, action

# S: ignore or bounce; E: bounce; O: store; D: deliver; M: to the most available; A: to all that are not negative.
PRINTED = """
Condition               | normal | chat | groupchat | headline | finds
ACCOUNT DOES NOT EXIST
 bare                   |   S    |  S   |     E     |    S     | NO_ACCOUNT
 full                   |   S    |  S   |     S     |    S     | NO_ACCOUNT
ACCOUNT EXISTS, BUT NO ACTIVE RESOURCES
 bare                   |   O    |  O   |     E     |    S     | ACCOUNT_ALONE
 full (no match)        |   S    |  O   |     S     |    S     | NO_RESOURCE
1+ NEGATIVE RESOURCES BUT ZERO NON-NEGATIVE RESOURCES
 bare                   |   O    |  O   |     E     |    S     | ACCOUNT_ALONE
 full match             |   D    |  D   |     D     |    D     | RESOURCE
 full no match          |   S    |  O   |     S     |    S     | NO_RESOURCE
1 NON-NEGATIVE RESOURCE
 bare                   |   D    |  D   |     E     |    D     | ACCOUNT
 full match             |   D    |  D   |     D     |    D     | RESOURCE
 full no match          |   S    |  D   |     S     |    S     | OTHER_RESOURCES
1+ NON-NEGATIVE RESOURCES
 bare                   |   M    |  M   |     E     |    A     | ACCOUNT
 full match             |   D    |  D   |     D     |    D     | RESOURCE
 full no match          |   S    |  M   |     S     |    S     | OTHER_RESOURCES
"""
ALLOWED = {
    "S": {Action.DROP, Action.BOUNCE},
    "E": {Action.BOUNCE},
    "O": {Action.STORE},
    "D": {Action.DELIVER, Action.SPREAD},
    "M": {Action.SPREAD},
    "A": {Action.SPREAD},
}


def printed() -> list[tuple[str, str, Finds]]:
    """Each cell as (type, letter, column of ours)."""
    head, *lines = [line.split("|") for line in PRINTED.strip().splitlines()]
    types = [cell.strip() for cell in head[1:5]]
    rows = [[cell.strip() for cell in line] for line in lines if len(line) == len(head)]
    return [(type_, letter, Finds[row[5]]) for row in rows for type_, letter in zip(types, row[1:5], strict=True)]


@pytest.mark.parametrize(("type_", "letter", "finds"), printed())
def test_messages_by_the_table_of_the_rfc(type_: str, letter: str, finds: Finds) -> None:
    assert action("message", type_, finds) in ALLOWED[letter]


@pytest.mark.parametrize("finds", Finds)
@pytest.mark.parametrize("type_", [None, "nonsense"])
def test_message_of_no_or_unknown_type_is_a_normal_one(type_: str | None, finds: Finds) -> None:
    assert action("message", type_, finds) is action("message", "normal", finds)


def test_no_chat_or_normal_message_vanishes() -> None:
    for type_ in ("normal", "chat", "groupchat"):
        assert Action.DROP not in RULES["message"][type_]


@pytest.mark.parametrize("name", ["message", "iq"])
def test_errors_and_results_reach_a_resource_or_end(name: str) -> None:
    for type_ in ("error", "result") if name == "iq" else ("error",):
        ends = {finds: action(name, type_, finds) for finds in Finds}
        assert ends.pop(Finds.RESOURCE) is Action.DELIVER
        assert set(ends.values()) == {Action.DROP}


@pytest.mark.parametrize("type_", ["get", "set"])
def test_requests_are_never_dropped(type_: str) -> None:
    assert {action("iq", type_, finds) for finds in Finds} == {Action.DELIVER, Action.SERVE, Action.BOUNCE}


@pytest.mark.parametrize("type_", ["subscribe", "subscribed", "unsubscribe", "unsubscribed"])
def test_subscription_presence_is_dropped_for_unknown_accounts_only(type_: str) -> None:
    ends = {finds: action("presence", type_, finds) for finds in Finds}
    assert ends.pop(Finds.NO_ACCOUNT) is Action.DROP
    assert set(ends.values()) == {Action.SUBSCRIBE}


@pytest.mark.parametrize(("name", "type_"), [("presence", "nonsense"), ("iq", None), ("iq", "nonsense")])
def test_unknown_types_of_presence_and_iq_are_refused(name: str, type_: str | None) -> None:
    assert {action(name, type_, finds) for finds in Finds} == {Action.REFUSE}


def test_what_needs_nobody_is_what_informs_or_answers() -> None:
    assert sorted(FOR_THE_PRESENT, key=str) == [
        ("iq", "error"),
        ("iq", "result"),
        ("message", "error"),
        ("message", "headline"),
        ("presence", "error"),
        ("presence", "unavailable"),
        ("presence", None),
    ]
