"""Lets ``python -m vitcore`` work."""

import gc
import os
import signal
import sys
from types import FrameType

_INTERRUPTED = 130


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(_INTERRUPTED)


def _main() -> int:
    # While a command is imported there is nothing to stop or to keep yet. An exception would come out of the
    # import of whatever library it is at.
    for number in _SIGNALS:
        signal.signal(number, _end)

    from vitcore.cli import main

    try:
        return main()
    finally:
        for number in _SIGNALS:  # the work is done, and what Python takes apart now has no handlers any more
            signal.signal(number, signal.SIG_IGN)
        gc.freeze()  # else it goes through all objects of the libraries, for seconds, and nothing can end it


if __name__ == "__main__":
    sys.exit(_main())
