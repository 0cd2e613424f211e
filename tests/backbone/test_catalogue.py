"""The backbones on offer."""

import numpy as np
import pytest
import safetensors.torch
import timm
import torch

from vitcore.backbone import (
    CATALOGUE,
    Backbone,
    Device,
    Embedder,
    Reading,
    describe_backbone,
    release_networks,
)
from vitcore.backbone._digest import file_sha256
from vitcore.errors import BackboneError
from vitcore.messages import message

HUB = [spec for spec in CATALOGUE.values() if spec.source == "hub"]


def by_id(spec) -> str:
    return spec.id


@pytest.fixture(scope="module")
def skeleton():
    """Builds the network of an entry without memory for its weights."""

    def build(architecture: str, input_size: int):
        with torch.device("meta"):
            return timm.create_model(architecture, pretrained=False, num_classes=0, img_size=input_size)

    return build


def test_the_keys_are_the_ids():
    assert [spec.id for spec in CATALOGUE.values()] == list(CATALOGUE)
    assert next(iter(CATALOGUE)) == "embedded"


def test_the_catalogue_cannot_be_changed():
    with pytest.raises(TypeError):
        CATALOGUE["x"] = CATALOGUE["embedded"]


@pytest.mark.parametrize("spec", HUB, ids=by_id)
def test_licence_and_preprocessing_are_those_of_the_published_weights(spec):
    cfg = timm.get_pretrained_cfg(spec.id)
    assert cfg is not None
    assert cfg.hf_hub_id == f"timm/{spec.id}"
    assert spec.licence == cfg.license
    assert spec.preprocessing.mean == pytest.approx(cfg.mean)
    assert spec.preprocessing.std == pytest.approx(cfg.std)


@pytest.mark.parametrize("spec", CATALOGUE.values(), ids=by_id)
def test_size_dimension_and_blocks_are_those_of_the_network(spec, skeleton):
    model = skeleton(spec.architecture, spec.preprocessing.input_size)
    has_class_token = getattr(model, "cls_token", None) is not None
    assert spec.embedding_dimension == spec.reading.numbers(model.embed_dim, class_token=has_class_token)
    assert spec.reading.own_pooling or spec.reading.tokens_of[-1] == len(model.blocks)
    assert spec.reading.own_pooling == (getattr(model, "attn_pool", None) is not None)
    assert spec.parameters_millions == pytest.approx(
        sum(parameter.numel() for parameter in model.parameters()) / 1e6, rel=0.04
    )


@pytest.mark.parametrize("spec", CATALOGUE.values(), ids=by_id)
def test_the_input_size_is_a_whole_number_of_patches(spec, skeleton):
    model = skeleton(spec.architecture, spec.preprocessing.input_size)
    patch = model.patch_embed.patch_size[0]
    assert spec.preprocessing.input_size % patch == 0
    assert model.patch_embed.num_patches == (spec.preprocessing.input_size // patch) ** 2


@pytest.mark.parametrize("spec", CATALOGUE.values(), ids=by_id)
def test_an_entry_says_something_for_people(spec):
    assert spec.title
    assert spec.good_for.endswith(".")


def test_the_embedded_entry_reads_three_blocks_in_four_ways():
    reading = CATALOGUE["embedded"].reading
    assert (reading.blocks, reading.spread) == ((8, 10, 12), (8, 10, 12))
    assert CATALOGUE["embedded"].embedding_dimension == 4608


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Nothing of the backbone is read"),
        ({"blocks": (3, 2)}, "ascending order"),
        ({"blocks": (2, 2)}, "ascending order"),
        ({"spread": (0, 1)}, "ascending order"),
    ],
)
def test_a_reading_of_nothing_is_refused(options, message):
    with pytest.raises(BackboneError, match=message):
        Reading(**options)


@pytest.mark.thorough
@pytest.mark.parametrize("spec", HUB, ids=by_id)
def test_a_vector_is_what_timm_alone_reads(spec, tmp_path):
    torch.manual_seed(0)
    size = spec.preprocessing.input_size
    network = timm.create_model(spec.architecture, pretrained=False, num_classes=0, img_size=size).eval()
    file = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(network.state_dict(), file)
    embedder = Embedder(Backbone(spec, file, file_sha256(file), message("")), Device("cpu", "CPU", "fp32"))
    pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    mean, std = (torch.tensor(getattr(spec.preprocessing, key)).view(1, 3, 1, 1) for key in ("mean", "std"))
    images = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    outputs = []
    hooks = [block.register_forward_hook(lambda *a: outputs.append(a[2])) for block in network.blocks]
    with torch.inference_mode():
        last = network.forward_features(images)
        if spec.reading.own_pooling:
            expected = network.forward_head(last, pre_logits=True)
        else:
            tokens = [network.norm(outputs[block - 1]) for block in spec.reading.blocks]
            first = network.num_prefix_tokens
            expected = torch.cat(
                [part for each in tokens for part in (each[:, 0], each[:, first:].mean(dim=1))], dim=1
            )
    for hook in hooks:
        hook.remove()
    found = embedder.embed(pixels)
    assert found.shape == (1, spec.embedding_dimension)
    assert np.abs(found - expected.numpy()).max() < 1e-5
    release_networks()


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_an_entry_is_found_by_its_name(name):
    assert describe_backbone(name) is CATALOGUE[name]


def test_another_input_size_changes_nothing_else():
    spec, usual = describe_backbone("embedded", 336), describe_backbone("embedded")
    assert (spec.preprocessing.input_size, spec.preprocessing.mean) == (336, usual.preprocessing.mean)
    assert (spec.id, spec.reading, spec.embedding_dimension) == (
        usual.id,
        usual.reading,
        usual.embedding_dimension,
    )
    assert CATALOGUE["embedded"].preprocessing.input_size == 224


@pytest.mark.parametrize(
    ("name", "full_id", "dimension", "blocks", "size"),
    [
        ("test_vit", "test_vit.r160_in1k", 128, 6, 160),
        ("test_vit2.r160_in1k", "test_vit2.r160_in1k", 64, 8, 160),
        ("vit_small_patch16_224", "vit_small_patch16_224.augreg_in21k_ft_in1k", 768, 12, 224),
        ("vit_large_patch14_dinov2.lvd142m", "vit_large_patch14_dinov2.lvd142m", 2048, 24, 224),
        ("vit_large_patch14_reg4_dinov2.lvd142m", "vit_large_patch14_reg4_dinov2.lvd142m", 2048, 24, 224),
        ("deit3_small_patch16_384.fb_in1k", "deit3_small_patch16_384.fb_in1k", 768, 12, 384),
        ("vit_small_patch16_siglip_xyz", None, 0, 0, 0),
    ],
)
def test_any_vision_transformer_of_timm_is_described(name, full_id, dimension, blocks, size):
    if full_id is None:
        with pytest.raises(BackboneError, match="is not a backbone"):
            describe_backbone(name)
        return
    spec = describe_backbone(name)
    assert (spec.id, spec.architecture, spec.source) == (full_id, full_id.partition(".")[0], "hub")
    assert (spec.embedding_dimension, spec.reading.blocks, spec.preprocessing.input_size) == (
        dimension,
        (blocks,),
        size,
    )


def test_a_description_agrees_with_the_catalogue_where_both_exist(monkeypatch):
    known = CATALOGUE["vit_tiny_patch16_224.augreg_in21k_ft_in1k"]
    monkeypatch.setattr("vitcore.backbone._catalogue.CATALOGUE", {})
    spec = describe_backbone(known.id)
    for field in ("id", "architecture", "licence", "parameters_millions", "embedding_dimension", "reading"):
        assert getattr(spec, field) == getattr(known, field)
    assert spec.preprocessing == known.preprocessing


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "swin_tiny_patch4_window7_224",
        "mixer_s32_224",
        "hiera_tiny_224",
        "xcit_nano_12_p16_224",
        "crossvit_9_240",
        "sam2_hiera_tiny",
        "cait_xxs24_224",
        "convit_tiny",
    ],
)
def test_what_is_no_plain_vision_transformer_is_refused(name):
    with pytest.raises(BackboneError, match="not a Vision Transformer"):
        describe_backbone(name)


@pytest.mark.parametrize(
    "name", ["", "nope", "../x", "x" * 500, "hf-hub:someone/model", "vit_small_patch16_224\n"]
)
def test_what_is_no_model_is_refused_with_what_is_allowed(name):
    with pytest.raises(BackboneError, match=r"give 'auto', 'embedded'"):
        describe_backbone(name)


def test_weights_that_were_never_published_are_refused():
    with pytest.raises(BackboneError, match="nope"):
        describe_backbone("vit_small_patch14_dinov2.nope")
