"""The trained output layer."""

import numpy as np
import pytest
import safetensors.numpy

from vitcore.errors import StorageError
from vitcore.training import LinearHead, softmax

CLASSES, DIMENSION = 3, 17


@pytest.fixture
def head() -> LinearHead:
    random = np.random.default_rng(0)
    return LinearHead(
        weight=random.normal(size=(CLASSES, DIMENSION)).astype(np.float32),
        bias=random.normal(size=CLASSES).astype(np.float32),
        mean=random.normal(size=DIMENSION).astype(np.float32),
        std=random.uniform(0.5, 2, DIMENSION).astype(np.float32),
    )


@pytest.fixture
def embeddings() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(200, DIMENSION)).astype(np.float16)


def test_logits_are_a_linear_map_of_standardised_embeddings(head, embeddings):
    expected = ((embeddings.astype(np.float64) - head.mean) / head.std) @ head.weight.T + head.bias
    found = head.logits(embeddings)
    assert (found.shape, found.dtype) == ((200, CLASSES), np.float32)
    assert np.abs(found - expected).max() < 1e-4


def test_the_logits_of_an_image_do_not_depend_on_its_company(head, embeddings):
    together = head.logits(embeddings)
    alone = np.concatenate([head.logits(embeddings[n : n + 1]) for n in range(200)])
    halves = np.concatenate([head.logits(embeddings[:77]), head.logits(embeddings[77:])])
    assert np.array_equal(together, alone)
    assert np.array_equal(together, halves)


def test_probabilities_add_up_to_1_and_follow_the_logits(head, embeddings):
    probabilities = head.probabilities(embeddings)
    assert probabilities.dtype == np.float64
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    assert np.array_equal(probabilities.argmax(axis=1), head.logits(embeddings).argmax(axis=1))


def test_no_embeddings_have_no_logits(head):
    assert head.probabilities(np.empty((0, DIMENSION), dtype=np.float16)).shape == (0, CLASSES)


@pytest.mark.parametrize("logits", [[0.0, 0.0], [1000.0, 999.0], [-1000.0, 1000.0], [5.0, -5.0]])
def test_softmax_is_right_for_large_numbers_too(logits):
    first, second = logits
    expected = 1 / (1 + np.exp(np.clip(second - first, -700, 700)))
    [found] = softmax(np.array([logits], dtype=np.float32))
    assert found[0] == pytest.approx(expected)
    assert found.sum() == pytest.approx(1)


def test_a_head_comes_back_from_its_file(head, embeddings, tmp_path):
    head.save(tmp_path / "head.safetensors")
    again = LinearHead.load(tmp_path / "head.safetensors")
    for name in ("weight", "bias", "mean", "std"):
        assert np.array_equal(getattr(again, name), getattr(head, name))
    assert np.array_equal(again.logits(embeddings), head.logits(embeddings))


def test_a_head_with_turned_weights_is_saved_right(head, tmp_path):
    turned = LinearHead(weight=np.asfortranarray(head.weight), bias=head.bias, mean=head.mean, std=head.std)
    turned.save(tmp_path / "head.safetensors")
    assert np.array_equal(LinearHead.load(tmp_path / "head.safetensors").weight, head.weight)


@pytest.mark.parametrize("content", [None, b"", b"\x80\x04pickle", b"\xff" * 32])
def test_what_is_no_head_is_refused(tmp_path, content):
    path = tmp_path / "head.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StorageError, match=r"head\.safetensors is not a head"):
        LinearHead.load(path)


def zeros(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    usual = {"weight": (3, 4), "bias": (3,), "mean": (4,), "std": (4,)}
    return {name: np.ones(shape, dtype=np.float32) for name, shape in (usual | shapes).items() if shape != ()}


@pytest.mark.parametrize(
    "tensors",
    [
        zeros(bias=(2,)),
        zeros(mean=(5,)),
        zeros(std=(1,)),
        zeros(weight=(3,)),
        zeros(weight=(3, 4, 1)),
        zeros(std=()),
        zeros(extra=(1,)),
        {},
    ],
)
def test_tensors_that_make_no_head_are_refused(tmp_path, tensors):
    path = tmp_path / "head.safetensors"
    safetensors.numpy.save_file(tensors, path)
    with pytest.raises(StorageError, match="is not a head"):
        LinearHead.load(path)
