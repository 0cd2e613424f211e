"""What blocks say is the same in a page of the app, in HTML and in Markdown."""

import html
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import SimpleNamespace
from typing import get_args

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from tests.report.test_card import HOSTILE, contents
from vitcore.charts import class_count_chart
from vitcore.language import LANGUAGES, speaking
from vitcore.report import (
    Block,
    Chart,
    Code,
    Figure,
    Flow,
    Gallery,
    Heading,
    Items,
    Paragraph,
    Section,
    Table,
    Tile,
    baseline_table,
    class_blocks,
    figure_blocks,
    headline,
    markdown_of,
)
from vitcore.report._charts import Drawer
from vitcore.report._page import html_of
from vitcore.runs import Calibration, CrossValidation, Leak, Repeats, RunFacts

FACTS = RunFacts(
    calibration=Calibration(temperature=0.5, error_before=0.21, noise_floor=0.034),
    leak=Leak(images=12, accuracy=0.912, accuracy_without=0.8125),
    cross_validation=CrossValidation(
        folds=2, accuracy=(0.7, 0.8), balanced_accuracy=(0.7, 0.8), cohen_kappa=(0.6, 0.7)
    ),
    repeats=Repeats(
        seeds=(1, 2), accuracy=(0.61, 0.62), balanced_accuracy=(0.6, 0.6), cohen_kappa=(0.5, 0.5)
    ),
)
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def all_figures() -> list[Block]:
    """Every block that a page, the report and the card share."""
    evaluation = contents().evaluation
    baselines = pd.DataFrame(
        {
            "name": ["this classifier", "logistic regression"],
            "accuracy": [0.81, 0.72],
            "balanced_accuracy": [0.83, 0.74],
            "cohen_kappa": [0.65, 0.56],
        }
    )
    return [
        headline(evaluation, FACTS),
        *figure_blocks(evaluation, FACTS, stopped=True),
        *class_blocks(evaluation, dict.fromkeys(HOSTILE, 77)),
        baseline_table(baselines),
    ]


def other_blocks() -> list[Block]:
    """The kinds of blocks that have no figures, with texts that would come alive."""
    first, second, third, fourth = HOSTILE
    return [
        Paragraph(f"1. {first}", "note"),
        Heading(second),
        Items([third, fourth]),
        Flow([(first, second)]),
        Chart(class_count_chart({"x": 1, "y": 2}), "Photos & *classes*", "_How_ to <b>read</b> it"),
        Gallery([Tile([(PIXEL, "a picture")], f"{third}, 71.2 %", f"truly: {fourth}", right=False)]),
        Code("print('```')", "python"),
    ]


def leaves(value: object) -> Iterator[str | Figure]:
    """The texts and figures of blocks, in their order."""
    if isinstance(value, str | Figure):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from leaves(part)
    elif is_dataclass(value):
        shown = [field.name for field in fields(value)]
        if isinstance(value, Table | Paragraph | Chart | Code | Tile):  # the rest says how, or is a picture
            shown = ["header", "rows", "text", "title", "caption", "answer", "truth"]
        if isinstance(value, Gallery):
            shown = ["tiles"]
        if hasattr(value, "low"):
            yield str(value)
        else:
            for name in shown:
                yield from leaves(getattr(value, name, ""))


def spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\N{WORD JOINER}", ""))


# --- the three renderers, as one reads what they make ------------------------------------------


def as_html(blocks: list[Block], language: str) -> SimpleNamespace:
    with speaking(language):
        page = html_of("Title", "Subtitle", [Section("one", "One", blocks)])
    text = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
    return SimpleNamespace(text=spaced(html.unescape(re.sub(r"<[^>]*>", "", text))), values=set())


def as_markdown(blocks: list[Block], language: str) -> SimpleNamespace:
    with speaking(language):
        text = markdown_of("Title", Paragraph("Opening"), [Section("one", "One", blocks)])
    return SimpleNamespace(text=spaced(re.sub(r"\\([^A-Za-z0-9\s])", r"\1", text)), values=set())


def texts_and_values(at: AppTest) -> tuple[str, set[object]]:
    """All words of a page, and the numbers that it is given as such."""
    elements = [*at.markdown, *at.caption, *at.info, *at.warning, *at.subheader]
    texts = [element.proto.body for element in elements]
    texts += [element.value for element in at.code]
    texts += [part for metric in at.metric for part in (metric.label, metric.value, metric.help)]
    tables = [element.value for element in [*at.table, *at.dataframe]]
    cells = [cell for table in tables for cell in [*table.columns, *table.to_numpy().ravel()]]
    texts += [cell for cell in cells if isinstance(cell, str)]
    text = spaced(re.sub(r"\\([^A-Za-z0-9\s])", r"\1", " ".join(texts)))
    return text, {cell for cell in cells if not isinstance(cell, str)}


def page() -> None:
    """Draw the blocks of the session in its language."""
    import streamlit

    from app.shared.blocks import draw_blocks
    from vitcore.language import speaking

    with speaking(streamlit.session_state["language"]):
        draw_blocks(streamlit.session_state["blocks"])


def as_page(blocks: list[Block], language: str) -> SimpleNamespace:
    at = AppTest.from_function(page, default_timeout=30)
    at.session_state["blocks"], at.session_state["language"] = blocks, language
    at.run()
    assert not at.exception
    text, values = texts_and_values(at)
    return SimpleNamespace(text=text, values=values)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("render", [as_html, as_markdown, as_page])
def test_every_renderer_shows_the_same_words_and_numbers(render, language):
    with speaking(language):
        blocks = all_figures()
    shown = render(blocks, language)
    with speaking(language):
        found = [leaf for leaf in leaves(blocks) if str(leaf)]
        numbers = [leaf for leaf in found if isinstance(leaf, Figure)]
        assert len(numbers) > 30
        # A column of numbers that can be sorted is given to the page as numbers, which it writes itself.
        given = {leaf for leaf in numbers if leaf.value in shown.values}
        missing = [str(leaf) for leaf in found if leaf not in given and spaced(str(leaf)) not in shown.text]
    assert missing == []


@pytest.mark.parametrize("render", [as_html, as_markdown, as_page])
def test_every_kind_of_block_can_be_rendered_and_names_are_shown_as_they_are(render):
    blocks = [*all_figures(), *other_blocks()]
    assert {type(block) for block in blocks} == {*get_args(Block)}
    text = render(blocks, "en").text
    assert [str(leaf) for leaf in leaves(other_blocks()) if spaced(str(leaf)) not in text] == []


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("83.3 % of 1,000 (or so)", "83.3 % of 1,000 (or so)"),
        ("men's & d'Artagnan's", "men's & d'Artagnan's"),
        ("1. first", r"1\. first"),
        ("- item", r"\- item"),
        ("# title", r"\# title"),
        ("*b* _i_ `c`", r"\*b\* \_i\_ \`c\`"),
        ("![x](http://evil)", r"!\[x\](http\://evil)"),
        ("<img src=x> &amp; a|b", r"\<img src=x\> \&amp; a\|b"),
        ("www.evil.com a@b.com :smile:", r"www\.evil.com a\@b.com \:smile:"),
        ("two\nlines", "two lines"),
    ],
)
def test_markdown_escapes_what_would_come_alive_and_nothing_else(text, written):
    assert markdown_of("T", Paragraph(text), []) == f"# T\n\n{written}\n"


def test_a_chart_of_any_names_is_drawn():
    hostile = "\x1b[31mcat\0\x0b\ufffe\N{GRINNING FACE}"  # each of the four would end the whole process
    chart = class_count_chart({hostile: 1, "dog": 2}).properties(title=hostile)
    drawn = Drawer().draw(Chart(chart, "Photos"))
    assert "\ufffd[31mcat\ufffd\ufffd\ufffd\N{GRINNING FACE}" in html.unescape(drawn)
    assert "\x1b" not in drawn
