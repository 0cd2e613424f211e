"""Evaluate: how good the chosen classifier is on images it never learned from."""

import json
from dataclasses import asdict
from functools import partial

import pandas as pd
import streamlit as st

from app.evaluate.comparison import draw_comparison
from app.evaluate.conditions import draw_conditions
from app.evaluate.confusions import draw_confusions
from app.evaluate.curves import draw_all_curves
from app.evaluate.external_validation import draw_external_validation
from app.evaluate.figures import draw_figures
from app.evaluate.forecast import draw_forecast
from app.evaluate.not_sure import draw_trust
from app.evaluate.stress import draw_stress
from app.shared.layout import draw_next_page, draw_opening, draw_section, require_dataset, require_run
from app.shared.text import download_name, spreadsheet_of
from vitcore.language import tr
from vitcore.runs import Run

SECTIONS = {
    "figures": (tr("Figures"), draw_figures),
    "confusions": (tr("Confusions"), draw_confusions),
    "curves": (tr("Curves"), draw_all_curves),
    "conditions": (tr("Conditions"), draw_conditions),
    "trust": (tr("Trust"), draw_trust),
    "stress": (tr("Stress test"), draw_stress),
    "compare": (tr("Compare"), draw_comparison),
    "elsewhere": (tr("Elsewhere"), draw_external_validation),
    "more": (tr("More photos"), draw_forecast),
}


def per_image(run: Run) -> bytes:
    """Return the results image by image, with all probabilities, as CSV."""
    names = [f"probability_{name}" for name in run.classes]
    probabilities = pd.DataFrame(run.probabilities, columns=names)
    return spreadsheet_of(pd.concat([run.predictions, probabilities], axis=1))


def figures_as_json(run: Run) -> str:
    """Return the figures, and what one has to know to read them, as JSON."""
    about = {"run": run.id, "name": run.name, "state": run.state, "dataset": asdict(run.config.dataset)}
    known = asdict(run.facts)
    facts = {name: known[name] for name in ("calibration", "leak") if known[name]}
    figures = {
        "headline": asdict(run.headline),
        **run.facts.headline_evaluation(run.evaluation).to_dict(),
        "validation": run.evaluation.to_dict(),
    }
    return json.dumps({**about, **figures, **facts}, indent=2)


def take_away(run: Run) -> None:
    """Draw buttons for all that is shown, as files; they are made when asked for."""
    st.space("small")
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, make, file, kind in (
            (tr("Photo by photo (CSV)"), per_image, "predictions.csv", "text/csv"),
            (tr("Figures (JSON)"), figures_as_json, "metrics.json", "application/json"),
        ):
            name = download_name(run.config.dataset.name, run.config.created, file)
            st.download_button(
                label, partial(make, run), name, kind, icon=":material/download:", on_click="ignore"
            )
    st.caption(tr("To save a chart as a picture (PNG), point at it and use the symbol at its upper right."))


draw_opening(tr("Evaluate"), tr("How good the classifier is on photos that it has not learned from."))
run = require_run()
data = require_dataset()
titles = {name: title for name, (title, _) in SECTIONS.items()}
section = draw_section("evaluate", titles)
SECTIONS[section][1](run, data)
take_away(run)
draw_next_page("samples", tr("See the photos behind the figures"))
