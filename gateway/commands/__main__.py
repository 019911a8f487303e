"""`python -m gateway.commands`: the console script, for those who have no script on their path."""

import sys

from gateway.commands import main

if __name__ == "__main__":
    sys.exit(main())
