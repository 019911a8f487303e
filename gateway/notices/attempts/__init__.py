"""Attempts: records of each incoming or outgoing stream, as steps with one verdict."""
