"""The kinds of background work: one line of a table each."""

from dataclasses import dataclass
from typing import Literal

from vitcore.language import mark

__all__ = [
    "CHECK",
    "EMBEDDING",
    "EXPORT",
    "EXTERNAL_VALIDATION",
    "IMPORT",
    "JOB_KINDS",
    "LISTING",
    "MAP_CHECK",
    "PREDICTION",
    "REVIEW",
    "SEARCH",
    "STRESS_TEST",
    "TRAINING",
    "JobKind",
]


@dataclass(frozen=True, kw_only=True)
class JobKind:
    """A kind of background work, and what the pages say of it.

    Attributes:
        name: What `vitcore.jobs.Job.kind` is.
        running: What it does, with its ``title``; this and the other texts are to be given to `tr`.
        complete: That it is done, after some ``time``.
        ended_early: That it was stopped or failed.
        stop: The label of the button that stops it.
        selects: Whose id its result is: the session that started it looks at that once it has ended.
        lane: The lane it waits in; empty for that of the device on which it computes.
    """

    name: str
    running: str
    complete: str
    ended_early: str
    stop: str = mark("Stop")
    selects: Literal["dataset", "run"]
    lane: str = ""


TRAINING = JobKind(
    name="run",
    running=mark("Training {title}"),
    complete=mark("The training is done, after {time}."),
    ended_early=mark("The training ended early."),
    stop=mark("Stop training"),
    selects="run",
)
IMPORT = JobKind(
    name="dataset",
    running=mark("Importing {title}"),
    complete=mark("The import is done, after {time}."),
    ended_early=mark("The import ended early."),
    selects="dataset",
    lane="import",
)
LISTING = JobKind(
    name="listing",
    running=mark("Reading the list of {title}"),
    complete=mark("The list of files was read, after {time}."),
    ended_early=mark("Reading the list of files ended early."),
    selects="dataset",
    lane="listing",
)
CHECK = JobKind(
    name="check",
    running=mark("Checking {title}"),
    complete=mark("The check is done, after {time}."),
    ended_early=mark("The check ended early."),
    selects="dataset",
)
EMBEDDING = JobKind(
    name="embedding",
    running=mark("Looking at {title}"),
    complete=mark("All photos were looked at, after {time}."),
    ended_early=mark("Looking at the photos ended early."),
    selects="dataset",
)
SEARCH = JobKind(
    name="search",
    running=mark("Finding better settings for {title}"),
    complete=mark("The search for better settings is done, after {time}."),
    ended_early=mark("The search for better settings ended early."),
    selects="dataset",
)
REVIEW = JobKind(
    name="review",
    running=mark("Looking closer at {title}"),
    complete=mark("The closer look is done, after {time}."),
    ended_early=mark("The closer look ended early."),
    selects="run",
)
EXTERNAL_VALIDATION = JobKind(
    name="elsewhere",
    running=mark("Judging on {title}"),
    complete=mark("The judging is done, after {time}."),
    ended_early=mark("The judging ended early."),
    selects="run",
)
STRESS_TEST = JobKind(
    name="stress",
    running=mark("Stress test of {title}"),
    complete=mark("The stress test is done, after {time}."),
    ended_early=mark("The stress test ended early."),
    selects="run",
)
PREDICTION = JobKind(
    name="predict",
    running=mark("Answering for {title}"),
    complete=mark("The look at the photos is done, after {time}."),
    ended_early=mark("The look at the photos ended early."),
    selects="run",
)
EXPORT = JobKind(
    name="export",
    running=mark("Exporting {title}"),
    complete=mark("The export is done, after {time}."),
    ended_early=mark("The export ended early."),
    selects="run",
)
MAP_CHECK = JobKind(
    name="maps",
    running=mark("Checking the maps of {title}"),
    complete=mark("The check of the maps is done, after {time}."),
    ended_early=mark("The check of the maps ended early."),
    selects="run",
)
JOB_KINDS = {
    kind.name: kind
    for kind in (
        TRAINING,
        IMPORT,
        LISTING,
        CHECK,
        EMBEDDING,
        SEARCH,
        REVIEW,
        EXTERNAL_VALIDATION,
        STRESS_TEST,
        PREDICTION,
        EXPORT,
        MAP_CHECK,
    )
}
