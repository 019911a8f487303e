"""Attempts: each try to have a stream, in or out, as a record of steps with one verdict."""
