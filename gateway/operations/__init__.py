"""What operators see and steer: log, metrics, status, control socket, page."""
