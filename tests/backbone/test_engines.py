"""Engines in the place of torch, and how many images a GPU is given at once."""

import threading
from pathlib import Path

import numpy as np
import onnx
import pytest

from vitcore.backbone import (
    Device,
    Embedder,
    _engines,
    _networks,
    choose_device,
    resolve_backbone,
)
from vitcore.backbone._batches import BatchSizer
from vitcore.backbone._onnx_network import sensitive_nodes
from vitcore.compute import engine_is_here
from vitcore.errors import BackboneError, DeviceError
from vitcore.workspace import Workspace

SIZE = 32
NEEDS_OPENVINO = pytest.mark.skipif(not engine_is_here("openvino"), reason="OpenVINO is not installed")
OTHERS = [
    ("onnxruntime", "fp32"),
    ("onnxruntime", "int8"),
    *(
        pytest.param(
            "openvino",
            precision,
            marks=pytest.mark.skipif(not engine_is_here("openvino"), reason="no OpenVINO"),
        )
        for precision in ("fp32", "bf16")
    ),
]


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def lowest_cosine(first: np.ndarray, second: np.ndarray) -> float:
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float((np.einsum("nd,nd->n", first, second) / lengths).min())


@pytest.fixture(scope="module")
def engines_folder(tmp_path_factory) -> Path:
    """One folder for all tests of this module, so that the network is written down once."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture
def tiny(tiny_backbone, engines_folder, monkeypatch) -> Embedder:
    monkeypatch.setenv("VITCORE_HOME", str(engines_folder))
    return Embedder(resolve_backbone(tiny_backbone, SIZE), Device("cpu", "CPU", "fp32"))


def with_engine(embedder: Embedder, engine: str, precision: str) -> Embedder:
    return Embedder(embedder.backbone, choose_device("cpu", precision, engine))


# --- the vectors -----------------------------------------------------------------------------


@pytest.mark.parametrize(("engine", "precision"), OTHERS)
def test_an_engine_gives_the_vectors_of_torch(tiny, engine, precision):
    vectors = with_engine(tiny, engine, precision).embed(noise(6))
    assert (vectors.shape, vectors.dtype) == ((6, 128), np.float32)
    assert lowest_cosine(vectors, tiny.embed(noise(6))) > (0.99999 if precision == "fp32" else 0.99)


@pytest.mark.parametrize(("engine", "precision"), OTHERS)
def test_a_vector_does_not_depend_on_what_else_is_in_the_batch(tiny, engine, precision):
    other = with_engine(tiny, engine, precision)
    together, pixels = other.embed(noise(5)), noise(5)
    alone = np.concatenate([other.embed(pixels[number : number + 1]) for number in range(5)])
    assert np.array_equal(together, alone)


def test_in_8_bits_it_is_not_the_same(tiny):
    assert not np.allclose(
        with_engine(tiny, "onnxruntime", "int8").embed(noise(4)), tiny.embed(noise(4)), rtol=1e-4, atol=1e-5
    )


def test_the_products_that_lose_most_stay_as_they_are(tiny):
    with_engine(tiny, "onnxruntime", "int8").embed(noise(1))
    [exact] = Workspace.default().engines.glob("*-fp32-*.onnx")
    [small] = Workspace.default().engines.glob("*-int8-*.onnx")
    model = onnx.load(exact)
    kept = sensitive_nodes(model)
    blocks = sum(node.op_type == "Softmax" for node in model.graph.node)
    assert len(kept) == blocks + 3  # the narrowing one of each block, and the three others of the first
    left = {node.name for node in onnx.load(small).graph.node if node.op_type == "MatMul"}
    assert set(kept) <= left
    assert sum(node.op_type == "MatMulInteger" for node in onnx.load(small).graph.node) == 4 * blocks - len(
        kept
    )


# --- its files -------------------------------------------------------------------------------


def test_a_network_is_written_down_once(tiny, monkeypatch):
    with_engine(tiny, "onnxruntime", "fp32").embed(noise(1))
    _networks.release_networks()
    monkeypatch.setattr(_engines, "network_graph", lambda *_: pytest.fail("it is written down again"))
    with_engine(tiny, "onnxruntime", "fp32").embed(noise(1))
    assert not list(Workspace.default().engines.glob(".tmp-*"))


def test_its_session_is_opened_once_in_a_process(tiny, monkeypatch):
    opened = []
    real = _engines.open_engine
    monkeypatch.setattr(
        "vitcore.backbone._embedder.open_engine", lambda *given: opened.append(1) or real(*given)
    )
    _networks.release_networks()
    threads = [
        threading.Thread(target=with_engine(tiny, "onnxruntime", "fp32").embed, args=(noise(1),))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1


def test_a_damaged_file_is_named(tiny):
    _networks.release_networks()
    with_engine(tiny, "onnxruntime", "fp32").embed(noise(1))
    [file] = Workspace.default().engines.glob("*-fp32-*.onnx")
    whole = file.read_bytes()
    _networks.release_networks()
    try:
        file.write_bytes(whole[:1000])
        with pytest.raises(BackboneError, match=r"onnxruntime cannot open .*delete .*engines"):
            with_engine(tiny, "onnxruntime", "fp32").embed(noise(1))
    finally:
        file.write_bytes(whole)


def test_a_full_disk_is_said(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("VITCORE_HOME", str(tmp_path))
    _networks.release_networks()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_engines, "_write", full)
    with pytest.raises(BackboneError, match=r"cannot be written for onnxruntime \(No space left on device\)"):
        with_engine(tiny, "onnxruntime", "fp32").embed(noise(1))
    assert not list((tmp_path / "engines").iterdir())


# --- what is what ----------------------------------------------------------------------------


def test_engines_do_not_share_vectors(tiny):
    fingerprints = {
        Embedder(tiny.backbone, Device("cpu", "CPU", precision, engine)).fingerprint
        for engine, precision in (
            ("torch", "fp32"),
            ("torch", "bf16"),
            ("onnxruntime", "fp32"),
            ("onnxruntime", "int8"),
            ("openvino", "fp32"),
            ("openvino", "bf16"),
        )
    }
    assert len(fingerprints) == 6


def test_torch_keeps_the_fingerprint_that_it_had_when_there_was_no_other(tiny):
    assert Embedder(tiny.backbone, Device("cpu", "CPU", "fp32", "torch")).fingerprint == tiny.fingerprint


def test_an_engine_that_is_not_here_is_refused_with_those_that_are():
    with pytest.raises(
        DeviceError, match=r"Engine 'tensorrt' is not here; choose auto, torch(, | or )onnxruntime"
    ):
        choose_device("cpu", "auto", "tensorrt")


def test_int8_is_of_onnx_runtime_alone():
    assert choose_device("cpu", "int8", "auto").engine == "onnxruntime"
    with pytest.raises(DeviceError, match="Precision 'int8' is unknown to PyTorch"):
        choose_device("cpu", "int8", "torch")


def test_other_engines_work_on_the_cpu(monkeypatch):
    assert choose_device("auto", "auto", "onnxruntime") == Device("cpu", "CPU", "fp32", "onnxruntime")
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    with pytest.raises(DeviceError, match="ONNX Runtime works on the CPU here"):
        choose_device("mps", "auto", "onnxruntime")


def test_what_only_torch_can_do_is_done_in_fp32(tiny):
    found = with_engine(tiny, "onnxruntime", "int8").tokens(noise(2))
    expected = tiny.tokens(noise(2))
    assert [part.pooling for part in found] == [part.pooling for part in expected] == ["class token", "mean"]
    for part, same in zip(found, expected, strict=True):
        assert np.array_equal(part.tokens.numpy(), same.tokens.numpy())


# --- batches of a GPU ------------------------------------------------------------------------


def settled(rates: dict[int, float]) -> list[int]:
    """The sizes of batches that are asked for, until it stays, on a GPU with these rates."""
    sizer, asked, now = BatchSizer(), [], 0.0
    for _ in range(60):
        asked.append(sizer.size)
        now += sizer.size / rates[sizer.size]
        sizer.add(sizer.size, now)
    return list(dict.fromkeys(asked)) if asked[-1] == max(asked) else [*dict.fromkeys(asked), asked[-1]]


def test_larger_batches_are_taken_for_as_long_as_they_are_faster():
    assert settled({64: 1000, 128: 1500, 256: 1900, 512: 1950}) == [64, 128, 256, 512, 256]
    assert settled({64: 1000, 128: 1500, 256: 1900, 512: 2500}) == [64, 128, 256, 512]
    assert settled({64: 1000, 128: 1010, 256: 9999, 512: 9999}) == [64, 128, 64]


def test_a_batch_that_is_too_large_is_not_tried_again():
    sizer = BatchSizer()
    sizer.too_large(256)
    rates = {64: 100.0, 128: 200.0}
    now = 0.0
    for _ in range(40):
        assert sizer.size < 256
        now += sizer.size / rates[sizer.size]
        sizer.add(sizer.size, now)
    assert sizer.size == 128
    sizer.too_large(64)
    assert sizer.size == 32


def test_the_last_smaller_batch_does_not_count():
    sizer = BatchSizer()
    for moment in range(100):
        sizer.add(7, float(moment))
    assert sizer.size == 64
