"""Curves of each class against all others, against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sklearn

from vitcore.errors import InputError
from vitcore.evaluation import precision_recall_curves, roc_curves

COLUMNS = {
    roc_curves: ["class", "false_positive_rate", "true_positive_rate", "area"],
    precision_recall_curves: ["class", "recall", "precision", "area"],
}
NAMES = ["ant", "bee", "cat", "dog"]


def guesses(count: int, seed: int, skill: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Labels of four classes and probabilities that know something of them, some of them equal."""
    random = np.random.default_rng(seed)
    true = random.integers(0, 4, count)
    powers = np.exp(random.normal(size=(count, 4)) + skill * np.eye(4)[true]).round(seed % 3)
    return true, (powers + 0.01) / (powers + 0.01).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("count", [2, 10, 150, 5000])
@pytest.mark.parametrize("seed", range(6))
def test_areas_are_those_of_scikit_learn(count, seed):
    true, probabilities = guesses(count, seed)
    areas = {curves: curves(true, probabilities, NAMES).groupby("class")["area"] for curves in COLUMNS}
    present = np.unique(true)
    for curves, score in (
        (roc_curves, sklearn.roc_auc_score),
        (precision_recall_curves, sklearn.average_precision_score),
    ):
        expected = {
            NAMES[number]: score(true == number, probabilities[:, number])
            for number in present
            if curves is precision_recall_curves or len(present) > 1
        }
        assert (areas[curves].nunique() == 1).all()
        assert areas[curves].first().to_dict() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("skill", [0.0, 1.5, 5.0])
@pytest.mark.parametrize("curves", COLUMNS)
def test_curves_are_thin_and_keep_their_ends_and_their_area(curves, skill):
    table = curves(*guesses(8000, 2, skill), NAMES)
    assert list(table.columns) == COLUMNS[curves]
    assert table["class"].unique().tolist() == NAMES
    for _, curve in table.groupby("class"):
        _, x, y, area = (curve[name].to_numpy() for name in COLUMNS[curves])
        assert len(curve) <= 200
        assert (np.diff(x) >= 0).all()
        assert (x[0], x[-1]) == (0, 1)
        assert np.trapezoid(y, x) == pytest.approx(area[0], abs=0.002)


def test_a_roc_curve_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    table = roc_curves(np.array([0, 0, 1, 1]), probabilities, ["a", "b"]).query("`class` == 'a'")
    assert table["false_positive_rate"].tolist() == [0, 0, 0.5, 0.5, 1]
    assert table["true_positive_rate"].tolist() == [0, 0.5, 0.5, 1, 1]
    assert table["area"].tolist() == [0.75] * 5


def test_a_precision_recall_curve_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    table = precision_recall_curves(np.array([0, 0, 1, 1]), probabilities, ["a", "b"]).query("`class` == 'a'")
    assert table["recall"].tolist() == [0, 0.5, 0.5, 1, 1]
    assert table["precision"].tolist() == pytest.approx([1, 1, 1 / 2, 2 / 3, 2 / 4])
    assert table["area"].tolist() == pytest.approx([0.5 * 1 + 0.5 * 2 / 3] * 5)


@pytest.mark.parametrize("curves", COLUMNS)
def test_a_class_without_images_is_left_out(curves):
    table = curves(np.array([0, 2, 0]), np.full((3, 3), 1 / 3), ["a", "b", "c"])
    assert table["class"].unique().tolist() == ["a", "c"]


def test_where_all_images_are_of_one_class_nothing_can_be_a_false_alarm():
    true, probabilities = np.array([0, 0]), np.array([[0.4, 0.6], [0.9, 0.1]])
    assert list(roc_curves(true, probabilities, ["a", "b"]).columns) == COLUMNS[roc_curves]
    assert roc_curves(true, probabilities, ["a", "b"]).empty
    assert precision_recall_curves(true, probabilities, ["a", "b"])["area"].unique().tolist() == [1]


@pytest.mark.parametrize("curves", COLUMNS)
@pytest.mark.parametrize(("true", "shape"), [([], (0, 3)), ([0, 1], (3, 3)), ([0, 1], (2, 2))])
def test_what_does_not_match_is_refused(curves, true, shape):
    with pytest.raises(InputError):
        curves(np.array(true, dtype=np.int64), np.full(shape, 1 / 3), ["a", "b", "c"])
