"""Records: frozen dataclasses, and a fast copy with a few changed fields.

The facts of a stream are replaced a dozen times while it is opened, and `dataclasses.replace` sets every field again,
each by a call. This copies them all at once. It is for plain records: nothing is computed when they are made, and they
contain nothing but their fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import replace as replace  # so that the type checker checks names and types of fields
else:

    def replace(record: T, /, **changes: object) -> T:
        """Return the same record with other values in some of its fields."""
        known = record.__dict__
        replaced = object.__new__(type(record))
        fields = replaced.__dict__
        fields.update(known)
        fields.update(changes)
        if len(fields) != len(known):
            raise TypeError(f"{type(record).__name__} has no field {', '.join(changes.keys() - known.keys())}")
        return replaced
