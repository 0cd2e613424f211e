"""The model card: it says what the run knows, and shows names as they are."""

import json
import re

import numpy as np

from vitcore.evaluation import evaluate
from vitcore.language import speaking
from vitcore.records import plain_values, record_of
from vitcore.report import CardContents, model_card
from vitcore.runs import Leak, Repeats, RunConfig, RunFacts
from vitcore.training import Hyperparameters

HOSTILE = ("a|b\n# c", "<img src=x>", "[x](javascript:y)", "**bold** `code`")


def contents(**changes: object) -> CardContents:
    random = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), [30, 30, 10, 30])
    probabilities = random.dirichlet(np.ones(4), 100)
    probabilities[np.arange(100), truth] += 1
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    config = {
        "created": "2026-11-24T12:18:51+00:00",
        "name": "",
        "classes": list(HOSTILE),
        "dataset": {"id": "1", "name": "![d](http://evil)", "version": 3},
        "hyperparameters": plain_values(Hyperparameters()),
        "requested": {"backbone": "/home/somebody/`w`.safetensors", "device": "auto", "precision": "auto"},
        "backbone": {
            "id": "/home/somebody/w.safetensors",
            "title": "w.safetensors",
            "architecture": "test_vit",
            "source": "file",
            "licence": "unknown",
            "good_for": "",
            "embedding_dimension": 128,
            "parameters_millions": 0.4,
            "fingerprint": "cd" * 32,
            "preprocessing": {
                "input_size": 160,
                "mean": [0.5, 0.5, 0.5],
                "std": [0.5, 0.5, 0.5],
            },
            "blocks": [1, 2],
            "weights_sha256": "ab" * 32,
        },
        "device": {"name": "cpu", "title": "CPU", "precision": "fp32"},
        "versions": {"torch": "2"},
        "images": {"train": 1234, "validation": 100, "skipped": 0},
        "split": {"seed": 7, "validation_fraction": 0.2, "groups": 3, "images": 8},
    }
    facts = {
        "best_epoch": 4,
        "epochs_run": 20,
        "calibration": {"temperature": 0.5, "error_before": 0.2, "noise_floor": 0.031},
    }
    values = {
        "name": "A *run*",
        "config": record_of(RunConfig, config),
        "facts": record_of(RunFacts, facts),
        "evaluation": evaluate(truth, probabilities, HOSTILE),
        "trained": dict.fromkeys(HOSTILE, 77),
        "ready_made": False,
        "level": 0.5,
        "answered": 64,
        "answered_right": 61,
        "temperature": 0.5,
    }
    return CardContents(**{**values, **changes})


def test_a_card_has_the_figures_of_the_run():
    made = contents()
    card = model_card(made, "model")
    for text in (
        "learned from 1,234 photos. The other 100 were kept for validation",
        "the seed 7",
        "8 of the photos are near-duplicates of each other, in 3 groups",
        "perfectly honest confidence would look 3.1 points off",
        "It answers 64 of",
        "chosen by the same validation photos",
        "160 × 160 pixels",
        "abab",
        '"best_epoch": 4',
        "not known: ask whoever made the weights",
    ):
        assert text in card, text
    for name, metric in made.evaluation.metrics.items():
        shown = f"{metric.value:.3f}" if name in {"cohen_kappa", "macro_f1", "log_loss"} else None
        assert f"| {shown or f'{100 * metric.value:.1f}'}" in card, name
    settings = json.loads(card.rpartition("```json\n")[2].partition("\n```")[0])
    assert Hyperparameters.from_dict(settings["hyperparameters"]) == Hyperparameters()


def test_a_card_shows_names_as_they_are():
    card = model_card(contents(), "onnx")
    rows = [line for line in card.splitlines() if line.startswith("|")]
    for line in rows:
        assert line.count(" | ") == line.replace(r"\|", "").count("|") - 2
    assert r"a\|b \# c | 77 | 30 |" in card
    for live in (r"(?<!\\)<img", r"(?<!\\)\]\(", r"(?<!\\)!\[", r"(?<!\\)\*\*bold", "/home/somebody"):
        assert not re.search(live, card), live
    # The command, three examples and the settings; a backtick in a name ends none.
    assert card.count("```") == 12


def test_a_card_leaves_out_what_is_not_known():
    full, bare = (
        contents(),
        contents(
            ready_made=True,
            answered=0,
            answered_right=0,
            facts=RunFacts(),
        ),
    )
    for text in ("the seed 7", "Of its answers to new photos", "perfectly honest"):
        assert text in model_card(full, "model"), text
        assert text not in model_card(bare, "model"), text
    assert "nan" not in model_card(bare, "model").lower()
    assert "Agreement with the original" not in model_card(full, "model")


def test_a_card_tells_what_flatters_the_figures():
    facts = RunFacts(
        leak=Leak(images=12, accuracy=0.9, accuracy_without=0.8125),
        repeats=Repeats(
            seeds=(1, 2, 3), accuracy=(0.8, None, 0.75), balanced_accuracy=(), cohen_kappa=(0.7, None, 0.6)
        ),
    )
    card = model_card(contents(ready_made=True, stopped=True, facts=facts), "model")
    assert "stopped early" in card
    assert "came with a division of its own" in card
    assert "12 of the validation photos, or near-copies of them" in card
    assert "without them the accuracy is 81.2" in card
    assert "Trained anew 2 times on the same photos from other seeds: accuracy 77.5" in card
    assert r"so their figures say little: \[x\](javascript:y)." in card
    assert r"a\|b \# c," not in card  # which has enough


def test_a_card_tells_how_to_use_what_it_goes_along_with():
    model, onnx = (model_card(contents(), form) for form in ("model", "onnx"))
    assert "vitcore.load_classifier" in model
    assert "vitcore" not in onnx.partition("## Settings")[0]
    assert "python predict.py" in onnx
    assert "largest_novelty" in onnx


def test_a_card_speaks_the_language_of_now():
    with speaking("es"):
        card = model_card(contents(), "model")
    assert "## Límites" in card
    assert "1.234" in card
    assert re.findall(r"\b(the|photos|with|which)\b", re.sub(r"```.*?```", "", card, flags=re.DOTALL)) == []
