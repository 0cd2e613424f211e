"""Start the app: ``vitstudio``, or ``python -m vitstudio``."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]

_FRAME = "streamlit_app.py"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the app until it is asked to end.

    Args:
        arguments: As on the command line; those of the process if not given.
    """
    parser = argparse.ArgumentParser(
        prog="vitstudio", description="Image classifiers you can trust: the app."
    )
    parser.add_argument("--port", type=int, help="default: the first that is free, from 8501 on")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    options = parser.parse_args(arguments)
    if home := os.environ.get("VITCORE_HOME"):
        os.environ["VITCORE_HOME"] = str(Path(home).absolute())
    os.chdir(_root())  # Streamlit reads its settings from there
    from streamlit.web import cli

    more = [] if options.port is None else ["--server.port", str(options.port)]
    if options.no_browser:
        more += ["--server.headless", "true"]
    sys.argv = ["streamlit", "run", _FRAME, *more]
    cli.main()


def _root() -> Path:
    """The folder with the frame of the app: this package as it is installed, or a clone's root."""
    here = Path(__file__).parent
    return here if (here / _FRAME).is_file() else here.parent


if __name__ == "__main__":
    main()
