"""What all tests may ask for."""

from gateway.handlers.subprotocols import Subprotocols

Subprotocols([])  # Wokkel can be imported once an adapter has been made

pytest_plugins = ("tests.busy", "tests.interop.fixtures", "tests.parallel")
