"""The settings of a training: sliders with plain words, presets, and settings taken from elsewhere."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import streamlit as st

from app.text import plain
from app.variants import draw_variants
from vitcore.backbone import CATALOGUE
from vitcore.dataset import AUGMENTATIONS, Dataset
from vitcore.errors import VitcoreError
from vitcore.training import PRESETS, Hyperparameters

__all__ = ["describe_settings", "draw_settings", "load_settings", "requested_settings"]

DEFAULTS = Hyperparameters()
BACKBONES = {"auto": "Automatic: DINOv2 small"} | {
    name: f"{spec.title} · {spec.parameters_millions:g} M · {spec.licence}"
    for name, spec in CATALOGUE.items()
}
FILE = "file"
NOT_WITH_LBFGS = frozenset(
    {
        "learning_rate",
        "batch_size",
        "schedule",
        "warmup_epochs",
        "dropout",
        "noise",
        "mixup",
        "head",
        "balance",
    }
)
SIZES = [0, 112, 140, 168, 196, 224, 280, 336, 448, 518]


@dataclass(frozen=True)
class Setting:
    """How a hyperparameter is asked for.

    Attributes:
        label: Its name on the page.
        options: What can be chosen, in order.
        meaning: What it does, for people who do not know the word.
        names: What the options are called, where that is not what they are.
    """

    label: str
    options: tuple[Any, ...]
    meaning: str
    names: Mapping[Any, str] | None = None


RATES = (*(round(m * 10.0**e, 6) for e in range(-5, 0) for m in (1, 2, 5)), 1.0)
SETTINGS = {
    "epochs": Setting(
        "Epochs",
        (*range(1, 51), *range(55, 101, 5), 120, 150, 200, 300, 500, 1000),
        "How often the training goes through all images. The best epoch is kept: more does no harm.",
    ),
    "learning_rate": Setting(
        "Learning rate",
        RATES,
        "How large the steps are. Too small learns slowly, too large jumps about; 0.001 suits most.",
    ),
    "optimizer": Setting(
        "Optimizer",
        ("adamw", "sgd", "adam", "lbfgs"),
        "How steps are taken; AdamW suits most sets. L-BFGS looks at all images in every step.",
        {"adamw": "AdamW", "sgd": "SGD", "adam": "Adam", "lbfgs": "L-BFGS (logistic regression)"},
    ),
    "batch_size": Setting("Batch size", (8, 16, 32, 64, 128, 256, 512, 1024), "Images per step."),
    "schedule": Setting(
        "Schedule", ("cosine", "constant"), "Cosine lowers the learning rate towards the end."
    ),
    "warmup_epochs": Setting(
        "Warm-up epochs", tuple(range(11)), "Epochs in which the learning rate rises to its full value."
    ),
    "patience": Setting(
        "Patience",
        (0, 1, 2, 3, 5, 8, 10, 15, 20, 30, 50),
        "Ends early after so many epochs without improvement. Never, at 0.",
    ),
    "monitor": Setting(
        "What the best epoch is best at",
        ("loss", "accuracy", "balanced_accuracy", "cohen_kappa"),
        "The validation loss depends least on luck with a few images.",
        {
            "loss": "validation loss",
            "accuracy": "accuracy",
            "balanced_accuracy": "balanced accuracy",
            "cohen_kappa": "Cohen's kappa",
        },
    ),
    "label_smoothing": Setting(
        "Label smoothing",
        tuple(round(0.01 * n, 2) for n in range(31)),
        "Trusts the labels a little less; good when some may be wrong.",
    ),
    "weight_decay": Setting(
        "Weight decay",
        (0.0, 0.0001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
        "Keeps the weights small, which helps with few images.",
    ),
    "dropout": Setting(
        "Dropout",
        tuple(round(0.05 * n, 2) for n in range(19)),
        "Hides a random part of what the backbone says in every step, so that nothing is relied on alone.",
    ),
    "noise": Setting(
        "Noise",
        tuple(round(0.05 * n, 2) for n in range(21)),
        "Blurs what the backbone says a little, differently in every step.",
    ),
    "mixup": Setting(
        "Mixup",
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.8, 1.0, 2.0),
        "Also learns from mixtures of two images, labelled as both.",
    ),
    "views": Setting(
        "Views per image",
        tuple(range(1, 17)),
        "Above 1, each training image is also learned in variants. The first training takes that many times "
        "longer; later ones do not.",
    ),
    "head": Setting(
        "Output layer",
        ("linear", "hidden"),
        "Linear is robust and can be explained exactly. One hidden layer can learn more from many images.",
        {"linear": "linear", "hidden": "one hidden layer"},
    ),
    "hidden_units": Setting(
        "Hidden units", (32, 64, 128, 256, 512, 1024, 2048), "Width of the hidden layer, if there is one."
    ),
    "balance": Setting(
        "Rare classes",
        ("none", "weights", "sampler"),
        "Makes rare classes count as much as frequent ones: by weighing them, or by showing them more often.",
        {"none": "as they come", "weights": "weighted", "sampler": "shown more often"},
    ),
    "validation_fraction": Setting(
        "Share kept for validation",
        tuple(round(0.05 * n, 2) for n in range(1, 19)),
        "These images are never learned from; the figures come from them.",
    ),
    "folds": Setting(
        "Cross-validation",
        (0, 2, 3, 4, 5, 6, 8, 10, 15, 20),
        "Trains that many more times on other divisions of the photos, and tells how much the figures vary.",
        {0: "none"},
    ),
    "repeats": Setting(
        "Other seeds",
        (0, 1, 2, 3, 4, 5, 8, 10, 15, 20),
        "Trains that many more times on the same photos, and tells how much is luck of the training itself.",
        {0: "none"},
    ),
    "input_size": Setting(
        "Input size",
        tuple(SIZES),
        "Side in pixels of what the backbone sees. Smaller is faster and sees less.",
        {0: "usual"},
    ),
}
GROUPS = {
    "How it learns": ("optimizer", "batch_size", "schedule", "warmup_epochs", "patience", "monitor"),
    "Against learning by heart": ("label_smoothing", "weight_decay", "dropout", "noise", "mixup", "views"),
    "Classes and figures": ("balance", "head", "hidden_units", "validation_fraction", "folds", "repeats"),
}


def draw_settings(data: Dataset) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw all settings; the hyperparameters, and where and with which backbone to train.

    Args:
        data: What is learned from, to show its photos in the variants that are chosen.
    """
    for name, value in DEFAULTS.to_dict().items():
        st.session_state.setdefault(name, value)
    _presets()
    values: dict[str, Any] = {}
    left, right = st.columns(2)
    with left:
        values["epochs"] = _slider("epochs")
    with right:
        values["learning_rate"] = _slider("learning_rate")
    with st.expander("More settings", icon=":material/tune:"):
        for column, (title, names) in zip(st.columns(3, gap="medium"), GROUPS.items(), strict=True):
            with column:
                st.markdown(f"**{title}**")
                for name in names:
                    values[name] = _slider(name)
                if title == "Against learning by heart":
                    values["augmentations"] = _augmentations()
                    _preview(data, values["augmentations"], values["views"])
                if title == "Classes and figures":
                    values["seed"] = _seed()
        st.markdown("**Where and with what**")
        requested, values["input_size"] = _where()
    return values, requested


def load_settings(hyperparameters: Hyperparameters, requested: Mapping[str, Any] | None = None) -> None:
    """Put settings into the widgets; to be called before these are drawn, as from a callback."""
    for name, value in hyperparameters.to_dict().items():
        st.session_state[name] = list(value) if isinstance(value, tuple) else value
    for name, value in (requested or {}).items():
        st.session_state[name] = value
    backbone = (requested or {}).get("backbone")
    if backbone is not None and backbone not in BACKBONES:
        st.session_state["backbone"], st.session_state["weights"] = FILE, backbone


def describe_settings(hyperparameters: Hyperparameters, names: Iterable[str]) -> str:
    """Some settings in words, such as "learning rate 0.002, optimizer SGD"."""
    parts = []
    for name in names:
        value = getattr(hyperparameters, name)
        setting = SETTINGS.get(name)
        if isinstance(value, tuple):
            shown = " + ".join(value)
        else:
            shown = value if isinstance(value, str) else f"{value:g}"
            shown = (setting.names or {}).get(value, shown) if setting else shown
        label = setting.label if setting else name.replace("_", " ")
        parts.append(f"{label[0].lower()}{label[1:]} {shown}")
    return ", ".join(parts)


def requested_settings() -> dict[str, Any]:
    """What the widgets said at the last run about backbone, device and precision."""
    backbone = st.session_state.get("backbone", "auto")
    return {
        "backbone": st.session_state.get("weights", "") if backbone == FILE else backbone,
        "device": st.session_state.get("device", "auto"),
        "precision": st.session_state.get("precision", "auto"),
    }


def _presets() -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        for name, preset in PRESETS.items():
            st.button(
                preset.title,
                key=f"preset_{name}",
                help=preset.sentence,
                on_click=load_settings,
                args=(preset.hyperparameters,),
            )
        with st.popover("Settings as a file", icon=":material/settings:"):
            _as_file()


def _as_file() -> None:
    """Settings to be taken away, and brought back."""
    current = {field.name: st.session_state.get(field.name, field.default) for field in fields(DEFAULTS)}
    st.download_button(
        "Download the settings",
        json.dumps({"hyperparameters": current, "requested": requested_settings()}, indent=2),
        "settings.json",
        "application/json",
        on_click="ignore",
        icon=":material/download:",
    )
    generation = st.session_state.setdefault("settings_files", 0)
    upload = st.file_uploader("Bring settings back", type=["json"], key=f"settings_{generation}")
    if upload is not None:
        st.session_state["settings_files"] += 1
        try:
            given = json.loads(upload.getvalue().decode("utf-8"))
            hyperparameters = Hyperparameters.from_dict(given.get("hyperparameters", given))
        except (ValueError, AttributeError, TypeError) as error:
            st.session_state["notice"] = ("failed", f"These are no settings: {plain(str(error), 200)}")
        except VitcoreError as error:
            st.session_state["notice"] = ("failed", plain(str(error), 300))
        else:
            requested = {
                name: str(value)
                for name, value in dict(given.get("requested", {})).items()
                if name in {"backbone", "device", "precision"}
            }
            st.session_state["settings_to_load"] = (hyperparameters, requested)
        st.rerun()


def _unused(name: str) -> bool:
    """Whether a setting has no effect beside what is chosen elsewhere."""
    optimizer = st.session_state.get("optimizer", DEFAULTS.optimizer)
    if name == "hidden_units":
        return optimizer == "lbfgs" or st.session_state.get("head", DEFAULTS.head) != "hidden"
    return optimizer == "lbfgs" and name in NOT_WITH_LBFGS


def _slider(name: str) -> Any:
    """The widget of a setting: a choice between names, or a slider along numbers."""
    value = _widget(name)
    return getattr(DEFAULTS, name) if _unused(name) else value


def _widget(name: str) -> Any:
    setting = SETTINGS[name]
    value = st.session_state[name]
    options = list(setting.options)
    if value not in options:  # from a file or an older run
        options = sorted([*options, value]) if isinstance(value, int | float) else [*options, value]
    labels = setting.names or {}
    if isinstance(value, str):
        return st.selectbox(
            setting.label,
            options,
            format_func=lambda option: labels.get(option, option),
            key=name,
            persist_state="session",
            help=setting.meaning,
            disabled=_unused(name),
        )
    return st.select_slider(
        setting.label,
        options,
        format_func=lambda option: labels.get(option, f"{option:g}"),
        key=name,
        persist_state="session",
        help=setting.meaning,
        disabled=_unused(name),
    )


def _augmentations() -> tuple[str, ...]:
    chosen = st.multiselect(
        "What the views vary",
        AUGMENTATIONS,
        key="augmentations",
        persist_state="session",
        help="Leave out what changes the class: a mirrored or turned letter may be another one.",
    )
    return tuple(chosen)


def _preview(data: Dataset, augmentations: tuple[str, ...], views: int) -> None:
    """The variants that would be learned from."""
    icon = ":material/auto_awesome_motion:"
    shown = st.popover(
        "What that looks like", icon=icon, disabled=not augmentations, key="preview", on_change="rerun"
    )
    if shown.open:
        with shown:
            draw_variants(data, augmentations, min(max(views, 4), 8))


def _seed() -> int:
    return st.number_input(
        "Seed",
        0,
        2**32 - 1,
        key="seed",
        persist_state="session",
        help="The same seed repeats a training exactly.",
    )


def _where() -> tuple[dict[str, Any], int]:
    """Backbone, device, precision, and the size of what the backbone sees."""
    first, second, third, fourth = st.columns(4)
    with first:
        backbone = st.selectbox(
            "Backbone",
            [*BACKBONES, FILE],
            format_func=lambda name: BACKBONES.get(name, "A weights file on this computer"),
            key="backbone",
            persist_state="session",
            help="The pre-trained Vision Transformer that looks at the images. It stays as it is.",
        )
        if backbone == FILE:
            backbone = st.text_input(
                "Weights file",
                key="weights",
                placeholder="/home/me/model.safetensors",
                persist_state="session",
            ).strip()
        elif backbone in CATALOGUE:
            st.caption(plain(CATALOGUE[backbone].good_for, 200))
    with second:
        input_size = _slider("input_size")
    device = third.selectbox(
        "Device",
        ["auto", "cpu", "cuda", "mps"],
        key="device",
        persist_state="session",
        help="Automatic takes the GPU if there is one.",
    )
    precision = fourth.selectbox(
        "Precision",
        ["auto", "fp32", "bf16", "fp16"],
        key="precision",
        persist_state="session",
        help="Number format of the backbone.",
    )
    return {"backbone": backbone, "device": device, "precision": precision}, input_size
