"""The control socket, by which commands reach the running service. Any user who may open the file may use it."""
