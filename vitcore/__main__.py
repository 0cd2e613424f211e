"""Lets ``python -m vitcore`` work."""

import os
import signal
import sys
from types import FrameType

_INTERRUPTED = 130


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(_INTERRUPTED)


def _main() -> int:
    # While a command is imported there is nothing to stop or to keep yet. An exception would come out of the
    # import of whatever library it is at.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)

    from vitcore.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(_main())
