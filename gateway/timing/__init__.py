"""Steady time, timers, and turns of the event loop."""
