"""Metrics, against scikit-learn and by hand."""

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn import metrics as sklearn
from sklearn.calibration import calibration_curve

from vitcore.errors import InputError
from vitcore.evaluation import (
    accuracy,
    balanced_accuracy,
    cohen_kappa,
    confusion_matrix,
    expected_calibration_error,
    log_loss,
    macro_f1,
    precision_recall_f1,
    top_3_accuracy,
)

Labels = np.ndarray


def random_case(seed: int) -> tuple[Labels, Labels, int]:
    random = np.random.default_rng(seed)
    classes, count = int(random.integers(2, 12)), int(random.integers(2, 200))
    true = random.integers(0, classes, count)
    right = random.random(count) < random.random()
    return true, np.where(right, true, random.integers(0, classes, count)), classes


def case(true: list[int], predicted: list[int], classes: int) -> tuple[Labels, Labels, int]:
    return np.array(true), np.array(predicted), classes


CASES = [
    *[pytest.param(random_case(seed), id=f"random {seed}") for seed in range(40)],
    pytest.param(case([0, 1, 2, 1], [1, 1, 1, 1], 3), id="one class predicted"),
    pytest.param(case([0, 0, 0], [0, 1, 2], 3), id="one class true"),
    pytest.param(case([1, 1, 1], [1, 1, 1], 3), id="one class throughout"),
    pytest.param(case([0, 2, 2, 0], [0, 2, 0, 0], 3), id="a class absent"),
    pytest.param(case([0, 2, 2, 0], [0, 1, 1, 0], 3), id="a class predicted that is absent"),
    pytest.param(case([0, 1], [0, 1], 2), id="two images, right"),
    pytest.param(case([0, 1], [1, 0], 2), id="two images, wrong"),
    pytest.param(case([0, 1], [0, 0], 2), id="two images, half"),
    pytest.param(case([1], [1], 2), id="one image, right"),
    pytest.param(case([1], [0], 2), id="one image, wrong"),
    pytest.param(case([0, 1, 2, 3] * 5, [0, 1, 2, 3] * 5, 4), id="all right"),
    pytest.param(case([0, 1, 2, 3] * 5, [1, 2, 3, 0] * 5, 4), id="all wrong"),
    pytest.param(case([0] * 99 + [1], [0] * 100, 2), id="very uneven"),
]


@pytest.fixture
def lenient() -> Iterator[None]:
    """scikit-learn warns of what is not defined; here it is a case like any other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def confusion(given: tuple[Labels, Labels, int]) -> np.ndarray:
    return confusion_matrix(*given)


@pytest.mark.parametrize("given", CASES)
def test_the_confusion_matrix_is_that_of_scikit_learn(given):
    true, predicted, classes = given
    found = confusion_matrix(true, predicted, classes)
    assert found.dtype == np.int64
    assert np.array_equal(found, sklearn.confusion_matrix(true, predicted, labels=range(classes)))


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("given", CASES)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (accuracy, sklearn.accuracy_score),
        (balanced_accuracy, sklearn.balanced_accuracy_score),
        (cohen_kappa, sklearn.cohen_kappa_score),
        (
            macro_f1,
            lambda true, predicted: sklearn.f1_score(true, predicted, average="macro", zero_division=0),
        ),
    ],
    ids=["accuracy", "balanced_accuracy", "cohen_kappa", "macro_f1"],
)
def test_figures_are_those_of_scikit_learn(given, ours, theirs):
    expected = theirs(given[0], given[1])
    found = ours(confusion(given))
    assert isinstance(found, float)
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("given", CASES)
def test_no_figure_warns(given):
    matrix = confusion(given)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for metric in (accuracy, balanced_accuracy, cohen_kappa, macro_f1, precision_recall_f1):
            metric(matrix)
    assert caught == []


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("given", CASES)
def test_figures_per_class_are_those_of_scikit_learn(given):
    true, predicted, classes = given
    expected = sklearn.precision_recall_fscore_support(
        true, predicted, labels=range(classes), zero_division=0
    )
    for ours, theirs in zip(precision_recall_f1(confusion(given)), expected, strict=False):
        assert ours == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_the_log_loss_is_that_of_scikit_learn(seed):
    random = np.random.default_rng(seed)
    classes, count = int(random.integers(2, 8)), int(random.integers(1, 100))
    probabilities = random.dirichlet(np.full(classes, 0.3), count)
    true = random.integers(0, classes, count)
    expected = sklearn.log_loss(true, probabilities, labels=range(classes))
    assert log_loss(true, probabilities) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("true", "probabilities"),
    [
        ([0, 1], [[1.0, 0.0], [0.0, 1.0]]),
        ([0, 1], [[0.0, 1.0], [1.0, 0.0]]),
        ([0, 0], [[0.5, 0.5], [0.0, 1.0]]),
        ([1, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]),
    ],
)
def test_the_log_loss_of_certainty_is_that_of_scikit_learn(true, probabilities):
    expected = sklearn.log_loss(true, probabilities, labels=[0, 1])
    assert log_loss(np.array(true), np.array(probabilities)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_the_top_3_accuracy_is_that_of_scikit_learn(seed):
    random = np.random.default_rng(seed)
    classes, count = int(random.integers(4, 12)), int(random.integers(2, 200))
    probabilities = random.dirichlet(np.full(classes, 0.3), count)
    true = random.integers(0, classes, count)
    expected = sklearn.top_k_accuracy_score(true, probabilities, k=3, labels=range(classes))
    assert top_3_accuracy(true, probabilities) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("true", "probabilities"),
    [
        pytest.param([0, 1, 2, 3], np.tile([0.7, 0.1, 0.15, 0.05], (4, 1)), id="one class predicted"),
        pytest.param([0, 2, 2, 0], np.tile([0.1, 0.2, 0.3, 0.4], (4, 1)), id="a class absent"),
        pytest.param([0, 3], [[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]], id="two images"),
        pytest.param([0, 1, 2, 3, 4] * 3, np.full((15, 5), 0.2), id="all classes equally probable"),
        pytest.param([0, 1, 2, 3, 4] * 3, np.eye(5)[[0] * 15], id="certain of one class"),
    ],
)
def test_the_top_3_accuracy_of_degenerate_sets_is_that_of_scikit_learn(true, probabilities):
    true, probabilities = np.array(true), np.array(probabilities)
    classes = probabilities.shape[1]
    # Of equally probable classes scikit-learn takes the last ones, and the prediction is the first.
    expected = sklearn.top_k_accuracy_score(
        classes - 1 - true, probabilities[:, ::-1], k=3, labels=range(classes)
    )
    assert top_3_accuracy(true, probabilities) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_of_three_classes_all_are_among_the_top_3(classes):
    assert top_3_accuracy(np.arange(classes), np.eye(classes)[[0] * classes]) == 1


def test_guessing_has_a_log_loss_of_ln_c():
    assert log_loss(np.array([0, 3, 1]), np.full((3, 4), 0.25)) == pytest.approx(np.log(4))


def test_a_confusion_matrix_has_the_true_classes_as_rows():
    assert confusion_matrix(np.array([0, 0, 1]), np.array([1, 1, 1]), 2).tolist() == [[0, 2], [0, 1]]


def test_cohen_kappa_by_hand():
    # The example of Cohen's coefficient in most textbooks: 0.7 observed, 0.5 by chance.
    assert cohen_kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)


def test_precision_recall_and_f1_by_hand():
    precision, recall, f1 = precision_recall_f1(np.array([[3, 1, 0], [1, 4, 0], [0, 1, 0]]))
    assert precision.tolist() == pytest.approx([3 / 4, 4 / 6, 0])
    assert recall.tolist() == pytest.approx([3 / 4, 4 / 5, 0])
    assert f1.tolist() == pytest.approx([3 / 4, 8 / 11, 0])


@pytest.mark.parametrize("metric", [accuracy, balanced_accuracy, cohen_kappa, macro_f1])
def test_without_images_no_figure_is_defined(metric):
    assert np.isnan(metric(np.zeros((3, 3), dtype=np.int64)))


def test_without_images_no_figure_of_probabilities_is_defined():
    nothing, none = np.array([], dtype=np.int64), np.empty((0, 3))
    assert np.isnan(log_loss(nothing, none))
    assert np.isnan(top_3_accuracy(nothing, none))
    assert np.isnan(expected_calibration_error(nothing, none))
    assert confusion_matrix(nothing, nothing, 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("true", "predicted"),
    [([0, 1], [0]), ([0, 3], [0, 1]), ([0, 1], [0, -1]), ([[0, 1]], [[0, 1]])],
)
def test_labels_that_make_no_confusion_matrix_are_refused(true, predicted):
    with pytest.raises(InputError):
        confusion_matrix(np.array(true), np.array(predicted), 3)


# --- calibration -----------------------------------------------------------------------------


def two_classes(confidence: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of predictions of class 0 or, when wrong, of it as well."""
    probabilities = np.array([[value, 1 - value] for value in confidence])
    return np.array([0 if hit else 1 for hit in right]), probabilities


def test_the_calibration_error_by_hand():
    # Two bins of two: confidence 0.6 with one of two right, 0.9 with both right.
    true, probabilities = two_classes([0.9, 0.55, 0.9, 0.65], [True, False, True, True])
    expected = (2 * abs(0.5 - 0.6) + 2 * abs(1.0 - 0.9)) / 4
    assert expected_calibration_error(true, probabilities, bins=2) == pytest.approx(expected)


@pytest.mark.parametrize("power", [0.8, 1, 1.2])  # so that bins differ in which of the two is higher
def test_the_calibration_error_has_the_ten_quantile_bins_of_scikit_learn(power):
    random = np.random.default_rng(5)
    honest = random.dirichlet(np.ones(4), 1000)
    true = (random.random((1000, 1)) > honest.cumsum(axis=1)).sum(axis=1).clip(0, 3)
    probabilities = honest**power / (honest**power).sum(axis=1, keepdims=True)
    right = probabilities.argmax(axis=1) == true
    shares, confidences = calibration_curve(right, probabilities.max(axis=1), n_bins=10, strategy="quantile")
    expected = np.abs(shares - confidences).mean()  # 100 images in each of the bins
    assert expected_calibration_error(true, probabilities) == pytest.approx(expected, abs=1e-12)


def test_certain_and_right_is_perfectly_calibrated():
    true, probabilities = two_classes([1.0] * 20, [True] * 20)
    assert expected_calibration_error(true, probabilities) == 0


def test_certain_and_wrong_is_as_bad_as_can_be():
    true, probabilities = two_classes([1.0] * 20, [False] * 20)
    assert expected_calibration_error(true, probabilities) == 1


def test_honest_probabilities_are_nearly_calibrated():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 20_000)
    true = (random.random(20_000)[:, np.newaxis] > probabilities.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    assert expected_calibration_error(true, probabilities) < 0.02
    sharpened = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(true, sharpened) > 0.1


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11])
def test_few_images_make_fewer_bins(count):
    true, probabilities = two_classes([0.8] * count, [True] * count)
    assert expected_calibration_error(true, probabilities) == pytest.approx(0.2)


def test_the_order_of_the_images_does_not_change_the_calibration_error():
    true, probabilities = two_classes([0.8] * 40, [True] * 20 + [False] * 20)
    forth = expected_calibration_error(true, probabilities)
    mixed = np.random.default_rng(0).permutation(40)
    assert forth == pytest.approx(expected_calibration_error(true[mixed], probabilities[mixed]))
