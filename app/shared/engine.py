"""The engines that compute the embeddings: their names, and which one a run came to use, and why."""

import pandas as pd
import streamlit as st

from app.shared.text import escape_markdown
from vitcore.compute import ENGINE_TITLES, ENGINES, engine_is_here
from vitcore.engines import EngineTrial
from vitcore.language import number, percent, tr, translated
from vitcore.runs import Run

__all__ = ["computed_on", "draw_engine", "engine_of", "engine_title", "engines_here"]


def engines_here() -> list[str]:
    """Return those that can be chosen on this machine, ``auto`` first."""
    return [name for name in ENGINES if engine_is_here(name)]


def engine_title(name: str) -> str:
    """Return what an engine is called."""
    return tr("automatic") if name == "auto" else ENGINE_TITLES.get(name, name)


def engine_of(run: Run) -> str:
    """Return the engine of a run; those of earlier versions had no choice."""
    return run.config.device.engine


def computed_on(run: Run) -> str:
    """Return where, with what and in which number format a run was computed: a sentence for Markdown."""
    device = run.config.device
    return tr("Computed on {device} by {engine} in {precision}.").format(
        device=escape_markdown(tr(device.title)),
        engine=engine_title(engine_of(run)),
        precision=device.precision,
    )


def draw_engine(run: Run) -> None:
    """Draw why it was this one, and how the others did; nothing where nothing was compared."""
    choice = run.config.engine
    if choice is None or not choice.candidates:
        return
    candidates = choice.candidates
    with st.expander(tr("What computed the embeddings"), icon=":material/memory:"):
        st.markdown(escape_markdown(translated(choice.reason), 400))
        used = engine_of(run), run.config.device.precision
        st.table(
            pd.DataFrame([_row(candidate, used, candidates[0]) for candidate in candidates]),
            border="horizontal",
            hide_index=True,
        )
        st.caption(
            tr(
                "Tried on {count} of the photos. An engine is only taken if it agrees with PyTorch in fp32: "
                "embeddings alike by 0.999 at least (cosine similarity; 1 is the same) for every photo, and "
                "the same answer for 99 of 100 photos or more."
            ).format(count=number(candidates[0].images))
        )


def _row(candidate: EngineTrial, used: tuple[str, str], exact: EngineTrial) -> dict[str, str]:
    own = candidate.engine, candidate.precision
    agrees = tr("yes") if candidate.agrees else tr("no")
    return {
        tr("Engine"): engine_title(own[0]) + (" · " + tr("used") if own == used else ""),
        tr("Precision"): own[1],
        tr("Images per second"): number(candidate.images_per_second, 1),
        tr("Lowest likeness"): number(candidate.cosine, 5),
        tr("Same answer"): percent(candidate.same_label),
        tr("Agrees"): "\N{EN DASH}" if candidate is exact else agrees,
    }
