"""What all tests may ask for."""

from hypothesis import settings

from gateway.handlers.subprotocols import Subprotocols

Subprotocols([])  # Wokkel can be imported once an adapter has been made

settings.register_profile("patient", deadline=None)  # a busy machine is no fault of what is tested
settings.load_profile("patient")

pytest_plugins = ("tests.busy", "tests.interop.fixtures", "tests.parallel")
