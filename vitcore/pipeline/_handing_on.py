"""What all ways of handing a run on share: what is handed on has to answer as the run does."""

import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from vitcore.backbone import ONNX_OPSET
from vitcore.dataset import Dataset, load_dataset, load_image, perturb
from vitcore.errors import BackboneError, ImageError, InputError, SettingsError, Stopped
from vitcore.features import embed_images, image_files
from vitcore.inference import Agreement, load_classifier, load_trust, measure_agreement
from vitcore.language import speaking
from vitcore.messages import mark
from vitcore.progress import Progress, Task
from vitcore.records import guard, load_record, plain_values, replacing, save_record, write_json, write_text
from vitcore.report import CardContents, model_card
from vitcore.runs import Run
from vitcore.workspace import Workspace

__all__ = [
    "IMAGES",
    "Comparison",
    "Export",
    "ExportRecord",
    "comparison",
    "load_export",
    "pack_export",
    "staged_folder",
]

IMAGES = 120
"""Photos on which what is handed on is compared, at most, but for changed copies of some."""

_CHANGES = ("grey", "transparent", "turned", "darker")
_CHANGED = 12  # photos of which there is a copy of each kind
_SIDE = 1024  # of a copy, pixels at most

_FILE = "agreement.json"
_REMEDY = mark("export again")


@dataclass(frozen=True, kw_only=True)
class ExportRecord:
    """The record beside an export: its format, the opset of ONNX files, and how it agrees with the run."""

    format: Literal["model", "onnx", "web"]
    opset: int | None
    agreement: tuple[Agreement, ...]


@dataclass(frozen=True, kw_only=True)
class Export:
    """A folder that was handed on.

    Attributes:
        folder: Where it lies.
        form: ``model``, ``onnx`` or ``web``.
        files: Name and size in bytes of each file in it.
        agreements: How far what is in it answers as the run did.
        opset: Of the ONNX files; None for a model folder.
    """

    folder: Path
    form: str
    files: dict[str, int]
    agreements: tuple[Agreement, ...]
    opset: int | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "folder": str(self.folder),
            "format": self.form,
            "files": [{"name": name, "bytes": size} for name, size in self.files.items()],
            "agreement": [plain_values(found) for found in self.agreements],
            "opset": self.opset,
        }


def load_export(folder: Path) -> Export:
    """Load the record of a folder that was handed on.

    Raises:
        StorageError: It is none, or damaged.
    """
    record = load_record(ExportRecord, folder / _FILE, _REMEDY)
    with guard(folder, _REMEDY):
        files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    return Export(
        folder=folder, form=record.format, files=files, agreements=record.agreement, opset=record.opset
    )


def pack_export(made: Export, file: Path) -> None:
    """Turn the folder of an export into one zip file, with what is known of it as ``.json`` beside it.

    Args:
        made: Its folder is deleted.
        file: Where to, ending in ``.zip``; it is there in one step.

    Raises:
        StorageError: The disk is full or not writable.
    """
    write_json(file.with_suffix(".json"), made.to_dict())
    # Weights do not get smaller by packing.
    with guard(file), replacing(file) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in made.files:
            archive.write(made.folder / name, f"classifier-{made.form}/{name}")
    shutil.rmtree(made.folder, ignore_errors=True)


class Comparison:
    """The answers that an export has to agree with, and the findings so far."""

    def __init__(
        self,
        run: Run,
        form: Literal["model", "onnx", "web"],
        images: int,
        language: str,
        workspace: Workspace | None,
        task: Task | None,
        copies: Path,
    ) -> None:
        if images < 1:
            raise SettingsError(
                "images is {images}; give 1 or more, to be compared with the run.", images=images
            )
        self._run, self._form, self._language, self._task = run, form, language, task or Task()
        self._task.report(Progress(phase="export"))
        about = run.config.dataset
        # A classifier that has learned from all of the validation part is compared on what it has not.
        learned = run.facts.finish is not None and run.facts.headline_source == "test"
        predictions = run.test_predictions if learned else run.predictions
        self.workspace = workspace or Workspace.default()
        self._dataset = load_dataset(about.id, version=about.version, workspace=self.workspace)
        # Evenly over all of them, for they may be sorted by class.
        count = min(images, len(predictions))
        chosen = np.linspace(0, len(predictions) - 1, count).round().astype(np.int64)
        self.files = [self._dataset.path(file) for file in predictions["file"].iloc[chosen]]
        self._expected = self._probabilities(predictions.iloc[chosen])
        self._found: list[Agreement] = []
        self._changed = 0
        self._add_changed(copies)

    def _probabilities(self, predictions: pd.DataFrame) -> npt.NDArray[np.floating]:
        """Return what the classifier of the run answers to validation images: (M, C).

        Raises:
            VitcoreError: It has learned from these and has to be asked, and cannot be.
        """
        if self._run.facts.finish is None:
            return self._run.probabilities[predictions.index]
        classifier = load_classifier(self._run.folder, workspace=self.workspace)
        found = embed_images(classifier.embedder, image_files(self._dataset, predictions), task=self._task)
        return classifier.trust.probabilities(classifier.head.logits(found.vectors[:, 0]))

    def _add_changed(self, folder: Path) -> None:
        """Add copies of some photos, as photos may be that are unlike those of the dataset."""
        some = np.linspace(0, len(self.files) - 1, min(_CHANGED, len(self.files))).round().astype(np.int64)
        originals = [self.files[number] for number in some]
        copies = [
            _changed(file, change, folder / f"{number}-{change}.png")
            for number, file in enumerate(originals)
            for change in _CHANGES
        ]
        if not copies:
            return
        classifier = load_classifier(self._run.folder, workspace=self.workspace)
        answers = [answer.probabilities for answer in classifier.predict(copies)]
        rows = [[answer[label] for label in classifier.classes] for answer in answers]
        self.files += copies
        self._expected = np.concatenate([self._expected, np.array(rows)])
        self._changed = len(copies)

    def compare(self, kind: str, answers: Iterator[npt.NDArray[np.floating]], *, exact: bool) -> Agreement:
        """Compare probabilities, which are computed one by one meanwhile, with those of the run.

        Raises:
            BackboneError: They have to be the same and are not.
            Stopped: The task was stopped.
        """
        self._check_stop()
        meter = self._task.meter("compare", len(self.files))
        found = []
        for answer in answers:
            found.append(answer)
            meter.add(1)
            self._check_stop()
        agreement = measure_agreement(
            kind,
            self._expected.argmax(axis=1),
            self._expected,
            np.stack(found),
            seconds=meter.elapsed_s,
            # A run in another precision than fp32 is not what a file in fp32 can equal.
            exact=exact and self._run.config.device.precision == "fp32",
            changed=self._changed,
        )
        if exact and not agreement.offered:
            raise BackboneError(
                "What was written gives {same_labels:.1%} of {images} photos the label of the run, with "
                "probabilities up to {largest_difference:.4f} apart; too far, so it is not handed out. Train "
                "again, or choose another backbone.",
                same_labels=agreement.same_labels,
                images=agreement.images,
                largest_difference=agreement.largest_difference,
            )
        self._found.append(agreement)
        return agreement

    def finish(self, staged: Path) -> None:
        """Write what was found, and the model card."""
        opset = None if self._form == "model" else ONNX_OPSET
        with speaking(self._language):
            card = model_card(self.card, self._form, self._found)
        write_text(staged / "README.md", card)
        save_record(
            staged / _FILE, ExportRecord(format=self._form, opset=opset, agreement=tuple(self._found))
        )

    @property
    def card(self) -> CardContents:
        """What is known of the run."""
        return _card(self._run, self._dataset)

    def _check_stop(self) -> None:
        if self._task.stopped:
            raise Stopped("The export was stopped; nothing is written.")


@contextmanager
def comparison(
    run: Run,
    form: Literal["model", "onnx", "web"],
    images: int,
    language: str,
    workspace: Workspace | None,
    task: Task | None,
) -> Iterator[Comparison]:
    """The comparison of a run with what is handed on of it.

    Args:
        run: A run with results.
        form: Of what is handed on.
        images: Photos to compare on, at most, but for changed copies of some.
        language: Of the model card.
        workspace: Where the run's dataset is; the default workspace if not given.
        task: Where progress is reported, and what stops it.
    """
    with tempfile.TemporaryDirectory(prefix="vitcore-") as copies:
        yield Comparison(run, form, images, language, workspace, task, Path(copies))


def _changed(file: Path, change: str, copy: Path) -> Path:
    """Write a changed copy of a photo.

    Raises:
        ImageError: It cannot be decoded any more.
    """
    try:
        image = load_image(file)
    except ImageError as error:
        raise ImageError("{name} cannot be predicted: {reason}.", name=file, reason=error.message) from error
    image.thumbnail((_SIDE, _SIDE))
    if change == "grey":
        image = image.convert("L")
    elif change == "transparent":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    else:
        image = perturb(image, copy.name, change)
    image.save(copy)
    return copy


def _card(run: Run, dataset: Dataset) -> CardContents:
    """Return the contents of the model card."""
    trust = load_trust(run.folder)
    predictions = run.predictions
    distances = predictions["novelty"].to_numpy()
    sure = trust.verdicts(run.probabilities.astype(np.float64), distances).sure
    right = (predictions["true"] == predictions["predicted"]).to_numpy()
    index = dataset.index
    learned = index[index["split"] != "test"]
    if run.facts.finish is None:
        learned = learned[~learned["image_id"].isin(predictions["image_id"])]
    return CardContents(
        name=run.name,
        config=run.config,
        facts=run.facts,
        evaluation=run.evaluation,
        stopped=run.state == "stopped",
        trained={str(label): int(count) for label, count in learned["label"].value_counts().items()},
        ready_made=dataset.divided,
        level=trust.level,
        answered=int(sure.sum()),
        answered_right=int((sure & right).sum()),
        temperature=trust.temperature,
    )


@contextmanager
def staged_folder(folder: Path) -> Iterator[Path]:
    """A temporary sibling that becomes the folder when the block ends without an error.

    Raises:
        InputError: The folder is there and not empty.
        StorageError: It cannot be written.
    """
    with guard(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError("{folder} is there already and not empty; give a new folder.", folder=folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = folder.with_name(f".tmp-{secrets.token_hex(4)}-{folder.name}")
        staged.mkdir()
        try:
            yield staged
            if folder.exists():
                folder.rmdir()
            staged.replace(folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
