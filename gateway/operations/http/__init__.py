"""The http port: pages for an operator's browser, monitor and metrics collector. Nothing here changes anything."""
