"""A result said once: the figures of a run as blocks, and blocks as HTML and Markdown.

The written report of a run is one HTML file that can be read anywhere, kept and printed; the model card goes
along with a classifier that is handed on; the pages of the app draw the same blocks. What is not there of a
run is left out.
"""

from vitcore.report._blocks import (
    Block,
    Cell,
    Chart,
    Code,
    Figure,
    Flow,
    Gallery,
    Heading,
    Headline,
    Items,
    Paragraph,
    Section,
    Table,
    Tile,
)
from vitcore.report._card import CardContents, model_card
from vitcore.report._contents import ReportContents
from vitcore.report._figures import (
    answers_sentence,
    baseline_table,
    class_blocks,
    figure_blocks,
    headline,
    leak_sentence,
)
from vitcore.report._markdown import markdown_of
from vitcore.report._metrics import metric_figure, metric_name, metric_title
from vitcore.report._report import report_html
from vitcore.report._settings import setting_title, setting_value, significant

__all__ = [
    "Block",
    "CardContents",
    "Cell",
    "Chart",
    "Code",
    "Figure",
    "Flow",
    "Gallery",
    "Heading",
    "Headline",
    "Items",
    "Paragraph",
    "ReportContents",
    "Section",
    "Table",
    "Tile",
    "answers_sentence",
    "baseline_table",
    "class_blocks",
    "figure_blocks",
    "headline",
    "leak_sentence",
    "markdown_of",
    "metric_figure",
    "metric_name",
    "metric_title",
    "model_card",
    "report_html",
    "setting_title",
    "setting_value",
    "significant",
]
