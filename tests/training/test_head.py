"""The trained output layer."""

import numpy as np
import pytest
import safetensors.numpy
import torch

from vitcore.errors import StorageError
from vitcore.training import HiddenHead, LinearHead, load_head, softmax

CLASSES, UNITS, DIMENSION = 3, 8, 17


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
    with pytest.raises(StorageError, match=r"head\.safetensors is (damaged|missing).*train again"):
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
    with pytest.raises(StorageError, match="train again"):
        LinearHead.load(path)


# --- with a hidden layer ---------------------------------------------------------------------


@pytest.fixture
def hidden_head() -> HiddenHead:
    random = np.random.default_rng(2)
    return HiddenHead(
        hidden_weight=random.normal(size=(UNITS, DIMENSION)).astype(np.float32),
        hidden_bias=random.normal(size=UNITS).astype(np.float32),
        weight=random.normal(size=(CLASSES, UNITS)).astype(np.float32),
        bias=random.normal(size=CLASSES).astype(np.float32),
        mean=random.normal(size=DIMENSION).astype(np.float32),
        std=random.uniform(0.5, 2, DIMENSION).astype(np.float32),
    )


def test_the_shape_of_a_head_is_its_classes_and_the_length_of_an_embedding(head, hidden_head):
    assert head.shape == hidden_head.shape == (CLASSES, DIMENSION)


def test_a_hidden_head_is_two_linear_maps_with_a_gelu_in_between(hidden_head, embeddings):
    x = torch.from_numpy((embeddings.astype(np.float64) - hidden_head.mean) / hidden_head.std)
    tensors = {name: torch.from_numpy(array.astype(np.float64)) for name, array in vars(hidden_head).items()}
    inner = x @ tensors["hidden_weight"].T + tensors["hidden_bias"]
    hidden = torch.nn.functional.gelu(inner, approximate="tanh")
    expected = (hidden @ tensors["weight"].T + tensors["bias"]).numpy()
    found = hidden_head.logits(embeddings)
    assert (found.shape, found.dtype) == ((200, CLASSES), np.float32)
    assert np.abs(found - expected).max() < 1e-4


def test_the_answer_of_a_hidden_head_for_an_image_does_not_depend_on_its_company(hidden_head, embeddings):
    together = hidden_head.probabilities(embeddings)
    alone = np.concatenate([hidden_head.probabilities(embeddings[n : n + 1]) for n in range(200)])
    halves = np.concatenate(
        [hidden_head.probabilities(embeddings[:77]), hidden_head.probabilities(embeddings[77:])]
    )
    assert np.array_equal(together, alone)
    assert np.array_equal(together, halves)


def test_no_embeddings_have_no_logits_in_a_hidden_head_either(hidden_head):
    assert hidden_head.probabilities(np.empty((0, DIMENSION), dtype=np.float16)).shape == (0, CLASSES)


@pytest.mark.parametrize("kind", ["head", "hidden_head"])
def test_a_file_tells_what_kind_of_head_it_is(kind, request, embeddings, tmp_path):
    saved = request.getfixturevalue(kind)
    saved.save(tmp_path / "head.safetensors")
    for again in (load_head(tmp_path / "head.safetensors"), type(saved).load(tmp_path / "head.safetensors")):
        assert type(again) is type(saved)
        assert np.array_equal(again.logits(embeddings), saved.logits(embeddings))


def test_a_head_of_the_other_kind_is_refused(head, hidden_head, tmp_path):
    head.save(tmp_path / "linear.safetensors")
    hidden_head.save(tmp_path / "hidden.safetensors")
    with pytest.raises(StorageError, match="train again"):
        LinearHead.load(tmp_path / "hidden.safetensors")
    with pytest.raises(StorageError, match="train again"):
        HiddenHead.load(tmp_path / "linear.safetensors")


@pytest.mark.parametrize(
    "shapes",
    [
        {"weight": (3, 4)},
        {"weight": (3,)},
        {"hidden_weight": (5,)},
        {"hidden_bias": (4,)},
        {"bias": (5,)},
        {"mean": (5,)},
        {"std": (5,)},
    ],
)
def test_tensors_that_make_no_hidden_head_are_refused(tmp_path, shapes):
    path = tmp_path / "head.safetensors"
    usual = {"hidden_weight": (5, 4), "hidden_bias": (5,), "weight": (3, 5)}
    safetensors.numpy.save_file(zeros(**usual), path)
    assert load_head(path).shape == (3, 4)
    safetensors.numpy.save_file(zeros(**(usual | shapes)), path)
    with pytest.raises(StorageError, match="train again"):
        load_head(path)


@pytest.mark.parametrize("content", [None, b"", b"\x80\x04pickle", b"\xff" * 32])
def test_what_is_no_head_of_any_kind_is_refused(tmp_path, content):
    path = tmp_path / "head.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StorageError, match=r"head\.safetensors is (damaged|missing).*train again"):
        load_head(path)
