"""How stanzas end while connections, peers and components fail: see `test_conservation`."""
