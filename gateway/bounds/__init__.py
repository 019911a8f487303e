"""Bounds on what others can make us keep, say or do."""
