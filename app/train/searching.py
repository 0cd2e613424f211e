"""Finding a better recipe: what to compare, how far it is, what was found, and taking it with one click."""

from typing import Any

import pandas as pd
import streamlit as st

from app.shared.job_kinds import SEARCH
from app.shared.jobs import draw_jobs, is_active, start
from app.shared.messages import draw_error, reported
from app.shared.starting import device_of
from app.shared.state import workspace
from app.shared.text import escape_markdown, signed
from app.train.settings import load_settings
from vitcore.backbone import CATALOGUE, PAIRS, describe_backbone, weights_are_here
from vitcore.compute import Compute
from vitcore.dataset import Dataset
from vitcore.errors import NotFoundError, VitcoreError
from vitcore.language import duration, mark, number, percent, tr, translated
from vitcore.pipeline import RecipeSearch, SearchedRecipe, find_recipe, load_search, usual_rivals
from vitcore.training import Hyperparameters

__all__ = ["draw_search"]

MINUTES = (1, 2, 3, 5, 10, 20, 30, 60)
USUAL_MINUTES = 3
SIZES = (112, 140, 168, 196, 224, 280, 336, 448, 518)
_NOTES = {
    "compared": "",
    "dropped": mark("dropped early: it could not win any more"),
    "untried": mark("not compared: too little time"),
    "failed": mark("cannot be used"),
}


def draw_search(data: Dataset, values: dict[str, Any], requested: dict[str, Any]) -> None:
    """Draw the search for a recipe, in one fold.

    Args:
        data: The dataset.
        values: The settings that are chosen, by the names of `Hyperparameters`.
        requested: The attributes of a `Compute`, as they are chosen.
    """
    running = is_active(SEARCH)
    if running:  # and it stays open to show what was found
        st.session_state["search_open"] = True
    fold = st.expander(
        tr("Find better settings"), icon=":material/search:", key="search_open", on_change="rerun"
    )
    if not fold.open:
        return
    with fold:
        st.markdown(
            tr(
                "Compares other backbones, input sizes and heads with the settings above, all on the same "
                "training photos. Yours stay unless another is better beyond doubt. The photos that judge "
                "the classifier are not looked at."
            )
        )
        _draw_choice(data, values, requested, running=running)
        if running:
            draw_jobs(SEARCH)
        elif (found := _found(data)) is not None:
            _draw_result(data, found)


def _draw_choice(data: Dataset, values: dict[str, Any], requested: dict[str, Any], *, running: bool) -> None:
    """Draw what to compare, for how long, and the button."""
    chosen = requested["backbone"]
    st.session_state.setdefault("search_backbones", list(usual_rivals(chosen)))
    options = [name for name in (*CATALOGUE, *PAIRS) if name != chosen]
    st.session_state["search_backbones"] = [
        name for name in st.session_state["search_backbones"] if name in options
    ]
    left, right = st.columns([3, 2])
    with left:
        backbones = st.multiselect(
            tr("Backbones to compare"),
            options,
            format_func={name: _backbone_title(name) for name in options}.__getitem__,
            key="search_backbones",
            persist_state="session",
            placeholder=tr("None"),
        )
    with right:
        sizes = st.multiselect(
            tr("Input sizes to compare"),
            SIZES,
            format_func={size: tr("{size} pixels").format(size=number(size)) for size in SIZES}.__getitem__,
            key="search_sizes",
            persist_state="session",
            placeholder=tr("None"),
        )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        minutes = st.select_slider(
            tr("Minutes at most"),
            MINUTES,
            USUAL_MINUTES,
            format_func=number,
            key="search_minutes",
            persist_state="session",
            width=260,
        )
        if st.button(tr("Compare"), icon=":material/search:", disabled=running, key="search"):
            with reported(draw_error):
                _start(data, values, requested, (tuple(backbones), tuple(sizes), float(minutes)))
                st.rerun()
    st.caption(
        tr(
            "A few hundred photos, drawn by class, go through each backbone, the fastest first, and no "
            "longer than you allow. The training that follows need not look at them again."
        )
    )


def _start(
    data: Dataset,
    values: dict[str, Any],
    requested: dict[str, Any],
    wanted: tuple[tuple[str, ...], tuple[int, ...], float],
) -> None:
    hyperparameters, compute = Hyperparameters(**values), Compute(**requested)
    backbones, sizes, minutes = wanted
    start(
        SEARCH,
        data.name,
        lambda job: find_recipe(
            data,
            hyperparameters,
            compute=compute,
            backbones=backbones,
            input_sizes=sizes,
            minutes=minutes,
            workspace=workspace(),
            task=job.task,
        ),
        device=device_of(compute),
        result_id=data.id,
        uses=(data.folder,),
    )


def _found(data: Dataset) -> RecipeSearch | None:
    try:
        return load_search(data)
    except NotFoundError:
        return None
    except VitcoreError as error:
        draw_error(error)
        return None


def _draw_result(data: Dataset, found: RecipeSearch) -> None:
    """Draw the sentence, the buttons that take a recipe, and all recipes beside each other."""
    st.markdown(f"**{escape_markdown(translated(found.verdict), 400)}**")
    offered = [recipe for recipe in (found.better, found.faster) if recipe is not None]
    with st.container(horizontal=True):
        for place, recipe in enumerate(dict.fromkeys(offered)):
            st.button(
                tr("Use {recipe}").format(recipe=escape_markdown(translated(recipe.title), 60)),
                icon=":material/check:",
                key=f"use_recipe_{place}",
                on_click=load_settings,
                args=(recipe.standing.recipe.hyperparameters, vars(found.compute(recipe))),
            )
    st.table(
        pd.DataFrame([_row(recipe, found) for recipe in found.recipes]), border="horizontal", hide_index=True
    )
    notes = [
        tr(
            "Cross-validation on up to {count} training photos; a training with all photos is more accurate. "
            "The same answers compare the recipes and choose the best, so the intervals are widened to hold "
            "for all of them together (95 %)."
        ).format(count=number(found.images)),
        tr("It took {time}.").format(time=duration(found.seconds)),
    ]
    if found.state == "stopped":
        notes.append(tr("It was stopped early."))
    if found.version != data.version:
        notes.append(tr("The photos have been changed since."))
    st.caption(" ".join(notes))


def _row(recipe: SearchedRecipe, found: RecipeSearch) -> dict[str, str]:
    """Return a row of the table."""
    standing, is_base = recipe.standing, recipe == found.base
    compared = standing.images > 0
    title = escape_markdown(translated(recipe.title), 80)
    difference = tr("{difference} points ({low} to {high})").format(
        difference=signed(100 * standing.difference, 1),
        low=signed(100 * standing.low, 1),
        high=signed(100 * standing.high, 1),
    )
    note = tr(_NOTES[standing.state]) if standing.state != "compared" else ""
    if standing.state == "failed":
        note = escape_markdown(translated(standing.reason), 200)
    return {
        tr("Recipe"): tr("{recipe} (your settings)").format(recipe=title) if is_base else title,
        tr("Accuracy"): percent(standing.accuracy) if compared else "",
        tr("Difference (95 % interval)"): difference if compared and not is_base else "",
        tr("Speed"): "" if is_base else translated(found.pace(recipe)),
        tr("Photos"): number(standing.images) if compared else "",
        tr("Note"): note,
    }


def _backbone_title(name: str) -> str:
    spec = describe_backbone(name)
    title = " + ".join(tr(part.title) for part in spec.parts or (spec,))
    return title if weights_are_here(name) else tr("{backbone} (download)").format(backbone=title)
