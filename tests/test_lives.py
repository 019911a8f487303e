"""What lives as long as a connection keeps its state in a table, not in flags."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from textwrap import dedent

import pytest

from gateway.clients.client import Client
from gateway.clients.session import ClientSession
from gateway.components.route import ComponentRoute
from gateway.components.session import ComponentSession
from gateway.federation.inbound import InboundSession
from gateway.federation.outbound import OutboundSession
from gateway.federation.session import ServerSession
from gateway.login.session import LoginSession
from gateway.net.connection.protocol import StreamProtocol

LIVING = [
    StreamProtocol,
    ServerSession,
    InboundSession,
    OutboundSession,
    ComponentSession,
    ComponentRoute,
    ClientSession,
    Client,
    LoginSession,
]
MOST_FLAGS = 2
FLAG = re.compile("_?(is|has|was|may|does|can)_")


def targets(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Yield what a statement assigns to, each with its value if that is known."""
    if isinstance(node, ast.AnnAssign):
        of_flags = isinstance(node.annotation, ast.Name) and node.annotation.id == "bool"
        yield node.target, ast.Constant(value=False) if of_flags else node.value
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple):
                values = node.value.elts if isinstance(node.value, ast.Tuple) else [None] * len(target.elts)
                yield from zip(target.elts, values, strict=True)
            else:
                yield target, node.value


def flags(class_: type) -> set[str]:
    """Return the attributes of a class, and of what it derives from here, that are set to True or False."""
    found: set[str] = set()
    for base in class_.__mro__:
        if not base.__module__.startswith(("gateway.", "tests.")):
            continue
        for node in ast.walk(ast.parse(dedent(inspect.getsource(base)))):
            for target, value in targets(node):
                if not (isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)):
                    continue
                is_bool = isinstance(value, ast.Constant) and isinstance(value.value, bool)
                if target.value.id == "self" and (is_bool or FLAG.match(target.attr)):
                    found.add(target.attr)
    return found


class Flagged:
    """Has flags of every kind that is looked for."""

    def __init__(self, tired: bool) -> None:
        self.one = False
        self._two, self.no_flag = True, 1
        self.three: bool = tired
        self._is_four = self.five = False
        self.name = "no flag"


def test_flags_are_found_however_they_are_set() -> None:
    assert flags(Flagged) == {"one", "_two", "three", "_is_four", "five"}


@pytest.mark.parametrize("class_", LIVING, ids=lambda class_: class_.__name__)
def test_no_life_is_kept_in_flags(class_: type) -> None:
    found = flags(class_)
    assert len(found) <= MOST_FLAGS, f"{', '.join(sorted(found))}: make them states of a table"
