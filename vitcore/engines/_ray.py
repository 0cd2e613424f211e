"""The pass through a frozen backbone on several machines, on Ray Data.

Images go out in shards: as many consecutive views as one forward pass takes. What a shard gives depends on
the shard alone, so one that is lost with its worker is computed again, and nothing else is. Tasks decode and
prepare the images of a shard, actors that hold the network make its vectors; of both there are as many as the
machines have room for. The results come back here, in order, and are stored as those of `local_pass` are.

Every machine needs vitcore, the backbone's weights, and the images under the same paths: a shared folder.
Only what has no path, the bytes of an image, travels itself.

Ray is not among the requirements (``requirements-ray.txt``), and only imported when it is asked for.
"""

import importlib
import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import util
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

import vitcore.errors as errors
from vitcore.backbone import Backbone, Device, Embedder, resolve_backbone
from vitcore.errors import BackboneError, DeviceError, InputError, VitcoreError
from vitcore.features import EmbeddedBatch, ImageView, Pass, Unreadable, load_pixels, local_pass
from vitcore.messages import Message, message, packed, unpacked
from vitcore.workspace import Workspace

__all__ = ["pass_for", "ray_pass"]

# Ray Data takes a finished list of shards, and starts its actors anew for each.
_MOST_SHOTS = 2**18
_MOST_BYTES = 2**28  # of images without a path
_DECODER_CPUS = 0.25  # of a machine whose CPU also does the forward passes: decoding is little beside them
_PATIENCE_S = 5.0
_MODEL_SHARE = 0.75  # of such a machine's CPUs, so that there is always room to decode


@contextmanager
def pass_for(engine: str, address: str | None = None, *, workers: int | None = None) -> Iterator[Pass]:
    """The pass that belongs to an engine: on Ray for ``ray``, else the usual one on this machine.

    Args:
        engine: What ``--engine`` says.
        address: As for `ray_pass`.
        workers: As for `ray_pass`.

    Raises:
        InputError: As for `ray_pass`; or an address or workers for an engine that has no use for them.
    """
    if engine == "ray":
        with ray_pass(address, workers=workers) as forward_pass:
            yield forward_pass
        return
    if address is not None or workers is not None:
        raise InputError(
            "--address and --workers are for engine ray, and the engine is {engine}; leave them out, or "
            "choose '--engine ray'.",
            engine=engine,
        )
    yield local_pass


@contextmanager
def ray_pass(
    address: str | None = None, *, workers: int | None = None, decoders: int | None = None
) -> Iterator[Pass]:
    """A pass through the backbone on all machines of a Ray cluster, or in processes of this one.

    The cluster is looked for when the first image comes. At the end a Ray that was started here is shut
    down; one that was there is left as it was. On CPUs a cluster is best made of machines alike, for each
    network gets as many threads as the smallest of them has CPUs for it; with as many threads as here, the
    vectors are the very same.

    Args:
        address: Of the cluster, such as ``10.0.0.1:6379``; ``auto`` for the one that this machine belongs to;
            ``local`` for a Ray of its own on this machine. If not given, what the environment variable
            ``RAY_ADDRESS`` says, else ``local``. A Ray that this process is already connected to goes before
            all that.
        workers: Processes that hold the network; one per GPU if the backbone runs on CUDA, else one per
            machine, if not given.
        decoders: Tasks that decode at a time; as many as there is room for, if not given.

    Raises:
        InputError: Ray is not installed, or `workers` or `decoders` is below 1.
    """
    for name, count in (("workers", workers), ("decoders", decoders)):
        if count is not None and count < 1:
            raise InputError("{name} is {count}; give 1 or more, or leave it out.", name=name, count=count)
    if util.find_spec("ray") is None:
        raise InputError("'--engine ray' needs Ray; run 'pip install -r requirements-ray.txt'.")
    cluster = _Cluster(address)

    def forward_pass(embedder: Embedder, views: Iterable[ImageView]) -> Generator[EmbeddedBatch]:
        waiting = iter(views)
        while shards := _shards(waiting, embedder.batch_size):
            with _ray_errors(cluster):
                rows = iter(_results(cluster, embedder, shards, workers, decoders))
                with closing(rows):  # ends the work on the cluster, however this one ends
                    for shard, row in zip(shards, rows, strict=True):
                        yield _batch(embedder, shard, row)

    try:
        yield forward_pass
    finally:
        cluster.close()


# --- here ------------------------------------------------------------------------------------------


class _Cluster:
    """A Ray cluster that is looked for, or started, when it is first needed.

    Args:
        address: As for `ray_pass`.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address or os.environ.get("RAY_ADDRESS") or "local"
        self._connected = False
        self._logger = logging.getLogger("ray.data")
        self._level = self._logger.level
        self.ray: Any = None

    def connect(self) -> None:
        """Reach it; nothing if that is done already.

        Raises:
            InputError: There is none, or it is another version of Ray.
        """
        if self.ray is not None:
            return
        with _environment():
            ray: Any = importlib.import_module("ray")
            importlib.import_module("ray.data")
            if not ray.is_initialized():
                self._start(ray)
                self._connected = True
        self._level = self._logger.level
        self._logger.setLevel(logging.CRITICAL)  # it tells of every run, and we tell of every error
        self.ray = ray

    def _start(self, ray: Any) -> None:
        is_local = self._address == "local"
        if self._address not in ("auto", "local"):
            _check(self._address)
        try:
            with _own_sigterm():
                ray.init(
                    self._address,
                    include_dashboard=False if is_local else None,
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                )
        except (OSError, RuntimeError, ValueError) as error:
            if is_local:
                raise InputError(
                    "Ray cannot be started on this machine ({reason}); choose another engine.",
                    reason=_first_line(error),
                ) from error
            raise _unreachable(self._address, error) from error

    def close(self) -> None:
        """Leave the cluster, which ends if it was started by us."""
        if self.ray is None:
            return
        if self._connected:
            with _own_sigterm():
                self.ray.shutdown()
        self._logger.setLevel(self._level)
        self.ray = None


def _check(address: str) -> None:
    """See that somebody listens at an address: Ray itself would try for more than ten minutes.

    Raises:
        InputError: Nobody does.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise InputError(
            "'{address}' is no address of a Ray cluster; give HOST:PORT, auto or local.", address=address
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S):
            return
    except (OSError, OverflowError) as error:  # there are 65535 ports
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> InputError:
    return InputError(
        "No Ray cluster can be reached at '{address}' ({reason}); start one with 'ray start --head', or give "
        "no address to use this machine alone.",
        address=address,
        reason=_first_line(error),
    )


@contextmanager
def _environment() -> Iterator[None]:
    """Set Ray's environment before it is imported and started: where to find the code, and to be quiet.

    It would tell on stdout of every worker that is lost, and answers are printed there.
    """
    package = str(Path(__file__).parents[1])
    values = {
        "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
        "RAY_BACKEND_LOG_LEVEL": "fatal",
        "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep this process's handler of SIGTERM: Ray sets one of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True, kw_only=True)
class _Room:
    """The resources reserved on the cluster.

    Attributes:
        workers: Actors that hold the network.
        actor: What Ray reserves for each.
        decoder: What it reserves for a task that decodes.
        threads: Of torch, in each actor.
    """

    workers: int
    actor: dict[str, float]
    decoder: dict[str, float]
    threads: int


def _room(ray: Any, device: Device, workers: int | None) -> _Room:
    """The plan of the use of the machines.

    Raises:
        InputError: There are no CPUs, or not enough GPUs.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if not machines:
        raise InputError("No machine of the Ray cluster has a CPU to spare; add one with 'ray start'.")
    if device.name == "cuda":
        gpus = int(sum(machine.get("GPU", 0) for machine in machines))
        if gpus < (workers or 1):
            raise InputError(
                "The Ray cluster has {gpus} GPUs, and {workers} workers with one each were asked for; give "
                "fewer workers, or choose device cpu.",
                gpus=gpus,
                workers=workers or 1,
            )
        return _Room(
            workers=workers or gpus,
            actor={"num_cpus": 0, "num_gpus": 1},
            decoder={"num_cpus": 1},
            threads=torch.get_num_threads(),
        )
    workers = workers or len(machines)
    on_each = -(-workers // len(machines))
    cpus = min(machine["CPU"] for machine in machines) / on_each
    reserved = _MODEL_SHARE * cpus
    return _Room(
        workers=workers,
        # Ray takes parts of a CPU below one, and whole ones above.
        actor={"num_cpus": int(reserved) if reserved > 1 else round(reserved, 3)},
        decoder={"num_cpus": _DECODER_CPUS},
        threads=max(1, min(torch.get_num_threads(), int(cpus))),
    )


def _shards(views: Iterator[ImageView], size: int) -> list[list[ImageView]]:
    """The next views, in lists of `size`: as many as Ray is given at a time."""
    shards: list[list[ImageView]] = []
    size_bytes = 0
    while len(shards) * size < _MOST_SHOTS and size_bytes < _MOST_BYTES:
        shard = list(islice(views, size))
        if not shard:
            break
        shards.append(shard)
        size_bytes += sum(len(view.source) for view in shard if isinstance(view.source, bytes))
    return shards


def _results(
    cluster: _Cluster,
    embedder: Embedder,
    shards: list[list[ImageView]],
    workers: int | None,
    decoders: int | None,
) -> Generator[dict[str, Any]]:
    """Yield the results of shards, in order: rows as `_embedded` returns them."""
    cluster.connect()
    room = _room(cluster.ray, embedder.device, workers)
    recipe = _Recipe.of(embedder)
    data, pa = cluster.ray.data, _arrow()
    # A shard is one row of one block: Ray Data may cut blocks, and put them together, but no rows.
    dataset = data.from_blocks([pa.Table.from_pylist([_packed(shard)], _schema()) for shard in shards])
    dataset.context.execution_options.preserve_order = True
    dataset.context.enable_progress_bars = False
    dataset.context.print_on_execution_start = False
    # Tasks and actors that are lost with their process or machine are started again: Ray Data's default.
    seen = dataset.map_batches(
        _decoded,
        fn_args=(recipe,),
        batch_size=None,
        batch_format="pyarrow",
        compute=data.TaskPoolStrategy(size=decoders),
        **room.decoder,
    )
    embedded = seen.map_batches(
        _Model,
        fn_constructor_args=(recipe, room.threads),
        batch_size=None,
        batch_format="pyarrow",
        compute=data.ActorPoolStrategy(size=room.workers),
        **room.actor,
    )
    with closing(iter(embedded.iter_batches(batch_size=None, batch_format="pyarrow"))) as tables:
        for table in tables:
            yield from table.to_pylist()


def _batch(embedder: Embedder, shard: list[ImageView], row: dict[str, Any]) -> EmbeddedBatch:
    """The results of a shard.

    Raises:
        VitcoreError: The worker cannot compute, or does not see a file that is here.
    """
    if row["error"]:
        raise getattr(errors, row["error"])(_message(row["message"]))
    reasons = enumerate(row["reasons"])
    refused = {place: Unreadable(_message(reason)) for place, reason in reasons if reason is not None}
    for place, refusal in refused.items():
        view = shard[place]
        if isinstance(view.source, Path) and not isinstance(load_pixels(embedder, view), Unreadable):
            raise InputError(
                "{photo} can be read here, but not on a machine of the Ray cluster ({reason}); put the "
                "images in a folder that all of them share.",
                photo=view.name,
                reason=refusal.reason,
            )
    vectors = np.frombuffer(row["vectors"], dtype=np.float32).reshape(-1, embedder.dimension)
    return EmbeddedBatch(views=shard, vectors=vectors, refused=refused)


@contextmanager
def _ray_errors(cluster: _Cluster) -> Iterator[None]:
    """Turn an error of Ray itself into one sentence."""
    try:
        yield
    except Exception as error:
        if cluster.ray is None or not isinstance(error, cluster.ray.exceptions.RayError):
            raise
        reason = _first_line(getattr(error, "cause", None) or error)
        raise DeviceError(
            "The Ray cluster cannot go on ({reason}); what was computed is kept: once it works, ask again.",
            reason=reason,
        ) from error


def _first_line(error: BaseException) -> str:
    return (
        (getattr(error, "strerror", None) or str(error).strip() or type(error).__name__)
        .splitlines()[0][:300]
        .rstrip(".")
    )


# --- on the workers --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """All that a worker needs to make an embedder like ours.

    Attributes:
        kind: Its class.
        backbone: Its backbone, the weights being where they are here.
        device: Its device.
        workspace: Its workspace, which each machine has under the same path.
        fingerprint: Ours.
    """

    kind: Callable[[Backbone, Device, Workspace], Embedder]
    backbone: Backbone
    device: Device
    workspace: Workspace
    fingerprint: str

    @classmethod
    def of(cls, embedder: Embedder) -> "_Recipe":
        """That of an embedder."""
        return cls(
            kind=type(embedder),
            backbone=embedder.backbone,
            device=embedder.device,
            workspace=embedder.workspace,
            fingerprint=embedder.fingerprint,
        )

    def embedder(self) -> Embedder:
        """The embedder, with weights that may not be here."""
        return self.kind(self.backbone, self.device, self.workspace)

    def working_embedder(self) -> Embedder:
        """The embedder with the weights of this machine.

        Raises:
            VitcoreError: They are not here, or they and the code would make other vectors.
        """
        backbone = self.backbone
        if not all(one.weights_file.is_file() for one in backbone.parts or (backbone,)):
            backbone = resolve_backbone(backbone.spec.id).described(backbone.spec)
        embedder = self.kind(backbone, self.device, self.workspace)
        if embedder.fingerprint != self.fingerprint:
            raise BackboneError(
                "its vectors would be others; install the same vitcore and the same weights on every machine."
            )
        return embedder


def _decoded(table: Any, recipe: _Recipe) -> Any:
    """Shards as the backbone sees them: the first stage."""
    pa = _arrow()
    embedder = recipe.embedder()
    rows = []
    for row in table.to_pylist():
        seen = [load_pixels(embedder, view) for view in _unpacked(row)]
        pixels = [result for result in seen if not isinstance(result, Unreadable)]
        rows.append(
            {
                "pixels": np.stack(pixels).tobytes() if pixels else b"",
                "reasons": [
                    _text(result.reason) if isinstance(result, Unreadable) else None for result in seen
                ],
            }
        )
    schema = pa.schema({"pixels": pa.large_binary(), "reasons": pa.list_(pa.string())})
    return pa.Table.from_pylist(rows, schema)


class _Model:
    """The network in a process of its own: the second stage.

    A worker that cannot compute says so in each of its rows, for Ray would take its exception for a bug.

    Args:
        recipe: Which network.
        threads: Of torch.
    """

    def __init__(self, recipe: _Recipe, threads: int) -> None:
        torch.set_num_threads(threads)
        self._embedder: Embedder | VitcoreError
        try:
            self._embedder = recipe.working_embedder()
        except VitcoreError as error:
            self._embedder = error

    def __call__(self, table: Any) -> Any:
        pa = _arrow()
        rows = [self._row(row) for row in table.to_pylist()]
        schema = pa.schema(
            {
                "vectors": pa.large_binary(),
                "reasons": pa.list_(pa.string()),
                "error": pa.string(),
                "message": pa.string(),
            }
        )
        return pa.Table.from_pylist(rows, schema)

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            vectors = self._vectors(row["pixels"])
        except VitcoreError as error:
            failed = message(
                "The worker on {host} cannot embed: {error}", host=socket.gethostname(), error=error
            )
            return {"error": type(error).__name__, "message": _text(failed)}
        return {"vectors": vectors, "reasons": row["reasons"]}

    def _vectors(self, content: bytes) -> bytes:
        if isinstance(self._embedder, VitcoreError):
            raise self._embedder
        pixels = np.frombuffer(content, dtype=np.uint8).reshape(-1, *self._embedder.pixel_shape)
        return self._embedder.embed(pixels.copy()).tobytes() if len(pixels) else b""  # torch wants to own it


# --- what travels ----------------------------------------------------------------------------------


def _text(reason: Message) -> str:
    return json.dumps(packed(reason))


def _message(text: str) -> Message:
    return unpacked(json.loads(text))


def _arrow() -> Any:
    """PyArrow, which Ray Data brings along."""
    return importlib.import_module("pyarrow")


def _schema() -> Any:
    """The shape in which a shard travels, as `_packed` writes it."""
    pa = _arrow()
    view = {
        "path": pa.binary(),
        "content": pa.large_binary(),
        "sha256": pa.string(),
        "number": pa.int32(),
        "augmentations": pa.list_(pa.string()),
        "perturbation": pa.string(),
    }
    return pa.schema({"views": pa.list_(pa.struct(view))})


def _packed(shard: list[ImageView]) -> dict[str, Any]:
    """A shard as a row."""
    return {
        "views": [
            {
                "path": None if isinstance(view.source, bytes) else os.fsencode(view.source.absolute()),
                "content": view.source if isinstance(view.source, bytes) else None,
                "sha256": view.sha256,
                "number": view.number,
                "augmentations": list(view.augmentations),
                "perturbation": view.perturbation,
            }
            for view in shard
        ]
    }


def _unpacked(row: dict[str, Any]) -> list[ImageView]:
    """A shard from what `_packed` made of it."""
    return [
        ImageView(
            source=view["content"] if view["path"] is None else Path(os.fsdecode(view["path"])),
            sha256=view["sha256"],
            number=view["number"],
            augmentations=tuple(view["augmentations"]),
            perturbation=view["perturbation"],
        )
        for view in row["views"]
    ]
