"""Finding a recipe for a dataset, and what stays of it on the disk."""

import threading
from dataclasses import replace

import pytest

from vitcore.compute import Compute
from vitcore.dataset import import_dataset, load_dataset
from vitcore.errors import BackboneError, DatasetError, NotFoundError, SettingsError, Stopped, StorageError
from vitcore.pipeline import RecipeSearch, find_recipe, load_search, train, usual_rivals
from vitcore.progress import Task
from vitcore.training import Hyperparameters

BASE = Hyperparameters(epochs=3, learning_rate=1e-2)

pytestmark = pytest.mark.usefixtures("few_heads")


@pytest.fixture
def dataset(picture_folder):
    return import_dataset(picture_folder())


@pytest.fixture
def find(dataset, tiny_backbone):
    def work(base: Hyperparameters = BASE, **options) -> RecipeSearch:
        compute = Compute(tiny_backbone, device="cpu", engine="torch")
        return find_recipe(dataset, base, **{"compute": compute, "backbones": (), **options})

    return work


@pytest.fixture
def searched(picture_folder, tiny_backbone, prepared_home, workspace):
    """A dataset for which a recipe was looked for."""

    def work() -> None:
        compute = Compute(tiny_backbone, device="cpu", engine="torch")
        find_recipe(import_dataset(picture_folder()), BASE, compute=compute, backbones=(), input_sizes=[64])

    prepared_home("searched", work)
    (dataset_id,) = workspace.ids(workspace.datasets)
    return load_dataset(dataset_id)


def test_it_compares_on_the_training_part_and_is_found_again(find, dataset, tiny_backbone):
    with pytest.raises(NotFoundError, match="compared"):
        load_search(dataset)
    run = train(dataset, BASE, compute=Compute(tiny_backbone, device="cpu", engine="torch"))
    found = find(input_sizes=[64, 96])
    assert (found.state, found.version) == ("complete", dataset.version)
    assert found.images == run.config.images.train
    assert [recipe.standing.recipe.hyperparameters for recipe in found.recipes] == [
        BASE,
        replace(BASE, input_size=64),
        replace(BASE, input_size=96),
    ]
    assert all(recipe.images_per_second > 0 for recipe in found.recipes)
    assert [str(recipe.title) for recipe in found.recipes[1:]] == ["64 pixels", "96 pixels"]
    assert load_search(dataset) == found


def test_what_was_embedded_for_it_is_kept(find):
    seen = []
    find(input_sizes=[64])
    find(input_sizes=[64], task=Task(seen.append))
    assert {progress.phase for progress in seen} == {"search"}
    plans = [str(progress.message) for progress in seen if progress.message]
    assert plans == ["Comparing 2 recipes on up to 30 training photos: 3.0 minutes at most."]


def test_the_progress_ends_in_time(find):
    seen = []
    find(input_sizes=[64], minutes=2, task=Task(seen.append))
    assert all(0 <= progress.remaining_s <= 120 for progress in seen)
    assert all(progress.done <= progress.total for progress in seen)
    assert seen[-1].remaining_s == 0


def test_a_backbone_that_is_not_there_is_named_and_no_other_is_kept_from_racing(find):
    found = find(backbones=["/nowhere/else.safetensors"], input_sizes=[64])
    states = {str(recipe.title): recipe.standing.state for recipe in found.recipes[1:]}
    assert states == {
        "/nowhere/else.safetensors": "failed",
        "/nowhere/else.safetensors, 64 pixels": "failed",
        "64 pixels": "compared",
    }
    failed = found.recipes[2] if found.recipes[1].standing.state == "compared" else found.recipes[1]
    assert "There is no weights file" in str(found.sentence(failed))


def test_another_file_of_weights_races(find, tiny_backbone, tmp_path):
    import safetensors.torch

    other = tmp_path / "other.safetensors"
    tensors = {name: tensor * 0.5 for name, tensor in safetensors.torch.load_file(tiny_backbone).items()}
    safetensors.torch.save_file(tensors, other, metadata={"architecture": "test_vit"})
    found = find(backbones=[str(other), tiny_backbone])
    assert [recipe.standing.recipe.backbone for recipe in found.recipes] == [tiny_backbone, str(other)]
    assert found.recipes[1].standing.images == found.images
    assert found.compute(found.recipes[1]) == Compute(str(other), device="cpu", engine="torch")


def test_the_sentence_says_the_gain_its_interval_and_the_price(searched):
    found = load_search(searched)
    base, other = found.recipes

    def told(difference: float, low: float, high: float, ratio: float) -> RecipeSearch:
        standing = replace(other.standing, difference=difference, low=low, high=high)
        rate = ratio * base.images_per_second
        return replace(found, recipes=(base, replace(other, standing=standing, images_per_second=rate)))

    gained = told(0.041, 0.019, 0.063, 0.25)
    assert str(gained.verdict) == "64 pixels: +4.1 points (+1.9 to +6.3), 4.0 times slower."
    assert gained.better == gained.recipes[1]
    faster = told(0.001, -0.01, 0.012, 2.0)
    assert faster.better is None
    assert faster.faster == faster.recipes[1]
    assert "None is better for certain; 64 pixels saves time." in str(faster.verdict)
    assert "+0.1 points (\N{MINUS SIGN}1.0 to +1.2), 2.0 times as fast" in str(faster.verdict)
    worse = told(-0.05, -0.1, -0.01, 2.0)
    assert worse.better is worse.faster is None
    assert str(worse.verdict) == "Keep your settings: on 30 photos none of the others is better for certain."


def test_stopped_it_keeps_what_it_found(find, dataset):
    stop = threading.Event()

    def when_compared(progress) -> None:
        if progress.phase == "search" and progress.remaining_s < 100:
            stop.set()

    found = find(input_sizes=[64], task=Task(when_compared, stop))
    assert found.state == "stopped"
    assert load_search(dataset) == found
    with pytest.raises(Stopped):
        find(task=Task(stop=stop))
    assert load_search(dataset) == found


def test_where_the_time_is_too_short_it_says_so(find):
    with pytest.raises(Stopped, match="more minutes"):
        find(input_sizes=[64], minutes=1e-6)


@pytest.mark.parametrize("text", ["[]", "{}", '{"recipes": []}', "no"])
def test_a_damaged_file_is_a_storage_error(searched, text):
    (searched.folder / "search.json").write_text(text)
    with pytest.raises(StorageError):
        load_search(searched)


def test_what_makes_no_sense_is_refused(find, picture_folder, tiny_backbone):
    with pytest.raises(SettingsError, match="minutes"):
        find(minutes=0)
    with pytest.raises(SettingsError, match="input_size"):
        find(input_sizes=[5000])
    with pytest.raises(BackboneError):
        find(compute=Compute("nothing"))
    small = import_dataset(picture_folder(("red",), name="small"))
    with pytest.raises(DatasetError):
        find_recipe(small, BASE, compute=Compute(tiny_backbone))


def test_what_is_here_is_compared_where_nothing_is_named():
    assert "embedded" in usual_rivals("vit_base_patch16_clip_224.laion2b")
    assert "embedded" not in usual_rivals("embedded")
    assert "embedded+lite2" in usual_rivals("embedded")
    assert not any("dinov3" in name for name in usual_rivals())
