"""Start, reload and shutdown."""
