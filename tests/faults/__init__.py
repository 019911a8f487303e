"""What becomes of stanzas while connections, peers and components fail: see `test_conservation`."""
