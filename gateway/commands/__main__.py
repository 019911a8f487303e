"""`python -m gateway.commands`: the console script, when it is not on the path."""

import sys

from gateway.commands import main

if __name__ == "__main__":
    sys.exit(main())
