"""The command that predicts."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from vitcore.cli._output import say
from vitcore.cli._settings import DEVICE, Add, add_cluster, find_model
from vitcore.dataset import frame_interval, frames_of
from vitcore.errors import ImageError, Stopped
from vitcore.layouts import is_video
from vitcore.progress import Task
from vitcore.text import json_text, shown, unquoted

if TYPE_CHECKING:
    from vitcore.features import Pass
    from vitcore.inference import Classifier, PredictedFile, VideoPicture

__all__ = ["add_commands"]

_LISTED = 20  # files that were skipped, on stderr
_IN_MEMORY_BYTES = 2**20


def add_commands(add: Add) -> None:
    """Add these commands to the command line."""
    sub = add("predict", _predict, "Predict the classes of images.")
    sub.add_argument("model", metavar="RUN_ID|MODEL_FOLDER")
    sub.add_argument("paths", metavar="PATH", nargs="+", help="image files, or folders of them")
    sub.add_argument(
        "--csv",
        metavar="FILE",
        help="write the predictions to a CSV file; interrupted, the same command goes on where it was",
    )
    sub.add_argument(
        "--keep-figures",
        action="store_true",
        help="keep class, confidence and distance of each answer, to notice drift; nothing of the photos",
    )
    sub.add_argument(
        "--frames",
        metavar="SECONDS",
        default="",
        help="answer for pictures of a video at this interval (needs PyAV): a line for each, with its time",
    )
    sub.add_argument("--device", **DEVICE)
    add_cluster(sub, engines=("auto",))


def _predict(options: argparse.Namespace, task: Task) -> None:
    from vitcore.engines import pass_for
    from vitcore.inference import keep_usage, keeping_usage, load_classifier

    folder = find_model(options.model)
    classifier = load_classifier(folder, device=options.device, task=task)
    if options.keep_figures:
        keep_usage(folder)
        classifier = keeping_usage(classifier, folder)
    with pass_for(options.engine, options.address, workers=options.workers) as forward_pass:
        if options.csv is not None:
            _to_table(options, classifier, Path(options.csv), forward_pass, task)
        else:
            _to_stdout(options, classifier, forward_pass, task)


def _to_table(
    options: argparse.Namespace,
    classifier: "Classifier",
    table: Path,
    forward_pass: "Pass",
    task: Task,
) -> None:
    from vitcore.inference import each_prediction, predict_files

    own = {table.name, f"{table.name}.unfinished"}

    def is_own(path: Path) -> bool:
        return path.name in own and path.parent.resolve() == table.parent.resolve()

    files = (path for path in _files(options.paths, task) if not is_own(path))
    interval_s = frame_interval(options.frames)
    total = None if interval_s else sum(not is_own(path) for path in _files(options.paths, task))
    try:
        result = predict_files(
            classifier,
            _pictures(files, interval_s),
            table,
            total=total,
            timed=interval_s > 0,
            forward_pass=forward_pass,
            task=task,
        )
    except Stopped as stopped:
        raise Stopped(
            "Stopped; what is done is in {table}. The same command goes on from there.", table=table
        ) from stopped
    if options.json:
        with closing(_Skipped()) as skipped:
            _print_json(each_prediction(table), skipped)
    _list_skipped(((row.path, row.error) for row in result.first_skipped), result.skipped, str(table))


def _to_stdout(
    options: argparse.Namespace, classifier: "Classifier", forward_pass: "Pass", task: Task
) -> None:
    with closing(_Skipped()) as skipped:
        rows = _predicted(classifier, options, forward_pass, task)
        if options.json:
            _print_json(rows, skipped)
            _list_skipped(skipped, skipped.count, "the answer")
        else:
            for row in rows:
                if row.error:
                    skipped.add(row)
                else:
                    say(f"{shown(row.path)}: {_words(row)}", sys.stdout)
            _list_skipped(skipped, skipped.count)
    if task.stopped:
        raise Stopped("Stopped; with --csv FILE the same command would go on from there.")


def _words(row: "PredictedFile") -> str:
    from vitcore.report import answer_sentence, nearest_classes

    if row.sure:
        return f"{row.label} {row.confidence:.1%}"
    nearest = nearest_classes(row.reason, {row.label: row.confidence})
    return f"{answer_sentence(row.label, row.reason)} ({nearest})"


def _predicted(
    classifier: "Classifier", options: argparse.Namespace, forward_pass: "Pass", task: Task
) -> Iterator["PredictedFile"]:
    """The files one by one, until all are done or it is asked to stop."""
    from vitcore.inference import PredictedFile

    # Lines of predictions and a line of progress would overwrite each other on a terminal.
    shown = Task(None, task.stop) if sys.stdout.isatty() else task
    interval_s = frame_interval(options.frames)
    total = 0 if interval_s else sum(1 for _ in _files(options.paths, task))
    meter = shown.meter("predict", total)
    pictures = _pictures(_files(options.paths, task), interval_s)
    with closing(classifier.predict_each(pictures, forward_pass=forward_pass)) as results:
        for path, result in results:
            yield PredictedFile.of(path, result)
            meter.add(1)
            if task.stopped:
                return


def _pictures(files: Iterable[Path], interval_s: float) -> Iterator["Path | VideoPicture"]:
    """The files, and instead of each video its pictures at an interval, if one is given."""
    return chain.from_iterable(
        _frames(path, interval_s) if interval_s and is_video(path.name) else [path] for path in files
    )


def _frames(video: Path, interval_s: float) -> Iterator["Path | VideoPicture"]:
    """The pictures of a video, and why there are no more."""
    from vitcore.inference import VideoPicture

    try:
        for frame in frames_of(video, str(video), interval_s):
            yield VideoPicture.of(frame.name, frame.content, frame.time_s)
    except ImageError as error:
        yield VideoPicture.of(str(video), problem=error.message)


# --- the files -------------------------------------------------------------------------------------


def _files(paths: Sequence[str], task: Task) -> Iterator[Path]:
    """The files to predict: folders are walked, every file in them that is not hidden."""
    for path in map(Path, map(unquoted, paths)):
        for file in _below(path) if path.is_dir() else [path]:
            if task.stopped:
                return
            yield file


def _below(folder: Path) -> Iterator[Path]:
    """Every file below a folder that is not hidden, in the order of their paths.

    One folder after the other is listed, however many there are. Links to folders are not followed.
    """
    open_folders = [(folder, _entries(folder))]
    while open_folders:
        parent, entries = open_folders[-1]
        for name, is_folder in entries:
            if is_folder:
                open_folders.append((parent / name, _entries(parent / name)))
                break
            yield parent / name
        else:
            open_folders.pop()


def _entries(folder: Path) -> Iterator[tuple[str, bool]]:
    """The names in a folder in order, and whether each is a folder; no name if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            found = [
                (entry.name, entry.is_dir(follow_symlinks=False))
                for entry in entries
                if not entry.name.startswith(".") and (entry.is_dir(follow_symlinks=False) or entry.is_file())
            ]
    except OSError:
        return iter([("", False)])  # the folder itself, tried like a file, so that the reason is told
    return iter(sorted(found))


# --- what is said ----------------------------------------------------------------------------------


class _Skipped:
    """Files that were skipped, kept on the disk if there are many."""

    def __init__(self) -> None:
        self.count = 0
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, "w+", encoding="utf-8")  # noqa: SIM115

    def add(self, row: "PredictedFile") -> None:
        """Remember one."""
        self._file.write(json.dumps([row.path, row.error]) + "\n")
        self.count += 1

    def __iter__(self) -> Iterator[tuple[str, str]]:
        self._file.seek(0)
        for line in self._file:
            path, reason = json.loads(line)
            yield path, reason

    def close(self) -> None:
        """Forget them."""
        self._file.close()


def _print_json(rows: Iterable["PredictedFile"], skipped: _Skipped) -> None:
    """Print one JSON object piece by piece, for as a whole it may not fit in memory."""
    start = '{"predictions": ['
    for row in rows:
        if row.error:
            skipped.add(row)
            continue
        print(start, json_text(row.to_dict()), sep="", end="")
        start = ", "
    print("" if start == ", " else start, '], "skipped": [', sep="", end="")
    start = ""
    for path, reason in skipped:
        print(start, json_text({"path": path, "reason": reason}), sep="", end="")
        start = ", "
    print("]}")


def _list_skipped(skipped: Iterable[tuple[str, str]], count: int, place: str = "") -> None:
    """Say on stderr what was skipped; only the first of many if all can be found at another place."""
    for number, (path, reason) in enumerate(skipped):
        if place and number == _LISTED:
            break
        say(f"skipped {shown(path)}: {shown(reason)}")
    if place and count > _LISTED:
        say(f"and {count - _LISTED:,} more, all in {place}")
