"""Filters: rules about the stanzas that cross the border between our domains and the others."""
