"""The control socket, through which commands reach the running service. Any user who may open the file may use it."""
