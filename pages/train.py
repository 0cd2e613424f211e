"""Train: settings, a start button, and live curves."""

import streamlit as st

from app.jobs import draw_curves, start_training, training_panel
from app.parts import figures, needed_dataset, next_page, opening
from app.state import job_queue, run
from app.text import decimals, duration, percent, plain, span_sentence
from vitcore.backbone import CATALOGUE
from vitcore.errors import VitcoreError
from vitcore.training import Hyperparameters

RATES = [round(m * 10.0**e, 6) for e in range(-5, 0) for m in (1, 2, 5)] + [1.0]
BATCHES = [8, 16, 32, 64, 128, 256, 512, 1024]
DECAYS = [0.0, 0.0001, 0.001, 0.01, 0.1, 1.0]
OPTIMIZERS = {"adamw": "AdamW", "sgd": "SGD", "adam": "Adam"}
FOLDS = [0, 2, 3, 4, 5, 6, 8, 10, 15, 20]
DEFAULTS = Hyperparameters()
BACKBONES = {"auto": "Automatic: DINOv2 small"} | {
    name: f"{spec.title} · {spec.parameters_millions:g} M · {spec.licence}"
    for name, spec in CATALOGUE.items()
}


def settings() -> tuple[dict[str, object], dict[str, object]]:
    """The sliders: hyperparameters, and where and with which backbone to train."""
    left, right = st.columns(2)
    values: dict[str, object] = {
        "epochs": left.slider(
            "Epochs",
            1,
            200,
            DEFAULTS.epochs,
            key="epochs",
            persist_state="session",
            help="How often the training goes through all images. The best epoch is kept: more does no harm.",
        ),
        "learning_rate": right.select_slider(
            "Learning rate",
            RATES,
            DEFAULTS.learning_rate,
            key="learning_rate",
            persist_state="session",
            help="How large the steps are. Too small learns slowly, too large jumps about; 0.001 suits most.",
        ),
    }
    with st.expander("More settings", icon=":material/tune:"):
        left, middle, right = st.columns(3)
        backbone = left.selectbox(
            "Backbone",
            [*BACKBONES, "file"],
            format_func=lambda name: BACKBONES.get(name, "A weights file on this computer"),
            key="backbone",
            persist_state="session",
            help="The pre-trained Vision Transformer that looks at the images. It stays as it is.",
        )
        if backbone == "file":
            backbone = left.text_input(
                "Weights file",
                key="weights",
                placeholder="/home/me/model.safetensors",
                persist_state="session",
            ).strip()
        elif backbone in CATALOGUE:
            left.caption(plain(CATALOGUE[backbone].good_for, 200))
        values["batch_size"] = left.select_slider(
            "Batch size",
            BATCHES,
            DEFAULTS.batch_size,
            key="batch_size",
            persist_state="session",
            help="Images per step.",
        )
        values["views"] = left.slider(
            "Views per image",
            1,
            8,
            DEFAULTS.views,
            key="views",
            persist_state="session",
            help="Above 1, each training image is also learned cropped, mirrored and in other light. "
            "The first training takes that many times longer.",
        )
        values["optimizer"] = middle.selectbox(
            "Optimizer",
            list(OPTIMIZERS),
            format_func=OPTIMIZERS.__getitem__,
            key="optimizer",
            persist_state="session",
            help="How steps are taken; AdamW suits most sets.",
        )
        values["schedule"] = middle.selectbox(
            "Schedule",
            ["cosine", "constant"],
            key="schedule",
            persist_state="session",
            help="Cosine lowers the learning rate towards the end.",
        )
        values["warmup_epochs"] = middle.slider(
            "Warm-up epochs",
            0,
            10,
            DEFAULTS.warmup_epochs,
            key="warmup_epochs",
            persist_state="session",
            help="Epochs in which the learning rate rises to its full value.",
        )
        values["weight_decay"] = middle.select_slider(
            "Weight decay",
            DECAYS,
            DEFAULTS.weight_decay,
            key="weight_decay",
            persist_state="session",
            help="Keeps the weights small, which helps with few images.",
        )
        values["label_smoothing"] = right.slider(
            "Label smoothing",
            0.0,
            0.3,
            DEFAULTS.label_smoothing,
            0.01,
            key="label_smoothing",
            persist_state="session",
            help="Trusts the labels a little less; good when some may be wrong.",
        )
        values["class_weights"] = right.selectbox(
            "Class weights",
            ["none", "balanced"],
            key="class_weights",
            persist_state="session",
            help="Balanced makes rare classes count as much as frequent ones.",
        )
        values["validation_fraction"] = right.slider(
            "Share kept for validation",
            0.05,
            0.5,
            DEFAULTS.validation_fraction,
            0.05,
            key="validation_fraction",
            persist_state="session",
            help="These images are never learned from; the figures come from them.",
        )
        values["folds"] = right.select_slider(
            "Cross-validation",
            FOLDS,
            DEFAULTS.folds,
            format_func=lambda folds: f"{folds} folds" if folds else "none",
            key="folds",
            persist_state="session",
            help="Trains that many more times on other divisions of the photos, and tells how much the "
            "figures vary.",
        )
        values["seed"] = right.number_input(
            "Seed",
            0,
            2**32 - 1,
            DEFAULTS.seed,
            key="seed",
            persist_state="session",
            help="The same seed repeats a training exactly.",
        )
        device = middle.selectbox(
            "Device",
            ["auto", "cpu", "cuda", "mps"],
            key="device",
            persist_state="session",
            help="Automatic takes the GPU if there is one.",
        )
        precision = right.selectbox(
            "Precision",
            ["auto", "fp32", "bf16", "fp16"],
            key="precision",
            persist_state="session",
            help="Number format of the backbone.",
        )
    return values, {"backbone": backbone, "device": device, "precision": precision}


opening(
    "Train",
    "A pre-trained Vision Transformer looks at each photo once; then only its output layer is trained.",
)
data = needed_dataset()
values, requested = settings()
if st.button("Start training", type="primary", icon=":material/play_arrow:", width="stretch"):
    try:
        start_training(data, Hyperparameters(**values), requested)
    except VitcoreError as error:
        st.error(plain(str(error), 400), icon=":material/error:")
    else:
        st.rerun()
if any(job.kind == "run" for job in job_queue().active()):
    training_panel()
else:
    last = run()
    if last is not None:
        accuracy = last.evaluation.metrics["accuracy"]
        st.subheader("The chosen classifier", anchor=False)
        figures(
            [
                ("Validation accuracy", percent(accuracy.value), None),
                ("Balanced accuracy", percent(last.evaluation.balanced_accuracy), None),
                ("Cohen's kappa", decimals(last.evaluation.cohen_kappa), None),
                ("Time in all", duration(last.facts["seconds"]["total"]), None),
            ]
        )
        st.markdown(f"{span_sentence(accuracy.low, accuracy.high)} Best epoch: {last.facts['best_epoch']}.")
        draw_curves(last)
        st.caption(plain(last.config["backbone"]["note"], 200))
        next_page("evaluate", "See what it gets right and wrong")
