"""The widgets of the settings show, and give back, whatever was loaded into them."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from vitcore.dataset import AUGMENTATIONS
from vitcore.errors import SettingsError
from vitcore.training import Hyperparameters, settings_without_effect


def page() -> None:
    """Draw the settings, and keep what a training would be started with and what a file would hold."""
    import streamlit

    from app.train import settings as module

    if loaded := streamlit.session_state.pop("settings_to_load", None):
        module.load_settings(loaded)
    streamlit.session_state["to_train"], _ = module.draw_settings(None)


def floats(low: float, high: float, *usual: float) -> st.SearchStrategy[float]:
    """Numbers of the sliders and any others."""
    return st.sampled_from(usual) | st.floats(low, high) | st.just(int(high))


@st.composite
def any_settings(draw: st.DrawFn) -> Hyperparameters:
    """Any valid hyperparameters, those that suit L-BFGS as often as the others."""
    values = {
        "epochs": draw(st.integers(1, 1000)),
        "learning_rate": draw(floats(1e-12, 10, 0.001, 0.05)),
        "batch_size": draw(st.integers(2, 65536)),
        "optimizer": draw(st.sampled_from(["adamw", "sgd", "adam", "lbfgs"])),
        "schedule": draw(st.sampled_from(["cosine", "constant"])),
        "warmup_epochs": draw(st.integers(0, 999)),
        "weight_decay": draw(floats(0, 10, 0.01, 0.1)),
        "label_smoothing": draw(floats(0, 0.99, 0.1, 0.2)),
        "balance": draw(st.sampled_from(["none", "weights", "sampler"])),
        "head": draw(st.sampled_from(["linear", "hidden"])),
        "hidden_units": draw(st.integers(1, 4096)),
        "dropout": draw(floats(0, 0.9, 0.1)),
        "noise": draw(floats(0, 2, 0.1)),
        "mixup": draw(floats(0, 2, 0.1)),
        "monitor": draw(st.sampled_from(["loss", "accuracy", "balanced_accuracy", "cohen_kappa"])),
        "patience": draw(st.integers(0, 999)),
        "views": draw(st.integers(1, 64)),
        "augmentations": draw(st.lists(st.sampled_from(AUGMENTATIONS), unique=True)),
        "input_size": draw(st.just(0) | st.integers(56, 1024)),
        "validation_fraction": draw(floats(1e-6, 0.9, 0.2, 0.25)),
        "finish": draw(st.booleans()),
        "repeats": draw(st.integers(0, 20)),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }
    # What contradicts the rest gives way.
    values["validation_fraction"] = values["validation_fraction"] or 0.5
    values["warmup_epochs"] %= values["epochs"]
    values["patience"] %= values["epochs"]
    if not values["augmentations"]:
        values["views"] = 1
    if values["optimizer"] == "lbfgs" and values["balance"] == "sampler":
        values["balance"] = "weights"
    for name in settings_without_effect(values):
        values[name] = getattr(Hyperparameters(), name)
    return Hyperparameters(**values)


@pytest.fixture
def files(monkeypatch) -> list[str]:
    """What the button for a file of the settings would give, run by run."""
    found: list[str] = []
    monkeypatch.setattr("streamlit.download_button", lambda _label, data, *_, **__: found.append(data))
    return found


@pytest.fixture
def at() -> AppTest:
    """One session for all examples: nothing of what was shown before may come through."""
    return AppTest.from_function(page, default_timeout=30)


def assert_given_back(at: AppTest, files: list[str], h: Hyperparameters) -> None:
    assert not at.exception
    assert Hyperparameters(**at.session_state["to_train"]) == h
    assert Hyperparameters.from_dict(json.loads(files[-1])["hyperparameters"]) == h


@given(h=any_settings())
@example(h=Hyperparameters(optimizer="lbfgs", balance="weights"))
@example(h=Hyperparameters(learning_rate=0.00100000001, validation_fraction=0.20001))
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_settings_that_are_loaded_and_shown_are_given_back_unchanged(at, files, h):
    at.session_state["settings_to_load"] = h
    assert_given_back(at.run(), files, h)
    assert_given_back(at.run(), files, h)  # as after a click anywhere


def test_a_setting_without_effect_is_not_forgotten(at, files):
    """Choosing L-BFGS puts aside what it has no use for, and another optimizer brings it back."""
    before = Hyperparameters(optimizer="sgd", learning_rate=0.02, dropout=0.1, head="hidden", hidden_units=64)
    at.session_state["settings_to_load"] = before
    at.run().selectbox(key="optimizer").set_value("lbfgs")
    assert_given_back(at.run(), files, Hyperparameters(optimizer="lbfgs"))
    assert at.select_slider(key="learning_rate").disabled
    at.selectbox(key="optimizer").set_value("sgd")
    assert_given_back(at.run(), files, before)


@pytest.mark.usefixtures("files")
def test_l_bfgs_offers_no_sampler_and_refuses_the_one_chosen_before(at):
    at.session_state["settings_to_load"] = Hyperparameters(balance="sampler")
    assert len(at.run().selectbox(key="balance").options) == 3
    at.selectbox(key="optimizer").set_value("lbfgs").run()
    with pytest.raises(SettingsError, match="choose weights"):
        Hyperparameters(**at.session_state["to_train"])
    at.selectbox(key="balance").set_value("weights").run()
    assert Hyperparameters(**at.session_state["to_train"]).balance == "weights"
    assert len(at.run().selectbox(key="balance").options) == 2
