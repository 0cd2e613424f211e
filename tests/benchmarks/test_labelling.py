"""The benchmark of labelling, on made-up vectors."""

import numpy as np
import pytest

from benchmarks import _labelling
from benchmarks._embedded import EmbeddedSet


def test_labelling_is_compared_with_chance_and_with_everything(monkeypatch):
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 420)
    vectors = (random.normal(0, 1, (3, 12))[labels] + random.normal(0, 0.8, (420, 12))).astype(np.float16)
    data = EmbeddedSet(name="made up", vectors=vectors, labels=labels, groups=np.arange(420), classes=3)
    monkeypatch.setattr(_labelling, "real_sets", lambda _: [data])
    monkeypatch.setattr(_labelling, "SEEDS", range(2))

    class Quiet:
        def say(self, _: str) -> None:
            """Say nothing."""

    found = _labelling.labelling(Quiet())
    rows = {row.name.removeprefix("labelling: made up, "): row for row in found}
    assert rows["labels"].baseline is not None
    assert 0 < rows["labels"].value <= 280
    assert 0 < rows["actions"].value < rows["actions"].baseline == 280
    assert 0 <= rows["with 68 labels"].value <= 100
    assert 0 <= rows["with 40 actions"].value <= 100
    assert rows["68 labels at random, beside unlabelled"].value > 50
    assert rows["labelling: actions, of labelling everything"].value == pytest.approx(
        100 * rows["actions"].value / 280
    )
    assert rows["wrong ones of 200 labels in the first tenth of the audit"].value > 50
    assert {"interval holds the truth", "mean error"} <= set(rows)
