"""Looking at a server from outside: the questions and connections of `interop` and `check --world`."""
