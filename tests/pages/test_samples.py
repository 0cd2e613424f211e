import json
import re

import numpy as np
import pytest
from streamlit.testing.v1.element_tree import Block

from tests._variants import first_of
from tests.pages._spoken import in_spanish, left_in_english, spoken
from vitcore.compute import Compute
from vitcore.dataset import exclude, import_dataset, load_dataset, relabel
from vitcore.evaluation import nearest, project
from vitcore.inference import load_trust, set_level
from vitcore.language import percent
from vitcore.pipeline import review_run, run_vectors, train
from vitcore.training import Hyperparameters

MISTAKES_FIRST, UNSURE_FIRST, SURE_FIRST, NAME, SHUFFLED = range(5)

LIVE = re.compile(r"(?<!\\)(!\[|<script|\]\(javascript)|\*\*b\*\*|http://|evil/")


def pictures(at):
    return len(at.image)


def counts(at):
    """How many images pass the filters, and of how many."""
    found = [
        numbers for caption in at.caption if len(numbers := re.findall(r"[\d,]+(?= )", caption.value)) == 2
    ]
    return [int(number.replace(",", "")) for number in found[0]]


def confidences(at):
    """The confidences under the pictures, in order."""
    return [
        float(found[1])
        for caption in at.caption
        if (found := re.search(r"([\d.]+)\N{NO-BREAK SPACE}%", caption.value))
    ]


def captions(at):
    """What is below each picture, in order: its name, and all that is said."""
    found = [caption.value for caption in at.caption if "  \n" in caption.value]
    return [(text.split("  \n")[-1].replace("\\", ""), text) for text in found]


def choose(at, show="all", true=None, predicted=None, confidence=(0, 100), doubt="all"):
    at.segmented_control(key="show").set_value(show)
    at.segmented_control(key="doubt").set_value(doubt)
    for key, label in (("true_class", true), ("predicted_class", predicted)):
        if label is not None:
            at.selectbox(key=key).select(label)
    at.slider(key="confidence").set_range(*confidence)
    at.run()
    assert not at.exception
    return at


def opened(at, place=0):
    """The ids in the keys of the buttons below the pictures; one of them is pressed."""
    buttons = [button for button in at.button if button.label == "Enlarge"]
    buttons[place].click().run()
    assert not at.exception
    return int(buttons[place].key.rsplit("_", 1)[1])


def dialog(at):
    """All texts of the detail view; none if it is closed."""
    return [getattr(element, "value", "") for element in dialog_elements(at)]


def dialog_elements(at):
    roots = [node for node in walk(at._tree) if isinstance(node, Block) and node.type == "dialog"]
    return [element for root in roots for element in walk(root) if not isinstance(element, Block)]


def walk(node):
    yield node
    for child in getattr(node, "children", {}).values():
        yield from walk(child)


def position(rows, image_id):
    return rows["image_id"].tolist().index(image_id)


# --- filters and order -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("show", "true", "predicted", "confidence"),
    first_of(
        [
            ("all", None, None, (50, 80)),
            ("right", None, None, (0, 100)),
            ("wrong", "blue", "green", (0, 100)),
            ("all", None, None, (100, 100)),
            ("all", None, None, (0, 100)),
            ("wrong", None, None, (0, 100)),
            ("all", "blue", None, (0, 100)),
            ("all", None, "green", (0, 100)),
            ("right", "blue", "green", (0, 100)),
            ("wrong", "green", None, (40, 100)),
        ],
        count=4,
    ),
)
def test_the_filters_pass_what_they_should(open_page, trained, show, true, predicted, confidence):
    rows = trained.run.predictions
    keep = rows["confidence"].between(confidence[0] / 100, confidence[1] / 100)
    keep &= {
        "all": rows["true"] != "",
        "right": rows["true"] == rows["predicted"],
        "wrong": rows["true"] != rows["predicted"],
    }[show]
    if true:
        keep &= rows["true"] == true
    if predicted:
        keep &= rows["predicted"] == predicted
    at = choose(open_page("samples"), show, true, predicted, confidence)
    assert counts(at) == [keep.sum(), len(rows)]
    assert pictures(at) == min(24, keep.sum())
    assert len(at.info) == (keep.sum() == 0)


def test_there_are_both_right_and_wrong_ones_to_look_at(trained):
    rows = trained.run.predictions
    assert 0 < (rows["true"] == rows["predicted"]).sum() < len(rows)
    assert len(rows) > 24


@pytest.mark.parametrize("level", first_of([0.9, 0.2]))
def test_doubt_goes_by_the_rule_and_the_level_of_the_run(open_page, trained, level):
    at = open_page("samples")
    set_level(trained.run.folder, level)  # while the page is open
    rows = trained.run.predictions
    sure = load_trust(trained.run.folder).verdicts(trained.run.probabilities, rows["novelty"]).sure
    assert counts(choose(at.run(), doubt="sure")) == [sure.sum(), len(rows)]
    assert counts(choose(at, doubt="unsure")) == [(~sure).sum(), len(rows)]
    assert sum("Not sure" in caption.value for caption in at.caption) == min(24, (~sure).sum())


def test_a_run_of_an_earlier_version_knows_no_doubt_and_works(open_page, trained):
    config = trained.run.folder / "model" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "format": 1}))
    table = trained.run.folder / "predictions.csv"
    trained.run.predictions.drop(columns="novelty").to_csv(table, index=False)
    at = open_page("samples")
    assert counts(at)[0] == len(trained.run.predictions)
    assert "doubt" not in [control.key for control in at.segmented_control]
    opened(at)
    assert not any("sure" in text.lower() for text in dialog(at) if isinstance(text, str))
    assert any("another version" in caption.value for caption in at.caption)
    at.segmented_control(key="samples_section").set_value("map").run()
    assert "no map" in at.info[0].value
    assert not at.exception


def test_the_filters_survive_a_look_at_another_page_and_can_be_reset(open_page, trained, ui):
    at = choose(open_page("samples"), "wrong", true="green", confidence=(10, 90))
    at.selectbox(key="order").select_index(NAME).run()
    expected = counts(at)
    ui.go_to(ui.go_to(at, "train"), "samples")
    assert counts(at) == expected
    assert at.selectbox(key="true_class").value == "green"
    ui.press(at, "reset_filters")
    assert counts(at) == [len(trained.run.predictions)] * 2
    assert at.selectbox(key="order").index == MISTAKES_FIRST
    assert ui.find_button(at, "reset_filters") is None


@pytest.mark.thorough
def test_filters_on_a_class_do_not_hinder_another_run(
    open_page, trained, picture_folder, tiny_backbone, workspace
):
    pets = import_dataset(picture_folder(("cat", "dog"), name="pets"))
    train(pets, Hyperparameters(epochs=2), compute=Compute(tiny_backbone), workspace=workspace)
    at = open_page("samples")
    at.sidebar.selectbox(key="dataset").select(trained.dataset.id).run()
    choose(at, true="blue", predicted="green")
    at.sidebar.selectbox(key="dataset").select(pets.id).run()
    assert not at.exception
    assert counts(at)[0] == counts(at)[1]


@pytest.mark.thorough
def test_every_image_is_on_some_page(open_page, trained):
    at = open_page("samples")
    shown = pictures(at)
    at.get("pagination")[0].select(2).run()
    assert shown + pictures(at) == len(trained.run.predictions)


@pytest.mark.usefixtures("trained")
def test_a_filter_that_leaves_one_page_shows_it(open_page):
    at = open_page("samples")
    at.get("pagination")[0].select(2).run()
    choose(at, "wrong")
    assert not at.get("pagination")
    assert pictures(at) == counts(at)[0] > 0


def in_order(rows, order):
    if order == NAME:
        return rows.sort_values("name", kind="stable")["confidence"].tolist()
    if order == MISTAKES_FIRST:
        right = rows["true"] == rows["predicted"]
        mistakes = sorted(rows["confidence"][~right], reverse=True)
        return [*mistakes, *sorted(rows["confidence"][right])]
    return sorted(rows["confidence"], reverse=order == SURE_FIRST)


@pytest.mark.parametrize("order", first_of([MISTAKES_FIRST, UNSURE_FIRST, SURE_FIRST, NAME], 2))
def test_the_images_come_in_the_chosen_order(open_page, trained, order):
    at = open_page("samples")
    at.selectbox(key="order").select_index(order).run()
    rows = trained.run.predictions
    of = rows.set_index("name")["confidence"]
    shown = captions(at)
    assert [of[name] for name, _ in shown] == in_order(rows, order)[:24]
    told = {name: text for name, text in shown if "unlike anything" not in text}
    assert told
    assert all(percent(of[name]) in text for name, text in told.items())


@pytest.mark.usefixtures("trained")
def test_a_shuffled_order_stays_until_it_is_shuffled_again(open_page, ui):
    at = open_page("samples")
    at.selectbox(key="order").select_index(SHUFFLED).run()
    first = confidences(at)
    assert confidences(at.run()) == first
    ui.press(at, "shuffle")
    assert confidences(at) != first


def test_a_mistake_names_both_classes(open_page, trained):
    at = choose(open_page("samples"), "wrong", true="green")
    rows = trained.run.predictions
    rows = rows[(rows["true"] == "green") & (rows["predicted"] != "green")]
    named = [caption.value for caption in at.caption if "**green**" in caption.value]
    assert len(named) == len(rows) > 0
    assert all(rows["predicted"].iloc[0] in text for text in named)


def test_a_changed_label_is_told_beside_the_recorded_truth(open_page, trained):
    rows = trained.run.predictions
    moved, out = rows["image_id"][:2].tolist()
    exclude(relabel(trained.dataset, [moved], "violet"), [out])
    at = open_page("samples")
    at.selectbox(key="order").select_index(NAME).run()
    told = [caption.value for caption in at.caption]
    at.get("pagination")[0].select(2).run()
    told += [caption.value for caption in at.caption]
    assert sum("now labelled **violet**" in text for text in told) == 1
    assert sum("removed" in text for text in told) == 1


# --- from close by -----------------------------------------------------------------------------


def test_a_picture_opens_with_the_answer_and_the_arrows_lead_on(open_page, trained, ui):
    set_level(trained.run.folder, 0.0)  # it answers everything
    at = open_page("samples")
    rows = trained.run.predictions.set_index("image_id")
    first = rows.loc[opened(at, place=1)]
    assert f"### {first['predicted']}" in "".join(map(str, dialog(at)))
    assert "2 of 36" in dialog(at)
    ui.press(at, "step_right")
    assert "3 of 36" in dialog(at)
    ui.press(at, "step_left")
    ui.press(at, "step_left")
    assert "1 of 36" in dialog(at)
    assert at.button(key="step_left").disabled


@pytest.mark.parametrize(
    ("reason", "words"), [("ambiguous", "close call between"), ("novel", "unlike anything")]
)
def test_it_says_why_it_is_not_sure(open_page, trained, reason, words):
    rows = trained.run.predictions
    trust = load_trust(trained.run.folder)
    for level in (0.5, 0.8, 0.95, 1.0):
        set_level(trained.run.folder, level)
        verdicts = trust.at(level).verdicts(trained.run.probabilities, rows["novelty"].to_numpy())
        if (found := np.flatnonzero(verdicts.reason == reason)).size:
            break
    else:
        pytest.fail(f"no image is {reason}")
    at = open_page("samples")
    image_id = int(rows["image_id"].iloc[found[0]])
    at.session_state["opened"] = (trained.run.id, image_id)
    at.run()
    (text,) = [text for text in dialog(at) if isinstance(text, str) and "Not sure" in text]
    assert words in text
    if reason == "ambiguous":
        assert all(
            name in text
            for name, possible in zip(trained.run.classes, verdicts.sets[found[0]], strict=True)
            if possible
        )


def test_the_nearest_training_images_are_shown_nearest_first(open_page, trained):
    at = open_page("samples")
    image_id = opened(at)
    found = run_vectors(trained.run)
    learned = (found.rows["part"] == "train").to_numpy()
    own = found.vectors[found.rows["image_id"] == image_id]
    distances, positions = nearest(own, found.vectors[learned], 6)
    expected = [
        f"**{label}**  \nlikeness {1 - distance:.2f}"
        for label, distance in zip(found.rows["label"][learned].iloc[positions[0]], distances[0], strict=True)
    ]
    assert [text for text in dialog(at) if "likeness" in str(text)] == expected


def test_a_label_is_mended_at_once_and_the_change_undone(open_page, trained, ui):
    at = choose(open_page("samples"), "wrong")
    image_id = opened(at)
    row = trained.run.predictions.set_index("image_id").loc[image_id]
    ui.press(at, "detail_move")  # to the predicted class, which is suggested

    def labels():
        return load_dataset(trained.dataset.id).rows.set_index("image_id")["label"]

    assert labels()[image_id] == row["predicted"] != row["true"]
    assert any(f"now labelled **{row['predicted']}**" in str(text) for text in dialog(at))
    assert any(f"it was labelled **{row['true']}**" in str(text) for text in dialog(at))
    ui.press(at, "detail_undo")
    assert labels()[image_id] == row["true"]
    ui.press(at, "detail_exclude")
    assert image_id in load_dataset(trained.dataset.id).excluded["image_id"].tolist()
    ui.press(at, "detail_restore")
    assert image_id in load_dataset(trained.dataset.id).index["image_id"].tolist()


def test_a_label_that_cannot_be_written_says_so(open_page, trained, ui):
    at = choose(open_page("samples"), "wrong")
    opened(at)
    exclude(trained.dataset, [int(trained.dataset.index["image_id"].iloc[0])])  # by somebody else
    ui.press(at, "detail_move")
    assert "changed elsewhere" in at.error[0].value


@pytest.mark.usefixtures("trained")
def test_it_shows_where_it_looks(open_page):
    at = choose(open_page("samples"), "wrong")
    opened(at)
    at.toggle(key="where").set_value(True).run()
    assert not at.exception
    assert any(
        "speak for" in caption.value and "picture as a whole" in caption.help for caption in at.caption
    )


def test_all_classes_can_be_seen(open_page, hostile):
    at = open_page("samples")
    opened(at)
    at.toggle(key="all_classes").set_value(True).run()
    assert not at.exception
    assert len(hostile.run.classes) == 8


# --- the map -----------------------------------------------------------------------------------


def select(at, run, selection, by="class", only=True):
    at.session_state[f"map_{run.id}_{by}_{only}"] = {"selection": selection}
    at.run()
    assert not at.exception
    return at


def test_a_point_of_the_map_shows_its_image(open_section, trained):
    at = open_section("samples", "map")
    assert pictures(at) == 0
    chosen = trained.run.predictions["image_id"].iloc[[3, 5]].tolist()
    select(at, trained.run, {"point": [{"image_id": image_id} for image_id in chosen]})
    assert pictures(at) == 2
    assert opened(at) in chosen
    assert "1 of 2" in dialog(at)


@pytest.mark.parametrize("only", first_of([True, False]))
def test_a_frame_on_the_map_shows_what_is_in_it(open_section, trained, only):
    at = open_section("samples", "map")
    at.toggle(key="map_validation_only").set_value(only)
    at.segmented_control(key="map_by").set_value("mistake").run()
    found = run_vectors(trained.run)
    places, _ = project(found.vectors)
    middle = float(np.median(places[:, 0]))
    inside = places[:, 0] >= middle
    parts = found.rows["part"][inside].value_counts()
    select(at, trained.run, {"region": {"x": [middle, 1e9], "y": [1e9, -1e9]}}, "mistake", only)
    told = [text.value for text in at.markdown if ": " in text.value]
    assert any(text.startswith(f"**Validation images: {parts['validation']}**") for text in told)
    assert any(f"learned from: {parts['train']}**" in text for text in told) == (not only)


# --- in another language -----------------------------------------------------------------------


def assert_translated(at, run):
    assert left_in_english([], spoken(at), (*run.classes, "My photos", "tiny.safetensors")) == []


@pytest.mark.thorough
@pytest.mark.usefixtures("trained")
def test_the_filters_stay_when_the_language_changes(open_page):
    at = choose(open_page("samples"), "wrong", true="green", confidence=(10, 90), doubt="unsure")
    at.selectbox(key="order").select_index(UNSURE_FIRST).run()
    expected = counts(at), confidences(at)
    in_spanish(at)
    for _ in range(2):
        assert at.selectbox(key="order").value == "unsure"
        assert at.selectbox(key="true_class").value == "green"
        assert at.button_group(key="show").value == "wrong"
        assert at.button_group(key="doubt").value == "unsure"
        at.run()
    at.button_group(key="language").set_value("en").run()
    assert (counts(at), confidences(at)) == expected


@pytest.mark.thorough
@pytest.mark.thorough
def test_the_view_from_close_by_and_the_map_are_not_left_in_english(open_page, trained, ui):
    at = in_spanish(open_page("samples"))
    rows = trained.run.predictions
    wrong = rows[rows["true"] != rows["predicted"]]
    at.session_state["opened"] = (trained.run.id, int(wrong["image_id"].iloc[0]))
    at.run()
    at.toggle(key="where").set_value(True).run()
    assert_translated(at, trained.run)
    for edit in ("detail_move", "detail_undo", "detail_exclude", "detail_restore"):
        ui.press(at, edit)
        assert_translated(at, trained.run)
    at.button_group(key="samples_section").set_value("map").run()
    at.toggle(key="map_validation_only").set_value(False).run()
    select(at, trained.run, {"region": {"x": [-1e9, 1e9], "y": [-1e9, 1e9]}}, only=False)
    assert_translated(at, trained.run)


@pytest.mark.thorough
@pytest.mark.thorough
def test_labels_in_doubt_are_not_left_in_english(open_page, trained, ui):
    review_run(trained.run.id)
    at = in_spanish(open_page("samples"))
    at.button_group(key="samples_section").set_value("labels").run()
    assert_translated(at, trained.run)
    for edit in ("keep_", "move_", "undo_label"):
        ui.press(at, edit)
        assert_translated(at, trained.run)


# --- names from outside ------------------------------------------------------------------------


def test_names_stay_harmless_from_close_by_and_on_the_map(open_page, hostile, ui):
    at = open_page("samples")
    at.session_state["opened"] = (hostile.run.id, int(hostile.run.predictions["image_id"].iloc[0]))
    at.run()
    assert dialog(at)
    assert not ui.live(at)
    assert not [text for text in dialog(at) if LIVE.search(str(text))]
    del at.session_state["opened"]
    at.segmented_control(key="samples_section").set_value("map").run()
    at.toggle(key="map_validation_only").set_value(False).run()
    select(at, hostile.run, {"region": {"x": [-1e9, 1e9], "y": [-1e9, 1e9]}}, only=False)
    assert pictures(at) > 20
    assert not ui.live(at)
