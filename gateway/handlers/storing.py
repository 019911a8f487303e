"""ServiceStorage: what a service keeps, by key, in the store of the gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail

from gateway.storage.errors import StoreUnavailable
from gateway.storage.interfaces import IStore


class ServiceStorage:
    """Values by key, which survive a restart; a value is anything that JSON can hold.

    Every service has its own keys. Writes are on the disk when their Deferred fires. StoreFull if there are too many
    values or one is too large (StoreLimits), StoreUnavailable if the store cannot work now.
    """

    def __init__(self, name: str, store: Callable[[], IStore | None]) -> None:
        """`store` returns the store; None before it is open."""
        self._name = name
        self._store = store

    def get(self, key: str, default: Any = None) -> Deferred[Any]:
        """Return the value for the key, or the default."""
        return self._call("value", key).addCallback(lambda raw: default if raw is None else json.loads(raw))

    def set(self, key: str, value: Any) -> Deferred[None]:
        """Keep a value; TypeError if JSON cannot hold it."""
        return self._call("set_value", key, json.dumps(value, ensure_ascii=False).encode())

    def delete(self, key: str) -> Deferred[None]:
        """Delete a value; a key without one is not an error."""
        return self._call("set_value", key, None)

    def items(self, prefix: str = "") -> Deferred[dict[str, Any]]:
        """Return all values whose keys begin with `prefix`, in the order of the keys."""
        return self._call("values", prefix).addCallback(
            lambda found: {key: json.loads(raw) for key, raw in found.items()}
        )

    def _call(self, method: str, *args: Any) -> Deferred[Any]:
        store = self._store()
        if store is None:
            return fail(StoreUnavailable("the store is not open yet"))
        return getattr(store, method)(self._name, *args)  # type: ignore[no-any-return]
