"""The choice of an engine: the fastest one here that agrees with the exact one."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from vitcore.backbone import Backbone, Device, Embedder, backbone_for, choose_device, cpu_can, cpu_name
from vitcore.compute import Compute, engine_is_here
from vitcore.dataset import view_key
from vitcore.engines._records import EngineRecord, EngineTrial
from vitcore.errors import BackboneError, DeviceError, Stopped, StorageError
from vitcore.features import FeatureStore, ImageFile, ImageView, Unreadable, load_pixels
from vitcore.messages import Message, message
from vitcore.progress import Progress, Task
from vitcore.records import plain_values, read_json, record_of, write_json
from vitcore.workspace import Workspace

__all__ = [
    "SAME_COSINE",
    "SAME_LABELS",
    "EngineChoice",
    "choose_engine",
    "cosines",
    "prepare_embedder",
    "same_labels",
]

SAME_COSINE = 0.999
"""Lowest cosine similarity, to the embedding in fp32, of an engine that agrees."""

SAME_LABELS = 0.99
"""Lowest share of the answers of a probe that stay the same."""

_IMAGES, _CLASSES = 64, 16  # of the user's own, to measure with: of each class enough to know it by
_FOLDS, _ROUNDS = 8, 8  # of the probe
_WORTH_IT = 1.05  # times as fast as torch in fp32
_LONG_S = 60.0  # of embedding still to do: if it is less, a trial more would not pay
# From how many images on it can pay to try an engine: one of torch needs nothing, for the others the
# network has to be written down first (10 s), and without instructions made for it they gain little.
_FROM_TORCH, _FROM_OTHERS, _FROM_UNLIKELY = 200, 300, 3000

Floats = npt.NDArray[np.float32]
Look = Callable[[Sequence[ImageFile], Floats], None]


@dataclass(frozen=True, kw_only=True)
class EngineChoice:
    """The engine that is to compute embeddings, and the reason.

    Attributes:
        device: Where, with which engine and in which precision.
        reason: One sentence for the user.
        candidates: What was tried on the user's images, torch in fp32 first; empty if nothing was.
    """

    device: Device
    reason: Message
    candidates: tuple[EngineTrial, ...] = ()

    @property
    def record(self) -> EngineRecord:
        """The same as it is kept on disk."""
        return EngineRecord(
            engine=self.device.engine,
            precision=self.device.precision,
            reason=self.reason,
            candidates=self.candidates,
        )

    @classmethod
    def recalled(cls, record: EngineRecord) -> Self:
        """A choice that was made on the CPU of this machine before.

        Raises:
            DeviceError: The engine is not here any more.
        """
        device = choose_device("cpu", record.precision, record.engine)
        return cls(device=device, reason=record.reason, candidates=record.candidates)


def prepare_embedder(
    compute: Compute,
    images: Sequence[ImageFile],
    labels: Sequence[str],
    *,
    input_size: int = 0,
    workspace: Workspace | None = None,
    task: Task | None = None,
    look: Look | None = None,
) -> tuple[Embedder, EngineChoice]:
    """Resolve a backbone, choose what computes with it on this machine, and make the embedder of both.

    Args:
        compute: What is asked for.
        images: Those that are going to be embedded.
        labels: Their classes.
        input_size: Side in pixels of what the backbone sees; 0 for its own.
        workspace: Where embeddings are kept; the default workspace if not given.
        task: Where progress is reported, and what stops it.
        look: As for `choose_engine`.

    Raises:
        DeviceError: The device, the precision or the engine is not here.
        BackboneError: The backbone cannot be had.
        Stopped: The task was stopped.
    """
    workspace, task = workspace or Workspace.default(), task or Task()
    # What is not here is refused before anything is loaded.
    choose_device(compute.device, compute.precision, compute.engine)
    backbone = backbone_for(
        len(images), compute, input_size=input_size or None, workspace=workspace, task=task
    )
    task.report(Progress(phase="prepare", message=backbone.note))
    choice = choose_engine(backbone, images, labels, compute, workspace=workspace, task=task, look=look)
    return Embedder(backbone, choice.device, workspace), choice


def choose_engine(
    backbone: Backbone,
    images: Sequence[ImageFile],
    labels: Sequence[str],
    compute: Compute,
    *,
    workspace: Workspace | None = None,
    task: Task | None = None,
    look: Look | None = None,
) -> EngineChoice:
    """Choose the engine for the embeddings of images.

    With ``auto`` on a CPU, the engines that can be faster there are measured on some of the images, if
    there are so many that it can pay: the most promising first, until there is one with which the rest
    takes less than a minute. One agrees if for every image the cosine similarity of its embedding to that
    of torch in fp32 is at least 0.999, and if a linear probe gives at least 99 % of the images the same
    label by both. The fastest that agrees is taken; what was found is remembered for these images on this
    machine, and the embeddings that were made for it are kept.

    Args:
        backbone: The frozen network.
        images: Those that are going to be embedded.
        labels: Their classes, for the probe.
        compute: What is asked for: any precision but ``auto`` leaves only engines with that one, and with
            any engine but ``auto`` nothing is measured.
        workspace: Where embeddings are kept; the default workspace if not given.
        task: Where progress is reported, and what stops it.
        look: Told which images were embedded first, and their embeddings in fp32, before other engines are
            tried on these.

    Raises:
        DeviceError: The device, the precision or the engine is not here.
        BackboneError: The backbone cannot be had.
        Stopped: The task was stopped.
    """
    usual = choose_device(compute.device, compute.precision, compute.engine)
    if compute.engine != "auto" or compute.precision == "int8":  # which only one engine has
        return EngineChoice(
            device=usual, reason=message("{engine} was asked for.", engine=usual.engine_title)
        )
    if usual.name != "cpu":
        return EngineChoice(device=usual, reason=_suits(usual))
    workspace, task = workspace or Workspace.default(), task or Task()
    exact = Embedder(backbone, choose_device("cpu", "fp32"), workspace)
    keys = [(image.sha256, view_key(0)) for image in images]
    missing = int((FeatureStore.of(exact).rows(keys) < 0).sum())
    memory = workspace.engines / "choices.json"
    # Of another wish, a choice is no answer to this one.
    wish = f"{exact.fingerprint} {compute.precision}"
    remembered = _recall(memory, wish)
    for choice in remembered.values():
        left = int((FeatureStore.of(Embedder(backbone, choice.device, workspace)).rows(keys) < 0).sum())
        if left < min(missing, _FROM_TORCH):  # most of the work is done
            return choice
    others = [Device("cpu", "CPU", *pair) for pair in _worth_trying(missing, compute.precision)]
    if not others:
        reason = message(
            "{engine} is used: with so few images left to embed, no other engine is worth trying here.",
            engine=usual.engine_title,
        )
        return EngineChoice(device=usual, reason=reason)
    sample = _sample(images, labels)
    mark = _mark(exact, others, [image for image, _ in sample])
    if mark not in remembered:
        remembered[mark] = _measured(exact, others, sample, missing, usual, task, look)
        choices = {mark: plain_values(choice.record) for mark, choice in remembered.items()}
        with workspace.changing(memory):
            workspace.engines.mkdir(exist_ok=True)
            write_json(memory, {**_read(memory), wish: choices})
    return remembered[mark]


def _worth_trying(missing: int, precision: str) -> list[tuple[str, str]]:
    """Precision and engine of what may be faster than torch in fp32 on this CPU.

    First what is most likely to be taken: OpenVINO in bf16 is the fastest, torch in bf16 needs nothing to be
    written down, and int8 often changes labels.
    """
    has_bf16, has_int8 = cpu_can("avx512_bf16", "amx_bf16"), cpu_can("avx512_vnni", "avx_vnni", "amx_int8")
    return [
        (number_format, engine)
        for engine, number_format, least in (
            ("openvino", "bf16", _FROM_OTHERS if has_bf16 else None),
            ("torch", "bf16", _FROM_TORCH if has_bf16 else None),
            ("onnxruntime", "int8", _FROM_OTHERS if has_int8 else _FROM_UNLIKELY),
            ("openvino", "fp32", _FROM_UNLIKELY),
            ("onnxruntime", "fp32", _FROM_UNLIKELY),
        )
        if least is not None
        and missing >= least
        and precision in ("auto", number_format)
        and engine_is_here(engine)
    ]


def _sample(images: Sequence[ImageFile], labels: Sequence[str]) -> list[tuple[ImageFile, str]]:
    """Some images with their labels, of some of the classes about as many each.

    Those with the smallest digests: a random choice that stays nearly the same when images are added.
    """
    ordered = sorted(zip(images, labels, strict=True), key=lambda pair: pair[0].sha256)
    taken: dict[str, int] = {}
    ranked = []
    for image, label in ordered:
        if label in taken or len(taken) < _CLASSES:
            taken[label] = taken.get(label, 0) + 1
            ranked.append((taken[label], image.sha256, image, label))
    ranked.sort(key=lambda item: item[:2])
    return [(image, label) for _, _, image, label in ranked[:_IMAGES]]


def _measured(
    exact: Embedder,
    others: Sequence[Device],
    sample: Sequence[tuple[ImageFile, str]],
    missing: int,
    usual: Device,
    task: Task,
    look: Look | None,
) -> EngineChoice:
    """Try engines on a sample of the images, of which so many are to be embedded."""
    meter = task.meter("engines", len(sample) * (1 + len(others)))
    seen = [(image, label, load_pixels(exact, ImageView(source=image.path))) for image, label in sample]
    # What cannot be read is named when the images are embedded.
    readable = [(image, label, pixels) for image, label, pixels in seen if not isinstance(pixels, Unreadable)]
    if not readable:
        return EngineChoice(
            device=usual,
            reason=message("{engine} is used: no image could be tried.", engine=usual.engine_title),
        )
    pixels = np.stack([pixels for _, _, pixels in readable])
    keys = [(image.sha256, view_key(0)) for image, _, _ in readable]
    labels = [label for _, label, _ in readable]
    candidates: list[EngineTrial] = []
    truth = np.empty(0, dtype=np.float32)
    for device in (exact.device, *others):
        if task.stopped:
            raise Stopped("The choice of an engine was stopped; what was embedded is kept.")
        embedder = Embedder(exact.backbone, device, exact.workspace)
        try:
            vectors, rate = _timed(embedder, pixels)
        except BackboneError:
            if device == exact.device:
                raise
            continue  # not every network can be written down for the others; torch does what is left
        store = FeatureStore.of(embedder)
        new = np.flatnonzero(store.rows(keys) < 0)
        store.write([keys[number] for number in new], vectors[new])
        if device == exact.device:
            truth = vectors
            if look is not None:
                look([image for image, _, _ in readable], vectors)
        cosine = float(cosines(vectors, truth).min())
        same = same_labels(truth, vectors, labels)
        candidates.append(
            EngineTrial(
                engine=device.engine,
                precision=device.precision,
                images_per_second=rate,
                cosine=cosine,
                same_label=same,
                images=len(pixels),
                agrees=cosine >= SAME_COSINE and same >= SAME_LABELS,
            )
        )
        meter.add(len(sample))
        best = _fastest(candidates)
        if best is not candidates[0] and missing / best.images_per_second < _LONG_S:
            break
    return _picked(candidates, usual)


def _suits(device: Device) -> Message:
    return message("{engine} suits {device}.", engine=device.engine_title, device=message(device.title))


def _fastest(candidates: Sequence[EngineTrial]) -> EngineTrial:
    """Of those that agree; torch in fp32 does with itself."""
    return max((c for c in candidates if c.agrees), key=lambda c: c.images_per_second)


def _picked(candidates: Sequence[EngineTrial], usual: Device) -> EngineChoice:
    """The fastest that agrees, if that is worth it."""
    exact = candidates[0]
    best = _fastest(candidates)
    ratio = best.images_per_second / exact.images_per_second
    if ratio < _WORTH_IT:
        return EngineChoice(
            device=usual,
            reason=message(
                "{engine} is used: no other engine that agrees with it is faster here.",
                engine=usual.engine_title,
            ),
            candidates=tuple(candidates),
        )
    device = Device("cpu", "CPU", best.precision, best.engine)
    return EngineChoice(
        device=device,
        reason=message(
            "{engine} is {ratio:.1f} times as fast here as PyTorch (fp32), and agrees with it on {images} of "
            "your images.",
            engine=device.engine_title,
            ratio=ratio,
            images=best.images,
        ),
        candidates=tuple(candidates),
    )


def _timed(embedder: Embedder, pixels: npt.NDArray[np.uint8]) -> tuple[Floats, float]:
    """Embeddings of images, and how many of them a second takes; the faster half counts."""
    embedder.embed(pixels[:1])  # loads the network
    halves, rates = [], []
    for part in np.array_split(pixels, 2):
        if not len(part):
            continue
        started = time.perf_counter()
        halves.append(embedder.embed(part))
        rates.append(len(part) / (time.perf_counter() - started))
    return np.concatenate(halves), max(rates)


def cosines(first: Floats, second: Floats) -> Floats:
    """Cosine similarity row by row: (N, D), (N, D) -> (N,)."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosines: Floats = np.einsum("nd,nd->n", first, second) / np.maximum(lengths, 1e-12)
    return cosines


def same_labels(exact: Floats, other: Floats, labels: Sequence[str]) -> float:
    """Share of the answers of a probe that are the same by both embeddings, 0 … 1.

    The probe is ridge regression on the exact embeddings of some of the images, and answers for those
    that are left, in cross-validation that is repeated: with one answer per image, whether two in a
    hundred change could not be told from 64. Where all are of one class there is nothing to tell apart.

    Args:
        exact: Those to agree with, (N, D).
        other: Those of another engine, (N, D).
        labels: Class of each image.
    """
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import RepeatedKFold

    names = np.array(labels)
    mean, spread = exact.mean(axis=0), exact.std(axis=0) + 1e-6
    exact, other = (exact - mean) / spread, (other - mean) / spread
    same: list[bool] = []
    folds = RepeatedKFold(n_splits=min(_FOLDS, len(names)), n_repeats=_ROUNDS, random_state=0)
    for learned, asked in folds.split(names) if len(names) > 1 else ():
        if len(set(names[learned])) < 2:
            continue
        # On more features than images it would overfit without a strong pull.
        probe = RidgeClassifier(alpha=exact.shape[1]).fit(exact[learned], names[learned])
        same += list(probe.predict(exact[asked]) == probe.predict(other[asked]))
    return float(np.mean(same)) if same else 1.0


def _mark(exact: Embedder, others: Sequence[Device], images: Sequence[ImageFile]) -> str:
    """Digest of all that a choice depends on: network, images, machine, versions, what is tried."""
    facts = [
        exact.fingerprint,
        [image.sha256 for image in images],
        [[device.engine, device.precision] for device in others],
        cpu_name(),
        torch.get_num_threads(),
        [metadata.version(name) for name in ("torch", "onnxruntime")],
        metadata.version("openvino") if engine_is_here("openvino") else "",
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _recall(memory: Path, wish: str) -> dict[str, EngineChoice]:
    """Return the choices remembered for a wish, by what they depend on; others are forgotten."""
    choices = {}
    for mark, values in _read(memory).get(wish, {}).items():
        with suppress(ValueError, DeviceError):  # of another version, or an engine that is gone
            choices[mark] = EngineChoice.recalled(record_of(EngineRecord, values))
    return choices


def _read(memory: Path) -> dict[str, dict[str, Any]]:
    """All that is remembered; nothing if it cannot be read, for it can be measured again."""
    if not memory.is_file():
        return {}
    try:
        found = read_json(memory)
    except StorageError:
        return {}
    return found if isinstance(found, dict) else {}
