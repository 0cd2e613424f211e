"""Races of recipes on made-up vectors, whose worth is known beforehand."""

from dataclasses import dataclass, field, replace
from threading import Event

import numpy as np
import pytest

from vitcore.errors import BackboneError, SettingsError, Stopped
from vitcore.folds import deal_folds
from vitcore.search import Deadline, Photos, Recipe, drawn_by_class, race
from vitcore.search._race import _rounds
from vitcore.training import Hyperparameters, cross_validate

CLASSES, DIMENSION = 4, 12
H = Hyperparameters(epochs=3, learning_rate=0.05, batch_size=256)
USUAL, BETTER, WORSE, ALIKE = 0.45, 0.8, 0.2, 0.44  # distances between the classes


def photos(count: int = 240, seed: int = 0, per_group: int = 1) -> Photos:
    labels = np.arange(count) % CLASSES
    return Photos(
        labels=labels,
        groups=np.arange(count) // (CLASSES * per_group) * CLASSES + labels,
        classes=CLASSES,
        seed=seed,
    )


def recipe(backbone: str = "usual", **settings: object) -> Recipe:
    return Recipe(backbone=backbone, hyperparameters=replace(H, **settings))


@dataclass
class MadeUp:
    """Vectors whose classes lie as far apart as the name of the backbone says; each photo at one place.

    The directions of the classes are the same for all backbones: of two that lie as far apart, none is better
    by luck.
    """

    photos: Photos
    apart: dict[str, float]
    cost: dict[str, float] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def seconds(self, recipe: Recipe, rows: np.ndarray) -> float:
        return self.cost.get(recipe.backbone, 0.0) * len(rows)

    def vectors(self, recipe: Recipe, rows: np.ndarray) -> np.ndarray:
        self.asked.append((recipe.backbone, len(rows)))
        centres = np.random.default_rng(self.photos.seed).normal(size=(CLASSES, DIMENSION))
        random = np.random.default_rng([self.photos.seed, sum(recipe.backbone.encode())])
        noise = random.normal(size=(len(self.photos.labels), DIMENSION))
        found = self.apart[recipe.backbone] * centres[self.photos.labels] + noise
        return found[rows, None].astype(np.float32)


def run(names: dict[str, float], data: Photos | None = None, seconds: float = 600.0, **options):
    """Race backbones, the first being the base."""
    data = data or photos()
    source = MadeUp(data, names, **options)
    outcome = race([recipe(name) for name in names], data, source, Deadline(seconds))
    return outcome, source


def test_a_better_recipe_is_found_and_a_worse_one_drops_out_early():
    outcome, source = run({"usual": USUAL, "better": BETTER, "worse": WORSE})
    base, better, worse = outcome.standings
    assert outcome.better == better
    assert 0 < better.low <= better.difference <= better.high
    assert better.accuracy - base.accuracy == pytest.approx(better.difference)
    assert (base.difference, base.low, base.high) == (0, 0, 0)
    assert (better.images, better.state) == (240, "compared")
    assert (worse.state, worse.images) == ("dropped", 120)
    assert ("worse", 240) not in source.asked
    assert outcome.divisions == 3


@pytest.mark.parametrize("seed", range(5))
def test_the_base_stays_where_the_others_are_no_better(seed):
    outcome, _ = run({"usual": USUAL, "alike": ALIKE, "worse": WORSE}, photos(seed=seed))
    assert outcome.better is None


@pytest.mark.thorough
def test_one_that_is_no_better_is_hardly_ever_taken():
    data = [photos(120, seed) for seed in range(60)]
    taken = [
        run({"usual": USUAL, "alike": USUAL, "also": USUAL, "worse": WORSE}, each)[0].better for each in data
    ]
    assert sum(found is not None for found in taken) <= 6
    assert all(found is None or found.recipe.backbone != "worse" for found in taken)


def test_the_same_seed_gives_the_same_race():
    names = {"usual": USUAL, "better": BETTER}
    assert run(names)[0] == run(names)[0]


def test_a_recipe_answers_as_in_the_cross_validation_of_a_run():
    data = photos(100)
    outcome, source = run({"usual": USUAL, "better": BETTER}, data)
    order = drawn_by_class(data.labels, data.seed)
    labels, groups = data.labels[order], data.groups[order]
    right = []
    for division in range(3):
        answers = cross_validate(
            source.vectors(recipe(), order),
            labels,
            groups,
            deal_folds(labels, groups, 5, seed=division),
            classes=CLASSES,
            hyperparameters=H,
        )
        right.append(answers.logits.argmax(axis=1) == labels)
    assert outcome.standings[0].accuracy == pytest.approx(np.mean(right))


def test_of_photos_that_belong_together_fewer_count():
    names = {"usual": USUAL, "better": BETTER}
    alone, bursts = (run(names, photos(per_group=each))[0].standings[1] for each in (1, 10))
    assert bursts.high - bursts.low > alone.high - alone.low


def test_heads_race_on_the_same_vectors():
    data = photos(100)
    recipes = [
        recipe(),
        recipe(weight_decay=0.05),
        Recipe(backbone="usual", hyperparameters=Hyperparameters(epochs=2)),
    ]
    outcome = race(recipes, data, MadeUp(data, {"usual": USUAL}), Deadline(600))
    assert [standing.recipe for standing in outcome.standings] == recipes
    assert all(standing.images == 100 for standing in outcome.standings)


def test_the_cheapest_come_first_and_what_would_take_too_long_is_left_out():
    cost = {"dear": 1e-3, "cheap": 1e-6, "endless": 1e9}
    outcome, source = run(
        {"usual": USUAL, "dear": USUAL, "cheap": USUAL, "endless": BETTER}, photos(100), cost=cost
    )
    assert [name for name, _ in source.asked[:3]] == ["usual", "cheap", "dear"]
    assert outcome.standings[3].state == "untried"
    assert outcome.better is None


def test_one_that_fails_is_named_and_the_others_go_on():
    class Broken(MadeUp):
        def vectors(self, recipe: Recipe, rows: np.ndarray) -> np.ndarray:
            if recipe.backbone == "broken":
                raise BackboneError("It is not there.")
            return super().vectors(recipe, rows)

    data = photos(100)
    recipes = [recipe("usual"), recipe("broken"), recipe("better")]
    source = Broken(data, {"usual": USUAL, "better": BETTER})
    outcome = race(recipes, data, source, Deadline(600))
    assert (outcome.standings[1].state, str(outcome.standings[1].reason)) == ("failed", "It is not there.")
    assert outcome.better == outcome.standings[2]
    with pytest.raises(BackboneError, match="not there"):
        race([recipe("broken"), recipe("usual")], data, source, Deadline(600))


def test_stopped_it_keeps_what_it_has_compared():
    stop, data = Event(), photos(240)
    source = MadeUp(data, {"usual": USUAL, "better": BETTER})
    recipes = [recipe("usual"), recipe("better")]
    outcome = race(recipes, data, source, Deadline(600, stop), on_step=lambda _: stop.set())
    assert outcome.standings[1].images == 120
    with pytest.raises(Stopped):
        race(recipes, data, source, Deadline(600, stop))


def test_when_the_time_is_over_it_ends_with_what_it_has():
    class Slow(MadeUp):
        def vectors(self, recipe: Recipe, rows: np.ndarray) -> np.ndarray:
            if len(rows) == 240:
                deadline.seconds = 0.0
            return super().vectors(recipe, rows)

    deadline, data = Deadline(600), photos(240)
    source = Slow(data, {"usual": USUAL, "better": BETTER})
    outcome = race([recipe("usual"), recipe("better")], data, source, deadline)
    assert [standing.images for standing in outcome.standings] == [120, 120]
    assert outcome.better == outcome.standings[1]
    with pytest.raises(Stopped, match="more minutes"):
        race([recipe("usual"), recipe("better")], data, source, Deadline(0.0))


def test_the_time_left_shrinks_and_never_exceeds_the_deadline():
    left, data = [], photos(480)
    source = MadeUp(data, {"usual": USUAL, "better": BETTER})
    race(
        [recipe("usual"), recipe("better")],
        data,
        source,
        Deadline(600),
        on_step=lambda outcome: left.append(outcome.remaining_s),
    )
    assert len(left) == 5
    assert 600 > left[0] > left[-1] == 0


def test_too_few_groups_are_refused():
    data = photos(8, per_group=2)
    with pytest.raises(SettingsError, match="three groups"):
        run({"usual": USUAL, "better": BETTER}, replace(data, groups=data.groups % 2))


def test_a_sample_is_drawn_by_class_and_a_larger_one_holds_it():
    labels = np.repeat([0, 1, 2], [200, 40, 3])
    order = drawn_by_class(labels, seed=4)
    assert sorted(order) == list(range(243))
    for count in (6, 60, 120):
        drawn = np.bincount(labels[order[:count]], minlength=3)
        assert drawn.min() >= 2
        assert abs(drawn[0] - count * 200 / 243) <= 4
    assert not np.array_equal(order, drawn_by_class(labels, seed=5))


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(40, [40]), (239, [239]), (240, [120, 240]), (480, [120, 240, 480]), (90_000, [150, 300, 600])],
)
def test_the_photos_double_from_round_to_round(count, sizes):
    rounds = _rounds(count)
    assert [images for images, division in rounds if not division] == sizes
    assert rounds[len(sizes) :] == [(sizes[-1], 1), (sizes[-1], 2)]
