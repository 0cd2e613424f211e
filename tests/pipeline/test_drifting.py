"""Figures of a run in use: kept with consent, and compared with those of the photos it was tested on."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests._pictures import encoded
from vitcore.cli import main
from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.evaluation import ALARM_RATE, compare_use
from vitcore.inference import (
    forget_usage,
    is_usage_kept,
    keep_usage,
    keeping_usage,
    load_classifier,
    load_usage,
)
from vitcore.pipeline import LEAST_IN_USE, train, usage_drift
from vitcore.runs import list_runs
from vitcore.training import Hyperparameters

TINTS = [np.random.default_rng(number).uniform(40, 215, 3) for number in range(3)]


def answers(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    return random.beta(5, 1, count), random.gamma(9, 0.02, count)


def test_without_a_change_hardly_any_look_raises_an_alarm():
    alarms = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        alarms += compare_use(answers(random, 150), answers(random, 100)).has_drifted
    assert alarms <= 100 * ALARM_RATE + 1


def test_a_change_of_one_figure_alone_is_noticed():
    random = np.random.default_rng(0)
    expected, (confidence, novelty) = answers(random, 150), answers(random, 100)
    less_sure = compare_use(expected, (confidence * 0.7, novelty))
    assert (less_sure.is_less_sure, less_sure.is_less_alike) == (True, False)
    less_alike = compare_use(expected, (confidence, novelty * 1.4))
    assert (less_alike.is_less_sure, less_alike.is_less_alike) == (False, True)


def test_a_head_that_learned_from_more_is_surer_which_is_no_drift():
    random = np.random.default_rng(0)
    expected, (confidence, novelty) = answers(random, 150), answers(random, 100)
    assert not compare_use(expected, (confidence**0.5, novelty * 0.7)).has_drifted


def picture(random: np.random.Generator, label: int, change: str = "") -> bytes:
    """Stripes of a tint, as they are, blurred, or as another camera would take them."""
    stripes = np.sign(np.sin(np.arange(64) * random.uniform(0.8, 2) + random.uniform(0, 6)))
    pixels = TINTS[label] + 40 * stripes[:, np.newaxis] + random.normal(0, 20, (48, 64, 3))
    if change == "camera":
        pixels = pixels.clip(0, 255) * [1, 0.85, 0.7]
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return encoded(image.filter(ImageFilter.GaussianBlur(3)) if change == "blur" else image)


@pytest.fixture
def run(tmp_path, tiny_backbone, prepared_home):
    def learn() -> None:
        random = np.random.default_rng(0)
        for label in range(len(TINTS)):
            folder = tmp_path / "photos" / f"tint {label}"
            folder.mkdir(parents=True)
            for number in range(30):
                (folder / f"{number}.png").write_bytes(picture(random, label))
        train(
            import_dataset(tmp_path / "photos"),
            Hyperparameters(epochs=5),
            compute=Compute(tiny_backbone, device="cpu"),
        )

    prepared_home("drift", learn)
    return list_runs()[0]


def asked(run, random: np.random.Generator, count: int, change: str = "") -> None:
    classifier = keeping_usage(load_classifier(run.folder, device="cpu"), run.folder)
    classifier.predict([picture(random, number % len(TINTS), change) for number in range(count)])


def test_figures_are_kept_only_with_consent_and_only_figures(run, tmp_path):
    photo = tmp_path / "secret name.png"
    photo.write_bytes(picture(np.random.default_rng(0), 0))
    assert main(["predict", run.id, str(photo)]) == 0
    assert not is_usage_kept(run.folder)
    assert main(["predict", run.id, str(photo), "--keep-figures"]) == 0
    assert len(load_usage(run.folder)) == 1
    assert "secret" not in (run.folder / "usage.jsonl").read_text()
    with (run.folder / "usage.jsonl").open("a") as file:
        file.write('["2026-')  # a crash
    found = usage_drift(run)
    assert (found.images, found.test) == (1, None)
    assert found.days["photos"].tolist() == [1]
    forget_usage(run.folder)
    assert load_usage(run.folder).empty
    assert usage_drift(run).images == 0


@pytest.mark.parametrize("change", ["blur", "camera"])
def test_changed_photos_are_noticed_and_others_raise_no_alarm(run, change):
    keep_usage(run.folder)
    asked(run, np.random.default_rng(1), LEAST_IN_USE)
    test = usage_drift(run).test
    assert test is not None
    assert not test.has_drifted
    asked(run, np.random.default_rng(2), 100, change)
    test = usage_drift(run).test
    assert test is not None
    assert test.has_drifted


@pytest.mark.thorough
def test_in_nine_of_ten_draws_a_change_is_noticed_and_in_one_of_twenty_nothing_is(run):
    tested = run.headline_predictions
    alarms = {}
    for number, change in enumerate(("", "blur", "camera")):
        keep_usage(run.folder)
        asked(run, np.random.default_rng([7, number]), 250, change)
        usage, draws = load_usage(run.folder), np.random.default_rng(8)
        forget_usage(run.folder)
        alarms[change] = 0
        for _ in range(40):
            drawn = usage.iloc[draws.choice(len(usage), 100, replace=False)]
            alarms[change] += compare_use(
                (tested["confidence"], tested["novelty"]), (drawn["confidence"], drawn["novelty"])
            ).has_drifted
    assert alarms[""] <= 2
    assert alarms["blur"] >= 36
    assert alarms["camera"] >= 36
