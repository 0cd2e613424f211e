"""An answer for a photo in words: a class, or that it is not sure and why; the same wherever it stands."""

from collections.abc import Mapping, Sequence

from vitcore.language import listed, number, percent, tr

__all__ = ["answer_sentence", "doubt_reason", "nearest_classes", "not_sure"]

_MOST_NAMES = 5  # of classes between which it is a close call


def not_sure() -> str:
    """Return what stands in place of a class where there is no answer."""
    return tr("Not sure")


def doubt_reason(reason: str, possible: Sequence[str] = ()) -> str:
    """Return why there is no answer.

    Args:
        reason: ``ambiguous`` or ``novel``, as `vitcore.evaluation.Verdicts.reason` has it.
        possible: The classes that it may be, the most probable first; they can be left out.
    """
    if reason == "novel":
        return tr("unlike anything it learned from")
    if not possible:
        return tr("a close call")
    names = list(possible[:_MOST_NAMES])
    if more := len(possible) - len(names):
        names.append(tr("{count} more").format(count=number(more)))
    return tr("a close call between {classes}").format(classes=listed(names))


def answer_sentence(label: str, reason: str, possible: Sequence[str] = ()) -> str:
    """Return the answer: a class, or that it is not sure and why.

    Args:
        label: The most probable class.
        reason: As for `doubt_reason`; empty if it is sure.
        possible: As for `doubt_reason`.
    """
    return f"{not_sure()}: {doubt_reason(reason, possible)}" if reason else label


def nearest_classes(reason: str, chances: Mapping[str, float]) -> str:
    """Return what stands below an answer that is not sure: the classes it thought of first.

    Where a photo is unlike anything it learned from, probabilities mean nothing, and none is given.

    Args:
        reason: ``ambiguous`` or ``novel``.
        chances: The probabilities of some classes by their names, the most probable first.
    """
    if reason == "novel":
        return tr("nearest class: {name}").format(name=next(iter(chances)))
    shares = [f"{name} {percent(share)}" for name, share in list(chances.items())[:_MOST_NAMES]]
    return ", ".join(shares)
