"""One TCP connection: its bytes, its timers, its back-pressure."""
