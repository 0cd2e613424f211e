"""The charts of the app as drawings inside of a page."""

import re
from itertools import count
from types import MappingProxyType
from typing import Any, Literal

import altair as alt
import vl_convert  # starts an engine for JavaScript
from markupsafe import Markup

from vitcore.language import current
from vitcore.report._blocks import Chart

__all__ = ["Drawer"]

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WIDTH = 660  # of a chart in pixels, as fits on a page of A4

_LOCALES: MappingProxyType[str, Literal["en-US", "es-ES"]] = MappingProxyType({"en": "en-US", "es": "es-ES"})
_CONFIG: dict[str, Any] = {
    "aria": False,  # the drawing as a whole says what it shows
    "background": "transparent",
    "font": "Arial",  # the style of the page names more, all as wide: the room for texts is measured here
    "view": {"stroke": "#D5DCE1"},
    "axis": {
        "labelColor": "#3C4A54",
        "titleColor": "#3C4A54",
        "titleFontWeight": "normal",
        "gridColor": "#E6EBEE",
        "domainColor": "#8A99A4",
        "tickColor": "#8A99A4",
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titlePadding": 8,
    },
    "legend": {"labelColor": "#3C4A54", "labelFontSize": 11, "labelLimit": 240, "columnPadding": 14},
}


class Drawer:
    """Draws charts as SVG; one for each page, for the names in it must differ."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def draw(self, block: Chart) -> Markup:
        """Draw a chart; those that are fitted as wide as the page."""
        chart = block.chart
        if block.fitted:
            sized = {"width": _WIDTH} if block.height is None else {"width": _WIDTH, "height": block.height}
            chart = chart.properties(**sized, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
        svg = vl_convert.vegalite_to_svg(
            _for_xml(chart.to_dict()),
            config=_CONFIG,
            format_locale=_LOCALES[current()],
            time_format_locale=_LOCALES[current()],
        )
        # Vega escapes the names of classes in it.
        return Markup(_renamed(svg, next(self._numbers)))  # noqa: S704


def _for_xml(value: Any) -> Any:
    """Replace what no XML file may have in all texts of a chart: the engine would abort the process."""
    if isinstance(value, str):
        return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {_for_xml(name): _for_xml(item) for name, item in value.items()}
    return [_for_xml(item) for item in value] if isinstance(value, list) else value


def _renamed(svg: str, number: int) -> str:
    """With names of its own: each drawing counts its clips from 0, and a page has several drawings."""

    def rename(tag: re.Match[str]) -> str:
        text = re.sub(r'\bid="([\w-]+)"', rf'id="chart{number}-\1"', tag[0])
        return re.sub(r"url\(#([\w-]+)\)", rf"url(#chart{number}-\1)", text)

    return re.sub(r"<[^>]+>", rename, svg)
