"""The fastest engine that agrees with the exact one."""

import hashlib
import json
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image

from vitcore.backbone import Backbone, Device, Embedder, choose_device, resolve_backbone
from vitcore.compute import Compute
from vitcore.engines import EngineChoice, EngineRecord, _choice, choose_engine, same_labels
from vitcore.errors import BackboneError, DeviceError, Stopped
from vitcore.features import FeatureStore, ImageFile, embed_images
from vitcore.progress import Task
from vitcore.records import plain_values, record_of
from vitcore.workspace import Workspace

COUNT = 80
CPU = Compute(device="cpu")
EXACT, SMALL, BF16 = ("torch", "fp32"), ("onnxruntime", "int8"), ("torch", "bf16")


@pytest.fixture
def backbone(tiny_backbone) -> Backbone:
    return resolve_backbone(tiny_backbone, 32)


@pytest.fixture
def images(tmp_path: Path) -> list[ImageFile]:
    """Pictures of two classes, that are bright and dark."""
    random = np.random.default_rng(0)
    found = []
    for number in range(COUNT):
        path = tmp_path / f"{number}.png"
        low = 0 if number % 2 else 128
        Image.fromarray(random.integers(low, low + 128, (20, 30, 3), dtype=np.uint8)).save(path)
        found.append(ImageFile(path, hashlib.sha256(path.read_bytes()).hexdigest()))
    return found


LABELS = ["dark" if number % 2 else "bright" for number in range(COUNT)]


class Bench:
    """Stands in for the measuring: says how fast each engine is, and how far off its vectors are."""

    def __init__(self) -> None:
        self.rates = {EXACT: 0.1, SMALL: 0.2, BF16: 0.15}
        self.errors = {EXACT: 0.0, SMALL: 0.01, BF16: 0.001}
        self.broken: set[tuple[str, str]] = set()
        self.tried: list[tuple[str, str]] = []

    def __call__(self, embedder: Embedder, pixels: np.ndarray) -> tuple[np.ndarray, float]:
        which = (embedder.device.engine, embedder.device.precision)
        self.tried.append(which)
        if which in self.broken:
            raise BackboneError("It cannot be written down.")
        exact = Embedder(embedder.backbone, Device("cpu", "CPU", "fp32")).embed(pixels)
        noise = np.random.default_rng(1).normal(size=exact.shape) * exact.std()
        return (exact + self.errors[which] * noise).astype(np.float32), self.rates[which]


@pytest.fixture
def bench(monkeypatch) -> Bench:
    bench = Bench()
    monkeypatch.setattr(_choice, "_timed", bench)
    monkeypatch.setattr(_choice, "_ROUNDS", 1)
    monkeypatch.setattr(
        _choice,
        "_worth_trying",
        lambda missing, _: [("int8", "onnxruntime"), ("bf16", "torch")] if missing else [],
    )
    return bench


def chosen(choice: EngineChoice) -> tuple[str, str]:
    return choice.device.engine, choice.device.precision


def test_what_was_embedded_first_is_shown_before_other_engines_are_tried(backbone, images, bench):
    shown = []
    choose_engine(backbone, images, LABELS, CPU, look=lambda *found: shown.append((found, list(bench.tried))))
    [((first, vectors), tried)] = shown
    assert len(first) == len(vectors) == 64
    assert tried == [EXACT]


@pytest.mark.usefixtures("bench")
def test_the_fastest_that_agrees_is_taken(backbone, images):
    choice = choose_engine(backbone, images, LABELS, CPU)
    assert chosen(choice) == SMALL
    assert str(choice.reason) == (
        "ONNX Runtime (int8) is 2.0 times as fast here as PyTorch (fp32), and agrees with it on 64 of "
        "your images."
    )
    assert [(c.engine, c.precision, c.images_per_second) for c in choice.candidates] == [
        (*EXACT, 0.1),
        (*SMALL, 0.2),
        (*BF16, 0.15),
    ]
    assert choice.candidates[0].cosine == pytest.approx(1.0, abs=1e-6)
    assert all(c.images == 64 and c.agrees and c.same_label == 1.0 for c in choice.candidates)


def test_one_whose_vectors_differ_is_not_taken(backbone, images, bench):
    bench.errors[SMALL] = 0.2
    choice = choose_engine(backbone, images, LABELS, CPU)
    assert chosen(choice) == BF16
    assert choice.candidates[1].cosine < 0.999
    assert not choice.candidates[1].agrees


def test_the_trials_end_where_the_rest_is_soon_done(backbone, images, bench):
    bench.rates.update({SMALL: 20.0, BF16: 30.0})
    choice = choose_engine(backbone, images, LABELS, CPU)
    assert (chosen(choice), bench.tried) == (SMALL, [EXACT, SMALL])


def test_the_trials_go_on_until_one_agrees(backbone, images, bench):
    bench.rates.update({EXACT: 10.0, SMALL: 20.0, BF16: 30.0})
    bench.errors[SMALL] = 0.2
    choice = choose_engine(backbone, images, LABELS, CPU)
    assert (chosen(choice), bench.tried) == (BF16, [EXACT, SMALL, BF16])


@pytest.mark.usefixtures("bench")
def test_one_that_changes_labels_is_not_taken(backbone, images, monkeypatch):
    real = _choice.same_labels
    monkeypatch.setattr(
        _choice,
        "same_labels",
        lambda exact, other, labels: real(
            exact, np.roll(exact, 1, axis=0) if other is not exact else other, labels
        ),
    )
    choice = choose_engine(backbone, images, LABELS, CPU)
    assert chosen(choice) == EXACT
    assert choice.candidates[1].cosine > 0.999
    assert choice.candidates[1].same_label < 0.99


def test_where_none_is_faster_torch_stays(backbone, images, bench):
    bench.rates.update({SMALL: 0.104, BF16: 0.03})
    choice = choose_engine(backbone, images, LABELS, CPU)
    assert chosen(choice) == EXACT
    assert str(choice.reason) == "PyTorch (fp32) is used: no other engine that agrees with it is faster here."


def test_one_that_cannot_be_tried_is_left_out(backbone, images, bench):
    bench.broken.add(SMALL)
    choice = choose_engine(backbone, images, LABELS, CPU)
    assert (chosen(choice), len(choice.candidates)) == (BF16, 2)
    bench.broken.add(EXACT)
    with pytest.raises(BackboneError):
        choose_engine(backbone, images, [*LABELS[:-1], "other"], CPU, workspace=Workspace.default())


def test_what_was_found_is_remembered(backbone, images, bench):
    first = choose_engine(backbone, images, LABELS, CPU)
    again = choose_engine(backbone, images, LABELS, CPU)
    assert again == first
    assert bench.tried == [EXACT, SMALL, BF16]


def test_other_images_are_measured_anew(backbone, images, bench):
    choose_engine(backbone, images, LABELS, CPU)
    choose_engine(backbone, images[:60], LABELS[:60], CPU)
    assert bench.tried == [EXACT, SMALL, BF16] * 2


def test_where_most_of_the_work_is_done_already_it_is_gone_on_with(backbone, images, bench):
    choice = choose_engine(backbone, images, LABELS, CPU)
    store = FeatureStore.of(Embedder(backbone, choice.device))
    keys = [(image.sha256, "plain") for image in images]
    store.write(keys, np.ones((COUNT, 128), dtype=np.float32))
    assert choose_engine(backbone, images[:60], LABELS[:60], CPU) == choice
    assert bench.tried == [EXACT, SMALL, BF16]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"x": 1}'])
def test_a_damaged_memory_is_measured_anew(backbone, images, bench, content):
    folder = Workspace.default().engines
    folder.mkdir()
    (folder / "choices.json").write_text(content, encoding="utf-8")
    assert chosen(choose_engine(backbone, images, LABELS, CPU)) == SMALL
    assert chosen(choose_engine(backbone, images, LABELS, CPU)) == SMALL
    assert bench.tried == [EXACT, SMALL, BF16]


def test_an_engine_that_is_gone_is_forgotten(backbone, images, bench):
    choose_engine(backbone, images, LABELS, CPU)
    memory = Workspace.default().engines / "choices.json"
    memory.write_text(memory.read_text(encoding="utf-8").replace("onnxruntime", "gone"), encoding="utf-8")
    assert chosen(choose_engine(backbone, images, LABELS, CPU)) == SMALL
    assert len(bench.tried) == 6


@pytest.mark.usefixtures("bench")
def test_what_was_embedded_to_measure_is_kept(backbone, images):
    choice = choose_engine(backbone, images, LABELS, CPU)
    assert embed_images(Embedder(backbone, choice.device), images).computed == COUNT - 64
    assert embed_images(Embedder(backbone, choose_device("cpu")), images).computed == COUNT - 64


def test_nothing_is_measured_where_it_cannot_pay(backbone, images):
    choice = choose_engine(backbone, images, LABELS, CPU)
    assert (chosen(choice), choice.candidates) == (EXACT, ())
    assert str(choice.reason).startswith("PyTorch (fp32) is used: with so few images left")


def test_what_is_asked_for_is_taken_unmeasured(backbone, images, bench):
    choice = choose_engine(backbone, images, LABELS, Compute(device="cpu", engine="onnxruntime"))
    assert (chosen(choice), str(choice.reason)) == (
        ("onnxruntime", "fp32"),
        "ONNX Runtime (fp32) was asked for.",
    )
    assert chosen(choose_engine(backbone, images, LABELS, Compute(precision="int8"))) == SMALL
    assert bench.tried == []
    with pytest.raises(DeviceError):
        choose_engine(backbone, images, LABELS, Compute(engine="tensorrt"))


@pytest.mark.usefixtures("bench")
def test_it_can_be_stopped(backbone, images):
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        choose_engine(backbone, images, LABELS, CPU, task=Task(stop=stop))


@pytest.mark.usefixtures("bench")
def test_images_that_cannot_be_read_are_left_out(backbone, images):
    for image in images[:-3]:
        image.path.write_bytes(b"no image")
    assert choose_engine(backbone, images, LABELS, CPU).candidates[0].images <= 3
    for image in images[-3:]:
        image.path.write_bytes(b"no image")
    choice = choose_engine(backbone, images, [*LABELS[:-1], "other"], CPU)
    assert str(choice.reason) == "PyTorch (fp32) is used: no image could be tried."


def test_the_sample_has_of_every_class_about_as_many(images):
    labels = ["rare" if number < 5 else "common" for number in range(COUNT)]
    taken = [label for _, label in _choice._sample(images, labels)]
    assert (len(taken), taken.count("rare")) == (64, 5)
    assert _choice._sample(images[::-1], labels[::-1]) == _choice._sample(images, labels)


def test_of_many_classes_some_are_taken_so_that_each_can_be_learned(images):
    labels = [str(number % 20) for number in range(COUNT)]
    taken = [label for _, label in _choice._sample(images, labels)]
    assert len(taken) == 64
    assert {taken.count(label) for label in taken} == {4}


def test_the_probe_sees_what_changes_labels():
    random = np.random.default_rng(0)
    labels = ["a", "b"] * 32
    exact = random.normal(size=(64, 8)).astype(np.float32)
    exact[1::2] += 4
    assert same_labels(exact, exact + 0.01, labels) == 1.0
    other = exact.copy()
    other[:8] = exact[8:16][::-1]
    assert same_labels(exact, other, labels) == pytest.approx(1 - 8 / 64, abs=0.02)
    assert same_labels(exact, other, ["a"] * 64) == 1.0
    assert same_labels(exact[:1], exact[:1], ["a"]) == 1.0


@pytest.mark.parametrize(
    ("abilities", "missing", "expected"),
    [
        ((), 299, []),
        ((), 600, []),
        ((), 5000, [("int8", "onnxruntime"), ("fp32", "onnxruntime")]),
        (("avx512_bf16", "avx512_vnni"), 199, []),
        (("avx512_bf16", "avx512_vnni"), 250, [("bf16", "torch")]),
        (("avx512_bf16", "avx512_vnni"), 600, [("bf16", "torch"), ("int8", "onnxruntime")]),
    ],
)
def test_only_what_can_pay_is_tried(monkeypatch, abilities, missing, expected):
    monkeypatch.setattr(_choice, "cpu_can", lambda *names: any(name in abilities for name in names))
    monkeypatch.setattr(_choice, "engine_is_here", lambda name: name != "openvino")
    assert _choice._worth_trying(missing, "auto") == expected
    assert _choice._worth_trying(missing, "bf16") == [pair for pair in expected if pair[0] == "bf16"]


def test_openvino_is_tried_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(_choice, "cpu_can", lambda *_: True)
    monkeypatch.setattr(_choice, "engine_is_here", lambda _: True)
    assert _choice._worth_trying(600, "auto")[0] == ("bf16", "openvino")


@pytest.mark.usefixtures("bench")
def test_a_choice_comes_back_from_json(backbone, images):
    choice = choose_engine(backbone, images, LABELS, CPU)
    record = record_of(EngineRecord, json.loads(json.dumps(plain_values(choice.record))))
    assert EngineChoice.recalled(record) == choice


# --- explicit wishes ---------------------------------------------------------------------------

WISHES = {
    "auto": (CPU, SMALL),
    "fp32": (Compute(device="cpu", precision="fp32"), EXACT),
    "bf16": (Compute(device="cpu", precision="bf16"), BF16),
    "int8": (Compute(device="cpu", precision="int8"), SMALL),
    "torch": (Compute(device="cpu", engine="torch"), EXACT),
    "onnxruntime": (Compute(device="cpu", engine="onnxruntime"), ("onnxruntime", "fp32")),
}


@pytest.mark.parametrize("first", WISHES)
def test_no_memory_goes_before_a_wish(backbone, images, bench, monkeypatch, first):
    """Each wish after each other one, in one workspace in which the first one's work is done."""
    monkeypatch.setattr(
        _choice,
        "_worth_trying",
        lambda missing, precision: [
            pair
            for pair in [("int8", "onnxruntime"), ("bf16", "torch")]
            if missing and precision in ("auto", pair[0])
        ],
    )
    bench.rates[("onnxruntime", "fp32")] = 0.1
    choice = choose_engine(backbone, images, LABELS, WISHES[first][0])
    assert chosen(choice) == WISHES[first][1]
    done = FeatureStore.of(Embedder(backbone, choice.device))
    done.write([(image.sha256, "plain") for image in images], np.ones((COUNT, 128), dtype=np.float32))
    for name, (wish, expected) in WISHES.items():
        found = chosen(choose_engine(backbone, images, LABELS, wish))
        if name == "auto":  # where all is embedded exactly there is nothing to gain
            assert found in {EXACT, SMALL}
        else:
            assert found == expected


@pytest.mark.usefixtures("bench")
def test_what_was_asked_for_although_it_does_not_agree_is_no_later_choice(backbone, images, bench):
    bench.errors.update({BF16: 0.3, SMALL: 0.3})
    wish = Compute(device="cpu", precision="bf16")
    choice = choose_engine(backbone, images, LABELS, wish)
    assert chosen(choice) == BF16
    store = FeatureStore.of(Embedder(backbone, choice.device))
    store.write([(image.sha256, "plain") for image in images], np.ones((COUNT, 128), dtype=np.float32))
    assert chosen(choose_engine(backbone, images, LABELS, CPU)) == EXACT
