"""A classifier as files: what a run keeps and what is handed on.

::

    head.safetensors          the trained output layer
    references.safetensors    embeddings of images that were learned from, and probes
    config.json               classes, backbone, engine, precision, temperature, doubt, digests of those

The backbone itself is not in the folder, for it did not change: the digest of its weights is, and
loading fails if they differ. Only where its weights came from a file of one's own, a folder that was
exported brings that file along.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vitcore.backbone import BackboneSpec, Embedder, choose_device, resolve_backbone
from vitcore.errors import BackboneError, DeviceError, NotFoundError, StorageError
from vitcore.inference._classifier import Classifier
from vitcore.inference._config import HEAD, ModelBackbone, ModelConfig, check_digests, digests_of
from vitcore.inference._trust import Trust
from vitcore.messages import Message
from vitcore.progress import Task
from vitcore.training import Head, load_head
from vitcore.workspace import Workspace

__all__ = ["check_model", "load_classifier", "load_trust", "save_classifier", "set_level"]


def save_classifier(
    folder: Path, *, head: Head, embedder: Embedder, classes: Sequence[str], trust: Trust
) -> None:
    """Write a classifier into a new folder.

    Args:
        folder: Must not exist yet.
        head: The trained output layer.
        embedder: What made the embeddings it was trained on.
        classes: C names, the order of the head's outputs.
        trust: How far its answers can be trusted.
    """
    backbone = embedder.backbone
    folder.mkdir()
    head.save(folder / HEAD)
    trust.save(folder)
    ModelConfig(
        classes=tuple(classes),
        trust=trust.record,
        precision=embedder.device.precision,
        engine=embedder.device.engine,
        backbone=ModelBackbone(**vars(backbone.spec), weights_sha256=backbone.weights_sha256),
        digests=digests_of(folder),
    ).save(folder)


def load_classifier(
    folder: str | Path,
    *,
    head: Path | None = None,
    device: str = "auto",
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Classifier:
    """The classifier of a run's folder or of a model folder.

    It works with the engine and in the precision it was trained with, or with torch in fp32 where these
    are not here.

    Args:
        folder: `Run.folder`, or a folder with ``head.safetensors`` and ``config.json``.
        head: A head to take in place of its own, such as `Run.validation_head`.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        workspace: Where embeddings, and what engines read, are kept; the default workspace if not given.
        task: Where the download of a backbone that is not here is reported, and what stops it.

    Raises:
        NotFoundError: There is no classifier in the folder.
        StorageError: Its files are damaged.
        BackboneError: Its backbone cannot be had, or has other weights than in training.
        DeviceError: The device is not on this machine.
    """
    model, config = _config(Path(folder))
    embedder = _embedder(config, model, device, workspace, task)
    loaded = load_head(model / HEAD if head is None else head)
    trust = Trust.load(model, config.trust)
    fits = loaded.shape == (len(config.classes), embedder.dimension)
    if not fits or trust.references.shape[1:] != (embedder.dimension,):
        raise StorageError("The head in {folder} does not fit its config; train again.", folder=model)
    return Classifier(loaded, embedder, config.classes, trust)


def check_model(folder: Path) -> ModelConfig:
    """Check the files of a classifier, as far as that goes without its backbone, and return its config.

    Raises:
        NotFoundError: There is no classifier in the folder.
        StorageError: Its files are damaged, or do not fit each other.
    """
    model, config = _config(folder)
    head, trust = load_head(model / HEAD), Trust.load(model, config.trust)
    if head.shape != (len(config.classes), trust.references.shape[1]):
        raise StorageError("The head in {folder} does not fit its config; train again.", folder=model)
    return config


def load_trust(folder: Path) -> Trust:
    """Load the trust of a run's classifier; the backbone is not needed for that.

    Args:
        folder: As for `load_classifier`.

    Raises:
        NotFoundError: There is no classifier in the folder.
        StorageError: Its files are damaged, or of another version.
    """
    model, config = _config(folder)
    return Trust.load(model, config.trust)


def set_level(folder: Path, level: float) -> None:
    """Choose how much doubt a classifier tolerates; all that load it from now on go by that.

    Args:
        folder: As for `load_classifier`.
        level: 0 (answers everything) … 1 (only what is beyond doubt).

    Raises:
        InputError: The level is out of its range.
        NotFoundError: There is no classifier in the folder.
        StorageError: Its files are damaged, or cannot be written.
    """
    load_trust(folder).at(level)
    model, config = _config(folder)
    replace(config, trust=replace(config.trust, level=level)).save(model)


def _config(folder: Path) -> tuple[Path, ModelConfig]:
    """The folder of a classifier, and what its config says."""
    model = folder / "model" if (folder / "model").is_dir() else folder
    if not (model / "config.json").is_file() or not (model / HEAD).is_file():
        raise NotFoundError(
            "There is no classifier in {folder}; give the folder of a finished run.", folder=folder
        )
    config = ModelConfig.load(model)
    check_digests(model, config)
    return model, config


def _embedder(
    config: ModelConfig, model: Path, device: str, workspace: Workspace | None, task: Task | None
) -> Embedder:
    wanted = config.backbone
    brought = model / Path(wanted.id).name
    name = str(brought) if wanted.source == "file" and brought.is_file() else wanted.id
    backbone = resolve_backbone(name, wanted.preprocessing.input_size, task)
    if backbone.weights_sha256 != wanted.weights_sha256:
        raise BackboneError(
            "The weights of {backbone} here are not those of the training; get the same ones, or train "
            "again.",
            backbone=Message(wanted.title),
        )
    # Prepared and read as in the training, whatever the catalogue says by now.
    backbone = backbone.described(_read_as(backbone.spec, wanted))
    try:
        chosen = choose_device(device, config.precision, config.engine)
    except DeviceError:
        chosen = choose_device(device, "fp32")
    return Embedder(backbone, chosen, workspace)


def _read_as(spec: BackboneSpec, wanted: BackboneSpec) -> BackboneSpec:
    """A backbone that is here, prepared and read as a classifier wants it.

    Raises:
        BackboneError: One is a pair, and the other is not.
    """
    if len(spec.parts) != len(wanted.parts):
        raise BackboneError(
            "{backbone} has other networks here than in the training; train again.",
            backbone=Message(wanted.title),
        )
    return replace(
        spec,
        preprocessing=wanted.preprocessing,
        reading=wanted.reading,
        embedding_dimension=wanted.embedding_dimension,
        parts=tuple(_read_as(*pair) for pair in zip(spec.parts, wanted.parts, strict=True)),
    )
