"""A classifier as ONNX file answers like the classifier, and its script like both."""

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto
from PIL import Image
from torch import nn

from tests._pictures import encoded, image_of_mode, photo
from vitcore.backbone import (
    CATALOGUE,
    ONNX_OPSET,
    Device,
    Embedder,
    Reading,
    _onnx_network,
    resolve_backbone,
)
from vitcore.errors import BackboneError, ImageError
from vitcore.evaluation import NO_PROBES, DoubtRule, Probes
from vitcore.features import ImageView, Unreadable, local_pass
from vitcore.fitting import placement
from vitcore.inference import (
    Classifier,
    Trust,
    classifier_graph,
    copy_script,
    onnx_probabilities,
    write_int8,
    write_onnx,
)
from vitcore.inference.standalone import predict as script
from vitcore.training import HiddenHead, LinearHead

CPU = Device("cpu", "CPU", "fp32")
CLASSES = ("cat", "Größe | <b>", "owl")


def floats(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(0, scale, shape).astype(np.float32)


def linear(dimension: int) -> LinearHead:
    """With a standardisation that matters."""
    return LinearHead(
        weight=floats(3, dimension, scale=0.3),
        bias=floats(3, seed=2),
        mean=floats(dimension, seed=3),
        std=np.exp(floats(dimension, seed=1)).clip(0.2, 5),
    )


def hidden(dimension: int) -> HiddenHead:
    plain = linear(dimension)
    return HiddenHead(
        hidden_weight=floats(16, dimension, scale=0.2),
        hidden_bias=floats(16, seed=4),
        weight=floats(3, 16, seed=5),
        bias=plain.bias,
        mean=plain.mean,
        std=plain.std,
    )


def classifier_of(embedder: Embedder, make=linear) -> Classifier:
    trust = Trust(
        temperature=0.7,
        rule=DoubtRule(masses=(0.6, 0.6), distances=(2.0, 2.0)),
        level=0.5,
        references=np.ones((2, embedder.dimension), dtype=np.float16),
    )
    return Classifier(make(embedder.dimension), embedder, CLASSES, trust)


class Given(Embedder):
    """With a network of the test's own."""

    def __init__(self, backbone, device, network: nn.Module) -> None:
        super().__init__(backbone, device)
        self._given = network.eval().requires_grad_(requires_grad=False)

    @property
    def network(self) -> nn.Module:
        return self._given


def small(backbone: str, base: Embedder, **options: object) -> Embedder:
    """A catalogue entry's architecture with random weights, 64 wide and two blocks deep, both read."""
    import timm

    spec, size = CATALOGUE[backbone], 112
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model(
            spec.architecture, num_classes=0, img_size=size, embed_dim=64, num_heads=4, depth=2, **options
        )
        for module in model.modules():
            if isinstance(module, nn.LayerNorm) and module.elementwise_affine:
                nn.init.normal_(module.weight, 1, 0.3)
                nn.init.normal_(module.bias, 0, 0.3)
    own = spec.reading.own_pooling
    reading = Reading(own_pooling=True) if own else Reading(blocks=(1, 2), spread=(2,))
    has_class_token = getattr(model, "cls_token", None) is not None
    spec = replace(
        spec,
        embedding_dimension=reading.numbers(64, class_token=has_class_token),
        preprocessing=replace(spec.preprocessing, input_size=size),
        reading=reading,
    )
    return Given(replace(base.backbone, spec=spec), CPU, model)


def run_graph(model: onnx.ModelProto, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return tuple(session.run(["probabilities", "embedding"], {"image": pixels}))


def answer(classifier: Classifier, image: bytes | Path) -> np.ndarray:
    [prediction] = classifier.predict([image])
    return np.array([prediction.probabilities[label] for label in CLASSES])


@pytest.fixture(scope="module")
def embedder(tiny_backbone) -> Embedder:
    return Embedder(resolve_backbone(tiny_backbone), CPU)


@pytest.fixture(scope="module")
def written(embedder, tmp_path_factory) -> Path:
    """A folder with the ONNX file of the tiny backbone with a hidden layer, the int8 file and the script."""
    folder = tmp_path_factory.mktemp("onnx")
    write_onnx(classifier_of(embedder, hidden), folder / "model.onnx", facts={"run": "a run"})
    write_int8(folder / "model.onnx", folder / "model-int8.onnx")
    copy_script(folder)
    return folder


@pytest.fixture
def pictures(tmp_path) -> list[Path]:
    """Photos of several shapes and kinds."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    files = {
        "small.png": encoded(photo(90, 60)),
        "tall.jpg": encoded(photo(300, 500), "JPEG", quality=90),
        "below/large.jpg": encoded(photo(1900, 1300), "JPEG", quality=90),
        "below/exact.png": encoded(photo(160, 160)),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]


# --- the graph ---------------------------------------------------------------------------------


def same(embedder: Embedder, make=linear) -> None:
    classifier = classifier_of(embedder, make)
    model = classifier_graph(classifier, {})
    for size in ((112, 112), (224, 150)):
        image = photo(*size)
        pixels = embedder.prepare(image)
        probabilities, embedding = run_graph(model, pixels)
        expected = embedder.embed(pixels[np.newaxis])[0].astype(np.float16).astype(np.float32)
        assert np.abs(embedding - expected).max() <= np.abs(expected).max() / 500
        assert np.ptp(probabilities) > 0.05
        assert np.abs(probabilities - answer(classifier, encoded(image))).max() < 1e-3
        if size == (224, 150):  # and as it is, without being prepared
            raw, _ = run_graph(model, np.asarray(image))
            assert np.abs(raw - probabilities).max() < 0.02


def test_a_network_with_registers_answers_the_same_and_the_exporter_is_not_heard(embedder, capfd, caplog):
    shrunk = small("vit_small_patch16_dinov3.lvd1689m", embedder)
    assert shrunk.network.num_prefix_tokens == 5
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        same(shrunk)
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []
    assert heard == []


def test_the_stand_ins_have_what_makes_a_difference(embedder):
    found = set()
    for name in CATALOGUE:
        network = small(name, embedder).network
        found.add((getattr(network, "cls_token", None) is not None, network.num_prefix_tokens))
    assert found == {(True, 1), (True, 2), (True, 5), (False, 0)}


@pytest.mark.parametrize(
    "backbone",
    [
        # One without a class token; one with it and one with registers are tested above and below.
        name if "siglip" in name else pytest.param(name, marks=pytest.mark.thorough)
        for name in CATALOGUE
    ],
)
def test_every_backbone_of_the_catalogue_answers_the_same(backbone, embedder):
    same(small(backbone, embedder), hidden)


@pytest.mark.thorough
@pytest.mark.parametrize("options", [{"reg_tokens": 3}, {"fc_norm": True, "global_pool": "avg"}])
def test_registers_and_a_norm_after_pooling_are_heeded(options, embedder):
    shrunk = small("embedded", embedder, **options)
    if "fc_norm" in options:
        assert isinstance(shrunk.network.norm, nn.Identity)
    same(shrunk)


def test_the_embedding_is_rounded_as_in_the_store(written):
    session = onnxruntime.InferenceSession(written / "model.onnx", providers=["CPUExecutionProvider"])
    (embedding,) = session.run(["embedding"], {"image": np.asarray(photo(160, 160))})
    assert embedding.shape == (128,)
    assert np.array_equal(embedding, embedding.astype(np.float16).astype(np.float32))


@pytest.fixture(scope="module")
def prepared(written) -> Callable[[Image.Image], np.ndarray]:
    """What the file makes of a photo, before it is normalised: float32 (side, side, 3), 0 … 255."""
    model = onnx.load(written / "model.onnx")
    model.graph.output.append(onnx.helper.make_tensor_value_info("prepare/scaled", TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def prepared(image: Image.Image) -> np.ndarray:
        (scaled,) = session.run(["prepare/scaled"], {"image": np.asarray(image)})
        return scaled[0].transpose(1, 2, 0) * 255

    return prepared


ODD_SIZES = [
    (1999, 203),
    (149, 1103),
    (1501, 1103),
    (1103, 1501),
    (977, 333),
    (641, 479),
    (331, 320),
    (161, 163),
    (97, 131),
    (45, 30),
]


@pytest.mark.parametrize("size", ODD_SIZES)
def test_the_file_shrinks_a_photo_as_pillow_does(size, prepared):
    # Blocks with sharp edges, beside which a bicubic filter overshoots however much it shrinks.
    blocks = np.random.default_rng(size).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    image = Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST)
    found = placement(*size, "by shape")
    seen = image.crop(found.box)
    if found.strips > 1:
        seen = script.fold(seen, found.strips)
    expected = np.asarray(seen.resize((160, 160), Image.Resampling.BICUBIC), dtype=np.float32)
    # With a coefficient of -0.6 some pixels differ by 3 and more.
    assert np.abs(prepared(image) - expected).max() < 1.01


@pytest.mark.parametrize("size", ODD_SIZES)
def test_the_script_shrinks_a_photo_as_the_training_does(size, embedder, tmp_path):
    file = tmp_path / "photo.jpg"
    photo(*size).save(file, quality=95)
    expected = embedder.prepare(classifier_of(embedder).load(file.read_bytes()))
    assert np.array_equal(script.prepare(script.load_image(file, 160), 160, "by shape"), expected)


def test_the_file_says_what_it_is(written, embedder):
    for name, precision in (("model.onnx", None), ("model-int8.onnx", "int8")):
        model = onnx.load(written / name)
        onnx.checker.check_model(model)
        facts = {item.key: item.value for item in model.metadata_props}
        assert facts.pop("precision", None) == precision
        assert facts == {
            "classes": json.dumps(CLASSES, ensure_ascii=False),
            "input_sizes": "[160]",
            "fits": '["by shape"]',
            "opset": str(ONNX_OPSET),
            "temperature": "0.7",
            "least_confidence": "0.6",
            "largest_novelty": "2.0",
            "input": "image: uint8 (height, width, 3), red green blue, upright, of any size",
            "outputs": "probabilities: float32 (C,); novelty: float32 (); embedding: float32 (D,)",
            "not_sure": "novelty > largest_novelty, or the highest probability <= least_confidence",
            "licence": "of the backbone's weights: unknown",
            "backbone": "tiny.safetensors",  # and not the path of the file
            "backbone_architecture": "test_vit",
            "backbone_licence": "unknown",
            "backbone_weights_sha256": embedder.backbone.weights_sha256,
            "run": "a run",
        }
        assert {item.domain: item.version for item in model.opset_import}[""] == ONNX_OPSET
        assert [item.name for item in model.graph.input] == ["image"]


def test_a_network_too_large_for_one_file_is_refused(embedder, monkeypatch):
    monkeypatch.setattr(_onnx_network, "_LARGEST_BYTES", 1000)
    with pytest.raises(BackboneError, match=r"tiny\.safetensors has 0\.0 GB of weights"):
        classifier_graph(classifier_of(embedder), {})


def test_int8_is_smaller_and_nearly_the_same_and_leaves_the_head(written, pictures):
    sizes = [(written / name).stat().st_size for name in ("model.onnx", "model-int8.onnx")]
    assert sizes[1] < 0.6 * sizes[0]
    exact, less = (
        np.stack(list(onnx_probabilities(written / name, pictures)))
        for name in ("model.onnx", "model-int8.onnx")
    )
    assert 0 < np.abs(exact - less).max() < 0.1
    kinds = {node.name: node.op_type for node in onnx.load(written / "model-int8.onnx").graph.node}
    assert kinds["head/hidden_product"] == kinds["head/logits_product"] == "MatMul"
    assert "MatMulInteger" in kinds.values()


# --- the script --------------------------------------------------------------------------------


def test_the_script_gives_the_answers_of_the_classifier(written, embedder, pictures):
    classifier = classifier_of(embedder, hidden)
    found = list(onnx_probabilities(written / "model.onnx", pictures))
    for file, probabilities in zip(pictures, found, strict=True):
        assert np.abs(probabilities - answer(classifier, file)).max() < 1e-4
    assert np.ptp(np.stack(found), axis=0).max() > 0.05


@pytest.fixture(params=["distance", "probes"])
def doubtful(request, embedder, pictures) -> Classifier:
    """A classifier that knows three of the four pictures, and at its level doubts two of the four."""
    classifier = classifier_of(embedder, hidden)
    views = [ImageView(source=file) for file in pictures]
    [batch] = local_pass(embedder, views)
    vectors = batch.vectors.astype(np.float16)
    probes = Probes(
        weights=np.random.default_rng(5).normal(0, 0.02, (2, vectors.shape[1])).astype(np.float32),
        offsets=np.array([0.1, 0.2], dtype=np.float32),
    )
    trust = replace(
        classifier.trust,
        references=np.repeat(vectors[:3], 3, axis=0) + np.arange(9, dtype=np.float16)[:, np.newaxis] / 100,
        probes=probes if request.param == "probes" else NO_PROBES,
    )
    novelty = np.sort(trust.distances(vectors))
    confidences = np.sort(trust.probabilities(classifier.head.logits(vectors)).max(axis=1))
    rule = DoubtRule(masses=(float(confidences[1:3].mean()),) * 2, distances=(float(novelty[2:].mean()),) * 2)
    return Classifier(classifier.head, embedder, CLASSES, replace(trust, rule=rule))


def test_the_script_is_as_sure_as_the_classifier_for_the_same_reasons(doubtful, pictures, tmp_path):
    write_onnx(doubtful, tmp_path / "model.onnx", facts={})
    model = script.Model(tmp_path / "model.onnx")
    expected = doubtful.predict(pictures)
    found = [model.predict(file) for file in pictures]
    assert [(line["sure"], line["reason"]) for line in found] == [(one.sure, one.reason) for one in expected]
    assert "novel" in {one.reason for one in expected}
    assert len({one.reason for one in expected}) > 1


def test_the_file_gives_the_novelty_of_the_classifier(doubtful, pictures, tmp_path):
    write_onnx(doubtful, tmp_path / "model.onnx", facts={})
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for file in pictures:
        pixels = script.prepare(script.load_image(file, 160), 160, "by shape")
        novelty, embedding = session.run(["novelty", "embedding"], {"image": pixels})
        expected = doubtful.trust.distances(embedding.astype(np.float16)[np.newaxis])
        assert (novelty.shape, float(novelty)) == ((), pytest.approx(expected[0], abs=1e-5))


def test_an_image_that_is_gone_is_an_error_of_its_own(written, tmp_path):
    with pytest.raises(ImageError, match="No such file"):
        list(onnx_probabilities(written / "model.onnx", [tmp_path / "gone.png"]))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *((mode, "PNG") for mode in ("RGB", "L", "1", "P", "P transparent", "LA", "RGBA", "I;16")),
        *((mode, "TIFF") for mode in ("F", "F wide", "I", "CMYK", "LAB")),
        *((mode, "JPEG") for mode in ("RGB", "L", "CMYK")),
        ("RGBA", "WEBP"),
        ("P", "GIF"),
    ],
)
def test_the_script_reads_an_image_as_the_loader_does(mode, kind, embedder, tmp_path):
    content = encoded(image_of_mode(mode), kind)
    file = tmp_path / "image"
    file.write_bytes(content)
    expected = embedder.prepare(classifier_of(embedder).load(content))
    assert np.array_equal(script.prepare(script.load_image(file, 160), 160, "by shape"), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_script_turns_photos_upright(orientation, embedder, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(photo(700, 500), "JPEG", exif=exif)
    file = tmp_path / "image.jpg"
    file.write_bytes(content)
    expected = embedder.prepare(classifier_of(embedder).load(content))
    assert np.array_equal(script.prepare(script.load_image(file, 160), 160, "by shape"), expected)


BAD = {
    "empty.png": b"",
    "text.png": b"no image",
    "cut.png": encoded(photo(90, 60))[:500],
    "cut.jpg": encoded(photo(90, 60), "JPEG")[:700],
}


@pytest.mark.parametrize("name", BAD)
def test_the_script_refuses_what_the_loader_refuses(name, embedder, tmp_path):
    (tmp_path / name).write_bytes(BAD[name])
    [(_, refused)] = classifier_of(embedder).predict_each([tmp_path / name])
    assert isinstance(refused, Unreadable)
    with pytest.raises(script.Unreadable):
        script.load_image(tmp_path / name, 160)


def test_the_script_refuses_an_image_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(script, "MAX_PIXELS", 1000)
    (tmp_path / "large.png").write_bytes(encoded(photo(90, 60)))
    with pytest.raises(script.Unreadable, match="more than 0 megapixels"):
        script.load_image(tmp_path / "large.png", 160)


ALONE = """
import importlib.abc
import runpy
import sys

class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in {"onnxruntime", "numpy", "PIL", *sys.stdlib_module_names}:
            raise ImportError(f"{name} is not to be had")

sys.meta_path.insert(0, Nothing())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_alone(script_file: Path, *arguments: object, python: str = sys.executable, blocked: bool = True):
    command = [python, "-c", ALONE] if blocked else [python]
    return subprocess.run(
        [*command, str(script_file), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=script_file.parent,
    )


def test_the_script_needs_three_packages_and_goes_on_after_a_broken_file(written, embedder, pictures):
    broken = pictures[0].parent / "broken.png"
    broken.write_bytes(b"no image")
    (pictures[0].parent / "notes.txt").write_text("no image, and not called one")
    done = run_alone(written / "predict.py", pictures[0].parent, pictures[0])
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"{broken}: not an image that can be read"]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    order = [pictures[3], pictures[2], pictures[0], pictures[1], pictures[0]]
    assert [line["path"] for line in lines] == list(map(str, order))
    classifier = classifier_of(embedder, hidden)
    for line, prediction in zip(lines, classifier.predict(order), strict=True):
        assert line.keys() == {"path", "label", "confidence", "sure", "reason", "probabilities"}
        assert (line["sure"], line["reason"]) == (prediction.sure, prediction.reason)
        assert line["label"] == prediction.label
        assert line["confidence"] == max(line["probabilities"].values())
        assert line["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-4)
        assert list(line["probabilities"]) == list(prediction.probabilities)


def test_the_script_takes_another_model_and_says_if_there_is_none(written, pictures, capsys):
    assert script.main([str(pictures[0]), "--model", str(written / "model-int8.onnx")]) == 0
    line = json.loads(capsys.readouterr().out)
    [expected] = onnx_probabilities(written / "model-int8.onnx", [pictures[0]])
    assert line["confidence"] == pytest.approx(expected.max())
    with pytest.raises(SystemExit, match="2"):
        script.main([str(pictures[0]), "--model", str(written / "gone.onnx")])
    assert "there is no model file" in capsys.readouterr().err


@pytest.mark.slow
def test_the_script_runs_where_nothing_else_is_installed(written, pictures, tmp_path):
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "onnxruntime", "numpy", "pillow"]
    if subprocess.run(pip, check=False).returncode:
        pytest.skip("pip cannot install packages here")
    done = run_alone(written / "predict.py", *pictures, python=str(python), blocked=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(pictures)
