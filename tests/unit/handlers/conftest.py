"""Wokkel 18 does not import under this Twisted before the adapter has been imported."""

import gateway.handlers.subprotocols  # noqa: F401
