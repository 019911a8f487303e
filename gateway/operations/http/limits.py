"""The most rows of each list that the page shows; it says how many more there are."""

ROWS = 25
"""Other domains on one page."""
OURS = 50
"""Our own domains on one page."""
MOST_PAGES = 4
"""Pages of a list of all nodes: each node has to send the rows of all pages up to there. One node's list has all."""
MOST_NODES = 100
"""Nodes of the table: those with something wrong come first."""
MOST_AT = 3
"""Nodes that are named in the row of one of our domains."""
ON_THE_MAP = 20
WORST_ON_THE_MAP = 10
OURS_ON_THE_MAP = 8
MOST_TROUBLES = 10
MOST_GROUPS = 8
MOST_ATTEMPTS = 5
MOST_STREAMS = 20
MOST_OUTBOX_EVENTS = 5
MOST_LISTS = 10
MOST_HELD = 100
