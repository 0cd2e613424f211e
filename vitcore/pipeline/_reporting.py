"""The report of a run: gathering what is still there, and writing it down."""

from pathlib import Path

import numpy as np
import pandas as pd

from vitcore.dataset import Dataset, load_dataset
from vitcore.errors import SettingsError, StorageError, VitcoreError
from vitcore.inference import Deletion, Trust, load_trust
from vitcore.language import LANGUAGES, speaking
from vitcore.messages import Message
from vitcore.pipeline._maps import load_map_check
from vitcore.pipeline._material import class_numbers
from vitcore.pipeline._review import load_review
from vitcore.pipeline._stress import load_stress
from vitcore.records import write_text
from vitcore.report import ReportContents, report_html
from vitcore.runs import Run, load_run
from vitcore.workspace import Workspace

__all__ = ["write_report"]


def write_report(
    run_id: str, file: Path, *, language: str = "en", workspace: Workspace | None = None
) -> Path:
    """Write the report of a run as one HTML file that needs nothing but itself.

    Args:
        run_id: A run with results.
        file: Where to; replaced in one step if it is there.
        language: A code of `vitcore.language.LANGUAGES`.
        workspace: Where the run is; the default workspace if not given.

    Returns:
        The file.

    Raises:
        NotFoundError: There is no such run.
        SettingsError: There is no such language.
        StorageError: The run has no results, they are damaged, or the file cannot be written.
    """
    if language not in LANGUAGES:
        raise SettingsError(
            "The language is '{language}'; choose {languages:or}.",
            language=language[:80],
            languages=list(LANGUAGES),
        )
    workspace = workspace or Workspace.default()
    contents = _gathered(load_run(run_id, workspace=workspace), workspace)
    with speaking(language):
        page = report_html(contents)
    write_text(file, page)
    return file


def _gathered(run: Run, workspace: Workspace) -> ReportContents:
    """Gather what is there of a run.

    Raises:
        StorageError: It has no results, or they are damaged.
    """
    rows = run.predictions
    rows = rows.assign(right=rows["true"] == rows["predicted"])
    probabilities = run.probabilities.astype(np.float64)
    dataset, missing, changed = _dataset(run, workspace)
    trust = _trust(run) if "novelty" in rows else None
    if trust is not None:
        verdicts = trust.verdicts(probabilities, rows["novelty"].to_numpy())
        possible = [
            verdicts.possible(place, chances, run.classes) for place, chances in enumerate(probabilities)
        ]
        rows = rows.assign(
            sure=verdicts.sure, reason=verdicts.reason, possible=pd.Series(possible, rows.index, dtype=object)
        )
    try:
        review = load_review(run)
    except StorageError:  # what else is there is worth a report
        review = None
    return ReportContents(
        run=run,
        workspace=workspace,
        evaluation=run.evaluation,
        history=run.history,
        rows=rows,
        probabilities=probabilities,
        truth=class_numbers(rows["true"], run.classes),
        dataset=dataset,
        missing=missing,
        changed=changed,
        trust=trust,
        baselines=None if review is None else review.baselines,
        suspects=None if review is None else int(review.labels["suspect"].sum()),
        map_check=_map_check(run),
        stress=_stress(run, trust),
    )


def _dataset(run: Run, workspace: Workspace) -> tuple[Dataset | None, Message | None, bool]:
    """The dataset in the version of the run, why it is gone, and whether it has a newer version."""
    about = run.config.dataset
    try:
        newest = load_dataset(about.id, workspace=workspace)
        dataset = load_dataset(about.id, version=about.version, workspace=workspace)
    except VitcoreError as error:
        return None, error.message, False
    return dataset, None, newest.version != dataset.version


def _trust(run: Run) -> Trust | None:
    try:
        return load_trust(run.folder)
    except VitcoreError:  # a run of an earlier version, which knew no doubt
        return None


def _stress(run: Run, trust: Trust | None) -> pd.DataFrame | None:
    if trust is None:
        return None
    try:
        found = load_stress(run)
    except StorageError:  # damaged, which is the same as not done
        return None
    return None if found is None else found.figures(trust)


def _map_check(run: Run) -> Deletion | None:
    try:
        return load_map_check(run)
    except StorageError:  # damaged, which is the same as not done
        return None
