"""Lets ``python -m vitcore`` work."""

import sys

from vitcore.cli import main

if __name__ == "__main__":
    sys.exit(main())
