"""The settings of a training."""

import json
import math
from dataclasses import FrozenInstanceError, fields

import pytest

from vitcore.errors import SettingsError
from vitcore.training import Hyperparameters


def test_the_defaults_are_those_of_the_contract():
    h = Hyperparameters()
    assert (h.epochs, h.validation_fraction, h.seed, h.views) == (20, 0.2, 0, 1)
    assert (h.optimizer, h.schedule, h.class_weights) == ("adamw", "cosine", "none")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 2),
        ("epochs", 1000),
        ("learning_rate", 1e-8),
        ("learning_rate", 10),
        ("batch_size", 1),
        ("batch_size", 65536),
        ("optimizer", "sgd"),
        ("optimizer", "adam"),
        ("schedule", "constant"),
        ("warmup_epochs", 0),
        ("warmup_epochs", 19),
        ("weight_decay", 0),
        ("weight_decay", 10.0),
        ("label_smoothing", 0),
        ("label_smoothing", 0.99),
        ("class_weights", "balanced"),
        ("views", 1),
        ("views", 64),
        ("validation_fraction", 0.01),
        ("validation_fraction", 0.9),
        ("seed", 0),
        ("seed", 2**32 - 1),
    ],
)
def test_values_in_their_range_are_taken(name, value):
    assert getattr(Hyperparameters(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            (name, value)
            for name in ("epochs", "batch_size", "views")
            for value in (0, -1, 1.5, "3", None, True)
        ],
        ("epochs", 1001),
        ("batch_size", 65537),
        ("views", 65),
        *[("learning_rate", value) for value in (0, -1e-3, 10.1, math.nan, math.inf, "0.1", None, True)],
        *[("warmup_epochs", value) for value in (-1, 1000, 0.5, True)],
        *[("weight_decay", value) for value in (-0.1, 11, math.nan, "0", False)],
        *[("label_smoothing", value) for value in (-0.1, 1, math.nan)],
        *[("validation_fraction", value) for value in (0, 0.91, 1, -0.2, math.nan, None)],
        *[("seed", value) for value in (-1, 2**32, 0.0, "0")],
        *[("optimizer", value) for value in ("", "AdamW", "lion", None, 1)],
        *[("schedule", value) for value in ("", "linear", None)],
        *[("class_weights", value) for value in ("", "auto", None, True)],
    ],
)
def test_values_out_of_their_range_are_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=f"^{name} is "):
        Hyperparameters(**{name: value})


def test_a_message_says_what_was_received_and_what_is_allowed():
    with pytest.raises(SettingsError, match="epochs is 0; give a whole number from 1 to 1000"):
        Hyperparameters(epochs=0)
    with pytest.raises(SettingsError, match="learning_rate is -1; give a number above 0 up to 10"):
        Hyperparameters(learning_rate=-1)
    with pytest.raises(SettingsError, match="optimizer is 'lion'; choose adamw, sgd or adam"):
        Hyperparameters(optimizer="lion")


@pytest.mark.parametrize(("epochs", "warmup"), [(5, 5), (5, 6), (1, 1)])
def test_a_warm_up_as_long_as_the_training_is_refused(epochs, warmup):
    with pytest.raises(SettingsError, match="the warm-up must end before the training does"):
        Hyperparameters(epochs=epochs, warmup_epochs=warmup)


def test_one_epoch_is_in_range_without_a_word_about_the_warm_up():
    assert Hyperparameters(epochs=1).epochs == 1


def test_settings_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Hyperparameters().epochs = 3


def test_settings_come_back_from_json():
    h = Hyperparameters(epochs=7, optimizer="sgd", learning_rate=0.05, label_smoothing=0.1, seed=3)
    values = h.to_dict()
    assert set(values) == {field.name for field in fields(Hyperparameters)}
    assert Hyperparameters.from_dict(json.loads(json.dumps(values))) == h


def test_part_of_the_settings_is_enough():
    assert Hyperparameters.from_dict({"epochs": 3}) == Hyperparameters(epochs=3)


def test_an_unknown_setting_is_refused_by_name():
    with pytest.raises(SettingsError, match="'dropout' is not a hyperparameter"):
        Hyperparameters.from_dict({"epochs": 3, "dropout": 0.1})
    with pytest.raises(SettingsError, match="epochs is 0"):
        Hyperparameters.from_dict({"epochs": 0})
