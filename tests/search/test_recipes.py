"""The recipes that are compared where nothing else is said."""

from dataclasses import replace

import pytest

from vitcore.errors import SettingsError
from vitcore.search import Recipe, head_title, rival_recipes
from vitcore.training import PRESETS, Hyperparameters

BASE = Recipe(backbone="embedded", hyperparameters=Hyperparameters(seed=3, validation_fraction=0.3))


def test_each_backbone_comes_at_each_size_and_each_head_with_the_base():
    found = rival_recipes(BASE, backbones=["a", "a+b"], input_sizes=[112])
    assert found[0] == BASE
    assert {(recipe.backbone, recipe.hyperparameters.input_size) for recipe in found} == {
        (backbone, size) for backbone in ("embedded", "a", "a+b") for size in (0, 112)
    }
    others = [recipe for recipe in found if recipe.backbone != "embedded"]
    assert {replace(recipe.hyperparameters, input_size=0) for recipe in others} == {BASE.hyperparameters}
    assert len(found) == len(set(found)) == 6 + len(PRESETS)  # one preset is the base, and the hidden head


def test_all_ask_for_the_same_division_and_classes():
    base = replace(BASE, hyperparameters=replace(BASE.hyperparameters, balance="sampler"))
    for recipe in rival_recipes(base, backbones=["a"]):
        h = recipe.hyperparameters
        assert (h.seed, h.validation_fraction) == (3, 0.3)
        assert h.balance == ("weights" if h.optimizer == "lda" else "sampler")


def test_what_is_asked_for_twice_comes_once():
    assert rival_recipes(BASE, backbones=["embedded"], input_sizes=[0]) == rival_recipes(BASE)


def test_a_size_out_of_its_range_is_refused():
    with pytest.raises(SettingsError, match="input_size"):
        rival_recipes(BASE, input_sizes=[5000])


def test_a_head_is_called_by_its_preset():
    titles = [str(head_title(recipe, BASE)) for recipe in rival_recipes(BASE, input_sizes=[112])]
    assert titles == ["", "", "Quick", "Thorough", "hidden layer"]


@pytest.mark.parametrize("name", PRESETS)
def test_any_preset_can_be_the_base(name):
    base = Recipe(backbone="embedded", hyperparameters=PRESETS[name].hyperparameters)
    found = rival_recipes(base)
    assert found[0] == base
    assert len(found) >= len(PRESETS)
    assert all(head_title(recipe, base) for recipe in found[1:])
