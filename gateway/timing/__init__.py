"""Timers, and turns of the event loop."""
