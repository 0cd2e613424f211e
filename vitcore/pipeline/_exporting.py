"""Handing a run on: as a model folder or as an ONNX file, once it is seen to answer as the run does."""

import secrets
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.backbone import ONNX_OPSET, Embedder, choose_device
from vitcore.dataset import Dataset, load_dataset
from vitcore.errors import BackboneError, ImageError, InputError, SettingsError, Stopped
from vitcore.features import Unreadable, embed_images, image_files
from vitcore.inference import (
    Agreement,
    Classifier,
    ImageSource,
    Prediction,
    copy_classifier,
    copy_script,
    load_classifier,
    load_trust,
    measure_agreement,
    onnx_probabilities,
    write_int8,
    write_onnx,
)
from vitcore.language import speaking
from vitcore.messages import mark
from vitcore.progress import Progress, Task
from vitcore.records import guard, load_record, plain_values, replacing, save_record, write_json, write_text
from vitcore.report import CardContents, model_card
from vitcore.runs import Run
from vitcore.workspace import Workspace

__all__ = ["Export", "ExportRecord", "export_model", "export_onnx", "load_export", "pack_export"]

_FILE = "agreement.json"
_REMEDY = mark("export again")
_IMAGES = 120


@dataclass(frozen=True, kw_only=True)
class ExportRecord:
    """The record beside an export: its format, the opset of ONNX files, and how it agrees with the run."""

    format: Literal["model", "onnx"]
    opset: int | None
    agreement: tuple[Agreement, ...]


@dataclass(frozen=True, kw_only=True)
class Export:
    """A folder that was handed on.

    Attributes:
        folder: Where it lies.
        form: ``model`` or ``onnx``.
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


def export_model(
    run: Run,
    folder: Path,
    *,
    images: int = _IMAGES,
    language: str = "en",
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Export:
    """Write a run as a folder that `vitcore.load_classifier` reads, with a model card.

    It is then loaded, and answers validation photos as the run did; how far it would in bf16 is measured
    as well.

    Args:
        run: A run with results.
        folder: Where to; must not be there, or be empty.
        images: Validation photos to compare on, at most.
        language: Of the model card.
        workspace: Where the run's dataset is; the default workspace if not given.
        task: Where progress is reported, and what stops it; nothing is written then.

    Raises:
        InputError: The folder is not empty, or an image cannot be decoded any more.
        NotFoundError: The dataset is gone.
        BackboneError: The backbone cannot be had, or the answers differ.
        StorageError: The run has no results, or the disk is full.
        Stopped: The task was stopped.
    """
    job = _Comparison(run, "model", images, language, workspace, task)
    with _staged(folder) as staged:
        copy_classifier(run.folder / "model", staged)
        classifier = load_classifier(staged, workspace=job.workspace)
        job.compare("model", _answers(classifier, job.files), exact=True)
        if classifier.embedder.device.precision != "bf16":
            job.compare("bf16", _answers(_in_bf16(classifier), job.files), exact=False)
        job.finish(staged)
    return load_export(folder)


def export_onnx(
    run: Run,
    folder: Path,
    *,
    images: int = _IMAGES,
    language: str = "en",
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Export:
    """Write a run as ONNX files with a script that needs neither this package nor torch.

    ``model.onnx``, the smaller and less exact ``model-int8.onnx``, ``predict.py`` and a model card. Both
    files answer validation photos, by the script's own code, before they are handed on; an int8 file that
    gets too many labels otherwise than the run is left out.

    Args:
        run: A run with results.
        folder: Where to; must not be there, or be empty.
        images: Validation photos to compare on, at most.
        language: Of the model card.
        workspace: Where the run's dataset is; the default workspace if not given.
        task: Where progress is reported, and what stops it; nothing is written then.

    Raises:
        InputError: The folder is not empty, or an image cannot be decoded any more.
        NotFoundError: The dataset is gone.
        BackboneError: The backbone cannot be had or not be written as ONNX, or the answers differ.
        StorageError: The run has no results, or the disk is full.
        Stopped: The task was stopped.
    """
    job = _Comparison(run, "onnx", images, language, workspace, task)
    with _staged(folder) as staged:
        facts = {"run": run.id, "created": run.config.created}
        exact, small = staged / "model.onnx", staged / "model-int8.onnx"
        classifier = load_classifier(run.folder, device="cpu", workspace=job.workspace)
        write_onnx(classifier, exact, facts=facts)
        write_int8(exact, small)
        copy_script(staged)
        job.compare("onnx", onnx_probabilities(exact, job.files), exact=True)
        if not job.compare("onnx int8", onnx_probabilities(small, job.files), exact=False).offered:
            small.unlink()
        job.finish(staged)
    return load_export(folder)


def load_export(folder: Path) -> Export:
    """Load the record of a folder that `export_model` or `export_onnx` wrote.

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


class _Comparison:
    """The answers that an export has to agree with, and the findings so far."""

    def __init__(
        self,
        run: Run,
        form: Literal["model", "onnx"],
        images: int,
        language: str,
        workspace: Workspace | None,
        task: Task | None,
    ) -> None:
        if images < 1:
            raise SettingsError(
                "images is {images}; give 1 or more, to be compared with the run.", images=images
            )
        self._run, self._form, self._language, self._task = run, form, language, task or Task()
        self._task.report(Progress(phase="export"))
        about = run.config.dataset
        predictions = run.predictions
        self.workspace = workspace or Workspace.default()
        self._dataset = load_dataset(about.id, version=about.version, workspace=self.workspace)
        # Evenly over all of them, for they may be sorted by class.
        count = min(images, len(predictions))
        chosen = np.linspace(0, len(predictions) - 1, count).round().astype(np.int64)
        self.files = [self._dataset.path(file) for file in predictions["file"].iloc[chosen]]
        self._expected = self._probabilities(predictions.iloc[chosen])
        self._found: list[Agreement] = []

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
        opset = ONNX_OPSET if self._form == "onnx" else None
        with speaking(self._language):
            card = model_card(_card(self._run, self._dataset), self._form, self._found)
        write_text(staged / "README.md", card)
        save_record(
            staged / _FILE, ExportRecord(format=self._form, opset=opset, agreement=tuple(self._found))
        )

    def _check_stop(self) -> None:
        if self._task.stopped:
            raise Stopped("The export was stopped; nothing is written.")


def _in_bf16(classifier: Classifier) -> Classifier:
    embedder = classifier.embedder
    reduced = Embedder(embedder.backbone, choose_device(embedder.device.name, "bf16"), embedder.workspace)
    return Classifier(classifier.head, reduced, classifier.classes, classifier.trust)


def _answers(classifier: Classifier, files: Sequence[Path]) -> Iterator[npt.NDArray[np.floating]]:
    """The probabilities of each class for each image, (C,) each, computed when asked for.

    Raises:
        ImageError: One of them cannot be decoded; once it is its turn.
    """
    size = classifier.embedder.input_size
    classifier.embedder.embed(np.zeros((1, size, size, 3), dtype=np.uint8))  # loads it before time is taken

    def answer(source: ImageSource, result: Prediction | Unreadable) -> npt.NDArray[np.floating]:
        if isinstance(result, Unreadable):
            raise ImageError("{name} cannot be predicted: {reason}.", name=source, reason=result.reason)
        return np.array([result.probabilities[label] for label in classifier.classes])

    return starmap(answer, classifier.predict_each(files))


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
def _staged(folder: Path) -> Iterator[Path]:
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
