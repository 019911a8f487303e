"""The http door: what an operator's browser, monitor and metrics collector read. Nothing here changes anything."""
