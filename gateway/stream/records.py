"""Records: frozen dataclasses that are made and copied quickly.

    @record(frozen=True, kw_only=True)
    class Facts: ...

A frozen dataclass sets each of its fields by a call, which for a stream that is opened adds up to more than anything
else we do for it. A record is frozen for the type checker alone, which reports code that changes one; at run time it is
an ordinary dataclass.

The facts of a stream are replaced a dozen times while it is opened, and `dataclasses.replace` sets every field again.
`replace` copies them all at once. It is for plain records: nothing is computed when they are made, and they contain
nothing but their fields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

__all__ = ["record", "replace"]

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass as record  # so that the type checker checks names and types of fields
    from dataclasses import replace
else:

    def record(*, frozen: bool, kw_only: bool, slots: bool = False) -> Callable[[type[T]], type[T]]:
        """Make a dataclass of a class, with a hash as a frozen one has it."""

        def made(kind: type[T]) -> type[T]:
            return dataclass(kw_only=kw_only, slots=slots, unsafe_hash=frozen and "__hash__" not in vars(kind))(kind)

        return made

    def replace(record: T, /, **changes: object) -> T:
        """Return the same record with other values in some of its fields."""
        known = record.__dict__
        fields = known | changes
        if len(fields) != len(known):
            raise TypeError(f"{type(record).__name__} has no field {', '.join(changes.keys() - known.keys())}")
        replaced = object.__new__(record.__class__)
        replaced.__dict__.update(fields)
        return replaced
