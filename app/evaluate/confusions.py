"""Confused classes: the heatmap, the largest confusions, and the images behind a cell."""

import altair as alt
import numpy as np
import streamlit as st

from app.evaluate.figures import draw_images
from app.shared.layout import draw_switch
from app.shared.results import cached_run, results_version
from app.shared.text import confidence_text, escape_markdown
from vitcore.charts import confusion_chart, confusion_order
from vitcore.dataset import Dataset
from vitcore.evaluation import Evaluation
from vitcore.language import images, number, tr
from vitcore.runs import Run

__all__ = ["draw_confusions"]

Cell = tuple[str, str]

_MANY = 30  # classes, from which on the squares of all of them are too small for names and counts
_FEW = 20  # classes to show instead
_LISTED = 8


def draw_confusions(run: Run, data: Dataset) -> None:
    """Draw the heatmap beside the largest confusions; below, the images of the chosen cell."""
    evaluation = cached_run(run).evaluation
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        by_row = st.toggle(
            tr("Shares of each true class instead of counts"), key="by_row", persist_state="session"
        )
        alike = len(evaluation.classes) > 2 and st.toggle(
            tr("Put similar classes side by side"), key="alike", persist_state="session"
        )
    order = _order(results_version(run), evaluation) if alike else list(range(len(evaluation.classes)))
    order = _narrowed(order, evaluation)
    left, right = st.columns([1, 2], gap="medium")
    with left:
        _largest(run, evaluation)
    with right:
        cell = _heatmap(run, evaluation, order, by_row)
        basis = tr("Counted on {images} kept for validation.").format(images=images(evaluation.images))
        rows = tr("Rows are the true classes, columns what they were taken for; the diagonal is right.")
        st.caption(f"{rows} {basis}")
    if cell is None:
        st.info(
            tr("Click a square, or one of the largest confusions, to see its photos."),
            icon=":material/touch_app:",
        )
    else:
        _images(run, data, cell)


@st.cache_data(show_spinner=False, max_entries=16)
def _order(key: object, _evaluation: Evaluation) -> list[int]:  # noqa: ARG001 - the key stands for it
    return confusion_order(_evaluation.confusion)


def _narrowed(order: list[int], evaluation: Evaluation) -> list[int]:
    """Return of many classes those that are confused most, unless all are asked for."""
    count = len(evaluation.classes)
    if count <= _MANY:
        return order
    options = {
        "most": tr("The {count} most confused classes").format(count=number(_FEW)),
        "all": tr("All {count}").format(count=number(count)),
    }
    which = draw_switch(tr("Which classes"), options, "which_classes")
    if which == "all":
        return order
    most: set[int] = set()  # with the largest confusions, so that these can be seen
    for place in np.argsort(-evaluation.mistakes, axis=None, kind="stable"):
        if len(most | set(divmod(int(place), count))) > _FEW:
            break
        most |= set(divmod(int(place), count))
    return [number for number in order if number in most]


def _heatmap(run: Run, evaluation: Evaluation, order: list[int], by_row: bool) -> Cell | None:
    """Draw it; the cell that was clicked, or else the one whose button was pressed last."""
    chart = confusion_chart(
        evaluation.confusion,
        evaluation.classes,
        by_row=by_row,
        dark=st.context.theme.type == "dark",
        order=order,
    )
    pressed, turn = st.session_state.get("pressed_cell", {}).get(run.id, (None, 0))
    if pressed is not None:
        _mark(chart, pressed)
    names = min(7 * max(len(evaluation.classes[number]) for number in order), 100)
    # With little room, as on a phone, the squares become narrower instead of being cut off.
    width, height = int(chart.width) + names + 45, int(chart.height) + round(0.7 * names) + 45
    fitted = chart.properties(height=height, autosize={"type": "fit", "contains": "padding"})
    event = st.altair_chart(
        fitted,
        width=width,
        on_select="rerun",
        selection_mode="cell",
        # A new chart for each press of a button: an old click does not go before it.
        key=f"confusion_{run.id}_{turn}",
        alt=tr("Confusion matrix: true classes as rows, predicted ones as columns"),
    )
    clicked = [(point.get("true"), point.get("predicted")) for point in event["selection"]["cell"] or []]
    return clicked[0] if clicked else pressed


def _mark(chart: alt.LayerChart, cell: Cell) -> None:
    """Let a chart begin with a cell chosen."""
    for param in chart.params:
        if param.name == "cell":
            param.value = [{"true": cell[0], "predicted": cell[1]}]


def _press(run: Run, cell: Cell) -> None:
    cells = st.session_state.setdefault("pressed_cell", {})
    cells[run.id] = cell, cells.get(run.id, (None, 0))[1] + 1


def _largest(run: Run, evaluation: Evaluation) -> None:
    """Draw the most frequent mistakes, each a button that does the same as a click on its cell."""
    mistakes = evaluation.mistakes
    if not mistakes.any():
        st.markdown(tr("No mistakes on the validation photos."))
        return
    st.markdown(tr("**Largest confusions**"))
    for place in np.argsort(-mistakes, axis=None, kind="stable")[:_LISTED]:
        true, predicted = divmod(int(place), len(evaluation.classes))
        if count := int(mistakes[true, predicted]):
            cell = evaluation.classes[true], evaluation.classes[predicted]
            st.button(
                tr("**{true}** taken for **{predicted}**: {count}").format(
                    true=escape_markdown(cell[0], 24),
                    predicted=escape_markdown(cell[1], 24),
                    count=number(count),
                ),
                type="tertiary",
                icon=":material/image_search:",
                key=f"cell_{true}_{predicted}",
                on_click=_press,
                args=(run, cell),
            )
    every = int((mistakes > 0).sum())
    if every > _LISTED:
        st.caption(
            tr("{mistakes} mistakes in {squares} squares; the largest are listed.").format(
                mistakes=number(mistakes.sum()), squares=number(every)
            )
        )


def _images(run: Run, data: Dataset, cell: Cell) -> None:
    """Draw exactly the images of a cell, the most confident first."""
    true, predicted = cell
    rows = cached_run(run).predictions
    rows = rows[(rows["true"] == true) & (rows["predicted"] == predicted)]
    rows = rows.sort_values("confidence", ascending=False, kind="stable")
    st.markdown(f"#### {_title(len(rows), true, predicted)}")
    if rows.empty:
        return
    places = [run.classes.index(name) for name in cell]
    draw_images(
        data,
        rows,
        lambda row: f"{escape_markdown(row.name, 40)}  \n{confidence_text(row.confidence)}",
        key=f"cell_page_{places[0]}_{places[1]}",
    )


def _title(count: int, true: str, predicted: str) -> str:
    """Return how many images a cell has, and which."""
    if true == predicted:
        text = tr("{images} of {true} recognised")
    else:
        text = tr("{images} of {true} taken for {predicted}")
    return text.format(
        images=images(count) if count else tr("No photo"),
        true=escape_markdown(true),
        predicted=escape_markdown(predicted),
    )
