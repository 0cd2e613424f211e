"""The difference between two classifiers in words, for the pages and the command line."""

from vitcore.evaluation import Comparison
from vitcore.language import decimals, ntr, number, of_100, tr

__all__ = ["difference_details", "difference_sentence"]


def difference_sentence(found: Comparison) -> str:
    """Say which of two classifiers is better on the images that judged both, and whether that may be chance.

    Args:
        found: "This one" is its first, and figures are points of 100.
    """
    finding = tr("both are right equally often ({interval})")
    if found.only_first > found.only_second:
        finding = tr("this one is {points} points better ({interval}): {chance}")
    elif found.only_first < found.only_second:
        finding = tr("this one is {points} points worse ({interval}): {chance}")
    low, high = sorted((abs(found.low), abs(found.high)))
    interval = (
        tr("between {low} and {high} better") if found.low > 0 else tr("between {low} and {high} worse")
    )
    if found.low <= 0 <= found.high:
        low, high = -found.low, found.high
        interval = tr("between {low} worse and {high} better")
    return ntr(
        "On the {count} photo that both trainings were judged on, {finding}.",
        "On the {count} photos that both trainings were judged on, {finding}.",
        found.images,
    ).format(
        count=number(found.images),
        finding=finding.format(
            points=_points(abs(found.difference)),
            interval=interval.format(low=_points(low), high=_points(high)),
            chance=tr("that may be chance") if found.may_be_chance else tr("that is hardly chance"),
        ),
    )


def difference_details(found: Comparison) -> str:
    """Say who is right alone on how many images, and what an exact test makes of that."""
    alone = tr(
        "This one alone is right on {first} of them, the other alone on {second}; both are right on {right} "
        "and wrong on {wrong}."
    ).format(
        first=number(found.only_first),
        second=number(found.only_second),
        right=number(found.both_right),
        wrong=number(found.both_wrong),
    )
    if found.groups < found.images:
        alone += " " + ntr(
            "These photos come from {count} group; as its photos are alike, it counts as a whole.",
            "These photos come from {count} groups; as photos of a group are alike, each counts as a whole.",
            found.groups,
        ).format(count=number(found.groups))
    if found.only_first == found.only_second:
        return alone
    exactly = f"p = {decimals(found.p_value)}" if found.p_value >= 0.001 else f"p < {decimals(0.001)}"
    test = (
        tr("McNemar's exact test, {p}") if found.groups == found.images else tr("exact test by groups, {p}")
    )
    unlikely = tr(
        "Were both equally good, a difference at least as large would come up in {often} such comparisons "
        "({test})."
    ).format(often=of_100(found.p_value), test=test.format(p=exactly))
    return f"{alone} {unlikely}"


def _points(share: float) -> str:
    """Return a share in points of 100, to a tenth, or finer where that would be nothing."""
    points = 100 * share
    return number(points, 1 if points >= 0.05 or not points else 3)
