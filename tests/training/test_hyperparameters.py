"""The settings of a training."""

import json
import math
from dataclasses import FrozenInstanceError, fields

import pytest

from vitcore.errors import SettingsError
from vitcore.records import plain_values
from vitcore.training import PRESETS, Hyperparameters


def test_the_defaults_are_those_of_the_contract():
    h = Hyperparameters()
    assert (h.epochs, h.validation_fraction, h.seed, h.views) == (20, 0.2, 0, 1)
    assert (h.optimizer, h.schedule, h.balance) == ("adamw", "cosine", "none")
    assert (h.head, h.label_smoothing, h.patience, h.monitor) == ("linear", 0.1, 0, "loss")
    assert (h.dropout, h.noise, h.mixup, h.input_size) == (0, 0, 0, 0)
    assert h.augmentations == ("colour", "crop", "flip")


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
        ("balance", "weights"),
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
        *[("balance", value) for value in ("", "balanced", None, True)],
    ],
)
def test_values_out_of_their_range_are_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=f"^{name} is "):
        Hyperparameters(**{name: value})


def test_a_message_says_what_was_received_and_what_is_allowed():
    with pytest.raises(SettingsError, match="epochs is 0; give a whole number from 1 to 1,000"):
        Hyperparameters(epochs=0)
    with pytest.raises(SettingsError, match="learning_rate is -1; give a number above 0 up to 10"):
        Hyperparameters(learning_rate=-1)
    with pytest.raises(SettingsError, match="optimizer is 'lion'; choose adamw, sgd, adam, lbfgs or lda"):
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
    values = plain_values(h)
    assert set(values) == {field.name for field in fields(Hyperparameters)}
    assert Hyperparameters.from_dict(json.loads(json.dumps(values))) == h


def test_part_of_the_settings_is_enough():
    assert Hyperparameters.from_dict({"epochs": 3}) == Hyperparameters(epochs=3)


def test_an_unknown_setting_is_refused_by_name():
    with pytest.raises(SettingsError, match="'magic' is not a hyperparameter"):
        Hyperparameters.from_dict({"epochs": 3, "magic": 0.1})
    with pytest.raises(SettingsError, match="epochs is 0"):
        Hyperparameters.from_dict({"epochs": 0})


@pytest.mark.parametrize(("before", "now"), [("balanced", "weights"), ("none", "none")])
def test_the_settings_of_a_run_from_before_there_was_a_sampler_are_read(before, now):
    assert Hyperparameters.from_dict({"class_weights": before}).balance == now


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": 5, "patience": 5}, "patience is 5 and epochs 5"),
        ({"views": 2, "augmentations": ()}, "without any augmentation"),
        ({"hidden_units": 8}, "the head is linear"),
        ({"mixup": 0.2, "batch_size": 1}, "blending takes two images"),
        ({"optimizer": "lbfgs", "dropout": 0.1}, "lbfgs makes no use"),
        ({"optimizer": "lbfgs", "head": "hidden"}, "lbfgs makes no use"),
        ({"optimizer": "lbfgs", "balance": "sampler"}, "choose weights"),
        ({"input_size": 20}, "56 to 1024"),
        ({"augmentations": ["flip", "magic"]}, "augmentations is"),
    ],
)
def test_settings_that_make_no_sense_together_are_refused_with_the_reason(settings, said):
    with pytest.raises(SettingsError, match=said):
        Hyperparameters(**settings)


def test_settings_survive_json():
    settings = Hyperparameters(augmentations=("flip", "blur"), views=3, head="hidden", hidden_units=8)
    assert Hyperparameters.from_dict(json.loads(json.dumps(plain_values(settings)))) == settings
    assert settings.augmentations == ("blur", "flip")


def test_the_presets_are_settings_and_the_balanced_one_is_the_default():
    assert list(PRESETS) == ["quick", "balanced", "thorough"]
    assert PRESETS["balanced"].hyperparameters == Hyperparameters()
    assert all(preset.title and preset.sentence.endswith(".") for preset in PRESETS.values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patience": 20}, "patience is 20 and epochs 20; the training would never end early"),
        ({"epochs": 5, "patience": 7}, "patience is 7 and epochs 5"),
        ({"views": 3, "augmentations": ()}, "views is 3 without any augmentation"),
        ({"hidden_units": 64}, "hidden_units is 64 and the head is linear, which has none"),
        ({"mixup": 0.2, "batch_size": 1}, "mixup is 0.2 and batch_size 1; blending takes two images"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        Hyperparameters(**settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.01),
        ("batch_size", 64),
        ("schedule", "constant"),
        ("warmup_epochs", 2),
        ("dropout", 0.1),
        ("noise", 0.1),
        ("mixup", 0.1),
        ("head", "hidden"),
        ("balance", "sampler"),
    ],
)
def test_what_lbfgs_makes_no_use_of_is_refused(name, value):
    with pytest.raises(SettingsError, match=f"^{name} is {value!r}.* or (choose )?another optimizer"):
        Hyperparameters(optimizer="lbfgs", **{name: value})


def test_what_lbfgs_makes_use_of_is_taken():
    h = Hyperparameters(
        optimizer="lbfgs", epochs=50, weight_decay=0.1, label_smoothing=0, balance="weights", patience=5
    )
    assert h.optimizer == "lbfgs"


def test_a_hidden_layer_may_have_any_width():
    assert Hyperparameters(head="hidden", hidden_units=64).hidden_units == 64


@pytest.mark.parametrize("given", [["flip", "blur"], ("blur", "flip"), ["flip", "flip", "blur"]])
def test_augmentations_are_kept_sorted_whether_they_are_a_list_or_a_tuple(given):
    assert Hyperparameters(augmentations=given).augmentations == ("blur", "flip")


def test_equal_settings_are_equal_however_they_were_given():
    assert Hyperparameters(augmentations=["flip", "crop", "colour"]) == Hyperparameters()
    assert hash(Hyperparameters(augmentations=["flip", "crop", "colour"])) == hash(Hyperparameters())


def test_the_plain_values_are_what_json_gives_back():
    values = plain_values(Hyperparameters(augmentations=("flip",)))
    assert json.loads(json.dumps(values)) == values


@pytest.mark.parametrize(("before", "now"), [("none", "none"), ("balanced", "weights")])
def test_the_class_weights_of_an_old_run_are_understood(before, now):
    values = {"epochs": 3, "class_weights": before}
    assert Hyperparameters.from_dict(values).balance == now
    assert values == {"epochs": 3, "class_weights": before}


def test_class_weights_beside_their_successor_are_refused():
    with pytest.raises(SettingsError, match="'class_weights' is not a hyperparameter"):
        Hyperparameters.from_dict({"class_weights": "none", "balance": "weights"})


def test_there_are_three_presets_and_the_defaults_are_the_one_in_the_middle():
    assert list(PRESETS) == ["quick", "balanced", "thorough"]
    assert PRESETS["balanced"].hyperparameters == Hyperparameters()
    for preset in PRESETS.values():
        assert preset.title
        assert preset.sentence.endswith(".")
