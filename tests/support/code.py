"""Reading the product's code, for tests of what is written in it."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield a module, class or function, and the statements in it, in the order of `ast.walk`.

    Handlers and cases of statements are among them; expressions, which are nine of ten nodes, are not.
    """
    waiting = deque([tree])
    while waiting:
        node = waiting.popleft()
        yield node
        for name in ("body", "orelse", "handlers", "cases", "finalbody"):
            if isinstance(inner := getattr(node, name, None), list):
                waiting.extend(inner)
