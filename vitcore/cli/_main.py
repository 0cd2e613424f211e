"""Reading the command line and running one command."""

import argparse
import os
import sys
from collections.abc import Sequence

from vitcore.cli import (
    _data,
    _embed,
    _export,
    _judging,
    _labelling,
    _predict,
    _report,
    _runs,
    _serve,
    _training,
)
from vitcore.cli._output import Printer, say, stopping
from vitcore.cli._settings import Command
from vitcore.errors import Stopped, VitcoreError
from vitcore.progress import Task
from vitcore.records import disk_guard
from vitcore.text import use_utf8

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        arguments: As on the command line; those of the process if not given.
    """
    use_utf8()
    options = _parser().parse_args(arguments)
    task = Task(Printer())
    try:
        with stopping(task.stop), disk_guard():
            options.command(options, task)
    except Stopped as stopped:
        say(stopped)
        return 130
    except KeyboardInterrupt:  # the second one
        return 130
    except VitcoreError as error:
        say(f"vitcore: {' '.join(str(error).split())}")
        return 1
    except BrokenPipeError:
        # Whoever read our output has had enough; keep the interpreter from complaining at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 130 if task.stopped else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vitcore", description="Image classifiers you can trust.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, command: Command, summary: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        sub.set_defaults(command=command)
        sub.add_argument("--json", action="store_true", help="print one JSON object on stdout")
        return sub

    modules = (
        _data,
        _embed,
        _labelling,
        _training,
        _judging,
        _predict,
        _serve,
        _export,
        _report,
        _runs,
    )
    for module in modules:
        module.add_commands(add)
    return parser
