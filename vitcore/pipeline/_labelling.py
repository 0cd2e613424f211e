"""Labelling: what to show a person next, what the labels teach, and how good the guesses are by now."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.backbone import Embedder, backbone_for, choose_device
from vitcore.compute import DEFAULT_COMPUTE, Compute
from vitcore.dataset import MACHINE, Dataset, LabelSource, label_images
from vitcore.features import embed_images, image_files
from vitcore.labelling import (
    Answers,
    Estimate,
    PhotoGroup,
    answer,
    drawn_to_neighbours,
    errors_with_more,
    estimate_accuracy,
    group_photos,
    pick_at_random,
    pick_seeds,
    pick_teaching,
    principal_axes,
    whitened,
)
from vitcore.messages import mark
from vitcore.progress import Progress, Task
from vitcore.records import load_record, write_json
from vitcore.workspace import Workspace

__all__ = [
    "LabelSession",
    "LabelSpace",
    "accept_guesses",
    "embed_for_labelling",
    "give_labels",
    "remember_picks",
]

Ints = npt.NDArray[np.int64]

RANDOM, TEACHING, TYPICAL, GROUP = "random", "teach", "typical", "group"
_RANDOM_SHARE = 6  # one photo of so many on a page is picked at random
_PICKS = "label-picks.json"
_POINTS = 8  # of the curve over labels given


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelSpace:
    """The photos of a dataset in the space in which they are compared; labels play no part in it.

    Attributes:
        image_ids: (N,), rising.
        vectors: (N, A), along the principal axes of the set, drawn to those most alike.
        fingerprint: Of the embedder.
    """

    image_ids: Ints
    vectors: npt.NDArray[np.float32]
    fingerprint: str

    def covers(self, dataset: Dataset) -> bool:
        """Return whether all photos that were not taken out are there."""
        wanted = dataset.rows.loc[~dataset.rows["excluded"], "image_id"]
        return bool(wanted.isin(self.image_ids).all())


def embed_for_labelling(
    dataset: Dataset,
    *,
    compute: Compute = DEFAULT_COMPUTE,
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> LabelSpace:
    """Embed all photos of a dataset, labelled or not, and find the space in which they are compared.

    Each goes through the backbone once, ever; a training finds the same vectors.

    Args:
        dataset: What is to be labelled.
        compute: With which backbone, and on what; PyTorch computes where no engine is named.
        workspace: Where embeddings are kept; the default workspace if not given.
        task: Where progress is reported, and what stops it; what was computed stays stored.

    Raises:
        BackboneError: The backbone cannot be had.
        DeviceError: The device or the precision is not here.
        ImageError: An image cannot be read any more.
        Stopped: The task was stopped.
        StorageError: The disk is full or not writable.
    """
    workspace, task = workspace or Workspace.default(), task or Task()
    task.report(Progress(phase="prepare"))
    engine = "torch" if compute.engine == "auto" and compute.precision != "int8" else compute.engine
    device = choose_device(compute.device, compute.precision, engine)
    rows = dataset.rows[~dataset.rows["excluded"]]
    embedder = Embedder(backbone_for(len(rows), compute, workspace=workspace, task=task), device, workspace)
    found = embed_images(embedder, image_files(dataset, rows), task=task)
    return LabelSpace(
        image_ids=rows["image_id"].to_numpy(),
        vectors=drawn_to_neighbours(principal_axes(found.vectors[:, 0])),
        fingerprint=embedder.fingerprint,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelSession:
    """A version of a dataset and what its labels by people teach.

    Attributes:
        dataset: The current version.
        space: Of its photos.
    """

    dataset: Dataset
    space: LabelSpace
    _cache: dict[int, tuple[PhotoGroup, ...]] = field(default_factory=dict, repr=False)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row per photo that was not taken out, in the order of `vectors`."""
        rows = self.dataset.rows[~self.dataset.rows["excluded"]]
        return rows[rows["image_id"].isin(self.space.image_ids)].reset_index(drop=True)

    @cached_property
    def vectors(self) -> npt.NDArray[np.float32]:
        """(N, A), of `rows`."""
        found: npt.NDArray[np.float32] = self.space.vectors[
            np.searchsorted(self.space.image_ids, self.rows["image_id"])
        ]
        return found

    @cached_property
    def _whitened(self) -> npt.NDArray[np.float32]:
        return whitened(self.vectors)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that people named, sorted; C."""
        return self.dataset.classes

    @cached_property
    def labels(self) -> Ints:
        """Class numbers by people, (N,); −1 where there is none."""
        numbers = {label: number for number, label in enumerate(self.classes)}
        by_people = self.rows["labelled_by"].isin(["imported", "person"])
        found = self.rows["label"].where(by_people, "").map(numbers)
        return found.fillna(-1).to_numpy().astype(np.int64)

    @property
    def open(self) -> Ints:
        """Positions of the photos that no person labelled yet."""
        return np.flatnonzero(self.labels < 0)

    @property
    def guesses(self) -> bool:
        """True if there are guesses: two classes have a label."""
        return len(self.classes) > 1

    @cached_property
    def answers(self) -> Answers:
        """The guesses for all photos."""
        return answer(self.vectors, self.labels, max(len(self.classes), 1))

    def groups(self, count: int) -> tuple[PhotoGroup, ...]:
        """Return the photos that wait for a label, in groups that look alike.

        The groups are those of all photos, so that they stay what they are while they are named; those of
        which nothing has a label yet come first.
        """
        if count not in self._cache:
            waits = (self.rows["label"] == "").to_numpy()
            found = group_photos(self._whitened, np.arange(len(waits)), count)
            found.sort(key=lambda group: int((~waits[group.positions]).sum()))
            self._cache[count] = tuple(
                replace(group, positions=group.positions[waits[group.positions]])
                for group in found
                if waits[group.positions].any()
            )
        return self._cache[count]

    def page(self, count: int) -> pd.DataFrame:
        """Return the photos to label next: those that teach most, and one of six picked at random.

        As long as there are no two classes, these are the most typical photos instead. The same version gives
        the same page.

        Returns:
            image_id, name, file, guess (empty without two classes), confidence (0 … 1), picked: how.
        """
        seed = self.dataset.version
        if not self.guesses:
            return self._shown({TYPICAL: pick_seeds(self._whitened, self.open, count)})
        random = pick_at_random(self.open, round(count / _RANDOM_SHARE), seed=seed)
        others = np.setdiff1d(self.open, random)
        teaching = pick_teaching(self.answers, self.labels, others, count - len(random))
        return self._shown({TEACHING: teaching, RANDOM: random})

    def random_page(self, count: int) -> pd.DataFrame:
        """Return photos picked blindly, to check how good the guesses are; columns as of `page`."""
        return self._shown({RANDOM: pick_at_random(self.open, count, seed=self.dataset.version)})

    def sure(self, least: float) -> pd.DataFrame:
        """Return the photos without a label whose guess is at least so sure, by class, the surest first.

        Args:
            least: 0 … 1.

        Returns:
            Columns as of `page`; no rows without two classes.
        """
        waiting = np.flatnonzero(self.rows["label"] == "")
        chosen = waiting[self.answers.confidence[waiting] >= least] if self.guesses else waiting[:0]
        shown = self._shown({"sure": chosen})
        return shown.sort_values(["guess", "confidence"], ascending=[True, False], ignore_index=True)

    def shown(self, positions: Ints) -> pd.DataFrame:
        """Return photos as `page` does."""
        return self._shown({GROUP: positions})

    @cached_property
    def estimate(self) -> Estimate | None:
        """How good the guesses are on photos like these; None while too few were picked at random."""
        return self._estimated(self.labels, self.answers) if self.guesses else None

    def curve(self) -> pd.DataFrame:
        """Return the estimates over the labels given so far: labels, accuracy, low, high."""
        steps = np.unique(self._steps[self.labels >= 0])
        places = np.linspace(0, len(steps) - 1, min(_POINTS, len(steps))).round().astype(int)
        found = []
        for step in steps[np.unique(places)]:
            labels = np.where(self._steps <= step, self.labels, -1)
            if len(np.unique(labels[labels >= 0])) < 2:
                continue
            estimate = self._estimated(labels, answer(self.vectors, labels, len(self.classes)))
            if estimate is not None:
                found.append((estimate.labels, estimate.accuracy, estimate.low, estimate.high))
        return pd.DataFrame(found, columns=["labels", "accuracy", "low", "high"])

    def gain(self, more: int) -> float:
        """Return by how much so many more labels would raise the accuracy; 0 where nothing is estimated."""
        if self.estimate is None:
            return 0.0
        wrong = 1 - self.estimate.accuracy
        return wrong - errors_with_more(wrong, self.estimate.labels, more)

    @cached_property
    def _steps(self) -> Ints:
        """The version that labelled each photo, (N,); 0 where that is not noted, −1 without a label."""
        step = self.rows["label_detail"].str.extract(r" (\d+)$")[0].fillna("0").astype(np.int64)
        return np.where(self.labels >= 0, step, -1)

    def _estimated(self, labels: Ints, answers: Answers) -> Estimate | None:
        at_random = self.rows["label_detail"].str.startswith(f"{RANDOM} ").to_numpy()
        steps = np.where(labels >= 0, self._steps, -1)
        return estimate_accuracy(answers.margin, steps, answers.guess == labels, at_random)

    def _shown(self, picked: Mapping[str, Ints]) -> pd.DataFrame:
        positions = np.concatenate(list(picked.values())).astype(np.int64)
        how = [name for name, those in picked.items() for _ in those]
        rows = self.rows.iloc[positions][["image_id", "name", "file"]].reset_index(drop=True)
        guess, confidence = [""] * len(rows), np.zeros(len(rows))
        if self.guesses:
            guess = np.array(self.classes)[self.answers.guess[positions]].tolist()
            confidence = self.answers.confidence[positions]
        return rows.assign(guess=guess, confidence=confidence, picked=how)


def give_labels(
    dataset: Dataset,
    labels: Mapping[int, str],
    *,
    leave_out: Collection[int] = (),
    picked: Mapping[int, str] | None = None,
) -> Dataset:
    """Give photos the labels of a person, as one step.

    Args:
        dataset: The current version.
        labels: Class names by image id.
        leave_out: Ids of photos to take out.
        picked: How each photo was picked, as `LabelSession.page` says; what `remember_picks` noted
            if not given.

    Raises:
        DatasetError: Nothing would change, a photo or a name cannot be used, or the dataset was changed
            elsewhere.
        StorageError: The disk is full or not writable.
    """
    how = _read_picks(dataset) if picked is None else picked
    step = dataset.version + 1
    details = {image_id: f"{how[image_id]} {step}" for image_id in labels if image_id in how}
    return label_images(dataset, labels, leave_out=leave_out, source=LabelSource(details=details))


def accept_guesses(session: LabelSession, guesses: pd.DataFrame) -> Dataset:
    """Take guesses over as labels by a machine, as one step.

    Args:
        session: Whose guesses they are.
        guesses: Rows of `LabelSession.sure`.

    Raises:
        DatasetError: There are none, or the dataset was changed elsewhere.
        StorageError: The disk is full or not writable.
    """
    detail = f"guess {session.space.fingerprint} {session.dataset.version}"
    confidences = dict(zip(guesses["image_id"].tolist(), guesses["confidence"].tolist(), strict=True))
    labels = dict(zip(guesses["image_id"].tolist(), guesses["guess"].tolist(), strict=True))
    return label_images(
        session.dataset, labels, source=LabelSource(by=MACHINE, detail=detail, confidences=confidences)
    )


def remember_picks(dataset: Dataset, page: pd.DataFrame) -> None:
    """Note how the photos of a page were picked, for a program that gives their labels later.

    Raises:
        StorageError: The disk is full or not writable.
    """
    path = _picks_file(dataset)
    with Workspace(dataset.folder.parents[1]).changing(path):
        picks = _read_picks(dataset)
        picks.update(zip(page["image_id"].tolist(), page["picked"].tolist(), strict=True))
        write_json(path, {str(image_id): how for image_id, how in picks.items()})


def _read_picks(dataset: Dataset) -> dict[int, str]:
    path = _picks_file(dataset)
    if not path.is_file():
        return {}
    return {int(key): how for key, how in load_record(dict[str, str], path, mark("delete it")).items()}


def _picks_file(dataset: Dataset) -> Path:
    return dataset.folder / _PICKS
