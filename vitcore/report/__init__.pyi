from ._answers import answer_sentence, doubt_reason, nearest_classes, not_sure
from ._blocks import (
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
from ._card import CardContents, about_sentences, changed_sentence, model_card
from ._contents import ReportContents
from ._difference import difference_details, difference_sentence
from ._figures import (
    answers_sentence,
    baseline_table,
    class_blocks,
    figure_blocks,
)
from ._headline import headline, headline_notes, leak_sentence
from ._markdown import markdown_of
from ._metrics import metric_figure, metric_name, metric_title
from ._report import report_html
from ._settings import setting_title, setting_value, significant
from ._stress import perturbation_title, stress_blocks

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
    "about_sentences",
    "answer_sentence",
    "answers_sentence",
    "baseline_table",
    "changed_sentence",
    "class_blocks",
    "difference_details",
    "difference_sentence",
    "doubt_reason",
    "figure_blocks",
    "headline",
    "headline_notes",
    "leak_sentence",
    "markdown_of",
    "metric_figure",
    "metric_name",
    "metric_title",
    "model_card",
    "nearest_classes",
    "not_sure",
    "perturbation_title",
    "report_html",
    "setting_title",
    "setting_value",
    "significant",
    "stress_blocks",
]
