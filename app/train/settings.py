"""The settings of a training: sliders with plain words, presets, and settings taken from elsewhere."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import streamlit as st

from app.shared.engine import engine_title, engines_here
from app.shared.state import job_queue
from app.shared.text import escape_markdown
from app.shared.variants import draw_variants
from app.train.input_sizes import draw_input_sizes
from vitcore.backbone import CATALOGUE
from vitcore.dataset import AUGMENTATIONS, Dataset
from vitcore.errors import VitcoreError
from vitcore.language import mark, number, said, tr
from vitcore.training import PRESETS, Hyperparameters

__all__ = [
    "describe_settings",
    "draw_settings",
    "load_settings",
    "plain_number",
    "requested_settings",
    "setting_label",
    "setting_value",
]

DEFAULTS = Hyperparameters()
FILE = "file"
BACKBONES = ("auto", *CATALOGUE)
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")
REQUESTED = ("backbone", "device", "precision", "engine")
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
        label: Its name on the page; as `meaning` and `names`, to be given to `tr`.
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
        mark("Epochs"),
        (*range(1, 51), *range(55, 101, 5), 120, 150, 200, 300, 500, 1000),
        mark("How often the training goes through all images. The best epoch is kept: more does no harm."),
    ),
    "learning_rate": Setting(
        mark("Learning rate"),
        RATES,
        mark("How large the steps are. Too small learns slowly, too large jumps about; 0.001 suits most."),
    ),
    "optimizer": Setting(
        mark("Optimizer"),
        ("adamw", "sgd", "adam", "lbfgs"),
        mark("How steps are taken; AdamW suits most sets. L-BFGS looks at all images in every step."),
        {
            "adamw": mark("AdamW"),
            "sgd": "SGD",
            "adam": mark("Adam"),
            "lbfgs": mark("L-BFGS (logistic regression)"),
        },
    ),
    "batch_size": Setting(mark("Batch size"), (8, 16, 32, 64, 128, 256, 512, 1024), mark("Images per step.")),
    "schedule": Setting(
        mark("Schedule"),
        ("cosine", "constant"),
        mark("Cosine lowers the learning rate towards the end."),
        {"cosine": mark("cosine"), "constant": mark("constant")},
    ),
    "warmup_epochs": Setting(
        mark("Warm-up epochs"),
        tuple(range(11)),
        mark("Epochs in which the learning rate rises to its full value."),
    ),
    "patience": Setting(
        mark("Patience"),
        (0, 1, 2, 3, 5, 8, 10, 15, 20, 30, 50),
        mark("Ends early after so many epochs without improvement. Never, at 0."),
    ),
    "monitor": Setting(
        mark("What the best epoch is best at"),
        ("loss", "accuracy", "balanced_accuracy", "cohen_kappa"),
        mark("The validation loss depends least on luck with a few images."),
        {
            "loss": mark("validation loss"),
            "accuracy": mark("accuracy"),
            "balanced_accuracy": mark("balanced accuracy"),
            "cohen_kappa": mark("Cohen's kappa"),
        },
    ),
    "label_smoothing": Setting(
        mark("Label smoothing"),
        tuple(round(0.01 * n, 2) for n in range(31)),
        mark("Trusts the labels a little less; good when some may be wrong."),
    ),
    "weight_decay": Setting(
        mark("Weight decay"),
        (0.0, 0.0001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
        mark("Keeps the weights small, which helps with few images."),
    ),
    "dropout": Setting(
        mark("Dropout"),
        tuple(round(0.05 * n, 2) for n in range(19)),
        mark(
            "Hides a random part of what the backbone says in every step, so that nothing is relied on alone."
        ),
    ),
    "noise": Setting(
        mark("Noise"),
        tuple(round(0.05 * n, 2) for n in range(21)),
        mark("Blurs what the backbone says a little, differently in every step."),
    ),
    "mixup": Setting(
        mark("Mixup"),
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.8, 1.0, 2.0),
        mark("Also learns from mixtures of two images, labelled as both."),
    ),
    "views": Setting(
        mark("Views per image"),
        tuple(range(1, 17)),
        mark(
            "Above 1, each training image is also learned in variants. The first training takes that many "
            "times longer; later ones do not."
        ),
    ),
    "head": Setting(
        mark("Output layer"),
        ("linear", "hidden"),
        mark(
            "Linear is robust and can be explained exactly. One hidden layer can learn more from many images."
        ),
        {"linear": mark("linear"), "hidden": mark("one hidden layer")},
    ),
    "hidden_units": Setting(
        mark("Hidden units"),
        (32, 64, 128, 256, 512, 1024, 2048),
        mark("Width of the hidden layer, if there is one."),
    ),
    "balance": Setting(
        mark("Rare classes"),
        ("none", "weights", "sampler"),
        mark(
            "Makes rare classes count as much as frequent ones: by weighing them, or by showing them more "
            "often."
        ),
        {"none": mark("as they come"), "weights": mark("weighted"), "sampler": mark("shown more often")},
    ),
    "validation_fraction": Setting(
        mark("Share kept for validation"),
        tuple(round(0.05 * n, 2) for n in range(1, 19)),
        mark("These images are never learned from; the figures come from them."),
    ),
    "folds": Setting(
        mark("Cross-validation"),
        (0, 2, 3, 4, 5, 6, 8, 10, 15, 20),
        mark(
            "Trains that many more times on other divisions of the photos, and tells how much the figures "
            "vary."
        ),
        {0: mark("off")},
    ),
    "repeats": Setting(
        mark("Other seeds"),
        (0, 1, 2, 3, 4, 5, 8, 10, 15, 20),
        mark(
            "Trains that many more times on the same photos, and tells how much is luck of the training "
            "itself."
        ),
        {0: mark("off")},
    ),
    "input_size": Setting(
        mark("Input size"),
        tuple(SIZES),
        mark("Side in pixels of what the backbone sees. Smaller is faster and sees less."),
        {0: mark("usual")},
    ),
}
# What else tells two trainings apart.
OTHER_LABELS = {
    "augmentations": mark("What the views vary"),
    "backbone": mark("Backbone"),
    "dataset": mark("Dataset"),
    "engine": mark("Engine"),
    "precision": mark("Precision"),
    "seed": mark("Seed"),
}
VARIED = {
    "blur": mark("blur"),
    "colour": mark("colour"),
    "crop": mark("crop"),
    "flip": mark("flip"),
    "rotation": mark("rotation"),
}
LEARNING = ("optimizer", "batch_size", "schedule", "warmup_epochs", "patience", "monitor")
REGULARISING = ("label_smoothing", "weight_decay", "dropout", "noise", "mixup", "views")
JUDGING = ("balance", "head", "hidden_units", "validation_fraction", "folds", "repeats")


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
    measuring = any(job.kind == "sizes" for job in job_queue().active())
    if measuring:  # and it stays open to show what was found
        st.session_state["settings_open"] = True
    with st.expander(tr("More settings"), icon=":material/tune:", key="settings_open", on_change="rerun"):
        learning, regularising, judging = st.columns(3, gap="medium")
        with learning:
            st.markdown(f"**{tr('How it learns')}**")
            values |= {name: _slider(name) for name in LEARNING}
        with regularising:
            st.markdown(f"**{tr('Against learning by heart')}**")
            values |= {name: _slider(name) for name in REGULARISING}
            values["augmentations"] = _augmentations()
            _preview(data, values["augmentations"], values["views"])
        with judging:
            st.markdown(f"**{tr('Classes and figures')}**")
            values |= {name: _slider(name) for name in JUDGING}
            values["seed"] = _seed()
        st.markdown(f"**{tr('Where and with what')}**")
        requested, values["input_size"] = _where()
        draw_input_sizes(data, values, requested)
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
    return ", ".join(
        f"{setting_label(name)} {setting_value(name, getattr(hyperparameters, name))}" for name in names
    )


def setting_label(name: str) -> str:
    """What a setting is called within a sentence."""
    label = tr(SETTINGS[name].label if name in SETTINGS else OTHER_LABELS[name])
    return f"{label[0].lower()}{label[1:]}"


def setting_value(name: str, value: Any) -> str:
    """What the value of a setting is called."""
    if isinstance(value, list | tuple):
        return " + ".join(tr(VARIED[part]) for part in value)
    names = SETTINGS[name].names if name in SETTINGS else None
    if names is not None and value in names:
        return tr(names[value])
    return value if isinstance(value, str) else plain_number(value)


def plain_number(value: float) -> str:
    """A number with as many digits as it has: ``0.002``, ``1e-05``."""
    text = f"{value:.6g}"
    return text if "e" in text else number(value, len(text.partition(".")[2]))


def requested_settings() -> dict[str, Any]:
    """What the widgets said at the last run about backbone, device, precision and engine."""
    backbone = st.session_state.get("backbone", "auto")
    return {
        "backbone": st.session_state.get("weights", "") if backbone == FILE else backbone,
        **{name: st.session_state.get(name, "auto") for name in REQUESTED[1:]},
    }


def _presets() -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        for name, preset in PRESETS.items():
            st.button(
                said(preset.title),
                key=f"preset_{name}",
                help=said(preset.sentence),
                on_click=load_settings,
                args=(preset.hyperparameters,),
            )
        with st.popover(tr("Settings as a file"), icon=":material/settings:"):
            _as_file()


def _as_file() -> None:
    """Settings to be taken away, and brought back."""
    current = {field.name: st.session_state.get(field.name, field.default) for field in fields(DEFAULTS)}
    st.download_button(
        tr("Download the settings"),
        json.dumps({"hyperparameters": current, "requested": requested_settings()}, indent=2),
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
            st.session_state["notice"] = ("failed", why)
        except VitcoreError as error:
            st.session_state["notice"] = ("failed", escape_markdown(said(str(error)), 300))
        else:
            requested = {
                name: str(value)
                for name, value in dict(given.get("requested", {})).items()
                if name in REQUESTED
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
    # Made now: when the language changes, the choice is found by what it was called before.
    titles = {option: setting_value(name, option) for option in options}
    widget = st.selectbox if isinstance(value, str) else st.select_slider
    return widget(
        tr(setting.label),
        options,
        format_func=titles.__getitem__,
        key=name,
        persist_state="session",
        help=tr(setting.meaning),
        disabled=_unused(name),
    )


def _augmentations() -> tuple[str, ...]:
    titles = {name: tr(VARIED[name]) for name in AUGMENTATIONS}
    chosen = st.multiselect(
        tr(OTHER_LABELS["augmentations"]),
        AUGMENTATIONS,
        format_func=titles.__getitem__,
        key="augmentations",
        persist_state="session",
        placeholder=tr("Nothing"),
        help=tr("Leave out what changes the class: a mirrored or turned letter may be another one."),
    )
    return tuple(chosen)


def _preview(data: Dataset, augmentations: tuple[str, ...], views: int) -> None:
    """The variants that would be learned from."""
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


def _seed() -> int:
    return st.number_input(
        tr(OTHER_LABELS["seed"]),
        0,
        2**32 - 1,
        key="seed",
        persist_state="session",
        help=tr("The same seed repeats a training exactly."),
    )


def _where() -> tuple[dict[str, Any], int]:
    """Backbone, device, engine, precision, and the size of what the backbone sees."""
    first, second = st.columns(2)
    third, fourth, fifth = st.columns(3)
    titles = {name: _backbone_title(name) for name in (*BACKBONES, FILE)}
    devices, precisions = ({name: _or_automatic(name) for name in names} for names in (DEVICES, PRECISIONS))
    engines = {name: engine_title(name) for name in engines_here()}
    asked = st.session_state.get("engine", "auto")
    engines.setdefault(asked, engine_title(asked))  # from a run on another machine
    with first:
        backbone = st.selectbox(
            tr(OTHER_LABELS["backbone"]),
            list(titles),
            format_func=titles.__getitem__,
            key="backbone",
            persist_state="session",
            help=tr("The pre-trained Vision Transformer that looks at the images. It stays as it is."),
        )
        if backbone == FILE:
            backbone = st.text_input(
                tr("Weights file"),
                key="weights",
                placeholder="/home/me/model.safetensors",
                persist_state="session",
            ).strip()
        elif backbone in CATALOGUE:
            st.caption(escape_markdown(said(CATALOGUE[backbone].good_for), 200))
    with second:
        input_size = _slider("input_size")
    device = third.selectbox(
        tr("Device"),
        list(devices),
        format_func=devices.__getitem__,
        key="device",
        persist_state="session",
        help=tr("Automatic takes the GPU if there is one."),
    )
    engine = fourth.selectbox(
        tr(OTHER_LABELS["engine"]),
        list(engines),
        format_func=engines.__getitem__,
        key="engine",
        persist_state="session",
        help=tr(
            "The program that runs the Vision Transformer. Automatic measures on some of your photos which "
            "one is fastest here, and takes it only if it agrees with PyTorch on them: embeddings alike by "
            "0.999 at least (cosine similarity), and the same answer for 99 of 100 photos or more."
        ),
    )
    precision = fifth.selectbox(
        tr(OTHER_LABELS["precision"]),
        list(precisions),
        format_func=precisions.__getitem__,
        key="precision",
        persist_state="session",
        help=tr("Number format of the backbone. int8 goes with ONNX Runtime only."),
    )
    requested = {"backbone": backbone, "device": device, "precision": precision, "engine": engine}
    return requested, input_size


def _backbone_title(name: str) -> str:
    if name == "auto":
        return tr("Automatic: DINOv2 small")
    if name == FILE:
        return tr("A weights file on this computer")
    spec = CATALOGUE[name]
    return f"{said(spec.title)} · {plain_number(spec.parameters_millions)} M · {spec.licence}"


def _or_automatic(name: str) -> str:
    return tr("automatic") if name == "auto" else name
