"""The operator's view: log, metrics, status, control socket, page."""
