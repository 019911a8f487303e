"""The http port: pages for an operator's browser, monitor and metrics collector. Nothing here changes anything.

door.py     the site
views.py    what the page shows, as events
events.py   these events, sent to a browser
nodes.py    what the other nodes of a cluster show
merging.py  the views of several nodes as one
limits.py   how much of each list is shown
health.py   /healthz
files.py    the files of the page, from the folder `page`
"""
