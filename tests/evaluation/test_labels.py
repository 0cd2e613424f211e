"""Which labels are most likely wrong."""

import numpy as np
import pytest

from vitcore.errors import InputError
from vitcore.evaluation import rank_labels

COLUMNS = ["position", "given", "suggested", "self_confidence", "knn_agreement", "score", "suspect"]


@pytest.fixture(scope="module")
def blobs():
    """300 vectors in 3 classes, their true labels, and the probabilities of a good judge."""
    random = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 100)
    centres = 3 * np.eye(3)
    vectors = centres[truth] + random.normal(size=(300, 3))
    powers = np.exp(-((vectors[:, None] - centres) ** 2).sum(axis=2) / 2)
    return vectors.astype(np.float16), truth, powers / powers.sum(axis=1, keepdims=True)


def test_wrong_labels_come_first_and_are_suspects(blobs):
    vectors, truth, probabilities = blobs
    wrong = np.random.default_rng(1).choice(300, 15, replace=False)
    labels = truth.copy()
    labels[wrong] = (labels[wrong] + 1) % 3
    table = rank_labels(labels, probabilities, vectors)
    assert list(table.columns) == COLUMNS
    assert sorted(table["position"]) == list(range(300))
    assert table["score"].is_monotonic_decreasing
    assert np.isin(wrong, table["position"][:30]).all()
    suspects = table[table["suspect"]]
    assert np.isin(wrong, suspects["position"]).mean() > 0.6
    assert np.isin(suspects["position"], wrong).mean() > 0.8
    found = table.set_index("position").loc[wrong]
    assert (found["given"] == labels[wrong]).all()
    assert (found["suggested"] == truth[wrong]).mean() > 0.8
    assert found["knn_agreement"].mean() < 0.2
    assert table["knn_agreement"][-100:].mean() > 0.9


def test_where_nothing_is_wrong_hardly_anything_is_suspect(blobs):
    _, truth, probabilities = blobs
    table = rank_labels(truth, probabilities)
    assert table["suspect"].mean() < 0.05
    assert table["knn_agreement"].isna().all()


def test_suspects_are_counted_as_in_confident_learning():
    # Mean self-confidence is 0.7 in class 0 and 0.6 in class 1; by eq. 1 of Northcutt et al., image 2 is
    # counted as one of class 1. Image 5 prefers class 0 as well, but with less than 0.7.
    zero = np.array([0.9, 0.8, 0.4, 0.35, 0.75, 0.65])
    labels = np.array([0, 0, 0, 1, 0, 1])
    zero[4] = 0.7
    table = rank_labels(labels, np.stack([zero, 1 - zero], axis=1))
    assert table["position"].tolist() == [5, 2, 3, 4, 1, 0]
    assert table["self_confidence"].to_numpy() == pytest.approx([0.35, 0.4, 0.65, 0.7, 0.8, 0.9])
    assert table["score"].to_numpy() == pytest.approx(1 - table["self_confidence"])
    assert table["suspect"].tolist() == [True] + [False] * 5


@pytest.mark.parametrize("seed", range(12))
def test_suspects_are_counted_and_ranked_as_by_cleanlab(seed):
    count = pytest.importorskip("cleanlab.count", reason="requirements-dev.txt has cleanlab")
    random = np.random.default_rng(seed)
    classes, images = int(random.integers(2, 6)), int(random.integers(30, 200))
    probabilities = random.dirichlet(np.full(classes, 0.7), images)
    labels = np.array([random.choice(classes, p=row) for row in probabilities])
    labels[:classes] = range(classes)
    joint = count.compute_confident_joint(labels, probabilities, calibrate=False)
    claimed = joint.sum() - np.trace(joint)
    table = rank_labels(labels, probabilities)
    # As many of the first ones are suspects, but those whose label the heads give themselves.
    expected = (np.arange(images) < claimed) & (table["given"] != table["suggested"])
    assert 0 < expected.sum() < images
    assert table["suspect"].tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("labels", "probabilities", "suspects"),
    [
        pytest.param(
            [0, 0, 0, 1],
            [[0.75, 0.25], [0.75, 0.25], [0.25, 0.75], [0.25, 0.75]],
            {2},
            id="claimed with exactly the mean self-confidence of class 1",
        ),
        pytest.param(
            [0, 0, 1, 1, 1],
            [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.1, 0.9], [0.7, 0.3]],
            set(),
            id="claimed by no class",
        ),
        pytest.param(
            [0, 0, 1],
            [[0.8, 0.2, 0.0], [0.3, 0.1, 0.6], [0.1, 0.9, 0.0]],
            set(),
            id="a class without images claims none",
        ),
    ],
)
def test_an_image_is_claimed_from_the_mean_self_confidence_of_a_class_on(labels, probabilities, suspects):
    table = rank_labels(np.array(labels), np.array(probabilities))
    assert set(table["position"][table["suspect"]]) == suspects


def test_what_the_heads_agree_with_is_no_suspect():
    # Class 1 claims image 0, for it is unsure of its own; but class 0 is still more probable.
    probabilities = np.array([[0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.75, 0.25]])
    labels = np.array([0, 1, 0, 1])
    table = rank_labels(labels, probabilities)
    assert set(table["position"][table["suspect"]]) <= {1, 3}
    everything_right = rank_labels(np.zeros(4, dtype=np.int64), probabilities)
    assert not everything_right["suspect"].any()


def test_near_duplicates_do_not_vouch_for_each_other():
    random = np.random.default_rng(2)
    vectors = random.normal(size=(40, 8))
    vectors[:12] = vectors[0]  # twelve shots of one scene, labelled 1, among images labelled 0
    labels = np.array([1] * 12 + [0] * 28)
    groups = np.array([99] * 12 + list(range(28)))
    probabilities = np.full((40, 2), 0.5)

    def agreement(groups):
        return rank_labels(labels, probabilities, vectors, groups).set_index("position")["knn_agreement"][0]

    assert agreement(None) == 1
    assert agreement(groups) == 0
    assert np.isnan(agreement(np.zeros(40)))


def test_shapes_that_do_not_match_are_refused():
    labels, probabilities = np.array([0, 1, 1]), np.full((3, 2), 0.5)
    with pytest.raises(InputError, match=r"3 labels and probabilities of shape \(2, 2\) do not match"):
        rank_labels(labels, probabilities[:2])
    with pytest.raises(InputError, match="0 labels"):
        rank_labels(labels[:0], probabilities[:0])
    with pytest.raises(InputError, match="3 labels and 2 vectors"):
        rank_labels(labels, probabilities, np.ones((2, 4)))
