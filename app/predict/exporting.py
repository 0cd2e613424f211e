"""Taking a classifier home: the report, the model folder, the ONNX file."""

import shutil
from collections.abc import Callable, Hashable, Sequence
from hashlib import sha256
from pathlib import Path

import pandas as pd
import streamlit as st

from app.predict.publishing import draw_publishing
from app.shared.job_kinds import EXPORT
from app.shared.jobs import draw_jobs, start
from app.shared.messages import draw_error, reported
from app.shared.results import results_version
from app.shared.state import workspace
from app.shared.text import download_name, escape_markdown
from vitcore.errors import VitcoreError
from vitcore.inference import Agreement
from vitcore.jobs import Job
from vitcore.language import LANGUAGES, current, file_size, mark, number, percent, tr
from vitcore.pipeline import Export, ExportRecord, export_model, export_onnx, export_web, pack_export
from vitcore.records import load_record
from vitcore.report import changed_sentence
from vitcore.runs import Run, load_run

__all__ = ["draw_takeaway"]

_EXPORTERS: dict[str, Callable[..., Export]] = {
    "model": export_model,
    "onnx": export_onnx,
    "web": export_web,
}
_TITLES = {
    "model": mark(":material/folder_zip: Model folder"),
    "onnx": mark(":material/deployed_code: ONNX file"),
    "web": mark(":material/web: Web page"),
}
_MEANINGS = {
    "model": mark("For ViT Studio on another computer, and for Python. It also says when it is not sure."),
    "onnx": mark(
        "For programs without ViT Studio and without PyTorch, with a script that needs nothing else."
    ),
    "web": mark(
        "A page to share: it answers photos, and what a camera sees, in the browser of whoever opens it. No "
        "photo leaves their device."
    ),
}
_MAKE = {
    "model": mark("Make the model folder"),
    "onnx": mark("Make the ONNX file"),
    "web": mark("Make the web page"),
}
_DOWNLOAD = {
    "model": mark("Download the model folder"),
    "onnx": mark("Download the ONNX file"),
    "web": mark("Download the web page"),
}
_USES = {
    "model": """```
python -m vitcore predict FOLDER photo.jpg
vitcore.load_classifier("FOLDER").predict(["photo.jpg"])
```""",
    "onnx": """```
pip install onnxruntime numpy pillow
python predict.py photo.jpg
```""",
    "web": """```
python -m http.server --bind 127.0.0.1 8080
```""",
}
_KINDS = {
    "model": mark("Model folder"),
    "onnx": mark("ONNX file"),
    "onnx fp16": mark("ONNX file, fp16"),
    "onnx int8": mark("ONNX file, int8"),
    "bf16": mark("Model folder, computing in bf16"),
}


def draw_takeaway(run: Run) -> None:
    """Draw a card for each: the report, the model folder, the ONNX file, the web page, the model hub."""
    st.markdown(
        tr("All that was found, and the classifier itself, as files. What is handed out was compared before.")
    )
    busy = draw_jobs(EXPORT)
    _report(run)
    for form in _EXPORTERS:
        _card(run, form, busy=busy)
    draw_publishing(run, busy=busy)


# --- the report --------------------------------------------------------------------------------


def _report(run: Run) -> None:
    with st.container(border=True):
        st.subheader(tr(":material/article: Report"), anchor=False)
        st.markdown(tr("All figures and pictures in one file, to read, to print and to pass on."))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            language = st.selectbox(
                tr("Language of the report"),
                list(LANGUAGES),
                index=list(LANGUAGES).index(current()),
                format_func=LANGUAGES.__getitem__,
                key=f"report_language_{current()}",
                width=220,
            )
            # All that a report is made of lies in these files.
            state = tuple((file.name, file.stat().st_mtime_ns) for file in sorted(run.folder.glob("*.json")))
            file = _place(run, f"report-{language}", (results_version(run), state)).with_suffix(".html")
            if st.button(tr("Write the report"), icon=":material/edit_document:", key="write_report"):
                _write_report(run, file, language)
        if file.is_file():
            st.download_button(
                tr("Download the report"),
                file.read_bytes,
                download_name(run.config.dataset.name, run.config.created, f"report.{language}.html"),
                "text/html",
                icon=":material/download:",
                on_click="ignore",
                key="download_report",
            )
            st.caption(file_size(file.stat().st_size))


def _write_report(run: Run, file: Path, language: str) -> None:
    from vitcore.pipeline import write_report  # its pictures take a second to import

    with reported(draw_error), st.spinner(tr("Writing the report …")):
        _make_room(file, f"report-{language}")
        write_report(run.id, file, language=language, workspace=workspace())


# --- the model ---------------------------------------------------------------------------------


def _card(run: Run, form: str, *, busy: bool) -> None:
    place = _place(run, form, results_version(run))
    with st.container(border=True):
        st.subheader(tr(_TITLES[form]), anchor=False)
        st.markdown(tr(_MEANINGS[form]))
        about = _made(place)
        if about is None:
            st.caption(
                tr("It is compared with this run on some of its photos, which takes a minute or more.")
            )
            if st.button(tr(_MAKE[form]), icon=":material/build:", disabled=busy, key=f"make_{form}"):
                _start(run, form, place)
                st.rerun()
            return
        agreements = about.agreement
        st.markdown(_sentence(next((found for found in agreements if found.offered), agreements[0])))
        st.table(_table(agreements), border="horizontal", hide_index=True)
        archive = place.with_suffix(".zip")
        st.download_button(
            tr(_DOWNLOAD[form]),
            archive.read_bytes,
            download_name(run.config.dataset.name, run.config.created, f"{form}.zip"),
            "application/zip",
            type="primary",
            icon=":material/download:",
            on_click="ignore",
            key=f"download_{form}",
        )
        st.caption(" · ".join(_facts(run, about, archive)))
        st.markdown(_USES[form])


def _sentence(found: Agreement) -> str:
    text = tr(
        "On {count} photos it gives the same label as this run for **{share}**, and probabilities differ by "
        "at most {difference}."
    ).format(
        count=number(found.images),
        share=percent(found.same_labels),
        difference=number(found.largest_difference, 6),
    )
    return f"{text} {changed_sentence(found.changed)}".strip()


def _table(agreements: Sequence[Agreement]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            tr("what"): [
                tr(_KINDS[found.kind]) + ("" if found.offered else " (" + tr("left out") + ")")
                for found in agreements
            ],
            tr("photos"): [number(found.images) for found in agreements],
            tr("same label"): [percent(found.same_labels) for found in agreements],
            tr("largest difference"): [number(found.largest_difference, 6) for found in agreements],
            tr("seconds per photo"): [number(found.seconds_per_image, 3) for found in agreements],
        }
    )


def _facts(run: Run, about: ExportRecord, archive: Path) -> list[str]:
    parts = [file_size(archive.stat().st_size)]
    if about.opset is not None:
        parts.append(tr("opset {version}").format(version=about.opset))
    licence = run.config.backbone.licence
    if licence == "unknown":
        parts.append(tr("the licence of the backbone is not known"))
    else:
        parts.append(tr("licence of the backbone: {licence}").format(licence=escape_markdown(licence)))
    return parts


def _made(place: Path) -> ExportRecord | None:
    """Return the record of an export; None if there is none."""
    if not place.with_suffix(".zip").is_file():
        return None
    try:
        return load_record(ExportRecord, place.with_suffix(".json"), mark("export again"))
    except VitcoreError as error:
        draw_error(error)
        return None


def _start(run: Run, form: str, place: Path) -> None:
    """Export in the background, as one zip file."""
    language = current()

    def work(job: Job) -> None:
        found = load_run(run.id, workspace=workspace())  # which may have been deleted while this waited
        _make_room(place, form)
        made = _EXPORTERS[form](
            found,
            place,
            language=language,
            workspace=workspace(),
            task=job.task,
        )
        pack_export(made, place.with_suffix(".zip"))

    # ONNX Runtime computes on the CPU.
    device = run.config.device.name if form == "model" else "cpu"
    start(EXPORT, run.name, work, device=device, result_id=run.id, uses=(run.folder,))


def _place(run: Run, what: str, state: Hashable) -> Path:
    """Return its place below the run, so that it goes with it, under a name that changes with the results."""
    digest = sha256(repr(state).encode()).hexdigest()[:12]
    return run.folder / "exports" / f"{what}-{digest}"


def _make_room(place: Path, what: str) -> None:
    """Delete what was made of earlier results."""
    place.parent.mkdir(exist_ok=True)
    for path in place.parent.glob(f"{what}-*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
