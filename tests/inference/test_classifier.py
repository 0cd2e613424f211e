"""Using a trained classifier on new images."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from tests._pictures import encoded, photo
from vitcore.backbone import Device, Embedder, Reading, resolve_backbone
from vitcore.errors import BackboneError, DeviceError, ImageError, InputError, NotFoundError, StorageError
from vitcore.evaluation import NO_PROBES, DoubtRule, Probes
from vitcore.features import Unreadable
from vitcore.inference import (
    Classifier,
    Prediction,
    Trust,
    load_classifier,
    load_trust,
    save_classifier,
    set_level,
)
from vitcore.records import plain_values
from vitcore.training import HiddenHead, LinearHead

CPU = Device("cpu", "CPU", "fp32")
CLASSES = ("cat", "dog", "owl")


def picture(number: int) -> bytes:
    random = np.random.default_rng(number)
    pixels = (random.uniform(40, 215, 3) + random.normal(0, 20, (20, 30, 3))).clip(0, 255).astype(np.uint8)
    return encoded(Image.fromarray(pixels))


@pytest.fixture(scope="module")
def head() -> LinearHead:
    random = np.random.default_rng(0)
    return LinearHead(
        weight=random.normal(size=(3, 128)).astype(np.float32),
        bias=np.zeros(3, dtype=np.float32),
        mean=np.zeros(128, dtype=np.float32),
        std=np.ones(128, dtype=np.float32),
    )


@pytest.fixture(scope="module")
def embedder(tiny_backbone) -> Embedder:
    return Embedder(resolve_backbone(tiny_backbone), CPU)


def trust(mass: float = 0.6, far: float = 2.0, **changes) -> Trust:
    """With that bound on the confidence of what is sure, and on how unlike the references it may be."""
    rule = DoubtRule(masses=(mass, mass), distances=(far, far))
    references = np.ones((2, 128), dtype=np.float16)
    return Trust(**{"temperature": 1.0, "rule": rule, "level": 0.5, "references": references, **changes})


@pytest.fixture(scope="module")
def classifier(head, embedder) -> Classifier:
    return Classifier(head, embedder, CLASSES, trust())


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(20)]
    for number, path in enumerate(paths):
        path.write_bytes(picture(number))
    return paths


# --- predicting ------------------------------------------------------------------------------


def test_a_prediction_ranks_all_classes(classifier, files):
    [prediction] = classifier.predict(files[:1])
    assert set(prediction.probabilities) == set(CLASSES)
    ranked = list(prediction.probabilities.values())
    assert ranked == sorted(ranked, reverse=True)
    assert sum(ranked) == pytest.approx(1)
    assert next(iter(prediction.probabilities.items())) == (prediction.label, prediction.confidence)


def test_a_prediction_is_that_of_the_head_on_the_embedding(classifier, files):
    images = [Image.open(path) for path in files]
    pixels = np.stack([classifier.embedder.prepare(image.convert("RGB")) for image in images])
    for image in images:
        image.close()
    expected = classifier.head.probabilities(classifier.embedder.embed(pixels).astype(np.float16))
    for prediction, row in zip(classifier.predict(files), expected, strict=True):
        assert prediction.label == CLASSES[row.argmax()]
        assert [prediction.probabilities[label] for label in CLASSES] == pytest.approx(row.tolist(), abs=1e-3)


def test_predictions_keep_the_order_of_the_images(classifier, files):
    forth, back = classifier.predict(files), classifier.predict(files[::-1])
    assert [p.label for p in forth] == [p.label for p in back][::-1]
    assert len({p.confidence for p in forth}) == 20
    assert len({p.label for p in forth}) > 1


def test_a_prediction_does_not_depend_on_its_company(classifier, files):
    together = classifier.predict(files)
    alone = [classifier.predict([path])[0] for path in files]
    assert [p.label for p in together] == [p.label for p in alone]
    assert [p.confidence for p in together] == pytest.approx([p.confidence for p in alone], abs=1e-6)


def test_paths_texts_and_bytes_are_the_same_image(classifier, files):
    path = files[3]
    first, second, third = classifier.predict([path, str(path), path.read_bytes()])
    assert first == second == third


def test_no_images_have_no_predictions(classifier):
    assert classifier.predict([]) == []
    assert list(classifier.predict_each(iter(()))) == []


@pytest.mark.parametrize(
    ("mass", "far", "reason"),
    [(0.0, 2.0, ""), (1.0, 2.0, "ambiguous"), (0.0, 0.0, "novel"), (1.0, 0.0, "novel")],
)
def test_what_is_not_sure_has_a_reason(head, embedder, files, mass, far, reason):
    classifier = Classifier(head, embedder, CLASSES, trust(mass, far))
    for prediction in classifier.predict(files[:4]):
        assert (prediction.sure, prediction.reason) == (reason == "", reason)


def test_a_close_call_names_the_classes_between_which_it_is(head, embedder, files):
    [plain] = Classifier(head, embedder, CLASSES, trust(0.0)).predict(files[:1])
    assert plain.possible == (plain.label,)
    [close] = Classifier(head, embedder, CLASSES, trust(plain.confidence)).predict(files[:1])
    assert close.reason == "ambiguous"
    assert close.possible == tuple(close.probabilities)[:2]


def test_a_temperature_changes_the_confidence_but_not_the_class(head, embedder, files):
    plain, warm = (
        Classifier(head, embedder, CLASSES, trust(temperature=t)).predict(files) for t in (1.0, 3.0)
    )
    assert [p.label for p in plain] == [p.label for p in warm]
    assert all(one.confidence > other.confidence for one, other in zip(plain, warm, strict=True))


def test_what_was_learned_from_is_not_unlike(head, embedder, files):
    images = [Image.open(path).convert("RGB") for path in files]
    vectors = embedder.embed(np.stack([embedder.prepare(image) for image in images])).astype(np.float16)
    known = Classifier(head, embedder, CLASSES, trust(0.0, 1e-3, references=vectors[:1]))
    answers = known.predict(files)
    assert answers[0].reason == ""
    assert {answer.reason for answer in answers[1:]} == {"novel"}


def test_a_level_that_there_is_not_is_refused():
    with pytest.raises(InputError, match=r"level is 1\.5"):
        trust(level=1.5)


# --- bad files -------------------------------------------------------------------------------


def test_bad_files_are_refused_in_their_place_and_the_rest_predicted(classifier, files, tmp_path):
    html, empty, cut = tmp_path / "html.jpg", tmp_path / "empty.png", tmp_path / "cut.png"
    html.write_bytes(b"<html>")
    empty.write_bytes(b"")
    cut.write_bytes(picture(1)[:300])
    sources = [
        files[0],
        html,
        files[1],
        empty,
        tmp_path / "missing.png",
        b"no image",
        cut,
        tmp_path,
        files[2],
    ]
    results = list(classifier.predict_each(sources))
    assert [source for source, _ in results] == sources
    found = [str(result.reason) if isinstance(result, Unreadable) else result for _, result in results]
    good = classifier.predict(files[:3])
    assert [found[0], found[2], found[8]] == good
    assert found[1] == "not an image of a known format"
    assert found[3] == "the file is empty; if it is kept in a cloud, download it first"
    assert found[4] == "cannot be opened (No such file or directory)"
    assert found[5] == "not an image of a known format"
    assert found[6].startswith("damaged or cut short")
    assert isinstance(found[7], str)


def test_a_batch_of_nothing_but_bad_files_is_refused(classifier):
    results = list(classifier.predict_each([b"bad"] * 40))
    assert [type(result) for _, result in results] == [Unreadable] * 40


def test_a_name_that_cannot_be_a_path_is_refused(classifier, files):
    results = [result for _, result in classifier.predict_each(["with\0nul.png", "x" * 5000, files[0]])]
    assert [type(result) for result in results] == [Unreadable, Unreadable, Prediction]


def test_predict_names_the_image_that_cannot_be_decoded(classifier, files, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"bad")
    with pytest.raises(ImageError, match=r"bad\.png cannot be predicted: not an image"):
        classifier.predict([files[0], tmp_path / "bad.png"])
    with pytest.raises(ImageError, match="An image cannot be predicted: not an image"):
        classifier.predict([b"bad"])


# --- many images -----------------------------------------------------------------------------


def test_images_are_taken_a_few_batches_ahead_and_no_more(classifier, files):
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield files[taken % len(files)]

    results = classifier.predict_each(endless())
    assert taken == 0
    for _ in range(3):
        next(results)
    first = taken
    assert first <= 4 * classifier.embedder.batch_size
    for _ in range(2 * classifier.embedder.batch_size):
        next(results)
    assert first < taken <= first + 3 * classifier.embedder.batch_size
    results.close()


def test_an_error_of_the_generator_is_not_swallowed(classifier, files):
    def broken() -> Iterator[Path]:
        yield files[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        classifier.predict(broken())


# --- files -----------------------------------------------------------------------------------


@pytest.fixture
def folder(classifier, tmp_path) -> Path:
    path = tmp_path / "model"
    save_classifier(
        path,
        head=classifier.head,
        embedder=classifier.embedder,
        classes=CLASSES,
        trust=classifier.trust,
    )
    return path


def test_a_classifier_comes_back_from_its_folder(classifier, folder, files):
    again = load_classifier(folder)
    assert again.classes == CLASSES
    assert plain_values(again.trust.record) == plain_values(classifier.trust.record)
    assert again.embedder.fingerprint == classifier.embedder.fingerprint
    assert again.predict(files) == classifier.predict(files)
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "head.safetensors",
        "references.safetensors",
    ]


def test_probes_come_back_from_its_folder_and_add_to_the_novelty(classifier, tmp_path):
    vectors = np.random.default_rng(3).normal(size=(6, 128)).astype(np.float16)
    probes = Probes(weights=np.eye(2, 128, dtype=np.float32), offsets=np.array([0.5, -9], dtype=np.float32))
    probed = replace(classifier.trust, references=vectors, probes=probes)
    distances = replace(probed, probes=NO_PROBES).distances(vectors)
    expected = np.clip(vectors[:, 0].astype(np.float64) + 0.5, distances, 2)
    assert (expected > distances).any()
    assert probed.distances(vectors) == pytest.approx(expected)
    save_classifier(
        tmp_path / "probed",
        head=classifier.head,
        embedder=classifier.embedder,
        classes=CLASSES,
        trust=probed,
    )
    assert load_trust(tmp_path / "probed").distances(vectors).tolist() == probed.distances(vectors).tolist()


def test_a_folder_of_before_there_were_probes_has_none(folder):
    tensors = safetensors.numpy.load_file(folder / "references.safetensors")
    assert list(tensors) == ["vectors"]
    assert load_trust(folder).probes is NO_PROBES


@pytest.mark.parametrize(
    ("weights", "reason"),
    [(np.ones((2, 128)), "shapes"), (np.ones((1, 64)), "shapes"), (np.full((1, 128), np.nan), "finite")],
)
def test_damaged_probes_are_a_storage_error(folder, classifier, weights, reason):
    change_config(folder, digests=...)
    probes = Probes(weights=weights.astype(np.float32), offsets=np.zeros(1, dtype=np.float32))
    replace(classifier.trust, probes=probes).save(folder)
    with pytest.raises(StorageError, match=reason):
        load_trust(folder)


def test_a_level_that_is_chosen_stays_chosen(folder):
    set_level(folder, 0.9)
    assert load_trust(folder).level == load_classifier(folder).trust.level == 0.9
    with pytest.raises(InputError):
        set_level(folder, 2.0)
    assert load_trust(folder).level == 0.9


@pytest.mark.parametrize("damage", ["references", "trust", "format"])
def test_damaged_doubt_is_a_storage_error(folder, damage):
    config = json.loads((folder / "config.json").read_text())
    if damage == "references":
        (folder / "references.safetensors").write_bytes(b"no")
    elif damage == "trust":
        (folder / "config.json").write_text(json.dumps({**config, "trust": {}}))
    else:
        (folder / "config.json").write_text(json.dumps({**config, "format": 1}))
    for load in (load_classifier, load_trust):
        with pytest.raises(StorageError, match="train again"):
            load(folder)


def test_references_of_another_backbone_are_a_storage_error(folder, classifier):
    change_config(folder, digests=...)
    replace(classifier.trust, references=np.ones((2, 64), dtype=np.float16)).save(folder)
    with pytest.raises(StorageError, match="does not fit"):
        load_classifier(folder)


@pytest.fixture(scope="module")
def hidden(embedder) -> Classifier:
    """A classifier whose head has a hidden layer."""
    random = np.random.default_rng(1)
    head = HiddenHead(
        hidden_weight=random.normal(size=(16, 128)).astype(np.float32),
        hidden_bias=np.zeros(16, dtype=np.float32),
        weight=random.normal(size=(3, 16)).astype(np.float32),
        bias=np.zeros(3, dtype=np.float32),
        mean=np.zeros(128, dtype=np.float32),
        std=np.ones(128, dtype=np.float32),
    )
    return Classifier(head, embedder, CLASSES, trust())


def test_a_classifier_with_a_hidden_layer_comes_back_from_its_folder(hidden, files, tmp_path):
    save_classifier(
        tmp_path / "model", head=hidden.head, embedder=hidden.embedder, classes=CLASSES, trust=trust()
    )
    again = load_classifier(tmp_path / "model")
    assert type(again.head) is HiddenHead
    assert again.predict(files) == hidden.predict(files)


def test_a_hidden_head_of_another_backbone_is_a_storage_error(folder, hidden):
    head = hidden.head
    change_config(folder, digests=...)
    replace(head, hidden_weight=head.hidden_weight[:, :64], mean=head.mean[:64], std=head.std[:64]).save(
        folder / "head.safetensors"
    )
    with pytest.raises(StorageError, match="does not fit its config"):
        load_classifier(folder)


def test_the_answer_of_a_hidden_layer_does_not_depend_on_other_images(hidden):
    embeddings = np.random.default_rng(0).normal(size=(20, 128))
    together = hidden.from_embeddings(embeddings)
    assert together == [hidden.from_embeddings(embeddings[n : n + 1])[0] for n in range(20)]


def test_the_folder_around_it_does_as_well(folder, classifier, files):
    assert load_classifier(str(folder.parent)).predict(files[:2]) == classifier.predict(files[:2])


def test_a_folder_can_be_moved(folder, tmp_path, classifier, files):
    moved = tmp_path / "elsewhere"
    shutil.move(folder, moved)
    assert load_classifier(moved).predict(files[:2]) == classifier.predict(files[:2])


@pytest.mark.parametrize("missing", ["head.safetensors", "config.json", None])
def test_a_folder_without_a_classifier_is_not_found(folder, tmp_path, missing):
    if missing is None:
        folder = tmp_path / "empty"
        folder.mkdir()
    else:
        (folder / missing).unlink()
    with pytest.raises(NotFoundError, match="give the folder of a finished run"):
        load_classifier(folder)


def test_a_folder_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFoundError):
        load_classifier(tmp_path / "nope")


def change_config(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    config.update(values)
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not ...}))


def test_other_weights_than_in_training_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    change_config(folder, backbone={**config["backbone"], "weights_sha256": "00"})
    with pytest.raises(BackboneError, match=r"tiny\.safetensors here are not those of the training"):
        load_classifier(folder)


def test_weights_that_changed_on_the_disk_are_refused(tiny_backbone, head, tmp_path):
    weights = tmp_path / "weights.safetensors"
    shutil.copy(tiny_backbone, weights)
    embedder = Embedder(resolve_backbone(str(weights)), CPU)
    save_classifier(tmp_path / "model", head=head, embedder=embedder, classes=CLASSES, trust=trust())
    data = bytearray(weights.read_bytes())
    data[-1] ^= 0xFF
    weights.write_bytes(bytes(data))
    with pytest.raises(BackboneError, match="not those of the training"):
        load_classifier(tmp_path / "model")
    weights.unlink()
    with pytest.raises(BackboneError, match="no weights file"):
        load_classifier(tmp_path / "model")


@pytest.mark.parametrize(
    "content", ["", "{", "{}", "[]", '{"classes": ["a"]}', '{"backbone": null}', '{"backbone": {"id": 3}}']
)
def test_a_damaged_config_is_a_storage_error(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(StorageError):
        load_classifier(folder)


@pytest.mark.parametrize(
    "values", [{"trust": ...}, {"trust": "high"}, {"classes": 3}, {"classes": ["a", "b"]}]
)
def test_a_config_that_does_not_fit_is_a_storage_error(folder, values):
    change_config(folder, **values)
    with pytest.raises(StorageError):
        load_classifier(folder)


def test_the_classes_of_a_model_have_their_names_by_the_rule(folder):
    change_config(folder, classes=["Hu\u0308te  ", "b\x1b[2J", "c"])
    assert load_classifier(folder).classes == ("Hüte", "b\ufffd[2J", "c")
    change_config(folder, classes=["Hu\u0308te", "Hüte", "c"])
    with pytest.raises(StorageError, match="not all different"):
        load_classifier(folder)


def test_a_damaged_head_is_a_storage_error(folder):
    (folder / "head.safetensors").write_bytes(b"no head")
    with pytest.raises(StorageError, match=r"is damaged .*; train again"):
        load_classifier(folder)


def test_a_head_of_another_backbone_is_a_storage_error(folder, head):
    change_config(folder, digests=...)
    replace(
        head,
        weight=head.weight[:, :64],
        mean=head.mean[:64],
        std=head.std[:64],
    ).save(folder / "head.safetensors")
    with pytest.raises(StorageError, match="does not fit its config"):
        load_classifier(folder)


@pytest.mark.parametrize("name", ["head.safetensors", "references.safetensors"])
def test_arrays_that_are_not_those_of_then_are_refused(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1  # a number that is as good as any
    (folder / name).write_bytes(content)
    for load in (load_classifier, load_trust):
        with pytest.raises(StorageError, match=rf"is damaged \({name} is not what was saved\); train again"):
            load(folder)


def test_a_folder_of_before_there_were_digests_opens(folder, classifier, files):
    change_config(folder, digests=...)
    assert load_classifier(folder).predict(files[:3]) == classifier.predict(files[:3])


def _with(array: np.ndarray, value: float) -> np.ndarray:
    changed = array.copy()
    changed.flat[1] = value
    return changed


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("name", ["weight", "bias", "mean", "std"])
def test_a_head_that_answers_with_no_numbers_is_refused(folder, head, name, value):
    change_config(folder, digests=...)
    replace(head, **{name: _with(getattr(head, name), value)}).save(folder / "head.safetensors")
    with pytest.raises(StorageError, match="train again"):
        load_classifier(folder)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_head_that_turns_features_round_is_refused(folder, head, value):
    change_config(folder, digests=...)
    replace(head, std=_with(head.std, value)).save(folder / "head.safetensors")
    with pytest.raises(StorageError, match="a deviation is not above 0"):
        load_classifier(folder)


@pytest.mark.parametrize(
    "references",
    [
        np.full((2, 128), np.nan, dtype=np.float16),
        np.ones((2, 128), dtype=np.float32),
        np.ones((0, 128), dtype=np.float16),
        np.ones(128, dtype=np.float16),
    ],
)
def test_references_that_are_none_are_refused(folder, classifier, references):
    change_config(folder, digests=...)
    replace(classifier.trust, references=references).save(folder)
    for load in (load_classifier, load_trust):
        with pytest.raises(StorageError, match="train again"):
            load(folder)


@pytest.mark.parametrize("temperature", [-1.0, 0.0, 1e400, "warm", None, 1e-300])
def test_a_temperature_that_turns_answers_round_is_refused(folder, temperature):
    config = json.loads((folder / "config.json").read_text())
    change_config(folder, trust={**config["trust"], "temperature": temperature})
    with pytest.raises(StorageError, match="train again"):
        load_classifier(folder)


@pytest.mark.parametrize(
    "classes",
    [
        ["cat", "cat", "owl"],
        ["cat", "", "owl"],
        ["cat", " ", "owl"],
        ["cat", 3, "owl"],
        ["cat", "x" * 201, "o"],
    ],
)
def test_classes_that_have_no_names_of_their_own_are_refused(folder, classes):
    change_config(folder, classes=classes)
    with pytest.raises(StorageError, match="train again"):
        load_classifier(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"input_size": 1_000_000},
        {"input_size": 0},
        {"input_size": -160},
        {"input_size": 160.5},
        {"std": [0.5, 0.0, 0.5]},
        {"std": [0.5, -0.5, 0.5]},
        {"mean": [0.5, 0.5]},
    ],
)
def test_an_input_that_there_cannot_be_is_refused(folder, changes):
    backbone = json.loads((folder / "config.json").read_text())["backbone"]
    preprocessing = {**backbone["preprocessing"], **changes}
    change_config(folder, backbone={**backbone, "preprocessing": preprocessing})
    with pytest.raises(StorageError, match="train again"):
        load_classifier(folder)


@pytest.mark.parametrize("values", [{"precision": "fp8"}, {"engine": "magic"}, {"precision": "int8"}])
def test_a_precision_that_there_is_not_is_refused(folder, values):
    change_config(folder, **values)
    with pytest.raises(StorageError, match="train again"):
        load_classifier(folder)


@pytest.mark.parametrize(("trained", "works"), [("fp32", "fp32"), ("bf16", "bf16"), ("fp16", "fp32")])
def test_a_classifier_works_in_the_precision_of_its_training_where_it_can(folder, trained, works):
    change_config(folder, precision=trained)
    assert load_classifier(folder, device="cpu").embedder.device.precision == works


def test_a_device_that_is_not_here_is_refused(folder):
    with pytest.raises(DeviceError, match="is not here"):
        load_classifier(folder, device="tpu")


def test_a_classifier_prepares_and_reads_as_in_its_training_whatever_the_catalogue_says(
    tiny_backbone, head, tmp_path
):
    usual = resolve_backbone(tiny_backbone)
    preprocessing = replace(usual.spec.preprocessing, mean=(0.1, 0.2, 0.3))
    spec = replace(usual.spec, preprocessing=preprocessing, reading=Reading(blocks=(3,)))
    embedder = Embedder(replace(usual, spec=spec), CPU)
    save_classifier(tmp_path / "model", head=head, embedder=embedder, classes=CLASSES, trust=trust())
    assert load_classifier(tmp_path / "model").embedder.fingerprint == embedder.fingerprint


@pytest.mark.parametrize(
    "reading", [{"blocks": [3, 6]}, {"blocks": [7]}, {"spread": [6], "own_pooling": True}]
)
def test_a_reading_that_does_not_fit_the_network_is_refused(folder, reading):
    config = json.loads((folder / "config.json").read_text())
    change_config(folder, backbone={**config["backbone"], "reading": reading})
    with pytest.raises(BackboneError, match="train again"):
        load_classifier(folder).predict([encoded(photo(20, 20))])


def test_an_input_size_other_than_usual_is_kept(tiny_backbone, head, tmp_path):
    embedder = Embedder(resolve_backbone(tiny_backbone, 192), CPU)
    save_classifier(tmp_path / "model", head=head, embedder=embedder, classes=CLASSES, trust=trust())
    assert load_classifier(tmp_path / "model").embedder.fingerprint == embedder.fingerprint


def test_a_classifier_is_not_written_over_another(folder, classifier):
    with pytest.raises(FileExistsError):
        save_classifier(
            folder, head=classifier.head, embedder=classifier.embedder, classes=CLASSES, trust=trust()
        )


@pytest.mark.parametrize("count", [1, 3, 16, 17, 40])
def test_an_answer_does_not_depend_on_the_others(head, embedder, count):
    random = np.random.default_rng(3)
    probes = Probes(
        weights=random.normal(size=(4, 128)).astype(np.float32), offsets=np.zeros(4, dtype=np.float32)
    )
    references = random.normal(size=(50, 128)).astype(np.float16)
    classifier = Classifier(head, embedder, CLASSES, replace(trust(), references=references, probes=probes))
    vectors = random.normal(size=(count, 128)).astype(np.float32)
    alone = [classifier.from_embeddings(vectors[[place]])[0] for place in range(count)]
    assert classifier.from_embeddings(vectors) == alone
    assert classifier.from_embeddings(vectors[::-1]) == alone[::-1]
