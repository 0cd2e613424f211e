"""Handing a run on: as a model folder, as an ONNX file or as a web page, once it answers as the run does."""

from collections.abc import Iterator, Sequence
from itertools import starmap
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vitcore.backbone import Embedder, choose_device
from vitcore.errors import ImageError
from vitcore.features import Unreadable
from vitcore.inference import (
    Classifier,
    ImageSource,
    Prediction,
    copy_classifier,
    copy_script,
    load_classifier,
    onnx_probabilities,
    write_fp16,
    write_int8,
    write_onnx,
    write_web_page,
)
from vitcore.pipeline._handing_on import IMAGES, Export, comparison, load_export, staged_folder
from vitcore.pipeline._web_texts import web_texts
from vitcore.progress import Task
from vitcore.runs import Run
from vitcore.workspace import Workspace

__all__ = ["export_model", "export_onnx", "export_web"]


def export_model(
    run: Run,
    folder: Path,
    *,
    images: int = IMAGES,
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
    with comparison(run, "model", images, language, workspace, task) as job, staged_folder(folder) as staged:
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
    images: int = IMAGES,
    language: str = "en",
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Export:
    """Write a run as ONNX files with a script that needs neither this package nor torch.

    ``model.onnx``, ``model-fp16.onnx`` of half its size, the smallest and least exact ``model-int8.onnx``,
    ``predict.py`` and a model card. All files answer validation photos, by the script's own code, before they
    are handed on; a smaller file that gets too many labels otherwise than the run is left out.

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
    with comparison(run, "onnx", images, language, workspace, task) as job, staged_folder(folder) as staged:
        exact = staged / "model.onnx"
        _write_exact(run, exact, job.workspace)
        copy_script(staged)
        job.compare("onnx", onnx_probabilities(exact, job.files), exact=True)
        for precision, write in (("fp16", write_fp16), ("int8", write_int8)):
            small = staged / f"model-{precision}.onnx"
            write(exact, small)
            found = job.compare(f"onnx {precision}", onnx_probabilities(small, job.files), exact=False)
            if not found.offered:
                small.unlink()
        job.finish(staged)
    return load_export(folder)


def export_web(
    run: Run,
    folder: Path,
    *,
    images: int = IMAGES,
    language: str = "en",
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Export:
    """Write a run as a web page that answers in the browser of whoever opens it, with a model card.

    It takes the smallest ONNX file that answers validation photos as the run does: int8, fp16 or fp32.

    Args:
        run: A run with results.
        folder: Where to; must not be there, or be empty.
        images: Validation photos to compare on, at most.
        language: Of the model card; the page speaks all.
        workspace: Where the run's dataset is; the default workspace if not given.
        task: Where progress is reported, and what stops it; nothing is written then.

    Raises:
        InputError: The folder is not empty, or an image cannot be decoded any more.
        NotFoundError: The dataset is gone.
        BackboneError: The backbone cannot be had or not be written as ONNX, or the answers differ.
        StorageError: The run has no results, or the disk is full.
        Stopped: The task was stopped.
    """
    with comparison(run, "web", images, language, workspace, task) as job, staged_folder(folder) as staged:
        exact, small = staged / "model.onnx", staged / "smaller.onnx"
        _write_exact(run, exact, job.workspace)
        for precision, write in (("int8", write_int8), ("fp16", write_fp16)):
            write(exact, small)
            found = job.compare(f"onnx {precision}", onnx_probabilities(small, job.files), exact=False)
            if found.offered:
                small.replace(exact)
                break
        else:
            small.unlink()
            job.compare("onnx", onnx_probabilities(exact, job.files), exact=True)
        write_web_page(staged, title=run.name, texts=web_texts(job.card), workspace=job.workspace)
        job.finish(staged)
    return load_export(folder)


def _write_exact(run: Run, file: Path, workspace: Workspace) -> None:
    classifier = load_classifier(run.folder, device="cpu", workspace=workspace)
    write_onnx(classifier, file, facts={"run": run.id, "created": run.config.created})


def _in_bf16(classifier: Classifier) -> Classifier:
    embedder = classifier.embedder
    reduced = Embedder(embedder.backbone, choose_device(embedder.device.name, "bf16"), embedder.workspace)
    return Classifier(classifier.head, reduced, classifier.classes, classifier.trust)


def _answers(classifier: Classifier, files: Sequence[Path]) -> Iterator[npt.NDArray[np.floating]]:
    """The probabilities of each class for each image, (C,) each, computed when asked for.

    Raises:
        ImageError: One of them cannot be decoded; once it is its turn.
    """
    blank = np.zeros((1, *classifier.embedder.pixel_shape), dtype=np.uint8)
    classifier.embedder.embed(blank)  # loads it before time is taken

    def answer(source: ImageSource, result: Prediction | Unreadable) -> npt.NDArray[np.floating]:
        if isinstance(result, Unreadable):
            raise ImageError("{name} cannot be predicted: {reason}.", name=source, reason=result.reason)
        return np.array([result.probabilities[label] for label in classifier.classes])

    return starmap(answer, classifier.predict_each(files))
