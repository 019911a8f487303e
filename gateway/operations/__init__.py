"""Who tells operators what happens, and takes their orders."""
