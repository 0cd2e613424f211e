"""Models that somebody sent: opened here, asked about photos, judged on a dataset of one's own."""

from pathlib import PurePosixPath

import pandas as pd
import streamlit as st

from app.shared.layout import draw_select
from app.shared.messages import draw_damaged, draw_error, notify, notify_error, reported
from app.shared.state import chosen_dataset, workspace
from app.shared.text import escape_markdown
from app.shared.uploads import Uploads
from vitcore.errors import StorageError
from vitcore.features import Unreadable
from vitcore.inference import Classifier, load_classifier
from vitcore.language import listed, local_time, percent, tr, translated
from vitcore.pipeline import OpenedModel, delete_model, evaluate_on, list_models, open_model
from vitcore.sources import IMAGE_SUFFIXES

__all__ = ["draw_opened_models"]

_MOST_PHOTOS = 50


def draw_opened_models() -> None:
    """Draw the models that were opened, and the way to open one."""
    found = list_models(workspace())
    models = {key: model for key, model in found.items() if isinstance(model, OpenedModel)}
    title = tr("Models from others")
    with st.expander(title, icon=":material/deployed_code_account:", expanded=bool(models)):
        _draw_opener()
        draw_damaged(
            {key: error for key, error in found.items() if isinstance(error, StorageError)},
            tr("Delete the damaged model {name}"),
            lambda model_id: delete_model(model_id, workspace=workspace()),
            key="delete_model",
        )
        if models:
            names = {key: f"{model.name} · {local_time(model.opened)}" for key, model in models.items()}
            chosen = draw_select(tr("Model"), names, "opened_model")
            _draw_model(models.get(str(chosen), next(iter(models.values()))))


def _draw_opener() -> None:
    generation = st.session_state.setdefault("model_generation", 0)
    upload = st.file_uploader(
        tr("Drop a model folder as a zip file here, as “Export” makes it"),
        type=["zip"],
        key=f"model_file_{generation}",
    )
    if upload is None:
        return
    st.session_state["model_generation"] += 1
    with reported(notify_error):
        sent = Uploads().keep(upload, upload.name)
        title = PurePosixPath(upload.name).name
        model = open_model(sent.path, title=title, workspace=workspace())
        notify("complete", tr("{name} is open.").format(name=escape_markdown(model.name, 80)))
    st.rerun()


def _draw_model(model: OpenedModel) -> None:
    classes = listed([escape_markdown(label, 40) for label in model.classes[:20]])
    st.markdown(
        tr("From the file {source}, opened {date}. It tells apart: {classes}.").format(
            source=escape_markdown(model.source, 80), date=local_time(model.opened), classes=classes
        )
    )
    card = model.folder / "README.md"
    with st.container(horizontal=True):
        if card.is_file():
            st.download_button(
                tr("Model card"), card.read_bytes, "README.md", "text/markdown", icon=":material/article:"
            )
        if st.button(tr("Delete"), icon=":material/delete:", key=f"delete_{model.id}"):
            with reported(notify_error):
                delete_model(model.id, workspace=workspace())
            st.rerun()
    uploads = st.file_uploader(
        tr("Photos for this model"),
        type=[suffix[1:] for suffix in sorted(IMAGE_SUFFIXES)],
        accept_multiple_files=True,
        key=f"model_photos_{model.id}",
    )
    if uploads:
        with reported(draw_error), st.spinner(tr("Looking at the photos …")):
            photos = {upload.name: upload.getvalue() for upload in uploads[:_MOST_PHOTOS]}
            st.dataframe(_answers(_classifier(model), photos), hide_index=True)
    dataset = chosen_dataset()
    if dataset is None:
        return
    label = tr("Judge it on the dataset {name}").format(name=escape_markdown(dataset.name, 60))
    if st.button(label, icon=":material/monitoring:", key=f"judge_{model.id}"):
        with reported(draw_error), st.spinner(tr("Looking at the photos …")):
            accuracy = evaluate_on(_classifier(model), dataset).evaluation.metrics["accuracy"]
            text = tr(
                "On this dataset {share} of its answers are right, between {low} and {high} of new ones."
            )
            shares = {name: percent(getattr(accuracy, name)) for name in ("low", "high")}
            st.success(text.format(share=percent(accuracy.value), **shares))


def _classifier(model: OpenedModel) -> Classifier:
    return load_classifier(model.folder, workspace=workspace())


def _answers(classifier: Classifier, photos: dict[str, bytes]) -> pd.DataFrame:
    """The answer to each photo, by its name."""
    rows = []
    for name, (_, result) in zip(photos, classifier.predict_each(photos.values()), strict=True):
        if isinstance(result, Unreadable):
            rows.append({tr("photo"): name, tr("remark"): translated(result.reason)})
            continue
        rows.append(
            {
                tr("photo"): name,
                tr("class"): result.label,
                tr("confidence"): percent(result.confidence),
                tr("remark"): "" if result.sure else tr("not sure"),
            }
        )
    return pd.DataFrame(rows)
