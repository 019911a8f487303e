"""The control socket: how the commands of an operator reach the running service. Who may open the file may ask."""
