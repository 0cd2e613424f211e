"""Two runs on the images that judged both."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.dataset import NO_GROUPS, load_dataset
from vitcore.errors import NotFoundError, StorageError
from vitcore.evaluation import Comparison, Evaluation, compare, evaluate
from vitcore.messages import Message, counted, message, quoted, shortened
from vitcore.pipeline._material import class_numbers
from vitcore.runs import Leak, Run
from vitcore.workspace import Workspace

__all__ = ["RunComparison", "compare_runs", "unshared_reason"]


@dataclass(frozen=True, eq=False, kw_only=True)
class RunComparison:
    """Two runs on the images that neither has learned from.

    Attributes:
        rows: name, file, true, first, second (what they predicted), only (``first``, ``second``,
            ``neither`` or nothing: who is right alone).
        relabelled: Number of shared images left out, for their class was another in the second run.
        comparison: Who is right how often, and whether that may be luck.
        first: Figures of the first on these images, over the classes of both; all but the top 3.
        second: Those of the second.
        caveats: What to know before that is trusted, one sentence each.
    """

    rows: pd.DataFrame
    relabelled: int
    comparison: Comparison
    first: Evaluation
    second: Evaluation
    caveats: tuple[Message, ...]


def compare_runs(first: Run, second: Run) -> RunComparison | None:
    """Compare two runs; images are found again by their content. None if they share none.

    Raises:
        StorageError: One of them has no results, or they are damaged.
    """
    shared = _shared_answers(first, second)
    same = shared["true_first"] == shared["true_second"]
    relabelled, shared = int((~same).sum()), shared[same]
    if shared.empty:
        return None
    classes = tuple(dict.fromkeys([*first.classes, *second.classes]))
    true = class_numbers(shared["true_first"], classes)
    one, other = (class_numbers(shared[f"predicted_{who}"], classes) for who in ("first", "second"))
    right, also = one == true, other == true
    alone = [right & ~also, ~right & also, ~right & ~also]
    return RunComparison(
        rows=pd.DataFrame(
            {
                "name": shared["name_first"],
                "file": shared["file_first"],
                "true": shared["true_first"],
                "first": shared["predicted_first"],
                "second": shared["predicted_second"],
                "only": np.select(alone, ["first", "second", "neither"], ""),
            }
        ),
        relabelled=relabelled,
        comparison=compare(true, one, other, _groups(first, second, shared)),
        first=_figures(shared.filter(regex="_first$"), true, one, classes),
        second=_figures(shared.filter(regex="_second$"), true, other, classes),
        caveats=tuple(_caveats(first, second, relabelled)),
    )


def unshared_reason(first: Run, second: Run) -> Message:
    """Return why two runs cannot be compared, and what to do; for those that `compare_runs` says None of.

    Raises:
        StorageError: One of them has no results, or they are damaged.
    """
    if first.config.dataset.id != second.config.dataset.id:
        return message(
            "The two learned from different datasets and were judged on different photos, so they cannot be "
            "compared photo by photo. Judge both on the same photos from elsewhere, which neither has seen."
        )
    shared = _shared_answers(first, second)
    if len(shared):
        return message(
            "Every photo that both were judged on was moved to another class in between, so they cannot be "
            "compared photo by photo. Train once more with the settings of the earlier one: both then learn "
            "the present classes."
        )
    drawn = [(run.hyperparameters.seed, run.hyperparameters.validation_fraction) for run in (first, second)]
    if drawn[0] != drawn[1]:
        seed, fraction = drawn[1]
        return message(
            "The two were judged on different photos, because another seed or another share for validation "
            "divided them, so they cannot be compared photo by photo. Train once more with seed {seed} and "
            "{percent:.1f} % for validation, as the other one did.",
            seed=seed,
            percent=100 * fraction,
        )
    return message(
        "The two were judged on different photos: those that judged the earlier one were removed, or are in "
        "another part by now, so they cannot be compared photo by photo. Train once more with the settings "
        "of the earlier one: both are then judged on the same photos."
    )


def _caveats(first: Run, second: Run, relabelled: int) -> Iterator[Message]:
    """Yield what a comparison leaves out, and what makes one of two runs look better than it is."""
    if relabelled:
        yield counted(
            "{count} photo whose class was changed in between is left out.",
            "{count} photos whose class was changed in between are left out.",
            relabelled,
        )
    if alone := sorted(set(first.classes) ^ set(second.classes)):
        yield message(
            "Only one of the two knows {classes}, so no such photo is among them.",
            classes=shortened(quoted(alone), 5),
        )
    rules = {run.config.split.rule or NO_GROUPS for run in (first, second) if run.config.split is not None}
    if len(rules) > 1:
        yield message(
            "The two kept photos together by different rules ({rules}). One of them may have learned from "
            "photos that are much like these, and then looks better than it is.",
            rules=quoted(sorted(rules)),
        )


def _shared_answers(first: Run, second: Run) -> pd.DataFrame:
    """The answers of both to the images that both have in the best table there is of both.

    Returns:
        Columns of `Run.predictions`, with ``_first`` and ``_second`` at their end, one row per content.
    """
    shared = pd.DataFrame()
    for one, other in zip(_answers(first), _answers(second), strict=True):
        if one is not None and other is not None:
            both = [table.drop_duplicates("sha256") for table in (one, other)]
            shared = both[0].merge(both[1], on="sha256", suffixes=("_first", "_second"))
        if len(shared):
            break
    return shared


def _answers(run: Run) -> Iterator[pd.DataFrame | None]:
    """Yield the tables of answers to images that a run has not learned from, the most telling one first.

    Cross-validation answers most images, and to choose by the test part wears it out.
    """
    crossed, test = run.facts.cross_validation, run.facts.test
    yield None if crossed is None or crossed.evaluation is None else run.cross_validated
    yield None if test is None else _unseen(run, run.test_predictions, test.leak)
    yield _unseen(run, run.predictions, run.facts.leak)


def _unseen(run: Run, answers: pd.DataFrame, leak: Leak | None) -> pd.DataFrame:
    """Answers without those to images whose content is, in a ready-made division, learned from as well."""
    index = None if leak is None else _index(run)
    if index is None:
        return answers
    learned = index.loc[~index["split"].isin(["test", "validation"]), "sha256"]
    return answers[~answers["sha256"].isin(set(learned))]


def _groups(first: Run, second: Run, shared: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The groups of shared images, numbered, by the later version of their dataset: (N,)."""
    runs = {"first": first, "second": second}
    later = max(runs, key=lambda who: runs[who].config.dataset.version)
    index = _index(runs[later])
    alone = [f"image {number}" for number in range(len(shared))]
    if index is None:
        return pd.factorize(np.array(alone))[0]
    names = shared[f"image_id_{later}"].map(index.set_index("image_id")["group"]).fillna("")
    return pd.factorize(("group " + names).where(names != "", alone))[0]


def _index(run: Run) -> pd.DataFrame | None:
    """The images of the dataset that a run learned from; None if it was deleted or is damaged."""
    about = run.config.dataset
    try:
        return load_dataset(about.id, version=about.version, workspace=Workspace(run.folder.parents[1])).index
    except (NotFoundError, StorageError):
        return None


def _figures(
    answers: pd.DataFrame,
    true: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    classes: tuple[str, ...],
) -> Evaluation:
    """Figures on N images, over the classes of both runs, by answers as in `Run.predictions`.

    A table has the probabilities of the predicted and of the true class, on which all figures rest but the
    one of the three most probable classes; the others are left at 0.
    """
    confidence, loss = (answers.filter(regex=f"^{name}_").to_numpy()[:, 0] for name in ("confidence", "loss"))
    rows = np.arange(len(true))
    probabilities = np.zeros((len(true), len(classes)))
    probabilities[rows, true] = np.minimum(
        np.exp(-loss), confidence * (1 - 1e-9)
    )  # also where they are equal
    probabilities[rows, predicted] = confidence
    found = evaluate(true, probabilities, classes)
    metrics = {name: metric for name, metric in found.metrics.items() if name != "top_3_accuracy"}
    return replace(found, metrics=metrics)
