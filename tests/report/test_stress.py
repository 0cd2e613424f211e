"""The stress test in words: the worst change first, and whether it is noticed."""

import pandas as pd
import pytest

from vitcore.report import Paragraph, Table, stress_blocks

PLAIN = ("unchanged", 0.8, 0.8, 0.3)


def blocks_of(*rows):
    """Of rows: change, accuracy, confidence, share of not sure."""
    frame = pd.DataFrame(rows, columns=["change", "accuracy", "confidence", "not_sure"])
    return stress_blocks(
        frame.assign(images=100, low=frame["accuracy"] - 0.1, high=frame["accuracy"] + 0.1, sure_accuracy=0.9)
    )


def said(blocks, style):
    return [block.text for block in blocks if isinstance(block, Paragraph) and block.style == style]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            ("turned", 0.3, 0.6, 0.62),
            ["Turned photos are", "far less often (30.0", "instead of 80.0", "and 62.0"],
        ),
        (("turned", 0.3, 0.6, 0.24), ["far less often", "but only 24.0"]),
        (("turned", 0.3, 0.35, 0.24), ["far less often", "and 24.0"]),  # it does not claim to know them
        (("noisy", 0.7, 0.75, 0.3), ["Grainy photos are recognised less often", "and 30.0"]),
        (("darker", 0.7, 0.85, 0.3), ["Dark photos are recognised less often", "but only 30.0"]),
        (("blurred", 0.78, 0.8, 0.3), ["copes with all these changes", "78.0", "80.0"]),
    ],
)
def test_the_worst_change_comes_first(row, words):
    [sentence] = said(blocks_of(PLAIN, ("smaller", 0.79, 0.8, 0.3), row), "lead")
    for word in words:
        assert word in sentence


def test_changes_it_is_too_sure_of_and_those_it_copes_with_are_named():
    blocks = blocks_of(
        PLAIN,
        ("turned", 0.3, 0.6, 0.7),
        ("darker", 0.5, 0.7, 0.4),
        ("brighter", 0.5, 0.7, 0.9),
        ("smaller", 0.79, 0.8, 0.3),
    )
    too_sure, well = said(blocks, "")
    assert too_sure == "Also more confident than it should be: dark photos."
    assert well == "Recognised about as well as ever: small photos."


def test_the_table_has_a_row_for_each_change():
    [table] = [block for block in blocks_of(PLAIN, ("turned", 0.3, 0.6, 0.7)) if isinstance(block, Table)]
    assert [row[0] for row in table.rows] == ["Photos as they are", "Turned photos"]
    assert [row[1].value for row in table.rows] == [0.8, 0.3]
    shown = [str(cell).replace("\N{NO-BREAK SPACE}", " ") for cell in table.rows[1][1:]]
    assert shown == ["30.0 %", "60.0 %", "70.0 %", "90.0 %", "20.0 % to 40.0 %"]
