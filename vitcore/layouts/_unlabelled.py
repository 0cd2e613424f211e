"""Ways to read a source in which photos without a class are kept, to be labelled later."""

from collections.abc import Sequence
from dataclasses import replace

from vitcore.layouts._folders import Labelled
from vitcore.layouts._reading import Candidate, Reading
from vitcore.messages import message
from vitcore.sources import Entry

__all__ = ["with_unlabelled"]


def with_unlabelled(
    candidates: Sequence[Candidate], images: Sequence[Entry], *, wanted: Reading
) -> list[Candidate]:
    """Return ways to read a source in which the images without a class are kept.

    Where no image has a class, or all lie in one folder, which says as little, there is but one way: none
    has a label yet.

    Args:
        candidates: The ways to read the classes.
        images: All images of the source.
        wanted: What was asked for.
    """
    plain = wanted in {Reading(), Reading(unlabelled=True)}
    one_folder = plain and all(
        candidate.table is None
        and len(candidate.classes) == 1
        and all(item.label for item in candidate.items)
        for candidate in candidates
    )
    if not candidates or one_folder:
        items = tuple(Labelled(entry, "") for entry in images)
        title = message("No labels yet")
        return [Candidate(title=title, reading=replace(wanted, unlabelled=True), items=items)]
    return [
        replace(
            candidate,
            reading=replace(candidate.reading, unlabelled=True),
            items=tuple(item if item.label else replace(item, reason=None) for item in candidate.items),
        )
        for candidate in candidates
    ]
