"""What all tests may ask for."""

pytest_plugins = ("tests.interop.fixtures", "tests.parallel")
