"""Filters: what crosses the border between our domains and the others, and what becomes of it."""
