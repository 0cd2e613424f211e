"""Photos that were changed on purpose: how many are recognised, and how many are doubted."""

from unittest import mock

import pandas as pd

from benchmarks._rows import Row
from benchmarks._setting import Setting
from vitcore.compute import Compute
from vitcore.dataset import Dataset, import_dataset
from vitcore.inference import load_trust
from vitcore.pipeline import UNCHANGED, stress_test, train
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

__all__ = ["stress"]

SEEDS = range(3)
_DIGITS = 500
_PROBED = "vitcore.pipeline._training.embed_copies"


def stress(setting: Setting) -> list[Row]:
    """Measure the share of "not sure" among photos turned, darker and so on, against doubt without probes.

    Mean over three trainings with the default settings, each judged on a hundred photos that it did not learn
    from, at the usual level; of clothes and of digits. Beside the share that is recognised stands the mean
    confidence, and for photos as they are how many of the answers are right.
    """
    clothes, workspace = setting.photo_dataset()
    digits = import_dataset(setting.digit_files(_DIGITS), workspace=workspace)
    rows = []
    for name, dataset in (("clothes", clothes), ("digits", digits)):
        probed = _figures(setting, dataset, workspace)
        with mock.patch(_PROBED, return_value=None):
            unprobed = _figures(setting, dataset, workspace)
        for change in probed.index:
            title = f"stress: {name}, {change.replace('_', ' ')}"
            found, before = 100 * probed.loc[change], 100 * unprobed.loc[change]
            rows += [
                Row(
                    name=f"{title}, recognised",
                    value=float(found["accuracy"]),
                    unit="% of the photos, to mean confidence",
                    baseline=float(found["confidence"]),
                ),
                Row(
                    name=f"{title}, not sure",
                    value=float(found["not_sure"]),
                    unit="% of the photos",
                    baseline=float(before["not_sure"]),
                ),
            ]
            if change == UNCHANGED:
                rows.append(
                    Row(
                        name=f"{title}, right when sure",
                        value=float(found["sure_accuracy"]),
                        unit="% of the answers",
                        baseline=float(before["sure_accuracy"]),
                    )
                )
    return rows


def _figures(setting: Setting, dataset: Dataset, workspace: Workspace) -> pd.DataFrame:
    """The mean figures of some trainings, a row for each change."""
    found = []
    for seed in SEEDS:
        run = train(
            dataset, Hyperparameters(seed=seed), compute=Compute(setting.backbone), workspace=workspace
        )
        figures = stress_test(run.id, workspace=workspace).figures(load_trust(run.folder))
        found.append(figures)
        turned = figures.set_index("change").loc["turned"]
        setting.say(f"  stress: turned {turned['accuracy']:.1%} right, {turned['not_sure']:.1%} not sure")
    return pd.concat(found).groupby("change", sort=False).mean()
