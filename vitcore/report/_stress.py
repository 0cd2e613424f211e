"""A stress test in words and as a table: which changes of a photo matter, and whether it notices them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from vitcore.language import listed, mark, percent, tr
from vitcore.report._blocks import Block, Figure, Paragraph, Table

__all__ = ["perturbation_title", "stress_blocks"]

_TITLES = {
    "unchanged": mark("Photos as they are"),
    "turned": mark("Turned photos"),
    "upside_down": mark("Upside-down photos"),
    "darker": mark("Dark photos"),
    "brighter": mark("Overexposed photos"),
    "blurred": mark("Blurred photos"),
    "smaller": mark("Small photos"),
    "noisy": mark("Grainy photos"),
}
_SENTENCES = {  # by whether it is far less, and whether it says so
    (True, True): mark(
        "{photos} are recognised far less often ({accuracy} instead of {plain}), and {share} of them are "
        "marked “not sure”."
    ),
    (True, False): mark(
        "{photos} are recognised far less often ({accuracy} instead of {plain}), but only {share} of them "
        "are marked “not sure”."
    ),
    (False, True): mark(
        "{photos} are recognised less often ({accuracy} instead of {plain}), and {share} of them are marked "
        "“not sure”."
    ),
    (False, False): mark(
        "{photos} are recognised less often ({accuracy} instead of {plain}), but only {share} of them are "
        "marked “not sure”."
    ),
}
_LITTLE, _MUCH = 0.05, 0.15  # of accuracy
_HONEST = 0.1  # confidence above the accuracy that is not too much
_NOTICED = 0.6  # of the photos, from which on a change counts as noticed


def perturbation_title(change: str) -> str:
    """Return what photos changed in a way are called."""
    return tr(_TITLES[change])


def stress_blocks(figures: pd.DataFrame) -> list[Block]:
    """Say which change is the worst, and show all of them.

    Args:
        figures: As `vitcore.pipeline.StressTest.figures`, the photos as they are first.
    """
    rows = figures.to_dict("records")
    header = [
        tr("photos"),
        tr("accuracy"),
        tr("mean confidence"),
        tr("“not sure”"),
        tr("right when sure"),
        tr("95 % interval"),
    ]
    return [
        Paragraph(_sentence(rows), "lead"),
        *(Paragraph(text) for text in _others(rows)),
        Table(header, [_row(row) for row in rows]),
        Paragraph(
            tr(
                "Turned by 90°; with a quarter or twice the light; out of focus; 48 pixels across; with much "
                "noise. The same photos each time, none of which it learned from."
            ),
            "small",
        ),
    ]


def _sentence(rows: Sequence[dict[Any, Any]]) -> str:
    """The worst change, or that none matters."""
    plain, worst = rows[0], min(rows[1:], key=lambda row: row["accuracy"])
    drop = plain["accuracy"] - worst["accuracy"]
    if drop < _LITTLE:
        return tr(
            "It copes with all these changes: at worst {accuracy} of the photos are recognised, {plain} as "
            "they are."
        ).format(accuracy=percent(worst["accuracy"]), plain=percent(plain["accuracy"]))
    return tr(_SENTENCES[drop >= _MUCH, _is_honest(worst)]).format(
        photos=perturbation_title(worst["change"]),
        accuracy=percent(worst["accuracy"]),
        plain=percent(plain["accuracy"]),
        share=percent(worst["not_sure"]),
    )


def _others(rows: Sequence[dict[Any, Any]]) -> list[str]:
    """The changes of which it is too sure, and those that it copes with."""
    plain = rows[0]["accuracy"]
    worst = min(rows[1:], key=lambda row: row["accuracy"])
    if plain - worst["accuracy"] < _LITTLE:
        return []
    others = [row for row in rows[1:] if row is not worst]
    too_sure = [_in_a_list(row["change"]) for row in others if not _is_honest(row)]
    well = [
        _in_a_list(row["change"]) for row in others if _is_honest(row) and plain - row["accuracy"] < _LITTLE
    ]
    texts = []
    if too_sure:
        texts.append(tr("Also more confident than it should be: {names}.").format(names=listed(too_sure)))
    if well:
        texts.append(tr("Recognised about as well as ever: {names}.").format(names=listed(well)))
    return texts


def _in_a_list(change: str) -> str:
    title = perturbation_title(change)
    return title[0].lower() + title[1:]


def _is_honest(row: dict[Any, Any]) -> bool:
    """Return whether it is as confident as it may be of such photos, or mostly says that it is not sure."""
    too_sure: float = row["confidence"] - row["accuracy"]
    return too_sure <= _HONEST or bool(row["not_sure"] >= _NOTICED)


def _row(row: dict[Any, Any]) -> tuple[Any, ...]:
    shares = (round(row[name], 3) for name in ("confidence", "not_sure", "sure_accuracy"))
    accuracy = Figure(row["accuracy"], "share", row["low"], row["high"])
    others = (Figure(share, "share") for share in shares)
    return perturbation_title(row["change"]), accuracy, *others, accuracy.interval
