"""Finding better settings on the Train page, and taking them."""

import json

import pytest

from app.shared.state import job_queue
from vitcore.compute import Compute
from vitcore.dataset import exclude
from vitcore.pipeline import find_recipe, load_search
from vitcore.training import Hyperparameters

QUICK = Hyperparameters(epochs=2, validation_fraction=0.4)

pytestmark = pytest.mark.usefixtures("trained", "few_heads")


def opened(at):
    """The page with the fold open."""
    at.session_state["search_open"] = True
    at.run()
    assert not at.exception
    return at


@pytest.fixture
def page(open_page, ui, tiny_backbone):
    """The page with the tiny backbone chosen, and one more input size to compare."""
    at = opened(open_page("train"))
    ui.choose_weights(at, tiny_backbone)
    at.select_slider(key="epochs").set_value(QUICK.epochs)
    at.select_slider(key="validation_fraction").set_value(QUICK.validation_fraction)
    at.selectbox(key="engine").set_value("torch")
    at.multiselect(key="search_backbones").set_value([])
    at.multiselect(key="search_sizes").set_value([112]).run()
    assert not at.exception
    return at


@pytest.fixture
def searched(trained, tiny_backbone):
    """A search that was made before."""
    compute = Compute(tiny_backbone, device="cpu", engine="torch")
    return find_recipe(trained.dataset, QUICK, compute=compute, backbones=(), input_sizes=[112])


def test_recipes_are_compared_and_the_outcome_is_shown(page, ui, finish, trained):
    assert not page.table
    finish(ui.press(page, "search"))
    found = load_search(trained.dataset)
    assert (found.minutes, len(found.recipes)) == (3, 2)
    (table,) = page.table
    assert len(table.value) == 2
    assert "your settings" in table.value.iloc[0, 0]
    assert len(page.success) == 1


def test_a_recipe_is_taken_with_one_click(searched, page, ui, trained):
    path = trained.dataset.folder / "search.json"
    values = json.loads(path.read_text())
    values["recipes"][1]["standing"] |= {"difference": 0.041, "low": 0.019, "high": 0.063}
    values["recipes"][1]["images_per_second"] = values["recipes"][0]["images_per_second"] / 4
    path.write_text(json.dumps(values))
    opened(page)
    assert any(
        "+4.1 points (+1.9 to +6.3), 4.0 times slower" in text.replace("\\", "") for text in ui.texts(page)
    )
    ui.press(page, "use_recipe_0")
    assert page.select_slider(key="input_size").value == 112
    assert page.text_input(key="weights").value == searched.requested.backbone


def test_where_none_is_better_there_is_nothing_to_take(searched, page, ui, trained):  # noqa: ARG001
    path = trained.dataset.folder / "search.json"
    values = json.loads(path.read_text())
    values["recipes"][1]["standing"] |= {"difference": -0.02, "low": -0.05, "high": 0.01}
    path.write_text(json.dumps(values))
    opened(page)
    assert any("Keep your settings" in text for text in ui.texts(page))
    assert ui.find_button(page, "use_recipe_") is None
    exclude(trained.dataset, trained.dataset.index["image_id"][:1])
    assert any("photos have been changed since" in text for text in ui.texts(opened(page)))


def test_any_session_sees_the_search_and_can_stop_it(open_page, ui, hold, finish):
    held = hold(kind="search")
    at = open_page("train")
    assert ui.find_button(at, "search").disabled
    ui.press(at, f"stop_{held.job.id}")
    finish(at)
    assert held.job.snapshot.state == "stopped"
    assert ui.find_button(at, "stop_") is None


@pytest.mark.thorough
def test_a_damaged_search_is_named_and_the_next_one_replaces_it(searched, page, ui, finish, trained):  # noqa: ARG001
    path = trained.dataset.folder / "search.json"
    path.write_text(json.dumps({"recipes": 3}))
    assert len(opened(page).error) == 1
    finish(ui.press(page, "search"))
    assert not page.error
    assert load_search(trained.dataset).recipes
    assert not job_queue().active()
