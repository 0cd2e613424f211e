import numpy as np
import pytest

from tests.charts.conftest import HOSTILE, names, rows_of, spec_of
from vitcore.charts import confusion_chart, confusion_order


def confusion_of(count):
    return np.random.default_rng(count).integers(0, 50, (count, count))


@pytest.mark.parametrize("count", [2, 50, 100])
@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("dark", [False, True])
def test_a_confusion_matrix_of_any_size_can_be_drawn(count, by_row, dark):
    spec = spec_of(confusion_chart(confusion_of(count), names(count), by_row=by_row, dark=dark))
    assert len(rows_of(spec)) == count**2


def test_confusion_rows_are_the_true_classes():
    confusion = np.array([[5, 1, 0], [2, 6, 0], [0, 3, 7]])
    rows = rows_of(confusion_chart(confusion, ["cat", "dog", "fox"]).to_dict())
    counts = {(row["true"], row["predicted"]): row["count"] for row in rows}
    assert counts == {
        ("cat", "cat"): 5,
        ("cat", "dog"): 1,
        ("cat", "fox"): 0,
        ("dog", "cat"): 2,
        ("dog", "dog"): 6,
        ("dog", "fox"): 0,
        ("fox", "cat"): 0,
        ("fox", "dog"): 3,
        ("fox", "fox"): 7,
    }


def test_confusion_shares_are_those_of_the_true_class():
    rows = rows_of(confusion_chart(np.array([[3, 1], [0, 0]]), ["cat", "dog"], by_row=True).to_dict())
    shares = {(row["true"], row["predicted"]): row["share"] for row in rows}
    assert shares == {("cat", "cat"): 0.75, ("cat", "dog"): 0.25, ("dog", "cat"): 0, ("dog", "dog"): 0}


@pytest.mark.parametrize("confusion", [np.zeros((2, 2), np.int64), np.eye(2, dtype=np.int64)])
def test_an_empty_and_a_perfect_matrix_can_be_drawn(confusion):
    spec_of(confusion_chart(confusion, ["cat", "dog"]))


@pytest.mark.parametrize("count", [2, 50])
def test_a_cell_is_selected_by_its_two_classes(count):
    params = confusion_chart(confusion_of(count), names(count)).to_dict()["params"]
    assert [param["name"] for param in params] == ["cell"]
    assert params[0]["select"]["fields"] == ["true", "predicted"]


def test_the_classes_keep_their_order_on_both_axes():
    encoding = confusion_chart(confusion_of(3), ["b", "c", "a"]).to_dict()["layer"][0]["encoding"]
    assert encoding["x"]["sort"] == ["b", "c", "a"]
    assert encoding["y"]["sort"] == ["b", "c", "a"]


def test_a_dark_page_gets_other_colours():
    light, dark = (confusion_chart(confusion_of(3), names(3), dark=dark).to_dict() for dark in (False, True))
    colours = [spec["layer"][0]["encoding"]["color"]["scale"]["range"] for spec in (light, dark)]
    assert colours[0] != colours[1]


@pytest.mark.parametrize("dark", [False, True])
def test_hostile_class_names_are_data_in_a_confusion_matrix(dark):
    spec = spec_of(confusion_chart(confusion_of(len(HOSTILE)), HOSTILE, dark=dark))
    assert {row["true"] for row in rows_of(spec)} == set(HOSTILE)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 30, 100])
def test_a_confusion_matrix_leaves_room_for_its_names(count):
    spec = confusion_chart(confusion_of(count), names(count)).to_dict()
    assert spec["width"] == spec["height"]
    assert spec["autosize"] == "pad"
    # The names beside it take up to 100 pixels, the title of the axis 20.
    assert min(64 * count, 480) <= spec["width"] <= 640 - 120


def test_the_classes_are_drawn_in_the_order_that_is_asked_for():
    spec = confusion_chart(
        np.array([[5, 1, 0], [2, 6, 0], [0, 3, 7]]), ["a", "b", "c"], order=[2, 0, 1]
    ).to_dict()
    assert spec["layer"][0]["encoding"]["y"]["sort"] == ["c", "a", "b"]
    counts = {(row["true"], row["predicted"]): row["count"] for row in rows_of(spec)}
    assert counts["c", "b"] == 3
    assert counts["b", "a"] == 2
    assert len(counts) == 9


def test_some_classes_can_be_drawn_alone_with_their_shares_of_all():
    rows = rows_of(confusion_chart(np.full((3, 3), 4), ["a", "b", "c"], order=[2, 0]).to_dict())
    assert {row["true"] for row in rows} == {row["predicted"] for row in rows} == {"a", "c"}
    assert {row["share"] for row in rows} == {0.3333}


def test_classes_that_are_confused_stand_side_by_side():
    confusion = np.diag([20] * 6)
    for one, other in ((0, 4), (1, 5), (2, 3)):
        confusion[one, other], confusion[other, one] = 6, 3
    order = confusion_order(confusion)
    assert sorted(order) == list(range(6))
    assert all(abs(order.index(one) - order.index(other)) == 1 for one, other in ((0, 4), (1, 5), (2, 3)))


@pytest.mark.parametrize(
    "confusion",
    [
        np.zeros((2, 2), np.int64),
        np.eye(5, dtype=np.int64),
        np.array([[3]]),
        np.array([[3, 1], [0, 2]]),
        np.array([[3, 1, 0], [1, 2, 0], [0, 0, 0]]),
        confusion_of(100),
    ],
)
def test_any_confusion_can_be_ordered(confusion):
    before = confusion.copy()
    order = confusion_order(confusion)
    assert sorted(order) == list(range(len(confusion)))
    assert all(type(number) is int for number in order)
    np.testing.assert_array_equal(confusion, before)


def test_without_mistakes_the_order_stays():
    assert confusion_order(np.diag([4, 0, 2])) == [0, 1, 2]
