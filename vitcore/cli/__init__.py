"""The same work without a browser: ``python -m vitcore``.

Progress and messages go to stderr; with ``--json`` stdout carries exactly one JSON object. Exit
status: 0 done, 1 a `VitcoreError` (one line on stderr), 2 wrong usage, 130 interrupted.
"""

from vitcore.cli._main import main

__all__ = ["main"]
