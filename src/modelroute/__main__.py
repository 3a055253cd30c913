"""`python -m modelroute`: the command line."""

import sys

from modelroute.cli import main

if __name__ == "__main__":
    sys.exit(main())
