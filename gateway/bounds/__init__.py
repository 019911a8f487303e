"""Bounds on what others can make us keep, log or do."""
