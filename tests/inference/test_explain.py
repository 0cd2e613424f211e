"""What in an image speaks for a class, and whether the answers depend on it."""

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import nn

from tests._pictures import encoded, photo
from vitcore.backbone import CATALOGUE, Device, Embedder, resolve_backbone
from vitcore.errors import ImageError, InputError
from vitcore.evaluation import DoubtRule
from vitcore.inference import DELETED, Classifier, Deletion, Trust, deletion_test, explain, heatmap
from vitcore.inference import _deletion as deletion_module
from vitcore.training import Head, HiddenHead, LinearHead, softmax

CPU = Device("cpu", "CPU", "fp32")
CLASSES = ("cat", "dog", "owl")
TEMPERATURE = 0.7
SPOT = (2, 7)  # row and column of the patch that differs from all others


def floats(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(0, scale, shape).astype(np.float32)


def linear(dimension: int) -> LinearHead:
    """With a standardisation that matters."""
    std = np.exp(floats(dimension, seed=1)).clip(0.2, 5)
    return LinearHead(
        weight=floats(3, dimension, scale=0.3),
        bias=floats(3, seed=2),
        mean=floats(dimension, seed=3),
        std=std,
    )


def hidden(dimension: int, *, base: float = 0.0) -> HiddenHead:
    """The hidden units stand at `base`, give or take, for an average embedding."""
    plain = linear(dimension)
    return HiddenHead(
        hidden_weight=floats(16, dimension, scale=0.2),
        hidden_bias=base + floats(16, seed=4),
        weight=floats(3, 16, seed=5),
        bias=plain.bias,
        mean=plain.mean,
        std=plain.std,
    )


def classifier_of(head: Head, embedder: Embedder) -> Classifier:
    rule = DoubtRule(masses=(0.6, 0.6), distances=(2.0, 2.0))
    references = np.ones((2, embedder.dimension), dtype=np.float16)
    return Classifier(
        head, embedder, CLASSES, Trust(temperature=TEMPERATURE, rule=rule, level=0.5, references=references)
    )


class Given(Embedder):
    """With a network of the test's own."""

    def __init__(self, backbone, device, network: nn.Module) -> None:
        super().__init__(backbone, device)
        self._given = network.eval().requires_grad_(requires_grad=False)

    @property
    def network(self) -> nn.Module:
        return self._given


def narrow(backbone: str, base: Embedder, device: Device = CPU, **options: object) -> Embedder:
    """A catalogue entry with its own architecture and blocks, but random weights and 64 wide."""
    import timm

    spec, size = CATALOGUE[backbone], 112
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model(
            spec.architecture, num_classes=0, img_size=size, embed_dim=64, num_heads=4, **options
        )
        for module in model.modules():
            if isinstance(module, nn.LayerNorm) and module.elementwise_affine:
                nn.init.normal_(module.weight, 1, 0.3)
                nn.init.normal_(module.bias, 0, 0.3)
    has_class_token = getattr(model, "cls_token", None) is not None
    spec = replace(
        spec,
        embedding_dimension=spec.reading.numbers(64, class_token=has_class_token),
        preprocessing=replace(spec.preprocessing, input_size=size),
    )
    return Given(replace(base.backbone, spec=spec), device, model)


@pytest.fixture(scope="module")
def embedder(tiny_backbone) -> Embedder:
    return Embedder(resolve_backbone(tiny_backbone), CPU)


@pytest.fixture(scope="module")
def local(tiny_backbone) -> Embedder:
    """A network without attention: what a token is depends on the pixels of its patch alone."""
    embedder = Embedder(resolve_backbone(tiny_backbone), CPU)
    model: Any = copy.deepcopy(embedder.network)  # the other is everybody's
    for block in model.blocks:
        for layer in (block.attn.proj, block.mlp.fc2):
            layer.weight.zero_()
            layer.bias.zero_()
    model.pos_embed.zero_()
    return Given(embedder.backbone, CPU, model)


@pytest.fixture
def plain(embedder) -> Classifier:
    return classifier_of(linear(128), embedder)


def total(explanation) -> np.ndarray:
    return explanation.patches.sum(axis=(1, 2)) + explanation.unplaced + explanation.bias


def logits_of(classifier: Classifier, image: Image.Image) -> np.ndarray:
    pixels = classifier.embedder.prepare(image)[np.newaxis]
    return classifier.head.logits(classifier.embedder.embed(pixels))[0]


# --- the sum ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [linear, hidden])
@pytest.mark.parametrize("backbone", [name for name, spec in CATALOGUE.items() if spec.reading.blocks])
def test_the_scores_add_up_to_the_logit_for_every_backbone(backbone, make, embedder):
    shrunk = narrow(backbone, embedder)
    classifier = classifier_of(make(shrunk.dimension), shrunk)
    for size in ((150, 90), (70, 200), (112, 112)):
        explanation = explain(classifier, encoded(photo(*size)))
        logits = logits_of(classifier, photo(*size))
        assert np.ptp(logits) > 0.1
        assert np.abs(explanation.logits - logits).max() < 1e-5
        assert np.abs(total(explanation) - logits).max() < 1e-4
        rows = 112 // shrunk.network.patch_embed.patch_size[0]
        assert explanation.patches.shape == (3, rows, rows)


def test_the_stand_ins_have_what_makes_a_difference(embedder):
    found = {}
    for name, spec in CATALOGUE.items():
        shrunk = narrow(name, embedder)
        tokens = shrunk.tokens(np.zeros((1, 112, 112, 3), dtype=np.uint8))
        found[name] = (
            spec.reading.spread != (),
            tokens[0].pooling == "class token",
            shrunk.network.num_prefix_tokens,
        )
    assert {(True, True, 1), (False, True, 1), (False, True, 2), (False, True, 5)} <= set(found.values())


@pytest.mark.parametrize("registers", [0, 3])
def test_registers_of_a_plain_network_have_no_share(registers, embedder):
    shrunk = narrow("embedded", embedder, reg_tokens=registers)
    classifier = classifier_of(linear(shrunk.dimension), shrunk)
    assert shrunk.network.num_prefix_tokens == 1 + registers
    explanation = explain(classifier, encoded(photo(150, 90)))
    assert np.abs(total(explanation) - logits_of(classifier, photo(150, 90))).max() < 1e-4


def test_the_scores_add_up_in_bf16_as_well(embedder):
    shrunk = narrow("embedded", embedder, Device("cpu", "CPU", "bf16"))
    classifier = classifier_of(linear(shrunk.dimension), shrunk)
    explanation = explain(classifier, encoded(photo(150, 90)))
    assert np.abs(total(explanation) - logits_of(classifier, photo(150, 90))).max() < 1e-4


@pytest.mark.parametrize(
    "backbone", ["vit_base_patch16_siglip_224.v2_webli", "vit_pe_core_tiny_patch16_384.fb"]
)
def test_a_backbone_that_pools_by_attention_makes_no_map(backbone, embedder):
    shrunk = narrow(backbone, embedder)
    classifier = classifier_of(linear(shrunk.dimension), shrunk)
    explanation = explain(classifier, encoded(photo(150, 120)))
    assert np.abs(total(explanation) - logits_of(classifier, photo(150, 120))).max() < 1e-4
    with pytest.raises(InputError, match="There is no map"):
        heatmap(explanation, photo(150, 120), "cat")
    with pytest.raises(InputError, match="no map to test"):
        deletion_test(classifier, [encoded(photo(150, 120))])


@pytest.mark.parametrize("make", [linear, hidden])
def test_the_bias_is_the_logit_of_the_average_embedding(make, embedder):
    head = make(128)
    explanation = explain(classifier_of(head, embedder), encoded(photo(150, 90)))
    assert explanation.bias == pytest.approx(head.logits(head.mean[np.newaxis])[0], abs=1e-5)


def test_the_score_of_a_patch_is_what_the_head_makes_of_its_token(plain):
    pixels = plain.embedder.prepare(photo(150, 90))[np.newaxis]
    [(_, class_token), (_, patches)] = plain.embedder.tokens(pixels)
    head = plain.head
    explanation = explain(plain, encoded(photo(150, 90)))
    standard = (patches[0].numpy() - head.mean[64:]) / head.std[64:]  # (P, W)
    expected = (standard @ head.weight[:, 64:].T / 100).T.reshape(3, 10, 10)
    assert explanation.patches == pytest.approx(expected, abs=1e-5)
    standard = (class_token[0].numpy() - head.mean[:64]) / head.std[:64]
    assert explanation.unplaced == pytest.approx(head.weight[:, :64] @ standard, abs=1e-5)


# --- the answer ------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [linear, hidden])
def test_what_is_explained_is_what_was_predicted(make, embedder):
    classifier = classifier_of(make(128), embedder)
    images = [encoded(photo(90, 90, seed)) for seed in range(8)]
    explanations = [explain(classifier, image) for image in images]
    for explanation, prediction in zip(explanations, classifier.predict(images), strict=True):
        ours = softmax(explanation.logits / TEMPERATURE)
        assert CLASSES[ours.argmax()] == prediction.label
        # Predictions come from embeddings that were rounded to float16.
        assert ours.max() == pytest.approx(prediction.confidence, abs=2e-3)
    assert len({prediction.label for prediction in classifier.predict(images)}) > 1


def test_some_classes_can_be_explained_in_any_order(plain):
    image = encoded(photo(150, 90))
    everything, some = explain(plain, image), explain(plain, image, classes=["owl", "cat"])
    assert everything.classes == CLASSES
    assert some.classes == ("owl", "cat")
    for name in ("logits", "patches", "unplaced", "bias"):
        assert np.array_equal(getattr(some, name), getattr(everything, name)[[2, 0]])


def test_a_class_that_there_is_not_is_refused(plain):
    with pytest.raises(InputError, match="no class 'cow'; choose one of cat, dog and owl"):
        explain(plain, encoded(photo(150, 90)), classes=["cat", "cow"])


@pytest.mark.parametrize("bad", [b"no image", "missing.png", "with\0nul.png"])
def test_what_is_no_image_is_refused(plain, bad):
    with pytest.raises(ImageError):
        explain(plain, bad)


def test_a_path_and_its_bytes_are_the_same_image(plain, tmp_path: Path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo(150, 90)))
    from_path, from_text, from_bytes = (explain(plain, each) for each in (path, str(path), path.read_bytes()))
    assert np.array_equal(from_path.patches, from_bytes.patches)
    assert np.array_equal(from_text.patches, from_bytes.patches)


# --- a hidden layer --------------------------------------------------------------------------


def test_only_a_linear_head_is_split_exactly(embedder):
    image = encoded(photo(150, 90))
    assert explain(classifier_of(linear(128), embedder), image).exact
    assert not explain(classifier_of(hidden(128), embedder), image).exact


def test_a_hidden_layer_that_is_nearly_linear_is_split_like_a_linear_one(embedder):
    head = hidden(128, base=60)  # where GELU lets everything through
    same = LinearHead(
        weight=head.weight @ head.hidden_weight,
        bias=head.bias + head.weight @ head.hidden_bias,
        mean=head.mean,
        std=head.std,
    )
    image = encoded(photo(150, 90))
    ours, expected = (explain(classifier_of(each, embedder), image) for each in (head, same))
    assert ours.patches == pytest.approx(expected.patches, abs=1e-4)
    assert ours.unplaced == pytest.approx(expected.unplaced, abs=1e-3)


def test_a_hidden_unit_that_nothing_moves_does_no_harm(embedder):
    head = hidden(128)
    head.hidden_weight[3] = 0
    classifier = classifier_of(head, embedder)
    explanation = explain(classifier, encoded(photo(150, 90)))
    assert np.abs(total(explanation) - logits_of(classifier, photo(150, 90))).max() < 1e-4


# --- the place -------------------------------------------------------------------------------


def spotted(width: int, height: int) -> Image.Image:
    """Grey, with one patch of the centred square of 160 pixels in another colour."""
    image = Image.new("RGB", (width, height), (90, 90, 90))
    left, top = (width - 160) // 2 + 16 * SPOT[1], (height - 160) // 2 + 16 * SPOT[0]
    image.paste((255, 240, 20), (left, top, left + 16, top + 16))
    return image


@pytest.mark.parametrize("size", [(160, 160), (230, 160), (160, 230)])
def test_a_patch_has_its_score_in_its_place(local, size):
    explanation = explain(classifier_of(linear(128), local), encoded(spotted(*size)))
    for scores in explanation.patches:  # (rows, columns)
        others = scores.copy()
        others[SPOT] = scores[0, 0]
        assert np.ptp(others) < 1e-9
        assert abs(scores[SPOT] - scores[0, 0]) > 1e-3


@pytest.mark.parametrize(
    ("size", "square", "strips"),
    [
        ((300, 200), (1 / 6, 0, 5 / 6, 1), 1),
        ((100, 130), (0, 15 / 130, 1, 115 / 130), 1),
        ((160, 160), (0, 0, 1, 1), 1),
        ((200, 100), (0, 0, 1, 1), 1),
        ((1001, 100), (0, 0, 1000 / 1001, 1), 4),
    ],
)
def test_the_square_is_what_the_backbone_saw(plain, size, square, strips):
    explanation = explain(plain, encoded(photo(*size)))
    assert explanation.square == pytest.approx(square)
    assert explanation.strips == strips


@pytest.mark.parametrize("tall", [False, True])
def test_a_spot_in_a_long_photo_is_painted_where_it_lies(local, tall):
    image = Image.new("RGB", (1440, 160), (90, 90, 90))  # three strips of 480 × 160
    image.paste((255, 240, 20), (1200, 40, 1280, 120))
    image = image.transpose(Image.Transpose.TRANSPOSE) if tall else image
    explanation = explain(classifier_of(linear(128), local), encoded(image))
    scores = explanation.patches - explanation.patches[:, :1, :1]  # only the spot is left
    picture = np.asarray(heatmap(replace(explanation, patches=scores), image, "cat", size=1440)).astype(int)
    coloured = np.argwhere(np.ptp(picture, axis=2) > 60)
    centre = coloured.mean(axis=0)[::-1] if not tall else coloured.mean(axis=0)
    assert centre == pytest.approx([1240, 80], abs=40)


def test_the_scores_of_a_pair_add_up_and_lie_on_the_patches_of_the_first(embedder):
    first, second = narrow("embedded", embedder), embedder

    class Pair(Embedder):
        def __init__(self) -> None:
            spec = replace(
                first.backbone.spec,
                embedding_dimension=first.dimension + second.dimension,
                parts=(first.backbone.spec, second.backbone.spec),
            )
            super().__init__(replace(first.backbone, spec=spec), CPU)
            self._parts = (first, second)

    pair = Pair()
    explanation = explain(classifier_of(linear(pair.dimension), pair), encoded(photo(150, 120)))
    logits = logits_of(classifier_of(linear(pair.dimension), pair), photo(150, 120))
    assert explanation.patches.shape == (3, 8, 8)
    assert np.abs(total(explanation) - logits).max() < 1e-4


def test_the_square_is_that_of_the_upright_image(plain):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    lying = encoded(photo(300, 200), "JPEG", exif=exif)
    assert explain(plain, lying).square == pytest.approx((0, 1 / 6, 1, 5 / 6))


def test_the_square_of_a_large_photo_does_not_depend_on_how_it_is_decoded(plain):
    large = photo(1003, 751)  # a JPEG of that size is decoded at half of it
    shares = (126 / 1003, 0, 877 / 1003, 1)
    for kind in ("JPEG", "PNG"):
        assert explain(plain, encoded(large, kind)).square == pytest.approx(shares, abs=2e-3)


# --- the picture -----------------------------------------------------------------------------


@pytest.fixture
def painted(plain) -> np.ndarray:
    """A heatmap, with what is for the class at the left and what is against it at the right: (H, W, 3)."""
    scores = np.zeros((1, 10, 10))
    scores[0, :, :3], scores[0, :, 7:] = 0.5, -0.25
    explanation = explain(plain, encoded(photo(300, 200)), classes=["dog"])
    picture = heatmap(replace(explanation, patches=scores), photo(300, 200), "dog", size=600)
    return np.asarray(picture).astype(int)


def test_a_heatmap_has_the_shape_of_the_picture(painted):
    assert painted.shape == (400, 600, 3)


def test_orange_is_for_the_class_and_blue_against_it(painted):
    (red, _, blue), (less_red, _, more_blue) = painted[200, 120], painted[200, 480]
    assert red > blue + 80
    assert more_blue > less_red + 20
    # Half as strong, half as opaque.
    assert red - blue > 1.5 * (more_blue - less_red)


def test_a_score_near_zero_leaves_the_picture_as_it_is(painted):
    middle = painted[:, 280:320]
    assert (np.ptp(middle, axis=2) == 0).all()
    expected = np.asarray(photo(300, 200).resize((600, 400), Image.Resampling.LANCZOS).convert("L"))
    assert np.corrcoef(middle[..., 0].ravel(), expected[:, 280:320].ravel())[0, 1] > 0.999


def test_what_was_not_seen_is_faded(painted):
    outside = np.concatenate([painted[:, :100], painted[:, 500:]], axis=1)
    assert (np.ptp(outside, axis=2) == 0).all()
    assert outside.min() > 170
    assert painted[:, 280:320].min() < 130


def test_a_spot_is_painted_where_it_lies_in_the_picture(local):
    image = spotted(230, 160)
    explanation = explain(classifier_of(linear(128), local), encoded(image))
    scores = explanation.patches - explanation.patches[:, :1, :1]  # only the spot is left
    picture = np.asarray(heatmap(replace(explanation, patches=scores), image, "cat", size=230)).astype(int)
    coloured = np.argwhere(np.ptp(picture, axis=2) > 60)
    assert coloured.mean(axis=0) == pytest.approx([16 * 2 + 8, 35 + 16 * 7 + 8], abs=1)


def test_the_picture_may_have_another_size_than_the_one_explained(plain):
    explanation = explain(plain, encoded(photo(300, 200)))
    small, large = photo(300, 200), photo(300, 200).resize((1200, 800))
    one, other = (np.asarray(heatmap(explanation, each, "cat", size=300)) for each in (small, large))
    assert one.shape == other.shape
    assert np.abs(one.astype(int) - other.astype(int)).mean() < 3


def test_a_map_of_nothing_has_no_colours(plain):
    explanation = explain(plain, encoded(photo(160, 160)))
    nothing = replace(explanation, patches=np.zeros_like(explanation.patches))
    assert (np.ptp(np.asarray(heatmap(nothing, photo(160, 160), "cat")), axis=2) == 0).all()


def test_only_what_was_explained_can_be_painted(plain):
    explanation = explain(plain, encoded(photo(160, 160)), classes=["cat"])
    with pytest.raises(InputError, match="no class 'dog'; choose one of cat"):
        heatmap(explanation, photo(160, 160), "dog")


# --- whether the answers depend on it --------------------------------------------------------


@pytest.fixture(scope="module")
def images() -> list[bytes]:
    """Grey noise, a quarter of it yellow: that is what the classes differ in."""
    files = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        pixels = random.integers(70, 110, (160, 160, 3), dtype=np.uint8)
        top, left = random.integers(0, 6, 2) * 16
        pixels[top : top + 80, left : left + 80] = (255, 240, 20)
        files.append(encoded(Image.fromarray(pixels)))
    return files


@pytest.fixture(scope="module")
def seeing(local) -> Classifier:
    """Takes yellow for a cat; reads the patches alone."""

    def mean_token(colour: tuple[int, int, int]) -> np.ndarray:
        return local.embed(np.full((1, 160, 160, 3), colour, dtype=np.uint8))[0, 64:]

    yellow, grey = mean_token((255, 240, 20)), mean_token((90, 90, 90))
    weight = np.zeros((3, 128), dtype=np.float32)
    weight[0, 64:] = (yellow - grey) / np.sum((yellow - grey) ** 2) * 12
    mean = np.concatenate([np.zeros(64, dtype=np.float32), grey])
    head = LinearHead(
        weight=weight, bias=np.zeros(3, dtype=np.float32), mean=mean, std=np.ones(128, dtype=np.float32)
    )
    return classifier_of(head, local)


@pytest.fixture(scope="module")
def found(seeing, images) -> Deletion:
    return deletion_test(seeing, images)


def test_patches_that_count_are_found(found, seeing, images):
    assert found.images == 8
    assert found.shares.tolist() == [0, *DELETED, 1]
    assert found.reliable
    assert 0 < found.low < found.area < found.high
    assert (found.top[1:-1] < found.random[1:-1]).all()
    whole, gone = found.top[[0, -1]]
    assert (whole, gone) == (found.random[0], found.random[-1])
    confidences = [prediction.confidence for prediction in seeing.predict(images)]
    assert whole == pytest.approx(np.mean(confidences), abs=2e-3)


def test_the_area_lies_between_the_curves(found):
    difference = found.random - found.top
    trapezia = np.diff(found.shares) * (difference[1:] + difference[:-1]) / 2
    assert found.area == pytest.approx(trapezia.sum())


def test_the_interval_is_that_of_student(found, seeing, images):
    random = np.random.default_rng(0)
    areas = [
        np.trapezoid(np.subtract(*deletion_module._curves(seeing, image, random)[::-1]), [0, *DELETED, 1])
        for image in images
    ]
    expected = stats.t.interval(0.95, 7, loc=np.mean(areas), scale=stats.sem(areas))
    assert (found.low, found.high) == pytest.approx(expected)


def test_maps_that_show_the_opposite_are_not_reliable(seeing, images, monkeypatch):
    def upside_down(*arguments):
        explanation = explain(*arguments)
        return replace(explanation, patches=-explanation.patches)

    monkeypatch.setattr(deletion_module, "explain", upside_down)
    wrong = deletion_test(seeing, images)
    assert wrong.high < 0
    assert not wrong.reliable


def test_one_image_does_not_tell(seeing, images):
    single = deletion_test(seeing, images[:1])
    assert single.area > 0
    assert math.isnan(single.low)
    assert math.isnan(single.high)
    assert not single.reliable


def test_the_same_seed_draws_the_same_patches(seeing, images):
    first, again, other = (deletion_test(seeing, images[:2], seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.random, again.random)
    assert not np.array_equal(first.random, other.random)
    assert np.array_equal(first.top, other.top)


def test_a_patch_is_taken_out_by_the_mean_colour_of_the_image():
    pixels = np.zeros((160, 160, 3), dtype=np.uint8)
    pixels[:80] = (200, 100, 40)
    damaged = deletion_module._without(pixels, np.array([0, 15]), (10, 10))
    changed = np.zeros((160, 160), dtype=bool)
    changed[:16, :16] = changed[16:32, 80:96] = True
    assert (damaged[changed] == (100, 50, 20)).all()
    assert np.array_equal(damaged[~changed], pixels[~changed])


def test_without_images_there_is_no_test(seeing):
    with pytest.raises(InputError, match="no images"):
        deletion_test(seeing, iter(()))
