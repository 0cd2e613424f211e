"""The command that writes the report of a run."""

import argparse
from pathlib import Path

from vitcore.cli._output import answer
from vitcore.cli._settings import Add, open_workspace
from vitcore.language import LANGUAGES, file_size
from vitcore.progress import Task

__all__ = ["add_commands"]


def add_commands(add: Add) -> None:
    """Add this command to the command line."""
    sub = add("report", _report, "Write the report of a run as one HTML file.")
    sub.add_argument("run_id", metavar="RUN_ID")
    sub.add_argument("--out", required=True, metavar="FILE.html", help="where to write it")
    sub.add_argument("--language", choices=tuple(LANGUAGES), default="en", help="of the report (default: en)")


def _report(options: argparse.Namespace, _task: Task) -> None:
    from vitcore.pipeline import write_report

    file = write_report(
        options.run_id, Path(options.out), language=options.language, workspace=open_workspace()
    )
    size_bytes = file.stat().st_size
    found = {"file": str(file.absolute()), "bytes": size_bytes, "language": options.language}
    answer(options, found, f"{file.absolute()}  {file_size(size_bytes)}")
