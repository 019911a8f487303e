"""`python -m gateway.commands`: the console script, for those who have no script on their path."""

import sys

from gateway.commands import main

sys.exit(main())
