"""The settings of a training: sliders with plain words, presets, and settings taken from elsewhere."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.shared.chosen import DEFAULTS, FILE, REQUESTED, chosen_settings, requested_settings
from app.shared.engine import engine_title, engines_here
from app.shared.messages import notify, notify_error
from app.shared.server_paths import paths_are_open
from app.shared.text import escape_markdown
from app.shared.variants import draw_variants
from vitcore.backbone import CATALOGUE, PAIRS, describe_backbone
from vitcore.compute import DEVICES, PRECISIONS
from vitcore.dataset import AUGMENTATIONS, Dataset
from vitcore.errors import VitcoreError
from vitcore.language import listed, mark, tr
from vitcore.records import plain_values
from vitcore.report import setting_title, setting_value, significant
from vitcore.training import PRESETS, Hyperparameters, settings_without_effect

__all__ = ["draw_settings", "load_settings"]

BACKBONES = ("auto", *CATALOGUE, *PAIRS)
ORDER = ("balanced", "quick", "thorough")  # of the presets
SIZES = [0, 112, 140, 168, 196, 224, 280, 336, 448, 518]


@dataclass(frozen=True)
class Choice:
    """The choices of a hyperparameter.

    Attributes:
        options: What can be chosen, in order.
        meaning: What it does, for people who do not know the word; to be given to `tr`.
    """

    options: tuple[Any, ...]
    meaning: str


RATES = (*(round(m * 10.0**e, 6) for e in range(-5, 0) for m in (1, 2, 5)), 1.0)
CHOICES = {
    "epochs": Choice(
        (*range(1, 51), *range(55, 101, 5), 120, 150, 200, 300, 500, 1000),
        mark("How often it goes through all photos. The best epoch is kept: more does no harm."),
    ),
    "learning_rate": Choice(
        RATES,
        mark("How large the steps are. Too small learns slowly, too large jumps about; 0.0002 suits most."),
    ),
    "optimizer": Choice(
        ("adamw", "sgd", "adam", "lbfgs", "lda"),
        mark(
            "How steps are taken; AdamW suits most sets. L-BFGS looks at all photos in every step. Linear "
            "discriminant analysis takes none: it is the solution that the others are drawn to."
        ),
    ),
    "batch_size": Choice((8, 16, 32, 64, 128, 256, 512, 1024), mark("Images per step.")),
    "schedule": Choice(("cosine", "constant"), mark("Cosine lowers the learning rate towards the end.")),
    "warmup_epochs": Choice(
        tuple(range(11)), mark("Epochs in which the learning rate rises to its full value.")
    ),
    "patience": Choice(
        (0, 1, 2, 3, 5, 8, 10, 15, 20, 30, 50),
        mark("Ends early after so many epochs without improvement. Never, at 0."),
    ),
    "monitor": Choice(
        ("loss", "accuracy", "balanced_accuracy", "cohen_kappa"),
        mark("The validation loss depends least on luck with a few images."),
    ),
    "label_smoothing": Choice(
        tuple(round(0.01 * n, 2) for n in range(31)),
        mark("Trusts the labels a little less; good when some may be wrong."),
    ),
    "weight_decay": Choice(
        (0.0, 0.0001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
        mark("Keeps the weights near the solution that they are drawn to, which helps with few photos."),
    ),
    "dropout": Choice(
        tuple(round(0.05 * n, 2) for n in range(19)),
        mark(
            "Hides a random part of what the backbone says in every step, so that nothing is relied on alone."
        ),
    ),
    "noise": Choice(
        tuple(round(0.05 * n, 2) for n in range(21)),
        mark("Blurs what the backbone says a little, differently in every step."),
    ),
    "mixup": Choice(
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.8, 1.0, 2.0),
        mark("Also learns from mixtures of two images, labelled as both."),
    ),
    "views": Choice(
        tuple(range(1, 17)),
        mark(
            "Above 1, each training image is also learned in variants. The first training takes that many "
            "times longer; later ones do not."
        ),
    ),
    "head": Choice(
        ("linear", "hidden"),
        mark(
            "Linear is robust and can be explained exactly. One hidden layer can learn more from many images."
        ),
    ),
    "hidden_units": Choice(
        (32, 64, 128, 256, 512, 1024, 2048), mark("Width of the hidden layer, if there is one.")
    ),
    "balance": Choice(
        ("none", "weights", "sampler"),
        mark(
            "Makes rare classes count as much as frequent ones: by weighing them, or by showing them more "
            "often."
        ),
    ),
    "validation_fraction": Choice(
        tuple(round(0.05 * n, 2) for n in range(1, 19)),
        mark("These images choose the best epoch and draw the curves."),
    ),
    "finish": Choice(
        (True, False),
        mark(
            "The classifier that you keep learns from the validation photos as well, once they have chosen "
            "the best epoch. Photos for the final exam stay out."
        ),
    ),
    "repeats": Choice(
        (0, 1, 2, 3, 4, 5, 8, 10, 15, 20),
        mark(
            "Trains that many more times on the same photos, and tells how much is luck of the training "
            "itself."
        ),
    ),
    "input_size": Choice(
        tuple(SIZES), mark("Side in pixels of what the backbone sees. Smaller is faster and sees less.")
    ),
}
LEARNING = ("optimizer", "batch_size", "schedule", "warmup_epochs", "patience", "monitor")
REGULARISING = ("label_smoothing", "weight_decay", "dropout", "noise", "mixup", "views")
JUDGING = ("balance", "head", "hidden_units", "validation_fraction", "finish", "repeats")


def draw_settings(data: Dataset) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw all settings; the hyperparameters, and where and with which backbone to train.

    Args:
        data: What is learned from, to show its photos in the variants that are chosen.
    """
    for name, value in plain_values(DEFAULTS).items():
        st.session_state.setdefault(name, value)
    _draw_presets()
    for column, name in zip(st.columns(2, gap="medium"), ("epochs", "learning_rate"), strict=True):
        with column:
            _draw(name)
            st.caption(tr(CHOICES[name].meaning))
    with st.expander(tr("More settings"), icon=":material/tune:", key="settings_open", on_change="rerun"):
        learning, regularising, judging = st.columns(3, gap="medium")
        with learning:
            st.markdown("**" + tr("How it learns") + "**")
            _draw(*LEARNING)
        with regularising:
            st.markdown("**" + tr("Against learning by heart") + "**")
            _draw(*REGULARISING)
            _draw_augmentations()
            _preview(data)
        with judging:
            st.markdown("**" + tr("Classes and figures") + "**")
            _draw(*JUDGING)
            _draw_seed()
        st.markdown("**" + tr("Where and with what") + "**")
        _where()
        with st.popover(tr("Settings as a file"), icon=":material/settings:"):
            _as_file()
    return chosen_settings(), requested_settings()


def load_settings(hyperparameters: Hyperparameters, requested: Mapping[str, Any] | None = None) -> None:
    """Put settings into the widgets; to be called before these are drawn, as from a callback."""
    for name, value in plain_values(hyperparameters).items():
        st.session_state[name] = list(value) if isinstance(value, tuple) else value
    for name, value in (requested or {}).items():
        st.session_state[name] = value
    backbone = (requested or {}).get("backbone")
    if backbone is not None and backbone not in BACKBONES:
        st.session_state["backbone"], st.session_state["weights"] = FILE, backbone


def _draw_presets() -> None:
    """Draw the presets, and which one the settings are at now."""
    now = chosen_settings()
    st.session_state["preset"] = next((name for name in ORDER if _values(name) == now), None)
    titles = {name: tr(PRESETS[name].title) for name in ORDER}
    st.radio(
        tr("How to train"),
        ORDER,
        format_func=titles.__getitem__,
        captions=[tr(PRESETS[name].sentence) for name in ORDER],
        key="preset",
        on_change=_load_preset,
        label_visibility="collapsed",
    )
    if st.session_state["preset"] is None:
        balanced = _values("balanced")
        changes = [
            f"{setting_title(name, in_sentence=True)} {setting_value(name, value)}"
            for name, value in now.items()
            if value != balanced[name]
        ]
        st.caption(tr("Your own settings: as Balanced, but {changes}.").format(changes=listed(changes)))


def _values(preset: str) -> dict[str, Any]:
    return plain_values(PRESETS[preset].hyperparameters)


def _load_preset() -> None:
    load_settings(PRESETS[st.session_state["preset"]].hyperparameters)


def _as_file() -> None:
    """Settings to be taken away, and brought back."""
    st.download_button(
        tr("Download the settings"),
        json.dumps({"hyperparameters": chosen_settings(), "requested": requested_settings()}, indent=2),
        "settings.json",
        "application/json",
        on_click="ignore",
        icon=":material/download:",
    )
    generation = st.session_state.setdefault("settings_files", 0)
    upload = st.file_uploader(tr("Bring settings back"), type=["json"], key=f"settings_{generation}")
    if upload is not None:
        st.session_state["settings_files"] += 1
        try:
            given = json.loads(upload.getvalue().decode("utf-8"))
            hyperparameters = Hyperparameters.from_dict(given.get("hyperparameters", given))
        except (ValueError, AttributeError, TypeError) as error:
            why = tr("These are no settings: {reason}").format(reason=escape_markdown(str(error), 200))
            notify("failed", why)
        except VitcoreError as error:
            notify_error(error)
        else:
            requested = {
                name: str(value)
                for name, value in dict(given.get("requested", {})).items()
                if name in REQUESTED
            }
            st.session_state["settings_to_load"] = (hyperparameters, requested)
        st.rerun()


def _draw(*names: str) -> None:
    """The widgets of settings: a choice between names, or a slider along numbers."""
    for name in names:
        _draw_choice(name, CHOICES[name])


def _draw_choice(name: str, choice: Choice) -> None:
    value = st.session_state[name]
    if isinstance(value, bool):
        st.toggle(setting_title(name), key=name, persist_state="session", help=tr(choice.meaning))
        return
    options = [option for option in choice.options if option == value or _fits(name, option)]
    if value not in options:  # from a file or an older run
        options = sorted([*options, value]) if isinstance(value, int | float) else [*options, value]
    # Made now: when the language changes, the choice is found by what it was called before.
    titles = {option: setting_value(name, option) for option in options}
    if (
        list(titles.values()).count(titles[value]) > 1
    ):  # apart from its neighbour by a digit that is not shown
        titles[value] = str(value)
    widget = st.selectbox if isinstance(value, str) else st.select_slider
    widget(
        setting_title(name),
        options,
        format_func=titles.__getitem__,
        key=name,
        persist_state="session",
        help=tr(choice.meaning),
        disabled=name in settings_without_effect(st.session_state),
    )


def _fits(name: str, option: Any) -> bool:
    """What takes all images at once can show none more often."""
    all_at_once = st.session_state["optimizer"] in ("lbfgs", "lda")
    return not (all_at_once and (name, option) == ("balance", "sampler"))


def _draw_augmentations() -> None:
    titles = {name: setting_value("augmentations", name) for name in AUGMENTATIONS}
    st.multiselect(
        setting_title("augmentations"),
        AUGMENTATIONS,
        format_func=titles.__getitem__,
        key="augmentations",
        persist_state="session",
        placeholder=tr("Nothing"),
        help=tr("Leave out what changes the class: a mirrored or turned letter may be another one."),
    )


def _preview(data: Dataset) -> None:
    """The variants that would be learned from."""
    augmentations, views = tuple(st.session_state["augmentations"]), st.session_state["views"]
    shown = st.popover(
        tr("What that looks like"),
        icon=":material/auto_awesome_motion:",
        disabled=not augmentations,
        key="preview",
        on_change="rerun",
    )
    if shown.open:
        with shown:
            draw_variants(data, augmentations, min(max(views, 4), 8))


def _draw_seed() -> None:
    st.number_input(
        setting_title("seed"),
        0,
        2**32 - 1,
        key="seed",
        persist_state="session",
        help=tr("The same seed repeats a training exactly."),
    )


def _where() -> None:
    """Backbone, device, engine, precision, and the size of what the backbone sees."""
    first, second = st.columns(2)
    third, fourth, fifth = st.columns(3)
    engine = st.session_state.get("engine", "auto")  # from a run on another machine, it may not be here
    with first:
        backbone = _select(
            "backbone",
            {name: _backbone_title(name) for name in _backbones()},
            tr("The pre-trained Vision Transformer that looks at the images. It stays as it is."),
        )
        if backbone == FILE:
            st.text_input(
                tr("Weights file"),
                key="weights",
                placeholder="/home/me/model.safetensors",
                persist_state="session",
            )
        elif backbone == "auto":
            st.caption(
                tr("DINOv2 base with a GPU or where it takes at most five minutes, else DINOv2 small.")
            )
        elif backbone in BACKBONES:
            st.caption(escape_markdown(tr(describe_backbone(backbone).good_for), 200))
    with second:
        _draw("input_size")
    with third:
        titles = {name: _or_automatic(name) for name in DEVICES}
        _select("device", titles, tr("Automatic takes the GPU if there is one."))
    with fourth:
        _select(
            "engine",
            {name: engine_title(name) for name in dict.fromkeys([*engines_here(), engine])},
            tr(
                "The program that runs the Vision Transformer. Automatic measures on some of your photos "
                "which one is fastest here, and takes it only if it agrees with PyTorch on them: embeddings "
                "alike by 0.999 at least (cosine similarity), and the same answer for 99 of 100 photos or "
                "more."
            ),
        )
    with fifth:
        titles = {name: _or_automatic(name) for name in PRECISIONS}
        _select("precision", titles, tr("Number format of the backbone. int8 goes with ONNX Runtime only."))


def _backbones() -> tuple[str, ...]:
    """Return what can be chosen; a file from a run that was loaded stays, and is refused at the start."""
    chosen = st.session_state.get("backbone") == FILE
    return (*BACKBONES, FILE) if chosen or paths_are_open() else BACKBONES


def _select(name: str, titles: Mapping[str, str], meaning: str) -> str:
    return st.selectbox(
        setting_title(name),
        list(titles),
        format_func=titles.__getitem__,
        key=name,
        persist_state="session",
        help=meaning,
    )


def _backbone_title(name: str) -> str:
    if name == "auto":
        return tr("Automatic: DINOv2 base or small")
    if name == FILE:
        return tr("A weights file on this computer")
    spec = describe_backbone(name)
    title = " + ".join(tr(part.title) for part in spec.parts or (spec,))
    return f"{title} · {significant(spec.parameters_millions)} M · {spec.licence}"


def _or_automatic(name: str) -> str:
    return tr("automatic") if name == "auto" else name
