"""A frozen Vision Transformer: images in, vectors out."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.backbone.conftest import CPU, random_state
from vitcore.backbone import Device, Embedder, Reading, resolve_backbone
from vitcore.backbone import _embedder as embedder_module
from vitcore.backbone._networks import release_networks
from vitcore.backbone._reading import read_tokens
from vitcore.errors import BackboneError


def noise(count: int, size: int = 160, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


# --- preparing -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(300, 200), (200, 300)])
def test_the_centred_square_is_what_the_backbone_sees(tiny, size):
    image = Image.new("RGB", size, "red")
    image.paste("green", (50, 0, 250, 200) if size[0] > size[1] else (0, 50, 200, 250))
    pixels = tiny.prepare(image)
    assert (pixels.shape, pixels.dtype) == ((160, 160, 3), np.uint8)
    # The outermost pixels blend with their neighbours, as in any resizing.
    assert (pixels[8:-8, 8:-8] == (0, 128, 0)).all()


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (160, 160), (2000, 900)])
def test_every_size_of_image_can_be_prepared(tiny, size):
    pixels = tiny.prepare(Image.new("RGB", size, (10, 200, 30)))
    assert (pixels.shape, pixels.reshape(-1, 3).mean(axis=0).tolist()) == ((160, 160, 3), [10, 200, 30])


def test_an_image_of_the_right_size_is_not_touched(tiny):
    pixels = noise(1)[0]
    assert np.array_equal(tiny.prepare(Image.fromarray(pixels)), pixels)


def test_a_prepared_image_can_be_embedded_as_it_is(tiny):
    pixels = tiny.prepare(Image.new("RGB", (200, 180), "red"))
    assert tiny.embed(pixels[np.newaxis]).shape == (1, 128)


# --- embedding -------------------------------------------------------------------------------


def test_embeddings_have_the_promised_shape(tiny):
    vectors = tiny.embed(noise(3))
    assert (vectors.shape, vectors.dtype, tiny.dimension) == ((3, 128), np.float32, 128)
    assert np.isfinite(vectors).all()


def test_an_embedding_is_the_class_token_and_the_mean_of_the_patches(tiny):
    pixels = noise(2)
    [(_, class_token), (_, patches)] = tiny.tokens(pixels)
    assert (class_token.shape, patches.shape) == ((2, 64), (2, 100, 64))
    expected = torch.cat([class_token, patches.mean(dim=1)], dim=1).numpy()
    assert np.array_equal(tiny.embed(pixels), expected)


def test_the_embedding_agrees_with_timm(tiny):
    import timm

    pixels = noise(2)
    model = timm.create_model("test_vit", pretrained=False, num_classes=0).eval()
    model.load_state_dict(tiny.network.state_dict())
    mean, std = (torch.tensor(model.pretrained_cfg[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.inference_mode():
        tokens = model.forward_features((torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std)
    expected = torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1).numpy()
    assert np.abs(tiny.embed(pixels) - expected).max() < 1e-5


def test_the_vector_of_an_image_does_not_depend_on_its_company(tiny):
    pixels = noise(8)
    alone = np.concatenate([tiny.embed(pixels[n : n + 1]) for n in range(8)])
    assert np.abs(tiny.embed(pixels) - alone).max() < 1e-5


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("size", [None, 32])
def test_the_vector_of_an_image_alone_is_that_of_two_bit_for_bit(tiny_backbone, size, precision):
    embedder = Embedder(resolve_backbone(tiny_backbone, size), Device("cpu", "CPU", precision))
    pixels = np.random.default_rng(0).integers(0, 256, (7, *embedder.pixel_shape), dtype=np.uint8)
    for first in range(6):
        two = embedder.embed(pixels[first : first + 2])
        assert (embedder.embed(pixels[first : first + 1]) == two[:1]).all()


def test_an_image_that_would_get_another_vector_alone_goes_in_twice(tiny_backbone, monkeypatch):
    embedder, sizes, tokens = Embedder(resolve_backbone(tiny_backbone), CPU), [], Embedder.tokens

    def by_count(self, pixels):
        sizes.append(len(pixels))
        found = tokens(self, pixels)
        return [part._replace(tokens=part.tokens + (len(pixels) == 1)) for part in found]

    monkeypatch.setattr(Embedder, "tokens", by_count)
    pixels = np.zeros((3, *embedder.pixel_shape), dtype=np.uint8)
    for _ in range(3):
        assert (embedder.embed(pixels[:1]) == embedder.embed(pixels)[:1]).all()
    assert sizes == [2, 1, 3, 2, 3, 2, 3]


def test_different_images_get_different_embeddings(tiny):
    first, second = tiny.embed(noise(2))
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize(
    ("architecture", "dimension"), [("test_vit2", 64), ("test_vit3", 96), ("vit_tiny_patch16_224", 384)]
)
def test_backbones_with_and_without_class_token_work(weights_file, architecture, dimension):
    embedder = Embedder(resolve_backbone(weights_file(architecture)), CPU)
    vectors = embedder.embed(noise(2, embedder.input_size))
    assert (vectors.shape, embedder.dimension) == ((2, dimension), dimension)
    parts = embedder.tokens(noise(1, embedder.input_size))
    assert ("class token" in [part.pooling for part in parts]) == (dimension > parts[-1].tokens.shape[-1])


def test_the_final_norm_is_applied_in_a_backbone_that_pools_before_it(weights_file):
    # timm calls the norm of such a network fc_norm.
    state = random_state("test_vit2")
    state["fc_norm.weight"], state["fc_norm.bias"] = torch.full((64,), 2.0), torch.full((64,), 5.0)
    embedder = Embedder(resolve_backbone(weights_file("test_vit2", state)), CPU)
    assert embedder.embed(noise(2)).mean() == pytest.approx(5.0, abs=0.1)


def test_register_tokens_are_left_out(weights_file):
    # A class token, 4 registers and 10 × 10 patches.
    embedder = Embedder(resolve_backbone(weights_file("vit_tiny_patch16_dinov3_qkvb"), 160), CPU)
    [(_, class_token), (_, patches)] = embedder.tokens(noise(1))
    assert (embedder.network.num_prefix_tokens, class_token.shape, patches.shape) == (
        5,
        (1, 192),
        (1, 100, 192),
    )


def test_several_blocks_are_joined(tiny):
    spec = replace(tiny.backbone.spec, reading=Reading(blocks=(2, 6)), embedding_dimension=256)
    both = Embedder(replace(tiny.backbone, spec=spec), CPU).embed(noise(2))
    assert both.shape == (2, 256)
    assert np.abs(both[:, 128:] - tiny.embed(noise(2))).max() < 1e-6


def test_another_input_size_makes_more_patches(tiny_backbone):
    embedder = Embedder(resolve_backbone(tiny_backbone, 224), CPU)
    [_, (_, patches)] = embedder.tokens(noise(1, 224))
    assert patches.shape == (1, 14 * 14, 64)


def test_bf16_is_close_to_fp32(tiny):
    reduced = Embedder(tiny.backbone, Device("cpu", "CPU", "bf16"))
    full, half = tiny.embed(noise(4)), reduced.embed(noise(4))
    assert half.dtype == np.float32
    assert 0 < np.abs(full - half).max() < 0.15


def read_as(base: Embedder, reading: Reading) -> Embedder:
    width = base.backbone.spec.embedding_dimension // base.backbone.spec.reading.numbers(1, class_token=True)
    dimension = reading.numbers(width, class_token=True)
    spec = replace(base.backbone.spec, reading=reading, embedding_dimension=dimension)
    return Embedder(replace(base.backbone, spec=spec), CPU)


def test_the_spread_of_the_patches_is_read_in_the_same_pass(tiny):
    both = read_as(tiny, Reading(blocks=(2, 6), spread=(4, 6)))
    parts = both.tokens(noise(2))
    assert [part.pooling for part in parts] == [
        *("class token", "mean"),
        *("maximum", "deviation"),
        *("class token", "mean", "maximum", "deviation"),
    ]
    patches = parts[-1].tokens.numpy()
    expected = np.concatenate([patches.max(axis=1), patches.std(axis=1)], axis=1)
    assert both.embed(noise(2)).shape == (2, both.backbone.spec.reading.numbers(64, class_token=True))
    assert np.abs(both.embed(noise(2))[:, -128:] - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("architecture", "blocks"),
    [
        *((f"test_vit{kind}", blocks) for kind in ("", 2, 4) for blocks in ((), (1, 3))),
        ("test_efficientnet", ()),
    ],
)
def test_the_own_pooling_of_a_network_is_read(architecture, blocks):
    import timm

    torch.manual_seed(0)
    network = timm.create_model(architecture, pretrained=False, num_classes=0).eval()
    images = torch.rand(2, 3, 160, 160)
    with torch.inference_mode():
        parts = read_tokens(network, images, Reading(blocks=blocks, own_pooling=True))
        expected = network.forward_head(network.forward_features(images), pre_logits=True)
    assert parts[-1].pooling == "own"
    assert torch.abs(parts[-1].tokens - expected).max() < 1e-5


def test_the_embedded_backbone_reads_three_blocks_in_four_ways(embedded):
    vectors = embedded.embed(noise(2, 224))
    assert (vectors.shape, embedded.dimension) == ((2, 12 * 384), 4608)
    plain = read_as(embedded, Reading(blocks=(8, 10, 12))).embed(noise(2, 224))
    for number in range(3):  # of each block first the class token and the mean
        expected = plain[:, 768 * number : 768 * (number + 1)]
        assert np.abs(vectors[:, 1536 * number : 1536 * number + 768] - expected).max() < 1e-4


# --- frozen ----------------------------------------------------------------------------------


def test_the_network_is_loaded_at_first_use_and_then_kept(tiny, monkeypatch):
    built, build = [], embedder_module._build
    monkeypatch.setattr(embedder_module, "_build", lambda backbone: built.append(backbone) or build(backbone))
    release_networks()
    assert tiny.fingerprint
    assert built == []
    tiny.embed(noise(1))
    tiny.embed(noise(1))
    assert built == [tiny.backbone]


def test_the_network_is_frozen(tiny):
    model = tiny.network
    assert not model.training
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(not part.tokens.requires_grad for part in tiny.tokens(noise(1)))


def test_embedding_changes_no_weight(tiny):
    before = {name: tensor.clone() for name, tensor in tiny.network.state_dict().items()}
    tiny.embed(noise(4))
    after = tiny.network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_two_threads_load_it_once_and_agree(tiny):
    found: list[tuple[int, bytes]] = []

    def work() -> None:
        vectors = tiny.embed(noise(2))
        found.append((id(tiny.network), vectors.tobytes()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({model for model, _ in found}) == 1


# --- what does not work ----------------------------------------------------------------------


def test_embeddings_that_are_no_numbers_are_an_error(weights_file):
    state = random_state("test_vit")
    state["norm.bias"][3] = float("inf")
    embedder = Embedder(resolve_backbone(weights_file("test_vit", state)), CPU)
    with pytest.raises(BackboneError, match="choose precision fp32"):
        embedder.embed(noise(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("blocks.3.mlp.fc1.weight"), "1 tensors are missing and 0 are unknown"),
        (
            lambda state: state.update({"blocks.9.odd": torch.zeros(2)}),
            "0 tensors are missing and 1 are unknown",
        ),
        (lambda state: state.update({"norm.weight": torch.zeros(65)}), "does not fit test_vit"),
        (lambda state: state.update({"blocks.0.attn.qkv.bias": torch.zeros(2)}), "does not fit"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights_file, change, message):
    state = random_state("test_vit")
    change(state)
    embedder = Embedder(resolve_backbone(weights_file("test_vit", state)), CPU)
    with pytest.raises(BackboneError, match=message):
        embedder.embed(noise(1))


def test_weights_without_anything_of_the_network_are_refused(weights_file):
    embedder = Embedder(resolve_backbone(weights_file("test_vit", {"x": torch.zeros(1)})), CPU)
    with pytest.raises(BackboneError, match="does not fit"):
        embedder.embed(noise(1))


def test_the_old_output_layer_is_ignored(weights_file, tiny):
    state = tiny.network.state_dict() | {"head.weight": torch.zeros(10, 64), "head.bias": torch.zeros(10)}
    embedder = Embedder(resolve_backbone(weights_file("test_vit", state)), CPU)
    assert np.array_equal(embedder.embed(noise(1)), tiny.embed(noise(1)))


class SmallGpu(Embedder):
    """Has memory for two images at a time."""

    def tokens(self, pixels):
        if len(pixels) > 2:
            raise torch.OutOfMemoryError
        return super().tokens(pixels)


def test_a_batch_that_does_not_fit_into_memory_is_halved(tiny):
    small = SmallGpu(tiny.backbone, CPU)
    assert np.abs(small.embed(noise(7)) - tiny.embed(noise(7))).max() < 1e-5


# --- the fingerprint -------------------------------------------------------------------------


def test_the_fingerprint_is_a_safe_and_stable_name(tiny):
    assert len(tiny.fingerprint) == 32
    assert set(tiny.fingerprint) <= set("0123456789abcdef")
    assert Embedder(tiny.backbone, CPU).fingerprint == tiny.fingerprint


def test_the_fingerprint_does_not_depend_on_the_device(tiny):
    assert Embedder(tiny.backbone, Device("cuda", "some GPU", "fp32")).fingerprint == tiny.fingerprint


def test_the_fingerprint_does_not_depend_on_where_the_weights_lie(tiny, tmp_path):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(tiny.backbone.weights_file.read_bytes())
    assert Embedder(resolve_backbone(str(copy)), CPU).fingerprint == tiny.fingerprint


def test_the_fingerprint_changes_with_all_that_changes_a_vector(tiny, weights_file):
    backbone, spec = tiny.backbone, tiny.backbone.spec
    preprocessing = spec.preprocessing

    def changed(**options) -> str:
        return Embedder(replace(backbone, spec=replace(spec, **options)), CPU).fingerprint

    prints = {
        "itself": tiny.fingerprint,
        "precision": Embedder(backbone, Device("cpu", "CPU", "bf16")).fingerprint,
        "weights": Embedder(resolve_backbone(weights_file("test_vit")), CPU).fingerprint,
        "blocks": changed(reading=Reading(blocks=(5,))),
        "spread": changed(reading=Reading(blocks=(6,), spread=(6,))),
        "own pooling": changed(reading=Reading(blocks=(6,), own_pooling=True)),
        "architecture": changed(architecture="test_vit2"),
        "input size": changed(preprocessing=replace(preprocessing, input_size=176)),
        "mean": changed(preprocessing=replace(preprocessing, mean=(0.0, 0.0, 0.0))),
        "fit": changed(preprocessing=replace(preprocessing, fit="squashed")),
        "std": changed(preprocessing=replace(preprocessing, std=(1.0, 1.0, 1.0))),
    }
    assert len(set(prints.values())) == len(prints)
