"""Lets ``python -m benchmarks`` work."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.shared.process import prepare_process
from benchmarks import BENCHMARKS, MissingData, Setting, home_at, machine
from vitcore.compute import ENGINES
from vitcore.errors import VitcoreError
from vitcore.text import use_utf8
from vitcore.workspace import Workspace

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the rows; the exit status."""
    use_utf8()
    parser = _parser()
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"'{unknown[0]}' is no benchmark; there are {', '.join(BENCHMARKS)}.")
    if options.list:
        for name, benchmark in BENCHMARKS.items():
            print(f"{name:20}{(benchmark.__doc__ or '').splitlines()[0]}")
        return 0
    _prepare()
    here, rows, status = machine(), [], 0
    if not options.json:
        print(_line("name", "value", "baseline", "ratio", "unit"), flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="vitcore-benchmarks-") as scratch,
        home_at(Workspace(Path(scratch) / "home")),
    ):
        setting = Setting(
            scratch=Path(scratch),
            backbone=options.backbone,
            photos=options.photos,
            kept=Workspace(options.workspace.absolute()) if options.workspace else None,
            engine=options.engine,
            images=options.images,
            whole=options.whole,
        )
        for name in dict.fromkeys(options.names) or BENCHMARKS:
            try:
                measured = BENCHMARKS[name](setting)
            except MissingData as missing:
                print(f"{name} is left out: {missing}.", file=sys.stderr)
                continue
            except VitcoreError as error:
                print(f"{name} failed: {error}", file=sys.stderr)
                status = 1
                continue
            rows += [row.to_dict(here) for row in measured]
            if not options.json:
                _print(rows[-len(measured) :])
    print(json.dumps(rows, indent=2) if options.json else f"\n{here}")
    return status


def _prepare() -> None:
    """Make this process what the app's server is, before anything is measured."""
    import timm  # noqa: F401
    import torch._dynamo  # noqa: F401

    prepare_process()


def _print(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        numbers = ("" if row[key] is None else f"{row[key]:.4g}" for key in ("value", "baseline", "ratio"))
        print(_line(row["name"], *numbers, row["unit"]), flush=True)


def _line(name: str, value: str, baseline: str, ratio: str, unit: str) -> str:
    return f"{name:50}{value:>10}{baseline:>10}{ratio:>10}  {unit}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure what is claimed about speed and accuracy."
    )
    photos = os.environ.get("VITCORE_PHOTOS")
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="which; all of them if none is named")
    add("--list", action="store_true", help="say what there is, and measure nothing")
    add("--json", action="store_true", help="print one JSON list on stdout")
    add(
        "--photos",
        type=Path,
        default=Path(photos) if photos else None,
        metavar="PATH",
        help="an archive or a folder of photos; $VITCORE_PHOTOS if not given",
    )
    add("--backbone", default="embedded", metavar="NAME", help="as for training; embedded if not given")
    add(
        "--workspace",
        type=Path,
        metavar="PATH",
        help="keep the embeddings of the photos there; all else goes into a temporary folder",
    )
    add(
        "--whole",
        action="store_true",
        help="carry out to its end what is otherwise measured on a part: an hour on two slow cores",
    )
    add(
        "--engine",
        choices=[engine for engine in ENGINES if engine != "auto"],
        default="torch",
        help="what embedding-pass measures",
    )
    add("--images", type=_count, metavar="N", help="digits to measure speed with; up to 1797")
    return parser


def _count(text: str) -> int:
    count = int(text)
    if not 20 <= count <= 1797:
        raise ValueError(text)
    return count


if __name__ == "__main__":
    sys.exit(main())
