"""Records: frozen dataclasses of which another is made that differs in a few fields.

What is known on a stream is replaced a dozen times while the stream is opened, and `dataclasses.replace` sets every
field again, each by a call. This copies them all at once. It is for plain records: nothing is computed when they are
made, and nothing is kept in them but their fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import replace as replace  # so that the names and types of fields are checked
else:

    def replace(record: T, /, **changes: object) -> T:
        """The same record with other values in some of its fields."""
        known = record.__dict__
        replaced = object.__new__(type(record))
        fields = replaced.__dict__
        fields.update(known)
        fields.update(changes)
        if len(fields) != len(known):
            raise TypeError(f"{type(record).__name__} has no field {', '.join(changes.keys() - known.keys())}")
        return replaced
